"""The state of the project that a change is compared with: where its branch left the main one."""

import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ingestion.core.files import exclusive
from larder.core.errors import LarderError
from larder.core.settings import Paths

MAIN = ("origin/main", "main")
NEW = ("ls-files", "--others", "--exclude-standard", "-z")


@dataclass(frozen=True)
class Base:
    """A commit, with `paths` that lead to its files instead of those that are checked out: same data, same lake."""

    commit: str
    paths: Paths


def find(paths: Paths, ref: str = "") -> Base:
    """The last commit that `ref`, else the main branch, shares with what is checked out.

    Raises LarderError where there is no such commit.
    """
    shared = merge_base(paths, ref)
    return Base(shared, Paths(paths.data, _files_of(paths, shared)))


def merge_base(paths: Paths, ref: str = "") -> str:
    """The commit itself."""
    _git(paths, "rev-parse", "--git-dir", problem=f"{paths.project} is not a git checkout")
    candidates = [ref] if ref else MAIN
    named = next(filter(None, (_commit(paths, name) for name in candidates)), "")
    if not named:
        raise LarderError(
            f"there is no branch or commit {' or '.join(candidates)}",
            "Fetch it (git fetch origin), or name another one: larder review --base REF",
        )
    shared = _git(paths, "merge-base", "HEAD", named).decode().strip()
    if not shared:
        is_shallow = _git(paths, "rev-parse", "--is-shallow-repository").strip() == b"true"
        raise LarderError(
            f"HEAD and {ref or 'the main branch'} share no commit{' in this shallow clone' if is_shallow else ''}",
            f"{'Fetch the history: git fetch --unshallow. Or name' if is_shallow else 'Name'} another one: larder review --base REF",
        )
    return shared


def changed_files(paths: Paths, commit: str) -> list[str]:
    """The files that differ from a commit: changed, new (also where git does not know them yet), and gone."""
    return _named(paths, "diff", "--name-only", "--no-renames", "--relative", "-z", commit) + _named(
        paths, *NEW
    )


def all_files(paths: Paths) -> list[str]:
    """Every file of the project, new ones as well."""
    return _named(paths, "ls-files", "-z") + _named(paths, *NEW)


def _named(paths: Paths, *arguments: str) -> list[str]:
    return [name for name in os.fsdecode(_git(paths, *arguments)).split("\0") if name]


def _files_of(paths: Paths, commit: str) -> Path:
    """The project's files of a commit, in a folder by their hash; those of other states are removed.

    They are no worktree of git's, of which something would stay in .git when the data are deleted.
    """
    top, prefix = _git(paths, "rev-parse", "--show-toplevel", "--show-prefix").decode().split("\n")[:2]
    problem = f"commit {commit} has no readable {prefix or 'files'}"
    tree = _git(paths, "rev-parse", "--verify", f"{commit}:{prefix}", problem=problem).decode().strip()
    folder = paths.data / "review" / "base" / tree
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.parent):
        if not folder.exists():
            for other in folder.parent.iterdir():
                shutil.rmtree(other)
            partial = folder.with_suffix(".partial")
            content = _git(paths, "-C", top, "archive", tree, problem=problem)
            partial.mkdir()
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(partial, filter="data")
            partial.rename(folder)
    return folder


def _commit(paths: Paths, name: str) -> str:
    wanted = f"{name}^{{commit}}"
    return _git(paths, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted).decode().strip()


def _git(paths: Paths, *arguments: str, problem: str = "") -> bytes:
    """What git says; nothing where it fails, unless that is a `problem` to raise."""
    try:
        done = subprocess.run(["git", *arguments], cwd=paths.project, capture_output=True)
    except FileNotFoundError as error:
        raise LarderError("git is not installed", "Install it: a review compares commits.") from error
    if done.returncode and problem:
        raise LarderError(
            f"{problem}: {done.stderr.decode().strip()}", "Review in a clone of the repository."
        )
    return done.stdout if not done.returncode else b""
