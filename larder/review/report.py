"""A review as Markdown for the pull request, as a page with all of it, and as a summary on a terminal."""

from collections import defaultdict
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.markdown import Markdown

from ingestion.core.files import write_atomically
from ingestion.core.redaction import redacted
from larder.core import console
from larder.core.settings import Paths
from larder.project.manifest import short_name
from larder.review.change.changes import PROJECT, NodeChange, Reached
from larder.review.review import Review
from larder.site import drawing, render
from larder.site.drawing import Box, Drawing, Edge
from larder.site.pages import LETTER, Page

MOST_CHARACTERS = 65_536
"""What a code host takes as one comment."""

MOST_OF_ONE = 400
"""Characters of one value or name."""

MOST_LISTED = (200, 50, 20, 8, 3, 1)
"""Entries of a list, tried until the Markdown is short enough."""

MOST_IN_LAYER = 7
"""Nodes of one distance that are drawn."""

EFFECTS = {"nothing": "no data", "additive": "new columns", "columns": "some columns", "rows": "any row"}


def write(paths: Paths, review: Review) -> Path:
    """Write review.md and index.html. Returns the folder."""
    folder, nodes = paths.data / "review", _nodes(review)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "review.md", redacted(markdown(review)))
    context = {**_context(review), "drawing": _drawing(review, nodes), "nodes_reached": len(nodes)}
    render.write([Page("index.html", "review.html", context)], render.environment({"nodes": nodes}), folder)
    return folder


def markdown(review: Review, listed: tuple[int, ...] = MOST_LISTED) -> str:
    """The report with as much of each list as a comment has room for."""
    template = render.environment({}).overlay(autoescape=False).get_template("review.md")
    texts = (template.render(_context(review), most=most) for most in listed)
    text = next((text for text in texts if len(text) < MOST_CHARACTERS), "")
    return (
        text or f"# {review.verdict}\n\nThere is too much to say in a comment: it is in review/index.html.\n"
    )


def show(review: Review, folder: Path) -> None:
    """Print the beginning of the report."""
    text = markdown(review, MOST_LISTED[2:])
    console.out.print(Markdown(text) if console.out.is_terminal else text)
    console.out.print(f"  page  {console.shown_path(folder / 'index.html')}")


def as_dict(review: Review) -> dict[str, Any]:
    """What `larder review --json` says."""
    return {"verdict": review.verdict, "state": review.state, **asdict(review)}


def figure(value: Any) -> str:
    """A value as people read it: thousands apart, a fraction to four digits."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int | Decimal) else str(value)


def difference(before: Any, after: Any) -> str:
    """How far a figure moved, with its share of what it was."""
    if not all(isinstance(one, int | float | Decimal) for one in (before, after)) or before == after:
        return "–"
    if isinstance(before, float) or isinstance(after, float):
        before, after = float(before), float(after)
    distance = after - before
    sign = "+" if distance > 0 else ""
    share = f" ({sign}{float(distance / abs(before)):.2%})" if before else ""
    return f"{sign}{figure(distance)}{share}"


def code(text: Any) -> str:
    """A text in a cell of Markdown that means nothing but itself."""
    plain = " ".join(console.plain(str(text)).split()).replace("`", "'")
    cut = plain if len(plain) <= MOST_OF_ONE else f"{plain[:MOST_OF_ONE]}…"
    return f"`{cut.replace('|', chr(92) + '|')}`" if cut else ""


def _context(review: Review) -> dict[str, Any]:
    """What both templates show."""
    own = {one.node for one in review.change.nodes}
    differing = [one for one in review.tables if one.changes_data]
    return {
        "review": review,
        "differing": differing,
        "direct": [one for one in differing if one.node in own],
        "follows": [one for one in differing if one.node not in own],
        "reached": [one for one in review.change.reached if one.node not in own],
        "owners": sorted({one.owner for one in review.change.reached} - {""}),
        "changed": lambda sums: [one for one in sums if one["before"] != one["after"]],
        "anchor": lambda node: node.replace(".", "-"),
        **{"figure": figure, "difference": difference, "code": code, "short": short_name},
    }


def _nodes(review: Review) -> dict[str, dict[str, str]]:
    """What the drawing says of a node: how its data change, else which effect the change could have."""
    nodes: list[NodeChange | Reached] = [*review.change.nodes, *review.change.reached]
    said = {one.node: EFFECTS[one.effect] for one in nodes if one.node != PROJECT}
    said |= {t.node: f"{t.rows.differing:,} rows differ" if t.rows else t.note for t in review.tables}
    moved = {f"metric.larder.{m.name}": m.note or difference(m.before, m.after) for m in review.metrics}
    said |= {node: moved[node] for node in said.keys() & moved}
    return {
        node: {
            "page": f"#{node.replace('.', '-')}",
            "title": short_name(node),
            "kind": node.partition(".")[0],
        }
        | {"meaning": effect, "domain": effect, "layer": ""}
        for node, effect in said.items()
    }


def _drawing(review: Review, said: dict[str, dict[str, str]]) -> Drawing:
    """What changes and what it reaches; of each distance those that most others read."""
    edges = [
        Edge(above, one.node) for one in review.change.reached for above in one.through if above != one.node
    ]
    ranks = drawing.ranked(edges, {*said, *(node for edge in edges for node in edge[:2])})
    layers = defaultdict[int, list[str]](list)
    for node in sorted(said, key=lambda node: (-sum(edge.start == node for edge in edges), node)):
        layers[ranks[node]].append(node)
    names = [node for layer in layers.values() for node in layer[:MOST_IN_LAYER]]
    widths = {node: max(len(said[node]["title"]), len(said[node]["domain"])) for node in names}
    boxes = [Box(node, [said[node]["title"]], round(24 + LETTER * widths[node]), 42) for node in names]
    return drawing.draw(boxes, [edge for edge in edges if {*edge[:2]} <= {*names}], ranks)
