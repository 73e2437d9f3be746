"""What the search looks through: a script that hands it over, because pages from disk may not load data."""

import json
import re
from collections.abc import Sequence
from typing import Any

from larder.site.facts import Facts, Row
from larder.site.pages import terms
from larder.site.reports.page import Report

LONGEST = 400
"""Letters of a text that are searched and shown."""


SHOWN: dict[str, str] = {"model": "table", "exposure": "report"}
"""Kinds of dbt by the words of readers."""

PREFERRED = {"marts": 0, "metrics": 1, "reports": 2}
"""Layers that come first among equal finds."""


def script(facts: Facts, reports: Sequence[Report]) -> str:
    """A call with `nodes` [kind, title, label, page, text, owner] and `columns` [name, place of its node, place of its text]."""
    nodes: list[list[Any]] = []
    columns: list[tuple[str, int, int]] = []
    texts: dict[str, int] = {}
    for place, node in enumerate(sorted(facts.nodes.values(), key=lambda node: _order(facts, node))):
        kind, described = SHOWN.get(node["kind"], node["kind"]), _short(node["description"])
        nodes.append(
            [kind, node["title"], node["label"] or "", node["page"], described, node["owner_name"] or ""]
        )
        for column in facts.columns[node["unique_id"]]:
            meant = texts.setdefault(_short(column["description"]), len(texts))
            columns.append((column["name"], place, meant))
    for term in terms(facts):
        place_of_term = f"glossary.html#{term['anchor']}"
        nodes.append(["term", term["term"], "", place_of_term, _short(term["description"]), ""])
    nodes += [["page", one.title, "", f"../{one.address}", _short(one.about), ""] for one in reports]
    found = {"nodes": nodes, "columns": columns, "texts": list(texts)}
    return f"larderSearch({json.dumps(found, ensure_ascii=False, separators=(',', ':'))});\n"


def _order(facts: Facts, node: Row) -> tuple[int, int, str]:
    """What people rely on first, and in it what most stands on."""
    return PREFERRED.get(node["layer"], 3), -len(facts.graph.far(node["unique_id"], True)), node["title"]


def _short(description: str | None) -> str:
    """The prose of a description, cut where it gets long."""
    return " ".join(re.sub(r"(?s)```.*?```", "", description or "").split())[:LONGEST]
