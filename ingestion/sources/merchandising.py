"""Merchandising: the product and store masters, in PostgreSQL schema `merchandising`."""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.contract import contract
from ingestion.database import records
from ingestion.reading import Reading


@dlt.source(name="merchandising")
def merchandising(reading: Reading, credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Products and stores that were added, changed or deleted since the last completed load."""
    yield from records(reading, credentials, "merchandising", contract("merchandising"))
