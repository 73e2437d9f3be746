"""What dbt complains of before it runs anything, with the author's line and the name that was meant."""

import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path

from jinja2 import TemplateSyntaxError

from larder.core.settings import PROJECT
from larder.project import templates

UNKNOWN_NODE = re.compile(r"'\S+' \((\S+)\) depends on a (?:node|source) named '([\w.]+)'")

PREFIX = re.compile(r"^Encountered an error:\n")
YAML_SYNTAX = re.compile(
    r"Error reading \w+: (\S+) - .*Syntax error near line (\d+).*Raw Error:\n\s*-+\n(.*)", re.DOTALL
)
AT_LINE = re.compile(r"Error in \w+ \w+ \((\S+)\)\n\s*(.+)\n\s*line (\d+)(?:\n\s*(.+))?")
"""What Jinja refuses: the file, why, the line, and what stands there."""

UNKNOWN_DOC = re.compile(r"Documentation for '\S+' depends on doc '(\w+)'")
DOC = re.compile(r"{%-?\s*docs\s+(\w+)")
UNKNOWN_KEY = re.compile(r"(?:Custom\s+key|top-level\s+key)\s+`?(\w+)`?.*?in\s+file\s+`([^`]+)`", re.DOTALL)
OF_MODEL = re.compile(r"Parsing Error\n\s*(.*?) (?:on|of) model '?(\w+)'?:? (.*)")
NOT_ITS_FORM = re.compile(
    r"config given in .*?relative_path='([^']+)'.*?\{'name': '(\w+)'.* - at path \[(.*?)\]: (.*)"
)

NO_NODE = re.compile(
    r"Did not find matching node for patch with name '([^']+)'.*of file '([^']+)'", re.DOTALL
)

BLOCK = re.compile(
    r"Compilation Error\n\s*((?:Got nested tags|unexpected EOF|Reached EOF|Found).*)", re.DOTALL
)

EXCERPT = re.compile(r"LINE \d+: (.*)")
"""DuckDB's excerpt: the line of the compiled SQL, cut at both ends where it is long."""

NO_TABLE = re.compile(r"Table with name (\w+) does not exist")

KEY_TWICE = re.compile(r"Duplicate key (\S+) in .*?, line (\d+), .*?`([^`]+)`", re.DOTALL)


def plain(complaint: str) -> str:
    """A complaint of dbt's for the author of the file; of a fault of dbt's own the last line, which names it."""
    if "Traceback" in complaint:
        return complaint.strip().splitlines()[-1].strip()
    for known, told in KNOWN.items():
        if found := known.search(complaint):
            return told(*found.groups(default=""))
    return PREFIX.sub("", complaint)


def _twice(key: str, line: str, path: str) -> str:
    return f"{path}:{line}: the key {key} comes twice, and what is below one of them is not read"


def _unknown_node(path: str, name: str) -> str:
    names = {file.stem for part in ("models", "seeds") for file in (PROJECT / part).rglob("*.*")}
    if "." in name:
        texts = (file.read_text() for file in (PROJECT / "models").rglob("*__sources.yml"))
        names = {
            ".".join(found) for text in texts for found in re.findall(r"identifier: ([a-z]+)__(\w+)", text)
        }
    place = at(path, name, f"'{name.rpartition('.')[2]}'")
    return f"{place}: there is no model, seed or source named {name}{_meant(name, names)}"


def _block(why: str) -> str:
    """The macro or text whose blocks do not match: dbt does not say which."""
    for file in sorted((PROJECT / "macros").rglob("*.sql")):
        try:
            templates.JINJA.parse(file.read_text())
        except TemplateSyntaxError as error:
            return f"{file.relative_to(PROJECT)}:{error.lineno}: {error.message}"
    for file in sorted((PROJECT / "models").rglob("*.md")):
        if len(DOC.findall(text := file.read_text())) != text.count("enddocs"):
            return f"{file.relative_to(PROJECT)}: a block {{% docs … %}} is not ended by {{% enddocs %}}, or one is ended twice"
    return why


def _no_node(name: str, path: str) -> str:
    files = {file.stem for part in ("models", "seeds") for file in (PROJECT / part).rglob("*.[sc]*")}
    spelt = next((file for file in files if file.lower() == name.lower()), "")
    meant = (
        f"; its file is called {spelt}: give both one name, in lower case" if spelt else _meant(name, files)
    )
    return f"{at(path, f'name: {name}')}: there is no file of that name for {name}{meant}"


def _yaml(path: str, line: str, raw: str) -> str:
    """Of a file that is no YAML: dbt names it from the folder of its kind on."""
    full = next(
        (
            f"{part}/{path}"
            for part in ("models", "seeds", "tests", "macros")
            if (PROJECT / part / path).exists()
        ),
        path,
    )
    what = [text.strip() for text in raw.splitlines() if text.strip() and " line " not in text]
    return f"{full}:{line}: this is no YAML: {'; '.join(what)}; see how the lines around it are indented"


def _jinja(path: str, why: str, line: str, code: str) -> str:
    return f"{path}:{line}: {why}" + (f"\n  {code}" if code else "")


def _unknown_doc(name: str) -> str:
    blocks = {block for file in (PROJECT / "models").rglob("*.md") for block in DOC.findall(file.read_text())}
    places = [
        f"{file.relative_to(PROJECT)}:{line}"
        for file in sorted((PROJECT / "models").rglob("*.yml"))
        if (line := line_of(file, f"doc('{name}')"))
    ]
    return f"{', '.join(places) or 'models'}: there is no block {{% docs {name} %}}{_meant(name, blocks)}"


def _unknown_key(name: str, path: str) -> str:
    return f"{at(path, f'{name}:', name)}: dbt knows no key {name} here, and would not read it{_meant(name, KEYS)}"


def _of_model(what: str, model: str, why: str) -> str:
    places = (
        (file.relative_to(PROJECT), line_of(file, f"- name: {model}\n"))
        for file in PROJECT.rglob("models/**/*.yml")
    )
    return f"{next((f'{file}:{line}' for file, line in places if line), model)}: {what}: {why}"


def _not_its_form(path: str, name: str, part: str, why: str) -> str:
    place = at(f"models/{path}", f"- name: {name}\n")
    return f"{place}: {name}: {part and f'{part}: '}{why}"


def _meant(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


KEYS = re.findall(
    r"\w+",
    "access columns config constraints contract data_tests data_type description docs expect given group "
    "latest_version materialized meta metrics models name seeds sources tags unit_tests versions",
)
"""The keys of properties files that are mostly misspelt."""

KNOWN: dict[re.Pattern[str], Callable[..., str]] = {
    KEY_TWICE: _twice,
    UNKNOWN_NODE: _unknown_node,
    NO_NODE: _no_node,
    YAML_SYNTAX: _yaml,
    UNKNOWN_DOC: _unknown_doc,
    UNKNOWN_KEY: _unknown_key,
    OF_MODEL: _of_model,
    NOT_ITS_FORM: _not_its_form,
    AT_LINE: _jinja,
    BLOCK: _block,
}
"""Complaints that are said in other words, and which."""


def of_duckdb(path: str, message: str) -> str:
    """The author's file, with the line that DuckDB's excerpt shows, where it is one of its own."""
    excerpt = EXCERPT.search(message)
    return at(path, excerpt[1].strip(". ")) if excerpt else path


def table_meant(message: str) -> str:
    """How to read the model whose table DuckDB does not find, as where a schema is written instead."""
    found = NO_TABLE.search(message)
    is_model = found and any((PROJECT / "models").rglob(f"{found[1]}.sql"))
    return (
        f" A model is read by {{{{ ref('{found[1]}') }}}}, not by a hard-coded name."
        if found and is_model
        else ""
    )


def at(path: str, *texts: str) -> str:
    """A file of the project with the line of the first text that one line of it contains, where there is one."""
    found = next(filter(None, (line_of(PROJECT / path, text) for text in texts)), None)
    return f"{path}:{found}" if found else path


def line_of(file: Path, text: str) -> int | None:
    """The number of the one line of a file, with its end, that contains `text`; None where there is none, or several."""
    try:
        lines = file.read_text().splitlines(keepends=True)
    except OSError:
        return None
    found = [number for number, line in enumerate(lines, 1) if text and text in line]
    return found[0] if len(found) == 1 else None
