"""What is on each page of the catalog, put together from the facts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from larder.site import drawing
from larder.site.drawing import Box, Drawing, Edge
from larder.site.facts import Facts, Row
from larder.site.reach import Column, by_node

MOST_DRAWN = 40
"""Nodes in a drawing, about; one with more of them shows less."""

MOST_IN_LAYER = 12
LETTER = 7.4
"""Pixels that a letter of a drawing takes at most, on average."""


@dataclass(frozen=True)
class Page:
    """One file: its address below the site's folder, and what its template shows."""

    path: str
    template: str
    context: dict[str, Any]


def pages(facts: Facts) -> Iterator[Page]:
    """Every page of the catalog."""
    yield Page("index.html", "overview.html", _overview(facts))
    ordered = sorted(_layers(facts), key=lambda layer: layer["name"] != "marts")
    yield Page("tables.html", "tables.html", {"layers": ordered})
    yield Page("metrics.html", "metrics.html", {"metrics": facts.of("metric")})
    yield Page("glossary.html", "glossary.html", {"terms": terms(facts)})
    yield Page("access.html", "access.html", _access(facts))
    yield Page("guide.html", "guide.html", {"guide": _guide(facts)})
    for domain, nodes in _domains(facts):
        context = {"domain": domain, "nodes_of_domain": nodes, "drawing": _entities(facts, nodes)}
        yield Page(f"domain/{domain}.html", "domain.html", context)
    for node in facts.nodes.values():
        yield Page(node["page"], "node.html", _node(facts, node))


def _overview(facts: Facts) -> dict[str, Any]:
    return {
        "layers": _layers(facts),
        "exposures": facts.of("exposure"),
        "metrics": facts.of("metric"),
        "core": [node for node in facts.of("model") if (node["layer"], node["domain"]) == ("marts", "core")],
        "domains": [(domain, len(nodes)) for domain, nodes in _domains(facts)],
        "sources": facts.rows("""
            select source_name, any_value(source_description) as description, max(loaded_at) as loaded_at,
                max(data_until) as data_until, sum(row_count) as row_count
            from site.nodes where kind = 'source' group by source_name having max(loaded_at) is not null order by source_name
        """),
        "news": facts.rows("from site.news"),
        "built": facts.rows("""
            select nodes.* from site.nodes as nodes
            where built_at = (select max(built_at) from site.nodes) and kind = 'model' order by row_count desc, title
        """),
        "owners": facts.rows("""
            select groups.*, count(*) as tables from dbt.groups as groups
            inner join site.nodes as nodes on groups.name = nodes.owner group by all order by groups.name
        """),
    }


def _layers(facts: Facts) -> list[Row]:
    """The layers of tables, each with what it is for and its tables by domain."""
    meant = {row["layer"]: row["description"] for row in facts.rows("from site.layer_texts")}
    tables = [node for node in facts.nodes.values() if node["kind"] not in ("metric", "exposure")]
    return [
        {
            "name": layer,
            "text": meant.get(layer),
            "domains": [
                (domain, list(of_domain)) for domain, of_domain in groupby(nodes, lambda node: node["domain"])
            ],
            "count": len(nodes),
        }
        for layer, found in groupby(tables, lambda node: str(node["layer"]))
        for nodes in [list(found)]
    ]


def _domains(facts: Facts) -> list[tuple[str, list[Row]]]:
    marts = [node for node in facts.of("model") if node["layer"] == "marts" and node["domain"]]
    return [(str(domain), list(nodes)) for domain, nodes in groupby(marts, lambda node: node["domain"])]


def terms(facts: Facts) -> list[Row]:
    """The words of the glossary, each with the pages of what implements it."""
    found = facts.rows("from larder.glossary order by lower(term)")
    for term in found:
        term["anchor"] = term["term"].replace(" ", "-")
        term["places"] = [(name, target) for name in term["see"] if (target := place_of(facts, name))]
    return found


def place_of(facts: Facts, name: str) -> str | None:
    """The address of `metric`, `schema.table` or `schema.table.column`."""
    table, _, column = name.rpartition(".")
    node = facts.by_name(name)
    if node:
        return str(node["page"])
    owner = facts.by_name(table)
    if owner and column in {one["name"] for one in facts.columns[owner["unique_id"]]}:
        return f"{owner['page']}#column-{column}"
    return None


def _access(facts: Facts) -> dict[str, Any]:
    """Who may see what: the audiences by class and by table, and what makes a value less than it was."""
    return {
        "audiences": facts.rows("from larder.audiences order by audience"),
        "by_class": facts.rows("from site.access_by_class"),
        "by_table": [node for node in facts.nodes.values() if node["unique_id"] in facts.access],
        "given": facts.access,
        "declassifiers": facts.rows("from site.declassifiers"),
    }


def _guide(facts: Facts) -> str:
    """The project's own introduction: the text that dbt's docs begin with."""
    found = facts.rows("select content from dbt.docs_blocks where name = '__overview__' order by unique_id")
    return str(found[0]["content"]) if found else ""


def _node(facts: Facts, node: Row) -> dict[str, Any]:
    name = node["unique_id"]
    picture = _lineage(facts, node)
    drawn = picture.places
    columns = [
        {**column, "lineage": _column_lineage(facts, name, column["name"])}
        for column in _columns(facts, node)
    ]
    return {
        "node": node,
        "columns": columns,
        "drawing": picture,
        "paths": {column["name"]: _path(facts, (name, column["name"]), drawn) for column in columns},
        "far": {"up": facts.graph.far(name, False), "down": facts.graph.far(name, True)},
        "reads": [one for one in facts.nodes.values() if one["unique_id"] in facts.graph.near(name, False)],
        "not_drawn": len(facts.graph.far(name, False)) + len(facts.graph.far(name, True)) + 1 - len(drawn),
        "tests": facts.tests[name],
        "rules": facts.rules[name],
        "history": facts.history[name],
        "access": facts.access.get(name, []),
        "versions": [
            one
            for one in facts.of("model")
            if node.get("version") and one["name"] == node["name"] and one["unique_id"] != name
        ],
    }


def _columns(facts: Facts, node: Row) -> list[Row]:
    """A metric is a column of its own name."""
    if node["kind"] != "metric":
        return facts.columns[node["unique_id"]]
    return [{"name": node["name"], "description": None}]


def _column_lineage(facts: Facts, node: str, column: str) -> dict[str, Any]:
    """Where a column comes from and what it reaches: near, and in the end."""
    key = (node, column)
    near = facts.reach.near(key, down=False)
    up, down = facts.reach.values(key, down=False), facts.reach.values(key, down=True)
    readers = by_node({one: how for one, how in down.items() if _kind(facts, one[0]) != "metric"})
    return {
        "copied": [edge.parent for edge in near if edge.how == "copy"],
        "computed": [edge.parent for edge in near if edge.how == "mod"],
        "expressions": sorted({edge.expression for edge in near if edge.how == "mod" and edge.expression}),
        "decided": by_node({edge.parent: "scan" for edge in near if edge.how == "scan"}),
        "origins": by_node(
            {one: how for one, how in up.items() if _kind(facts, one[0]) in ("source", "seed", None)}
        ),
        "readers": readers,
        "far_down": sum(map(len, readers.values())),
        "metrics": [one for one, _ in down if _kind(facts, one) == "metric"],
        "exposures": sorted(
            {
                one
                for reader in [node, *readers]
                for one in facts.graph.near(reader, True)
                if _kind(facts, one) == "exposure"
            }
        ),
        "decides": facts.reach.decides(key),
    }


def _kind(facts: Facts, node: str) -> str | None:
    """Of what the project does not declare nothing is known."""
    return facts.nodes[node]["kind"] if node in facts.nodes else None


def _path(facts: Facts, column: Column, drawn: Mapping[str, int]) -> dict[str, Any]:
    """The boxes of a drawing that the values of a column go through, with their names there, and the lines between."""
    boxes, lines = {column: "copy"}, set()
    for down in (False, True):
        reached = facts.reach.values(column, down)
        boxes |= reached
        for one in [column, *reached]:
            for edge in facts.reach.near(one, down):
                if edge.how != "scan" and edge.parent[0] in drawn and edge.child[0] in drawn:
                    lines.add((drawn[edge.parent[0]], drawn[edge.child[0]]))
    found = by_node({one: how for one, how in boxes.items() if one[0] in drawn})
    return {
        "boxes": {drawn[node]: ", ".join(name for name, _ in columns) for node, columns in found.items()},
        "lines": [f"{start} {end}" for start, end in sorted(lines)],
    }


def _lineage(facts: Facts, node: Row) -> Drawing:
    """A node between what it is made of and what reads it, by their distances: all of it, or the nearest."""
    name = node["unique_id"]
    up, down = (len(facts.graph.far(name, below)) for below in (False, True))
    before = _nearest(facts, name, False, max(MOST_DRAWN // 2, MOST_DRAWN - down))
    after = _nearest(facts, name, True, max(MOST_DRAWN // 2, MOST_DRAWN - up))
    ranks = {one: -distance for one, distance in before.items()} | after
    edges = [Edge(start, end) for start, end in facts.graph.edges if start in ranks and end in ranks]
    boxes = [_box(one, [_short(facts.nodes[one])]) for one in facts.nodes if one in ranks]
    return drawing.draw(boxes, edges, ranks)


def _nearest(facts: Facts, name: str, down: bool, most: int) -> dict[str, int]:
    """A node and the nearest ones in one direction, with their distances; of equals those on which most stands."""
    far = facts.graph.far(name, down)
    shown, in_layer = {name: 0}, Counter[int]()
    for one in sorted(far, key=lambda one: (far[one], -len(facts.graph.far(one, True)), one)):
        is_joined = not shown.keys().isdisjoint(facts.graph.near(one, not down))
        if is_joined and len(shown) <= most and in_layer[far[one]] < MOST_IN_LAYER:
            shown[one] = far[one]
            in_layer[far[one]] += 1
    return shown


def _entities(facts: Facts, nodes: list[Row]) -> Drawing:
    """The tables of a domain and those that their keys lead to, by the tests that hold the keys."""
    inside = {node["unique_id"] for node in nodes}
    found = [
        one
        for one in facts.rows("from site.relationships")
        if one["child"] in inside and one["parent"] in facts.nodes
    ]
    edges = [
        Edge(one["child"], one["parent"], one["child_column"], one["parent_column"])
        for one in found
        if one["child"] != one["parent"]
    ]
    names = {name for edge in edges for name in (edge.start, edge.end)}
    boxes = []
    for name in facts.nodes:
        if name in names:
            keys = [one["child_column"] for one in found if one["child"] == name]
            primary = list(facts.nodes[name]["primary_key"] or [])
            boxes.append(
                _box(
                    name, [_short(facts.nodes[name]), *primary, *(key for key in keys if key not in primary)]
                )
            )
    return drawing.draw(boxes, edges, drawing.ranked(edges, names))


def _short(node: Row) -> str:
    """A name without its schema."""
    return str(node["identifier"] or node["name"])


def _box(name: str, lines: list[str]) -> Box:
    return Box(name, lines, round(24 + LETTER * max(map(len, lines))), 24 + 18 * max(len(lines) - 1, 1))
