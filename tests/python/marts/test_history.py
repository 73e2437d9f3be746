"""Type-2 history against a model of a few lines: for any deliveries in any order, each day finds the values that were valid."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from larder.core.settings import Paths
from larder.project import dbt

START = date(2017, 1, 1)
DAYS = 12
VALUES = st.sampled_from([None, "a", "b"])

Row = tuple[int, int, str | None]
"""A version of a record in a load: day, hour (of the store's clock) and value."""

# One load of one record; None where the load does not mention it, "gone" where the source no longer has it.
ROWS = st.tuples(st.integers(1, DAYS - 1), st.integers(0, 23), VALUES)
LOADS = st.lists(st.one_of(ROWS, st.none()), max_size=7)
LOADS_AND_DELETIONS = st.lists(st.one_of(ROWS, st.none(), st.just("gone")), max_size=7)

TABLES = {
    "merchandising__products": "product_id bigint, manufacturer_id bigint, department varchar, brand varchar,"
    " product_category varchar, product_type varchar, package_size varchar",
    "loyalty__households": "household_id bigint, postal_code varchar, registered_on date",
    "loyalty__demographics": "household_id bigint, age varchar, income varchar, home_ownership varchar,"
    " marital_status varchar, household_size varchar, household_comp varchar, kids_count varchar",
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The history models as views, compiled by dbt, over raw tables that a test fills."""
    where = Paths(tmp_path_factory.mktemp("history"))
    selection = ["--select", "+dim_products_history", "+dim_households_history"]
    outcome = dbt.run(where, "candidate", ["compile", *selection], lambda _: None)
    assert not outcome.broken
    connection = duckdb.connect(":memory:")
    for schema in ("raw", "staging", "marts"):
        connection.execute(f"create schema {schema}")
    for table, columns in TABLES.items():
        connection.execute(
            f"create table raw.{table} ({columns}, updated_at timestamptz, _dlt_load_id varchar)"
        )
    connection.execute(
        "create table raw.loyalty__deletions (table_name varchar, record_key bigint, _dlt_load_id varchar)"
    )
    nodes = json.loads((Path(outcome.artifacts) / "manifest.json").read_text())["nodes"]
    for name in (
        "stg_merchandising__product_versions",
        "stg_loyalty__household_versions",
        "stg_loyalty__demographic_versions",
        "dim_products_history",
        "dim_households_history",
    ):
        node = nodes[f"model.larder.{name}"]
        connection.execute(f"create view {node['schema']}.{name} as {node['compiled_code']}")
    return connection


def deliver(
    warehouse: duckdb.DuckDBPyConnection, table: str, loads: list[Row | str | None], column: str
) -> None:
    """Fill the raw table of one record, whose key is 7: `column` takes the value, each load has its own id."""
    warehouse.execute(f"delete from raw.{table}")
    key = "product_id" if "products" in table else "household_id"
    for number, row in enumerate(loads):
        if isinstance(row, tuple):
            day, hour, value = row
            warehouse.execute(
                f"insert into raw.{table} ({key}, {column}, updated_at, _dlt_load_id)"
                " values (7, ?, timezone('America/New_York', ?::timestamp + to_hours(?)), ?)",
                [value, START + timedelta(days=day), hour, f"{number}.5"],
            )
        elif row == "gone":
            warehouse.execute(
                "insert into raw.loyalty__deletions values (?, 7, ?)",
                [table.partition("__")[2], f"{number}.5"],
            )


def latest_versions(loads: list[Row | str | None]) -> list[tuple[int, str | None]]:
    """Days and values by the latest versions: a load replaces the versions of its day and all later ones."""
    found: list[tuple[int, str | None]] = []
    for row in loads:
        if row == "gone":
            found = []
        elif isinstance(row, tuple):
            found = [(day, value) for day, value in found if day < row[0]] + [(row[0], row[2])]
    return found


def assert_history(
    warehouse: duckdb.DuckDBPyConnection,
    model: str,
    columns: str,
    expected: Callable[[int], tuple[object, ...] | None],
) -> None:
    """Each day finds exactly one version, with the expected values; neighbours differ; the last has no end."""
    versions = warehouse.execute(
        f"select version_number, valid_from_date, valid_to_date, is_current, {columns} from marts.{model} order by 1"
    ).fetchall()
    if expected(0) is None:
        assert versions == []
        return
    for number in range(DAYS):
        day = START + timedelta(days=number)
        assert [v[4:] for v in versions if v[1] <= day <= v[2]] == [expected(number)], (day, versions)
    assert [v[0] for v in versions] == list(range(1, len(versions) + 1))
    assert all(v[4:] != w[4:] and w[1] - v[2] == timedelta(days=1) for v, w in pairwise(versions))
    assert (versions[0][1], versions[-1][2]) == (date(1900, 1, 1), date(9999, 12, 31))
    assert [v[3] for v in versions] == [False] * (len(versions) - 1) + [True]


@settings(max_examples=100, deadline=None)
@given(loads=LOADS)
@example(loads=[(3, 8, "a"), (5, 8, "b"), (4, 8, "a")])  # a correction with an earlier day
@example(loads=[(3, 8, "a"), (3, 20, "b"), (3, 8, "a")])  # the same day three times
@example(loads=[(3, 8, "a"), (4, 8, None), (6, 8, None), (7, 8, "a")])  # unknown for a while, written twice
def test_products_have_on_each_day_the_latest_version_of_the_master(
    warehouse: duckdb.DuckDBPyConnection, loads: list[Row | str | None]
) -> None:
    deliver(warehouse, "merchandising__products", loads, "product_category")
    versions_known = latest_versions(loads)

    def expected(day: int) -> tuple[object, ...] | None:
        known = [value for since, value in versions_known if since <= day] or [
            value for _, value in versions_known[:1]
        ]
        return (known[-1] or "Unknown",) if known else None

    assert_history(warehouse, "dim_products_history", "product_category", expected)


@settings(max_examples=100, deadline=None)
@given(addresses=LOADS, demographics=LOADS_AND_DELETIONS)
@example(
    addresses=[(2, 8, "a")], demographics=[(2, 20, "b")]
)  # registered and demographics given on one day: one version
@example(
    addresses=[(6, 8, "a")], demographics=[(2, 8, "b")]
)  # its address was written again after its demographics
@example(
    addresses=[(2, 8, "a"), (4, 8, "b"), (6, 8, "a")], demographics=[None, (5, 8, "a"), "gone", (8, 8, "b")]
)
def test_households_have_on_each_day_their_address_and_demographics(
    warehouse: duckdb.DuckDBPyConnection,
    addresses: list[Row | str | None],
    demographics: list[Row | str | None],
) -> None:
    warehouse.execute("delete from raw.loyalty__deletions")
    deliver(warehouse, "loyalty__households", addresses, "postal_code")
    deliver(warehouse, "loyalty__demographics", demographics, "age")
    places, answers = latest_versions(addresses), latest_versions(demographics)

    def expected(day: int) -> tuple[object, ...] | None:
        if not places:
            return None
        day = max(day, min(since for since, _ in places + answers))
        codes = [code for since, code in places if since <= day] or [places[0][1]]
        moves = sum(code != before for before, code in pairwise(codes))
        ages = [age for since, age in answers if since <= day]
        return (1 + moves, bool(ages), (ages[-1] if ages else None) or "Unknown")

    assert_history(
        warehouse, "dim_households_history", "address_number, has_demographics, age_band", expected
    )
