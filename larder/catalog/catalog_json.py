"""The whole catalog as one JSON file, in a shape of its own (catalog.schema.json) that outlives dbt's."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from larder.catalog.metadata import rows

VERSION = 1
"""Raise it when something goes or means something else; what is added needs no new one."""

HERE = Path(__file__).parent
SCHEMA = "catalog.schema.json"
PARTS = ("nodes", "lineage", "edges", "tests", "metrics", "exposures", "owners", "classes")


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write catalog.json and the schema that it follows, in `folder`. No value of any column is in it."""
    base.execute((HERE / "catalog_json.sql").read_text())
    [generation] = rows(base, "from catalog_generation")
    content = {
        "format": "larder-catalog",
        "version": VERSION,
        "generation": generation,
        **{part: rows(base, f"from catalog_{part}") for part in PARTS},
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_present(content), ensure_ascii=False, separators=(",", ":"))
    (folder / "catalog.json").write_text(text)
    shutil.copyfile(HERE / SCHEMA, folder / SCHEMA)


def _present(part: Any) -> Any:
    """Without the keys that nobody has said anything for, or that do not apply."""
    if isinstance(part, list):
        return [_present(one) for one in part]
    if not isinstance(part, dict):
        return part
    known = {name: one for name, one in part.items() if one is not None and one is not False}
    return {name: _present(one) for name, one in known.items()}
