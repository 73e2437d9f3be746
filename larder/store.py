"""Generations of the warehouse: write one aside, audit it, publish it by moving one pointer.

Only this module knows that a generation is a folder with a DuckDB file, and that the pointer is a symbolic link.
A generation is `building`, then `audited` or `failed`; an audited one may be published. The published one never changes.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from larder.errors import LarderError
from larder.fingerprint import Fingerprint

FILE = "larder.duckdb"
"""Always the same name, because DuckDB names the catalog after it."""

ROOM = 2**30
"""Bytes that a build may need beyond the size of its parent: new rows, temporary files."""

KEEP = 3
"""Published generations that are kept to go back to, the current one among them."""


@dataclass
class Manifest:
    """What a generation is and how it came about. Times are UTC, ISO 8601; `loads` are dlt's load ids by source."""

    id: str
    parent: str | None
    state: str
    created_at: str
    project: str = ""
    git: str = ""
    loads: dict[str, list[str]] = field(default_factory=dict)
    nodes: dict[str, Fingerprint] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    published_at: str | None = None


class Store:
    """The generations below one warehouse folder."""

    def __init__(self, warehouse: Path) -> None:
        self._root = warehouse / "generations"
        self._pointer = warehouse / "current"

    def begin(self, fresh: bool) -> Manifest:
        """Make a candidate: a copy of the published generation, or an empty one when `fresh` or none is published."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._drop(state="building")
        parent = self.published()
        self._require_room(parent)
        manifest = Manifest(self._new_id(), parent.id if parent else None, "building", _now())
        folder = self._root / manifest.id
        folder.mkdir(parents=True)
        self._write(manifest)
        if parent and not fresh:
            shutil.copyfile(self.address(parent), self.address(manifest))
        return manifest

    def audited(self, manifest: Manifest) -> None:
        """Mark a candidate as fit to publish. An older one that was never published makes way."""
        self._drop(state="audited", but=manifest.id)
        manifest.state = "audited"
        self._write(manifest)

    def failed(self, manifest: Manifest) -> Path:
        """Keep a candidate that did not pass, under a name that says so, in place of the last such one."""
        self._drop(state="failed")
        manifest.state = "failed"
        self._write(manifest)
        kept = self._root / f"{manifest.id}-failed"
        (self._root / manifest.id).rename(kept)
        return kept / FILE

    def discard(self, manifest: Manifest) -> None:
        """Remove a candidate that was given up."""
        shutil.rmtree(self._root / manifest.id, ignore_errors=True)

    def candidate(self) -> Manifest | None:
        """The audited candidate that waits to be published."""
        return next((m for m in self.all() if m.state == "audited" and m.published_at is None), None)

    def publish(self, manifest: Manifest) -> None:
        """Move the pointer to an audited candidate, atomically, and collect generations that nobody needs."""
        published = self.published()
        if manifest.parent != (published.id if published else None):
            raise LarderError(
                f"generation {manifest.id} was built from {manifest.parent}, but {published.id if published else 'none'}"
                " is published now",
                "Build again: larder build",
            )
        manifest.state, manifest.published_at = "published", _now()
        self._write(manifest)
        link = self._pointer.with_name("current.new")
        link.unlink(missing_ok=True)
        link.symlink_to(Path("generations") / manifest.id)
        link.replace(self._pointer)
        self._collect()

    def published(self) -> Manifest | None:
        """The generation that readers open, or None before the first publish."""
        return self._read(self._pointer.resolve()) if self._pointer.is_symlink() else None

    def address(self, manifest: Manifest) -> Path:
        """Where a generation is opened."""
        return self._root / manifest.id / FILE

    def reader_address(self) -> Path:
        """Where readers open what is published, whichever generation that is."""
        return self._pointer / FILE

    def all(self) -> list[Manifest]:
        """All generations, the newest first."""
        found = [self._read(folder) for folder in sorted(self._root.glob("*"), reverse=True)]
        return [manifest for manifest in found if manifest]

    def _collect(self) -> None:
        for manifest in [m for m in self.all() if m.state == "published"][KEEP:]:
            self.discard(manifest)

    def _drop(self, state: str, but: str = "") -> None:
        for folder in self._root.glob("*"):
            manifest = self._read(folder)
            if manifest is None or (manifest.state == state and manifest.id != but):
                shutil.rmtree(folder, ignore_errors=True)

    def _new_id(self) -> str:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
        return f"{stamp}Z"

    def _require_room(self, parent: Manifest | None) -> None:
        """A candidate may grow to twice its parent before it is closed, and the first one to ROOM."""
        needed = ROOM + (2 * self.address(parent).stat().st_size if parent else 0)
        free = shutil.disk_usage(self._root).free
        if free < needed:
            raise LarderError(
                f"a build needs about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free at {self._root}",
                "Free space there, or move everything with LARDER_DATA.",
            )

    def _write(self, manifest: Manifest) -> None:
        target = self._root / manifest.id / "manifest.json"
        fresh = target.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        fresh.replace(target)

    def _read(self, folder: Path) -> Manifest | None:
        try:
            content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
            content["nodes"] = {name: Fingerprint(**node) for name, node in content["nodes"].items()}
            return Manifest(**content)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
