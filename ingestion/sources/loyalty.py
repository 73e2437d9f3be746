"""Loyalty CRM: card-holding households and what is known of them, in PostgreSQL schema `loyalty`.

The contact columns of `households` are personal data (in the demo: synthetic). They stay in the CRM's staging models.
"""

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa

from ingestion.contracts import UTC_TIMESTAMP
from ingestion.database import changed_rows

HOUSEHOLDS = pa.schema(
    [
        ("household_id", pa.int64()),
        ("first_name", pa.string()),
        ("last_name", pa.string()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("postal_code", pa.string()),
        ("birth_date", pa.date32()),
        ("registered_on", pa.date32()),
        ("updated_at", UTC_TIMESTAMP),
    ]
)

DEMOGRAPHICS = pa.schema(
    [
        ("household_id", pa.int64()),
        ("age", pa.string()),
        ("income", pa.string()),
        ("home_ownership", pa.string()),
        ("marital_status", pa.string()),
        ("household_size", pa.string()),
        ("household_comp", pa.string()),
        ("kids_count", pa.string()),
        ("updated_at", UTC_TIMESTAMP),
    ]
)


@dlt.source(name="loyalty")
def loyalty(credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Households and demographics that were added or changed since the last completed load."""
    yield changed_rows(credentials, "loyalty", "households", HOUSEHOLDS, key="household_id")
    yield changed_rows(credentials, "loyalty", "demographics", DEMOGRAPHICS, key="household_id")
