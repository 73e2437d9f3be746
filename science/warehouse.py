"""Where the scripts read: what is published, or a warehouse that is named."""

from pathlib import Path

import duckdb

from larder.core.errors import LarderError
from larder.core.settings import paths
from larder.warehouse.store import Store


def connect(warehouse: Path | None) -> duckdb.DuckDBPyConnection:
    """Open a warehouse read-only; what is published when none is named.

    Raises LarderError when nothing is published.
    """
    if warehouse is None:
        store = Store(paths().warehouse)
        if store.published() is None:
            raise LarderError("nothing is published yet", "Build and publish first: larder run")
        warehouse = store.reader_address()
    return duckdb.connect(str(warehouse), read_only=True, config={"threads": 2, "memory_limit": "2GB"})
