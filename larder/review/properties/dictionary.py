"""governance/columns.yml: what is true of a column wherever it appears. It is read, checked and laid out here."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from larder.core.errors import LarderError
from larder.core.twice import twice
from larder.review.properties.flow import LOADER, WIDTH, Raw, entry, pair

FILE = "governance/columns.yml"
TEXTS = "models/_docs/columns.md"
"""Where a new block belongs; those that only one domain uses lie with its models."""
INDENT = 4

FIELDS = {"type", "class", "unit", "synthetic", "doc", "text"}
HEAD = ("classes", "tiers", "units", "columns")


@dataclass(frozen=True)
class Column:
    """What the dictionary says of one column; `description` is what dbt reads: a text, or the doc block that has it."""

    type: str
    description: str
    meta: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """The same by the names that `# differs:` uses."""
        return {
            "type": self.type,
            "text": self.description,
            "class": self.meta.get("classification"),
            "unit": self.meta.get("unit"),
            "synthetic": self.meta.get("synthetic"),
        }


@dataclass(frozen=True)
class Dictionary:
    """The columns by name, the allowed words, and what is wrong with the file: one line each."""

    columns: dict[str, Column]
    classes: list[str]
    units: list[str]
    problems: list[str]


def load(project: Path) -> Dictionary:
    """Read the dictionary and the names of the doc blocks. A file that is no dictionary is an error."""
    content = _read(project / FILE)
    texts = "".join(path.read_text() for path in sorted((project / "models").rglob("*.md")))
    blocks = set(re.findall(r"{%-?\s*docs\s+(\w+)", texts))
    classes, units = list(content["classes"]), list(content["units"])
    problems = [
        f"{FILE}: {name}: {problem}"
        for name, said in content["columns"].items()
        for problem in _problems(name, said, blocks, classes, units)
    ]
    columns = {name: _column(name, said) for name, said in content["columns"].items()}
    return Dictionary(columns, classes, units, problems)


def laid_out(text: str) -> str:
    """The file with its columns in the order of the alphabet, a line each where it fits; head and comments stay."""
    head, mark, body = text.partition("\ncolumns:\n")
    comments: dict[str, list[str]] = {}
    above: list[str] = []
    for line in body.splitlines():
        if line.startswith("  #"):
            above.append(line)
        elif name := re.match(r"  (\w+):", line):
            comments[name[1]], above = above, []
    columns = yaml.load(text, LOADER)["columns"]  # noqa: S506 (a safe loader)
    lines = [
        line for name, said in sorted(columns.items()) for line in (*comments[name], *lines_of(name, said))
    ]
    return head + mark + "\n".join([*lines, *above]) + "\n"


def lines_of(name: str, said: Mapping[str, Any]) -> list[str]:
    """One column's lines: all in one, or its text below the rest."""
    short = {key: said[key] for key in ("type", "class", "unit", "synthetic", "doc") if key in said}
    whole = "  " + pair(name, {**short, "text": said["text"]} if "text" in said else short)
    if len(whole) <= WIDTH or "text" not in said:
        return [whole]
    text = [" " * INDENT + line for line in entry("text", said["text"], INDENT)]
    return ["  " + pair(name, short).removesuffix("}") + ",", *text[:-1], text[-1] + "}"]


def to_add(name: str, said: Mapping[str, Any], classes: Iterable[str]) -> str:
    """The line that a person adds for a column that the dictionary does not know yet, with what is known of it."""
    known = {key: said[key] for key in ("type", "class", "unit", "synthetic", "text") if said.get(key)}
    asked = {"type": "…", "class": Raw("|".join(classes)), "text": "…"}
    return pair(name, {key: known.get(key, asked.get(key)) for key in (*asked, *known)})


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        content = yaml.load(text, LOADER)  # noqa: S506 (a safe loader)
    except (OSError, yaml.YAMLError) as error:
        raise LarderError(
            f"{FILE} cannot be read: {error}", "Correct it where the message points."
        ) from error
    if not isinstance(content, dict) or [
        key for key in HEAD if not isinstance(content.get(key), dict | list)
    ]:
        raise LarderError(f"{FILE} needs {', '.join(HEAD)}", f"Compare: git diff {FILE}")
    if again := [*twice(yaml.compose(text, LOADER))]:
        raise LarderError(f"{FILE} says {', '.join(again)} twice", "Keep one of the two lines.")
    return content


def _column(name: str, said: Mapping[str, Any]) -> Column:
    meta = {
        "classification": said.get("class"),
        "unit": said.get("unit"),
        "synthetic": said.get("synthetic"),
    }
    text = said.get("text") or f"{{{{ doc('{said.get('doc', name)}') }}}}"
    return Column(
        said.get("type", ""), text, {key: value for key, value in meta.items() if value is not None}
    )


def _problems(
    name: str, said: Mapping[str, Any], blocks: set[str], classes: list[str], units: list[str]
) -> Iterable[str]:
    if not said.get("type"):
        yield "says no type"
    if said.get("class") not in classes:
        yield f"class {said.get('class')!r} is none of {', '.join(classes)}"
    if said.get("unit") not in [None, *units]:
        yield f"unit {said['unit']!r} is none of {', '.join(units)}; a new one is added under units in the same file"
    block = said.get("doc", name)
    if "text" not in said and block not in blocks:
        near = difflib.get_close_matches(block, sorted(blocks), 4)
        like = f" (there are {', '.join(near)})" if near else ""
        yield f"has no text, and {TEXTS} no block {block}{like}: write text, or the block"
    if "text" in said and "doc" in said:
        yield f"says text, and has the block {said['doc']} as well: keep one"
    if set(said) - FIELDS:
        yield f"says {', '.join(sorted(set(said) - FIELDS))}; it may say {', '.join(sorted(FIELDS))}"
