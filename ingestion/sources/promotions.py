"""Promotion plan: one Parquet file a retailer's week, `landing/week=NN/placements.parquet`.

Weeks are counted without end from the Monday that `SOURCES__PROMOTIONS__FIRST_WEEK_START` or .dlt/config.toml names; NN has as
many digits as it needs.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.errors import REDELIVER, IngestionError
from ingestion.core.request import ExtractContext
from ingestion.validation.provenance import Provenance


def extract(context: ExtractContext) -> Any:
    """Weekly plans below the folder `landing` that no completed load has brought yet."""
    import dlt

    from ingestion.connectors.landing import landed, load_files
    from ingestion.connectors.prefetch import prefetch
    from ingestion.validation.validator import FROZEN, Validator

    @dlt.resource(name="placements", schema_contract=FROZEN)
    def placements(root: Path, first_week_start: date) -> Iterator[Any]:
        validator, span = Validator(contract("promotions"), "placements"), partial(days_of, first_week_start)
        landing = landed(context, root, SOURCE)
        yield from prefetch(load_files(context, validator, landing, provenance, span))

    @dlt.source(name="promotions")
    def promotions(landing: str = dlt.config.value, first_week_start: str = dlt.config.value) -> Any:
        return placements(Path(landing), date.fromisoformat(first_week_start))

    return promotions()


def provenance(name: str, kind: str, digest: str) -> Provenance:
    """What the name of a weekly file says of its rows."""
    return Provenance(
        name, kind, digest, constants={"_source_file": pa.scalar(name)}, claims={"week": _week(name)}
    )


def _week(name: str) -> int:
    folder = name.partition("/")[0]
    found = re.fullmatch(r"week=([0-9]{1,5})", folder)
    if not found:
        raise IngestionError(f"landing folder {folder} does not name a week as week=NN", REDELIVER)
    return int(found[1])


def days_of(first_week_start: date, name: str) -> tuple[date, date]:
    """The days of a file's week, Monday to Sunday, where week 1 begins on `first_week_start`."""
    first = first_week_start + timedelta(weeks=_week(name) - 1)
    return first, first + timedelta(days=6)


SOURCE = Source(
    name="promotions",
    extract=extract,
    pattern="week=*/*",
    file=r"placements[A-Za-z0-9_-]*\.parquet",
    provenance=provenance,
)
