"""Loyalty CRM: card-holding households and what is known of them, in PostgreSQL schema `loyalty`.

The contact columns of `households` are personal data (in the demo: synthetic). They stay in the CRM's staging models.
"""

from collections.abc import Iterator
from typing import Any

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext


def extract(context: ExtractContext) -> Any:
    """Households and demographics that were added, changed or deleted since the last completed load."""
    import dlt

    from ingestion.connectors.database import records

    @dlt.source(name="loyalty")
    def loyalty(credentials: str = dlt.secrets.value) -> Iterator[Any]:
        yield from records(context, credentials, "loyalty", contract("loyalty"))

    return loyalty()


SOURCE = Source(name="loyalty", extract=extract)
