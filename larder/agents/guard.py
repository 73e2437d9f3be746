"""The door of agents to what is published: what a query may name, and how long it may take.

An agent is served the share of one audience, so that what it may not see is not there. The engine keeps the rules: files and settings are
out of reach, and each table and function that a query names, as DuckDB's own parser reads it, is one of a short list. What takes too long
is killed with its process: there are functions that no interrupt ends.
"""

import json
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import duckdb

from ingestion.core import sql as quoting
from ingestion.core.errors import ExpectedError
from ingestion.core.text import first_line
from larder.agents import lookup
from larder.catalog.metadata import rows
from larder.core.errors import LarderError
from larder.core.settings import Paths, spill_folder
from larder.governance.shares import SAID
from larder.queries.guard import require_select
from larder.warehouse.connection import AGENT, attach
from larder.warehouse.store import FILE, Store

ROWS = 200
"""Rows of an answer, where no other number is asked for."""
MOST_ROWS = 1_000
CHARACTERS = 2_000
"""Of a cell; the rest is cut."""
MOST_COLUMNS = 200
MOST_CHARACTERS = 1_000_000
"""Of an answer."""
SECONDS = 10

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
KINDS: Mapping[str, Callable[[str], Any]] = {"BOOLEAN": "true".__eq__, **dict.fromkeys(WHOLE, int)}
"""What JSON has, by DuckDB's types. All else is text, as DuckDB writes it: money keeps its digits."""

AUDIENCE = "analyst"
"""Whose share agents are served."""


@dataclass(frozen=True)
class Answer:
    """The rows of an answer; `is_cut` where there are more."""

    generation: str
    columns: list[str]
    rows: list[list[Any]]
    is_cut: bool


class Guard:
    """The share that agents are served, with what the published generation says of it."""

    def __init__(self, paths: Paths) -> None:
        self.store = Store(paths.warehouse)
        self.published = self.store.require_published()
        self._warehouse, self._share = paths.warehouse, paths.shares / AUDIENCE
        if not self.store.metadata(self.published).exists():
            raise LarderError("what is published has no metadata base", "Build it again: larder run")
        if not (self._share / SAID).exists():
            raise LarderError(
                f"agents are served the share of the audience {AUDIENCE}, and there is none",
                "Write it: larder shares",
            )
        self.generation = str(json.loads((self._share / SAID).read_text())["generation"])
        with closing(attach({"larder": self._share / FILE}, AGENT, self._warehouse)) as share:
            found = rows(
                share,
                "select schema_name || '.' || table_name as name, list(column_name) as columns"
                " from duckdb_columns() where database_name = 'larder' group by all",
            )
        self.served = {one["name"]: one["columns"] for one in found}
        with self.base() as base:
            all_columns = rows(
                base, "select column_name as name, classification as class from dbt.node_columns"
            )
            views = "select schema_name || '.' || identifier as name, compiled_code from dbt.models where schema_name = 'semantic'"
            self._semantic = {one["name"]: one["compiled_code"] for one in rows(base, views)}
        served = {column for columns in self.served.values() for column in columns}
        self.hidden = {one["name"] for one in all_columns} - served
        self.single = {one["name"].removesuffix("_id") for one in all_columns if one["class"] == "pseudonym"}
        """The dimensions by which a metric is about single households."""

    def base(self) -> duckdb.DuckDBPyConnection:
        """The generation's metadata base."""
        return lookup.open_base(self.store.metadata(self.published))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """The share, and over it the views that metrics read; no way out of it."""
        connection = attach({"larder": self._share / FILE}, AGENT, self._warehouse)
        views = {relation: f"from {quoting.name('larder', *relation.split('.'))}" for relation in self.served}
        for relation, query in (views | self._semantic).items():
            connection.execute(f"create schema if not exists {quoting.name(relation.partition('.')[0])}")
            with suppress(
                duckdb.BinderException, duckdb.CatalogException
            ):  # no metric is of what is not shared
                connection.execute(f"create view {quoting.name(*relation.split('.'))} as {query}")
        return connection

    def hint(self, text: str, otherwise: str) -> str:
        """What to do about a query or a question that does not run: it may name columns that are not served."""
        named = sorted(self.hidden & set(re.findall(r"\w+", text.lower())))
        return f"{', '.join(named)}: not served here, see its class by describe." if named else otherwise


def query(paths: Paths, sql: str, limit: int) -> Answer:
    """Answer one SELECT. Raises LarderError where it is refused, does not run, or takes too long."""
    require_select(sql)
    opened = Guard(paths)
    with opened.connect() as connection:
        try:
            asked = connection.sql(sql)
            if len(asked.columns) > MOST_COLUMNS:
                raise LarderError(
                    f"the answer has more than {MOST_COLUMNS} columns", "Name those that you need."
                )
            # Cut by the engine: what it holds of a long text is within its memory limit.
            found = _fetched(asked.limit(limit + 1).project(f"left(columns(*)::varchar, {CHARACTERS})"))
        except duckdb.Error as error:
            raise LarderError(
                first_line(error), opened.hint(sql, "See the columns of a table: describe.")
            ) from error
    kinds = [KINDS.get(str(kind), str) for kind in asked.types]
    rows = [[cell and kind(cell) for cell, kind in zip(row, kinds, strict=True)] for row in found[:limit]]
    return Answer(opened.generation, asked.columns, rows, len(found) > limit)


def _fetched(relation: duckdb.DuckDBPyRelation) -> list[tuple[str | None, ...]]:
    """Its rows. Raises LarderError where they have too many characters, before all are taken from the engine."""
    found: list[tuple[str | None, ...]] = []
    characters = 0
    while some := relation.fetchmany(10):
        found += some
        characters += sum(len(cell) for row in some for cell in row if cell)
        if characters > MOST_CHARACTERS:
            raise LarderError(
                f"the answer has more than {MOST_CHARACTERS} characters",
                "Ask for fewer rows or columns, or shorten texts: left(…, 100).",
            )
    return found


def in_time(paths: Paths, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `work` gives in a process of its own, which ends after SECONDS. Raises LarderError then, and for what it raises."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["larder.agents.server", "larder.cli.main"])
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(there, paths, work, args, kwargs))
    child.start()
    there.close()
    try:
        found, said = here.recv()
    except EOFError:
        child.join()
        found, said = None, (f"its process ended with {child.exitcode}", "Ask for less at once.")
        if child.exitcode == -signal.SIGALRM:
            said = (
                f"it took more than {SECONDS} seconds and was stopped",
                "Ask for fewer days, or a smaller mart.",
            )
    child.join()
    here.close()
    shutil.rmtree(spill_folder(paths.warehouse, AGENT.name, child.pid), ignore_errors=True)
    if said:
        raise LarderError(*said)
    return found


def _work(there: Connection, paths: Paths, work: Callable[..., Any], args: Any, kwargs: Any) -> None:
    for one in (signal.SIGALRM, signal.SIGINT):  # the system ends the process, whatever runs in it
        signal.signal(one, signal.SIG_DFL)
    signal.alarm(SECONDS)
    found, said = None, None
    try:
        found = work(*args, **kwargs)
    except ExpectedError as error:
        said = str(error), error.next_step
    except (duckdb.BinderException, duckdb.CatalogException):  # of our own SQL: that of a query is explained
        published = Store(paths.warehouse).require_published()
        said = (
            f"generation {published.id} was built by an earlier version of Larder, its metadata have not all that is asked",
            "Build it again: larder build --all, then larder publish",
        )
    except duckdb.Error as error:
        said = f"DuckDB cannot answer this: {first_line(error)}", "Ask in another way."
    with suppress(BrokenPipeError):  # nobody waits any more
        there.send((found, said))


def require_small(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raises LarderError where an answer that is given as a whole would have too many rows, or none can be given."""
    try:
        found = connection.sql(sql).limit(MOST_ROWS + 1).count("*").fetchone()
    except duckdb.Error as error:
        raise LarderError(first_line(error), "See what it can be grouped by: describe.") from error
    if found and found[0] > MOST_ROWS:
        raise LarderError(
            f"the answer has more than {MOST_ROWS} rows", "Group by less, or ask for fewer days."
        )
