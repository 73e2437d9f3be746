"""Look for a household in every file, by other means than it was erased with: each format is decoded, whatever its name says.

A pseudonym, an e-mail address and a phone number are sought anywhere, in the values of any column and in the bytes of any file; the
source's number, which many things have, only where a column or a field has the name of a household's.
"""

import gzip
import mmap
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb

from ingestion.core import sql, storage
from ingestion.core.storage import Location
from ingestion.core.text import first_line
from larder.warehouse.connection import DIFF, attach
from larder.warehouse.table_hash import COLUMNS

NAMED = "(?i:household_id|household_key|hshd_num|source_number)"
"""What a column or a field with the source's number is called."""

OF_THE_PROJECT = re.compile(r"/(dbt|metadata|docs|\.?catalog[^/]*)/")
"""Folders with what the project says: the households of its unit tests are made up, and have small numbers."""

DUCK = b"DUCK"
"""What a DuckDB file has at its ninth byte."""


@dataclass(frozen=True)
class Sought:
    """What a household is known by: texts that are its own wherever they stand, and the source's number."""

    texts: tuple[str, ...]
    number: int | None

    def pattern(self, place: Path) -> str:
        """A regular expression, for Python and DuckDB, that matches a text with a trace; `place` is that of its file among the holders."""
        of_texts = [re.escape(text) for text in self.texts]
        if self.number is None or OF_THE_PROJECT.search(f"/{place}"):
            return "|".join(of_texts)
        return "|".join([*of_texts, rf"{NAMED}\W{{1,6}}{self.number}\b"])


def find(folders: Collection[Location], sought: Sought, warehouse: Path) -> list[str]:
    """The files that have a trace, and those that cannot be decoded."""
    found = []
    files = {
        file: Path(str(file).removeprefix(str(folder.parent)).lstrip("/"))
        for folder in folders
        for file in _files(folder)
    }
    for file, place in sorted(files.items(), key=str):
        try:
            with storage.on_disk(file) as read:
                if _has_bytes(read, sought) or _has_values(read, sought.pattern(place), warehouse):
                    found.append(str(file))
        except (OSError, ValueError, EOFError, duckdb.Error, zipfile.BadZipFile) as error:
            found.append(f"{file}, which cannot be decoded: {first_line(error)}")
    return found


def others(files: Collection[Location], where: str) -> dict[str, list[str]]:
    """For each Parquet file the rows that do not match a condition: how many, and a hash that does not depend on their order."""
    query = f"select {COLUMNS} from read_parquet(?) as t where not coalesce({where}, false)"
    with storage.connect(next(iter(files), None)) as connection:
        return {
            str(file): [str(value) for value in connection.execute(query, [str(file)]).fetchone() or ()]
            for file in files
        }


def _files(folder: Location) -> Iterator[Location]:
    if folder.is_file():
        yield folder
    elif folder.is_dir():
        yield from (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def _has_bytes(file: Path, sought: Sought) -> bool:
    """Whether a text stands in the file as it is: also in room that a database has given up."""
    if not file.stat().st_size:
        return False
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(text.encode()) >= 0 for text in sought.texts)


def _has_values(file: Path, pattern: str, warehouse: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(12)
    if head.startswith(b"PAR1"):
        with duckdb.connect() as connection:
            return _has_rows(
                connection, f"read_parquet({sql.literal(str(file))}, hive_partitioning = false)", pattern
            )
    if head[8:12] == DUCK:
        with attach({"sought": file}, DIFF, warehouse) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'sought'"
            ).fetchall()
            return any(_has_rows(connection, sql.name("sought", *table), pattern) for table in tables)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(file, "rt", encoding="latin-1") as lines:
            return _has_lines(lines, pattern, ".csv" in file.suffixes)
    if head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(file) as packed:
            return any(re.search(pattern, packed.read(name).decode("latin-1")) for name in packed.namelist())
    with file.open(encoding="latin-1") as lines:
        return _has_lines(lines, pattern, file.suffix == ".csv")


def _has_lines(lines: IO[str], pattern: str, is_csv: bool) -> bool:
    """Whether a line matches; one of a CSV file is read with the names of its columns."""
    names = next(lines, "").strip().split(",") if is_csv else []
    return any(
        re.search(pattern, line)
        or (
            is_csv
            and re.search(
                pattern, ", ".join(map(" ".join, zip(names, line.strip().split(","), strict=False)))
            )
        )
        for line in lines
    )


def _has_rows(connection: duckdb.DuckDBPyConnection, table: str, pattern: str) -> bool:
    """Whether any value of any row matches, nested ones and their names too."""
    query = f"select count(*) from {table} as t where regexp_matches(to_json(t)::varchar, ?)"
    counted: tuple[Any, ...] = connection.execute(query, [pattern]).fetchone() or (0,)
    return bool(counted[0])
