"""Campaign management: a paginated JSON API with a bearer token, an `updated_since` filter and a rate limit."""

from collections.abc import Iterator
from typing import Any

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext


def extract(context: ExtractContext) -> Any:
    """Campaign records that were added, changed or deleted since the last completed load."""
    import dlt
    from dlt.common.typing import TSecretStrValue

    from ingestion.connectors.api import Api, records_of

    @dlt.source(name="campaigns")
    def campaigns(
        base_url: str = dlt.config.value, token: TSecretStrValue = dlt.secrets.value
    ) -> Iterator[Any]:
        yield from records_of(context, Api(base_url, token), contract("campaigns"))

    return campaigns()


SOURCE = Source(name="campaigns", extract=extract, optional=True)
