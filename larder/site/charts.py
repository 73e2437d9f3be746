"""Charts of reports: what an author writes in Vega-Lite, in Larder's look, drawn as SVG at build time.

Colours are variables of the page's style (`var(--ink)`, the series `--c1` to `--c6`, the steps `--s1` to `--s5`), so that one drawing
serves light, dark and paper. A colour between two variables cannot be computed: scales of colour have steps.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import vl_convert

WIDE, NARROW = 720, 340
"""Pixels: each chart is drawn for a desk and for a phone, and the style shows the one that fits."""

AXIS, SPACING, CELL = 44, 30, 150
"""Pixels that an axis takes, that lie between small multiples, and that one of them needs."""

SCALES = {
    ("x", "temporal"): "utc",  # a day stays that day, wherever the reader is
    ("y", "temporal"): "utc",
    ("color", "quantitative"): "quantize",
    ("fill", "quantitative"): "quantize",
}
ADDRESSES = {"data", "datasets", "url", "href", "usermeta"}
"""Words of Vega-Lite, and of Embed, that lead out of the page, or bring other data than its query gives."""

ID = re.compile(r'(?<= id=")[^"<>]+|(?<=url\(#)[^)"<>]+|(?<=href="#)[^"<>]+')
"""Within a tag: texts of the data have no < or > left, and may have all else."""

STEPS = [f"var(--s{step})" for step in range(1, 6)]
SMALL = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
QUIET = SMALL | {"labelColor": "var(--quiet)", "titleColor": "var(--quiet)", "titlePadding": 8}
INK = SMALL | {"labelColor": "var(--ink)", "titleColor": "var(--ink)", "title": None}
ZERO = {"condition": {"test": "datum.value === 0", "value": "var(--zero)"}, "value": "var(--line)"}
ABOVE = {"titleAlign": "left", "titleAnchor": "start", "titleAngle": 0, "titleBaseline": "bottom"}
STEPPED = {"gradientLength": 190, "gradientThickness": 10, "gradientStrokeColor": None}
CONFIG: dict[str, Any] = {
    "background": None,
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",  # all as wide; vl-convert brings the first
    "numberFormat": ",.3~f",
    "timeFormat": "%-d %b %Y",
    "view": {"stroke": None, "step": 28},
    "scale": {"bandPaddingInner": 0.28},
    "range": {
        "category": [f"var(--c{place})" for place in range(1, 7)],
        "diverging": [f"var(--d{step})" for step in range(1, 6)],
        **dict.fromkeys(("heatmap", "ordinal", "ramp"), STEPS),
    },
    "axis": QUIET | {"domain": False, "ticks": False, "gridColor": ZERO, "labelPadding": 8},
    "axisX": {"grid": False, "labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 10},
    "axisXQuantitative": {"grid": True, "tickCount": 5},
    "axisY": ABOVE | {"labelLimit": 200, "tickCount": 5, "titleX": 0, "titleY": -10},
    "axisYBand": INK | {"grid": False},
    "header": INK | {"labelAnchor": "start", "labelFontWeight": 600, "labelPadding": 6},
    "facet": {"spacing": SPACING},
    "legend": INK | STEPPED | {"orient": "top", "offset": 14, "symbolType": "circle"},
    "mark": {"color": "var(--c1)"},
    "bar": {"cornerRadiusEnd": 2},
    # A line says nothing by itself; its points do, and show when they are pointed at.
    "line": {"aria": False, "strokeWidth": 2, "point": {"opacity": 0, "size": 70, "filled": True}},
    "area": {"aria": False, "opacity": 0.18},
    "point": {"filled": True, "size": 60, "opacity": 1},
    "rule": {"color": "var(--quiet)"},
    "text": {"aria": False, "color": "var(--ink)", "fontSize": 12},
}


def specification(chart: Mapping[str, Any], width: int) -> dict[str, Any]:
    """The author's chart in Larder's look, `width` pixels wide, as Vega, without data: `rows` is the name of what is to come."""
    legend = CONFIG["legend"] | {"columns": int(width == NARROW)}  # 0: side by side
    made = _completed(chart) | {"config": CONFIG | {"legend": legend}, "data": {"name": "rows"}}
    encoding = made.get("encoding", {})
    if encoding.get("y", {}).get("type") not in ("nominal", "ordinal"):
        made.setdefault("height", 260)  # else a step for each of its rows
        legend["offset"] += 14  # the axis has its title there
    if facet := encoding.get("facet"):
        facet["columns"] = columns = min(facet.get("columns", 4), width // CELL)
        made["width"] = (width - AXIS - SPACING * (columns - 1)) // columns
    else:
        made |= {"width": width, "autosize": {"type": "fit-x", "contains": "padding"}}
    return vl_convert.vegalite_to_vega(json.dumps(made))


def svg(spec: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """A drawing for a page: marks say in `aria-label` what they stand for, and ids are those of no other drawing."""
    first, *others = spec["data"]
    whole = json.dumps({**spec, "data": [{**first, "values": rows}, *others]}, default=plain)
    drawn = vl_convert.vega_to_svg(whole, allowed_base_urls=[])
    drawn = re.sub(r' (?:xmlns:xlink|version|font-family|aria-roledescription)="[^"<>]*"', "", drawn)
    drawn = re.sub(r' (?:d|transform)="[^"<>]*"', _rounded, drawn)
    numbers: dict[str, str] = {}  # those of Vega count the drawings before this one
    drawn = ID.sub(lambda found: numbers.setdefault(found[0], f"v{len(numbers)}"), drawn)
    name = hashlib.sha256(drawn.encode()).hexdigest()[:8]
    return ID.sub(lambda found: f"{found[0]}-{name}", drawn)


BUNDLE = f"vega-{version('vl-convert-python')}.js"
"""The file of `bundle`: another version is another file."""


def bundle() -> str:
    """The one script that draws charts in the browser. Vega comes with Embed: by itself the bundle's `vega` is null."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def plain(value: object) -> float | str:
    """What JSON does not know of a row: money as a number, a day or a time (UTC) as ISO text."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"{value.isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"A chart cannot draw a value of type {type(value).__name__}: cast it in the query.")


def _completed(node: Any) -> Any:
    """A copy of a part of a chart in which scales have the types that the look needs."""
    if not isinstance(node, Mapping):
        return [_completed(part) for part in node] if isinstance(node, list) else node
    if named := ADDRESSES & node.keys():
        raise ValueError(f"a chart draws what its query gives and loads nothing: leave out {min(named)}")
    made = {key: _completed(part) for key, part in node.items()}
    for key, part in made.items():
        if isinstance(part, dict) and (scale := SCALES.get((key, str(part.get("type"))))):
            part["scale"] = {"type": scale} | (part.get("scale") or {})
    return made


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", attribute[0])
