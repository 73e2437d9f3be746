"""A git checkout of the project that tests edit, with a published instance."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import PROJECT, Instance, copy_of

NOT_THE_PROJECT = shutil.ignore_patterns(
    "data", "target", "logs", ".git", "*.egg-info", "__pycache__", ".venv"
)


@dataclass(frozen=True)
class Checkout(Instance):
    """A data root with a git checkout of the project: main is what was published, `change` is checked out."""

    project: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "larder", *arguments],
            cwd=self.project,
            env={**self.env, "PYTHONPATH": str(self.project)},
            capture_output=True,
            text=True,
        )

    def review(self, *options: str) -> tuple[dict[str, Any], str, int]:
        done = self.run("review", "--json", *options)
        return json.loads(done.stdout or "{}"), done.stderr, done.returncode

    def git(self, *arguments: str) -> None:
        own = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *own, *arguments], cwd=self.project, check=True, capture_output=True)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.project / file
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new))


def begin(published: Instance, folder: Path) -> Checkout:
    """A checkout in a folder, whose data are what another instance has published."""
    shutil.copytree(PROJECT, folder / "project", ignore=NOT_THE_PROJECT)
    made = Checkout(folder / "data", folder / "project")
    copy_of(published, made.data)
    made.git("init", "-b", "main")
    made.git("add", "-A")
    made.git("commit", "-m", "Begin")
    made.git("checkout", "-b", "change")
    (made.project / ".venv").symlink_to(sys.prefix)  # the tools, for the hooks
    (made.project / ".git/info/exclude").write_text(".venv\n")
    return made


def put_back(checkout: Checkout) -> None:
    """Undo what a test has edited."""
    checkout.git("checkout", "-f", "change")
    checkout.git("reset", "--hard", "main")
    checkout.git("clean", "-fd")
