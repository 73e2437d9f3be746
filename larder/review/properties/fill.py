"""`larder yaml`: the properties files of models, seeds and sources, filled from the dictionary and the compiled SQL.

The dictionary decides what is said of a column, the SQL which columns a model has and in which order. What only one model
knows (constraints, tests, comments, a difference that it states) stays as it is.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestion.core.files import write_atomically
from larder.build.compiled import compiled
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.project import types
from larder.project.types import Columns
from larder.review.properties import dictionary as yaml_dictionary
from larder.review.properties import exposures
from larder.review.properties import files as yaml_files
from larder.review.properties.dictionary import FILE, Dictionary
from larder.review.properties.files import Item, Table

FOLDERS = ("models", "seeds")
META = {"class": "classification", "unit": "unit", "synthetic": "synthetic"}
DIFFERS = re.compile(r"# differs: ([a-z]+(?:, [a-z]+)*)(\. .+|\.)?$")

NEW_FILE = """models:
  - name: {name}
    description: ""
    config: {{meta: {{grain: []}}}}
    data_tests: [{{primary_key: {{arguments: {{columns: []}}}}}}]
    columns: []
"""
"""What dbt needs of a model, and what its author has to say."""


@dataclass
class Report:
    """What was found: new contents by file; changes that the command makes; problems that only a person can solve."""

    files: dict[Path, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def run(paths: Paths, names: list[str], check: bool) -> bool:
    """Write the files that differ, or with `check` only name them; False where something is left to do."""
    dictionary = yaml_dictionary.load(PROJECT)
    manifest = compiled(paths, "yaml").manifest
    report = compare(PROJECT, dictionary, by_name(manifest), names)
    if not check:
        for path, content in report.files.items():
            write_atomically(path, content)
    _render(report, check)
    return not report.problems and not (check and report.files)


def by_name(manifest: Mapping[str, Any]) -> dict[str, tuple[str, Columns]]:
    """The folder and the columns of each model's SQL; of a model with versions those of all, the largest and oldest first."""
    found: dict[str, tuple[str, Columns]] = {}
    columns = types.of_models(manifest)
    for unique_id in sorted(columns, key=lambda one: (-len(columns[one]), one)):
        node = manifest["nodes"][unique_id]
        folder = node["original_file_path"].rpartition("/")[0]
        earlier = found.get(node["name"], (folder, {}))[1]
        found[node["name"]] = (
            folder,
            {**earlier, **{k: v for k, v in columns[unique_id].items() if k not in earlier}},
        )
    return found


def compare(
    project: Path,
    dictionary: Dictionary,
    models: Mapping[str, tuple[str, Columns]],
    names: Iterable[str] = (),
) -> Report:
    """Hold every properties file to the dictionary and the SQL; with names, those of these models, seeds and sources."""
    wanted, report = set(names), Report(problems=list(dictionary.problems))
    used: dict[str, set[str]] = {}
    contents = dict(_contents(project, models))
    tables = {
        path: [table.name for table in yaml_files.tables(content)] for path, content in contents.items()
    }
    _require_known(wanted, [name for found in tables.values() for name in found])
    if not wanted:
        pages = exposures.files(project)
        report.files |= {
            path: text for path, text in pages.items() if not path.exists() or path.read_text() != text
        }
        report.problems += exposures.left_over(project, pages)
    for path, content in contents.items():
        if wanted and not wanted & {part for name in tables[path] for part in _names(name)}:
            continue
        file = str(path.relative_to(project))
        filled, used[file] = filled_in(file, content, dictionary, models, report)
        if not path.exists() or filled != path.read_text():
            report.files[path] = filled
    seen = {*dictionary.columns} if wanted else set().union(*used.values())
    _look_at_dictionary(project, dictionary, seen, report)
    return report


def filled_in(
    file: str,
    content: str,
    dictionary: Dictionary,
    models: Mapping[str, tuple[str, Columns]],
    report: Report,
) -> tuple[str, set[str]]:
    """The content of one properties file, filled, and the columns that it names; the report gets what there is to say."""
    filler = _Filler(file, dictionary, models, report)
    return yaml_files.laid_out(content, filler.fill), filler.used


def _contents(project: Path, models: Mapping[str, tuple[str, Columns]]) -> Iterator[tuple[Path, str]]:
    """Every properties file, and one to begin with for each model that has none."""
    described = set()
    for path in sorted(path for folder in FOLDERS for path in (project / folder).rglob("*.yml")):
        content = path.read_text()
        described |= {table.name for table in yaml_files.tables(content)}
        yield path, content
    for name, (folder, _) in sorted(models.items()):
        if name not in described:
            yield project / folder / f"{name}.yml", NEW_FILE.format(name=name)


def _names(table: str) -> set[str]:
    return {table, *table.split(".")}


def _require_known(wanted: set[str], tables: list[str]) -> None:
    known = {part for name in tables for part in _names(name)}
    for name in sorted(wanted - known):
        near = ", ".join(difflib.get_close_matches(name, sorted(known), 3)) or "larder yaml, for all of them"
        raise LarderError(f"there is no model, seed or source {name}", f"Did you mean: {near}")


def _look_at_dictionary(project: Path, dictionary: Dictionary, used: set[str], report: Report) -> None:
    path = project / FILE
    content = path.read_text()
    if (ordered := yaml_dictionary.laid_out(content)) != content:
        report.files[path] = ordered
    for name in sorted(set(dictionary.columns) - used):
        report.problems.append(f"{FILE}: {name}: no model, seed or source has such a column; remove the line")


@dataclass
class _Filler:
    """Fills the tables of one file, and notes what it does."""

    file: str
    dictionary: Dictionary
    models: Mapping[str, tuple[str, Columns]]
    report: Report
    used: set[str] = field(default_factory=set)

    def fill(self, table: Table) -> list[Item]:
        known = {item.name: item for item in table.items}
        sql = self.models[table.name][1] if table.kind == "models" and table.name in self.models else {}
        if gone := [name for name in known if sql and name not in sql]:
            self.report.changes.append(f"{self.file}: {', '.join(gone)}: removed, the SQL has no such column")
        if new := [name for name in sql if name not in known]:
            self.report.changes.append(f"{self.file}: {', '.join(new)}: added from the SQL")
        return [self._filled(known.get(name) or Item({"name": name}), sql.get(name)) for name in sql or known]

    def _filled(self, item: Item, sql_type: str | None) -> Item:
        self.used.add(item.name)
        column = self.dictionary.columns.get(item.name)
        if column is None:
            return self._unknown(item, sql_type)
        said = _said(item)
        differs, mark = _differs(item)
        if "type" in differs and sql_type:
            said["type"] = sql_type
        kept = [name for name in differs if name in said and said[name] != column.facts[name]]
        now = {name: said[name] if name in kept else fact for name, fact in column.facts.items()}
        self.report.changes += [f"{self.file}: {item.name}: {line}" for line in _contradictions(said, now)]
        self.report.problems += [
            f"{self.file}: {item.name}: {line}" for line in self._problems(differs, now, sql_type)
        ]
        return Item(_facts(item, now), _comments(item, mark, kept))

    def _problems(self, differs: list[str], now: Mapping[str, Any], sql_type: str | None) -> Iterator[str]:
        """What stands in the file and can be put right only by a person."""
        for name in differs:
            if name not in now:
                yield f"`# differs: {name}`: it may name {', '.join(now)}"
        for name, allowed in (("class", self.dictionary.classes), ("unit", self.dictionary.units)):
            if name in differs and now[name] not in allowed and (now[name] or name == "class"):
                yield f"{name} {now[name]!r} is none of {', '.join(allowed)}, see {FILE}"
        if sql_type and not types.same(sql_type, now["type"]):
            yield (
                f"the SQL gives {sql_type}, {FILE} says {now['type']}: cast it in the SQL, correct the dictionary, or write "
                "`# differs: type` above the column"
            )

    def _unknown(self, item: Item, sql_type: str | None) -> Item:
        said = _said(item)
        line = yaml_dictionary.to_add(
            item.name, {**said, "type": sql_type or said["type"]}, self.dictionary.classes
        )
        self.report.problems.append(f"{self.file}: {item.name}: not in {FILE} yet; add the line: {line}")
        return Item({"data_type": sql_type, **item.facts} if sql_type else item.facts, item.comments)


def _said(item: Item) -> dict[str, Any]:
    """What the YAML says of a column, by the dictionary's names; None where it says nothing."""
    meta = item.facts.get("config", {}).get("meta", {})
    synthetic = meta.get("synthetic")
    return {
        "type": item.facts.get("data_type"),
        "text": item.facts.get("description") or None,
        "class": meta.get("classification"),
        "unit": meta.get("unit"),
        "synthetic": None if synthetic is None else str(synthetic) == "true",
    }


def _contradictions(said: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What the YAML says and the dictionary does not; a type may be written in two ways."""
    for name, fact in now.items():
        if said[name] in (None, fact) or (name == "type" and types.same(said[name], fact)):
            continue
        yield (
            f"{name} is {said[name]!r}, {FILE} says {fact!r}, which larder yaml writes; to keep the other, "
            f"say `# differs: {name}` above the column"
        )


def _differs(item: Item) -> tuple[list[str], int | None]:
    """Which facts a comment above the column says are other ones here, and the number of its line."""
    for number, comment in enumerate(item.comments):
        if found := DIFFERS.fullmatch(comment):
            return found[1].split(", "), number
    return [], None


def _comments(item: Item, mark: int | None, kept: list[str]) -> list[str]:
    """The comments, with the mark naming what does differ; where nothing does, it goes."""
    if mark is None:
        return item.comments
    found = DIFFERS.fullmatch(item.comments[mark])
    reason = found[2] or "" if found else ""
    line = [f"# differs: {', '.join(kept)}{reason}"] if kept else []
    return [*item.comments[:mark], *line, *item.comments[mark + 1 :]]


def _facts(item: Item, now: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(item.facts.get("config", {}))
    meta = {META[name]: now[name] for name in META if now[name] is not None}
    own = {*META.values()}
    config["meta"] = {**meta, **{k: v for k, v in config.get("meta", {}).items() if k not in own}}
    return {**item.facts, "data_type": now["type"], "description": now["text"], "config": config}


def _render(report: Report, check: bool) -> None:
    for line in report.changes if check else []:
        console.out.print(line)
    for path in report.files:
        name = path.relative_to(PROJECT)
        if check:
            console.out.print(f"{name} differs from {FILE}, the SQL or the page; run: larder yaml")
        else:
            console.done(f"wrote {name}")
    if not check:
        for line in report.changes:
            console.note(line)
    for line in report.problems:
        console.out.print(line)
