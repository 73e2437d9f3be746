"""The one place where dbt is called: a separate process, so that no warehouse stays locked after its run."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from larder.core import machine
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths

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
    json.dumps({"error": ["NoNodeForYamlKey", "NodeNotFoundOrDisabled", "WrongResourceSchemaFile"]}),
)
"""What no project file may decide. The three warnings are tests that dbt would leave out, for a misspelt name."""


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
    artifacts = paths.dbt / (folder or target)
    artifacts.mkdir(parents=True, exist_ok=True)
    results = artifacts / "run_results.json"
    results.unlink(missing_ok=True)
    ended = _stream(_command(artifacts, paths, target, arguments), _environment(paths, env), report)
    errors, code = ended.errors, ended.code
    outcome = Outcome(_nodes(results, ended.invocation), artifacts, code, errors)
    if (code and not outcome.broken) or (arguments[0] == "build" and not results.exists()):
        raise LarderError(
            f"dbt {arguments[0]} stopped: {' '.join(map(_without_trace, errors[:3])) or f'exit code {code}'}",
            f"See {paths.dbt}/logs/dbt.log",
        )
    return outcome


def _command(artifacts: Path, paths: Paths, target: str, arguments: list[str]) -> list[str]:
    options = ["--target", target, "--target-path", str(artifacts), "--project-dir", str(PROJECT)]
    logs = ["--log-format", "json", "--log-path", str(paths.dbt / "logs")]
    return [str(DBT), *logs, *arguments, *options, *ALWAYS, "--profiles-dir", str(PROJECT)]


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


def _stream(command: list[str], env: dict[str, str], report: Callable[[str], None]) -> _Ended:
    """Run dbt, and pass its progress on."""
    errors: list[str] = []
    invocation = ""
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_end_with_parent,
    ) as process:
        try:
            for line in process.stdout or ():
                if "No space left on device" in line:
                    errors = ["the disk is full"]
                event = _event(line)
                data, info = event.get("data", {}), event.get("info", {})
                invocation = info.get("invocation_id", invocation)
                if info.get("name") == "LogStartLine":
                    report(f"{data['index']} of {data['total']} {data['description']}")
                elif info.get("level") == "error" and errors != ["the disk is full"]:
                    errors.append(str(info.get("msg", "")).strip())
        except BaseException:
            _end(process)
            raise
    return _Ended(errors, process.returncode, invocation)


def _without_trace(message: str) -> str:
    """What dbt says; of a fault of its own the last line, which names it."""
    return message.splitlines()[-1].strip() if "Traceback" in message else message


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
