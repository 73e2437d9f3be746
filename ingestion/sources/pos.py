"""Tills: one folder per store-local day, one file per group of stores, Parquet or gzipped CSV.

`landing/business_date=YYYY-MM-DD/sales_<group>.(parquet|csv.gz)`. Every group delivers a file for every day, on a day
without sales an empty one, so a day that is missing between two others of the group is a fault and not a holiday. A group
may begin later, end, and go over to the other format.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.errors import REDELIVER, IngestionError
from ingestion.core.request import ExtractContext
from ingestion.core.text import few
from ingestion.validation.provenance import Provenance


def extract(context: ExtractContext) -> Any:
    """Till exports below the folder `landing` that no completed load has brought yet."""
    import dlt

    from ingestion.connectors.landing import known_files, landed, load_files
    from ingestion.connectors.prefetch import prefetch
    from ingestion.validation.validator import FROZEN, Validator

    @dlt.resource(name="transactions", schema_contract=FROZEN)
    def transactions(root: Path) -> Iterator[Any]:
        validator, landing = Validator(contract("pos"), "transactions"), landed(context, root, SOURCE)
        for name, twin in twins(landing.files, known_files()).items():
            del landing.files[name]
            context.misplaced.append(f"{name} is not loaded: {twin} is the same group's file of the day")
        future = future_files(landing.files, datetime.now(UTC).date())
        files = load_files(context, validator, landing, provenance, lambda name: (_day(name),) * 2, future)
        yield from prefetch(files)
        days = delivered_days(known_files())
        refuse_missing_days(root, days, landing.others)
        context.notes.extend(ended(days))

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
        if re.fullmatch(r"business_date=[0-9]{4}-[0-9]{2}-[0-9]{2}", folder):
            return date.fromisoformat(folder.removeprefix("business_date="))
    except ValueError:
        pass
    raise IngestionError(
        f"landing folder {folder} does not name a day as business_date=YYYY-MM-DD", REDELIVER
    )


def _group(name: str) -> str:
    """The group of stores that a file is of, whatever its format; also of one that is not named as a delivery."""
    return re.split(r"[^A-Za-z0-9_-]", name.partition("/")[2])[0]


def delivered_days(names: Iterable[str]) -> dict[str, dict[date, str]]:
    """For each group of stores the days that it has delivered, each with the name of its file."""
    days: dict[str, dict[date, str]] = {}
    for name in names:
        days.setdefault(_group(name), {})[_day(name)] = name
    return days


def twins(landed: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Files of a day that its group has delivered in another format as well, each with that other one."""
    first: dict[tuple[date, str], str] = {}
    for name in [*known, *landed]:
        first.setdefault((_day(name), _group(name)), name)
    return {name: one for name in landed if (one := first[_day(name), _group(name)]) != name}


def future_files(names: Collection[str], today: date) -> set[str]:
    """Files of days that have not come: later than today, or days after all other groups, with a gap before them."""
    days = delivered_days(names)
    latest = sorted(
        ((max(past), group) for group, d in days.items() if (past := _until(d, today))), reverse=True
    )
    future_days: set[tuple[date, str]] = set()
    for group, delivered in days.items():
        others = [day for day, other in latest[:2] if other != group]
        reached = others[0] if others else today
        for day in sorted(delivered):
            if day > max(today, reached) or day > reached + timedelta(days=1):
                future_days.add((day, group))
            else:
                reached = max(reached, day)
    return {name for name in names if (_day(name), _group(name)) in future_days}


def _until(days: Iterable[date], last: date) -> list[date]:
    return [day for day in days if day <= last]


def refuse_missing_days(root: Path, days: dict[str, dict[date, str]], others: Iterable[str]) -> None:
    """Raise IngestionError where a group of stores has a gap between its days, or a file of it is still being uploaded.

    `others` are the names of what lies there and is no delivery: of a file that is missing, an upload under way.
    """
    uploads = {(other.partition("/")[0], _group(other)): other for other in others}
    last = max(map(max, days.values()), default=date.min)
    missing = []
    for group, delivered in days.items():
        first, (*_, file) = min(delivered), delivered[max(delivered)].rpartition("/")
        for day in {first + timedelta(days=n) for n in range((last - first).days + 1)} - delivered.keys():
            upload = uploads.get((f"business_date={day}", group))
            if day < max(delivered) or upload:
                missing.append(f"business_date={day}/{file}" + (f" (there is {upload})" if upload else ""))
    if missing:
        raise IngestionError(f"till files are missing in {root}: {few(sorted(missing))}", REDELIVER)


def ended(days: dict[str, dict[date, str]]) -> list[str]:
    """What there is to say of groups of stores that have delivered nothing for the last days."""
    last = max(map(max, days.values()), default=date.min)
    return [
        f"no file of {group} after {max(delivered)}, others are at {last}: has the group ended?"
        for group, delivered in sorted(days.items())
        if max(delivered) < last
    ]


SOURCE = Source(
    name="pos",
    extract=extract,
    pattern="business_date=*/*",
    file=r"sales_[A-Za-z0-9_-]+\.(parquet|csv\.gz)",
    provenance=provenance,
)
