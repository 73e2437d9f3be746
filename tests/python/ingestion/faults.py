"""Let a load run in a process of its own and die there, by SIGKILL, at a step of dlt's way into the lake.

The steps are hooked from here: nothing in the product knows of them.
"""

import importlib
import inspect
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conftest import PROJECT

from ingestion.core.bucket import WRITES

KILLED = -signal.SIGKILL

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["ingestion.pipelines", "ingestion.core.bucket"]
)  # dlt is imported once, not once per death


@dataclass(frozen=True)
class Step:
    """A function or method that moves a load on: `module:Class.method`, called with one of `only` where there are any. The bodies of
    files are cut by `halfway`, if it has one.
    """

    name: str
    method: str
    moments: tuple[str, ...] = ("before", "after")
    nth: int = 1
    only: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name.replace(" ", "_")

    def times(self, nth: int) -> "Step":
        """The same step, when it is taken for the n-th time."""
        return replace(self, nth=nth)


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
WRITE_IN_BUCKET = Step("request that writes", "ingestion.core.bucket:Store._call_s3", only=WRITES)
"""A request makes an object whole or not at all; what is cut in its middle is seen by strace (test_bucket.py)."""
LOCK_IN_BUCKET = Step("request on a condition", "ingestion.core.bucket:Store.write_if")
COMPLETE_PACKAGE = Step(
    "package put away", "dlt.common.storages.load_storage:LoadStorage.complete_load_package", ("after",)
)
SWEEP = Step("dead load swept", "ingestion.pipelines:sweep_dead_loads")
ACKNOWLEDGE = Step("broker told", "ingestion.connectors.brokers.jetstream:JetStream.acknowledge")

STEPS = {
    "disk": (CLEAR, EXTRACT, COMMIT_EXTRACT, NORMALISE, LAND, RECORD, COMPLETE_PACKAGE, SWEEP),
    "bucket": (WRITE_IN_BUCKET, LOCK_IN_BUCKET),  # what happens on the machine is the same
}


def ingest(source: str, data: Path, env: dict[str, str], *changes: Any, lake: str = "") -> int:
    """Load a source in a process of its own, with faults or mutants put in; return its exit code. The lake is in `data`, or where it is named."""
    process = _PROCESSES.Process(target=_child, args=(source, data, env, changes, lake or str(data / "lake")))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code


def _child(source: str, data: Path, env: dict[str, str], changes: Sequence[Any], lake: str) -> None:
    os.chdir(PROJECT)
    os.environ.update(env)
    for change in changes:
        plant(change) if isinstance(change, Fault) else change()
    from ingestion import pipelines
    from ingestion.core import storage

    pipelines.ingest(source, storage.location(lake), data / "dlt", lambda _: None)


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

    async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
        nonlocal taken
        taken += not fault.step.only or args[1] in fault.step.only
        if taken != fault.step.nth or (fault.step.only and args[1] not in fault.step.only):
            return await method(*args, **kwargs)
        if fault.moment == "after":
            await method(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

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

    return wrapped_coroutine if inspect.iscoroutinefunction(method) else wrapped


def _half_of_a_copy(source: str, target: str) -> None:
    content = Path(source).read_bytes()
    Path(target).write_bytes(content[: len(content) // 2])


def _half_of_a_text(target: str, text: str) -> None:
    Path(target).parent.mkdir(exist_ok=True)
    Path(target).write_text(text[: len(text) // 2])


HALVES = {"cp_file": _half_of_a_copy, "write_text": _half_of_a_text}
"""What is left when one of dlt's two ways to write to the lake is cut in its middle."""
