"""Tills: one folder per store-local day, one file per group of stores, Parquet or gzipped CSV.

`landing/business_date=YYYY-MM-DD/sales_<group>.(parquet|csv.gz)`. Every group delivers a file for every day, on a day
without sales an empty one, so a day that is missing between two others is a fault and not a holiday.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from ingestion.contracts import FROZEN, MONEY, UTC_TIMESTAMP, batches
from ingestion.errors import IngestionError
from ingestion.landing import REDELIVER, known_files, new_files, read_file

TRANSACTIONS = pa.schema(
    [
        ("basket_id", pa.int64()),
        ("household_id", pa.int64()),
        ("store_id", pa.int64()),
        ("product_id", pa.int64()),
        ("quantity", pa.int64()),
        ("sales_value", MONEY),
        ("retail_disc", MONEY),
        ("coupon_disc", MONEY),
        ("coupon_match_disc", MONEY),
        ("week", pa.int32()),
        ("transaction_timestamp", UTC_TIMESTAMP),
    ]
)
"""Rows: one product line of one basket. Money in US dollars. Two columns come from the file's place, see `read_file`."""


@dlt.source(name="pos")
def pos(landing: str = dlt.config.value) -> Any:
    """Till exports below the folder `landing` that no completed load has brought yet."""

    @dlt.resource(name="transactions", primary_key=("basket_id", "product_id"), schema_contract=FROZEN)
    def transactions() -> Iterator[pa.Table]:
        root = Path(landing)
        files = new_files(root, "business_date=*/sales_*")
        yield from batches(
            table for path in files for table in read_file(root, path, TRANSACTIONS, _business_date)
        )
        _refuse_missing_days(root)

    return transactions


def _business_date(path: Path) -> dict[str, pa.Scalar]:
    return {"business_date": pa.scalar(_day(path.parent.name))}


def _day(folder: str) -> date:
    try:
        return date.fromisoformat(folder.removeprefix("business_date="))
    except ValueError as error:
        raise IngestionError(
            f"landing folder {folder} does not name a day as business_date=YYYY-MM-DD", REDELIVER
        ) from error


def _refuse_missing_days(root: Path) -> None:
    """Every group of stores must have delivered every day between the first and the last delivered one."""
    days: dict[str, set[date]] = {}
    for name in known_files():
        folder, _, file = name.partition("/")
        days.setdefault(file, set()).add(_day(folder))
    if not days:
        return
    first, last = min(map(min, days.values())), max(map(max, days.values()))
    expected = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    missing = sorted(
        f"business_date={day}/{file}" for file, delivered in days.items() for day in expected - delivered
    )
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise IngestionError(f"till files are missing in {root}: {', '.join(missing[:3])}{more}", REDELIVER)
