"""Campaign management: a paginated JSON API with a bearer token, an `updated_since` filter and a rate limit."""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.connectors.api import Api, records_of
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext


@dlt.source(name="campaigns")
def campaigns(
    context: ExtractContext, base_url: str = dlt.config.value, token: str = dlt.secrets.value
) -> Iterator[Any]:
    """Campaign records that were added, changed or deleted since the last completed load."""
    yield from records_of(context, Api(base_url, token), contract("campaigns"))
