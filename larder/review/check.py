"""`larder check`: one verdict on a change, from the hooks of pre-commit, the review of the change, and the tests that it can break.

What is checked stands where its tool looks for it (.pre-commit-config.yaml, the project's tests): here is only which of it a change needs.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.review import affected_tests, mentions, report, review, sarif
from larder.review.change import base
from larder.review.change.changes import Change


class Depth(StrEnum):
    """How much is checked: what needs neither data nor tests, all that a change can break, or everything."""

    FAST = "fast"
    USUAL = "usual"
    FULL = "full"


State = Literal["passed", "warned", "failed", "not verifiable"]

BIN = Path(sys.executable).parent

HOOK = re.compile(r"(\S.*?)\.{3,}(?:\(.*\))?(Passed|Failed|Skipped)")
"""The line of pre-commit that begins what it says of one hook."""

HEAD = re.compile(r"- (?:hook id|exit code|duration|files were modified).*\n?")

SUMMARY = re.compile(r"^(?:FAILED|ERROR) .*|^=+ .*(?:passed|failed|error|no tests ran).*=+$", re.MULTILINE)
"""The lines at the end of pytest's output that say what failed, and how many."""

COMPILING = ("dbt parse", "larder metadata")
"""The hooks that fail where the project does not compile: then there is nothing to review."""

ANY_MODULE, ANY_OF_PROJECT = "larder/__init__.py", "dbt_project.yml"
"""Stand for a file that is gone: its hooks look at the whole."""

JUDGES = {".pre-commit-config.yaml", ".sqlfluff", "pyproject.toml", "requirements/dev.txt"}
"""What the verdict on every file depends on."""


@dataclass(frozen=True)
class Result:
    """What one check found; `output` has a line `file:line: message` for each finding where its tool says so."""

    name: str
    state: State
    output: str = ""


def run(paths: Paths, depth: Depth, ref: str, file: Path | None) -> bool:
    """Run the checks that a change needs, print each result, then the verdict. True unless one has failed.

    `file` gets the findings as SARIF. Raises LarderError where there is nothing to compare with, or no tool to check by.
    """
    if not (BIN / "pre-commit").exists():
        raise LarderError("the tools for contributors are not installed", "Install them: make setup-dev")
    if file:
        _write(file, [])  # what cannot be written is known before the checks run, and nothing stale stays
    started, results = time.monotonic(), list[Result]()
    for result in _checks(paths, depth, ref):
        _show(result)
        results.append(result)
    if file:
        _write(file, results)
    counts = Counter[str](result.state for result in results)
    said = ", ".join(f"{counts[s]} {s}" for s in ("passed", "warned", "failed", "not verifiable"))
    console.heading(f"check: {said}", f" ({time.monotonic() - started:.0f} s)")
    return not counts["failed"]


def _write(file: Path, results: Sequence[Result]) -> None:
    found = {"failed": "error", "warned": "warning"}
    try:
        sarif.write(file, [(one.name, found[one.state], one.output) for one in results if one.state in found])
    except OSError as error:
        raise LarderError(f"{file} cannot be written: {error.strerror}", "Name another file.") from error


def _checks(paths: Paths, depth: Depth, ref: str) -> Iterator[Result]:
    commit = base.merge_base(paths, ref)
    files = base.all_files(paths) if depth == Depth.FULL else base.changed_files(paths, commit)
    if not files:
        console.note(f"nothing differs from {commit[:12]}")
        return
    compiles = True
    for result in _hooks(looked_at(paths, files)):
        compiles &= result.state == "passed" or result.name not in COMPILING
        yield result
    if not compiles:
        yield Result("review", "not verifiable", "the project does not compile; mend that first")
        return
    found = review.run(paths, ref, with_data=depth != Depth.FAST)
    yield _reviewed(paths, found, depth)
    yield _mentioned(found.change)
    if depth != Depth.FAST:
        yield _tests(files if depth == Depth.USUAL else None, found.change)


def looked_at(paths: Paths, files: Sequence[str]) -> list[str]:
    """The files for the hooks: what a change leaves, what stands for the rest, all where it changes what judges them."""
    wanted = base.all_files(paths) if JUDGES & {*files} else files
    gone = {name for name in wanted if not (PROJECT / name).exists()}
    return sorted(
        {*wanted} - gone | {ANY_MODULE if name.endswith(".py") else ANY_OF_PROJECT for name in gone}
    )


def _hooks(files: Sequence[str]) -> Iterator[Result]:
    """What pre-commit says of each hook that these files concern."""
    command = [str(BIN / "pre-commit"), "run", "--color", "never", "--files", *files]
    with console.progress("check the files") as say, process(command) as tool:
        yield from hooks(tool.stdout or (), say)


def hooks(lines: Iterable[str], say: Callable[[str], None]) -> Iterator[Result]:
    """What pre-commit's output says of each hook; none for those that have nothing to look at."""
    name, state, output = "pre-commit", "Failed", list[str]()
    for line in lines:
        if found := HOOK.fullmatch(line.strip()):
            yield from _hook(name, state, output)
            (name, state), output = found.groups(), []
            say(name)
        else:
            output.append(line)
    yield from _hook(name, state, output)


def _hook(name: str, state: str, lines: Sequence[str]) -> Iterator[Result]:
    output = "".join(line for line in lines if not HEAD.fullmatch(line)).strip()
    if state == "Passed":
        yield Result(name, "passed", output)
    elif state == "Failed" and (name, output) != ("pre-commit", ""):  # before the first hook it says nothing
        missing = output.startswith("Executable") and output.endswith("not found")
        yield Result(name, "not verifiable" if missing else "failed", output)


def _reviewed(paths: Paths, found: review.Review, depth: Depth) -> Result:
    """The verdict of `larder review`, without its data where it is to be fast."""
    lines = [found.verdict, *(f"{one.node}: {one.what}" for one in found.findings), *found.notes]
    if depth != Depth.FAST:
        lines.append(f"the report: {console.shown_path(report.write(paths, found) / 'review.md')}")
    states: dict[str, State] = {"FAILED": "failed", "NOT VERIFIABLE": "not verifiable"}
    return Result("review of the change", states.get(found.state, "passed"), "\n".join(lines))


def _mentioned(change: Change) -> Result:
    found = mentions.find(change)
    return Result("pages that name what changed", "warned" if found else "passed", "\n".join(found))


def _tests(files: Sequence[str] | None, change: Change) -> Result:
    """pytest, of all tests or of those that the change can break."""
    chosen = ["tests/python"] if files is None else affected_tests.find(files, change)
    name = "pytest" if files is None else f"pytest, {len(chosen)} files that the change can break"
    if not chosen:
        return Result("pytest, nothing that the change can break", "passed")
    command = [str(BIN / "pytest"), "-q", "-n", "auto", "--dist", "loadfile", *chosen]
    with console.progress(name) as say, process(command) as tool:
        lines = []
        for line in tool.stdout or ():
            say(line.strip()[-8:])
            lines.append(line)
    summary = "\n".join(SUMMARY.findall("".join(lines))) or "".join(lines[-20:])
    if tool.returncode == 5:  # pytest had nothing to run
        return Result(name, "not verifiable", "they have only tests of the night; run them: make nightly")
    return Result(name, "failed" if tool.returncode else "passed", summary if tool.returncode else "")


@contextmanager
def process(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A tool: when this command is interrupted, so is all that the tool has started."""
    out: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    with subprocess.Popen(command, cwd=PROJECT, text=True, start_new_session=True, **out) as started:
        try:
            yield started
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGINT)
            started.wait()
            raise


def _show(result: Result) -> None:
    marks = {"passed": console.done, "warned": console.note, "not verifiable": console.note}
    if result.state == "failed":
        console.err.print(console.marked("✗", "bold red", result.name))
    else:
        marks[result.state](f"{result.name}{'' if result.state == 'passed' else f': {result.state}'}")
    if result.output:
        console.out.print(re.sub("^", "  ", result.output, flags=re.MULTILINE))
