"""The metadata base: what the project says and what builds found, as tables that any DuckDB reads.

Names and columns are those of dbt's information schema where the meaning is the same (information_schema.sql), and our own beside
them (build_results.sql). A generation and a project that is only compiled have the same tables: `begin` makes them, `save` writes them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from ingestion.core import sql
from ingestion.core.files import atomically, write_atomically
from larder.catalog import comments, metric_lineage
from larder.core.settings import PROJECT
from larder.project.lineage.names import Origin
from larder.project.lineage.project import ProjectLineage
from larder.project.manifest import Artifact, leaves_a_relation
from larder.project.manifest import relation as relation_of

VIEWS = "views.sql"
SCHEMAS = ("dbt", "dbt_rt", "larder")
KINDS = (
    "nodes",
    "sources",
    "exposures",
    "metrics",
    "saved_queries",
    "semantic_models",
    "unit_tests",
    "groups",
    "macros",
    "docs",
)
Types = Mapping[str, Mapping[str, str]]
"""The types of columns as the warehouse has them, by `<schema>.<table>`."""


def begin(
    manifest: Artifact, lineage: ProjectLineage, types: Types, git_sha: str
) -> duckdb.DuckDBPyConnection:
    """A database with the tables of a compiled project, and empty ones for what builds find."""
    lineage = lineage.completed(types)
    connection = duckdb.connect()
    for name, rows, schema in (
        ("resource", _resources(manifest, git_sha), _RESOURCE),
        ("dependency", _dependencies(manifest), _DEPENDENCY),
        ("traced_column", _columns(manifest, lineage, types), _COLUMN),
        ("traced_edge", _edges(manifest, lineage), _EDGE),
    ):
        found = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
        connection.from_arrow(found).create(name)
    for file in ("information_schema.sql", "build_results.sql", "descriptions.sql"):
        connection.execute(Path(__file__).with_name(file).read_text())
    for table, words in _words().items():
        for word in words:
            connection.execute(f"insert into larder.{table} values ({', '.join('?' * len(word))})", word)
    return connection


def save(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write each table as `<schema>.<table>.parquet`, and `views.sql`, which names them. Other files in the folder stay."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = _tables(connection)
    files = {folder / f"{schema}.{table}.parquet": sql.name(schema, table) for schema, table in tables}
    for file, table in files.items():
        with atomically(file) as beside:
            connection.execute(
                f"copy (from {table} order by all) to {sql.literal(str(beside))} (format parquet, compression zstd)"
            )
    write_atomically(folder / VIEWS, _views(tables))
    for schema in SCHEMAS:
        for file in {*folder.glob(f"{schema}.*.parquet")} - files.keys():
            file.unlink()


def open_base(folder: Path) -> duckdb.DuckDBPyConnection:
    """The tables of a metadata base by their names."""
    connection = duckdb.connect()
    for file in sorted(folder.glob("*.parquet")):
        schema, _, table = file.stem.partition(".")
        connection.execute(f"create schema if not exists {sql.name(schema)}")
        connection.execute(
            f"create table {sql.name(schema, table)} as from read_parquet({sql.literal(str(file))})"
        )
    return connection


def rows(
    base: duckdb.DuckDBPyConnection, query: str, given: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """What a query over the tables gives, each row by the names of its columns; `given` are the query's parameters."""
    found = base.execute(query, given)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def grouped(base: duckdb.DuckDBPyConnection, query: str, key: str) -> dict[str, list[dict[str, Any]]]:
    """The same rows by the value of one column; a value without rows has none."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(base, query):
        found[row[key]].append(row)
    return found


_TEXT = pa.string()
_RESOURCE = pa.schema([("unique_id", _TEXT), ("resource_type", _TEXT), ("body", pa.json_(_TEXT))])
_DEPENDENCY = pa.schema([("parent_unique_id", _TEXT), ("child_unique_id", _TEXT)])
_COLUMN = pa.schema(
    [
        ("node_unique_id", _TEXT),
        ("column_name", _TEXT),
        ("column_index", pa.int32()),
        ("data_type", _TEXT),
        ("unresolved", _TEXT),
    ]
)
_EDGE = pa.schema(
    [
        ("parent_node_unique_id", _TEXT),
        ("parent_column_name", _TEXT),
        ("child_node_unique_id", _TEXT),
        ("child_column_name", _TEXT),
        ("evolution", _TEXT),
        ("expression", _TEXT),
    ]
)


def _resources(manifest: Artifact, git_sha: str) -> Iterator[tuple[str, str, str]]:
    """Every node of the project as JSON; of macros and texts only those of the project itself."""
    project, said = manifest["metadata"]["project_name"], comments.of_macros(manifest, PROJECT)
    yield "project", "project", json.dumps({**manifest["metadata"], "git_sha": git_sha})
    for kind in KINDS:
        for name, node in sorted(manifest[kind].items()):
            if kind not in ("macros", "docs") or node["package_name"] == project:
                text = node.get("description") or said.get(name)
                yield name, node["resource_type"], json.dumps({**node, "description": text})


def _dependencies(manifest: Artifact) -> Iterator[tuple[str, str]]:
    for child, parents in sorted(manifest["parent_map"].items()):
        yield from ((parent, child) for parent in parents)


def _columns(
    manifest: Artifact, lineage: ProjectLineage, types: Types
) -> Iterator[tuple[str, str, int, str | None, str | None]]:
    """Every column of every relation, declared or not."""
    for name, relation in _relations(manifest).items():
        found = lineage.relations[relation]
        for index, column in enumerate(found.values):
            kind = types.get(relation, {}).get(column)
            yield name, column, index, kind, found.unresolved.get(column)


def _edges(manifest: Artifact, lineage: ProjectLineage) -> Iterator[tuple[str, ...]]:
    """Every edge of the columns and of the metrics. A relation that the project does not declare has its name in place of an id."""
    ids = {relation: name for name, relation in _relations(manifest).items()}

    def of(origin: Origin) -> tuple[str, str]:
        return ids.get(origin[0], origin[0]), origin[1]

    for child, edge in lineage.edges():
        yield *of((edge.relation, edge.column)), *of(child), edge.how, edge.expression
    yield from metric_lineage.edges(manifest)


def _relations(manifest: Artifact) -> dict[str, str]:
    """The relation of each node that leaves one, by the node's id."""
    own = {name: node for name, node in manifest["nodes"].items() if leaves_a_relation(node)}
    return {name: relation_of(node) for name, node in {**manifest["sources"], **own}.items()}


def _words() -> dict[str, list[tuple[Any, ...]]]:
    """The rows of larder.classes, tiers and glossary; none where the project says nothing of them, and then no value is shown."""
    columns, glossary = (_said(PROJECT / "governance" / name) for name in ("columns.yml", "glossary.yml"))
    terms = glossary.get("terms", {})
    return {
        "classes": [*columns.get("classes", {}).items()],
        "tiers": [*columns.get("tiers", {}).items()],
        "glossary": [(term, said["text"], said["see"]) for term, said in terms.items()],
    }


def _said(file: Path) -> dict[str, Any]:
    return yaml.load(file.read_text(), yaml.CSafeLoader) if file.exists() else {}


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return connection.execute(
        "select table_schema, table_name from information_schema.tables where list_contains(?, table_schema)"
        " order by table_schema, table_name",
        [list(SCHEMAS)],
    ).fetchall()


def _views(tables: list[tuple[str, str]]) -> str:
    """SQL that gives the files of its folder the names of tables: `duckdb -cmd ".read views.sql"`."""
    schemas = [f"create schema if not exists {schema};" for schema in SCHEMAS]
    views = [f"create view {schema}.{table} as from '{schema}.{table}.parquet';" for schema, table in tables]
    return "\n".join([*schemas, *views]) + "\n"
