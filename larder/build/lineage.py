"""`larder lineage`: where a column of the project as it is now comes from, or whom it reaches."""

from collections.abc import Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from larder.build.compiled import Compiled, compiled
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project.lineage import project
from larder.project.lineage.edges import Edges, Lineage
from larder.project.lineage.names import ROWS, How, Origin
from larder.project.lineage.project import ProjectLineage

WORDS: Mapping[How, str] = {"copy": "copied", "mod": "computed", "scan": "decides which rows"}


def of_project(paths: Paths) -> ProjectLineage:
    """The lineage of the project's files as they are now."""
    return of_compiled(paths, compiled(paths, "lineage"))


def of_compiled(paths: Paths, found: Compiled) -> ProjectLineage:
    """The lineage of a compiled project; a model is traced again only where it or what it reads has changed."""
    return project.of_manifest(found.manifest, found.increments, paths.history / "lineage.json")


def find(lineage: ProjectLineage, name: str) -> list[Origin]:
    """The columns that `model` or `model.column` names: as a relation, with or without its schema, or as the project calls it.

    `model.*` are its rows.
    """
    if not name.strip():
        raise LarderError("no name is given", "Name MODEL or MODEL.COLUMN.")
    known: dict[str, list[Origin]] = {}
    for relation, own in lineage.relations.items():
        for short in (relation, relation.partition(".")[2], *lineage.called.get(relation, ())):
            known.setdefault(short.lower(), [(relation, column) for column in own.values])
            for column in (*own.values, ROWS):
                known.setdefault(f"{short}.{column}".lower(), [(relation, column)])
    if name.lower() not in known:
        near = get_close_matches(name.lower(), known, 1)
        raise LarderError(
            f"there is no {name}", f"Did you mean {near[0]}?" if near else "Name MODEL or MODEL.COLUMN."
        )
    return known[name.lower()]


def as_dict(lineage: ProjectLineage, columns: list[Origin], down: bool) -> list[dict[str, Any]]:
    """For each column its direct edges, why it is unresolved, and all that it derives from or, with `down`, reaches."""
    follow, key = (lineage.downstream, "reaches") if down else (lineage.upstream, "derives_from")
    return [
        {
            "relation": relation,
            "column": column,
            "unresolved": lineage.relations[relation].unresolved.get(column),
            "edges": [asdict(edge) for edge in _edges(lineage, (relation, column))],
            key: [[*there, how] for there, how in sorted(follow(relation, column).items())],
        }
        for relation, column in columns
    ]


def render(lineage: ProjectLineage, columns: list[Origin], down: bool) -> None:
    """Where values come from: of one column the whole way, of several one step. With `down` whom they reach."""
    if down:
        found = (reached for column in columns for reached in lineage.downstream(*column).items())
        _listed("reaches", [(WORDS[how], there) for there, how in found])
        return
    for column in columns:
        console.heading(".".join(column))
        _branch(lineage, column, 1, {column} if len(columns) == 1 else None)
    if len(columns) == 1:
        kinds = (
            (lineage.kinds.get(there[0], "not declared"), there) for there in lineage.upstream(*columns[0])
        )
        _listed("begins at", [(kind, there) for kind, there in kinds if kind != "model"])


def _branch(lineage: ProjectLineage, here: Origin, depth: int, shown: set[Origin] | None) -> None:
    """What a column has its values from; and what that has its own from, unless `shown` is None or has it."""
    relation = lineage.relations.get(here[0], Lineage())
    if reason := relation.unresolved.get(here[1]):
        console.note(f"unresolved, so it counts as derived from all that is read: {reason}")
    for edge in (edge for edge in _edges(lineage, here) if edge.how != "scan"):
        there = (edge.relation, edge.column)
        console.out.print(
            f"{'  ' * depth}{WORDS[edge.how]}  {'.'.join(there)}  {edge.expression[:80]}".rstrip()
        )
        if shown is not None and there not in shown:
            shown.add(there)
            _branch(lineage, there, depth + 1, shown)


def _edges(lineage: ProjectLineage, here: Origin) -> Edges:
    """The direct edges of a column, or of a relation's rows."""
    relation = lineage.relations.get(here[0], Lineage())
    return relation.rows if here[1] == ROWS else relation.columns.get(here[1], ())


def _listed(title: str, columns: list[tuple[str, Origin]]) -> None:
    """Columns by relation, and by what is said of them."""
    found: dict[tuple[str, str], set[str]] = {}
    for said, (relation, column) in columns:
        found.setdefault((relation, said), set()).add("its rows" if column == ROWS else column)
    rows = [[relation, said, ", ".join(sorted(own))] for (relation, said), own in sorted(found.items())]
    console.table(title, ["relation", "", "columns"], rows)
