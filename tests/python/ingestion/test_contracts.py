from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from ingestion.contracts import MONEY, UTC_TIMESTAMP, batches, conform, rows_to_arrow
from ingestion.errors import IngestionError

SCHEMA = pa.schema([("id", pa.int64()), ("paid", MONEY), ("day", pa.date32()), ("at", UTC_TIMESTAMP)])


def test_json_records_become_the_declared_types() -> None:
    rows = [{"id": 1, "paid": "2.50", "day": "2017-01-01", "at": "2017-01-01T05:00:00Z"}]
    assert rows_to_arrow(rows, SCHEMA, "api").to_pylist() == [
        {"id": 1, "paid": Decimal("2.50"), "day": date(2017, 1, 1), "at": datetime(2017, 1, 1, 5, tzinfo=UTC)}
    ]


def test_a_null_stays_a_null() -> None:
    rows = [{"id": 1, "paid": None, "day": None, "at": None}]
    assert rows_to_arrow(rows, SCHEMA, "api").to_pylist() == rows


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"id": 1, "paid": "1.00", "day": "2017-01-01"}, "missing: ['at']"),
        ({"id": 1, "paid": "1.00", "day": "2017-01-01", "at": None, "tip": 1}, "unexpected: ['tip']"),
        ({"id": "one", "paid": "1.00", "day": "2017-01-01", "at": None}, "column id is string"),
        ({"id": 1.5, "paid": "1.00", "day": "2017-01-01", "at": None}, "column id is double"),
        ({"id": 1, "paid": "1.005", "day": "2017-01-01", "at": None}, "column paid is string"),
    ],
)
def test_a_breach_names_the_place_and_the_column(row: dict[str, object], named: str) -> None:
    with pytest.raises(IngestionError) as raised:
        rows_to_arrow([row], SCHEMA, "campaigns API, /v1/coupons")
    assert "campaigns API, /v1/coupons" in str(raised.value)
    assert named in str(raised.value)


def test_conform_orders_columns_as_declared() -> None:
    table = pa.table({"b": [1], "a": [2]})
    assert conform(table, pa.schema([("a", pa.int64()), ("b", pa.int32())]), "x").schema.names == ["a", "b"]


def test_batches_lose_no_row() -> None:
    tables = [pa.table({"n": pa.array(range(size), pa.int64())}) for size in (0, 3, 400_000, 200_000, 1)]
    gathered = list(batches(tables))
    assert [part.num_rows for part in gathered] == [600_003, 1]
