"""Generations of the warehouse: write a candidate, audit it, publish it by moving one pointer.

Only this module knows that a generation is a folder with a DuckDB file, and that the pointer is a symbolic link. Where Spark has built
it, its catalog lies beside, of Iceberg tables whose files generations share (larder/warehouse/tables.py).
A generation is `building`, then `audited` or `failed`; an audited one may be published. The published one never changes.
"""

import fcntl
import json
import os
import re
import shutil
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion.core.files import write_atomically
from larder.core import machine
from larder.core.errors import LarderError
from larder.core.settings import ENGINES
from larder.project.fingerprint import Fingerprint
from larder.project.spark import TABLES
from larder.warehouse import tables
from larder.warehouse.connection import BUILD, Purpose, attach, connect, leftover_spills

FILE = "larder.duckdb"
"""Always the same name, because DuckDB names the catalog after it."""

ROOM = 2**30
"""Bytes that a build may need beyond the size of its parent: new rows, temporary files."""

KEEP = 3
"""Published generations that are kept to go back to, including the current one; in addition, one a month. A live one is kept only
while it is the current one, or open."""

MOST_FREE = 0.1
"""Share of a closed file that may be empty room."""

MANIFEST = "manifest.json"
FORMAT = 3
"""Raise it when fingerprints, or what is said of marts, get another meaning: what older ones say then counts as unknown."""
FOLDER = re.compile(r"\d{8}T\d{9}Z(-failed)?")
"""How the folder of a generation is named: its id, with a mark when it did not pass. Anything else is not ours."""
NEXT_POINTER = "current.new"
FICLONE = 0x40049409
"""Linux's request to let a file share the blocks of another."""
LOCK_FORMAT = "hhqqi4x"
"""C's struct flock on 64-bit Linux: type, whence, start, length, process."""


@dataclass
class Manifest:
    """What a generation is and how it came about. Times are UTC, ISO 8601.

    `loads` are the last load of each source and its position in the log, `marts` the rows and the content hash of each mart by `<schema>.<name>`, `nodes`
    the fingerprints of everything that was built into it or tested on it, `times` the seconds that each last took, `as_of` how
    old each source's data were when they were taken, `behind` what a live build has left older than the rest: such a generation is
    called live. `engine` is what built it: with another one, or another version of its macros, nothing of it can be taken over; nor from another `lake`, whose files its views name (empty: that
    in the data folder).
    """

    id: str
    parent: str | None
    state: str
    created_at: str
    project: str = ""
    git: str = ""
    loads: dict[str, dict[str, str | int]] = field(default_factory=dict)
    nodes: dict[str, Fingerprint] = field(default_factory=dict)
    marts: dict[str, dict[str, int | str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    as_of: dict[str, str] = field(default_factory=dict)
    behind: list[str] = field(default_factory=list)
    engine: str = ENGINES[0]
    lake: str = ""
    seconds: float = 0.0
    published_at: str | None = None
    published_by: str | None = None
    format: int = FORMAT


class Store:
    """The generations below one warehouse folder."""

    def __init__(self, warehouse: Path) -> None:
        self._root = warehouse / "generations"
        self._pointer = warehouse / "current"
        self._building = warehouse / "building"
        self._warehouse = warehouse

    def open(self, manifest: Manifest, purpose: Purpose) -> duckdb.DuckDBPyConnection:
        """Open a generation for a purpose, read-only unless it is to be built. The only way to one."""
        return connect(self.address(manifest), purpose, self._warehouse)

    def open_together(
        self, generations: Mapping[str, Manifest], purpose: Purpose
    ) -> duckdb.DuckDBPyConnection:
        """Open several generations at once, read-only, each as the database of the name that it is given."""
        files = {name: self.address(manifest) for name, manifest in generations.items()}
        return attach(files, purpose, self._warehouse)

    def require_published(self) -> Manifest:
        """The generation that readers open. Raises LarderError when there is none yet."""
        published = self.published()
        if published is None:
            if self._pointer.is_symlink():
                raise LarderError(
                    f"{self._pointer} points to a generation whose {MANIFEST} cannot be read",
                    "Publish an earlier one: larder rollback; or build again: larder build --all, then larder publish",
                )
            raise LarderError("nothing is published yet", "Build and publish first: larder run")
        return published

    def begin(self, fresh: bool) -> Manifest:
        """Make a candidate: a copy of the published generation, or an empty one when `fresh` or none is published."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._drop(state="building")
        parent = self.published()
        self._require_room(parent)
        manifest = Manifest(self._new_id(), parent.id if parent else None, "building", _now())
        folder = self._folder(manifest)
        folder.mkdir(parents=True)
        self._write(manifest)
        if parent and not fresh:
            _copy(self.address(parent), self.address(manifest))
            if self.catalog(parent).exists():
                shutil.copytree(self.catalog(parent), self.catalog(manifest))
        self._end_building()
        self._building.symlink_to(folder.relative_to(self._building.parent))
        return manifest

    def copy(self, manifest: Manifest, file: Path) -> None:
        """Copy a generation to where it may be written to; a file that is there is replaced."""
        self._require_room(manifest)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.with_suffix(f"{file.suffix}.wal").unlink(missing_ok=True)
        _copy(self.address(manifest), file)

    def building_address(self) -> Path:
        """Where the candidate that was begun is written, by the same name each time.

        dbt parses the whole project again when the path of its warehouse differs from the last run's.
        """
        return self._building / FILE

    def audited(self, manifest: Manifest) -> None:
        """Close a candidate that is fit to publish, compact. An older one that was never published makes way."""
        self._drop(state="audited", but=manifest.id)
        address = self.address(manifest)
        with self.open(manifest, BUILD) as connection:
            connection.execute("checkpoint")
            wasteful = _free_share(connection) > MOST_FREE
        if wasteful:
            self._compact(address)
        address.chmod(0o400)
        manifest.state = "audited"
        self._write(manifest)
        self._end_building()

    def keep_artifacts(self, manifest: Manifest, artifacts: Path) -> None:
        """Keep dbt's manifests with a candidate.

        `manifest.json` is what later changes are compared with, and deferred to; `semantic_manifest.json` holds the
        definitions of metrics that this generation answers by.
        """
        kept = self.artifacts(manifest)
        kept.mkdir(exist_ok=True)
        for name in ("manifest.json", "semantic_manifest.json"):
            shutil.copyfile(artifacts / name, kept / name)

    def artifacts(self, manifest: Manifest) -> Path:
        """The folder of dbt's artifacts of a generation, as `dbt --state` takes it."""
        return self._folder(manifest) / "dbt"

    def catalog(self, manifest: Manifest) -> Path:
        """Spark's catalog of a generation; missing where DuckDB has built it."""
        return self._folder(manifest) / tables.CATALOG

    def record(self, manifest: Manifest) -> Path:
        """What Spark built a generation from, and the files of its tables; missing where DuckDB has built it."""
        return self._folder(manifest) / tables.RECORD

    def metadata(self, manifest: Manifest) -> Path:
        """The folder of a generation's metadata base; missing where an earlier version of Larder built it."""
        return self._folder(manifest) / "metadata"

    def keep_metadata(self, manifest: Manifest, parent: Manifest) -> None:
        """Take over the metadata base of the generation that a candidate was built from, by the same files of the project."""
        shutil.copytree(self.metadata(parent), self.metadata(manifest), copy_function=os.link)

    def failed(self, manifest: Manifest) -> Path:
        """Keep a candidate that did not pass, under a name that says so, in place of the last such one."""
        self._drop(state="failed")
        folder = self._folder(manifest)
        manifest.state = "failed"
        folder.rename(self._folder(manifest))
        self._write(manifest)
        self._end_building()
        return self.address(manifest)

    def discard(self, manifest: Manifest) -> None:
        """Remove a candidate that was given up, or a generation that nobody needs."""
        _remove(self._folder(manifest))
        if not self._building.exists():  # a publish collects while another candidate may be building
            self._end_building()

    def candidate(self) -> Manifest | None:
        """The audited candidate that waits to be published."""
        return next((m for m in self.all() if m.state == "audited"), None)

    def publish(self, manifest: Manifest) -> None:
        """Move the pointer to an audited candidate, atomically, and collect generations that nobody needs."""
        published = self.published()
        if manifest.parent != (published.id if published else None):
            raise LarderError(
                f"generation {manifest.id} was built from {manifest.parent}, but {published.id if published else 'none'}"
                " is published now",
                "Build again: larder build",
            )
        self._point_at(manifest)
        manifest.state, manifest.published_at = "published", _now()
        manifest.published_by = f"{machine.user()}@{socket.gethostname()}"
        self._write(manifest)
        self._collect()

    def rollback(self, to: str | None) -> Manifest:
        """Move the pointer back to a published generation: the one named, or the one before the current one.

        That is its parent, which readers saw before it: never a mistake that was taken back once already.
        """
        published = self.published()
        earlier = [m for m in self.all() if m.published_at and m.id != (published.id if published else None)]
        if to is None and published:
            parent = [m for m in earlier if m.id == published.parent]
            earlier = parent or [m for m in earlier if m.id < published.id]
        found = next((m for m in earlier if to in (None, m.id) and self.address(m).exists()), None)
        if found is None:
            raise LarderError(
                f"there is no published generation {to or 'before the current one'} to go back to",
                "Choose one from: larder generations",
            )
        self.withdraw()  # first: a kill in between must not leave a candidate of a parent that readers do not see
        self._point_at(found)
        return found

    def remove_others(self, kept: Manifest) -> None:
        """Remove every generation but the published one: what an erasure leaves has no past."""
        published = self.published()
        if not published or published.id != kept.id:
            raise LarderError(
                f"generation {kept.id} is not published any more", "Run the same command again."
            )
        for folder in self._folders():
            if folder != self._folder(kept):
                _remove(folder)
        self._end_building()
        self.remove_unnamed_tables()

    def remove_unnamed_tables(self) -> int:
        """Remove the files of Spark's tables that no generation names. Returns how many. Not while one is being built.

        Those of its views stay, a kilobyte each: Spark does not tell their names.
        """
        if any(manifest.state == "building" for manifest in self.all()):
            return 0
        named = {
            path.resolve() for folder in self._folders() for path in tables.all_files(folder / tables.RECORD)
        }
        if named and not any(path.exists() for path in named):
            return 0  # the folder was moved: nobody can say what is needed
        files = [
            path
            for path in (self._warehouse / TABLES).rglob("*")
            if path.is_file() and not path.name.endswith(tables.OF_A_VIEW)
        ]
        unnamed = [path for path in files if path.resolve() not in named]
        for path in unnamed:
            path.unlink(missing_ok=True)
        return len(unnamed)

    def withdraw(self) -> None:
        """Give up the candidate that waits, if one does: nobody may publish it any more."""
        self._drop(state="audited")

    def published(self) -> Manifest | None:
        """The generation that readers open, or None before the first publish."""
        return self._read(self._pointer.resolve()) if self._pointer.is_symlink() else None

    def parent(self, manifest: Manifest) -> Manifest | None:
        """The generation that another was built from; None for the first one, and where it was removed."""
        return self._read(self._root / manifest.parent) if manifest.parent else None

    def address(self, manifest: Manifest) -> Path:
        """Where a generation is opened."""
        return self._folder(manifest) / FILE

    def reader_address(self) -> Path:
        """Where readers open what is published, whichever generation that is."""
        return self._pointer / FILE

    def all(self) -> list[Manifest]:
        """All generations, the newest first."""
        found = [self._read(folder) for folder in reversed(self._folders())]
        return [manifest for manifest in found if manifest]

    def clean(self) -> list[str]:
        """Remove what builds left that did not come to their end, or did not pass. Returns the folders' names."""
        before = set(self._folders())
        self._drop(state="building")
        self._drop(state="failed")
        self._pointer.with_name(NEXT_POINTER).unlink(missing_ok=True)
        self._end_building()
        for spilled in leftover_spills(self._warehouse):
            shutil.rmtree(spilled)
        self.remove_unnamed_tables()
        for folder in self._folders():
            for unfinished in folder.glob(f".{MANIFEST}.*"):
                unfinished.unlink()
        return sorted(folder.name for folder in before.difference(self._folders()))

    def _compact(self, address: Path) -> None:
        """Rewrite a file without the room that replaced tables left: DuckDB never gives it back by itself."""
        fresh = address.with_suffix(".compact")
        with attach({"old": address, "new": fresh}, BUILD, self._warehouse) as connection:
            connection.execute("copy from database old to new")
        fresh.replace(address)

    def _end_building(self) -> None:
        """Nothing is written by `building_address` any more."""
        self._building.unlink(missing_ok=True)

    def _point_at(self, manifest: Manifest) -> None:
        """The one step that readers see. Where there are no symbolic links, only this function changes.

        What it leaves is noted as published first: a publish that was killed after this step could not do that itself.
        """
        leaving = self.published()
        if leaving:
            self._write(leaving)
        link = self._pointer.with_name(NEXT_POINTER)
        link.unlink(missing_ok=True)
        link.symlink_to(Path("generations") / manifest.id)
        link.replace(self._pointer)

    def _collect(self) -> None:
        """Let go of old generations: not the last KEEP, not the newest of a month, not one that is open or current."""
        published = [m for m in self.all() if m.published_at]
        current, whole = self.published(), [m for m in published if not m.behind]
        of_months = {(m.published_at or "")[:7]: m.id for m in reversed(whole)}
        kept = {*(m.id for m in whole[:KEEP]), *of_months.values()} | ({current.id} if current else set())
        for manifest in published:
            if manifest.id not in kept and not _is_open(self.address(manifest)):
                self.discard(manifest)
        self.remove_unnamed_tables()

    def _drop(self, state: str, but: str = "") -> None:
        for folder in self._folders():
            manifest = self._read(folder)
            if not (folder / MANIFEST).exists() or (
                manifest and manifest.state == state and manifest.id != but
            ):
                _remove(folder)

    def _folders(self) -> list[Path]:
        """The folders of generations, the oldest first. Other files and folders are left alone."""
        found = [path for path in self._root.glob("*") if FOLDER.fullmatch(path.name) and path.is_dir()]
        return sorted(found)

    def _folder(self, manifest: Manifest) -> Path:
        return self._root / (f"{manifest.id}-failed" if manifest.state == "failed" else manifest.id)

    def _new_id(self) -> str:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
        return f"{stamp}Z"

    def _require_room(self, parent: Manifest | None) -> None:
        """A candidate may grow to twice its parent before it is closed, and the first one to ROOM."""
        needed = ROOM + (2 * self.address(parent).stat().st_size if parent else 0)
        free = shutil.disk_usage(self._root).free
        if free < needed:
            raise LarderError(
                f"a build needs about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free at {self._root}",
                "Free space there, or move everything with LARDER_DATA.",
            )

    def _write(self, manifest: Manifest) -> None:
        write_atomically(self._folder(manifest) / MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n")

    def _read(self, folder: Path) -> Manifest | None:
        """The manifest of a folder, also one that another version of Larder wrote; None where there is none."""
        try:
            content: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
            known = {name: value for name, value in content.items() if name in Manifest.__dataclass_fields__}
            if known.get("format") != FORMAT:
                known.update(project="", nodes={}, marts={}, format=FORMAT)
            manifest = Manifest(**{**known, "nodes": _fingerprints(known.get("nodes", {}))})
            if manifest.id != folder.resolve().name.removesuffix("-failed"):
                return None  # a copy by hand: two folders must not count as one generation
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        if manifest.published_at is None and folder.resolve() == self._pointer.resolve():
            moved = datetime.fromtimestamp(self._pointer.lstat().st_mtime, UTC)
            manifest.state, manifest.published_at = "published", moved.isoformat(timespec="seconds")
        return manifest


def _fingerprints(nodes: dict[str, Any]) -> dict[str, Fingerprint]:
    """Those of a manifest; none where another version of Larder wrote them, so that everything counts as new."""
    try:
        return {name: Fingerprint(**node) for name, node in nodes.items()}
    except TypeError:
        return {}


def _remove(folder: Path) -> None:
    """The manifest goes first: a kill in between leaves rubbish, and never a generation without its data."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Share the blocks where the file system can, else copy them. Never a hard link: the copy will be written to."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError:
            shutil.copyfile(source, target)


def _is_open(file: Path) -> bool:
    """Whether another process has the file open: DuckDB holds a read lock on it for as long.

    Elsewhere than on Linux nobody is asked; a file that is removed stays readable to whoever has it open.
    """
    if sys.platform != "linux":
        return False
    request = struct.pack(LOCK_FORMAT, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    if not file.exists():
        return False
    with file.open("rb") as opened:
        answer = fcntl.fcntl(opened, fcntl.F_GETLK, request)
    return bool(struct.unpack(LOCK_FORMAT, answer)[0] != fcntl.F_UNLCK)


def _free_share(connection: duckdb.DuckDBPyConnection) -> float:
    total, free = connection.execute(
        "select total_blocks, free_blocks from pragma_database_size()"
    ).fetchone() or (0, 0)
    return free / total if total else 0.0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
