"""Campaign management: a paginated JSON API with a bearer token, an `updated_since` filter and a rate limit."""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.api import Api, records_of
from ingestion.contract import contract
from ingestion.reading import Reading


@dlt.source(name="campaigns")
def campaigns(
    reading: Reading, base_url: str = dlt.config.value, token: str = dlt.secrets.value
) -> Iterator[Any]:
    """Campaign records that were added, changed or deleted since the last completed load."""
    yield from records_of(reading, Api(base_url, token), contract("campaigns"))
