"""`larder generations`, `larder rollback`: what was published, and publishing it again."""

import time
from typing import Any

from larder.core import console
from larder.core.settings import Paths
from larder.warehouse.locks import lock
from larder.warehouse.store import Manifest, Store


def collect(paths: Paths) -> list[dict[str, Any]]:
    """One entry per generation, the newest first; `current` marks what readers see."""
    store = Store(paths.warehouse)
    published = store.published()
    return [_entry(manifest, published) for manifest in store.all()]


def render(found: list[dict[str, Any]]) -> None:
    """Print the generations for people."""
    if not found:
        console.out.print("No generation yet. Next: larder run")
        return
    columns = [
        "",
        "generation",
        "state",
        "published",
        "revision",
        "engine",
        "models built",
        "tests run",
        "seconds",
    ]
    rows = [
        [
            "→" if entry["current"] else "",
            entry["id"],
            entry["state"],
            entry["published_at"] or "",
            entry["git"],
            entry["engine"].split()[0],
            entry["results"].get("models_built", 0),
            entry["results"].get("tests_run", 0),
            round(entry["seconds"]),
        ]
        for entry in found
    ]
    console.table("Generations", columns, rows)


def rollback(paths: Paths, to: str | None) -> None:
    """Publish an earlier generation again: only the pointer moves."""
    with lock(paths.locks, "build"):
        started = time.monotonic()
        found = Store(paths.warehouse).rollback(to)
        seconds = time.monotonic() - started
    console.done(f"published generation {found.id} again ({seconds:.2f} s)")


def _entry(manifest: Manifest, published: Manifest | None) -> dict[str, Any]:
    names = (
        "id",
        "parent",
        "state",
        "created_at",
        "published_at",
        "published_by",
        "git",
        "engine",
        "versions",
        "loads",
        "marts",
    )
    entry = {name: getattr(manifest, name) for name in (*names, "results", "seconds")}
    return {"current": bool(published and published.id == manifest.id), **entry}
