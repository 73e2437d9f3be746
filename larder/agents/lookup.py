"""What agents look up in the metadata base: things by words, one thing with its columns, and where a column comes from."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb

from larder.catalog import metadata
from larder.catalog.metadata import rows
from larder.core.errors import LarderError

Found = dict[str, Any]

LENGTH = 200
"""Characters of what is searched for."""


def open_base(folder: Path) -> duckdb.DuckDBPyConnection:
    """A metadata base with the views and macros of lookup.sql."""
    base = metadata.open_base(folder)
    base.execute(Path(__file__).with_suffix(".sql").read_text())
    return base


def search(base: duckdb.DuckDBPyConnection, text: str) -> list[Found]:
    """The things that have all of the words in their name or description, the best first."""
    if len(text) > LENGTH:
        raise LarderError(f"a search may have {LENGTH} characters", "Give a few words.")
    words = re.findall(r"\w+", text.lower())
    if not words:
        raise LarderError("there is nothing to search for", "Give words, such as: coupon discount")
    return rows(base, "from search($words)", {"words": words})


def describe(base: duckdb.DuckDBPyConnection, name: str, served: Mapping[str, list[str]]) -> Found:
    """A table with its columns and whether a query may read each; a column, a metric, an exposure or a saved query."""
    found, column = _find(base, name)
    columns = [
        {**_present(one), "is_served": one["name"] in served.get(found["name"], [])}
        for one in rows(base, "select * exclude (id) from found_column where id = $id", {"id": found["id"]})
    ]
    if column:
        return {"table": found["name"], **next(one for one in columns if one["name"] == column)}
    return _present({**found, "columns": columns})


def lineage(base: duckdb.DuckDBPyConnection, name: str, is_up: bool) -> Found:
    """Of a column or metric its next steps, and all that its values come from or reach; of anything else the nodes."""
    found, column = _find(base, name)
    given = {"id": found["id"], "is_up": is_up}
    name = column or (found["name"] if found["kind"] == "metric" else "")
    if not name:
        return {"id": found["id"], "nodes": rows(base, "from node_way($id, $is_up)", given)}
    given["name"] = name
    steps = "select * exclude (here, here_column) from column_step($is_up) where here = $id and here_column = $name"
    return {
        "id": found["id"],
        "column": name,
        "next": [_present(one) for one in rows(base, f"{steps} order by all", given)],
        "values": rows(base, "from column_way($id, $name, $is_up)", given),
    }


def _find(base: duckdb.DuckDBPyConnection, name: str) -> tuple[Found, str]:
    """What a name names, and the column if it names one. Raises LarderError where it is none, or several."""
    known: dict[str, list[Found]] = {}
    for one in rows(base, "from thing order by id"):
        for called in {one["id"], one["name"], one["name"].rpartition(".")[2]}:
            known.setdefault(called.lower(), []).append(one)
    table, _, last = name.lower().rpartition(".")
    for called, part in ((name.lower(), ""), (table, last)):
        found = known.get(called, [])
        if len(found) > 1:
            raise LarderError(f"{called} is {' or '.join(one['id'] for one in found)}", "Name it by its id.")
        column = _column(base, found[0], part) if found and part else ""
        if found and (column or not part):
            return found[0], column
    near = get_close_matches(name.lower(), known, 3, 0.5)
    raise LarderError(
        f"there is no {name}", f"Did you mean {' or '.join(near)}?" if near else "Look for it: search."
    )


def _column(base: duckdb.DuckDBPyConnection, found: Found, name: str) -> str:
    """A column as it is written, or nothing where there is none."""
    given = {"id": found["id"], "name": name}
    known = rows(base, "select name from found_column where id = $id and lower(name) = $name", given)
    return str(known[0]["name"]) if known else ""


def _present(row: Found) -> Found:
    return {name: value for name, value in row.items() if value not in (None, [], "")}
