"""Where columns come from and how far they reach, near and far."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

Item = TypeVar("Item")

Column = tuple[str, str]
"""A node's id and a column's name; the name `*` is the rows of the node."""


@dataclass(frozen=True)
class Edge:
    """`how` is copy, mod (computed by `expression`) or scan (it decides only which rows there are)."""

    parent: Column
    child: Column
    how: str
    expression: str


class Graph:
    """Which node reads which."""

    def __init__(self, edges: Iterable[tuple[str, str]]) -> None:
        self.edges = list(edges)
        self._near: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
        for parent, child in self.edges:
            self._near[True][parent].append(child)
            self._near[False][child].append(parent)
        self.far = cache(self._far)

    def near(self, node: str, down: bool) -> list[str]:
        return self._near[down].get(node, [])

    def _far(self, node: str, down: bool) -> dict[str, int]:
        """All nodes in a direction, the nearest first, each with its distance."""
        return _walk([node], lambda one: self.near(one, down))


class Reach:
    """The lineage of columns, walked in both directions."""

    def __init__(self, edges: Iterable[Edge], graph: Graph) -> None:
        self._graph = graph
        self._near: dict[bool, dict[Column, list[Edge]]] = {True: defaultdict(list), False: defaultdict(list)}
        for edge in edges:
            self._near[True][edge.parent].append(edge)
            self._near[False][edge.child].append(edge)

    def near(self, column: Column, down: bool) -> list[Edge]:
        return self._near[down].get(column, [])

    def values(self, column: Column, down: bool) -> dict[Column, str]:
        """The columns that its value goes into, or comes from: `copy` where it is copied on the whole way, else `mod`."""
        copied = _walk([column], self._step(down, ("copy",)))
        found = _walk([column], self._step(down, ("copy", "mod")))
        return {one: "copy" if one in copied else "mod" for one in found}

    def decides(self, column: Column) -> list[str]:
        """The nodes that have none of its values and yet not the same rows without it."""
        values = [column, *self.values(column, down=True)]
        touched = {
            edge.child[0] for one in values for edge in self.near(one, down=True) if edge.how == "scan"
        }
        reached = touched.union(*(self._graph.far(node, True) for node in touched))
        return sorted(reached - {node for node, _ in values})

    def _step(self, down: bool, how: tuple[str, ...]) -> Callable[[Column], list[Column]]:
        def step(column: Column) -> list[Column]:
            return [
                edge.child if down else edge.parent for edge in self.near(column, down) if edge.how in how
            ]

        return step


def _walk(begin: list[Item], step: Callable[[Item], Iterable[Item]]) -> dict[Item, int]:
    """What can be reached, without the beginning, by its distance."""
    found: dict[Item, int] = dict.fromkeys(begin, 0)
    waiting = deque(begin)
    while waiting:
        one = waiting.popleft()
        for other in step(one):
            if other not in found:
                found[other] = found[one] + 1
                waiting.append(other)
    return {one: distance for one, distance in found.items() if distance}


def by_node(columns: Mapping[Column, str]) -> dict[str, list[tuple[str, str]]]:
    """Columns with how, by their nodes."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (node, column), how in columns.items():
        found[node].append((column, how))
    return found
