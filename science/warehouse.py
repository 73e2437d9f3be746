"""Where the scripts read: what is published, or a warehouse that is named."""

from pathlib import Path

import duckdb

from larder.core.settings import current_paths
from larder.warehouse.connection import SCIENCE, connect
from larder.warehouse.store import Store


def open_warehouse(warehouse: Path | None) -> duckdb.DuckDBPyConnection:
    """Open a warehouse read-only; what is published when none is named.

    Raises LarderError when nothing is published.
    """
    paths = current_paths()
    if warehouse is None:
        store = Store(paths.warehouse)
        return store.open(store.require_published(), SCIENCE)
    return connect(warehouse, SCIENCE, paths.warehouse)
