"""The metadata base: what the project says and what builds found, as tables that any DuckDB reads.

Names and columns are those of dbt's information schema where the meaning is the same (information_schema.sql), and our own beside
them (build_results.sql). A generation and a project that is only compiled have the same tables: `begin` makes them, `save` writes them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from ingestion.core import sql
from ingestion.core.files import atomically, write_atomically
from larder.catalog import comments, metric_lineage
from larder.core.errors import LarderError
from larder.core.settings import PROJECT
from larder.core.twice import twice
from larder.project.lineage.names import Origin
from larder.project.lineage.project import ProjectLineage
from larder.project.lineage.turns import turns
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
GOVERNED = ("models", "seeds", "snapshots", "sources")
"""The tables of a base that list relations."""

Classes = Mapping[str, Mapping[str, str | None]]
"""The classes of columns, by `<schema>.<table>`."""

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
        ("policy", _policy(), _POLICY),
    ):
        _create(connection, name, rows, schema)
    connection.create_function("turns", turns, ["varchar"], "varchar[]")
    for file in (
        "macros.sql",
        "information_schema.sql",
        "build_results.sql",
        "descriptions.sql",
        "governance.sql",
    ):
        connection.execute(_script(file))
    for table, words in _words().items():
        for word in words:
            connection.execute(f"insert into larder.{table} values ({', '.join('?' * len(word))})", word)
    return connection


def governed(folder: Path, classes: Classes) -> duckdb.DuckDBPyConnection:
    """Who may see what of the tables that a saved base describes, by the policy as it is now.

    Where the project gives a column another class now than it was built with, the higher one counts.
    """
    base = open_base(
        folder, [f"dbt.{table}" for table in (*GOVERNED, "node_columns", "column_lineage", "groups")]
    )
    relations = " union all by name ".join(f"from dbt.{table}" for table in GOVERNED)
    base.execute(f"create schema larder; create view relation as {relations}")
    _create(base, "policy", _policy(), _POLICY)
    now = ((table, *named) for table, columns in classes.items() for named in columns.items())
    _create(base, "class_now", now, _CLASS)
    base.create_function("turns", turns, ["varchar"], "varchar[]")
    for file in ("macros.sql", "governance.sql", "raised_classes.sql"):
        base.execute(_script(file))
    return base


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


def open_base(folder: Path, tables: Iterable[str] = ("*",)) -> duckdb.DuckDBPyConnection:
    """The tables of a metadata base by their names, all of them or those that are named."""
    connection = duckdb.connect()
    for file in sorted(file for table in tables for file in folder.glob(f"{table}.parquet")):
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
_POLICY = pa.schema(
    [("section", _TEXT), ("name", _TEXT), ("position", pa.int32()), ("body", pa.json_(_TEXT))]
)
_CLASS = pa.schema([("relation_name", _TEXT), ("column_name", _TEXT), ("class", _TEXT)])


def _create(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Iterable[tuple[Any, ...]], schema: pa.Schema
) -> None:
    found = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    connection.from_arrow(found).create(table)


def _script(file: str) -> str:
    return Path(__file__).with_name(file).read_text()


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


def _policy() -> Iterator[tuple[str, str, int, str]]:
    """Every entry of governance/ that says who may see what; where it says nothing, nobody sees anything."""
    for name in ("columns", "declassifiers", "audiences"):
        for section, entries in _said(PROJECT / "governance" / f"{name}.yml").items():
            if isinstance(entries, dict):
                for position, (entry, body) in enumerate(entries.items()):
                    yield section, str(entry), position, json.dumps(body, default=str)


def _words() -> dict[str, list[tuple[Any, ...]]]:
    """The rows of larder.tiers and glossary; none where the project says nothing of them, and then no value is shown."""
    columns, glossary = (_said(PROJECT / "governance" / name) for name in ("columns.yml", "glossary.yml"))
    terms = glossary.get("terms", {})
    return {
        "tiers": [*columns.get("tiers", {}).items()],
        "glossary": [(term, said["text"], said["see"]) for term, said in terms.items()],
    }


def _said(file: Path) -> dict[str, Any]:
    """A file of governance/. Raises LarderError for one that cannot be read as it was meant: a grant may hang on each line."""
    if not file.exists():
        return {}
    try:
        text = file.read_text()
        wrong = [*twice(root)] if (root := yaml.compose(text, yaml.CSafeLoader)) else []
        found = yaml.load(text, yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LarderError(
            f"{file} cannot be read: {error}", "Correct it where the message points."
        ) from error
    if wrong or not isinstance(found, dict):
        reason = f"says {', '.join(wrong)} twice" if wrong else "has no sections"
        raise LarderError(f"{file} {reason}", f"Compare: git diff {file}")
    return found


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
