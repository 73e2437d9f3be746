"""A page as its author writes it: front matter, Markdown with Jinja, and fences for queries, charts, tables and figures."""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jinja2 import TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment
from markdown_it import MarkdownIt

from ingestion.core.text import first_line
from larder.core.errors import LarderError
from larder.core.settings import EVERYBODY
from larder.site.reports.formats import FILTERS, UNSHOWN

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
SIZE = 100_000
"""Bytes of a page's file."""

HEAD = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)
FENCES = ("sql", "chart", "table", "figures")
SAID = {"title": str, "audience": str, "owner": str, "about": str, "order": int, "filters": list}
"""What front matter may say; `order` and `filters` may be left out."""

FILTER = {"name": str, "label": str, "query": str}

NEEDED = {"chart": {"query", "title", "mark|layer|hconcat|vconcat|facet"}, "table": {"query", "title"}}
CHART = {"query": str, "title": str, "alt": str}
TABLE = {"query": str, "title": str, "columns": dict, "rows": int}
CARD = ("label", "value", "change")
"""The texts of a figure's card; `good` says which direction of a change is, `metric` what it is defined as."""
CARDS = dict.fromkeys(CARD, object) | {"good": str, "metric": str}

COMPUTED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|`[^`]*`|\]\([^)]*\)", re.DOTALL)
"""Parts of a text that its author does not claim: what Jinja gives, names in code, addresses of links."""

_PARSER = SandboxedEnvironment()
_PARSER.filters.update(FILTERS)


@dataclass(frozen=True)
class Filter:
    """A choice of the reader: the column of this `name` decides which rows of a query are shown. Rows of `query` are the options."""

    name: str
    label: str
    query: str


@dataclass(frozen=True)
class Block:
    """A piece of a page: prose, or what a fence says. `texts` are its templates, `uses` the queries that it shows."""

    kind: str
    line: int
    said: Any
    texts: tuple[str, ...]
    uses: frozenset[str]


@dataclass(frozen=True)
class Report:
    """A page. `queries` are in the order in which they run: each may read those before it."""

    name: str
    file: Path
    title: str
    audience: str
    owner: str
    about: str
    order: int
    filters: list[Filter]
    queries: dict[str, tuple[int, str]]
    blocks: list[Block] = field(repr=False)

    @property
    def address(self) -> str:
        """Where it is: below the site's folder, or for another audience below that of all data."""
        return f"{'reports' if self.audience == EVERYBODY else f'pages/{self.audience}'}/{self.name}.html"

    @property
    def root(self) -> str:
        """From the folder of the page to the catalog, whose style and script it has."""
        return "../catalog/" if self.audience == EVERYBODY else "../../site/catalog/"

    def wrong(self, line: int, reason: str, step: str) -> LarderError:
        return _wrong(self.file, line, reason, step)


def read(file: Path, name: str) -> Report:
    """Raises LarderError, with the line, for what is no page."""
    if file.resolve() != file.absolute():
        raise _wrong(file, 1, "a page is a file of its own, and no link", "Put the text in its place.")
    try:
        if file.stat().st_size > SIZE:
            raise _wrong(file, 1, f"a page has {SIZE:,} bytes at most", "Make two of it.")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, 1, f"it cannot be read: {error}", "Write it as text in UTF-8.") from error
    head = HEAD.match(text)
    if not head:
        raise _wrong(
            file,
            1,
            "a page begins with front matter between two lines of ---",
            f"It says: {', '.join(sorted(SAID))}.",
        )
    said = _yaml(file, 1, head[1], dict)
    _require_words(file, 1, said, SAID, SAID.keys() - {"order", "filters"})
    filters = [_filter(file, one) for one in said.pop("filters", [])]
    for named in (name, said["audience"], said["owner"], *(one.name for one in filters)):
        if not NAME.fullmatch(named):
            raise _wrong(
                file, 1, f"{named!r} is no name", "Write small letters, digits and _, a letter first."
            )
    lines_before = head[0].count("\n")
    queries: dict[str, tuple[int, str]] = {}
    parts = []
    for kind, line, info, content in _parts(text[head.end() :], lines_before):
        if kind == "sql":
            if not NAME.fullmatch(info) or info in queries:
                raise _wrong(
                    file, line, f"a query needs a name of its own, not {info!r}", "Write ```sql weekly_sales"
                )
            queries[info] = (line, content)
        elif kind not in (*FENCES, "prose"):
            raise _wrong(
                file, line, f"{kind} is no part of a page", f"A fence is one of {', '.join(FENCES)}."
            )
        else:
            parts.append((kind, line, content))
    if len({one.name for one in filters}) < len(filters):
        raise _wrong(file, 1, "two filters have the same name", "Leave one out.")
    blocks = [_block(file, kind, line, content, queries.keys()) for kind, line, content in parts]
    if not blocks:
        raise _wrong(file, 1, "it shows nothing", "Begin with the finding: # Sales {{ total.change | rose }}")
    for one in filters:
        if one.query not in queries:
            raise _wrong(
                file,
                1,
                f"there is no query {one.query} for the filter {one.name}",
                "Name one of the page's queries.",
            )
    return Report(
        name,
        file,
        said["title"],
        said["audience"],
        said["owner"],
        said["about"],
        said.get("order", 100),
        filters,
        queries,
        blocks,
    )


def _parts(text: str, lines_before: int) -> Iterator[tuple[str, int, str, str]]:
    """Kind, line, the fence's second word and content of each part, in order. A fence without a word is prose that shows code."""
    lines, done = text.splitlines(keepends=True), 0
    fences = [token for token in MarkdownIt().parse(text) if token.type == "fence" and token.level == 0]
    for token in fences:
        kind, _, info = token.info.strip().partition(" ")
        if kind and token.map:
            yield from _prose(lines, done, token.map[0], lines_before)
            yield kind, token.map[0] + lines_before + 1, info.strip(), token.content
            done = token.map[1]
    yield from _prose(lines, done, len(lines), lines_before)


def _prose(lines: list[str], start: int, end: int, lines_before: int) -> Iterator[tuple[str, int, str, str]]:
    content = "".join(lines[start:end])
    if content.strip():
        # The head of a page, its finding and what is behind it, stands apart from the first section.
        head = re.match(r"\s*# [^\n]*\n(?:(?!## ).*\n)*", content)
        for part in (content[: head.end()], content[head.end() :]) if head else (content,):
            if part.strip():
                line = start + lines_before + 1 + content[: content.index(part.lstrip("\n"))].count("\n")
                yield "prose", line, "", part.strip("\n") + "\n"


def _block(file: Path, kind: str, line: int, content: str, queries: Any) -> Block:
    said: Any
    texts: tuple[str, ...]
    uses: set[str] = set()
    if kind == "prose":
        said, texts = content, (content,)
    elif kind == "figures":
        said = _yaml(file, line, content, list)
        for one in said:
            _require_words(file, line, one, CARDS, {"label", "value"})
            if not NAME.fullmatch(one.get("metric", "none")):
                raise _wrong(file, line, f"{one['metric']!r} is no name of a metric", "See larder metrics.")
        texts = tuple(str(one.get(word, "")) for one in said for word in CARD)
    else:
        said = _yaml(file, line, content, dict)
        for needed in NEEDED[kind]:
            if not said.keys() & set(needed.split("|")):
                raise _wrong(
                    file, line, f"a {kind} needs {needed.replace('|', ' or ')}", "See docs/reports.md"
                )
        _require_words(
            file,
            line,
            said,
            TABLE if kind == "table" else {word: CHART.get(word, object) for word in said},
            set(),
        )
        texts, uses = (str(said["title"]), str(said.get("alt", ""))), {said["query"]}
    for text in texts:
        _require_computed(file, line, text)
        uses |= _named(file, line, text) & set(queries)
    if unknown := uses - set(queries):
        raise _wrong(
            file, line, f"there is no query {min(unknown)}", f"The page has {', '.join(queries) or 'none'}."
        )
    return Block(kind, line, said, texts, frozenset(uses))


def _filter(file: Path, said: Any) -> Filter:
    _require_words(file, 1, said, FILTER, FILTER.keys())
    return Filter(said["name"], said["label"], said["query"])


def _named(file: Path, line: int, text: str) -> set[str]:
    """The names that a template reads."""
    try:
        return meta.find_undeclared_variables(_PARSER.parse(text))
    except TemplateSyntaxError as error:
        raise _wrong(file, line + error.lineno - 1, str(error.message), "Put the template right.") from error
    except (TemplateError, ValueError, RecursionError) as error:
        raise _wrong(file, line, first_line(error), "Put the template right.") from error


def _require_computed(file: Path, line: int, text: str) -> None:
    """Figures come from queries: one that is typed is wrong after the next day."""
    claimed = COMPUTED.sub(lambda found: "\n" * found[0].count("\n"), text)
    if found := re.search(r"\d", claimed):
        raise _wrong(
            file,
            line + claimed[: found.start()].count("\n"),
            f"a figure is typed in {text.strip()[:60]!r}",
            "Take it from a query, {{ total.sales_usd | usd }}, or say it in words. What never changes may be quoted: {{ '90 %' }}.",
        )


def _require_words(file: Path, line: int, said: Any, known: Mapping[str, type], needed: Set[str]) -> None:
    if not isinstance(said, dict):
        raise _wrong(file, line, f"{said!r} is no mapping", f"It says: {', '.join(sorted(known))}.")
    if wrong := said.keys() - known.keys() or needed - said.keys():
        reason = "is unknown" if said.keys() - known.keys() else "is missing"
        raise _wrong(file, line, f"{min(map(str, wrong))} {reason}", f"It says: {', '.join(sorted(known))}.")
    for word, value in said.items():
        if not isinstance(value, known[word]):
            raise _wrong(file, line, f"{word} cannot be {value!r}", f"Write a {known[word].__name__}.")


def _yaml(file: Path, line: int, text: str, kind: type) -> Any:
    try:
        for event in yaml.parse(text):
            if isinstance(event, yaml.AliasEvent):  # a few stand for more than memory holds
                raise _wrong(file, line, "an alias of YAML", "Write it out.")
            if UNSHOWN.search(getattr(event, "value", "")):
                raise _wrong(file, line, "a character that no page can show", "Leave it out.")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        at = line + 1 + (mark.line if mark else 0)
        raise _wrong(
            file,
            at,
            f"this is no YAML: {getattr(error, 'problem', first_line(error))}",
            "A text with : or {{ in it needs quotes.",
        ) from error
    if not isinstance(found, kind):
        raise _wrong(file, line, f"a {kind.__name__} of YAML is expected", "See docs/reports.md")
    return found


def _wrong(file: Path, line: int, reason: str, step: str) -> LarderError:
    return LarderError(f"{file}, line {line}: {reason}", step)
