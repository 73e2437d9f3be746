"""Merchandising: the product and store masters, in PostgreSQL schema `merchandising`."""

from collections.abc import Iterator
from typing import Any

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext


def extract(context: ExtractContext) -> Any:
    """Products and stores that were added, changed or deleted since the last completed load."""
    import dlt

    from ingestion.connectors.database import records

    @dlt.source(name="merchandising")
    def merchandising(credentials: str = dlt.secrets.value) -> Iterator[Any]:
        yield from records(context, credentials, "merchandising", contract("merchandising"))

    return merchandising()


SOURCE = Source(name="merchandising", extract=extract)
