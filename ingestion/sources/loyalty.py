"""Loyalty CRM: card-holding households and what is known of them, in PostgreSQL schema `loyalty`.

The contact columns of `households` are personal data (in the demo: synthetic). They stay in the CRM's staging models.
"""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.contract import contract
from ingestion.database import records
from ingestion.reading import Reading


@dlt.source(name="loyalty")
def loyalty(reading: Reading, credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Households and demographics that were added, changed or deleted since the last completed load."""
    yield from records(reading, credentials, "loyalty", contract("loyalty"))
