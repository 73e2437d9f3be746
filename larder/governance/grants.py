"""What the policy grants of a generation, by audience: tables, what becomes of each column, and which rows are chosen."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import duckdb

from ingestion.core import sql
from larder.catalog import metadata

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""How an audience may be called: it is the name of a folder."""


@dataclass(frozen=True)
class Column:
    """A column that is shared; `class_` is its class."""

    name: str
    type: str
    class_: str
    treatment: str
    expression: str | None


@dataclass(frozen=True)
class Table:
    """A table that is shared. `row_rules` choose its rows by a dimension. Of totals only rows are left whose `group_column` is at least
    `minimum_group`. The rows of a table about households are counted by `household_column`. `left_out` are columns with the reasons."""

    relation: str
    columns: list[Column]
    row_rules: list[dict[str, Any]]
    group_column: str | None
    minimum_group: int
    household_column: str | None
    left_out: dict[str, str]

    def treated(self, *treatments: str) -> list[str]:
        return [column.name for column in self.columns if column.treatment in treatments]


@dataclass(frozen=True)
class Audience:
    """An audience with its tables, and with the tables that it does not get and the reasons."""

    name: str
    purpose: str
    group: str | None
    tables: list[Table] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def granted(self) -> set[str]:
        """What it may see, in single sentences: where one that was said is not said any more, it has lost something."""
        return {f"group {self.group}", *(said for table in self.tables for said in _granted(table))}


def _granted(table: Table) -> Iterator[str]:
    yield f"{table.relation}: {table.row_rules} {table.group_column} {table.minimum_group}"
    for column in table.columns:
        yield f"{table.relation}.{column.name}: {column.treatment} {column.expression}"


def read(governed: duckdb.DuckDBPyConnection) -> list[Audience]:
    """All audiences of a governed base (metadata.governed). What it does not grant in so many words is not granted."""
    columns = metadata.grouped(governed, "from larder.access order by column_index", "audience")
    tables = metadata.grouped(
        governed, "from larder.table_access order by schema_name, table_name", "audience"
    )
    return [
        Audience(
            one["audience"],
            one["purpose"] or "",
            one["os_group"],
            [found for row in tables[one["audience"]] if (found := _table(row, columns[one["audience"]]))],
            {
                f"{row['schema_name']}.{row['table_name']}": row["refused"]
                for row in tables[one["audience"]]
                if row["refused"] and row["is_meant"]
            },
        )
        for one in metadata.rows(governed, "from larder.audiences order by audience")
        if NAME.fullmatch(one["audience"])
    ]


def _table(row: dict[str, Any], columns: list[dict[str, Any]]) -> Table | None:
    own = [column for column in columns if column["node_unique_id"] == row["node_unique_id"]]
    failed = {
        column["column_name"]: reason
        for column in own
        if column["treatment"] == "generalised"
        and (reason := _why_not(column["column_name"], column["data_type"], column["expression"]))
    }
    shared = [
        Column(c["column_name"], c["data_type"], c["class"], c["treatment"], c["expression"])
        for c in own
        if c["treatment"] != "not at all" and c["column_name"] not in failed
    ]
    if row["refused"] or not shared:
        return None
    left_out = {c["column_name"]: c["reason"] for c in own if c["treatment"] == "not at all"} | failed
    return Table(
        f"{row['schema_name']}.{row['table_name']}",
        shared,
        row["row_rules"],
        row["group_column"],
        row["minimum_group"],
        row["household_column"],
        left_out,
    )


@cache
def _why_not(column: str, kind: str, expression: str) -> str | None:
    """Why an expression does not make a column coarser: it must do with the column alone, in a database where there is nothing else."""
    name = sql.name(column)
    with duckdb.connect() as nothing:
        nothing.execute("set enable_external_access = false")
        try:
            nothing.execute(f"create table alone ({name} {kind}); select ({expression}), {name} from alone")
        except duckdb.Error as error:
            return f"its generalisation fails: {str(error).splitlines()[0]}"
    return None
