"""What other tools read: the catalog in standard formats, written beside its pages (docs/formats.md)."""

from pathlib import Path

import duckdb

from larder.catalog import catalog_json, data_contracts, openlineage_events


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write data contracts, catalog.json and openlineage.ndjson into a folder."""
    data_contracts.write(base, folder)
    catalog_json.write(base, folder)
    openlineage_events.write(base, folder)
