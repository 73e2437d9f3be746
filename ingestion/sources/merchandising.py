"""Merchandising: the product and store masters, in PostgreSQL schema `merchandising`."""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.connectors.database import records
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext


@dlt.source(name="merchandising")
def merchandising(context: ExtractContext, credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Products and stores that were added, changed or deleted since the last completed load."""
    yield from records(context, credentials, "merchandising", contract("merchandising"))
