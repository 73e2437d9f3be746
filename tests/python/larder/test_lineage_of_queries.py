"""Column lineage of single queries: the right answer for each shape of SQL, and DuckDB as a witness.

The corpus says what each column derives from. DuckDB does not take our word for it: a test changes one column of one table, and
looks which columns of the result change. What changes must have an edge, and each edge must be seen to act.
"""

import random
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from larder.project.lineage.edges import Edge, Lineage
from larder.project.lineage.names import ROWS
from larder.project.lineage.queries import columns_of

CORPUS = tomllib.loads(Path(__file__).with_name("lineage_corpus.toml").read_text())
CASES = {case["name"]: case for case in CORPUS["cases"]}
TABLES: dict[str, dict[str, str]] = CORPUS["tables"]
STRENGTH = ["scan", "copy", "mod"]
TRIES = 80
FEWER_TRIES = 4
NUMBER_OF_ROWS = 14

Origin = tuple[str, str]


def origin(text: str) -> Origin:
    relation, _, column = text.strip().rpartition(".")
    return relation, column


def hows(text: str) -> dict[Origin, str]:
    """Edges as the corpus writes them: `copy t.a, scan u.k`."""
    edges = (part.strip().split(" ", 1) for part in text.split(",") if part.strip())
    return {origin(name): how for how, name in edges}


def expected(case: dict[str, Any]) -> dict[str, dict[Origin, str]]:
    """The edges of each column, the rows' among them."""
    rows = {origin(name): "scan" for name in (case.get("rows") or "").split(",") if name.strip()}
    return {
        name: {**rows, **hows(text)} for name, text in case.get("columns", {}).items() if text != "unresolved"
    }


def test_enough_shapes() -> None:
    assert len(CASES) == len(CORPUS["cases"]) >= 80


@pytest.mark.parametrize("name", CASES)
def test_edges(name: str) -> None:
    case = CASES[name]
    found = columns_of(case["sql"], TABLES)
    unresolved = {column for column, text in case.get("columns", {}).items() if text == "unresolved"}
    edges = {
        column: {(edge.relation, edge.column): edge.how for edge in column_edges}
        for column, column_edges in found.columns.items()
        if column not in found.unresolved
    }
    assert edges == expected(case)
    assert bool(found.unknown) == case.get("unknown", False), found.unknown
    if not found.unknown:
        assert list(found.values) == list(case["columns"])
    assert unresolved <= set(found.unresolved)
    for column, text in case.get("expressions", {}).items():
        assert text in {edge.expression.lower() for edge in found.columns[column]}


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if "unresolved" in str(c) or c.get("unknown")])
def test_what_is_unresolved_derives_from_all_that_is_read(name: str) -> None:
    case = CASES[name]
    found = columns_of(case["sql"], TABLES)
    read = {table for table in TABLES if f" {table} " in f" {case['sql']} ".replace("\n", " ")}
    for column in found.declared([*case.get("columns", {}), "one_more"]).unresolved:
        edges = found.declared([column]).columns[column] if column != ROWS else found.rows
        assert read <= {edge.relation for edge in edges}


# ---------------------------------------------------------------------------------------------------------------------
# DuckDB as a witness


@dataclass
class Witness:
    """Random tables, of which one column after the other is changed."""

    seed: int
    connection: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.connection.execute("set threads = 1")
        self.connection.execute("create schema shop")
        self.content = {
            table: {name: self.values(kind) for name, kind in columns.items()}
            for table, columns in TABLES.items()
        }
        for table in TABLES:
            self.write(table, self.content[table])

    def values(self, kind: str) -> list[str]:
        return [self.value(kind) for _ in range(NUMBER_OF_ROWS)]

    def value(self, kind: str) -> str:
        if self.random.random() < 0.05:
            return f"cast(null as {kind})"
        number = self.random.randint(0, 3)
        if kind == "integer[]":
            return str([self.random.randint(0, 3) for _ in range(number)]) + "::integer[]"
        if kind.startswith("struct"):
            return f"{{'x': {number}, 'y': {self.random.randint(0, 3)}}}"
        words = {
            "integer": str(number),
            "varchar": f"'{'abcd'[number]}'",
            "date": f"date '2017-0{1 + number}-{10 + self.random.randint(0, 9)}'",
            "boolean": str(number > 1),
            "json": f"""'{{"a": {number}, "b": {self.random.randint(0, 3)}}}'::json""",
        }
        return words.get(kind, f"{number}.{self.random.randint(0, 99):02}::{kind}")

    def write(self, table: str, content: dict[str, list[str]]) -> None:
        rows = ", ".join(f"({', '.join(row)})" for row in zip(*content.values(), strict=True))
        names = ", ".join(f'"{name}"' for name in content)
        name = ".".join(f'"{part}"' for part in table.split("."))
        self.connection.execute(f"create or replace table {name} as select * from (values {rows}) x({names})")

    def answer(self, sql: str) -> dict[str, list[str]]:
        """The values of each column of the result, whatever the order of its rows."""
        result = self.connection.execute(sql)
        names = [column[0].lower() for column in result.description]
        rows = result.fetchall()
        return {name: sorted(repr(row[number]) for row in rows) for number, name in enumerate(names)}

    def changed(self, table: str, column: str, number: int) -> dict[str, list[str]]:
        """The table with other values in a column, in some rows or in all; or with fewer rows."""
        before = self.content[table]
        if column == ROWS:
            kept = [0, *(row for row in range(1, NUMBER_OF_ROWS) if self.random.random() < 0.5)]
            return {name: [values[row] for row in kept] for name, values in before.items()}
        share = 1 if number % 2 else 0.2
        new = [
            self.value(TABLES[table][column]) if self.random.random() < share else old
            for old in before[column]
        ]
        return {**before, column: new}


@cache
def shared(seed: int) -> tuple[Witness, tuple[Any, ...]]:
    witness = Witness(seed)
    return witness, witness.random.getstate()


def witness_of(case: dict[str, Any], seed: int) -> Witness:
    """The tables before any change; a case that needs more in its database has its own."""
    if "setup" in case:
        witness = Witness(seed)
        witness.connection.execute(case["setup"])
        return witness
    witness, state = shared(seed)
    witness.random.setstate(state)
    return witness


def seen(case: dict[str, Any], witness: Witness, edges: dict[str, set[Origin]]) -> dict[str, set[Origin]]:
    """Of each column of the result, the columns whose change has changed it. A column that should have an effect gets more tries."""
    before = witness.answer(case["sql"])
    found: dict[str, set[Origin]] = {name: set() for name in before}
    for table, columns in TABLES.items():
        if not re.search(rf"\b{table.rpartition('.')[2]}\b", case["sql"], re.IGNORECASE):
            continue
        for column in (*columns, ROWS):
            awaited = {name for name in before if (table, column) in edges.get(name, ())}
            for number in range(TRIES if awaited else FEWER_TRIES):
                witness.write(table, witness.changed(table, column, number))
                after = witness.answer(case["sql"])
                for name in before:
                    if after.get(name) != before[name]:
                        found[name].add((table, column))
                        awaited.discard(name)
                if number >= FEWER_TRIES and not awaited:
                    break
            witness.write(table, witness.content[table])
    return found


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if not c.get("invalid")])
def test_duckdb_agrees(name: str) -> None:
    case, witness = CASES[name], witness_of(CASES[name], 1)
    lineage = columns_of(case["sql"], TABLES)
    if lineage.unknown:
        lineage = lineage.declared(witness.answer(case["sql"]))
    edges = {
        column.lower(): {(edge.relation, edge.column) for edge in column_edges}
        for column, column_edges in lineage.columns.items()
    }
    right = {column.lower(): set(origins) for column, origins in expected(case).items()}
    observed = seen(case, witness, right)
    for column, origins in observed.items():
        read = {relation for relation, _ in edges[column]}
        missing = {o for o in origins - edges[column] if o[1] != ROWS or o[0] not in read}
        assert not missing, f"{column} changes with {missing}"
    for column, origins in right.items():
        silent = {o for o in origins if o[0] in TABLES} - observed[column]
        assert silent == {origin(text) for text in case.get("quiet", {}).get(column, ())}, column


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if "copy" in str(c) and not c.get("invalid")])
def test_a_copy_has_only_values_of_its_origins(name: str) -> None:
    case, witness = CASES[name], witness_of(CASES[name], 2)
    answer = witness.answer(case["sql"])
    for column, origins in expected(case).items():
        copied = [o for o, how in origins.items() if how == "copy" and o[0] in TABLES]
        if not copied or "mod" in origins.values():
            continue
        values = {"None"}
        for table, own in copied:
            relation = ".".join(f'"{part}"' for part in table.split("."))
            values.update(witness.answer(f'select "{own}" as v from {relation}')["v"])
        assert set(answer[column.lower()]) <= values


# The same query in other words


WORDINGS = {
    "derived table": "select * from ({sql}) as w",
    "CTE": "with w as ({sql}) select z.* from w as z",
    "CTE of a CTE": "with v as ({sql}), w as (select * from v) select * from w",
    "CTE with the name of a table": "with elsewhere as ({sql}) select * from elsewhere as t",
    "parentheses": "({sql})",
    "union with itself": "({sql}) union all ({sql})",
    "union by name with itself": "({sql}) union all by name ({sql})",
    "lateral": "select w.* from (select 1 as one) as o, lateral ({sql}) as w",
    "capitals": "SELECT * FROM ({sql}) AS W",
}
CLOSED = [n for n, c in CASES.items() if not c.get("invalid") and not c.get("unknown")]


@pytest.mark.parametrize("wording", WORDINGS)
def test_other_words_are_the_same_lineage(wording: str) -> None:
    for name in CLOSED:
        sql = CASES[name]["sql"]
        one, other = columns_of(sql, TABLES), columns_of(WORDINGS[wording].format(sql=sql), TABLES)
        assert hows_of(one) == hows_of(other), name


def hows_of(found: Lineage) -> dict[str, dict[Origin, str]]:
    return {
        column: {(edge.relation, edge.column): edge.how for edge in edges}
        for column, edges in found.columns.items()
    }


@pytest.mark.parametrize("name", CLOSED)
def test_a_count_of_rows_derives_from_what_decides_them(name: str) -> None:
    found = columns_of(CASES[name]["sql"], TABLES)
    count = columns_of(f"select count(*) as n from ({CASES[name]['sql']}) as w", TABLES)
    assert set(count.columns["n"]) == {
        edge for edge in found.rows if edge.column != ROWS or not names_a_column(found.rows, edge.relation)
    }


def names_a_column(edges: tuple[Edge, ...], relation: str) -> bool:
    return any(edge.relation == relation and edge.column != ROWS for edge in edges)
