"""`larder mcp`: five tools over a share of what is published, by the Model Context Protocol on standard input and output.

Needs the extra `mcp` (the official SDK). Each call opens what is published then, and nothing else. Only the protocol is written to
standard output: the SDK leads everything else to standard error.
"""

import re
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Any, Literal, TypeVar, cast

import duckdb

from ingestion.core.errors import ExpectedError
from larder.agents import guard, lookup
from larder.agents.guard import Guard
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.queries import metric
from larder.queries.semantics import Question, Semantics

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations
    from pydantic import Field
except ImportError as error:
    raise LarderError("the MCP SDK is not installed", "Install it: pip install 'mcp>=2.3,<3'") from error

INSTRUCTIONS = """\
A grocery retailer's warehouse, read-only. Figures: prefer `metric` (one definition each) to SQL. Find things by `search`, read what a
table's rows and columns mean by `describe` before `query`, and where a column comes from by `lineage`. SQL is DuckDB's: one SELECT over
marts or observe, each table with its schema. Money is decimal and comes as text. The data end when they end: take the last
business_date from marts.fct_baskets, not today. You see what the audience analyst sees: describe says which columns are served.
"""

Tool = TypeVar("Tool", bound=Callable[..., Any])


def run(paths: Paths) -> None:
    """Serve until the client leaves, or Ctrl-C."""
    # A thread waits for input, and would not hear of an exception.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)
    try:
        server(paths).run("stdio")
    except* BrokenPipeError:
        pass  # the client has left


def server(paths: Paths) -> MCPServer[Any]:
    """The server with its tools."""
    made: MCPServer[Any] = MCPServer(
        "larder", instructions=INSTRUCTIONS, version=version("larder"), log_level="WARNING"
    )
    tools = Tools(paths)
    for tool in (tools.search, tools.describe, tools.lineage, tools.metric, tools.query):
        made.add_tool(_one_at_a_time(paths, tool), annotations=ToolAnnotations(read_only_hint=True))
    return made


class Tools:
    """What is served. The docstrings are what agents read."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def search(
        self, text: Annotated[str, Field(description="Words, all of which must occur.")]
    ) -> dict[str, Any]:
        """Find tables, columns, metrics and reports by words in their names and descriptions."""
        with Guard(self._paths).base() as base:
            return {"found": lookup.search(base, text)}

    def describe(
        self,
        name: Annotated[str, Field(description="marts.fct_baskets, fct_baskets.units, net_sales, or an id.")],
    ) -> dict[str, Any]:
        """Say what a table is (grain, owner, rows, each column with type, unit, class), or a column, metric or report."""
        opened = Guard(self._paths)
        with opened.base() as base:
            found = lookup.describe(base, name, opened.served)
        if found.get("kind") == "metric":
            [defined] = [one for one in _semantics(opened).metrics() if one.name == found["name"]]
            found["dimensions"] = [
                one for one in defined.dimensions if one not in opened.hidden | opened.single
            ]
        return found

    def lineage(
        self,
        name: Annotated[str, Field(description="A column (fct_baskets.sales_usd), a metric, or a table.")],
        direction: Literal["upstream", "downstream"] = "upstream",
    ) -> dict[str, Any]:
        """Say what a column, metric or table derives from, or what derives from it."""
        with Guard(self._paths).base() as base:
            return lookup.lineage(base, name, direction == "upstream")

    def metric(
        self,
        names: Annotated[list[str], Field(description="Metrics, such as net_sales; search finds them.")],
        by: Annotated[list[str] | None, Field(description="Dimensions, or day, week, month, year.")] = None,
        where: Annotated[list[str] | None, Field(description="SQL: department = 'GROCERY'")] = None,
        since: Annotated[date | None, Field(description="First day.")] = None,
        until: Annotated[date | None, Field(description="Last day.")] = None,
    ) -> dict[str, Any]:
        """Answer metrics by dimensions, under conditions. Each has one definition; describe lists its dimensions."""
        if not names:
            raise LarderError("no metric is named", "Name one or more; search finds them.")
        question = Question(names, by or [], where or [], since, until)
        opened = Guard(self._paths)
        semantics = _semantics(opened)
        if single := opened.single & set(
            re.findall(r"\w+", " ".join([*question.by, *question.where]).lower())
        ):
            raise LarderError(
                f"no metric is answered by {min(single)}", "Ask by something that many households share."
            )
        with opened.connect() as connection:
            try:
                guard.require_small(connection, semantics.sql(question))
                found = metric.answer(_Source(opened.generation, semantics, connection), question)
            except LarderError as error:
                hint = opened.hint(" ".join([*question.by, *question.where]), error.next_step)
                raise LarderError(str(error), hint) from error
        rows = [[cell if isinstance(cell, int | None) else str(cell) for cell in row] for row in found.rows]
        return {"generation": opened.generation, "columns": found.columns, "rows": rows}

    def query(
        self,
        sql: Annotated[str, Field(description="One SELECT in DuckDB's SQL; name tables with their schema.")],
        limit: Annotated[int, Field(ge=1, le=guard.MOST_ROWS, description="Most rows.")] = guard.ROWS,
    ) -> dict[str, Any]:
        """Answer SQL over the marts. is_cut says that there were more rows; it is stopped after some seconds."""
        return asdict(guard.query(self._paths, sql, limit))


class _Source:
    """The share as a source of metrics, behind the guard."""

    def __init__(self, generation: str, semantics: Semantics, connection: duckdb.DuckDBPyConnection) -> None:
        self.generation = generation
        self.semantics = semantics
        self._connection = connection

    def connect(self) -> duckdb.DuckDBPyConnection:
        return self._connection


def _semantics(opened: Guard) -> Semantics:
    return Semantics.of(opened.store.artifacts(opened.published))


def _one_at_a_time(paths: Paths, tool: Tool, lock: threading.Lock = threading.Lock()) -> Tool:  # noqa: B008 (one for all tools)
    """A tool that waits for its turn, has limited time, and whose errors are a sentence and what to do next."""

    @wraps(tool)
    def call(*args: Any, **kwargs: Any) -> Any:
        with lock:
            try:
                return guard.in_time(paths, tool, *args, **kwargs)
            except ExpectedError as error:
                raise ToolError(f"{str(error).rstrip('.')}. {error.next_step}") from error

    return cast(Tool, call)
