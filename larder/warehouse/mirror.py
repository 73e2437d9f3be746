"""What is published, in a bucket as well: the export, the shares and the site, where LARDER_EXPORT, LARDER_SHARES or LARDER_SITE names one.

Each version is a folder of its own, named after its content. It is complete before `current.json`, which is replaced in one step,
names it; then the versions go that were there before the one it replaces. Who follows `current.json` reads the old or the new version,
whole; so does who is still at the one that was replaced.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestion.core import storage
from ingestion.core.storage import Location
from larder.core import console

POINTER = "current.json"
ENTRY = "index.html"
VERSION = re.compile(r"[a-z]+-[0-9a-f]{12}")
"""How the folder of a version is called. Nothing else is ever removed: a folder of a bucket may have other things in it."""


def show(target: Location, name: str, files: Mapping[str, Path], entry: str = "", **said: Any) -> None:
    """Have `target` show these files, by their paths below it. What is there already is copied within the bucket.

    `entry` is a page that leads to them, with {0} in place of the version's folder; `said` stands in the pointer as well. Raises
    IngestionError where the bucket is away; then it shows what it did before.
    """
    hashes = {path: _sha256(file) for path, file in sorted(files.items())}
    version = f"{name}-{hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]}"
    with storage.exclusive(target):
        before = shown(target)
        is_new = before.get("folder") != version
        kept = before.get("folder" if is_new else "before")
        if not is_new and all(before.get(word) == value for word, value in said.items()):
            _remove_others(target, {version, kept})  # what an interrupted call has left
            return
        if is_new:
            _upload(target, version, files, hashes, before)
        if entry:
            storage.write(target / ENTRY, entry.format(version))
        pointer = {"folder": version, "before": kept, **said, "files": hashes}
        storage.write(target / POINTER, json.dumps(pointer, indent=1))
        _remove_others(target, {version, kept})
    console.done(f"{name} is in {target}: {len(files)} files")


def shown(target: Location) -> dict[str, Any]:
    """What the pointer says; empty where there is none, or none that can be read."""
    try:
        found = json.loads(storage.read(target / POINTER))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def withdraw(target: Location) -> None:
    """Take away all versions, what leads to them first."""
    for file in (target / ENTRY, target / POINTER) if "folder" in shown(target) else ():
        if file.exists():
            storage.remove(file)
    _remove_others(target, set())


def _upload(
    target: Location,
    version: str,
    files: Mapping[str, Path],
    hashes: Mapping[str, str],
    before: Mapping[str, Any],
) -> None:
    there = {digest: path for path, digest in before.get("files", {}).items()}
    with console.progress("upload") as report:
        for number, (path, digest) in enumerate(hashes.items(), start=1):
            report(f"{number} of {len(hashes)} {path}")
            known = target / before["folder"] / there[digest] if digest in there else None
            storage.put(files[path], target / version / path, known)


def _remove_others(target: Location, kept: set[str | None]) -> None:
    for folder in storage.found(target, "*/"):
        if folder.name not in kept and VERSION.fullmatch(folder.name):
            storage.remove_all(folder)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def files_of(folder: Path, prefix: str = "") -> dict[str, Path]:
    """The files of a folder, by their paths below it."""
    return {
        f"{prefix}{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*") if file.is_file()
    }
