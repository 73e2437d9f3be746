"""Tables of a relational database, read by cursor as Arrow."""

from typing import Any

import dlt
import pyarrow as pa
from dlt.sources.sql_database import sql_table

from ingestion.contracts import FROZEN, conform


def changed_rows(credentials: str, database_schema: str, table: str, schema: pa.Schema, key: str) -> Any:
    """A dlt resource of the rows of one table whose `updated_at` is not below the last one loaded.

    The boundary is read again and dlt drops the rows it has seen there, so rows that share a timestamp are not lost.
    """
    resource = sql_table(
        credentials=credentials,
        schema=database_schema,
        table=table,
        backend="connectorx",
        backend_kwargs={"return_type": "arrow"},
        reflection_level="minimal",
        included_columns=schema.names,
        incremental=dlt.sources.incremental("updated_at", primary_key=key),
        primary_key=key,
    )
    resource.apply_hints(schema_contract=FROZEN)
    return resource.add_map(lambda rows: conform(rows, schema, f"{database_schema}.{table}"))
