"""What a table of rows is checked for, function by function: names, types, values, keys, and what is said of a violation."""

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import yaml
from conftest import PROJECT

from ingestion.contracts.contract import LocalDay, ZoneOf, contract, parse, path
from ingestion.core.errors import IngestionError
from ingestion.sources import SOURCES
from ingestion.validation import checks
from ingestion.validation.records import records

TABLE = parse(
    "shop",
    """
sales:
  key: [id]
  money: paid
  columns:
    id: {type: int64, required: true}
    paid: {type: "decimal(18,2)", min: 0}
    day: {type: date}
    at: {type: timestamp_utc}
    kind: {type: string, allowed: [A, B]}
    name: {type: string, personal: true, aliases: [full_name]}
    is_open: {type: bool}
""",
)["sales"]
ROW = {
    "id": 1,
    "paid": "2.50",
    "day": "2017-01-01",
    "at": "2017-01-01T05:00:00Z",
    "kind": "A",
    "name": "Ann",
    "is_open": True,
}
TYPED = {
    "id": 1,
    "paid": Decimal("2.50"),
    "day": date(2017, 1, 1),
    "at": datetime(2017, 1, 1, 5, tzinfo=UTC),
    "kind": "A",
    "name": "Ann",
    "is_open": True,
}  # fmt: skip


def fitted(*rows: dict[str, Any]) -> checks.Fitted:
    return checks.fit(records(list(rows)), TABLE)


def test_json_records_become_the_declared_types() -> None:
    found = fitted(ROW, {**dict.fromkeys(ROW), "id": 2})
    assert found.table.schema == TABLE.schema
    assert found.table.to_pylist() == [TYPED, {**dict.fromkeys(ROW), "id": 2}]
    assert (found.violations, found.drift) == ([], [])


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "one", "the value is not of type int64"),
        ("id", 1.5, "the value is not exact at 0 decimals: precision is lost"),
        ("id", True, "the value is not of type int64"),
        ("id", 2**63, "the value is not of type int64"),
        ("id", {"nested": 1}, "the value is not of type int64"),
        ("paid", "1.005", "the value is not exact at 2 decimals: precision is lost"),
        ("paid", 1.005, "the value is not exact at 2 decimals: precision is lost"),
        ("paid", "1e40", "the value is not of type decimal(18,2)"),
        ("paid", "NaN", "the value is not of type decimal(18,2)"),
        ("paid", "1e3", "the value is not of type decimal(18,2)"),
        ("paid", "1_000", "the value is not of type decimal(18,2)"),
        ("paid", "٣.٤٥", "the value is not of type decimal(18,2)"),
        ("id", "3.12000E+10", "the value is not of type int64"),
        ("id", "0x1F", "the value is not of type int64"),
        ("id", "1.0", "the value is not of type int64"),
        ("id", "+5", "the value is not of type int64"),
        ("day", 17167, "the value is not of type date"),
        ("at", 1483228800000, "the value is not of type timestamp_utc"),
        ("at", "2017-W01-1T05:00:00Z", "the value is not of type timestamp_utc"),
        ("at", "0000-01-01T05:00:00Z", "the value is not of type timestamp_utc"),
        ("is_open", "1", "the value is not of type bool"),
        ("day", "2017-02-30", "the value is not of type date"),
        ("day", "2017-01-01T05:00:00Z", "the value is not of type date"),
        ("at", "2017-01-01T05:00:00", "the time zone is lost"),
        ("at", "2017-01-01T05:00:00.1234567Z", "the time is finer than a microsecond: precision is lost"),
        ("at", "yesterday", "the value is not of type timestamp_utc"),
        ("at", "2017-01-01T05:00:00+05:75", "the value is not of type timestamp_utc"),
        ("is_open", "perhaps", "the value is not of type bool"),
    ],
)
def test_a_value_that_does_not_cast_exactly_is_named_and_its_neighbours_are_kept(
    column: str, value: object, reason: str
) -> None:
    found = fitted(ROW, {**ROW, column: value}, ROW)
    assert [(b.column, b.reason, b.rows.tolist()) for b in found.violations] == [(column, reason, [1])]
    assert found.table.to_pylist() == [TYPED, {**TYPED, column: None}, TYPED]


@pytest.mark.parametrize(
    ("column", "array", "value"),
    [
        ("paid", pa.array([2.5, 1.1]), Decimal("1.10")),
        ("paid", pa.array([2.5, 1.1], pa.float32()), Decimal("1.10")),
        ("paid", pa.array([Decimal("2.5000"), Decimal("1.1000")], pa.decimal128(20, 4)), Decimal("1.10")),
        ("id", pa.array(["1", " 12 "]), 12),
        ("id", pa.array([1.0, 12.0]), 12),
        ("day", pa.array([datetime(2017, 1, 1), datetime(2017, 1, 2)]), date(2017, 1, 2)),
        ("name", pa.array(["Ann", "Bo"]).dictionary_encode(), "Bo"),
        ("name", pa.array([1, 2]), "2"),
    ],
)
def test_another_type_of_the_same_value_is_loaded(column: str, array: pa.Array, value: object) -> None:
    table = records([ROW, ROW])
    table = table.set_column(table.column_names.index(column), column, array)
    found = checks.fit(table, TABLE)
    assert found.violations == []
    assert found.table[column][1].as_py() == value


def test_times_lose_neither_zone_nor_nanoseconds() -> None:
    at = TABLE.by_name["at"]
    for came, reason in [
        (pa.array([0, None], pa.timestamp("us")), "the time zone is lost"),
        (
            pa.array([1, 0], pa.timestamp("ns", "UTC")),
            "the time is finer than a microsecond: precision is lost",
        ),
    ]:
        found = checks.fit(pa.table({"id": [1, 2], "at": came}), TABLE)
        assert [(b.column, b.reason, b.rows.tolist()) for b in found.violations] == [(at.name, reason, [0])]
    exact = pa.array([1_000, 0], pa.timestamp("ns", "America/New_York"))
    assert checks.fit(pa.table({"id": [1, 2], "at": exact}), TABLE).violations == []


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_time_of_any_unit_is_the_same_or_named(unit: str) -> None:
    """Also one that has no place in Python, or in microseconds."""
    good = pa.array([datetime(2017, 1, 1, 5, tzinfo=UTC)]).cast(pa.timestamp(unit, "UTC"))
    at = pa.concat_arrays([good, pa.array([2**62, -(2**62), None], good.type)])
    found = checks.fit(pa.table({"id": range(4), "at": at}), TABLE)
    assert found.table["at"][0].as_py() == datetime(2017, 1, 1, 5, tzinfo=UTC)
    reasons = {b.reason: b.rows.tolist() for b in found.violations}
    far = [1, 2] if unit != "ns" else []  # in nanoseconds, all numbers are of the years 1677 to 2262
    cut = [] if unit != "ns" else [1, 2]
    expected = {
        "the year is not one of 1 to 9999": far,
        "the time is finer than a microsecond: precision is lost": cut,
    }
    assert reasons == {reason: rows for reason, rows in expected.items() if rows}


@pytest.mark.parametrize("end", ["Z", "+00", "+0000", "+00:00"])
@pytest.mark.parametrize("other", [None, "-infinity"])
def test_a_time_as_text_has_its_zone_in_any_form(end: str, other: str | None) -> None:
    """PostgreSQL writes hours alone; a neighbour that is no time changes nothing."""
    found = checks.fit(pa.table({"id": [1, 2], "at": [f"2017-01-01 05:00:00{end}", other]}), TABLE)
    assert found.table["at"].to_pylist() == [datetime(2017, 1, 1, 5, tzinfo=UTC), None]


def test_an_encoding_of_the_same_type_is_no_drift() -> None:
    """The reader itself asks Parquet for the values of a short list as their positions in it."""
    table = records([ROW, ROW])
    names = table["name"].dictionary_encode()
    table = table.set_column(table.column_names.index("name"), "name", names)
    assert checks.fit(table, TABLE).drift == fitted(ROW).drift


def test_a_number_is_never_a_time_and_is_reported() -> None:
    """Milliseconds since 1970 would be of January 1970 if they were taken for microseconds."""
    found = fitted({**ROW, "at": 1_483_228_800_000, "day": 17_167})
    assert [(d.kind, d.column, d.detail) for d in found.drift] == [
        ("retyped", "day", "int64"),
        ("retyped", "at", "int64"),
    ]
    assert [b.column for b in found.violations] == ["day", "at"]


@pytest.mark.parametrize("column", ["id", "paid"])
@pytest.mark.parametrize(
    "values",
    [
        pa.array([2.0**53, 1.0]),
        pa.array([2.0**24, 1.0], pa.float32()),
        pa.array([31_198_450_991.0, 1.0], pa.float32()),
        pa.array([2.0**11, 1.0], pa.float16()),
    ],
    ids=["double", "float", "a receipt as float", "half"],
)
def test_a_float_that_stands_for_several_numbers_is_none_of_them(column: str, values: pa.Array) -> None:
    table = pa.table({**{"id": [1, 2]}, column: values})
    assert (1, [0]) in [(len(b.rows), b.rows.tolist()) for b in checks.fit(table, TABLE).violations]


def test_an_amount_that_could_not_be_added_up_is_named() -> None:
    found = fitted(
        ROW, {**ROW, "id": 2, "paid": "9999999999999999.99"}, {**ROW, "id": 3, "paid": "999999999.99"}
    )
    (broken,) = checks.violations(found.table, TABLE, [0])
    assert (broken.column, broken.reason, broken.rows.tolist()) == (
        "paid",
        "the amount is too large to be added up",
        [1],
    )


def test_the_shape_of_a_delivery_is_compared() -> None:
    row = {key: value for key, value in ROW.items() if key not in ("id", "day", "name")}
    found = fitted({**row, "ids": 1, "full_name": "Ann", "tip": 1})
    assert [(d.kind, d.column, d.detail) for d in found.drift] == [
        ("renamed", "id", "ids"),
        ("missing", "day", "its rows are loaded with nulls"),
        ("new", "tip", "int64"),
    ]
    assert [(b.column, b.reason) for b in found.violations] == [
        ("id", "the column is missing; renamed to ids?")
    ]
    assert found.table["name"].to_pylist() == ["Ann"], "an alias is another name of the column"


def test_another_type_is_reported_though_its_values_load() -> None:
    found = fitted({**ROW, "id": "1", "name": 5})
    assert [(d.kind, d.column, d.detail) for d in found.drift] == [
        ("retyped", "id", "string"),
        ("retyped", "name", "int64"),
    ]
    assert found.violations == []


def values(**columns: list[Any]) -> list[tuple[str, str, list[int]]]:
    rows = [
        {**dict.fromkeys(ROW), "id": n, **dict(zip(columns, row, strict=True))}
        for n, row in enumerate(zip(*columns.values(), strict=True))
    ]
    found = fitted(*rows)
    assert found.violations == []
    return [(b.column, b.reason, b.rows.tolist()) for b in checks.violations(found.table, TABLE, [0])]


def test_values_are_held_to_what_is_allowed() -> None:
    assert values(id=[1, None, 3]) == [("id", "the value is missing", [1])]
    assert values(paid=["0.00", "-0.01", None]) == [("paid", "the value is below 0", [1])]
    assert values(kind=["A", None, "C", "B"]) == [("kind", "the value is not allowed", [2])]


def test_a_key_comes_once_in_a_place_and_the_first_counts() -> None:
    assert values(id=[7, 8, 7, 7]) == [("id", "the key comes again", [2, 3])]
    table = fitted({**ROW, "id": 7}, {**ROW, "id": 7}).table
    assert list(checks.violations(table, TABLE, [0, 1])) == []


def test_rows_are_of_the_day_of_their_place() -> None:
    pos = contract("pos")["transactions"]
    assert pos.local_day
    rows = till_rows(*((1, datetime(2017, 3, 12, hour, tzinfo=UTC)) for hour in (4, 5, 23)), (1, None))
    (violation,) = checks.of_day(rows, pos.local_day, date(2017, 3, 12))
    assert violation.rows.tolist() == [0], "midnight in New York is at five"
    assert list(checks.of_day(rows.slice(1), pos.local_day, date(2017, 3, 12))) == []


CHICAGO = LocalDay("at", "America/New_York", ZoneOf("store_id", {2: "America/Chicago", 3: "America/Phoenix"}))


def till_rows(*rows: tuple[int | None, datetime | None]) -> pa.Table:
    stores, times = zip(*rows, strict=True)
    columns = [pa.array(stores, pa.int64()), *[pa.array(times, pa.timestamp("us", tz="UTC"))] * 2]
    return pa.table(columns, names=["store_id", "at", "transaction_timestamp"])


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        (date(2017, 3, 12), {1: 5, 2: 6, 3: 7}, {1: 4, 2: 5, 3: 7}),
        (date(2017, 11, 5), {1: 4, 2: 5, 3: 7}, {1: 5, 2: 6, 3: 7}),
        (date(2017, 7, 1), {1: 4, 2: 5, 3: 7}, {1: 4, 2: 5, 3: 7}),
    ],
)
def test_a_store_of_another_zone_has_its_own_day(
    day: date, begins: dict[int, int], ends: dict[int, int]
) -> None:
    """Also on the days when summer time begins (in New York 23 hours long) and ends (25 hours)."""
    instant, next_day = timedelta(microseconds=1), day + timedelta(days=1)
    for store in begins:
        first = datetime(day.year, day.month, day.day, begins[store], tzinfo=UTC)
        end = datetime(next_day.year, next_day.month, next_day.day, ends[store], tzinfo=UTC)
        rows = till_rows((store, first - instant), (store, first), (store, end - instant), (store, end))
        found = list(checks.of_day(rows, CHICAGO, day))
        assert [violation.rows.tolist() for violation in found] == [[0, 3]], store
        days = checks.local_day(rows, CHICAGO).to_pylist()
        assert days == [day - timedelta(days=1), day, day, next_day], store


def test_rows_of_many_zones_are_checked_together() -> None:
    night = datetime(2017, 3, 12, 5, 30, tzinfo=UTC)
    rows = till_rows((1, night), (2, night), (None, night), (3, night), (2, None))
    found = {
        violation.expected: violation.rows.tolist()
        for violation in checks.of_day(rows, CHICAGO, night.date())
    }
    assert found == {
        "a time on 2017-03-12 in America/Chicago, the day of the file": [1],
        "a time on 2017-03-12 in America/Phoenix, the day of the file": [3],
    }
    eve = date(2017, 3, 11)
    assert checks.local_day(rows, CHICAGO).to_pylist() == [night.date(), eve, night.date(), eve, None]


def test_a_row_that_states_its_day_states_that_of_its_store() -> None:
    stated = parse("tills", """
sales:
  key: [store_id]
  local_day: {column: at, zone: America/New_York, zone_of: {column: store_id, zones: {2: America/Chicago}}}
  columns:
    store_id: {type: int64}
    at: {type: timestamp_utc}
    business_date: {type: date}
""")["sales"]  # fmt: skip
    night = datetime(2017, 3, 12, 5, 30, tzinfo=UTC)
    rows = till_rows((1, night), (2, night), (3, None)).drop_columns(["transaction_timestamp"])
    rows = rows.append_column("business_date", pa.array([night.date()] * 3))
    assert [(v.column, v.rows.tolist()) for v in checks.violations(rows, stated, [0])] == [
        ("business_date", [1])
    ]


@pytest.mark.parametrize(
    "zones",
    ["{2: Europe/Atlantis}", "{two: America/Chicago}", "[2]"],
)
def test_zones_that_cannot_be_are_refused(zones: str) -> None:
    text = path("pos").read_text().replace("zones: {}}", f"zones: {zones}}}")
    with pytest.raises(IngestionError, match="cannot be understood"):
        parse("pos", text)


@pytest.mark.parametrize("source", ["pos", "pos_stream"])
def test_the_tills_are_checked_by_the_zones_that_the_models_use(source: str) -> None:
    local = contract(source)["transactions"].local_day
    assert local and local.zone_of and local.zone_of.column == "store_id"
    assert local.zone == yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]["store_time_zone"]
    with (PROJECT / "seeds/store_time_zones.csv").open() as seed:
        named = {int(row["store_id"]): row["time_zone"] for row in csv.DictReader(seed)}
    assert dict(local.zone_of.zones) == named


def test_the_checksum_of_keys_is_the_same_in_sql() -> None:
    numbers = np.random.default_rng(1)
    t = pa.table({name: numbers.integers(0, 2**40, 100_000) for name in ("a", "b", "c")})
    for key in (["a"], ["a", "b"], ["a", "b", "c"]):
        product = " * ".join(f"({name} % 1048573 + 1)" for name in key)
        (expected,) = duckdb.sql(f"select sum({product})::varchar from t").fetchone() or ()
        assert str(checks.key_sum(t, key)) == expected


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_states_its_contract(source: str) -> None:
    for table in contract(source).values():
        assert table.key and table.columns


@pytest.mark.parametrize(
    "text",
    [
        "sales: {key: [id], columns: {id: {type: int46}}}",
        "sales: {key: [id], columns: {}}",
        "sales: {key: [id], columns: {id: {type: string}}}",
        "sales: {key: [id], columns: {id: {type: int64, mini: 0}}}",
        "sales: [",
        "",
    ],
)
def test_a_contract_that_cannot_be_understood_names_its_file(text: str) -> None:
    with pytest.raises(IngestionError, match=r"shop\.yml cannot be understood"):
        parse("shop", text)
