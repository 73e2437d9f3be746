"""`larder doctor`: what is wrong with this machine or this data root, and how to fix it."""

import os
import platform
import re
import shutil
import socket
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from ingestion.core import storage
from ingestion.core.errors import ExpectedError
from larder.core import console, machine
from larder.core.machine import GIB
from larder.core.settings import PROJECT, Paths
from larder.warehouse import locks
from larder.warehouse.store import Store

SUPPORTED = ("linux", "darwin")
"""Systems with the file locks and symbolic links that publishing rests on."""
MEMORY_GIB = 6
"""With less than this, DuckDB gets less than it needs to keep the real year in memory."""
DISK_GIB = 5
"""A year of the demo needs about 1.5 GiB: lake, three generations, landing files, a copy while building."""


@dataclass(frozen=True)
class Finding:
    """One check: `level` is ok, warning or error; `fix` says what to do where it is not ok."""

    check: str
    level: str
    found: str
    fix: str = ""


def examine(paths: Paths) -> list[Finding]:
    """Run all checks; none changes anything."""
    return [
        _system(),
        _python(),
        _versions(),
        _memory(),
        _disk(paths),
        _writable(paths),
        _private(paths),
        *_buckets(paths),
        *_ports(paths),
        _locks(paths),
        _pointer(paths),
    ]


def render(findings: list[Finding], as_json: bool) -> None:
    """Print the findings, each with its remedy where it needs one."""
    if as_json:
        console.as_json([asdict(finding) for finding in findings])
        return
    marks = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}
    for finding in findings:
        console.out.print(console.marked(*marks[finding.level], f"{finding.check:14} {finding.found}"))
        if finding.fix:
            console.out.print(f"  {'':14} fix: {finding.fix}")


def _system() -> Finding:
    found = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if sys.platform in SUPPORTED:
        return Finding("system", "ok", found)
    return Finding("system", "error", f"{found} is not supported", "Use Linux or macOS; on Windows: WSL 2")


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.flags.dont_write_bytecode:
        return Finding(
            "python",
            "warning",
            f"{found}, writes no bytecode",
            "unset PYTHONDONTWRITEBYTECODE: dbt starts faster",
        )
    return Finding("python", "ok", found)


def _versions() -> Finding:
    """Compare what is installed with the lock file, for the packages that decide results."""
    lock = (PROJECT / "requirements" / "run.txt").read_text()
    wrong = []
    for name in ("dbt-core", "dbt-duckdb", "dlt", "duckdb", "pyarrow"):
        pinned = re.search(rf"^{name}==(\S+)", lock, re.MULTILINE)
        installed = metadata.version(name)
        if pinned is None or pinned[1] != installed:
            wrong.append(f"{name} {installed} instead of {pinned[1] if pinned else 'a pinned version'}")
    if wrong:
        return Finding("versions", "error", ", ".join(wrong), "Install what is locked: make setup")
    return Finding(
        "versions", "ok", f"dbt-core {metadata.version('dbt-core')}, duckdb {metadata.version('duckdb')}"
    )


def _memory() -> Finding:
    total = machine.memory() / GIB
    if total < MEMORY_GIB:
        return Finding(
            "memory",
            "warning",
            f"{total:.0f} GiB",
            "Nothing to do: DuckDB takes less and builds spill to disk, more slowly",
        )
    return Finding("memory", "ok", f"{total:.0f} GiB")


def _disk(paths: Paths) -> Finding:
    free = shutil.disk_usage(_existing(paths.data)).free / GIB
    if free < DISK_GIB:
        fix = f"Free {DISK_GIB} GiB at {paths.data}, or set LARDER_DATA to a place that has them"
        return Finding("disk", "error", f"{free:.1f} GiB free", fix)
    return Finding("disk", "ok", f"{free:.0f} GiB free at {paths.data}")


def _writable(paths: Paths) -> Finding:
    if not _existing(paths.data).is_dir():
        return Finding("data root", "error", f"{paths.data} is not a folder", "Move it, or set LARDER_DATA")
    if os.access(_existing(paths.data), os.W_OK):
        return Finding("data root", "ok", str(paths.data))
    return Finding(
        "data root", "error", f"{paths.data} is not writable", "Change its owner, or set LARDER_DATA"
    )


def _private(paths: Paths) -> Finding:
    """What an earlier version left for other accounts to read; shares and pages are their audiences'. Of the folders of the demo and of Dagster a database's account owns a part."""
    lake = [] if os.environ.get("LARDER_LAKE", "").startswith(storage.SCHEME) else storage.of_disk(paths.lake)
    private = {*lake, *paths.data.glob("*")} - {
        paths.site,
        paths.shares,
        paths.pages,
        paths.connections.parent,
        paths.data / "dagster",
    }
    files = {folder: [folder, *folder.rglob("*")] for folder in sorted(private) if folder.is_dir()}
    modes = {
        one: [file.lstat().st_mode for file in found if not file.is_symlink()] for one, found in files.items()
    }
    loose = [folder for folder, found in modes.items() if any(mode & 0o077 for mode in found)]
    if loose:
        fix = f"chmod -R go= {' '.join(map(console.shown_path, loose))}"
        return Finding("private files", "warning", "other accounts can read more than the site", fix)
    return Finding("private files", "ok", "other accounts can read the site alone")


def _buckets(paths: Paths) -> Iterator[Finding]:
    """Whether the buckets that are named can be listed."""
    for name in ("lake", "export", "shares", "site"):
        try:
            place = paths.lake if name == "lake" else paths.bucket(name)
            if place is not None and storage.is_bucket(place):
                storage.found(place, "*")
                yield Finding(f"{name} in bucket", "ok", str(place))
        except ExpectedError as error:
            yield Finding(f"{name} in bucket", "error", str(error), error.next_step)


def _ports(paths: Paths) -> list[Finding]:
    """Whether the systems that the demo announces answer at their addresses."""
    if not paths.connections.is_file():
        return [Finding("demo retailer", "ok", "not started here")]
    addresses = {
        urlsplit(str(value)).netloc.rpartition("@")[2]
        for value in tomllib.loads(paths.connections.read_text()).values()
    }
    return [_answers(address) for address in sorted(addresses - {""})]


def _answers(address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return Finding(
            f"port {port}", "warning", f"{host} does not answer ({error.strerror})", "larder demo start"
        )
    return Finding(f"port {port}", "ok", f"{host} answers")


def _locks(paths: Paths) -> Finding:
    dead = locks.abandoned(paths.locks)
    if dead:
        names = ", ".join(f"{name} (process {holder.pid})" for name, holder in dead.items())
        return Finding(
            "locks",
            "warning",
            f"left by dead processes: {names}",
            "Nothing to do: the next run takes them over",
        )
    held = ", ".join(locks.holders(paths.locks)) or "none held"
    return Finding("locks", "ok", held)


def _pointer(paths: Paths) -> Finding:
    store = Store(paths.warehouse)
    published = store.published()
    if published and store.reader_address().is_file():
        return Finding("published", "ok", f"generation {published.id}")
    if (paths.warehouse / "current").is_symlink():
        return Finding(
            "published",
            "error",
            "`current` points to nothing that can be read",
            "Build again: larder build --all",
        )
    return Finding("published", "warning", "nothing yet", "larder run")


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
