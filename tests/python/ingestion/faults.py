"""Let a load run in a process of its own and die there, by SIGKILL, at a step of dlt's way into the lake.

The steps are hooked from here: nothing in the product knows of them.
"""

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import PROJECT

KILLED = -signal.SIGKILL

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["ingestion.pipelines"])  # dlt is imported once, not once per death


@dataclass(frozen=True)
class Step:
    """A function or method that moves a load on: `module:Class.method`. The bodies of files are cut by `halfway`, if it has one."""

    name: str
    method: str
    moments: tuple[str, ...] = ("before", "after")
    nth: int = 1

    def __str__(self) -> str:
        return self.name.replace(" ", "_")

    def times(self, nth: int) -> "Step":
        """The same step, when it is taken for the n-th time."""
        return Step(self.name, self.method, self.moments, nth)


@dataclass(frozen=True)
class Fault:
    """Death before, halfway through or after the n-th time that a step is taken."""

    step: Step
    moment: str

    def __str__(self) -> str:
        return f"{self.moment}-{self.step}-{self.step.nth}"


CLEAR = Step("folder of an earlier load removed", "os:rmdir", ("before",))
EXTRACT = Step("rows extracted", "dlt.extract.extractors:ArrowExtractor.write_items", ("after",))
COMMIT_EXTRACT = Step("extracted package", "dlt.extract.extract:Extract.commit_packages")
NORMALISE = Step("normalised package", "dlt.common.storages.load_storage:LoadStorage.commit_new_load_package")
LAND = Step(
    "file in the lake",
    "fsspec.implementations.local:LocalFileSystem.cp_file",
    ("before", "halfway", "after"),
)
RECORD = Step(
    "record in the lake",  # its version, a schema, the state, the completion
    "fsspec.implementations.local:LocalFileSystem.write_text",
    ("before", "halfway", "after"),
)
COMPLETE_PACKAGE = Step(
    "package put away", "dlt.common.storages.load_storage:LoadStorage.complete_load_package", ("after",)
)
SWEEP = Step("dead load swept", "ingestion.pipelines:sweep_dead_loads")
ACKNOWLEDGE = Step("broker told", "ingestion.connectors.brokers.jetstream:JetStream.acknowledge")

STEPS = (CLEAR, EXTRACT, COMMIT_EXTRACT, NORMALISE, LAND, RECORD, COMPLETE_PACKAGE, SWEEP)


def ingest(source: str, data: Path, env: dict[str, str], *changes: Any) -> int:
    """Load a source in a process of its own, with faults or mutants put in; return its exit code."""
    process = _PROCESSES.Process(target=_child, args=(source, data, env, changes))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code


def _child(source: str, data: Path, env: dict[str, str], changes: Sequence[Any]) -> None:
    os.chdir(PROJECT)
    os.environ.update(env)
    for change in changes:
        plant(change) if isinstance(change, Fault) else change()
    from ingestion import pipelines

    pipelines.ingest(source, data / "lake", data / "dlt", lambda _: None)


def plant(fault: Fault) -> None:
    """Put a death into a method."""
    module, _, path = fault.step.method.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    setattr(owner, name, _dying(getattr(owner, name), fault))


def _dying(method: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    taken = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken != fault.step.nth:
            return method(*args, **kwargs)
        if fault.moment == "halfway":
            HALVES[method.__name__](*args[1:3])
        if fault.moment == "after":
            method(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return wrapped


def _half_of_a_copy(source: str, target: str) -> None:
    content = Path(source).read_bytes()
    Path(target).write_bytes(content[: len(content) // 2])


def _half_of_a_text(target: str, text: str) -> None:
    Path(target).parent.mkdir(exist_ok=True)
    Path(target).write_text(text[: len(text) // 2])


HALVES = {"cp_file": _half_of_a_copy, "write_text": _half_of_a_text}
"""What is left when one of dlt's two ways to write to the lake is cut in its middle."""
