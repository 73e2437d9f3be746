"""Tills: one folder per store-local day, one file per group of stores, Parquet or gzipped CSV.

`landing/business_date=YYYY-MM-DD/sales_<group>.(parquet|csv.gz)`. Every group delivers a file for every day, on a day
without sales an empty one, so a day that is missing between two others is a fault and not a holiday.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from ingestion.ahead import ahead
from ingestion.contract import contract
from ingestion.core.errors import IngestionError
from ingestion.intake import FROZEN, Intake, Origin
from ingestion.landing import REDELIVER, known_files, landed, load_files
from ingestion.reading import Reading

FILES = "business_date=*/sales_*"


@dlt.source(name="pos")
def pos(reading: Reading, landing: str = dlt.config.value) -> Any:
    """Till exports below the folder `landing` that no completed load has brought yet."""

    @dlt.resource(name="transactions", schema_contract=FROZEN)
    def transactions() -> Iterator[Any]:
        root = Path(landing)
        intake = Intake(contract("pos"), "transactions")
        files = load_files(
            reading, intake, root, FILES, origin, lambda name: (_day(name),) * 2, _future(root)
        )
        yield from ahead(files)
        _refuse_missing_days(root)

    return transactions


def origin(name: str, kind: str, digest: str) -> Origin:
    """What the name of a till file says of its rows."""
    day = _day(name)
    return Origin(name, kind, digest, day, {"business_date": pa.scalar(day), "_source_file": pa.scalar(name)})


def _day(name: str) -> date:
    folder = name.partition("/")[0]
    try:
        return date.fromisoformat(folder.removeprefix("business_date="))
    except ValueError as error:
        raise IngestionError(
            f"landing folder {folder} does not name a day as business_date=YYYY-MM-DD", REDELIVER
        ) from error


def _days(names: set[str]) -> dict[str, set[date]]:
    """The delivered days of each group of stores."""
    days: dict[str, set[date]] = {}
    for name in names:
        days.setdefault(name.partition("/")[2], set()).add(_day(name))
    return days


def _future(root: Path) -> set[str]:
    """Files of days that have not come: later than today, or days ahead of all other groups after a gap of its own."""
    days = _days({path.relative_to(root).as_posix() for path in landed(root, FILES)})
    today, ahead = datetime.now(UTC).date(), set()
    for group, delivered in days.items():
        others = [day for other in days if other != group for day in days[other] if day <= today]
        reached = max(others) if others else today
        for day in sorted(delivered):
            if day > max(today, reached) or day > reached + timedelta(days=1):
                ahead.add(f"business_date={day}/{group}")
            else:
                reached = max(reached, day)
    return ahead


def _refuse_missing_days(root: Path) -> None:
    """Every group of stores must have delivered every day between the first and the last delivered one."""
    days = _days(known_files())
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
