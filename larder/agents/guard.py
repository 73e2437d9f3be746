"""The door of agents to the published generation: what a query may name, which columns there are, and how long it may take.

The engine keeps the rules. A query runs where the tables are views of the columns that may be shown, files and settings are out of
reach, and each table and function that it names, as DuckDB's own parser reads it, is one of a short list. What takes too long is
killed with its process: there are functions that no interrupt ends.
"""

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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
from larder.core.settings import Paths
from larder.warehouse.connection import AGENT, SPILL
from larder.warehouse.store import Store

ROWS = 200
"""Rows of an answer, where no other number is asked for."""
MOST_ROWS = 1_000
CHARACTERS = 2_000
"""Of a cell; the rest is cut."""
MOST_COLUMNS = 200
MOST_CHARACTERS = 1_000_000
"""Of an answer."""
SECONDS = 10
LENGTH = 20_000
"""Characters of a query."""

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
KINDS: Mapping[str, Callable[[str], Any]] = {"BOOLEAN": "true".__eq__, **dict.fromkeys(WHOLE, int)}
"""What JSON has, by DuckDB's types. All else is text, as DuckDB writes it: money keeps its digits."""

SCHEMAS = ("marts", "observe", "seeds")
WITH_METRICS = (*SCHEMAS, "semantic")
"""What metrics read as well."""
TABLE_FUNCTIONS = {"generate_series", "range", "unnest"}
REFUSED_FUNCTIONS = re.compile(
    r"current_setting|getenv|getvariable|write_log|sleep_ms|in_search_path|pg_.*|duckdb_.*|has_.*privilege|.*_description"
)
"""What reads settings or the engine's catalog, or only waits."""
REFUSED_SOURCES = {"SHOW_REF": "DESCRIBE, SHOW and SUMMARIZE", "COLUMN_DATA": "data from outside"}

HIDDEN = ("direct_identifier", "sensitive")
"""Classes of which no column is served, nor a copy of one, nor a column without a class or of unknown lineage."""


@dataclass(frozen=True)
class Answer:
    """The rows of an answer; `is_cut` where there are more."""

    generation: str
    columns: list[str]
    rows: list[list[Any]]
    is_cut: bool


class Guard:
    """The generation that is published now, with what of it may be shown."""

    def __init__(self, paths: Paths) -> None:
        self.store = Store(paths.warehouse)
        self.published = self.store.require_published()
        if not self.store.metadata(self.published).exists():
            raise LarderError("what is published has no metadata base", "Build it again: larder run")
        with self.base() as base:
            given = {"classes": list(HIDDEN), "schemas": list(WITH_METRICS)}
            found = rows(base, "from served($classes, $schemas)", given)
        self.served = {f"{one['schema']}.{one['name']}": one["columns"] for one in found}
        self.hidden = {column for one in found for column in one["hidden"]}

    def base(self) -> duckdb.DuckDBPyConnection:
        """The generation's metadata base."""
        return lookup.open_base(self.store.metadata(self.published))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A database in memory with a view of each table that is served, and no way out of it."""
        connection = self.store.open_together({"larder": self.published}, AGENT)
        for schema in WITH_METRICS:
            connection.execute(f"create schema {quoting.name(schema)}")
        for relation, columns in self.served.items():
            parts = relation.split(".", 1)
            listed = ", ".join(map(quoting.name, columns))
            if columns:
                connection.execute(
                    f"create view {quoting.name(*parts)} as select {listed} from {quoting.name('larder', *parts)}"
                )
        for setting in ("enable_external_access = false", "python_enable_replacements = false"):
            connection.execute(f"set {setting}")
        connection.execute("set lock_configuration = true")
        return connection

    def hint(self, text: str, otherwise: str) -> str:
        """What to do about a query or a question that does not run: it may name columns that are not served."""
        named = sorted(self.hidden & set(re.findall(r"\w+", text.lower())))
        return f"{', '.join(named)}: not served here, see its class by describe." if named else otherwise


def query(paths: Paths, sql: str, limit: int) -> Answer:
    """Answer one SELECT. Raises LarderError where it is refused, does not run, or takes too long."""
    require_allowed(sql)
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
    return Answer(opened.published.id, asked.columns, rows, len(found) > limit)


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
    shutil.rmtree(paths.warehouse / f"{SPILL}{AGENT.name}-{child.pid}", ignore_errors=True)
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


def require_allowed(sql: str) -> None:
    """Raises LarderError unless it is one SELECT of tables that are served, without functions that read anything else."""
    if len(sql) > LENGTH:
        raise LarderError(f"a query may have {LENGTH} characters", "Ask in parts.")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise LarderError(first_line(error), "Write one SELECT in DuckDB's SQL.") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise LarderError("only one SELECT statement is answered", "Nothing can be changed or set here.")
    parsed, own = _parsed(sql)
    nodes = list(_nodes(parsed))
    ctes = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    if taken := ctes & own:  # out of its scope the name would mean the engine's
        raise LarderError(f"{min(taken)} is a name of the engine's own", "Give the CTE another name.")
    for node in nodes:
        _require_allowed_node(node, ctes)


def _parsed(sql: str) -> tuple[Any, set[str]]:
    """The query as DuckDB's own parser reads it, and the engine's own views that a name alone would mean."""
    with duckdb.connect() as connection:
        own = connection.execute(
            "select lower(view_name) from duckdb_views() where internal and schema_name <> 'information_schema'"
        ).fetchall()
        [(text,)] = connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()
    found = json.loads(text)
    if found["error"]:
        raise LarderError(
            f"this kind of SELECT is not answered: {found['error_message']}", "Write it without."
        )
    return found["statements"], {name for (name,) in own}


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    todo = [tree]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            yield part
            todo += part.values()
        elif isinstance(part, list):
            todo += part


def _require_allowed_node(node: Mapping[str, Any], ctes: set[str]) -> None:
    kind = str(node.get("type"))  # of a constant it is an object
    if kind == "BASE_TABLE":
        _require_allowed_table(node, ctes)
    elif kind == "TABLE_FUNCTION" and node["function"]["function_name"].lower() not in TABLE_FUNCTIONS:
        raise LarderError(
            f"the function {node['function']['function_name']} is not answered",
            f"Read tables of {', '.join(SCHEMAS)}.",
        )
    elif kind == "FUNCTION" and REFUSED_FUNCTIONS.fullmatch(node["function_name"].lower()):
        raise LarderError(f"the function {node['function_name']} is not answered", "Leave it out.")
    elif kind in REFUSED_SOURCES:
        raise LarderError(f"{REFUSED_SOURCES[kind]} are not answered", "Use the tools search and describe.")


def _require_allowed_table(node: Mapping[str, Any], ctes: set[str]) -> None:
    catalog, schema, name = node["catalog_name"], node["schema_name"].lower(), node["table_name"]
    if not schema and name.lower() in ctes:
        return
    if catalog or schema not in SCHEMAS:
        raise LarderError(
            f"{'.'.join(filter(None, (catalog, schema, name)))} is not served",
            f"Read tables of {', '.join(SCHEMAS)}, each with its schema: marts.fct_baskets.",
        )
