"""Promotion plan: one Parquet file a retailer's week, `landing/week=NN/placements.parquet`."""

from collections.abc import Iterator
from datetime import date, timedelta
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

BEFORE_WEEK_1 = date(2016, 12, 19)
"""A Monday, a week before the one whose last day is week 1."""


@dlt.source(name="promotions")
def promotions(context: ExtractContext, landing: str = dlt.config.value) -> Any:
    """Weekly plans below the folder `landing` that no completed load has brought yet."""

    @dlt.resource(name="placements", schema_contract=FROZEN)
    def placements() -> Iterator[Any]:
        validator = Validator(contract("promotions"), "placements")
        yield from prefetch(
            load_files(context, validator, Path(landing), "week=*/*.parquet", provenance, days_of)
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


def days_of(name: str) -> tuple[date, date]:
    """The days of a file's week: week 1 of 2017 is its 1 January, a Sunday, the others begin on Mondays."""
    first = BEFORE_WEEK_1 + timedelta(weeks=_week(name))
    return first, first + timedelta(days=6)
