"""What a generation was built from: the project's files and the completed loads. The same in, nothing to build."""

import hashlib
import subprocess
from pathlib import Path

from ingestion.lake import completed_loads
from ingestion.pipelines import SOURCES
from larder.settings import PROJECT

PROJECT_PARTS = (
    "dbt_project.yml",
    "profiles.yml",
    "requirements/run.txt",
    "macros",
    "models",
    "seeds",
    "snapshots",
    "tests",
)


def loads(lake: Path) -> dict[str, list[str]]:
    """The completed loads of every source, oldest first."""
    return {source: sorted(completed_loads(lake / "raw" / source)) for source in SOURCES}


def project() -> str:
    """A hash of every file that decides what dbt builds."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def combined(project_hash: str, load_ids: dict[str, list[str]]) -> str:
    """The fingerprint of a generation."""
    return hashlib.sha256(f"{project_hash} {sorted(load_ids.items())}".encode()).hexdigest()


def git_revision() -> str:
    """The checked-out revision, with `+changes` when the tree is not clean; empty outside a git checkout."""
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty=+changes", "--abbrev=12"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    return result.stdout.strip()


def _files() -> list[Path]:
    found = []
    for part in PROJECT_PARTS:
        path = PROJECT / part
        found += (
            [path]
            if path.is_file()
            else [p for p in path.rglob("*") if p.suffix in {".sql", ".yml", ".csv", ".md", ".txt"}]
        )
    return sorted(found)
