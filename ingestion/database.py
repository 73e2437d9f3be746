"""Tables of a relational database, read by cursor as Arrow."""

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.sources.sql_database import sql_table

from ingestion.contract import Table
from ingestion.intake import FROZEN, Intake, Origin


def changed_rows(credentials: str, contract: Table) -> Any:
    """A dlt resource of the rows of one table whose `updated_at` is not below the last one loaded.

    The table lies in the schema that has the source's name. The boundary is read again and dlt drops the rows it has
    seen there, so rows that share a timestamp are not lost.
    """
    rows = sql_table(
        credentials=credentials,
        schema=contract.source,
        table=contract.name,
        backend="connectorx",
        backend_kwargs={"return_type": "arrow"},
        reflection_level="minimal",
        incremental=dlt.sources.incremental("updated_at", primary_key=contract.key),
    )
    rows.selected = False

    @dlt.transformer(name=f"{contract.name}_admitted", table_name=contract.name, schema_contract=FROZEN)
    def admitted(delivered: pa.Table) -> Iterator[Any]:
        intake = Intake({contract.name: contract}, contract.name)
        yield from intake.admit(delivered, Origin(f"{contract.source}.{contract.name}"))
        yield from intake.close()

    return rows | admitted
