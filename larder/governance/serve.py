"""Shares in PostgreSQL: for each audience a database, and a role that reads it and nothing else.

A database and not a schema among others: what PostgreSQL keeps about a database, anybody in it may read, so that a role would learn how
many rows the tables of other audiences have, and by which values those are chosen.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2
from psycopg2 import errors, extensions, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from ingestion.core.files import write_atomically
from ingestion.core.sql import literal
from ingestion.core.sql import name as quoted
from ingestion.core.text import first_line
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.governance.grants import Audience, Table
from larder.governance.shares import SAID
from larder.project.manifest import Artifact
from larder.project.manifest import relation as relation_of
from larder.warehouse.connection import SERVE, connect
from larder.warehouse.store import FILE

URL = "LARDER_SERVE_URL"

FORMAT = 1
"""Raise it when the same share is to give other tables."""

PREFIX = "larder_"
MARK = "Reads a share of Larder."
"""The comment on a role that is ours."""

SCRIPTS = Path(__file__).parent / "postgres"

OWN = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off -c search_path=pg_catalog"
"""Those of the sessions that load."""

TYPES = {
    "DOUBLE": "double precision",
    "FLOAT": "real",
    "VARCHAR": "text",
    "UBIGINT": "numeric",
    "HUGEINT": "numeric",
}
"""PostgreSQL's types by DuckDB's where they are called otherwise; what is in neither is loaded as JSON."""
SAME = re.compile(
    r"BIGINT|INTEGER|SMALLINT|BOOLEAN|DATE|TIME|TIMESTAMP( WITH TIME ZONE)?|UUID|DECIMAL\(\d+,\d+\)"
)

Given = dict[str, str | sql.Composable]

END_READERS = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where usename <> current_user and datname = current_database()"
)


def run(paths: Paths, audiences: list[Audience], built: Artifact, url: str | None) -> None:
    """Make a server hold the shares and nothing else of ours: that of `url`, or our own. Raises LarderError with those that it does not hold."""
    paths.serving.mkdir(parents=True, exist_ok=True)
    if not url:
        _demo_server(paths, "start")
    address = url or (paths.serving / "admin").read_text()
    grains = {relation_of(node): node["config"]["meta"].get("grain", []) for node in built["nodes"].values()}
    failed = {}
    with _connected(address) as server, server.cursor() as cursor:
        is_super = _require_fit(cursor)
        for name in _ours(cursor) - {PREFIX + audience.name for audience in audiences}:
            _drop(cursor, name)
            _run(cursor, "drop role {role}", role=name)
        for audience in audiences:
            with console.progress(f"serve {audience.name}"):
                try:
                    _Database(paths, address, audience).follow(cursor, is_super, grains)
                except (psycopg2.Error, duckdb.Error, LarderError, OSError) as error:
                    _drop(cursor, PREFIX + audience.name)
                    failed[audience.name] = first_line(error)
    if not is_super:
        script = (SCRIPTS / "everybody.sql").relative_to(PROJECT)
        console.note(
            f"PostgreSQL lets everybody do more than readers need: have its superuser run {script} in each database {PREFIX}…"
        )
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise LarderError(
            f"{len(failed)} of {len(audiences)} audiences are not served: {reasons}",
            "Put it right, then load them: larder serve postgres",
        )


def reload(paths: Paths, audiences: list[Audience], built: Artifact, afresh: bool = False) -> None:
    """Have what is served follow the shares. `afresh`, a server of our own keeps nothing of before, neither in its logs nor its statistics;
    nor does one that does not run: it is only a copy."""
    if url := os.environ.get(URL):
        run(paths, audiences, built, url)
    elif (paths.serving / "admin").exists():
        is_running = _is_running(paths)
        if afresh or not is_running:
            stop(paths)
            shutil.rmtree(paths.serving / "postgres", ignore_errors=True)
        if is_running:
            run(paths, audiences, built, None)
    elif passwords := sorted(paths.serving.glob("*.pgpass")):
        raise LarderError(
            f"{':'.join(passwords[0].read_text().split(':')[:2])} still serves what was shared before",
            f"Name it in {URL} and load it: larder serve postgres. If it is no more, delete {paths.serving}/*.pgpass.",
        )


def stop(paths: Paths) -> None:
    """Stop the server of its own, if it runs."""
    _demo_server(paths, "stop")


def _demo_server(paths: Paths, action: str) -> None:
    """The demo is a program of its own, which knows how to run PostgreSQL from its wheel."""
    command = [sys.executable, "-m", "demo.postgres", action, str(paths.serving)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise LarderError(
            f"PostgreSQL did not {action}: {said}",
            f"Put it right, or name a server of your own in {URL}: postgresql://user:password@host:port/database",
        )


def _is_running(paths: Paths) -> bool:
    """Whether the server of its own answers."""
    try:
        psycopg2.connect((paths.serving / "admin").read_text(), connect_timeout=5).close()
    except (OSError, psycopg2.Error):
        return False
    return True


class _Database:
    """The database of one audience on a server."""

    def __init__(self, paths: Paths, address: str, audience: Audience) -> None:
        self._paths, self._address, self._audience = paths, address, audience
        self._name = PREFIX + audience.name
        self._host, self._port = urlsplit(address).hostname, urlsplit(address).port or 5432
        self._password_file = paths.serving / f"{audience.name}.pgpass"

    def follow(self, server: Cursor, is_super: bool, grains: Mapping[str, list[str]]) -> None:
        """Make it hold what the share does."""
        folder = (self._paths.shares / self._audience.name).resolve()
        if not (folder / SAID).exists():
            raise LarderError("it has no share", "")
        said = json.loads((folder / SAID).read_text())
        contents = {name: table["signature"] for name, table in said["tables"].items()}
        contents["share.about"] = said["written_at"]
        wanted = {name: f"{self._grant(name)} {content}" for name, content in contents.items()}
        self._make(server)
        with (
            _connected(self._address, self._name) as database,
            database.cursor() as cursor,
            closing(connect(folder / FILE, SERVE, self._paths.warehouse)) as share,
        ):
            if is_super:
                cursor.execute(_script("everybody"))
            there = _kept(cursor, wanted)
            new = [name for name in wanted if there.get(name) != wanted[name]]
            cursor.execute("drop schema if exists fresh cascade; create schema fresh")
            for name in new:
                _load(database, share, name, grains.get(name, []), self._paths.serving / "rows")
                comment = sql.Literal(wanted[name])
                _run(cursor, "comment on table {table} is {comment}", table=_fresh(name), comment=comment)
            self._show(database, new, [table for table in self._audience.tables if table.relation in wanted])
        console.done(
            f"{self._audience.name}: {len(wanted)} tables, {len(new)} of them loaded;"
            f" postgresql://{self._name}@{self._host}:{self._port}/{self._name},"
            f" its password is in {console.shown_path(self._password_file)}"
        )

    def _make(self, server: Cursor) -> None:
        """The role and the database. What somebody has changed of them since is put right."""
        server.execute("select datname from pg_database union all select rolname from pg_roles")
        there = [name for (name,) in server.fetchall()]
        if self._name in there and self._name not in _ours(server):
            raise LarderError(
                f"there is a role or a database {self._name} on the server that is not ours", ""
            )
        verifier = extensions.encrypt_password(
            self._password(), self._name, server.connection, "scram-sha-256"
        )
        texts = {"name": self._name, "mark": MARK, "verifier": verifier}
        _run(
            server,
            _script("role"),
            role=self._name,
            **{key: sql.Literal(text) for key, text in texts.items()},
        )
        server.execute("select from pg_database where datname = %s", [self._name])
        if server.fetchone() is None:
            _run(server, "create database {role} template template0", role=self._name)
        _run(server, _script("database"), role=self._name)

    def _password(self) -> str:
        """Its password, made once and kept where nobody else reads it."""
        file = self._password_file
        known = file.read_text().strip().rpartition(":")[2] if file.exists() else secrets.token_urlsafe(24)
        write_atomically(file, f"{self._host}:{self._port}:{self._name}:{self._name}:{known}\n")
        return known

    def _grant(self, name: str) -> str:
        """What the audience is granted of a table: while that is so, it may stay until another is loaded."""
        starts = (f"{name}:", f"{name}.")
        granted = sorted(said for said in self._audience.granted() if said.startswith(starts))
        return hashlib.sha256(f"{FORMAT} {granted}".encode()).hexdigest()[:16]

    def _show(self, database: Connection, new: list[str], tables: list[Table]) -> None:
        """Put the new tables in the place of the old ones, all at once. Whoever reads the old ones has some seconds to finish."""
        for patience in ("5s", "60s"):
            with suppress(errors.LockNotAvailable), database, database.cursor() as cursor:
                cursor.execute("set local lock_timeout = %s", [patience])
                _drop_tables(cursor, new)
                for name in new:
                    schema, _, table = name.partition(".")
                    moved: Given = {"fresh": _fresh(name), "schema": schema, "name": table}
                    _run(cursor, "create schema if not exists {schema}", **moved)
                    _run(cursor, "alter table {fresh} set schema {schema}", **moved)
                    moved["fresh"] = sql.Identifier(schema, name)
                    _run(cursor, "alter table {fresh} rename to {name}", **moved)
                cursor.execute("drop schema fresh")
                self._permit(cursor, tables)
                return
            with database.cursor() as cursor:
                cursor.execute(END_READERS)
        raise LarderError("its readers do not let go of the tables that are to be replaced", "")

    def _permit(self, cursor: Cursor, tables: list[Table]) -> None:
        """What the role may: read the tables of its schemas. The rules that chose a share's rows choose them here once more."""
        cursor.execute(
            "select nspname from pg_namespace where not starts_with(nspname, 'pg_')"
            " and nspname not in ('information_schema', 'public')"
        )
        for (schema,) in cursor.fetchall():
            _run(cursor, _script("schema"), schema=schema, role=self._name)
        for table in tables:
            for number, rule in enumerate(table.row_rules):
                given: Given = {"table": _name(table.relation), "rule": f"rule_{number}", "role": self._name}
                _run(cursor, _script("rule"), **given, listed=_chosen(table.relation, rule))


def _kept(cursor: Cursor, wanted: Mapping[str, str]) -> dict[str, str]:
    """Drop the tables that are not granted any more, as they are; of the others what they hold."""
    cursor.execute(
        "select nspname || '.' || relname, coalesce(obj_description(pg_class.oid), '')"
        " from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid"
        " where relkind not in ('i', 't') and nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'fresh')"
    )
    there = dict(cursor.fetchall())
    lost = [
        name
        for name, said in there.items()
        if said.split()[:1] != wanted.get(name, "").split()[:1] or not said
    ]
    if lost:
        cursor.execute(END_READERS)
    _drop_tables(cursor, lost)
    return {name: said for name, said in there.items() if name not in lost}


def _chosen(relation: str, rule: Mapping[str, Any]) -> sql.Composable:
    """The condition of a row rule on a table: by the dimension's column, or by its key."""
    dimension, key = f"{rule['schema_name']}.{rule['dimension']}", sql.Identifier(rule["key_column"])
    listed = sql.SQL("{}::text in ({})").format(
        sql.Identifier(rule["column_name"]), sql.SQL(", ").join(map(sql.Literal, rule["listed"]))
    )
    if relation == dimension:
        return listed
    return sql.SQL("{} in (select {} from {} where {})").format(key, key, _name(dimension), listed)


def _load(
    database: Connection, share: duckdb.DuckDBPyConnection, name: str, grain: list[str], pipe: Path
) -> None:
    """Load a table of a share into the schema of new ones, in one transaction: what PostgreSQL then need not log."""
    columns = [(one[0], one[1]) for one in share.execute(f"describe {quoted(*name.split('.'))}").fetchall()]
    typed = ", ".join(f"{quoted(column)} {_type(kind) or 'jsonb'}" for column, kind in columns)
    listed = ", ".join(
        quoted(column) if _type(kind) else f"to_json({quoted(column)})" for column, kind in columns
    )
    with database, database.cursor() as cursor:
        _run(cursor, "create table {table} ({columns})", table=_fresh(name), columns=sql.SQL(typed))
        with _streamed(share.cursor(), f"select {listed} from {quoted(*name.split('.'))}", pipe) as rows:
            cursor.copy_expert(sql.SQL("copy {} from stdin (format csv)").format(_fresh(name)), rows)
        if grain and set(grain) <= {column for column, _ in columns}:
            index = sql.SQL(", ").join(map(sql.Identifier, grain))
            _run(cursor, "create index on {table} ({columns})", table=_fresh(name), columns=index)
    with database.cursor() as cursor:
        _run(cursor, "analyze {table}", table=_fresh(name))


@contextmanager
def _streamed(share: duckdb.DuckDBPyConnection, query: str, pipe: Path) -> Iterator[Any]:
    """The rows of a query as CSV, written by DuckDB while they are read. What fails there is raised here at the end."""
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    here = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # nobody writes yet
    kept = os.open(pipe, os.O_WRONLY)  # until DuckDB has ended: then so have the rows
    os.set_blocking(here, True)
    failed: list[BaseException] = []

    def write() -> None:
        try:
            share.execute(
                f"copy ({query}) to {literal(str(pipe))} (format csv, header false, use_tmp_file false)"
            )
        except BaseException as error:
            failed.append(error)
        finally:
            os.close(kept)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        with os.fdopen(here, "rb", buffering=1 << 20) as rows:
            yield rows
    finally:
        thread.join()
        pipe.unlink()
    if failed:
        raise failed[0]


@contextmanager
def _connected(address: str, database: str | None = None) -> Iterator[Connection]:
    named: dict[str, Any] = {"dbname": database} if database else {}
    try:
        found = psycopg2.connect(address, application_name="larder", connect_timeout=10, options=OWN, **named)
    except psycopg2.Error as error:
        raise LarderError(
            f"the server that is to serve cannot be reached: {first_line(error)}",
            f"Correct {URL}: postgresql://user:password@host:port/database",
        ) from error
    with closing(found):
        found.autocommit = True
        yield found


def _require_fit(cursor: Cursor) -> bool:
    """Raises LarderError unless we may make databases and roles here. Returns whether we may do anything."""
    cursor.execute(
        "select rolsuper, rolsuper or (rolcreatedb and rolcreaterole), rolname from pg_roles where rolname = current_user"
    )
    [(is_super, is_enough, role)] = cursor.fetchall()
    if not is_enough or cursor.connection.server_version < 160000:
        raise LarderError(
            f"the role {role} may not make databases and roles on this server, or it is older than PostgreSQL 16",
            f"Have it altered (alter role {role} createdb createrole), or name another in {URL}.",
        )
    if is_super:
        cursor.execute("revoke connect, temporary on database postgres, template1 from public")
    return bool(is_super)


def _drop(cursor: Cursor, name: str) -> None:
    if name in _ours(cursor):
        _run(cursor, "drop database if exists {name} with (force)", name=name)


def _ours(cursor: Cursor) -> set[str]:
    """The roles that we have made, each with a database of its name."""
    cursor.execute(
        "select rolname from pg_roles where shobj_description(oid, 'pg_authid') = %s and pg_has_role(oid, 'member')",
        [MARK],
    )
    return {name for (name,) in cursor.fetchall()}


def _drop_tables(cursor: Cursor, names: list[str]) -> None:
    for name in names:
        _run(cursor, "drop table if exists {table} cascade", table=_name(name))


def _run(cursor: Cursor, text: str, **given: str | sql.Composable) -> None:
    """Run SQL with names, or what is composed, in the places of it."""
    cursor.execute(
        sql.SQL(text).format(
            **{key: sql.Identifier(part) if isinstance(part, str) else part for key, part in given.items()}
        )
    )


def _script(name: str) -> str:
    return (SCRIPTS / f"{name}.sql").read_text()


def _name(relation: str) -> sql.Identifier:
    return sql.Identifier(*relation.split(".", 1))


def _fresh(relation: str) -> sql.Identifier:
    """A table that is not shown yet."""
    return sql.Identifier("fresh", relation)


def _type(kind: str) -> str | None:
    """PostgreSQL's type for DuckDB's; None for one that it gets as JSON."""
    return TYPES.get(kind) or (kind if SAME.fullmatch(kind) else None)
