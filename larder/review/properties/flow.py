"""YAML in flow style, a line as long as a person reads it: `{name: units, data_type: bigint}`."""

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

WIDTH = 130
"""Columns of the longest line; only a single word may be longer."""

PROSE = {"description", "text"}

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SAFE = re.compile(r"[\w(./~$][\w ()'.+/<>=$^~*%;-]*")
"""What may stand without quotes inside of brackets, if it is read as a string; narrower than YAML allows."""


class Raw(str):
    """A scalar that is no string (a number, a day, true): written as it was."""

    __slots__ = ()


def plain(node: yaml.Node) -> Any:
    """A node's value, with scalars that are no strings kept as they are written."""
    if isinstance(node, yaml.MappingNode):
        return {plain(key): plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return node.value if node.tag == "tag:yaml.org,2002:str" else Raw(node.value or "null")


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(pair(key, item) for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and not isinstance(value, Raw):
        return value if _is_safe(value) else json.dumps(value, ensure_ascii=False)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def pair(key: str, value: Any) -> str:
    """`key: value` on one line. Prose is always quoted, so that a comma more changes nothing else."""
    quoted = key in PROSE and isinstance(value, str)
    return f"{flow(key)}: {json.dumps(value, ensure_ascii=False) if quoted else flow(value)}"


def entry(key: str, value: Any, indent: int) -> list[str]:
    """`key: value`, continued on further lines where it is too long for its indent."""
    line = pair(key, value)
    if indent + len(line) < WIDTH or not value:
        return [line]
    if isinstance(value, Mapping):
        nested = any(isinstance(item, Mapping | list) for item in value.values())
        parts = [entry(name, item, indent + 2) for name, item in value.items()]
        lines = (
            _opened(f"{flow(key)}: {{", parts, "}")
            if nested
            else _packed(f"{flow(key)}: {{", parts, "}", indent)
        )
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        lines = _opened(f"{flow(key)}: [", [_item(item, indent + 2) for item in value], "]")
    elif isinstance(value, list):
        lines = _packed(f"{flow(key)}: [", [[flow(item)] for item in value], "]", indent)
    else:
        lines = _folded(line, indent)
    return lines if max(map(len, lines)) + indent <= WIDTH else _folded(line, indent)


def _packed(bracket: str, parts: list[list[str]], closing: str, indent: int) -> list[str]:
    """Short parts in brackets, as many on a line as fit."""
    words = [part[0] + ("," if part is not parts[-1] else closing) for part in parts]
    lines = [bracket + words[0]]
    for word in words[1:]:
        if indent + len(lines[-1]) + 1 + len(word) <= WIDTH:
            lines[-1] += " " + word
        else:
            lines.append("  " + word)
    return lines


def _folded(line: str, indent: int) -> list[str]:
    """A line broken between words, if it says the same then."""
    words = textwrap.wrap(
        line, WIDTH - indent - 1, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    same = _loaded("\n".join(words)) == _loaded(line)
    return words if same else [line]


def _loaded(pairs: str) -> Any:
    return yaml.load("{" + pairs + "}", LOADER)  # noqa: S506 (a safe loader)


def _item(value: Any, indent: int) -> list[str]:
    line = flow(value)
    if indent + len(line) < WIDTH or not value or not isinstance(value, Mapping):
        return [line]
    return _opened("{", [entry(key, item, indent) for key, item in value.items()], "}")


def _opened(bracket: str, parts: list[list[str]], closing: str) -> list[str]:
    """Parts in brackets: the first on the line of the opening one, the others below."""
    lines = [
        line + ("," if line is part[-1] and part is not parts[-1] else "") for part in parts for line in part
    ]
    lines = [bracket + lines[0], *(f"  {line}" for line in lines[1:])]
    return [*lines[:-1], lines[-1] + closing]


def _is_safe(text: str) -> bool:
    if not SAFE.fullmatch(text) or text != text.strip():
        return False
    inside: Any = yaml.compose(f"[{text}]", LOADER)
    (node,) = inside.value
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str" and node.value == text
