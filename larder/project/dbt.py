"""The one place where dbt is called: a separate process, so that no warehouse stays locked after its run."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ingestion.core import storage
from ingestion.core.files import write_atomically
from ingestion.core.redaction import all_redacted
from larder.core import events, machine
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import rules, sandbox, spark
from larder.project.complaints import plain

SESSION = Path(__file__).with_name("session.py")

PARTS = ("dbt_project.yml", "profiles.yml", "macros", "models", "seeds", "tests")
"""What dbt reads of the project."""

PATIENCE = 10.0
"""Seconds that an interrupted dbt has to roll back what it was doing."""

MOST_LOGGED = 10 * 2**20
"""Bytes after which the log is begun again."""

PASSED = {"success", "pass", "warn", "no-op"}

ENVIRONMENT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that dbt takes over from the environment: each of its flags has a variable, and by many of them it runs less."""

HOME = "/nonexistent"
"""No settings, extensions or profiles of the user's."""

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
    paths: Paths, target: str, arguments: list[str], report: Callable[[str], None], **env: str
) -> Outcome:
    """Run one command in a session of its own."""
    with session(paths, target, "", (), **env) as command:
        return command(arguments, report)


class Command(Protocol):
    """Runs one dbt command and reports each node as it starts. Its artifacts go to the folder of the target's name, or to `folder`: two
    runs at a time must not share one.

    Raises LarderError when dbt stops before it has run its nodes, or says that it failed although each of them passed. Failed nodes are
    in the outcome, not raised.
    """

    def __call__(self, arguments: list[str], report: Callable[[str], None], folder: str = "") -> Outcome: ...


@contextmanager
def session(
    paths: Paths, target: str, folder: str = "", reads: Sequence[Path] = (), **env: str
) -> Iterator[Command]:
    """Several commands on one target in one process: dbt, which takes seconds to import, is imported once.

    The process keeps the warehouse locked from its first query until the session ends. It is confined to the project, the raw lake, what
    it `reads` besides, and what it builds; on Spark, which is a process and a network of its own, it is not. Raises LarderError where the project has what no change may have.
    """
    rules.require_files(paths.project)
    with _process(paths, target, reads, env) as running:

        def ask(arguments: list[str], report: Callable[[str], None]) -> _Ended:
            with suppress(BrokenPipeError):  # it has ended: its code says how
                print(json.dumps(arguments), file=running.process.stdin, flush=True)
            return _follow(running, report)

        def command(arguments: list[str], report: Callable[[str], None], folder: str = folder) -> Outcome:
            artifacts = _folder(paths, folder or target)
            ended = ask(_arguments(artifacts, paths, target, arguments), report)
            if ended.code and arguments == ["parse"]:  # it may stumble over what it kept of an earlier one
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
    _redact(results)
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
    logs = ["--log-format", "json", "--log-level-file", "none", "--log-path", str(paths.dbt / "logs")]
    # what dbt keeps of a parse names it: after a move it parses again
    place = ["--vars", json.dumps({"project": str(paths.project)})]
    return [*logs, *arguments, *options, *place, *ALWAYS, "--profiles-dir", str(paths.project)]


def _environment(paths: Paths, extra: dict[str, str]) -> dict[str, str]:
    own = {"LARDER_DATA": str(paths.data), "LARDER_LAKE": str(paths.lake), "DO_NOT_TRACK": "1"}
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return {"HOME": HOME, **kept, **machine.duckdb_limits(paths.data), **own, **extra}


@dataclass(frozen=True)
class _Ended:
    """What dbt complained of, its exit code, and the id under which it wrote its artifacts."""

    errors: list[str]
    code: int
    invocation: str


class _Running(NamedTuple):
    process: subprocess.Popen[str]
    said: list[str]


class _Engine(NamedTuple):
    """The interpreter that runs dbt, what its environment has besides, and what it does on its start."""

    python: Path
    given: dict[str, str]
    enter: Callable[[], None]


@contextmanager
def _engine(paths: Paths, target: str, reads: Sequence[Path], env: dict[str, str]) -> Iterator[_Engine]:
    """DuckDB is confined. Spark is not: it is a process and a network of its own."""
    if target == spark.TARGET:
        with spark.process(paths) as given:
            yield _Engine(spark.python(), given, sandbox.unconfined)
        return
    own = [SESSION, rules.STATEMENTS, *(paths.project / part for part in PARTS)]
    read, written = _warehouse(paths, target, env)
    readable = [*own, *storage.of_disk(paths.lake / "raw"), *read, *reads]
    with sandbox.confined(readable, written, storage.port(paths.lake)) as enter:
        yield _Engine(Path(sys.executable), {}, enter)


@contextmanager
def _process(paths: Paths, target: str, reads: Sequence[Path], env: dict[str, str]) -> Iterator[_Running]:
    """A process that is given time to roll back when this one is interrupted, and ends with it."""
    said: list[str] = []
    with (
        _engine(paths, target, reads, env) as engine,
        subprocess.Popen(
            [str(engine.python), "-I", str(SESSION)],
            cwd=paths.project,
            env=_environment(paths, engine.given | env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=engine.enter,
        ) as process,
    ):
        try:
            with sandbox.known(process.pid):
                print(json.dumps(storage.statements(paths.lake)), file=process.stdin, flush=True)
                yield _Running(process, said)
        except BaseException:
            said.append(_end(process))
            raise
        finally:
            _log(paths.dbt / "logs/dbt.log", said)


def _log(file: Path, said: list[str]) -> None:
    """Append to the log, which dbt does not write itself as it would not redact it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    is_full = file.exists() and file.stat().st_size > MOST_LOGGED
    with file.open("w" if is_full else "a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in all_redacted(said))


def _warehouse(paths: Paths, target: str, env: dict[str, str]) -> tuple[list[Path], list[Path]]:
    """What a target of profiles.yml reads, and the folders that it writes to."""
    spill = {"dev": "dev", "published": "tmp-published"}.get(target, "tmp")
    written = [paths.dbt, paths.warehouse / spill]
    if candidate := env.get("LARDER_CANDIDATE"):
        written.append(Path(candidate).resolve().parent)
    published = str(paths.warehouse / "current/larder.duckdb") if target == "published" else ""
    named = (published, env.get("LARDER_BASE"), env.get("LARDER_RECORD"))
    return [Path(file) for file in named if file], written


def _follow(running: _Running, report: Callable[[str], None]) -> _Ended:
    """Pass on the progress of one command, until it has ended or the process has."""
    errors: list[str] = []
    invocation, code = "", None
    for line in running.process.stdout or ():
        if "No space left on device" in line:
            errors = ["the disk is full"]
        event = _event(line)
        if "exit_code" in event:
            code = int(event["exit_code"])
            break
        data, info = event.get("data", {}), event.get("info", {})
        running.said.append(f"{info.get('ts', '')} {info.get('msg', line)}".strip())
        if line.startswith(spark.SAID):
            report(line.strip())
        invocation = info.get("invocation_id", invocation)
        if node_info := data.get("node_info"):
            _emit(str(info.get("name")), data, node_info)
        if info.get("name") == "LogStartLine":
            report(f"{data['index']} of {data['total']} {data['description']}")
        elif info.get("level") == "error" and errors != ["the disk is full"]:
            errors.append(str(info.get("msg", "")).strip())
    return _Ended(all_redacted(errors), running.process.wait() if code is None else code, invocation)


ENDS = {"success": "node_built", "pass": "node_passed", "warn": "node_warned", "skipped": "node_skipped"}
"""What happened to a node, by dbt's word for it. What failed is told with its reason, when dbt has written that."""


def _emit(name: str, data: dict[str, Any], node: dict[str, Any]) -> None:
    """Pass on that a node began, or how it ended, as dbt's log says it."""
    if name == "LogStartLine":
        events.emit("node_started", node["unique_id"], kind=node["resource_type"])
    elif name.startswith("Log") and name.endswith("Result"):
        # of a unit test, only the line itself says how it ended
        status = str(data["status"] if name == "LogTestResult" else node["node_status"])
        if status in ENDS:
            events.emit(
                ENDS[status],
                node["unique_id"],
                kind=node["resource_type"],
                status=status,
                seconds=data.get("execution_time"),
                failures=data.get("num_failures"),
            )


def _end(process: subprocess.Popen[str]) -> str:
    """Stop dbt, and return what it said last when its process has ended: what it was writing may be removed afterwards."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return ""


def _event(line: str) -> dict[str, Any]:
    """One line of dbt's JSON log; anything else that is printed (a driver's noise) counts as no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _redact(results: Path) -> None:
    """Take values of rows out of dbt's results, which repeat what DuckDB says of them."""
    try:
        content = json.loads(results.read_text())
        messages = [node["message"] or "" for node in content["results"]]
    except (OSError, ValueError, KeyError, TypeError):  # whoever reads them says what is wrong
        return
    clean = all_redacted(messages)
    if clean != messages:
        for node, message in zip(content["results"], clean, strict=True):
            node["message"] = message
        write_atomically(results, json.dumps(content))


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
