"""Merchandising: the product and store masters, in PostgreSQL schema `merchandising`."""

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa

from ingestion.contracts import UTC_TIMESTAMP
from ingestion.database import changed_rows

PRODUCTS = pa.schema(
    [
        ("product_id", pa.int64()),
        ("manufacturer_id", pa.int64()),
        ("department", pa.string()),
        ("brand", pa.string()),
        ("product_category", pa.string()),
        ("product_type", pa.string()),
        ("package_size", pa.string()),
        ("updated_at", UTC_TIMESTAMP),
    ]
)

STORES = pa.schema([("store_id", pa.int64()), ("till_system", pa.string()), ("updated_at", UTC_TIMESTAMP)])


@dlt.source(name="merchandising")
def merchandising(credentials: str = dlt.secrets.value) -> Iterator[Any]:
    """Products and stores that were added or changed since the last completed load."""
    yield changed_rows(credentials, "merchandising", "products", PRODUCTS, key="product_id")
    yield changed_rows(credentials, "merchandising", "stores", STORES, key="store_id")
