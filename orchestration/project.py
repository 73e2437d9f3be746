"""Where things are, and what the project's own files say: nothing of Larder is imported."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("LARDER_DATA") or PROJECT / "data").resolve()
HOME = DATA / "dagster"
MANIFEST = DATA / "warehouse/current/dbt/manifest.json"
"""dbt's manifest of what is published."""

BIN = Path(os.environ.get("LARDER_BIN") or PROJECT / ".venv/bin")
"""Larder's own environment."""


def read(file: str) -> Any:
    """One of the project's YAML files."""
    return yaml.safe_load((PROJECT / file).read_text(encoding="utf-8"))


@cache
def variables() -> dict[str, str]:
    """The project's calendar and clock."""
    return dict(read("dbt_project.yml")["vars"])
