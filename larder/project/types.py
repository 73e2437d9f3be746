"""Names, order and types of the columns that the models' SQL gives, found without data.

DuckDB prepares each compiled model in memory on empty tables: of the sources' and seeds' declared types, then of the
models before it. It takes half a second for the whole project, and is what a build would find.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any

import duckdb
from sqlglot import exp

from ingestion.core.text import first_line
from larder.core.errors import LarderError
from larder.project import complaints
from larder.project.manifest import relation

Columns = dict[str, str]
"""Types by name, in the SQL's order."""

ATTACH = "attach ':memory:' as larder; use larder; set timezone = 'UTC'"


def of_models(manifest: Mapping[str, Any]) -> dict[str, Columns]:
    """The columns of each model of a compiled manifest, by its unique id; a model that DuckDB refuses is an error."""
    with tables(manifest) as (_, found):
        return found


def of_relations(manifest: Mapping[str, Any]) -> dict[str, Columns]:
    """The columns of each relation of a compiled manifest, as `<schema>.<table>`: those that models give, and seeds declare."""
    nodes, models = manifest["nodes"], of_models(manifest)
    seeds = [node for node in nodes.values() if node["resource_type"] == "seed"]
    declared = {
        relation(node): {name: said["data_type"] for name, said in node["columns"].items()} for node in seeds
    }
    return declared | {relation(nodes[name]): columns for name, columns in models.items()}


@contextmanager
def tables(manifest: Mapping[str, Any]) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, Columns]]]:
    """All relations of a compiled manifest as empty tables in memory, and the columns of each model by its unique id."""
    found: dict[str, Columns] = {}
    nodes = {
        name: node for name, node in manifest["nodes"].items() if node["resource_type"] in {"model", "seed"}
    }
    parents = {name: node["depends_on"].get("nodes", []) for name, node in nodes.items()}
    with duckdb.connect() as connection:
        connection.execute(ATTACH)
        for source in manifest["sources"].values():
            _create_empty(connection, source, source["identifier"])
        for name in (name for name in TopologicalSorter(parents).static_order() if name in nodes):
            if nodes[name]["resource_type"] == "seed":
                _create_empty(connection, nodes[name], nodes[name]["alias"])
            else:
                found[name] = _prepare(connection, nodes[name])
        _require_semantics(connection, manifest)
        yield connection, found


def of_query(connection: duckdb.DuckDBPyConnection, query: str) -> Columns:
    """The columns that a query gives."""
    rows: Iterable[tuple[Any, ...]] = connection.execute(f"describe {query}").fetchall()
    return {name: written(type_) for name, type_, *_ in rows}


def written(type_: str) -> str:
    """A type of DuckDB as the project writes it: `decimal(18, 2)`."""
    return type_.lower().replace(",", ", ")


def same(one: str, other: str) -> bool:
    """Whether two types are one, however they are written."""
    return one.replace(" ", "").lower() == other.replace(" ", "").lower()


def _create_empty(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any], relation_name: str) -> None:
    columns = ", ".join(_column(column) for column in node["columns"].values())
    _create_schema(connection, node["schema"])
    connection.execute(f"create table {_table(node['schema'], relation_name)} ({columns})")


def _prepare(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any]) -> Columns:
    table = _table(node["schema"], node["alias"])
    _create_schema(connection, node["schema"])
    try:
        connection.execute(f"create table {table} as ({node['compiled_code']}\n) with no data")
    except duckdb.Error as error:
        raise LarderError(
            f"{complaints.of_duckdb(node['original_file_path'], str(error))}: model {node['name']}: {first_line(error)}"
            f"{complaints.table_meant(str(error))}",
            f"Correct it. As it is compiled: dbt compile --select {node['name']}",
        ) from error
    return of_query(connection, table)


def _require_semantics(connection: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> None:
    """Every entity, dimension and measure is an expression over its model's columns: dbt does not look."""
    for model in manifest["semantic_models"].values():
        of = model["node_relation"]
        for part in (*model["entities"], *model["dimensions"], *model["measures"]):
            written = part["expr"] or part["name"]
            try:
                connection.execute(f"select {written} from {_table(of['schema_name'], of['alias'])}")
            except duckdb.Error as error:
                place = complaints.at(model["original_file_path"], written)
                raise LarderError(
                    f"{place}: {part['name']} of semantic model {model['name']}: {str(error).partition('LINE')[0].strip()}",
                    f"Correct it: it is a column of {of['alias']}, or an expression over them.",
                ) from error


def _create_schema(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    connection.execute(f"create schema if not exists {exp.to_identifier(schema, quoted=True).sql('duckdb')}")


def _table(schema: str, name: str) -> str:
    return exp.table_(name, db=schema, quoted=True).sql("duckdb")


def _column(column: Mapping[str, Any]) -> str:
    return f"{exp.to_identifier(column['name'], quoted=True).sql('duckdb')} {column['data_type']}"
