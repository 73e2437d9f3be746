"""Loyalty CRM: card-holding households and what is known of them, in PostgreSQL schema `loyalty`.

The contact columns of `households` are personal data (in the demo: synthetic). They stay in the CRM's staging models.
"""

from collections.abc import Iterator
from typing import Any

import dlt

from ingestion.contract import contract
from ingestion.database import changed_rows


@dlt.source(name="loyalty")
def loyalty(credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Households and demographics that were added or changed since the last completed load."""
    yield changed_rows(credentials, contract("loyalty")["households"])
    yield changed_rows(credentials, contract("loyalty")["demographics"])
