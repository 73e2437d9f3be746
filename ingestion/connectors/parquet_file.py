"""Parquet of any writer: checked whole before any of it is used."""

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.connectors.delivered import Delivered, Unreadable, require_names
from ingestion.contracts.contract import Table
from ingestion.core.text import first_line

MAX_ROWS = 20_000_000
"""A file is read into memory: a larger one is refused."""

DAMAGE = (OSError, EOFError, ValueError, MemoryError, OverflowError, pa.ArrowException)
"""What PyArrow raises for content that is damaged, or that it does not know; the content lies in memory, so no disk does."""

VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
"""Types whose rows Arrow cannot pick yet, and the same as plain ones."""


def read_parquet(content: bytes, contract: Table) -> Delivered:
    """The rows of a Parquet file. Raises Unreadable."""
    try:
        return Delivered(_table(content, contract))
    except DAMAGE as error:
        reason = f"the file cannot be read: {first_line(error)[:200]}"
        raise Unreadable(reason, "a whole file", f"{len(content):,} bytes") from error


def _table(content: bytes, contract: Table) -> pa.Table:
    """Without PyArrow's threads, which cost more than they bring with the files of a day or a week."""
    parquet = pq.ParquetFile(pa.BufferReader(content))
    came, rows = parquet.schema_arrow, parquet.metadata.num_rows
    require_names(came.names, contract)
    if rows > MAX_ROWS:
        raise Unreadable("the file is too large", f"at most {MAX_ROWS:,} rows", f"{rows:,} rows")
    labels = [
        name for name in contract.labels if name in came.names and pa.types.is_string(came.field(name).type)
    ]
    if labels:
        parquet = pq.ParquetFile(pa.BufferReader(content), metadata=parquet.metadata, read_dictionary=labels)
    table = parquet.read(use_threads=False)
    table.validate(full=True)
    if table.num_rows != rows:
        raise Unreadable("the file is damaged", f"{rows:,} rows, as its footer says", f"{table.num_rows:,}")
    return pa.table([_plain(column) for column in table.columns], names=table.column_names)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values without what only their writer knows of their type."""
    if isinstance(values.type, pa.BaseExtensionType):
        return _plain(pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type))
    return values.cast(VIEWS[values.type]) if values.type in VIEWS else values
