"""The one place where dbt is called: a separate process, so that no warehouse stays locked after its run."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from larder.core import machine
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.project.complaints import plain

DBT = Path(sys.executable).with_name("dbt")

PR_SET_PDEATHSIG = 1

PATIENCE = 10.0
"""Seconds that an interrupted dbt has to roll back what it was doing."""

PASSED = {"success", "pass", "warn", "no-op"}

ENVIRONMENT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)
"""All that dbt takes over from the environment: each of its flags has a variable, and by many of them it runs less."""

ALWAYS = (
    "--write-json",
    "--no-fail-fast",
    "--warn-error-options",
    json.dumps(
        {
            "error": [
                "NoNodeForYamlKey",
                "NodeNotFoundOrDisabled",
                "WrongResourceSchemaFile",
                "DuplicateYAMLKeysDeprecation",
                "CustomKeyInConfigDeprecation",
                "CustomKeyInObjectDeprecation",
                "CustomTopLevelKeyDeprecation",
            ]
        }
    ),
)
"""What no project file may decide. The warnings are tests that dbt would leave out, for a misspelt name or key, or one given twice."""


@dataclass(frozen=True)
class Node:
    """One node's outcome in dbt's run_results: `failures` counts the rows that a test found, `sql` is what dbt compiled."""

    unique_id: str
    status: str
    failures: int
    message: str
    seconds: float
    sql: str = ""

    @property
    def kind(self) -> str:
        return self.unique_id.partition(".")[0]

    @property
    def name(self) -> str:
        return self.unique_id.split(".")[2]


@dataclass(frozen=True)
class Outcome:
    """What a dbt command did: its nodes, the folder of its artifacts, its exit code and what it complained of."""

    nodes: list[Node]
    artifacts: Path
    code: int = 0
    errors: list[str] = field(default_factory=list)

    def count(self, *kinds: str) -> int:
        return sum(node.kind in kinds and node.status in PASSED for node in self.nodes)

    def with_more(self, other: "Outcome") -> "Outcome":
        """Two commands as one."""
        nodes, errors = [*self.nodes, *other.nodes], [*self.errors, *other.errors]
        return Outcome(nodes, self.artifacts, self.code or other.code, errors)

    @property
    def broken(self) -> list[Node]:
        return [node for node in self.nodes if node.status not in PASSED and node.status != "skipped"]


def run(
    paths: Paths,
    target: str,
    arguments: list[str],
    report: Callable[[str], None],
    folder: str = "",
    **env: str,
) -> Outcome:
    """Run `dbt <arguments>` on `target` and report each node as it starts.

    dbt's artifacts go to the folder of the target's name, or to `folder`: two runs at a time must not share one.
    Raises LarderError when dbt stops before it has run its nodes, or says that it failed although each of them passed.
    Failed nodes are in the outcome, not raised.
    """
    artifacts = _folder(paths, folder or target)
    with _process([str(DBT), *_arguments(artifacts, paths, target, arguments)], paths, env) as process:
        ended = _follow(process, report)
    return _outcome(paths, arguments[0], artifacts, ended)


class Command(Protocol):
    """Runs one dbt command, as `run` does."""

    def __call__(self, arguments: list[str], report: Callable[[str], None], folder: str = "") -> Outcome: ...


@contextmanager
def session(paths: Paths, target: str, folder: str = "", **env: str) -> Iterator[Command]:
    """Several commands on one target in one process: dbt, which takes seconds to import, is imported once.

    The process keeps the warehouse locked from its first query until the session ends. Artifacts go where `run` puts them.
    """
    with _process([sys.executable, "-m", "larder.project.session"], paths, env) as process:

        def ask(arguments: list[str], report: Callable[[str], None]) -> _Ended:
            print(json.dumps(arguments), file=process.stdin, flush=True)
            return _follow(process, report)

        def command(arguments: list[str], report: Callable[[str], None], folder: str = folder) -> Outcome:
            artifacts = _folder(paths, folder or target)
            ended = ask(_arguments(artifacts, paths, target, arguments), report)
            if ended.code and arguments == [
                "parse"
            ]:  # what dbt has kept of an earlier parse may be what it stumbles over
                ended = ask(_arguments(artifacts, paths, target, [*arguments, "--no-partial-parse"]), report)
            return _outcome(paths, arguments[0], artifacts, ended)

        yield command


def _folder(paths: Paths, name: str) -> Path:
    """The folder of a command's artifacts, without those of an earlier one."""
    artifacts = paths.dbt / name
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "run_results.json").unlink(missing_ok=True)
    return artifacts


def _outcome(paths: Paths, command: str, artifacts: Path, ended: "_Ended") -> Outcome:
    results = artifacts / "run_results.json"
    outcome = Outcome(_nodes(results, ended.invocation), artifacts, ended.code, ended.errors)
    if (ended.code and not outcome.broken) or (command == "build" and not results.exists()):
        said = "\n".join(map(plain, ended.errors[:3])) or f"exit code {ended.code}"
        raise LarderError(
            f"dbt {command} stopped: {said}",
            f"Correct it, then run the same command again. All that dbt said: {paths.dbt}/logs/dbt.log",
        )
    return outcome


def _arguments(artifacts: Path, paths: Paths, target: str, arguments: list[str]) -> list[str]:
    options = ["--target", target, "--target-path", str(artifacts), "--project-dir", str(paths.project)]
    logs = ["--log-format", "json", "--log-path", str(paths.dbt / "logs")]
    return [*logs, *arguments, *options, *ALWAYS, "--profiles-dir", str(paths.project)]


def _environment(paths: Paths, extra: dict[str, str]) -> dict[str, str]:
    own = {"LARDER_DATA": str(paths.data), "LARDER_LAKE": str(paths.lake), "DO_NOT_TRACK": "1"}
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return {**kept, **machine.duckdb_limits(paths.data), **own, **extra}


@dataclass(frozen=True)
class _Ended:
    """What dbt complained of, its exit code, and the id under which it wrote its artifacts."""

    errors: list[str]
    code: int
    invocation: str


@contextmanager
def _process(command: list[str], paths: Paths, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is given time to roll back when this one is interrupted, and ends with it."""
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=_environment(paths, env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_end_with_parent,
    ) as process:
        try:
            yield process
        except BaseException:
            _end(process)
            raise


def _follow(process: subprocess.Popen[str], report: Callable[[str], None]) -> _Ended:
    """Pass on the progress of one command, until it has ended or the process has."""
    errors: list[str] = []
    invocation, code = "", None
    for line in process.stdout or ():
        if "No space left on device" in line:
            errors = ["the disk is full"]
        event = _event(line)
        if "exit_code" in event:
            code = int(event["exit_code"])
            break
        data, info = event.get("data", {}), event.get("info", {})
        invocation = info.get("invocation_id", invocation)
        if info.get("name") == "LogStartLine":
            report(f"{data['index']} of {data['total']} {data['description']}")
        elif info.get("level") == "error" and errors != ["the disk is full"]:
            errors.append(str(info.get("msg", "")).strip())
    return _Ended(errors, process.wait() if code is None else code, invocation)


def _end(process: subprocess.Popen[str]) -> None:
    """Stop dbt, and return when its process has ended: what it was writing may be removed afterwards."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_parent() -> None:
    """Have the system end dbt when `larder` is killed: it would go on, and write its results over the next build's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _event(line: str) -> dict[str, Any]:
    """One line of dbt's JSON log; anything else that is printed (a driver's noise) counts as no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _nodes(results: Path, invocation: str) -> list[Node]:
    """The outcome of each node. Raises LarderError when the file is not whole, or another run of dbt wrote it."""
    if not results.exists():
        return []
    try:
        content = json.loads(results.read_text())
        if content["metadata"]["invocation_id"] != invocation:
            raise LarderError(
                f"{results} is of another run of dbt", "Let only one run write there, then run again."
            )
        return [_node(node) for node in content["results"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LarderError(
            f"dbt did not finish {results}: {error!r}", "Run again: dbt was interrupted, or the disk is full."
        ) from error


def _node(node: dict[str, Any]) -> Node:
    return Node(
        unique_id=node["unique_id"],
        status=node["status"],
        failures=node["failures"] or 0,
        message=(node["message"] or "").strip(),
        seconds=node["execution_time"],
        sql=node.get("compiled_code") or "",
    )
