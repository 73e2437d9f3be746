"""`larder export`: the marts of the published generation as Parquet that any engine reads.

`export/current` shows one whole export: a folder per mart and manifest.json. Files are named after their content and
never change; what is the same as in the last export is linked from it, not written again.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from ingestion.core import sql
from ingestion.core.text import few
from larder.core import console, machine
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import fingerprint, manifest
from larder.project.manifest import Declared
from larder.warehouse import mirror, table_hash
from larder.warehouse.connection import EXPORT
from larder.warehouse.locks import lock
from larder.warehouse.store import Manifest, Store

FORMAT = 1
"""Raise it when the same rows are to give other files."""

ALLOWED = {"public", "internal", "quasi_identifier", "pseudonym", "sensitive"}
"""Classes of columns that may leave the warehouse. Anything else, and a column without a class, may not."""

UNFINISHED = ".partial"
"""Ends the names of folders that nobody may read: not complete yet, or on their way out."""


Columns = dict[str, str]
"""Types by name, in the order of the columns."""


@dataclass(frozen=True)
class Split:
    """How a mart is cut into files: by ranges of `column`, each range named by the SQL expression `label`."""

    column: str
    label: str


SPLITS = {
    "fct_promotions": Split("week_number", "printf('week_%02d', week_number)"),
    "fct_basket_lines": Split("business_date", "'month_' || strftime(business_date, '%Y-%m')"),
}
"""Marts that are read by time and grow by time: a new day leaves all their files but one as they are."""


@dataclass(frozen=True)
class Part:
    """The rows of one file: `content` is a hash of all their columns that does not depend on their order."""

    label: str
    filter: str
    rows: int
    content: str


@dataclass(frozen=True)
class File:
    """One file of an export: `path` below the export's folder, `bytes` and `sha256` of the file as written."""

    path: str
    part: str
    rows: int
    bytes: int
    sha256: str
    content: str


@dataclass(frozen=True)
class Mart:
    """One mart of an export: `columns` are types by name, `order` names those that its rows are sorted by."""

    rows: int
    content: str
    columns: Columns
    order: list[str]
    files: list[File]


def run(paths: Paths) -> dict[str, Any]:
    """Export what is published, unless that is done, and show it in one step. Returns the export's manifest.

    Raises LarderError when nothing is published, or when a column may not leave the warehouse; the last export stays.
    """
    with lock(paths.locks, "export"):
        store = Store(paths.warehouse)
        published = store.require_published()
        folder = _folder(paths, published)
        sweep(paths)
        _write(paths, store, published, folder)
        news = _pointer(paths).resolve() != folder
        if news:
            _show(paths, folder)
        if target := paths.bucket("export"):
            mirror.show(target, "export", mirror.files_of(folder), generation=published.id)
    found = _read(folder)
    files = [file for mart in found["marts"].values() for file in mart["files"]]
    size = sum(file["bytes"] for file in files) / 1e6
    done = "exported" if news else "nothing has changed since the export of"
    console.done(f"{done} generation {published.id}: {len(files)} files, {size:,.1f} MB in {_pointer(paths)}")
    return found


def render(found: Mapping[str, Any]) -> None:
    """Print an export for people: one line per mart."""
    rows = [
        [name, mart["rows"], len(mart["files"]), sum(file["bytes"] for file in mart["files"])]
        for name, mart in found["marts"].items()
    ]
    console.table("Export", ["mart", "rows", "files", "bytes"], rows)
    folder = Path(found["folder"]).with_name("current")
    console.out.print(f"\n  next       duckdb -c \"from '{folder}/dim_stores/*.parquet'\"")


def sweep(paths: Paths) -> list[str]:
    """Remove what an interrupted export left, and exports in the site, where older versions put them for all to read. Returns the names."""
    left = [*sorted(paths.export.glob(f"*{UNFINISHED}")), *paths.site.glob("data")]
    for path in left:
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    return [path.name for path in left]


def _write(paths: Paths, store: Store, published: Manifest, folder: Path) -> None:
    """Write the export of a generation, unless it is still there. Looks at the columns' classes in any case."""
    known = _declared(paths, store, published)
    with store.open(published, EXPORT) as connection:
        columns = _columns(connection)
        _require_allowed(columns, known)
        if not folder.exists():
            with console.progress("export") as report:
                export = _Export(connection, _read(_pointer(paths)), known, report)
                export.write(published, columns, folder)


class _Export:
    """The writing of one export, with the last one at hand to link from."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        last: Mapping[str, Any],
        known: list[Mapping[str, Declared]],
        report: Callable[[str], None],
    ) -> None:
        self._connection, self._known, self._report = connection, known, report
        self._last_folder = Path(last.get("folder", ""))
        self._last = last.get("marts", {}) if last.get("writer") == _writer() else {}

    def write(self, published: Manifest, columns: Mapping[str, Columns], folder: Path) -> None:
        """Write an export under a temporary name, and rename it when it is complete."""
        fresh = folder.with_name(folder.name + UNFINISHED)
        fresh.mkdir(parents=True)
        try:
            self._write(published, columns, fresh)
        except BaseException as error:
            shutil.rmtree(fresh)
            if isinstance(error, duckdb.IOException) and "No space left" in str(error):
                raise OSError(errno.ENOSPC, str(error)) from error
            raise
        fresh.replace(folder)

    def _write(self, published: Manifest, columns: Mapping[str, Columns], fresh: Path) -> None:
        marts = {}
        for position, (name, found) in enumerate(columns.items(), start=1):
            self._report(f"{position} of {len(columns)} {name}")
            content = str(published.marts.get(f"marts.{name}", {}).get("hash", ""))
            marts[name] = asdict(self._mart(name, found, content, fresh))
        manifest = {"generation": published.id, "writer": _writer(), "marts": marts}
        (fresh / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        _flush(fresh / "manifest.json")

    def _mart(self, name: str, columns: Columns, content: str, fresh: Path) -> Mart:
        """Link a mart whose rows are those of the last export; else link or write it part by part."""
        (fresh / name).mkdir()
        order = self._order(name, columns)
        last = self._last.get(name, {})
        same_form = last and [[*last["columns"].items()], last["order"]] == [[*columns.items()], order]
        before = {file["part"]: File(**file) for file in last["files"]} if same_form else {}
        unchanged = content and before and content == last["content"]
        if unchanged and all(self._link(file, fresh) for file in before.values()):
            return Mart(last["rows"], content, columns, order, list(before.values()))
        parts = self._parts(name)
        with ThreadPoolExecutor(machine.processors()) as pool:
            jobs = pool.map(lambda part: self._file(name, part, order, before.get(part.label), fresh), parts)
            files = list(jobs)
        return Mart(sum(part.rows for part in parts), content, columns, order, files)

    def _order(self, name: str, columns: Columns) -> list[str]:
        """The mart's key, which makes the order of its rows total; all columns where none is declared."""
        grain = next((known[f"marts.{name}"].grain for known in self._known if f"marts.{name}" in known), [])
        key = grain if grain and set(grain) <= columns.keys() else list(columns)
        split = SPLITS.get(name)
        return (
            [split.column, *[c for c in key if c != split.column]] if split and split.column in key else key
        )

    def _parts(self, name: str) -> list[Part]:
        """What goes into each file, in the order of the files' names."""
        split = SPLITS.get(name)
        if split is None:
            found = self._connection.execute(
                f"select {table_hash.COLUMNS} from marts.{sql.name(name)} as t"
            ).fetchall()
            return [Part("all", "true", rows, table_hash.digest(total, mix)) for rows, total, mix in found]
        column = split.column
        ranges = self._connection.execute(
            f"select {split.label} as label, cast(min({column}) as varchar), cast(max({column}) as varchar), {table_hash.COLUMNS}"
            f" from marts.{sql.name(name)} as t group by label order by label nulls first"
        ).fetchall()
        return [
            Part(label or "none", _filter(column, low, high), rows, table_hash.digest(total, mix))
            for label, low, high, rows, total, mix in ranges
        ] or [Part("all", "true", 0, table_hash.digest(0, 0))]

    def _file(self, mart: str, part: Part, order: list[str], before: File | None, fresh: Path) -> File:
        if before and before.content == part.content and self._link(before, fresh):
            return before
        target = fresh / mart / f"{part.label}.parquet"
        columns = ", ".join(map(sql.name, order))
        self._connection.cursor().execute(
            f"copy (select * from marts.{sql.name(mart)} where {part.filter} order by {columns}) to {sql.literal(str(target))}"
            " (format parquet, compression zstd)"
        )
        _flush(target)
        digest = _sha256(target)
        named = target.rename(target.with_name(f"{part.label}-{digest[:12]}.parquet"))
        named.chmod(0o400)
        path = named.relative_to(fresh).as_posix()
        return File(path, part.label, part.rows, named.stat().st_size, digest, part.content)

    def _link(self, file: File, fresh: Path) -> bool:
        """Take a file over from the last export, if it still is what its manifest says."""
        source, target = self._last_folder / file.path, fresh / file.path
        if not source.is_file() or _sha256(source) != file.sha256:
            return False
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:  # a file system without hard links
            shutil.copyfile(source, target)
        return True


def _declared(paths: Paths, store: Store, published: Manifest) -> list[Mapping[str, Declared]]:
    """What the generation was built as and, where the project has changed since, what it says now.

    A new class alone builds no new generation: it is in what was compiled last.
    """
    built = manifest.tables(store.artifacts(published)) or manifest.tables(paths.dbt / "candidate")
    if published.project == fingerprint.project(paths.project):
        return [built]
    return [built, manifest.tables(paths.dbt / "compile")]


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    """Names and types of the columns of each mart, in their order."""
    found = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'marts'"
        " and database_name = current_database() order by table_name, column_index"
    ).fetchall()
    columns: dict[str, Columns] = {}
    for table, name, kind in found:
        columns.setdefault(table, {})[name] = kind
    return columns


def _require_allowed(columns: Mapping[str, Columns], known: list[Mapping[str, Declared]]) -> None:
    """Refuse the export unless somebody has classed every column, and nobody as a direct identifier."""
    refused = [
        f"{mart}.{name}"
        for mart, found in columns.items()
        for name in found
        if not (classes := _classes(mart, name, known)) or not classes <= ALLOWED
    ]
    if refused:
        raise LarderError(
            f"not exported: no class that may leave the warehouse on {few(refused, 5)}",
            "Set config.meta.classification in the model's YAML, then: larder run. The last export stays.",
        )


def _classes(mart: str, column: str, known: list[Mapping[str, Declared]]) -> set[str | None]:
    tables = [tables[f"marts.{mart}"].classes for tables in known if f"marts.{mart}" in tables]
    return {classes[column] for classes in tables if column in classes}


def _show(paths: Paths, folder: Path) -> None:
    """Move the pointer to an export, and let go of those that came before the one it replaces."""
    pointer = _pointer(paths)
    replaced = pointer.resolve()
    link = pointer.with_name(pointer.name + UNFINISHED)
    link.symlink_to(folder.name)
    link.replace(pointer)
    for old in list(paths.export.iterdir()):
        if old not in (pointer, folder, replaced):
            # Renamed first: killed on the way, it must not pass for a whole export when its generation comes back.
            shutil.rmtree(old.rename(old.with_name(old.name + UNFINISHED)))


def _read(folder: Path) -> dict[str, Any]:
    """An export's manifest, and the folder that it speaks of; empty where there is no export."""
    folder = folder.resolve()
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        return {}
    return {"folder": str(folder), **manifest}


def _pointer(paths: Paths) -> Path:
    return paths.export / "current"


def _folder(paths: Paths, published: Manifest) -> Path:
    """An export is a pure function of the generation and of who wrote it."""
    return paths.export / f"{published.id}-{FORMAT}-duckdb-{duckdb.__version__}"


def _writer() -> str:
    return f"larder export {FORMAT}, duckdb {duckdb.__version__}"


def _filter(column: str, low: str | None, high: str | None) -> str:
    return (
        f"{column} is null"
        if low is None
        else f"{column} between {sql.literal(low)} and {sql.literal(high or low)}"
    )


def _flush(file: Path) -> None:
    """To the disk: a power cut must not leave an empty file in an export that is shown."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
