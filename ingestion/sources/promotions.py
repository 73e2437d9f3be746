"""Promotion plan: one Parquet file a retailer's week, `landing/week=NN/placements.parquet`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from ingestion.contracts import FROZEN, batches
from ingestion.landing import new_files, read_file

PLACEMENTS = pa.schema(
    [
        ("product_id", pa.int64()),
        ("store_id", pa.int64()),
        ("display_location", pa.string()),
        ("mailer_location", pa.string()),
        ("week", pa.int32()),
    ]
)
"""Rows: where one product was displayed and mailed in one store in one week."""


@dlt.source(name="promotions")
def promotions(landing: str = dlt.config.value) -> Any:
    """Weekly plans below the folder `landing` that no completed load has brought yet."""

    @dlt.resource(name="placements", schema_contract=FROZEN)
    def placements() -> Iterator[pa.Table]:
        root = Path(landing)
        files = new_files(root, "week=*/*.parquet")
        yield from batches(
            table for path in files for table in read_file(root, path, PLACEMENTS, lambda _: {})
        )

    return placements
