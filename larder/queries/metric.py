"""`larder metric`: metrics with one definition each, from what is published or in a workspace. Takes no lock, never writes."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol

import duckdb

from ingestion.core.text import first_line
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.queries.periods import Reach, filled, is_partial
from larder.queries.semantics import GRAINS, Question, Semantics
from larder.warehouse.connection import QUERY
from larder.warehouse.store import Store

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""

Rows = list[list[Any]]


WEEK_NUMBER = "week_number"
TIMES = {*GRAINS, WEEK_NUMBER}
PARTIAL = "is_partial"
"""The column that an answer by week, month, quarter or year ends with."""


@dataclass(frozen=True)
class Answer:
    """The dimensions and metrics that were asked for, in this order. Money is Decimal, a time is its first day."""

    columns: list[str]
    rows: Rows


class Source(Protocol):
    """What answers questions: the definitions of metrics, and the tables that they are asked of."""

    @property
    def generation(self) -> str: ...

    @property
    def semantics(self) -> Semantics: ...

    def connect(self) -> duckdb.DuckDBPyConnection:
        """The tables, read-only."""


class Published:
    """The published generation: `semantics` are its own definitions, and its tables answer."""

    def __init__(self, paths: Paths) -> None:
        self._store = Store(paths.warehouse)
        self._published = self._store.require_published()
        self.generation = self._published.id
        self.semantics = Semantics.of(self._store.artifacts(self._published))

    def connect(self) -> duckdb.DuckDBPyConnection:
        return self._store.open(self._published, QUERY)


def answer(source: Source, question: Question) -> Answer:
    """Answer a question. By one grain of time alone, a period without data has a row as well: 0, or null for a quotient.

    By week, month, quarter or year, `is_partial` says of which some days are not delivered, or not asked for. A condition
    over time picks periods: none is added to those that it leaves.
    Raises LarderError where the question cannot be answered, and for a period that has no data.
    """
    if question.since and question.until and question.since > question.until:
        raise LarderError(f"--from {question.since} is after --to {question.until}", "Exchange the two days.")
    semantics, columns = source.semantics, [*question.by, *question.metrics]
    query = semantics.sql(question)
    times = [name for name in question.by if name in TIMES]
    with source.connect() as connection:
        found = _ask(connection, query)
        if not times and any(cell for row in found for cell in row[len(question.by) :]):
            return Answer(columns, found)
        asked = _asked(semantics, connection, question)
        if (
            asked
            and [*question.by] in [[grain] for grain in GRAINS]
            and not semantics.picks_periods(question)
        ):
            found = filled(found, question.by[0], asked, _nothing(semantics, connection, question.metrics))
        if not asked or not {*times} - {"day"}:
            return Answer(columns, found)
        delivered = _delivered(semantics, connection, question, asked)
        mondays = _mondays(semantics, connection, question) if WEEK_NUMBER in times else {}
    periods = [[mondays.get(row[i], row[i]) for i in range(len(question.by))] for row in found]
    partial = [is_partial(dict(zip(question.by, row, strict=True)), delivered) for row in periods]
    return Answer([*columns, PARTIAL], [[*row, part] for row, part in zip(found, partial, strict=True)])


def _ask(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    try:
        return _fetch(connection, query)
    except duckdb.Error as error:
        raise LarderError(
            f"DuckDB cannot answer this: {first_line(error)}",
            "Look at the types of the columns in --where; --sql shows the whole question",
        ) from error


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    found = connection.execute(query).fetchall()
    return [[cell.date() if isinstance(cell, datetime) else cell for cell in row] for row in found]


def _reach(
    semantics: Semantics, connection: duckdb.DuckDBPyConnection, metrics: Sequence[str]
) -> Reach | None:
    """The days of which there are data of these metrics; None where there are no data at all."""
    grain = semantics.finest_grain(metrics)
    times = [row[0] for row in _fetch(connection, semantics.sql(Question(metrics, [grain])))]
    known = sorted(time for time in times if time is not None)
    return Reach.of(known[0], known[-1], grain) if known else None


def _asked(semantics: Semantics, connection: duckdb.DuckDBPyConnection, question: Question) -> Reach | None:
    """Those of them that are asked for. Raises LarderError where there are none."""
    reach = _reach(semantics, connection, question.metrics)
    if not reach:
        return None
    asked = reach.cut(question.since, question.until, semantics.finest_grain(question.metrics))
    if asked.first > asked.last:
        raise LarderError(
            f"there are no data for this period: they reach from {reach.first} to {reach.last}",
            f"Choose a period in between: --from {reach.first} --to {reach.last}",
        )
    return asked


def _delivered(
    semantics: Semantics, connection: duckdb.DuckDBPyConnection, question: Question, asked: Reach
) -> Reach:
    """The days that are asked for and delivered. Plans may be for any day: of them, all that are asked for."""
    sales = semantics.of_sales(question.metrics)
    if len(sales) == len(question.metrics):
        return asked
    reach = _reach(semantics, connection, sales) if sales else None
    if not reach:
        return Reach(question.since or date.min, question.until or date.max)
    return reach.cut(question.since, question.until, semantics.finest_grain(sales))


def _nothing(
    semantics: Semantics, connection: duckdb.DuckDBPyConnection, metrics: Sequence[str]
) -> list[Any]:
    """What each metric is where there are no data, of its own type: 0.00 is money."""
    types = connection.sql(semantics.sql(Question(metrics))).types
    values = [
        f"cast({semantics.nothing(metric)} as {kind})" for metric, kind in zip(metrics, types, strict=True)
    ]
    return _fetch(connection, f"select {', '.join(values)}")[0]


def _mondays(
    semantics: Semantics, connection: duckdb.DuckDBPyConnection, question: Question
) -> dict[int, date]:
    """First days of the retailer's weeks by their numbers."""
    query = semantics.sql(Question(question.metrics, [WEEK_NUMBER, "week"]))
    return {row[0]: row[1] for row in _fetch(connection, query)}


def require_answers(semantics: Semantics, connection: duckdb.DuckDBPyConnection) -> None:
    """Answer every metric once, and have DuckDB plan it by each of its dimensions. Raises LarderError for the first that fails."""
    for one in semantics.metrics():
        try:
            connection.execute(semantics.sql(Question([one.name]))).fetchall()
            connection.execute(f"explain {semantics.sql(Question([one.name], one.dimensions))}")
        except (duckdb.Error, LarderError) as error:
            raise LarderError(
                f"the metric {one.name} cannot be answered: {first_line(error)}",
                "Correct it in models/semantic, and see it: larder metric --workspace " + one.name,
            ) from error


def run(source: Source, question: Question, saved: str | None, form: str) -> None:
    """Answer a question, or a saved one, as a table, csv, json or the sql alone; without either, say what can be asked."""
    if saved:
        asked = source.semantics.saved_question(saved)
        question = replace(
            question, metrics=[*asked.metrics, *question.metrics], by=[*asked.by, *question.by]
        )
    if not question.metrics:
        _list(source, question, form)
    elif form == "sql":
        console.out.print(source.semantics.sql(question))
    elif form == "csv":
        as_csv(answer(source, question))
    elif form == "json":
        _as_json(source, question)
    else:
        _render(source, question)


def _list(source: Source, question: Question, form: str) -> None:
    if form in {"csv", "sql"} or question != Question([]):
        raise LarderError("no metric is named", "Name one or more; all are listed by: larder metric")
    found = _listing(source)
    console.as_json(found) if form == "json" else _render_listing(found)


def _listing(source: Source) -> dict[str, Any]:
    return {
        "generation": source.generation,
        "metrics": [asdict(metric) for metric in source.semantics.metrics()],
        "saved": source.semantics.saved(),
    }


def _render_listing(found: dict[str, Any]) -> None:
    """Print the metrics, their dimensions, and the saved queries."""
    metrics = found["metrics"]
    rows = [[metric["name"], metric["unit"], metric["owner"], metric["description"]] for metric in metrics]
    console.table("Metrics", ["metric", "unit", "owner", "what it is"], rows)
    alike: dict[str, list[str]] = {}
    for metric in metrics:
        alike.setdefault(", ".join(metric["dimensions"]), []).append(metric["name"])
    console.out.print()
    console.table("Dimensions", ["of", "--by, --where"], [[", ".join(of), by] for by, of in alike.items()])
    console.out.print()
    console.table(
        "Saved queries", ["--saved", "what it answers"], [[*item] for item in found["saved"].items()]
    )
    console.out.print("\n  next       larder metric net_sales --by department")


def _as_json(source: Source, question: Question) -> None:
    """One JSON object. A decimal is text, with all of its digits: a number would be read as a float."""
    asked = answer(source, question)
    found = [dict(zip(asked.columns, row, strict=True)) for row in asked.rows]
    console.as_json({"generation": source.generation, "rows": found})


def as_csv(answer: Answer) -> None:
    """Print CSV (RFC 4180). No text in it can be taken for a formula by a spreadsheet."""
    writer = csv.writer(sys.stdout)
    writer.writerow(answer.columns)
    writer.writerows([_harmless(cell) for cell in row] for row in answer.rows)


def _render(source: Source, question: Question) -> None:
    found = answer(source, question)  # first: it knows whether all names are defined
    units = {metric.name: metric.unit for metric in source.semantics.metrics()}
    heads = [f"{name} ({units[name]})" if name in question.metrics else name for name in found.columns]
    groups = len(question.by)
    rows = [[*map(_named, row[:groups]), *map(_shown, row[groups:])] for row in found.rows]
    if PARTIAL in heads:
        heads[-1] = ""
    console.table("", heads, rows)


def _shown(cell: Any) -> Any:
    """A figure, or that a period is not a whole one."""
    return cell if not isinstance(cell, bool) else "partial" if cell else ""


def _named(cell: Any) -> str:
    """What a group is called: a store's number is a name, too."""
    return "(none)" if cell is None else str(cell)


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
