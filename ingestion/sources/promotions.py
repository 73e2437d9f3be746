"""Promotion plan: one Parquet file a retailer's week, `landing/week=NN/placements.parquet`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from ingestion.contract import contract
from ingestion.errors import IngestionError
from ingestion.intake import FROZEN, Intake, Origin
from ingestion.landing import REDELIVER, load_files


@dlt.source(name="promotions")
def promotions(landing: str = dlt.config.value) -> Any:
    """Weekly plans below the folder `landing` that no completed load has brought yet."""

    @dlt.resource(name="placements", schema_contract=FROZEN)
    def placements() -> Iterator[Any]:
        yield from load_files(
            Intake(contract("promotions"), "placements"), Path(landing), "week=*/*.parquet", origin
        )

    return placements


def origin(name: str, kind: str, digest: str) -> Origin:
    """What the name of a weekly file says of its rows."""
    folder = name.partition("/")[0]
    week = folder.removeprefix("week=")
    if not week.isdecimal():
        raise IngestionError(f"landing folder {folder} does not name a week as week=NN", REDELIVER)
    return Origin(name, kind, digest, constants={"_source_file": pa.scalar(name)}, claims={"week": int(week)})
