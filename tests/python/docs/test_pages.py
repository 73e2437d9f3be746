"""Every command that README.md and CONTRIBUTING.md show is read from the page and run, in the order of the page.

The commands run in a copy of the repository whose year has come to 4 January, as its reader would type them: one
shell a page, the same `data/`. A command that is not run must be listed in TESTED_ELSEWHERE.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import PROJECT, Instance, copy_of

PAGES = ["README.md", "CONTRIBUTING.md"]

TESTED_ELSEWHERE = {
    r"git clone \S+.*": "CI checks out what was pushed",
    r"cd larder": "the shell is there already",
    r"make test": "runs this test",
    r"make lint": "a stage of .ci/run",
    r"make setup-dev": "what `make test` does first",
}
"""Commands, as patterns, that are not run here, and who does."""

SHELLS = {"bash", "console", "shell", "shell-session", "zsh"}

NOT_COPIED = {".git", ".venv", "data", "target", "logs", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""At the root: what git does not know."""

SECONDS = 900
"""More than the commands of a page take on a busy machine; a page that hangs is stopped."""


@dataclass(frozen=True)
class Command:
    """One line of a page's shell block, continuation lines joined."""

    page: str
    line: int
    text: str

    @property
    def exemption(self) -> str | None:
        return next(
            (why for pattern, why in TESTED_ELSEWHERE.items() if re.fullmatch(pattern, self.text)), None
        )

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def fences(page: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield language, number of the first line, and lines of every fenced block."""
    language: str | None = None
    block: list[str] = []
    for number, line in enumerate((PROJECT / page).read_text().splitlines(), start=1):
        fence = re.match(r"\s*(```+|~~~+)\s*(\S*)", line)
        if fence and language is None:
            language, block = fence[2], []
        elif fence and language is not None:
            yield language, number - len(block), block
            language = None
        elif language is not None:
            block.append(line)
    assert language is None, f"{page}: a fenced block is not closed"


def commands(page: str) -> list[Command]:
    found = []
    for language, first, block in fences(page):
        if language != "sh":
            continue
        text, begun = "", first
        for number, line in enumerate(block, start=first):
            begun = begun if text else number
            text += line.strip()
            if is_complete(text):
                found.append(Command(page, begun, text))
                text = ""
            else:
                text = text.removesuffix("\\") + " " * bool(text)
        assert not text, f"{page}:{begun}: the block ends within a command"
    return [command for command in found if not command.text.startswith("#")]


def is_complete(text: str) -> bool:
    """Whether a command ends here, and not in a later line."""
    try:
        return bool(text) and not text.endswith("\\") and shlex.split(text, comments=True) is not None
    except ValueError:
        return False


@pytest.fixture(scope="module")
def checkout(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository, installed, in which `make run` has been typed at the end of 4 January."""
    room = tmp_path_factory.mktemp("reader")
    copy = room / "larder"
    shutil.copytree(PROJECT, copy, ignore=left_behind)
    (copy / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    try:
        copy_of(published, copy / "data")
        shell(copy, "larder demo start --to 2017-01-04")
        yield copy
    finally:
        for state in room.glob("**/demo/state.json"):
            shell(copy, f"LARDER_DATA={state.parent.parent} larder demo stop")


def left_behind(folder: str, names: list[str]) -> set[str]:
    return NOT_COPIED.intersection(names) if Path(folder) == PROJECT else {"__pycache__"}


def shell(checkout: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run lines in one shell in the copy, whose code comes before the installed one; stop at the first that fails."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LARDER_", "DBT_", "SOURCES__"))
    }
    env |= {"PATH": f"{checkout}/.venv/bin:{os.environ['PATH']}", "PYTHONPATH": str(checkout)}
    result = subprocess.run(
        ["bash", "-euc", script],
        cwd=checkout,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return result


def as_typed_here(command: Command, room: Path) -> str:
    """The same command, with the page's /tmp in the test's own folder, and a `make` that installs nothing again."""
    text = command.text.replace("/tmp/", f"{room}/")
    return re.sub(r"^make ", "make -o setup -o setup-dev ", text)


@pytest.mark.nightly
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_in_its_order(page: str, checkout: Path) -> None:
    type_in(checkout, [command for command in commands(page) if command.exemption is None])


def test_the_commands_of_the_readme_work_on_what_is_published(checkout: Path) -> None:
    """All but those for another retailer, which is loaded and built twice: they wait for the night."""
    run, elsewhere = [], False
    for command in commands("README.md"):
        elsewhere = elsewhere or command.text.startswith("export LARDER_DATA=")
        if not elsewhere and command.exemption is None:
            run.append(command)
        elsewhere = elsewhere and command.text != "unset LARDER_DATA"
    assert not elsewhere
    type_in(checkout, run)


def type_in(checkout: Path, run: list[Command]) -> None:
    assert run, "the page shows no command that could be run"
    lines = []
    for command in run:
        lines += [f"echo {shlex.quote(f'>>> {command}')}", as_typed_here(command, checkout.parent)]
    output = shell(checkout, "\n".join(lines)).stdout
    assert [line for line in output.splitlines() if line.startswith(">>> ")] == [
        f">>> {command}" for command in run
    ]


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_in_another_kind_of_block(page: str) -> None:
    for language, line, block in fences(page):
        assert language, (
            f"{page}:{line}: a block without a language; commands are in ```sh, anything else names its language"
        )
        assert language not in SHELLS, f"{page}:{line}: write ```sh, so that it is tested"
        if language != "sh":
            assert not [text for text in block if re.match(r"\s*(\$ )?(make|larder|dbt|duckdb) ", text)], (
                f"{page}:{line}"
            )


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_the_text_exist(page: str) -> None:
    """Not run, but none of them may name a target or a verb that is gone."""
    text = re.sub(r"^```.*?^```", "", (PROJECT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    help_page = subprocess.run(
        [sys.executable, "-m", "larder", "--help"], cwd=PROJECT, capture_output=True, text=True
    )
    verbs = set(re.findall(r"^ +(?:[a-z]+ +)??([a-z-]+) {2,}[A-Z]", help_page.stdout, flags=re.MULTILINE))
    assert {"run", "status"} <= verbs
    assert set(re.findall(r"`larder ([a-z-]+)", text)) <= verbs


def test_an_account_names_what_is_there() -> None:
    stages = (PROJECT / ".ci/run").read_text()
    assert "make test" in stages and "make lint" in stages
    makefile = (PROJECT / "Makefile").read_text()
    assert re.search(r"^test: setup-dev\b", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "page", [*PAGES, *(p.relative_to(PROJECT).as_posix() for p in PROJECT.glob("docs/**/*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (PROJECT / page).read_text()
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    broken = [
        link for link in links if "://" not in link and not (PROJECT / page).parent.joinpath(link).exists()
    ]
    assert not broken
