"""What a change is compared with, found in real repositories of git."""

import subprocess
from pathlib import Path

import pytest

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.review.change import base


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A repository whose branch main has gone on since another branch left it, with a change that is not committed."""
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    for branch, text in (("main", "old"), ("work", "mine"), ("main", "theirs")):
        if branch == "work":
            git(project, "switch", "-q", "-c", branch)
        elif text == "theirs":
            git(project, "switch", "-q", branch)
        (project / f"{text}.sql").write_text(text)
        git(project, "add", ".")
        git(project, "commit", "-q", "-m", text)
    git(project, "switch", "-q", "work")
    (project / "old.sql").write_text("edited")
    return Paths(tmp_path / "data", project)


def test_the_base_has_the_files_of_the_shared_commit(paths: Paths) -> None:
    found = base.find(paths)
    assert found.commit == git(paths.project, "rev-parse", "main~1")
    assert {file.name: file.read_text() for file in found.paths.project.iterdir()} == {"old.sql": "old"}
    assert found.paths.data == paths.data
    assert git(paths.project, "status", "--porcelain").split() == ["M", "old.sql"]


def test_the_files_are_kept_until_the_base_is_another_one(paths: Paths) -> None:
    first = base.find(paths).paths.project
    (first / "compiled").touch()
    assert base.find(paths, "main").paths.project == first
    assert (first / "compiled").exists()
    second = base.find(paths, "work").paths.project
    assert [folder.name for folder in first.parent.iterdir()] == [second.name]


def test_a_folder_below_the_top_of_a_repository_is_a_project(paths: Paths) -> None:
    nested = paths.project / "nested"
    nested.mkdir()
    (nested / "model.sql").write_text("select 1")
    git(paths.project, "add", ".")
    git(paths.project, "commit", "-q", "-m", "nested")
    found = base.find(Paths(paths.data, nested), "HEAD")
    with pytest.raises(LarderError, match="has no readable nested/"):
        base.find(Paths(paths.data, nested), "main")
    assert [file.name for file in found.paths.project.iterdir()] == ["model.sql"]


@pytest.mark.parametrize("ref", ["nothing", "--help", "work..main", ""])
def test_an_unknown_branch_is_named(paths: Paths, ref: str) -> None:
    git(paths.project, "branch", "-q", "-m", "main", "trunk")
    with pytest.raises(LarderError, match=f"there is no branch or commit {ref or 'origin/main or main'}"):
        base.find(paths, ref)


def test_what_shares_no_commit_cannot_be_compared(paths: Paths) -> None:
    git(paths.project, "switch", "-q", "--orphan", "other", "--discard-changes")
    git(paths.project, "commit", "-q", "--allow-empty", "-m", "other")
    with pytest.raises(LarderError, match=r"HEAD and the main branch share no commit$"):
        base.find(paths)


def test_a_shallow_clone_says_what_to_fetch(paths: Paths, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{paths.project}", str(clone))
    with pytest.raises(LarderError, match="share no commit in this shallow clone") as raised:
        base.find(Paths(tmp_path / "data", clone))
    assert "git fetch --unshallow" in raised.value.next_step


def test_a_folder_without_git_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(LarderError, match="is not a git checkout"):
        base.find(Paths(tmp_path / "data", tmp_path))


def test_git_may_be_missing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LarderError, match="git is not installed"):
        base.find(paths)
