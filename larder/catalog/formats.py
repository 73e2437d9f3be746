"""What other tools read: the catalog in standard formats, written beside its pages (docs/formats.md)."""

from pathlib import Path

import duckdb

from larder.catalog import catalog_json, data_contracts
from larder.core import console


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write data contracts, catalog.json and, where its client is installed, openlineage.ndjson into a folder."""
    data_contracts.write(base, folder)
    catalog_json.write(base, folder)
    try:
        from larder.catalog import openlineage_events
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("openlineage"):
            console.note(
                "no openlineage.ndjson: its client is not installed; pip install 'openlineage-python>=1.54'"
            )
            return
        raise
    openlineage_events.write(base, folder)
