"""Tills: one folder per store-local day, one file per group of stores, Parquet or gzipped CSV.

`landing/business_date=YYYY-MM-DD/sales_<group>.(parquet|csv.gz)`. Every group delivers a file for every day, on a day
without sales an empty one, so a day that is missing between two others is a fault and not a holiday.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.errors import REDELIVER, IngestionError
from ingestion.core.request import ExtractContext
from ingestion.validation.provenance import Provenance


def extract(context: ExtractContext) -> Any:
    """Till exports below the folder `landing` that no completed load has brought yet."""
    import dlt

    from ingestion.connectors.landing import known_files, landed, load_files
    from ingestion.connectors.prefetch import prefetch
    from ingestion.validation.validator import FROZEN, Validator

    @dlt.resource(name="transactions", schema_contract=FROZEN)
    def transactions(root: Path) -> Iterator[Any]:
        validator = Validator(contract("pos"), "transactions")
        names = {path.relative_to(root).as_posix() for path in landed(root, SOURCE.pattern)}
        future = future_files(names, datetime.now(UTC).date())
        files = load_files(
            context, validator, root, SOURCE.pattern, provenance, lambda name: (_day(name),) * 2, future
        )
        yield from prefetch(files)
        _refuse_missing_days(root, known_files())

    @dlt.source(name="pos")
    def pos(landing: str = dlt.config.value) -> Any:
        return transactions(Path(landing))

    return pos()


def provenance(name: str, kind: str, digest: str) -> Provenance:
    """What the name of a till file says of its rows."""
    day = _day(name)
    return Provenance(
        name, kind, digest, day, {"business_date": pa.scalar(day), "_source_file": pa.scalar(name)}
    )


def _day(name: str) -> date:
    return _day_of(name.partition("/")[0])


@cache
def _day_of(folder: str) -> date:
    """A landing folder's day; a year has 365 of them, and many files in each."""
    try:
        return date.fromisoformat(folder.removeprefix("business_date="))
    except ValueError as error:
        raise IngestionError(
            f"landing folder {folder} does not name a day as business_date=YYYY-MM-DD", REDELIVER
        ) from error


def _days(names: Iterable[str]) -> dict[str, set[date]]:
    """The delivered days of each group of stores."""
    days: dict[str, set[date]] = {}
    for name in names:
        days.setdefault(name.partition("/")[2], set()).add(_day(name))
    return days


def future_files(names: Iterable[str], today: date) -> set[str]:
    """Files of days that have not come: later than today, or days after all other groups, with a gap before them."""
    days = _days(names)
    future: set[str] = set()
    latest = sorted(
        ((max(past), group) for group, d in days.items() if (past := _until(d, today))), reverse=True
    )
    for group, delivered in days.items():
        others = [day for day, other in latest[:2] if other != group]
        reached = others[0] if others else today
        for day in sorted(delivered):
            if day > max(today, reached) or day > reached + timedelta(days=1):
                future.add(f"business_date={day}/{group}")
            else:
                reached = max(reached, day)
    return future


def _until(days: set[date], last: date) -> list[date]:
    return [day for day in days if day <= last]


def _refuse_missing_days(root: Path, known: Iterable[str]) -> None:
    """Every group of stores must have delivered every day between the first and the last one of the `known` files."""
    days = _days(known)
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


SOURCE = Source(name="pos", extract=extract, pattern="business_date=*/sales_*", provenance=provenance)
