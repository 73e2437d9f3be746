"""The database `retailer`: made once, then advanced day by day in one transaction each.

Works on any PostgreSQL server to which an administrator's URL is known: the demo's own, or one that already runs.
"""

import csv
import io
from contextlib import closing
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import duckdb
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from demo.errors import DemoError
from demo.records import TABLES, Table, changes
from demo.year import Report

NAME = "retailer"
READER = "larder_reader"
MARK = "Larder demo retailer"
BATCH_ROWS = 20_000
NULL = "\\N"
DEFINITION = Path(__file__).with_name("retailer.sql")


class Database:
    """The retailer's database on the server of `admin_url` (postgresql://user:password@host:port/maintenance_db)."""

    def __init__(self, admin_url: str, reader_password: str) -> None:
        self._admin_url = admin_url
        self._reader_password = reader_password

    @property
    def reader_url(self) -> str:
        """The address with which Larder reads: an own login that may only read."""
        parts = urlsplit(self._admin_url)
        host = f"{parts.hostname or '127.0.0.1'}:{parts.port or 5432}"
        return f"postgresql://{READER}:{quote(self._reader_password, safe='')}@{host}/{NAME}"

    @property
    def address(self) -> str:
        """Where the database is, without its password."""
        parts = urlsplit(self.reader_url)
        return f"{parts.hostname}:{parts.port}/{NAME}"

    def prepare(self) -> None:
        """Create the database, its tables and the reader's login where they are missing."""
        with closing(self._connect()) as connection:
            connection.autocommit = True
            self._create_reader(connection)
            self._create_database(connection)
        with closing(self._connect(NAME)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("select to_regclass('demo_control.clock')")
            if _only(cursor.fetchone()) is None:
                cursor.execute(DEFINITION.read_text(encoding="utf-8"))

    def day(self) -> date | None:
        """The day that the database shows; None before the first load."""
        with closing(self._connect(NAME)) as connection, connection.cursor() as cursor:
            return _day(cursor)

    def advance(self, year: duckdb.DuckDBPyConnection, to: date, report: Report) -> None:
        """Bring all tables to the end of the day `to`, or leave all as they were. `year` has the versions."""
        with closing(self._connect(NAME)) as connection, connection, connection.cursor() as cursor:
            # The reader never sees half a day; a second writer would wait here and then find the day done.
            cursor.execute("lock table demo_control.clock in exclusive mode")
            after = _day(cursor)
            if after is not None and after > to:
                raise DemoError(f"the database already shows {after}: time only goes forward")
            for done, table in enumerate(TABLES, start=1):
                _load(cursor, year, table, after, to)
                report("database tables", done, len(TABLES))
            cursor.execute(
                "insert into demo_control.clock (day) values (%s) on conflict (only_row) do update set day = excluded.day",
                (to,),
            )

    def count_rows(self) -> dict[str, int]:
        """Rows per table, by name with schema."""
        with closing(self._connect(NAME)) as connection, connection.cursor() as cursor:
            counts = {}
            for table in TABLES:
                cursor.execute(f"select count(*) from {table.qualified}")
                counts[table.qualified] = int(str(_only(cursor.fetchone())))
            return counts

    def _connect(self, database: str | None = None) -> Connection:
        parts = urlsplit(self._admin_url)
        try:
            return psycopg2.connect(
                host=parts.hostname or "127.0.0.1",
                port=parts.port or 5432,
                user=unquote(parts.username or "postgres"),
                password=unquote(parts.password or ""),
                dbname=database or unquote(parts.path.lstrip("/")) or "postgres",
                connect_timeout=10,
                application_name="larder demo",
            )
        except psycopg2.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DemoError(
                f"PostgreSQL at {parts.hostname}:{parts.port or 5432} refused the demo: {reason}"
            ) from error

    def _create_reader(self, connection: Connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_roles where rolname = %s", (READER,))
            verb = "alter" if cursor.fetchone() else "create"
            role, password = sql.Identifier(READER), sql.Literal(self._reader_password)
            # Read-only transactions are a second protection: the grants alone already forbid every change.
            cursor.execute(sql.SQL(verb + " role {} with login password {}").format(role, password))
            cursor.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(role))

    def _create_database(self, connection: Connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", (NAME,)
            )
            found = cursor.fetchone()
            if found is None:
                cursor.execute(
                    sql.SQL("create database {} encoding 'UTF8' template template0").format(
                        sql.Identifier(NAME)
                    )
                )
                cursor.execute(
                    sql.SQL("comment on database {} is {}").format(sql.Identifier(NAME), sql.Literal(MARK))
                )
            elif found[0] != MARK:
                raise DemoError(
                    f"the server already has a database '{NAME}' that is not the demo's: rename it or use another server"
                )


def _load(
    cursor: Cursor, year: duckdb.DuckDBPyConnection, table: Table, after: date | None, to: date
) -> None:
    """Copy what is new or changed into the table; where there may be older versions, by way of a temporary table."""
    rows = year.execute(changes(table, after, to))
    if after is None:
        _copy(cursor, rows, table.qualified, table)
        return
    columns = ", ".join(table.columns)
    assignments = ", ".join(f"{name} = excluded.{name}" for name in table.columns)
    cursor.execute(f"create temp table incoming (like {table.qualified}) on commit drop")
    _copy(cursor, rows, "incoming", table)
    cursor.execute(
        f"insert into {table.qualified} ({columns}) select {columns} from incoming "
        f"on conflict ({table.key}) do update set {assignments}"
    )
    cursor.execute("drop table incoming")


def _copy(cursor: Cursor, rows: duckdb.DuckDBPyConnection, target: str, table: Table) -> None:
    statement = f"copy {target} ({', '.join(table.columns)}) from stdin with (format csv, null '{NULL}')"
    while batch := rows.fetchmany(BATCH_ROWS):
        cursor.copy_expert(statement, _csv(batch))


def _csv(rows: list[tuple[object, ...]]) -> io.StringIO:
    text = io.StringIO()
    csv.writer(text).writerows([NULL if value is None else value for value in row] for row in rows)
    text.seek(0)
    return text


def _day(cursor: Cursor) -> date | None:
    cursor.execute("select day from demo_control.clock")
    row = cursor.fetchone()
    return row[0] if row else None


def _only(row: tuple[object, ...] | None) -> object:
    return row[0] if row else None
