"""A PostgreSQL database as it is at one moment, read as a stream of Arrow tables.

`COPY … TO STDOUT` is the fastest way out of the server and PyArrow parses it as fast as it comes. A block of it is in
memory at a time, so a table may be of any size.
"""

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pyarrow.csv as pacsv
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import parse_dsn

from ingestion.core.errors import IngestionError

BLOCK_BYTES = 8 << 20
CONNECT_SECONDS = 10
SILENT_SECONDS = 60
"""After so long without a sign of life a connection is taken for broken."""

FORM = "Write it as postgresql://user:password@host:port/database, with what is special in a password percent-encoded."

FINAL = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "pg_hba.conf",
    "permission denied",
)
"""What a server says when asking again would not help."""

TYPES = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}
"""PostgreSQL's type numbers in Arrow's types; everything else travels as the text that PostgreSQL makes of it."""
NUMERIC = 1700


class Snapshot:
    """What a database shows at one moment; all tables of a run are read from it, so that they fit together."""

    def __init__(self, address: str) -> None:
        if not _is_understood(address):
            raise IngestionError("the address of the database cannot be understood", FORM)
        self._address = address
        self._connection: Connection | None = None

    def columns(self, table: str) -> pa.Schema:
        """The columns of `schema.table` as they are now, in Arrow's types."""
        with self._open().cursor() as cursor:
            cursor.execute(sql.SQL("select * from {} limit 0").format(_name(table)))
            return pa.schema([(column.name, _arrow(column)) for column in cursor.description or ()])

    def read(self, query: sql.Composable, schema: pa.Schema) -> Iterator[pa.Table]:
        """Stream the rows of `query`. A block with a value that does not fit its type comes as text."""
        text = query.as_string(self._open())
        for block in _Copy(self._open(), f"copy ({text}) to stdout with (format csv)"):
            yield _parse(block, schema)

    def __enter__(self) -> "Snapshot":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._connection:
            self._connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = _connect(self._address)
            self._connection.set_session("REPEATABLE READ", readonly=True)
        return self._connection


def select(table: str, columns: list[str], where: sql.Composable | None = None) -> sql.Composable:
    """The query for `columns` of `schema.table`, of the rows that `where` names."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("select {} from {}").format(names, _name(table))
    return query + sql.SQL(" where ") + where if where else query


class _Copy:
    """The output of a COPY statement in blocks of whole rows. PostgreSQL's driver pushes, a reader pulls: two threads."""

    def __init__(self, connection: Connection, statement: str) -> None:
        self._connection, self._statement = connection, statement
        self._blocks: Queue[bytes | BaseException | None] = Queue(maxsize=2)
        self._abandoned = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        block: bytes | BaseException | None = b""
        thread = threading.Thread(target=self._run, name="copy", daemon=True)
        thread.start()
        try:
            while (block := self._blocks.get()) is not None:
                if isinstance(block, BaseException):
                    raise block
                yield block
        finally:
            self._abandoned.set()
            if block is not None:
                with suppress(psycopg2.Error):
                    self._connection.cancel()  # the server may be long in sending the next row
            with suppress(Empty):
                self._blocks.get_nowait()
            thread.join()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            with (
                io.BufferedWriter(_Blocks(self._put), BLOCK_BYTES) as rows,
                self._connection.cursor() as cursor,
            ):
                cursor.copy_expert(self._statement, rows)
        except BaseException as error:
            end = error
        with suppress(_Abandoned):
            self._put(end)

    def _put(self, block: bytes | BaseException | None) -> None:
        while not self._abandoned.is_set():
            with suppress(Full):
                return self._blocks.put(block, timeout=0.5)
        raise _Abandoned


class _Blocks(io.RawIOBase):
    """Hands over what a buffer before it has gathered. The buffer writes on before it takes in a row that it has no room for,
    so a block is made of whole rows, and Python is not called for each of them.
    """

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._put(bytes(block))
        return len(block)


class _Abandoned(Exception):
    """Nobody reads any more."""


def _connect(address: str) -> Connection:
    """Connect; a server that is starting, full or away is asked again, with growing pauses."""
    runtime = resolve_configuration(RuntimeConfiguration())
    for attempt in range(1, runtime.request_max_attempts + 1):
        try:
            return psycopg2.connect(
                address,
                connect_timeout=CONNECT_SECONDS,
                application_name="larder",
                options=f"-c timezone=UTC -c datestyle=ISO -c extra_float_digits=1 -c lock_timeout={SILENT_SECONDS}s",
                keepalives_idle=SILENT_SECONDS // 3,
                keepalives_interval=SILENT_SECONDS // 6,
                keepalives_count=4,
                tcp_user_timeout=SILENT_SECONDS * 1000,
            )
        except psycopg2.OperationalError as error:
            if attempt == runtime.request_max_attempts or any(words in str(error) for words in FINAL):
                raise
            time.sleep(
                min(runtime.request_backoff_factor * 2 ** (attempt - 1), runtime.request_max_retry_delay)
            )
    raise AssertionError("unreachable")


def _is_understood(address: str) -> bool:
    """Whether the driver takes the address apart as it is meant: what it says of others shows parts of them."""
    parts = urlsplit(address)
    try:
        parse_dsn(address)
    except psycopg2.ProgrammingError:
        return False
    is_address = parts.scheme in ("postgresql", "postgres") and re.fullmatch(
        r"[\w.:-]+", parts.hostname or ""
    )
    return bool(is_address) and "@" not in (parts.password or "")


def _name(table: str) -> sql.Composable:
    return sql.Identifier(*table.split("."))


def _arrow(column: Any) -> pa.DataType:
    if column.type_code == NUMERIC and column.precision and column.precision <= 38:
        return pa.decimal128(column.precision, column.scale or 0)
    return TYPES.get(column.type_code, pa.string())


def _parse(block: bytes, schema: pa.Schema) -> pa.Table:
    try:
        return _parse_as(block, {field.name: field.type for field in schema})
    except pa.ArrowInvalid:
        return _parse_as(block, dict.fromkeys(schema.names, pa.string()))


def _parse_as(block: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(block),
        read_options=pacsv.ReadOptions(column_names=list(types), block_size=max(len(block), 1)),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
