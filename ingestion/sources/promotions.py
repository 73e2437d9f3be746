"""Promotion plan: one Parquet file a retailer's week, `landing/week=NN/placements.parquet`.

Weeks are counted without end from the Monday that `SOURCES__PROMOTIONS__FIRST_WEEK_START` or .dlt/config.toml names; NN has as
many digits as it needs.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from ingestion.connectors.landing import REDELIVER, load_files
from ingestion.connectors.prefetch import prefetch
from ingestion.contracts.contract import contract
from ingestion.core.errors import IngestionError
from ingestion.core.request import ExtractContext
from ingestion.validation.validator import FROZEN, Provenance, Validator


@dlt.source(name="promotions")
def promotions(
    context: ExtractContext, landing: str = dlt.config.value, first_week_start: str = dlt.config.value
) -> Any:
    """Weekly plans below the folder `landing` that no completed load has brought yet."""

    @dlt.resource(name="placements", schema_contract=FROZEN)
    def placements() -> Iterator[Any]:
        validator = Validator(contract("promotions"), "placements")
        span = partial(days_of, date.fromisoformat(first_week_start))
        yield from prefetch(
            load_files(context, validator, Path(landing), "week=*/*.parquet", provenance, span)
        )

    return placements


def provenance(name: str, kind: str, digest: str) -> Provenance:
    """What the name of a weekly file says of its rows."""
    return Provenance(
        name, kind, digest, constants={"_source_file": pa.scalar(name)}, claims={"week": _week(name)}
    )


def _week(name: str) -> int:
    folder = name.partition("/")[0]
    week = folder.removeprefix("week=")
    if not week.isdecimal():
        raise IngestionError(f"landing folder {folder} does not name a week as week=NN", REDELIVER)
    return int(week)


def days_of(first_week_start: date, name: str) -> tuple[date, date]:
    """The days of a file's week, Monday to Sunday, where week 1 begins on `first_week_start`."""
    first = first_week_start + timedelta(weeks=_week(name) - 1)
    return first, first + timedelta(days=6)
