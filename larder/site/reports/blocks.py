"""The blocks of a page as HTML: for the choice that a reader meets first, and for every other one."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from itertools import count, islice, product
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from larder.core.errors import LarderError
from larder.site import charts
from larder.site.reports.data import NoRows, Result, Rows
from larder.site.reports.formats import FILTERS, KEYS, cell
from larder.site.reports.page import CARD, TABLE, Block, Filter, Report
from larder.site.text import words

MOST_STATES = 20_000
"""Choices that a block may have."""

MOST_SHOWN = 15
"""Rows of a table on a page where its author says nothing; the file has all."""

SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")
"""What Markdown may take for more than it is: all of ASCII's punctuation."""

WRONG = (
    TemplateError,
    AttributeError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    SyntaxError,
    RecursionError,
    MemoryError,
)
"""What templates and charts raise that are not as they should be."""

Choice = tuple[str, ...]
Describe = Callable[[str], Markup]


def _escaped(value: Any) -> Any:
    """A value in Markdown: it stays what it is, whatever characters it has."""
    return SPECIAL.sub(r"\\\1", value) if isinstance(value, str) and not isinstance(value, Markup) else value


PROSE = SandboxedEnvironment(undefined=StrictUndefined, finalize=_escaped)
PLAIN = SandboxedEnvironment(undefined=StrictUndefined)
for _environment in (PROSE, PLAIN):
    _environment.filters.update(FILTERS)


@dataclass(frozen=True)
class Option:
    """What a reader may choose."""

    value: str
    label: str


@dataclass(frozen=True)
class Shown:
    """A block on the page. `by` are the filters that decide it; `states` have its HTML, and of a chart the rows, by their values."""

    id: str
    by: list[str]
    states: dict[Choice, dict[str, Any]]
    specs: dict[str, dict[str, Any]]
    sources: dict[str, Any]
    first: Choice


class Blocks:
    """The blocks of one page."""

    def __init__(
        self,
        report: Report,
        results: Mapping[str, Result],
        templates: Environment,
        describe: Describe,
        sources: Callable[[Block], Any],
    ) -> None:
        self._report, self._results, self._describe, self._sources = report, results, describe, sources
        self._template = cache(lambda environment, text: environment.from_string(text))
        self._macros = templates.get_template("report_parts.html").module
        self._by = {
            name: [one.name for one in report.filters if one.name in found.columns]
            for name, found in results.items()
        }
        self._rows: dict[str, dict[Choice, list[dict[str, Any]]]] = {
            name: defaultdict(list) for name in results
        }
        for name, found in results.items():
            for row in found.rows:
                self._rows[name][tuple(str(row[by]) for by in self._by[name])].append(row)

    @cached_property
    def options(self) -> dict[str, list[Option]]:
        """The choices of each filter; the first is what a page shows before anything is chosen."""
        return {one.name: self._options(one) for one in self._report.filters}

    def _options(self, one: Filter) -> list[Option]:
        found = self._results[one.query]
        if one.name not in found.columns:
            raise self._report.wrong(
                1, f"the query {one.query} has no column {one.name}, which is a filter", "Select it."
            )
        labels = {str(row[one.name]): str(row.get("label", row[one.name])) for row in found.rows}
        return [Option(value, label) for value, label in labels.items()] or [Option("", "nothing yet")]

    def shown(self, first_only: bool = False) -> Iterator[Shown]:
        """Every block, in the order of the page, in all of its states or in the first."""
        for place, block in enumerate(self._report.blocks):
            by = [
                one.name
                for one in self._report.filters
                if any(one.name in self._by[name] for name in block.uses)
            ]
            first = tuple(self.options[name][0].value for name in by)
            states = {
                choice: self._state(block, dict(zip(by, choice, strict=True)), choice == first)
                for choice in ([first] if first_only else self._choices(block, by, first))
            }
            specs = self._specs(block) if block.kind == "chart" and by else {}
            sources = self._sources(block) if block.kind in ("chart", "table") else {}
            yield Shown(f"b{place}", by, states, specs, sources, first)

    def _choices(self, block: Block, by: list[str], first: Choice) -> Iterable[Choice]:
        """Those that a query with all filters of the block has; where none has all, each with each."""
        whole = [name for name in sorted(block.uses) if self._by[name] == by]
        each = product(*([one.value for one in self.options[name]] for name in by))
        found = (
            {choice for name in whole for choice in self._rows[name]}
            if whole
            else set(islice(each, MOST_STATES + 1))
        )
        offered = [{one.value for one in self.options[name]} for name in by]
        chosen = {
            choice
            for choice in found
            if all(value in some for value, some in zip(choice, offered, strict=True))
        }
        if len(chosen) > MOST_STATES:
            reason = f"this {block.kind} has more than {MOST_STATES:,} choices"
            raise self._report.wrong(block.line, reason, "Offer fewer, or those of one filter by another.")
        return sorted(chosen | {first})

    def _state(self, block: Block, choice: Mapping[str, str], is_first: bool) -> dict[str, Any]:
        rows = {
            name: self._rows[name].get(tuple(choice[by] for by in self._by[name]), []) for name in block.uses
        }
        given = {name: Rows(name, found) for name, found in rows.items()}
        try:
            if block.kind == "prose":
                return {
                    "html": _sectioned(self._describe(self._template(PROSE, block.said).render(given)), block)
                }
            texts = [self._template(PLAIN, text).render(given).strip() for text in block.texts]
            if block.kind == "figures":
                return {"html": self._macro("figures", self._cards(block, texts))}
            return self._of_rows(block, texts, rows[block.said["query"]], is_first)
        except NoRows as error:
            title = self._report.title if block.kind == "prose" and block.said.startswith("# ") else ""
            return {"html": self._macro("nothing_yet", str(error), title)}
        except WRONG as error:
            raise self._wrong(block, error) from error

    def _wrong(self, block: Block, error: Exception) -> LarderError:
        reason = " ".join(str(error).splitlines()[:2]) or type(error).__name__
        return self._report.wrong(
            block.line, f"this {block.kind} cannot be written: {reason}", "Put it right: docs/reports.md"
        )

    def _macro(self, name: str, *given: Any) -> Markup:
        made: Markup = getattr(self._macros, name)(*given, self._report.root)
        return made

    def _of_rows(
        self, block: Block, texts: list[str], rows: list[dict[str, Any]], is_first: bool
    ) -> dict[str, Any]:
        """A chart or a table of these rows."""
        query = block.said["query"]
        if not rows:
            raise NoRows(query)
        title, alt = texts
        shown = {"title": title, "alt": alt or title, **self._table(block, rows)}
        if block.kind == "table":
            return {"html": self._macro("table", shown)}
        values = [{name: value for name, value in row.items() if name not in self._by[query]} for row in rows]
        shown["svgs"] = [charts.svg(spec, values) for spec in self._specs(block).values()] if is_first else []
        return {"html": self._macro("chart", shown), "rows": values}

    def _specs(self, block: Block) -> dict[str, dict[str, Any]]:
        """A chart for a desk and for a phone."""
        chart = {word: said for word, said in block.said.items() if word not in (*TABLE, "alt")}
        widths = {"wide": charts.WIDE, "narrow": charts.NARROW}
        try:
            return {name: charts.specification(chart, width) for name, width in widths.items()}
        except WRONG as error:
            raise self._wrong(block, error) from error

    def _table(self, block: Block, rows: list[dict[str, Any]]) -> dict[str, Any]:
        query, most = block.said["query"], block.said.get("rows", MOST_SHOWN)
        said = block.said.get("columns") or {
            name: "" for name in self._results[query].columns if name not in self._by[query]
        }
        if unknown := [name for name in said if name not in self._results[query].columns]:
            raise self._report.wrong(
                block.line,
                f"the query {query} has no column {unknown[0]}",
                f"It has {', '.join(self._results[query].columns)}.",
            )
        columns = [
            {
                "name": label or words(name.removesuffix("_usd")),
                "unit": "USD" if name.endswith("_usd") else "",
                "is_number": not name.endswith(KEYS) and _is_number(row[name] for row in rows),
            }
            for name, label in said.items()
        ]
        cells = [[cell(name, row[name]) for name in said] for row in rows[:most]]
        return {"columns": columns, "rows": cells, "more": max(len(rows) - most, 0)}

    def _cards(self, block: Block, texts: list[str]) -> list[dict[str, Any]]:
        of_card = [texts[start : start + len(CARD)] for start in range(0, len(texts), len(CARD))]
        return [
            {
                "label": label,
                "value": value,
                "change": _change(change, said.get("good", "")),
                "href": f"metric/{said['metric']}.html" if said.get("metric") else "",
            }
            for said, (label, value, change) in zip(block.said, of_card, strict=True)
        ]


def _sectioned(html: Markup, block: Block) -> Markup:
    """A text whose second headings can be led to."""
    places = count(1)
    return Markup(re.sub("<h2>", lambda _: f'<h2 id="s{block.line}-{next(places)}">', html))  # noqa: S704, it is HTML already


def _change(text: str, good: str) -> dict[str, str] | None:
    """A change of a figure; `good` is the direction that is, if one is."""
    if not text:
        return None
    direction = {"+": "up", "r": "up", "−": "down", "f": "down"}.get(text[0], "level")
    tone = "" if not good or direction == "level" else "good" if direction == good else "bad"
    return {"text": text, "direction": direction, "tone": tone}


def _is_number(values: Iterable[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float, Decimal}
