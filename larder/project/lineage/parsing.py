"""How SQL is read: as sqlglot reads DuckDB's, but for functions of which it would take an argument that is a column for a word."""

from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

UNITS = {"DATE_TRUNC", "DATETRUNC", "DATE_DIFF", "DATEDIFF"}
"""Functions whose unit can be a column: sqlglot makes the same of `date_trunc(g, day)` and of `date_trunc('g', day)`."""


class Plain(DuckDB):
    """DuckDB's SQL, where those are functions as any other one."""

    class Parser(DuckDB.Parser):  # type: ignore[misc, valid-type]  # noqa: D106
        FUNCTIONS: ClassVar = {
            name: build for name, build in DuckDB.Parser.FUNCTIONS.items() if name not in UNITS
        }


def parsed(sql: str) -> exp.Expr:
    """The tree of a query. Raises SqlglotError or RecursionError where it cannot be read."""
    return sqlglot.parse_one(sql, dialect=Plain)
