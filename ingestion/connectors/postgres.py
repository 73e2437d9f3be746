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
from ingestion.core.text import first_line

BLOCK_BYTES = 8 << 20
CONNECT_SECONDS = 10
SILENT_SECONDS = 60
"""After so long without a sign of life a connection is taken for broken."""

FORM = "Write it as postgresql://user:password@host:port/database, with what is special in a password percent-encoded."

RESTORE = "Have its owner restore it, then run again."

FIX = "The next run continues where this one stopped: nothing is lost."

CAUSES = {
    "42P01": (
        "a table is missing, or was renamed",
        "Have its owner restore it, or take it out of the contract.",
    ),
    "3F000": (
        "a schema is missing, or was renamed",
        "Have its owner restore it, or correct {name}__CREDENTIALS.",
    ),
    "42703": ("a column is missing, or was renamed", "Have its owner restore it, then run again."),
    "42501": ("permission denied", "Have its owner grant SELECT to the user of {name}__CREDENTIALS."),
    "55P03": ("a table is locked by somebody else", "Run again when that lock is gone. " + FIX),
    "57014": ("the server cancelled the statement", "Ask its owner for a longer statement_timeout. " + FIX),
    "57P01": ("the server shut down, and broke off", "Run again when it is up. " + FIX),
    "57P02": ("the server crashed, and broke off", "Run again when it is up. " + FIX),
    "57P03": ("the server is starting or stopping", "Run again when it is up. " + FIX),
    "53300": ("the server has too many connections", "Run again later, or ask its owner for more. " + FIX),
    "28P01": ("the password was refused", "Correct {name}__CREDENTIALS, then run again."),
    "28000": ("the user was refused", "Correct {name}__CREDENTIALS, then run again."),
    "3D000": ("the database is missing, or was renamed", "Correct {name}__CREDENTIALS, then run again."),
    "22": ("a value cannot be read", "Have the owner of the table correct it. " + FIX),
    "40": ("the server broke off", "Run again. " + FIX),
    "53": ("the server lacks memory or disk", "Tell its owner. " + FIX),
    "XX": ("the server met damaged data or a fault", "Tell its owner. " + FIX),
}
"""What a server's SQLSTATE, or its class, means for a load: what is wrong, and what to do about it."""

CONNECTING = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "pg_hba.conf": "28000",
    "too many clients": "53300",
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "starting up": "57P03",
    "shutting down": "57P03",
    "permission denied": "42501",
    "does not exist": "3D000",
}
"""What a server says before there is a connection, and the SQLSTATE that the driver does not pass on then."""

OF_TABLE = ("22", "42", "55P03", "3F000")
"""What concerns one table: the others of the run are read."""

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


class TableUnavailable(IngestionError):
    """A table cannot be read; the others may be."""


class Snapshot:
    """What a database shows at one moment; all tables of a run are read from it, so that they fit together."""

    def __init__(self, address: str) -> None:
        if not _is_understood(address):
            raise IngestionError("the address of the database cannot be understood", FORM)
        self._address = address
        self._connection: Connection | None = None

    def columns(self, table: str) -> pa.Schema:
        """The columns of `schema.table` as they are now, in Arrow's types. Raises TableUnavailable."""
        with self._open().cursor() as cursor:
            cursor.execute("savepoint before_table")
            try:
                cursor.execute(sql.SQL("select * from {} limit 0").format(_name(table)))
            except psycopg2.Error as error:
                if not (error.pgcode or "").startswith(OF_TABLE):
                    raise
                cursor.execute("rollback to savepoint before_table")
                what, _ = cause(error)
                raise TableUnavailable(f"{table}: {what} ({first_line(error)})", RESTORE) from error
            if not cursor.description:
                raise TableUnavailable(f"{table}: it has no columns", RESTORE)
            return pa.schema([(column.name, _arrow(column)) for column in cursor.description])

    def read(self, query: sql.Composable, schema: pa.Schema) -> Iterator[pa.Table]:
        """Stream the rows of `query`. A column with a value that does not fit its type comes as text."""
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


def cause(error: psycopg2.Error) -> tuple[str, str]:
    """What went wrong and what to do about it; `{name}` stands for the prefix of the source's settings."""
    said = str(error)
    state = error.pgcode or next((state for words, state in CONNECTING.items() if words in said), "")
    known = CAUSES.get(state) or CAUSES.get(state[:2])
    return known or (
        "the database refused or broke off",
        "Check that the server runs and that {name}__CREDENTIALS is right, then run again.",
    )


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
                client_encoding="UTF8",
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
        return _parse_as(block, schema, schema.names)
    except pa.ArrowInvalid:  # an infinite time, a year before our era: this column comes as text
        return pa.table({name: _column(block, schema, name) for name in schema.names})


def _column(block: bytes, schema: pa.Schema, name: str) -> pa.ChunkedArray:
    try:
        return _parse_as(block, schema, [name])[name]
    except pa.ArrowInvalid:
        text = pa.schema([(other, pa.string()) for other in schema.names])
        return _parse_as(block, text, [name])[name]


def _parse_as(block: bytes, schema: pa.Schema, names: list[str]) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(block),
        read_options=pacsv.ReadOptions(column_names=schema.names, block_size=max(len(block), 1)),
        parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            include_columns=names,
            column_types=schema,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
