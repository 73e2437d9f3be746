"""A properties file of dbt: its columns are set from outside, and it is laid out in a compact form.

What is rewritten are the parts that are lists of facts: config, columns, constraints, tests, overrides. Everything else, and
every comment, stays as somebody wrote it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from larder.review.properties.flow import LOADER, WIDTH, entry, flow, pair, plain

Facts = dict[str, Any]
"""What the YAML says of one column."""

COMPACT = {"config", "overrides", "arguments"}
TABLES = {"models", "seeds", "tables"}
LISTS = {"constraints", "data_tests"}
CONTRACT = ("name", "data_type")
MEANING = ("description", "config")


@dataclass
class Item:
    """One column, with the lines of comment above it."""

    facts: Facts
    comments: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.facts["name"])


@dataclass(frozen=True)
class Table:
    """A model, seed or source table as its file has it. `name` of a source table is `<source>.<table>`."""

    kind: str
    name: str
    items: list[Item]


Fill = Callable[[Table], list[Item]]
"""What becomes of a table's columns."""


@dataclass
class _Text:
    """A file's lines, and what is said in it besides YAML: which lines are comments, which have one at their end."""

    lines: list[str]
    comments: set[int]
    trailing: dict[int, str]


def laid_out(content: str, fill: Fill) -> str:
    """The file with the columns that `fill` gives to each of its tables, in the compact form."""
    root = yaml.compose(content, LOADER)
    if not isinstance(root, yaml.MappingNode):
        return content
    text = _read(content, root)
    parts: list[str] = []
    done = 0
    for line, last, replacement in sorted(_replacements(root, text, fill), key=lambda one: one[0]):
        parts += [*text.lines[done:line], *replacement]
        done = last
    filled = "\n".join([*parts, *text.lines[done:]]).strip("\n") + "\n"
    if _rest(yaml.load(filled, LOADER)) != _rest(yaml.load(content, LOADER)):  # noqa: S506 (a safe loader)
        raise RuntimeError(f"the compact form would say something else:\n{filled}")
    return filled


def tables(content: str) -> list[Table]:
    """The tables of a file, as it has them."""
    found: list[Table] = []

    def look(table: Table) -> list[Item]:
        found.append(table)
        return table.items

    laid_out(content, look)
    return found


def _rest(value: Any) -> Any:
    """What nobody but the author may change: all but the columns, and what follows from them."""
    if isinstance(value, list):
        return [_rest(item) for item in value]
    if isinstance(value, dict):
        own = {"version", "column_types", *(("columns",) if "name" in value else ())}
        return {key: _rest(item) for key, item in value.items() if key not in own}
    return value


def _read(content: str, root: yaml.Node) -> _Text:
    lines = content.splitlines()
    covered: dict[int, list[tuple[int, int]]] = {}
    for node in _scalars(root):
        for number in range(node.start_mark.line, node.end_mark.line + 1):
            start = node.start_mark.column if number == node.start_mark.line else 0
            end = node.end_mark.column if number == node.end_mark.line else len(lines[number])
            covered.setdefault(number, []).append((start, end))
    comments, trailing = set(), {}
    for number, line in enumerate(lines):
        for at in (match.start() for match in re.finditer(r"(?:^|(?<=\s))#", line)):
            if not any(start <= at < end for start, end in covered.get(number, [])):
                if line[:at].strip():
                    trailing[number] = line[at:]
                else:
                    comments.add(number)
                break
    return _Text(lines, comments, trailing)


def _scalars(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        yield node
        return
    for part in node.value:
        for child in part if isinstance(part, tuple) else (part,):
            yield from _scalars(child)


def _replacements(root: yaml.MappingNode, text: _Text, fill: Fill) -> Iterator[tuple[int, int, list[str]]]:
    """First line, line after the last, and what stands there instead."""
    for key, value in root.value:
        if key.value == "version":
            last = value.end_mark.line + 1
            yield key.start_mark.line, last + int(last < len(text.lines) and not text.lines[last]), []
        elif isinstance(value, yaml.SequenceNode):
            for node, end in _spans(value.value, _end(value, text), text):
                yield from _in_node(key.value, node, end, text, fill)


def _in_node(
    kind: str, node: yaml.MappingNode, end: int, text: _Text, fill: Fill, source: str = ""
) -> Iterator[tuple[int, int, list[str]]]:
    said = {key.value: value for key, value in node.value}
    table = f"{source}{said['name'].value}" if "name" in said else ""
    items: list[Item] = []
    for (key, value), last in _pairs(node, end, text):
        if key.value == "columns" and kind in TABLES:
            items = fill(Table(kind, table, _items(value, key.start_mark.line, last, text)))
    if kind == "models" and "columns" not in said and (items := fill(Table(kind, table, []))):
        indent = node.start_mark.column
        yield end, end, [" " * indent + "columns:", *_columns(items, indent)]
    types = {item.name: item.facts.get("data_type") for item in items} if kind == "seeds" else {}
    for (key, value), last in _pairs(node, end, text):
        first, indent = key.start_mark.line, key.start_mark.column
        if kind == "sources" and key.value == "tables":
            for child, child_end in _spans(value.value, last, text):
                yield from _in_node("tables", child, child_end, text, fill, f"{table}.")
        elif key.value == "columns" and kind in TABLES:
            yield first, last, [_header(key, value, text), *_columns(items, indent)]
        elif key.value == "versions":
            for child, child_end in _spans(value.value, last, text):
                yield from _in_node("versions", child, child_end, text, fill)
        elif key.value in COMPACT and isinstance(value, yaml.MappingNode):
            yield first, last, _mapping(key, value, last, text, types)
        elif key.value in LISTS and kind != "unit_tests" and isinstance(value, yaml.SequenceNode):
            yield first, last, _list(key, value, last, text)


def _items(value: yaml.Node, key: int, end: int, text: _Text) -> list[Item]:
    items = []
    for node, last in _spans(value.value, end, text):
        first = node.start_mark.line
        inside = [text.lines[n].strip() for n in range(first, last) if n in text.comments]
        ends = [text.trailing[n] for n in range(first, last) if n in text.trailing]
        items.append(Item(plain(node), _above(first, text, key) + inside + ends))
    return items


def _columns(items: list[Item], indent: int) -> list[str]:
    lines = []
    for item in items:
        lines += [" " * (indent + 2) + comment for comment in item.comments]
        lines += column(item.facts, indent + 2)
    return lines


def column(facts: Mapping[str, Any], indent: int) -> list[str]:
    """One column: its contract, below that what it means, below that what is checked; on one line where that fits."""
    inner = indent + 3
    checks = {key: facts[key] for key in ("constraints", "data_tests") if key in facts}
    contract = {key: facts[key] for key in CONTRACT if key in facts}
    if checks.get("constraints") == [{"type": "not_null"}]:
        contract["constraints"] = checks.pop("constraints")
    other = {key: value for key, value in facts.items() if key not in {*contract, *checks, *MEANING}}
    meaning = {key: facts[key] for key in MEANING if key in facts}
    whole = flow({**contract, **meaning, **other, **checks})
    if indent + 2 + len(whole) <= WIDTH:
        return [" " * indent + "- " + whole]
    groups = [[", ".join(pair(*one) for one in contract.items())]]
    together = ", ".join(pair(*one) for one in {**meaning, **other}.items())
    if inner + len(together) < WIDTH:
        groups.append([together])
    else:
        groups += [entry(key, value, inner) for key, value in {**meaning, **other}.items()]
    groups += [entry(key, value, inner) for key, value in checks.items()]
    lines = [
        line + ("," if number == len(group) and group is not groups[-1] else "")
        for group in groups
        for number, line in enumerate(group, 1)
        if line
    ]
    return [
        " " * indent + "- {" + lines[0],
        *(" " * inner + line for line in lines[1:-1]),
        " " * inner + lines[-1] + "}",
    ]


def _mapping(
    key: yaml.Node, value: yaml.MappingNode, end: int, text: _Text, types: Mapping[str, Any]
) -> list[str]:
    """A mapping on one line; if it is longer, or has comments, a line for each of its keys. `types` are a seed's columns."""
    said = {name: types if name == "column_types" and types else item for name, item in plain(value).items()}
    first, indent = key.start_mark.line, key.start_mark.column
    pad = text.lines[first][:indent]
    line = pad + pair(key.value, said)
    if len(line) <= WIDTH and not _commented(first, end, text):
        return [line]
    if value.flow_style and _commented(first, end, text):
        return text.lines[first:end]
    lines = [_header(key, value, text)]
    for (child, _), last in _pairs(value, end, text):
        start = child.start_mark.line
        lines += [" " * (indent + 2) + comment for comment in _above(start, text, first)]
        one = " " * (indent + 2) + pair(child.value, said[child.value])
        if len(one) <= WIDTH and not _commented(start, last, text):
            lines.append(one)
        elif value.flow_style or child.value == "column_types":
            lines += [" " * (indent + 2) + more for more in entry(child.value, said[child.value], indent + 2)]
        else:
            lines += text.lines[start:last]
    return lines


def _list(key: yaml.Node, value: yaml.SequenceNode, end: int, text: _Text) -> list[str]:
    """A list on one line if it has one short item, else a line an item; what is longer stays as it is written."""
    first, pad = key.start_mark.line, " " * key.start_mark.column
    line = pad + pair(key.value, plain(value))
    if len(value.value) < 2 and len(line) <= WIDTH and not _commented(first, end, text):
        return [line]
    if value.flow_style and _commented(first, end, text):
        return text.lines[first:end]
    lines = [_header(key, value, text)]
    for node, last in _spans(value.value, end, text):
        start = node.start_mark.line
        lines += [f"{pad}  {comment}" for comment in _above(start, text, first)]
        one = f"{pad}  - {flow(plain(node))}"
        if value.flow_style or (len(one) <= WIDTH and not _commented(start, last, text)):
            lines.append(one)
        else:
            lines += text.lines[start:last]
    return lines


def _header(key: yaml.Node, value: yaml.Node, text: _Text) -> str:
    """The line of a key whose value follows below it, with the comment that may be on it."""
    line = key.start_mark.line
    return text.lines[line] if value.start_mark.line > line else f"{' ' * key.start_mark.column}{key.value}:"


def _pairs(
    node: yaml.MappingNode, end: int, text: _Text
) -> Iterator[tuple[tuple[yaml.Node, yaml.Node], int]]:
    starts = [key.start_mark.line for key, _ in node.value]
    for number, one in enumerate(node.value):
        yield one, _before(starts[number + 1], text) if number + 1 < len(starts) else end


def _spans(nodes: list[Any], end: int, text: _Text) -> Iterator[tuple[Any, int]]:
    """Each item of a list, and the line after its last."""
    for number, node in enumerate(nodes):
        following = nodes[number + 1].start_mark.line if number + 1 < len(nodes) else None
        yield node, end if following is None else _before(following, text)


def _end(node: yaml.Node, text: _Text) -> int:
    line = node.end_mark.line + (1 if node.end_mark.column else 0)
    return _before(min(line, len(text.lines)), text)


def _before(line: int, text: _Text) -> int:
    """The line after the last one that says something before this one: comments and blank lines belong to what follows."""
    while line and (line - 1 in text.comments or not text.lines[line - 1].strip()):
        line -= 1
    return line


def _above(line: int, text: _Text, key: int) -> list[str]:
    """The comment that stands right above a line, below the line of its key."""
    first = line
    while first - 1 > key and first - 1 in text.comments:
        first -= 1
    return [text.lines[number].strip() for number in range(first, line)]


def _commented(first: int, end: int, text: _Text) -> bool:
    return any(number in text.comments or number in text.trailing for number in range(first, end))
