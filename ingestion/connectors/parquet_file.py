"""Parquet of any writer: checked whole before any of it is used."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.connectors.delivered import Delivered, Unreadable, require_few, require_names
from ingestion.contracts.contract import Table
from ingestion.core.text import first_line

MAX_BYTES = 256 * 2**20
"""A file is read into memory: one that takes more there is refused. Ten times the largest real week of promotions takes 190 MiB."""

VALUE_BYTES = 8
"""What a number takes; a text takes that as its position in the list of those that differ."""

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
    require_few(rows, contract)
    _require_small(_unpacked_bytes(parquet.metadata))
    # a text that a million rows share is a few bytes in the file: so it stays until its length is known
    texts = [field.name for field in came if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    parquet = pq.ParquetFile(pa.BufferReader(content), metadata=parquet.metadata, read_dictionary=texts)
    table = parquet.read(use_threads=False)
    table.validate(full=True)
    _require_small(sum(map(_length, table.columns)))
    for place, field in enumerate(came):
        if field.name in texts and not (field.name in contract.labels and pa.types.is_string(field.type)):
            table = table.set_column(place, field.name, table[field.name].cast(field.type))
    if table.num_rows != rows:
        raise Unreadable("the file is damaged", f"{rows:,} rows, as its footer says", f"{table.num_rows:,}")
    return pa.table([_plain(column) for column in table.columns], names=table.column_names)


def _unpacked_bytes(metadata: pq.FileMetaData) -> int:
    """What the file says that its values take, each once: those of lists as well."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(max(chunk.total_uncompressed_size, chunk.num_values * VALUE_BYTES) for chunk in chunks)


def _length(values: pa.ChunkedArray) -> int:
    """Bytes of texts that travel as positions in a list, were each written out; none of other values."""
    if not pa.types.is_dictionary(values.type) or pa.types.is_primitive(values.type.value_type):
        return 0
    lengths = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in values.chunks)
    return sum(pc.sum(found).as_py() or 0 for found in lengths)


def _require_small(size: int) -> None:
    if size > MAX_BYTES:
        raise Unreadable("the file is too large", f"at most {MAX_BYTES:,} bytes unpacked", f"{size:,} bytes")


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values without what only their writer knows of their type."""
    if isinstance(values.type, pa.BaseExtensionType):
        return _plain(pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type))
    return values.cast(VIEWS[values.type]) if values.type in VIEWS else values
