"""The tables of a generation that Spark has built: in its DuckDB file, for readers, and the Parquet files of which they were taken.

Spark's tables are Iceberg's: a write adds files, and never changes one. A generation names the files that its tables had when it was
built, in `record/tables/*.json`: they are what the next build goes on from. What no generation names is removed.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from ingestion.core import sql
from larder.core.errors import LarderError
from larder.warehouse.relations import drop, quoted

CATALOG = "catalog"
"""The folder of a generation with Spark's catalog: which tables there are, and where the metadata of each lies."""
RECORD = "record"
"""The folder of a generation that says which loads it was built from, and which files its tables have."""
SCHEME = "file:"
OF_A_VIEW = ".gz.metadata.json"
"""How the names of files end that describe a view of Iceberg's."""


def files_of(record: Path) -> dict[str, list[str]]:
    """The data files of each table, as `<schema>.<name>`, by the record of a generation."""
    found: dict[str, list[str]] = {}
    for line in _lines(record):
        files = found.setdefault(f"{line['schema_name']}.{line['relation_name']}", [])
        if "data_path" in line:
            files.append(line["data_path"].removeprefix(SCHEME))
    return found


def all_files(record: Path) -> set[Path]:
    """Every file that the catalog of a generation needs: data, and Iceberg's metadata of its tables as they are."""
    paths = [line[key] for line in _lines(record) for key in ("data_path", "metadata_path") if key in line]
    return {Path(path.removeprefix(SCHEME)) for path in paths}


def take(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, list[str]],
    columns: Mapping[str, Mapping[str, str]],
) -> None:
    """Take tables over from their files, with the names and types that their `columns` declare. Raises LarderError for one that
    declares none."""
    for relation, files in sorted(tables.items()):
        declared = columns.get(relation)
        if not declared:
            raise LarderError(
                f"{relation} declares no columns",
                "State them in its YAML: on Spark their types are not guessed.",
            )
        connection.execute(f"create schema if not exists {sql.name(relation.split('.')[0])}")
        drop(connection, relation)
        connection.execute(f"create table {quoted(relation)} as {_select(files, declared)}")


def _select(files: Iterable[str], declared: Mapping[str, str]) -> str:
    if not files:
        empty = ", ".join(f"null::{type_} as {sql.name(name)}" for name, type_ in declared.items())
        return f"select {empty} where false"
    paths = ", ".join(sql.literal(file) for file in sorted(files))
    columns = ", ".join(f"{_cast(name, type_)} as {sql.name(name)}" for name, type_ in declared.items())
    return f"select {columns} from read_parquet([{paths}], union_by_name = true)"


def _cast(name: str, type_: str) -> str:
    """A column as its declared type. Spark has no numbers without a sign: the same 64 bits are read as one."""
    bits = (
        f"{sql.name(name)}::hugeint & 18446744073709551615::hugeint" if type_ == "ubigint" else sql.name(name)
    )
    return f"cast({bits} as {type_})"


def _lines(record: Path) -> list[dict[str, str]]:
    return [
        json.loads(line)
        for file in sorted((record / "tables").glob("*.json"))
        for line in file.read_text().splitlines()
    ]
