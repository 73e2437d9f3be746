"""Shares: for each audience a folder with what the policy grants it of the published generation, and nothing else.

`data/shares/<audience>` is a link to a folder with a DuckDB file, a Parquet file for each table, and `share.json`. The folder is written
under a name that nobody reads, verified (verify.py), and shown by moving the link: who reads the old one goes on. What holds more than is
granted now is taken away before anything else, and so is a share that cannot be written.
"""

import grp
import hmac
import json
import os
import secrets
import shutil
import stat
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.core import sql, storage
from ingestion.core.files import sync_folder
from ingestion.core.text import first_line
from ingestion.privacy.pseudonyms import pseudonym, ring
from larder.core import console, events
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import queries, verify
from larder.governance.grants import Audience, Table
from larder.project.manifest import Artifact
from larder.warehouse import mirror
from larder.warehouse.connection import FRESH_SHARE, SHARE, attach
from larder.warehouse.relations import quoted
from larder.warehouse.store import FILE, Manifest, Store

FORMAT = 1
"""Raise it when the same grants are to give other files."""

SAID = "share.json"

ABOUT = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("audience", "purpose", "generation", "written_at", "table_name", "refused")
        ),
        *((name, pa.int64()) for name in ("row_count", *queries.FACTS)),
        ("fewest_values", pa.map_(pa.string(), pa.int64())),
        ("columns_left_out", pa.map_(pa.string(), pa.string())),
    ]
)
"""The table share.about: a row for each table that the audience gets, or is refused with a reason."""


def withdraw(paths: Paths, audiences: list[Audience]) -> None:
    """Take away the shares that hold more than is granted now, and what interrupted runs left."""
    granted = {audience.name: audience.granted() for audience in audiences}
    paths.shares.mkdir(parents=True, exist_ok=True)
    shown = set()
    for link in [path for path in paths.shares.iterdir() if path.is_symlink()]:
        if set(_said(link).get("granted", [""])) <= granted.get(link.name, set()):
            shown.add(link.resolve())
        else:
            _end(paths, link.name)
    sync_folder(paths.shares)
    for path in paths.shares.iterdir():
        if not path.is_symlink() and path not in shown:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if target := paths.bucket("shares"):
        for share in storage.found(target, "*/"):
            if not set(mirror.shown(share).get("granted", [""])) <= granted.get(share.name, set()):
                mirror.withdraw(share)


def write(
    paths: Paths, store: Store, published: Manifest, audiences: list[Audience], declared: list[Artifact]
) -> None:
    """Write the shares of what is published; one without anything new stays. Raises LarderError with those that could not be written."""
    failed, closed = {}, []
    withdraw(paths, audiences)
    with console.progress("shares") as report, store.open(published, SHARE) as warehouse:
        for audience in audiences:
            report(audience.name)
            try:
                share = _Share(paths, published, audience, warehouse)
                folder = share.kept() or share.write(declared)
            except (duckdb.Error, LarderError, OSError, ValueError) as error:
                _end(paths, audience.name)
                failed[audience.name] = first_line(error)
            else:
                events.emit("share_written", audience.name)
                closed += [] if give(folder, audience.group) else [audience.name]
    withdraw(paths, audiences)
    let_pass(paths.shares, paths.data)
    for audience in audiences:
        if audience.name not in failed:
            _mirror(paths, audience)
    if closed:
        console.note(
            f"only the owner of the files reads the shares of {', '.join(closed)}: no group of the system is theirs"
        )
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise LarderError(
            f"{len(failed)} of {len(audiences)} audiences have no share, as theirs could not be written: {reasons}",
            "Put it right, then write them: larder shares. What is published stays.",
        )
    console.done(f"shares of generation {published.id}: {', '.join(a.name for a in audiences) or 'none'}")


def _mirror(paths: Paths, audience: Audience) -> None:
    """Show a share in a bucket as well, where one is named."""
    if target := paths.bucket("shares"):
        files = mirror.files_of((paths.shares / audience.name).resolve())
        mirror.show(target / audience.name, "share", files, granted=sorted(audience.granted()))


def _end(paths: Paths, audience: str) -> None:
    """Take away a share and the pages that were made from it, earlier ones too."""
    if target := paths.bucket("shares"):
        mirror.withdraw(target / audience)
    pages = paths.reports(audience)
    for link in (paths.shares / audience, pages):
        link.unlink(missing_ok=True)
    for left in pages.parent.glob(f".{pages.name}-*"):
        left.unlink() if left.is_symlink() else shutil.rmtree(left)


class _Share:
    """The writing of one share, with the last one at hand to link from."""

    def __init__(
        self, paths: Paths, published: Manifest, audience: Audience, warehouse: duckdb.DuckDBPyConnection
    ) -> None:
        self._paths, self._published, self._audience, self._warehouse = paths, published, audience, warehouse
        self._link = paths.shares / audience.name
        self._last = _said(self._link)
        self._key = (
            _key(audience.name) if any(table.treated("keyed hash") for table in audience.tables) else ""
        )
        self._said: dict[str, Any] = {
            "audience": audience.name,
            "purpose": audience.purpose,
            "generation": published.id,
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "granted": sorted(audience.granted()),
            "refused": audience.refused,
            "tables": {table.relation: {"signature": self._signature(table)} for table in audience.tables},
        }

    def kept(self) -> Path | None:
        """The folder that is shown, where a new one would hold the same."""
        same = all(self._last.get(word) == self._said[word] for word in ("purpose", "granted", "refused"))
        return self._link.resolve() if same and _signatures(self._last) == _signatures(self._said) else None

    def write(self, declared: list[Artifact]) -> Path:
        """Write it, verify it, and move the link to it."""
        fresh = self._paths.shares / f".{self._audience.name}.{secrets.token_hex(4)}"
        fresh.mkdir(mode=0o700)
        self._warehouse.register("hashed", self._hashed())
        for table in self._audience.tables:
            self._table(table, fresh / f"{table.relation}.parquet")
        self._database(fresh)
        (fresh / SAID).write_text(json.dumps(self._said, indent=2) + "\n")
        give(fresh, self._audience.group)
        if wrong := verify.problems(fresh, self._audience.name, self._warehouse, declared):
            raise LarderError(f"what was written is not what the policy says: {'; '.join(wrong[:3])}", "")
        _flush(fresh)
        link = fresh.with_name(f"{fresh.name}.link")
        link.symlink_to(fresh.name)
        link.replace(self._link)
        sync_folder(self._paths.shares)
        return fresh

    def _signature(self, table: Table) -> str:
        """What a table of a share is made from: two with the same one are the same. Without the key nobody can try contents on it."""
        read = [table.relation, *(f"{rule['schema_name']}.{rule['dimension']}" for rule in table.row_rules)]
        contents = [self._published.marts.get(one, {}).get("hash", self._published.id) for one in read]
        parts = [FORMAT, duckdb.__version__, contents, asdict(table), queries.K]
        return hmac.digest(self._key.encode(), json.dumps(parts).encode(), "sha256").hex()

    def _hashed(self) -> pa.Table:
        """The hash of each value of the columns that are to be hashed."""
        columns = [
            (table.relation, name) for table in self._audience.tables for name in table.treated("keyed hash")
        ]
        found = self._warehouse.execute(
            " union ".join(f"select {sql.name(c)} as value from {quoted(t)}" for t, c in columns)
            or "select 0::bigint where false"
        ).fetchall()
        values = [value for (value,) in found if value is not None]
        hashed = [pseudonym(value, (self._key,)) for value in values]
        if len(set(hashed)) < len(hashed):
            raise LarderError("two of its keyed hashes are the same", "")
        return pa.table({"value": pa.array(values, pa.int64()), "hashed": pa.array(hashed, pa.int64())})

    def _table(self, table: Table, file: Path) -> None:
        """Write a table, or link it from the last share, and say what is in it."""
        said, last = (
            self._said["tables"][table.relation],
            self._last.get("tables", {}).get(table.relation, {}),
        )
        if last.get("signature") == said["signature"]:
            file.hardlink_to(self._link.resolve() / file.name)
            said.update(last)
            return
        # A query of its own for each: what fails in one has no answer that another could take over.
        self._warehouse.execute(
            f"copy ({queries.rows(table)}) to {sql.literal(str(file))} (format parquet, compression zstd)"
        )
        count = self._warehouse.execute(
            f"select count(*) from read_parquet({sql.literal(str(file))})"
        ).fetchone()
        facts = self._warehouse.execute(queries.facts(table)).fetchone() or ()
        said["row_count"] = count[0] if count else 0
        said |= dict(zip(queries.FACTS, facts, strict=False))
        said["fewest_values"] = dict(
            zip(queries.sensitive_columns(table), facts[len(queries.FACTS) :], strict=True)
        )
        said["columns_left_out"] = table.left_out

    def _database(self, fresh: Path) -> None:
        """A new file each time: DuckDB keeps in a file what was dropped from it."""
        said = {name: self._said[name] for name in ("audience", "purpose", "generation", "written_at")}
        tables = [{**said, "table_name": name, **facts} for name, facts in self._said["tables"].items()]
        refused = [
            {**said, "table_name": name, "refused": why} for name, why in self._audience.refused.items()
        ]
        about = pa.Table.from_pylist(
            [{n: _cell(row.get(n)) for n in ABOUT.names} for row in tables + refused], ABOUT
        )
        with attach({"written": fresh / FILE}, FRESH_SHARE, self._paths.warehouse) as connection:
            connection.execute("use written; create schema share")
            connection.from_arrow(about).create("share.about")
            for file in sorted(fresh.glob("*.parquet")):
                schema, _, name = file.stem.partition(".")
                connection.execute(f"create schema if not exists {sql.name(schema)}")
                connection.execute(
                    f"create table {sql.name(schema, name)} as from read_parquet({sql.literal(str(file))})"
                )


def _key(audience: str) -> str:
    """The key of an audience's hashes: by those of two audiences no household can be matched."""
    return hmac.digest(ring()[0].encode(), b"larder share\0" + audience.encode(), "sha256").hex()


def _said(share: Path) -> dict[str, Any]:
    """What a share says of itself; empty where there is none that can be read."""
    try:
        found = json.loads((share / SAID).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _cell(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value


def _signatures(said: dict[str, Any]) -> dict[str, str]:
    return {name: table["signature"] for name, table in said.get("tables", {}).items()}


def give(folder: Path, group: str | None) -> bool:
    """Let an audience's group read a folder, and nobody else; where that cannot be, its owner alone. Returns whether a group can."""
    paths = [*folder.rglob("*"), folder]
    try:
        number = grp.getgrnam(group or "").gr_gid
        for path in paths:
            os.chown(path, -1, number)
    except (KeyError, PermissionError):
        number = -1
    for path in paths:
        mode = 0o700 if path.is_dir() else 0o600
        path.chmod(mode | mode >> 3 & 0o050 if number >= 0 else mode)
    return number >= 0


def let_pass(*folders: Path) -> None:
    """Let everybody pass folders, whose content has modes of its own: to pass is not to list."""
    for folder in folders:
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o111)


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as written:
            os.fsync(written.fileno())
    sync_folder(folder)
