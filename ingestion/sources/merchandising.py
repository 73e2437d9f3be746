"""Merchandising: the product and store masters, in PostgreSQL schema `merchandising`."""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.contract import contract
from ingestion.database import changed_rows


@dlt.source(name="merchandising")
def merchandising(credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Products and stores that were added or changed since the last completed load."""
    yield changed_rows(credentials, contract("merchandising")["products"])
    yield changed_rows(credentials, contract("merchandising")["stores"])
