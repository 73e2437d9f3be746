"""Tables compared on small data that differ in known ways, and the slice that holds what differs."""

import re

import duckdb
import pytest

from larder.warehouse import comparison, slices
from larder.warehouse.comparison import Rows, Table
from larder.warehouse.slices import Dimension, Lookup, Slice

LINES = (
    "select n as line, n % 7 as store, ['FUEL', 'GROCERY', 'DAIRY', 'MEAT'][n % 4 + 1] as department,"
    " date '2017-01-01' + (n // 100)::int as day, (n % 50)::decimal(18, 2) as sales, n % 3 as product from range(4000) as r (n)"
)


@pytest.fixture
def both() -> duckdb.DuckDBPyConnection:
    """Two databases, `old` and `new`."""
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as old; attach ':memory:' as new")
    return connection


def table(connection: duckdb.DuckDBPyConnection, side: str, query: str, kind: str = "table") -> Table:
    made = f"{side}.main.a_{kind}"
    connection.execute(f"create or replace {kind} {made} as {query}")
    columns = connection.execute(f"describe {made}").fetchall()
    return Table(made, {name: kind for name, kind, *_ in columns})


def compared(
    connection: duckdb.DuckDBPyConnection, old: str, new: str, *key: str, kind: str = "table"
) -> Rows:
    return comparison.rows(
        connection, table(connection, "old", old, kind), table(connection, "new", new, kind), key
    )


def counts(found: Rows) -> tuple[int, int, int]:
    return found.added, found.removed, found.changed


def test_a_pure_refactor_is_an_empty_difference(both: duckdb.DuckDBPyConnection) -> None:
    reordered = f"select sales, product, day, department, store, line from ({LINES}) order by hash(line)"
    found = compared(both, LINES, reordered, "line")
    assert (found.differing, found.before, found.after, found.columns) == (0, 4000, 4000, {})
    assert found.how == "by key (line)"


def test_rows_are_matched_by_all_of_the_key(both: duckdb.DuckDBPyConnection) -> None:
    old = "select n // 2 as a, n % 2 as b, n as v, 'x' as w from range(10) as r (n)"
    new = f"select * replace (if(v = 4, -1, v) as v) from ({old}) where v <> 9 union all select 9, 9, 9, 'x'"
    found = compared(both, old, new, "a", "b")
    assert (counts(found), found.columns) == ((1, 1, 1), {"v": 1})


def test_null_counts_as_a_value_of_a_key(both: duckdb.DuckDBPyConnection) -> None:
    old = "select nullif(n, 0) as k, n as v from range(3) as r (n)"
    found = compared(both, old, f"select k, v + 1 as v from ({old})", "k")
    assert counts(found) == (0, 0, 3)
    assert found.how == "by key (k), where null counts as a value (2 rows)"


def test_without_a_key_that_matches_whole_rows_are_compared(both: duckdb.DuckDBPyConnection) -> None:
    old = "select n // 2 as k, 1 as v from range(6) as r (n)"
    new = "select n // 2 as k, if(n = 0, 2, 1) as v from range(6) as r (n)"
    found = compared(both, old, new, "k")
    assert (counts(found), found.key, found.columns) == ((1, 1, 0), [], {"v": 1})
    assert found.how == "as whole rows: the key (k) repeats in 12 rows"
    assert compared(both, old, old, "z").how == "as whole rows: a column of the key (z) is not in both"
    assert compared(both, old, f"{old} union all select 0, 1").added == 1


def test_a_key_of_another_type_is_matched_as_text(both: duckdb.DuckDBPyConnection) -> None:
    old, new = (f"select n::{kind} as k, n as v from range(5) as r (n)" for kind in ("bigint", "varchar"))
    found = compared(both, old, new, "k")
    assert (found.differing, found.how) == (0, "by key (k); k as text")
    assert compared(both, old, old.replace("bigint", "hugeint"), "k").how == "by key (k)"


def test_values_of_every_type_are_compared_as_they_are(both: duckdb.DuckDBPyConnection) -> None:
    old = (
        "select 1 as k, [1, null] as l, {'a': 1, 'b': null} as s, 'ab'::blob as b, 'nan'::double as f, null::varchar as n,"
        " map {'x': 1} as m"
    )
    assert compared(both, old, old, "k").differing == 0
    assert compared(both, old, old).differing == 0
    found = compared(both, old, old.replace("[1, null]", "[1]").replace("'nan'", "'inf'"), "k")
    assert found.columns == {"l": 1, "f": 1}
    assert compared(both, old, old.replace("[1, null]", "[1]")).columns == {"l": 1}


def test_empty_tables_views_and_wide_ones(both: duckdb.DuckDBPyConnection) -> None:
    empty = f"{LINES} limit 0"
    assert counts(compared(both, empty, empty, "line")) == (0, 0, 0)
    assert counts(compared(both, empty, LINES, "line")) == (4000, 0, 0)
    assert counts(compared(both, LINES, empty)) == (0, 4000, 0)
    wide = f"select n as k, {', '.join(f'n + {i} as c{i}' for i in range(200))} from range(50) as r (n)"
    found = compared(both, wide, wide.replace("n + 7 as", "n + 8 as"), "k", kind="view")
    assert (found.changed, found.columns) == (50, {"c7": 50})


DIMENSIONS = [Dimension(name) for name in ("store", "department", "day")]


def sliced(
    connection: duckdb.DuckDBPyConnection, changed: str, *key: str, by: list[Dimension] = DIMENSIONS
) -> Slice | None:
    """The slice of what differs where `changed` rows have other sales."""
    old = table(connection, "old", LINES)
    new = table(
        connection, "new", f"select * replace (if({changed}, sales + 1, sales) as sales) from ({LINES})"
    )
    return slices.find(connection, old, new, comparison.rows(connection, old, new, key), by)


@pytest.mark.parametrize(
    ("changed", "condition"),
    [
        ("department = 'FUEL'", "department = 'FUEL'"),
        ("department = 'FUEL' and line % 50 = 1", None),
        ("store in (2, 5)", "store in (2, 5)"),
        ("department = 'DAIRY' and store = 3", "department = 'DAIRY' and store = 3"),
        ("day between '2017-01-11' and '2017-01-15'", "day from '2017-01-11' to '2017-01-15'"),
        ("line % 11 = 0", None),
        ("true", None),
        ("false", None),
    ],
)
def test_the_slice_that_holds_a_change_is_found(
    both: duckdb.DuckDBPyConnection, changed: str, condition: str | None
) -> None:
    found = sliced(both, changed, "line")
    assert (found and found.condition) == condition
    assert sliced(both, changed, "line") == found


def test_a_slice_says_how_much_it_holds(both: duckdb.DuckDBPyConnection) -> None:
    assert sliced(both, "department = 'FUEL' or line = 1", "line") == Slice(
        "department = 'FUEL'", 1000, 1001, 1000, 4000
    )
    # as whole rows: what went and what came
    assert sliced(both, "department = 'FUEL'") == Slice("department = 'FUEL'", 2000, 2000, 2000, 5000)


def test_a_slice_may_be_of_a_table_that_a_key_leads_to(both: duckdb.DuckDBPyConnection) -> None:
    both.execute(
        "create table new.main.products as select n as id, ['it''s', null, 'c'][n + 1] as brand from range(3) as r (n)"
    )
    by = [Dimension("brand", Lookup("product", "new.main.products", "id"))]
    assert (found := sliced(both, "product = 0", "line", by=by)) and found.condition == "brand = 'it''s'"
    assert (found := sliced(both, "product = 1", "line", by=by)) and found.condition == "brand is null"


def test_a_range_of_numbers_in_a_text_is_one_of_numbers(both: duckdb.DuckDBPyConnection) -> None:
    lines = "select n as line, (n % 200)::varchar as shelf, n // 200 % 3 as hall, 1 as sales from range(6000) as r (n)"
    changed = "hall = 1 and shelf in ('3', '31', '32', '33', '34', '35', '36')"
    old = table(both, "old", lines)
    new = table(both, "new", f"select * replace (if({changed}, 2, 1) as sales) from ({lines})")
    rows = comparison.rows(both, old, new, ["line"])
    found = slices.find(both, old, new, rows, [Dimension("shelf"), Dimension("hall")])
    assert found and "shelf from 3 to 36" in found.condition
    condition = re.sub(r"(\w+) from (\S+) to (\S+)", r"\1::int between \2 and \3", found.condition)
    assert both.execute(f"select count(*) from {new.name} where {condition}").fetchall() == [(found.rows,)]
