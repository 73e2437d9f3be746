"""Who can notice a change, by column: models, what is defined over them, exposures, tests."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from larder.project.lineage.edges import Edge
from larder.project.lineage.names import ROWS
from larder.project.lineage.queries import columns_of
from larder.review.change.changes import PROJECT, Effect, Reached
from larder.review.change.semantics import Input, Semantics
from larder.review.change.states import Difference, State

Touched = dict[str, set[str]]
"""The columns of each node that can have other values, in lower case; ROWS: all of them, in any row."""


class Walk:
    """From the changed nodes down. `touched` has what can differ then, `reached` who has not only changed by itself."""

    def __init__(self, own: Mapping[str, Difference]) -> None:
        self.own = own
        self.touched: Touched = {PROJECT: {*own[PROJECT].reaches}} if PROJECT in own else {}
        self.reached: list[Reached] = []

    def meets(self, parent: str, column: str) -> bool:
        known = self.touched.get(parent, ())
        return ROWS in known or column.lower() in known

    def visit(self, name: str, node: Mapping[str, Any], inputs: Iterable[Input], more: Difference) -> None:
        """One node, after all that it reads; `more` is what else happens to it by what it reads."""
        hits = [(parent, mine) for parent, column, mine in inputs if self.meets(parent, column)]
        columns = {mine for _, mine in hits} | {*more.reaches}
        self.touched[name] = {mine.lower() for mine in columns} | {
            *(self.own.get(name) or Difference()).reaches
        }
        if columns or more.new:
            whole = ROWS in columns
            effect: Effect = "rows" if whole else "columns" if columns else "additive"
            through = {parent for parent, _ in hits} or {*node["depends_on"]["nodes"]} & self.own.keys()
            kind = node["resource_type"]
            shown = () if whole else tuple(sorted(columns | more.new))
            self.reached.append(Reached(name, kind, effect, shown, owner(node), tuple(sorted(through))))


def owner(node: Mapping[str, Any]) -> str:
    """Who answers for a node: by its owner, else by its group."""
    config = node.get("config", {})
    named = node.get("owner") or {}
    found = (config.get("meta") or {}).get("owner") or named.get("name") or named.get("email")
    return str(found or config.get("group") or "")


def walk(
    before: State, after: State, own: Mapping[str, Difference], follows: Mapping[str, Difference]
) -> Walk:
    """Everything that the changes of `own` reach; `follows` is what happens to those that show all columns of what they read."""
    done = Walk(own)
    for name, node in after.data.items():
        done.visit(name, node, _inputs(name, before, after, own), follows.get(name, Difference()))
    semantics = Semantics(after.manifest)
    for name in semantics.order:
        done.visit(name, semantics.node(name), semantics.inputs(name), Difference())
    for name, exposure in sorted(after.manifest["exposures"].items()):
        parents = exposure["depends_on"]["nodes"]
        reads = [
            (parent, column, column if column == ROWS else f"{parent.split('.')[2]}.{column}")
            for parent in parents
            for column in sorted(done.touched.get(parent, ()))
        ]
        done.visit(name, exposure, reads, Difference())
    return done


def _inputs(name: str, before: State, after: State, own: Mapping[str, Difference]) -> Iterator[Input]:
    """What the columns and rows of a node follow from. An unchanged one still reads what may be gone now."""
    if PROJECT in own and after.data[name]["resource_type"] != "source":
        yield PROJECT, ROWS, ROWS
    states = [after] if name in own or name not in before.data else [after, before]
    now = {was: new for new, was in after.renamed.items()}
    for state in states:
        relation = next((relation for relation, node in state.ids.items() if node == name), "")
        lineage = state.lineage.relations.get(relation)
        for mine, edges in [*lineage.values.items(), (ROWS, lineage.rows)] if lineage else []:
            for edge in edges:
                parent = state.ids.get(edge.relation, edge.relation)
                yield now.get(parent, parent) if state is before else parent, edge.column, mine


def tests(after: State, done: Walk, changed: Iterable[str]) -> list[str]:
    """The tests that can tell another result: those of what is touched, by column, and unit tests of changed models."""
    found = [
        name
        for name, test in after.manifest["unit_tests"].items()
        if {*test["depends_on"]["nodes"]} & {*changed}
    ]
    for name, test in after.manifest["nodes"].items():
        parents = test.get("depends_on", {}).get("nodes", [])
        if test["resource_type"] == "test" and any(done.touched.get(parent) for parent in parents):
            reads = columns_of(
                test["compiled_code"], {r: dict.fromkeys(c, "") for r, c in after.columns.items()}
            )
            edges: list[Edge] = [*reads.rows]
            if test["config"].get("fail_calc") not in {None, "count(*)"} or not re.search(
                r"\bwhere\b|\bhaving\b", test["compiled_code"]
            ):
                edges += [edge for own in reads.values.values() for edge in own]
            if any(done.meets(after.ids.get(edge.relation, edge.relation), edge.column) for edge in edges):
                found.append(name)
    return sorted(found)
