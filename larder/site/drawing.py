"""Drawings of nodes in layers from left to right, laid out here: SVG in which every box is a link.

Layers, their order and their places as Sugiyama has them, without a library: what there is for Python either starts Graphviz or
is no longer kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from statistics import fmean
from typing import NamedTuple

BETWEEN_LAYERS = 72
BETWEEN_BOXES = 10
SWEEPS = 12


class Edge(NamedTuple):
    """From one box to another, or from a line of its text to one of the other's."""

    start: str
    end: str
    start_line: str = ""
    end_line: str = ""


@dataclass(eq=False)
class Box:
    """A node, `width` and `height` in pixels. `lines` are its name and what stands below it."""

    key: str
    lines: list[str]
    width: int
    height: int
    x: float = 0
    y: float = 0
    near: list["Box"] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    def height_of(self, line: str) -> float:
        """Where a line of its text stands, else the middle."""
        return self.y + 14 + 18 * self.lines.index(line, 1) if line in self.lines[1:] else self.middle


@dataclass(frozen=True)
class Line:
    """`is_aside`: it does not lead to the next layer, so it crosses others, and is shown on demand."""

    start: str
    end: str
    path: str
    is_aside: bool


@dataclass(frozen=True)
class Drawing:
    """Boxes in their places, and the lines between them, in pixels."""

    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]

    @property
    def places(self) -> dict[str, int]:
        """The place of each box, by its key."""
        return {box.key: place for place, box in enumerate(self.boxes)}


def draw(boxes: list[Box], edges: Iterable[Edge], ranks: Mapping[str, int]) -> Drawing:
    """Lay out boxes in layers by their ranks."""
    by_key, by_rank = {box.key: box for box in boxes}, defaultdict(list)
    for box in boxes:
        by_rank[ranks[box.key]].append(box)
    layers = [by_rank[rank] for rank in sorted(by_rank)]
    for start, end, *_ in edges:
        if ranks[start] != ranks[end]:
            by_key[start].near.append(by_key[end])
            by_key[end].near.append(by_key[start])
    _order(layers, ranks)
    _place(layers)
    return Drawing(
        width=round(max((box.x + box.width for box in boxes), default=0)),
        height=round(max((box.y + box.height for box in boxes), default=0)),
        boxes=boxes,
        lines=[
            Line(one.start, one.end, _path(by_key, one), ranks[one.end] - ranks[one.start] != 1)
            for one in edges
        ],
    )


def ranked(edges: Iterable[Edge], nodes: Iterable[str]) -> dict[str, int]:
    """The layer of each node: 0 for what nothing leads to, else one more than the last of what leads to it.

    Where edges lead in a circle, all nodes stand in one layer.
    """
    before: dict[str, set[str]] = {node: set() for node in nodes}
    for start, end, *_ in edges:
        before[end].add(start)
    found: dict[str, int] = {}
    try:
        for node in TopologicalSorter(before).static_order():
            found[node] = 1 + max((found[one] for one in before[node]), default=-1)
    except CycleError:
        return dict.fromkeys(before, 0)
    return found


def _order(layers: list[list[Box]], ranks: Mapping[str, int]) -> None:
    """Sort each layer by where its neighbours in earlier layers stand, then in later ones, to and fro: few lines cross."""
    for layer in layers:
        _count(layer)
    for sweep in range(SWEEPS):
        side = 1 if sweep % 2 else -1
        for layer in layers[::-side]:
            middles = {}
            for box in layer:
                near = [other.y for other in box.near if (ranks[other.key] - ranks[box.key]) * side > 0]
                middles[box] = fmean(near) if near else box.y
            layer.sort(key=middles.__getitem__)
            _count(layer)


def _count(layer: list[Box]) -> None:
    for place, box in enumerate(layer):
        box.y = place - len(layer) / 2


def _place(layers: list[list[Box]]) -> None:
    """Give each box its place: layers side by side, and in a layer as near to its neighbours as there is room."""
    x = 0.0
    for layer in layers:
        width = max(box.width for box in layer)
        for place, box in enumerate(layer):
            box.x, box.width, box.y = x, width, place * (box.height + BETWEEN_BOXES)
        x += width + BETWEEN_LAYERS
    for sweep in range(SWEEPS):
        for layer in layers[:: 1 if sweep % 2 else -1]:
            _settle(layer)
    top = min((box.y for layer in layers for box in layer), default=0)
    for layer in layers:
        for box in layer:
            box.y = round(box.y - top)


def _settle(layer: list[Box]) -> None:
    """Move the boxes of a layer to the middle of their neighbours, in their order, without one over another."""
    wished = [
        fmean(other.middle for other in box.near) - box.height / 2 if box.near else box.y for box in layer
    ]
    free = wished[0]
    for box, wish in zip(layer, wished, strict=True):
        box.y = max(wish, free)
        free = box.y + box.height + BETWEEN_BOXES
    shift = fmean(wish - box.y for box, wish in zip(layer, wished, strict=True))
    for box in layer:
        box.y += shift


def _path(boxes: Mapping[str, Box], edge: Edge) -> str:
    """A smooth line from the right side of a box to the left side of one further right, else to its right side."""
    start, end = boxes[edge.start], boxes[edge.end]
    x, to = start.x + start.width, end.x
    half = (x + to) / 2
    if to < x:
        to += end.width
        half = max(x, to) + BETWEEN_LAYERS / 2
    y, to_y = start.height_of(edge.start_line), end.height_of(edge.end_line)
    return f"M{x:.0f} {y:.0f}C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {to:.0f} {to_y:.0f}"
