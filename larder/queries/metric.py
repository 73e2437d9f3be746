"""`larder metric`: metrics with one definition each, from what is published. Takes no lock, and never writes."""

import csv
import sys
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.core.text import first_line
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.queries.semantics import Question, Semantics
from larder.warehouse.connection import QUERY
from larder.warehouse.store import Store

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""

Rows = list[list[Any]]


class Published:
    """The published generation: `semantics` are its own definitions, and its tables answer."""

    def __init__(self, paths: Paths) -> None:
        self._store = Store(paths.warehouse)
        self._published = self._store.require_published()
        self.generation = self._published.id
        self.semantics = Semantics(self._store.artifacts(self._published))

    def rows(self, question: Question) -> Rows:
        """The rows that answer a question: its dimensions, then its metrics. Money is Decimal, a time is its first day."""
        sql = self.semantics.sql(question)
        try:
            with self._store.open(self._published, QUERY) as connection:
                found = connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise LarderError(
                f"DuckDB cannot answer this: {first_line(error)}",
                "Look at the types of the columns in --where; --sql shows the whole question",
            ) from error
        return [[cell.date() if isinstance(cell, datetime) else cell for cell in row] for row in found]


def run(paths: Paths, question: Question, saved: str | None, form: str) -> None:
    """Answer a question, or a saved one, as a table, csv, json or the sql alone; without either, say what can be asked."""
    published = Published(paths)
    if saved:
        asked = published.semantics.saved_question(saved)
        question = replace(
            question, metrics=[*asked.metrics, *question.metrics], by=[*asked.by, *question.by]
        )
    if not question.metrics:
        found = _listing(published)
        console.as_json(found) if form == "json" else _render_listing(found)
    elif form == "sql":
        console.out.print(published.semantics.sql(question), markup=False)
    elif form == "csv":
        as_csv(question, published.rows(question))
    elif form == "json":
        _as_json(published, question)
    else:
        _render(published, question)


def _listing(published: Published) -> dict[str, Any]:
    return {
        "generation": published.generation,
        "metrics": [asdict(metric) for metric in published.semantics.metrics()],
        "saved": published.semantics.saved(),
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


def _as_json(published: Published, question: Question) -> None:
    """One JSON object; its numbers have the digits of the decimals."""
    columns = [*question.by, *question.metrics]
    found = [dict(zip(columns, map(_number, row), strict=True)) for row in published.rows(question)]
    console.as_json({"generation": published.generation, "rows": found})


def as_csv(question: Question, rows: Rows) -> None:
    """Print CSV (RFC 4180). No text in it can be taken for a formula by a spreadsheet."""
    writer = csv.writer(sys.stdout)
    writer.writerow([*question.by, *question.metrics])
    writer.writerows([_harmless(cell) for cell in row] for row in rows)


def _render(published: Published, question: Question) -> None:
    units = {metric.name: metric.unit for metric in published.semantics.metrics()}
    heads = [*question.by, *[f"{name} ({units[name]})" for name in question.metrics]]
    groups = len(question.by)
    console.table(
        "", heads, [[*map(_named, row[:groups]), *row[groups:]] for row in published.rows(question)]
    )


def _named(cell: Any) -> str:
    """What a group is called: a store's number is a name, too."""
    return "(none)" if cell is None else str(cell)


def _number(cell: Any) -> Any:
    return float(cell) if isinstance(cell, Decimal) else cell


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
