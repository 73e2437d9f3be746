"""The tables and views of an open warehouse, each named `<schema>.<name>`."""

from collections.abc import Collection

import duckdb

from ingestion.core import sql

BUILD_RECORDS = ("raw", "observe")
"""Schemas with records of builds, which differ between builds of the same content."""


def quoted(relation: str) -> str:
    """A table or view, given as `<schema>.<name>`, for SQL."""
    return sql.name(*relation.split(".", 1))


def relations(connection: duckdb.DuckDBPyConnection, without: Collection[str] = BUILD_RECORDS) -> set[str]:
    """The tables and views of the warehouse, but for those of some schemas."""
    found = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_catalog = current_database() and not list_contains(?, table_schema)",
        [list(without)],
    ).fetchall()
    return {relation for (relation,) in found}


def drop(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Drop a table or view, if there is one of that schema and name."""
    schema, _, table = relation.partition(".")
    found = connection.execute(
        "select table_type from information_schema.tables"
        " where table_catalog = current_database() and table_schema = ? and table_name = ?",
        [schema, table],
    ).fetchone()
    if found:
        connection.execute(f"drop {'view' if found[0] == 'VIEW' else 'table'} {quoted(relation)}")
