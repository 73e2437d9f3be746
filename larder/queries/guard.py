"""What SQL of a person or an agent may say: the tables, functions and kinds of SELECT that are answered.

DuckDB's own parser reads it. What is not judged here, as files and settings, the connection has closed: larder/warehouse/connection.py.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache
from typing import Any

import duckdb

from ingestion.core.text import first_line
from larder.core.errors import LarderError

LENGTH = 20_000
"""Characters of a query."""

SCHEMAS = ("marts", "observe")
TABLE_FUNCTIONS = {"generate_series", "range", "unnest"}
REFUSED_FUNCTIONS = re.compile(
    r"current_setting|getenv|getvariable|write_log|sleep_ms|in_search_path|pg_.*|duckdb_.*|has_.*privilege|.*_description"
)
"""What reads settings or the engine's catalog, or only waits."""
REFUSED_SOURCES = {"SHOW_REF": "DESCRIBE, SHOW and SUMMARIZE", "COLUMN_DATA": "data from outside"}


def require_select(
    sql: str, schemas: Sequence[str] = SCHEMAS, tables: Set[str] = frozenset()
) -> list[Mapping[str, Any]]:
    """The nodes of what DuckDB's parser reads.

    Raises LarderError unless it is one SELECT of tables that are served, without functions that read anything else. Served are those of
    `schemas`, and `tables` that need no schema.
    """
    if len(sql) > LENGTH:
        raise LarderError(f"a query may have {LENGTH} characters", "Ask in parts.")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise LarderError(first_line(error), "Write one SELECT in DuckDB's SQL.") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise LarderError("only one SELECT statement is answered", "Nothing can be changed or set here.")
    parsed, own = _parsed(sql), _own_views()
    nodes = list(_nodes(parsed))
    ctes = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    if taken := (ctes | tables) & own:  # out of its scope the name would mean the engine's
        raise LarderError(f"{min(taken)} is a name of the engine's own", "Give the CTE another name.")
    for node in nodes:
        _require_allowed_node(node, ctes | tables, schemas)
    return nodes


def require_condition(text: str) -> None:
    """Raises LarderError unless it is a condition of columns, constants and functions that give the same for the same values."""
    nodes = require_select(f"select {text}")
    named = {node["function_name"].lower() for node in nodes if node.get("type") == "FUNCTION"}
    with duckdb.connect() as connection:
        plain = connection.execute(
            "select function_name from duckdb_functions() where function_type = 'scalar'"
            " group by all having bool_and(stability = 'CONSISTENT')"
        ).fetchall()
    if other := named - {name for (name,) in plain}:
        raise LarderError(f"the function {min(other)} is not answered", "Write the condition without it.")


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """A database where there is nothing, for its parser: to open one takes longer than to parse a query."""
    return duckdb.connect()


@cache
def _own_views() -> frozenset[str]:
    """The engine's own views that a name alone would mean."""
    own = (
        _engine()
        .cursor()
        .execute(
            "select lower(view_name) from duckdb_views() where internal and schema_name <> 'information_schema'"
        )
    )
    return frozenset(name for (name,) in own.fetchall())


def _parsed(sql: str) -> Any:
    """The query as DuckDB's own parser reads it."""
    asked = _engine().cursor().execute("select json_serialize_sql(?::varchar)", [sql])
    [(text,)] = asked.fetchall()
    found = json.loads(text)
    if found["error"]:
        raise LarderError(
            f"this kind of SELECT is not answered: {found['error_message']}", "Write it without."
        )
    return found["statements"]


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    todo = [tree]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            yield part
            todo += part.values()
        elif isinstance(part, list):
            todo += part


def _require_allowed_node(node: Mapping[str, Any], names: Set[str], schemas: Sequence[str]) -> None:
    kind = str(node.get("type"))  # of a constant it is an object
    if kind == "BASE_TABLE":
        _require_allowed_table(node, names, schemas)
    elif kind == "TABLE_FUNCTION" and node["function"]["function_name"].lower() not in TABLE_FUNCTIONS:
        raise LarderError(
            f"the function {node['function']['function_name']} is not answered",
            f"Read tables of {', '.join(schemas)}.",
        )
    elif kind == "FUNCTION" and REFUSED_FUNCTIONS.fullmatch(node["function_name"].lower()):
        raise LarderError(f"the function {node['function_name']} is not answered", "Leave it out.")
    elif kind in REFUSED_SOURCES:
        raise LarderError(f"{REFUSED_SOURCES[kind]} are not answered", "Use the tools search and describe.")


def _require_allowed_table(node: Mapping[str, Any], names: Set[str], schemas: Sequence[str]) -> None:
    catalog, schema, name = node["catalog_name"], node["schema_name"].lower(), node["table_name"]
    if not schema and name.lower() in names:
        return
    if catalog or schema not in schemas:
        raise LarderError(
            f"{'.'.join(filter(None, (catalog, schema, name)))} is not served",
            f"Read tables of {', '.join(schemas)}, each with its schema: marts.fct_baskets.",
        )
