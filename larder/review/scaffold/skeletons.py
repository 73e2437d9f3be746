"""`larder new`: skeletons of models and data tests in the house style, from the columns and types that the project has.

Nothing is written before all of it is known to fit. What only the author can say is marked `TODO:`, which a house rule refuses.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader

from ingestion.contracts.contract import contract
from ingestion.contracts.contract import path as contract_of
from ingestion.core.files import write_atomically
from larder.build.compiled import compiled
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.project import types
from larder.project.manifest import RELATIONS, Artifact
from larder.project.types import Columns
from larder.review.properties import dictionary as yaml_dictionary
from larder.review.properties import fill as yaml_fill
from larder.review.properties.flow import flow

LAYERS = {"stg": "staging", "int": "intermediate", **dict.fromkeys(("dim", "fct", "agg", "bridge"), "marts")}
"""The layer that each prefix stands for."""

READS = {
    "staging": ["source"],
    "intermediate": ["staging", "intermediate", "seed"],
    "marts": ["staging", "intermediate", "marts", "seed"],
}
"""What a model of each layer may read."""


@dataclass(frozen=True)
class Relation:
    """A model, seed or source table that a new file may read: its node of dbt's manifest, its columns, how SQL for dbt calls it."""

    node: Mapping[str, Any]
    columns: Columns
    call: str

    @property
    def grain(self) -> list[str]:
        source = self.node.get("source_name", "")
        tables = contract(source) if source and contract_of(source).exists() else {}
        key = tables[self.node["name"]].key if self.node["name"] in tables else ()
        return list(self.node["config"].get("meta", {}).get("grain", key))

    @property
    def owner(self) -> str:
        return str(self.node["config"].get("meta", {}).get("owner", "platform"))

    def meta(self, column: str) -> dict[str, Any]:
        """Class and unit of a column; nothing where its YAML does not have it."""
        return dict(self.node["columns"].get(column, {}).get("config", {}).get("meta", {}))


def relations(manifest: Artifact, columns: Mapping[str, Columns]) -> dict[str, Relation]:
    """All that can be read, by the name that a person gives: of a source `<source>.<table>`, of versions the latest."""
    found = {}
    for key, node in {**manifest["sources"], **manifest["nodes"]}.items():
        if node["resource_type"] in {*RELATIONS, "source"} and node.get("version") == node.get(
            "latest_version"
        ):
            own = columns.get(key) or {name: said["data_type"] for name, said in node["columns"].items()}
            path = [node["source_name"], node["name"]] if "source_name" in node else [node["name"]]
            call = f"{'source' if path[1:] else 'ref'}({', '.join(map(repr, path))})"
            found[".".join(path)] = Relation(node, own, call)
    return found


def model(paths: Paths, name: str, parents: Sequence[str], grain: list[str], domain: str) -> None:
    """Write the SQL and the YAML of a new model: the parents joined on their grain, added up to `grain` where one is given.

    Raises LarderError, and writes nothing, where a name does not fit.
    """
    require_free(name)
    manifest = compiled(paths, "new").manifest
    with types.tables(manifest) as (connection, columns):
        known = relations(manifest, columns)
        read = [find(known, parent) for parent in parents]
        folder = _folder(name, read, domain)
        owners = {column: parent for parent in reversed(read) for column in parent.columns}
        owners = {column: owners[column] for parent in read for column in parent.columns}
        for column in grain:
            require(column, owners, "column", ", ".join(parents))
        for parent in read[1:]:  # on its grain, so that no row is doubled
            if not parent.grain or any(owners[column] is parent for column in parent.grain):
                raise LarderError(
                    f"{parent.call} cannot be joined: its grain is {', '.join(parent.grain) or 'not stated'}",
                    "Name a model before it that has these columns, or join by hand.",
                )
        layer, dictionary = folder.parts[1], yaml_dictionary.load(PROJECT)
        own = grain or read[0].grain or [*read[0].columns][:1]
        given: dict[str, Any] = {
            "name": name,
            "layer": layer,
            "grain": own,
            "parents": read,
            "owners": owners,
        }
        sql = render("model.sql", **given, grouped=bool(grain), dictionary=dictionary.columns)
        calls = {one.call: one.node["relation_name"] for one in known.values()}
        plain = re.sub(r"{{ (.*?) }}", lambda call: calls[call[1]], sql)
        got = types.of_query(connection, f"({plain})")
    owner = "" if _gives_group(folder) else read[0].owner
    pointed = {column: there for column, there in _dimensions(manifest).items() if layer == "marts"}
    content, report = render("model.yml", **given, owner=owner, dimensions=pointed), yaml_fill.Report()
    file = folder / f"{name}.yml"
    filled, _ = yaml_fill.filled_in(str(file), content, dictionary, {name: (str(folder), got)}, report)
    write({folder / f"{name}.sql": sql, file: filled}, f"larder dev {name} --show {name}", report.problems)


def test(paths: Paths, name: str, parents: Sequence[str], purpose: str) -> None:
    """Write a data test: the rows of one model that break a rule, or the groups in which two do not add up to the same."""
    require_free(name)
    manifest = compiled(paths, "new").manifest
    known = relations(manifest, types.of_models(manifest))
    listed = {file.parent.name: file.relative_to(PROJECT) for file in sorted(PROJECT.glob("tests/*/_*.yml"))}
    require(purpose, listed, "purpose", "tests/")
    read = [find(known, parent) for parent in parents]
    if len(read) > 2:
        raise LarderError("a test compares two models", "Name one or two with --from.")
    file = listed[purpose]
    entry = f"{(PROJECT / file).read_text().rstrip()}\n\n{render('test.yml', name=name, owner=read[0].owner)}"
    write({file.parent / f"{name}.sql": render("test.sql", parents=read), file: entry}, f"larder dev {name}")


def report(paths: Paths, name: str, parent: str) -> None:
    """Write a page of the site with one chart: a mart added up by the first column of its grain."""
    require_free(name)
    manifest = compiled(paths, "new").manifest
    known = relations(manifest, types.of_models(manifest))
    page = render("report.md", parent=find(known, parent))
    write({Path("reports", f"{name}.md"): page}, "larder site --watch")


def find(known: Mapping[str, Relation], name: str) -> Relation:
    """The relation of a name."""
    require(name, known, "model, seed or source table", "the project")
    return known[name]


def require(name: str, known: Iterable[str], what: str, where: str) -> None:
    """Raises LarderError, with the nearest names, where something is not known."""
    names = sorted(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, 3) or names[:12]
        raise LarderError(f"there is no {what} {name} in {where}", f"Did you mean: {', '.join(near)}")


def require_name(name: str) -> None:
    """Raises LarderError where a name is none."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_+[a-z0-9]+)*", name):
        raise LarderError(f"{name!a} is no name", "Small letters, digits and _, with a letter first.")


def require_free(name: str) -> None:
    """Raises LarderError where a name is none, or taken."""
    require_name(name)
    folders = ("models", "reports", "tests", "seeds", "ingestion/contracts", "ingestion/sources")
    if there := [file for folder in folders for file in (PROJECT / folder).rglob(f"{name}.*")]:
        raise LarderError(
            f"{name} is taken: {there[0].relative_to(PROJECT)}", "Choose another name, or edit that file."
        )


def render(template: str, **given: Any) -> str:
    """A template next to this module, filled."""
    return _templates().get_template(f"{template}.j2").render(given)


def write(files: Mapping[Path, str], next_step: str, problems: Iterable[str] = ()) -> None:
    """Write all files, by paths below the project, or none; then say what comes next."""
    before = {file: (PROJECT / file).read_text() for file in files if (PROJECT / file).exists()}
    try:
        for file, content in files.items():
            write_atomically(PROJECT / file, content)
    except BaseException:
        for file in files:
            (PROJECT / file).unlink(missing_ok=True)
        for file, content in before.items():
            write_atomically(PROJECT / file, content)
        raise
    for file in files:
        console.done(f"{'added to' if file in before else 'wrote'} {file}")
    for problem in problems:
        console.note(problem)
    console.out.print(f"next: write what is marked TODO, then: {next_step}")


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    made = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.do"])  # noqa: S701, it is SQL
    made.filters.update(
        flow=flow, words=lambda names: " and ".join(n.removesuffix("_id") for n in names).replace("_", " ")
    )
    made.keep_trailing_newline = True
    return made


def _folder(name: str, read: Sequence[Relation], domain: str) -> Path:
    """Where a model belongs: by its prefix, and its source or domain. Raises LarderError where it may not read its parents."""
    layer = LAYERS.get(name.partition("_")[0], "")
    if not layer:
        raise LarderError(
            f"{name} says no layer", f"Begin with one of: {', '.join(f'{one}_' for one in LAYERS)}"
        )
    for node in (parent.node for parent in read):
        kind = node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"]
        if kind not in READS[layer]:
            raise LarderError(
                f"{name} may not read {node['name']}, a {kind}: {layer} reads {', '.join(READS[layer])}",
                "Name another with --from, or begin the name with another prefix.",
            )
        if layer == "staging" and not name.startswith(f"stg_{node['source_name']}__"):
            raise LarderError(
                f"{name} reads source {node['source_name']}", f"Name it stg_{node['source_name']}__<table>."
            )
    if layer == "staging":
        return Path("models", layer, read[0].node["source_name"])
    there = sorted(path.name for path in (PROJECT / "models" / layer).iterdir() if path.is_dir())
    domain = domain or (there[0] if len(there) == 1 else read[0].owner)
    require(domain, there, "domain", f"models/{layer}; name one with --domain")
    return Path("models", layer, domain)


def _gives_group(folder: Path) -> bool:
    """Whether dbt_project.yml says who owns the models of a folder."""
    said = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["models"]["larder"]
    return any("+group" in (said := said.get(part, {})) for part in folder.parts[1:])


def _dimensions(manifest: Artifact) -> dict[str, tuple[str, str]]:
    """For each key the dimension and its column that it points to, as most models test it."""
    tests = [node["test_metadata"] for node in manifest["nodes"].values() if node.get("test_metadata")]
    said = [
        test["kwargs"] for test in tests if test["name"] == "relationships" and "dim_" in test["kwargs"]["to"]
    ]
    counted = Counter((one["column_name"], one["to"], one["field"]) for one in said)
    return {column: (to, field) for (column, to, field), _ in reversed(counted.most_common())}
