"""Pages into files: each with its data beside it, and only those that are not there as they would be written."""

import csv
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment
from markupsafe import Markup

from larder.core.errors import LarderError
from larder.core.settings import EVERYBODY, Paths
from larder.site import catalog, charts, render
from larder.site.facts import Facts, Row
from larder.site.reports import data, page
from larder.site.reports.blocks import Blocks, Option, Shown
from larder.site.reports.data import Result
from larder.site.reports.page import Block, Report

KEYS = "pages.json"
SHARD = 300_000
"""Characters of a script with the states of a filter's options, about."""

SECTION = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>')


def read(folder: Path) -> tuple[list[Report], dict[str, LarderError]]:
    """The pages of a project in the order of its navigation, and what is wrong with others, by name."""
    found: dict[str, Report] = {}
    wrong, reports = {}, folder.resolve() / "reports"
    for file in sorted(reports.glob("**/*.md")):
        name = "_".join(file.relative_to(reports).with_suffix("").parts)
        try:
            one = page.read(file, name)
            if name in found:
                raise one.wrong(1, f"{found[name].file} has the same name, {name}", "Rename one of them.")
            found[name] = one
        except LarderError as error:
            wrong[name] = error
    return sorted(found.values(), key=lambda one: (one.order, one.name)), wrong


def write(
    paths: Paths, facts: Facts, reports: list[Report], audience: str, folder: Path, before: Path
) -> dict[str, LarderError]:
    """Write the pages of an audience into `folder`; one that would be as it is in `before` is linked. Returns what is wrong, by page."""
    wrong, keys, last = {}, {}, _keys(before)
    own = [one for one in reports if one.audience == audience]
    offered = [one for one in reports if one.audience in (audience, EVERYBODY)]
    templates, code = catalog.templates(facts), _code()
    with data.opened(paths, audience, facts.base) as connection:
        read = [
            connection.execute(f"from share.{table}").fetchall() for table in ("about", "records", "cards")
        ]
        for report in own:
            key = _key(report, facts, offered, [code, *map(str, read)])
            try:
                if last.get(report.name) != key or not _linked(report.name, before, folder):
                    _Page(report, facts, templates, offered, key).write(connection, folder)
                keys[report.name] = key
            except LarderError as error:
                wrong[report.name] = error
    if audience == EVERYBODY:
        if (before / charts.BUNDLE).exists():
            os.link(before / charts.BUNDLE, folder / charts.BUNDLE)
        else:
            (folder / charts.BUNDLE).write_text(charts.bundle(), encoding="utf-8")
        shutil.copyfile(render.HERE / "static/report.js", folder / "report.js")
    (folder / KEYS).write_text(json.dumps(keys, indent=1))
    return wrong


class _Page:
    """The writing of one page."""

    def __init__(
        self, report: Report, facts: Facts, templates: Environment, offered: list[Report], key: str
    ) -> None:
        self._report, self._facts, self._templates = report, facts, templates
        self._offered, self._key = offered, key[:12]

    def write(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        results = data.results(self._report, connection)
        blocks = Blocks(self._report, results, self._templates, self._html, partial(self._sources, results))
        shown, beside = list(blocks.shown()), folder / f"{self._report.name}.data"
        sizes = {name: self._per_shard(name, options, shown) for name, options in blocks.options.items()}
        tables = {table for found in results.values() for table in found.tables}
        context = {
            "report": self._report,
            "reports": [(one.title, self._to(one)) for one in self._offered],
            "blocks": shown,
            "filters": [
                {
                    "name": one.name,
                    "label": one.label,
                    "options": [
                        (o.value, o.label, place // sizes[one.name])
                        for place, o in enumerate(blocks.options[one.name])
                    ],
                }
                for one in self._report.filters
            ],
            "sections": [found for one in shown for found in SECTION.findall(one.states[one.first]["html"])],
            "tests": self._tests(tables),
            "data_until": self._facts.data_until,
            "root": self._report.root,
            "vega": f"{self._report.root}../reports/{charts.BUNDLE}",
            "path": self._report.address,
            "key": self._key,
            "here": self._to(self._report),
        }
        html = self._templates.get_template("report.html").render(context)
        beside.mkdir()
        (folder / f"{self._report.name}.html").write_text(html, encoding="utf-8", errors="replace")
        for name, content in _shards(shown, blocks.options, sizes, self._key):
            (beside / f"{name}.js").write_text(content, encoding="utf-8", errors="replace")
        for query in {
            block.said["query"] for block in self._report.blocks if block.kind in ("chart", "table")
        }:
            _csv(beside / f"{query}.csv", results[query])

    def _to(self, other: Report) -> str:
        """From this page to another one that its readers may see."""
        if other.audience == self._report.audience:
            return f"{other.name}.html"
        return f"{self._report.root}../{other.address}"

    def _html(self, text: str) -> Markup:
        describe: Callable[[str, str], Markup] = self._templates.globals["describe"]  # type: ignore[assignment]
        return describe(text, self._report.root)

    def _per_shard(self, name: str, options: list[Option], shown: list[Shown]) -> int:
        """How many options of a filter share a script."""
        try:
            size = sum(
                len(json.dumps(state, default=charts.plain))
                for one in shown
                if one.by[:1] == [name]
                for state in one.states.values()
            )
        except TypeError as error:
            raise self._report.wrong(1, str(error), "See docs/reports.md") from error
        return max(1, round(SHARD * len(options) / size)) if size else len(options) or 1

    def _sources(self, results: Mapping[str, Result], block: Block) -> dict[str, Any]:
        """Where the figures of a chart or table come from."""
        query = block.said["query"]
        nodes = [(one, self._facts.by_name(one)) for one in sorted(results[query].tables)]
        return {
            "sources": [(name, node["page"] if node else "") for name, node in nodes],
            "tests": self._tests({name for name, _ in nodes}),
            "sql": results[query].sql,
            "csv": f"{self._report.name}.data/{query}.csv",
        }

    def _tests(self, tables: set[str]) -> str:
        """How many tests the tables have, and how many passed."""
        nodes: list[Row] = [node for one in tables if (node := self._facts.by_name(one))]
        tests = {
            test["unique_id"]: (test["last"] or {}).get("status")
            for node in nodes
            for test in self._facts.tests[node["unique_id"]]
        }
        passed = sum(status == "pass" for status in tests.values())
        return f"{passed} of {len(tests)} tests passed" if tests else ""


def _shards(
    shown: list[Shown], options: Mapping[str, list[Option]], sizes: Mapping[str, int], key: str
) -> Iterator[tuple[str, str]]:
    """Scripts that give the page the states of its blocks, a few options of a filter in each."""
    places = {
        name: {one.value: place // sizes[name] for place, one in enumerate(some)}
        for name, some in options.items()
    }
    content: dict[str, dict[str, dict[str, Any]]] = {}
    for block in (one for one in shown if one.by):
        for choice, state in block.states.items():
            name = f"{block.by[0]}-{places[block.by[0]].get(choice[0], 0)}"
            content.setdefault(name, {}).setdefault(block.id, {})[_json(choice)] = state
    for name, states in content.items():
        yield (
            name,
            f"larderReport({_json(f'{name} of {key}')},{_json(states)});\n",
        )


def _json(value: Any) -> str:
    """As JSON.stringify writes it: by the values of its filters the script finds a state."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=charts.plain)


def _csv(file: Path, found: Result) -> None:
    """The rows of a query for a spreadsheet, which takes no text of it for a formula."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for values in (found.columns, *(row.values() for row in found.rows)):
            writer.writerow(
                [
                    f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
                    for value in values
                ]
            )


def _code() -> str:
    """All that pages are written by."""
    files = sorted(file for file in Path(__file__).parents[1].rglob("*.*") if file.suffix != ".pyc")
    return "\0".join(file.read_text() for file in files)


def _key(report: Report, facts: Facts, offered: list[Report], of_all: list[str]) -> str:
    """Two pages of the same key are the same. `of_all` is what all pages of an audience are made from."""
    parts = [
        report.file.read_text(),
        charts.BUNDLE,
        *of_all,
        str(facts.generation),
        *(f"{one.title} {one.audience}" for one in offered),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _keys(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / KEYS).read_text())
    except (OSError, ValueError):
        return {}
    return found


def _linked(name: str, before: Path, folder: Path) -> bool:
    """Whether a page could be taken as it was. A link, since nobody changes the files of a site."""
    beside = before / f"{name}.data"
    try:
        files = [before / f"{name}.html", *beside.iterdir()]
        os.link(files[0], folder / files[0].name)
    except FileNotFoundError:  # somebody did remove one
        return False
    (folder / beside.name).mkdir()
    for file in files[1:]:
        os.link(file, folder / file.relative_to(before))
    return True
