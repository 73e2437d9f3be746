"""What happens in a run, as one stream: history, alerts, metrics and an orchestrator read it.

An event is a flat JSON object with the keys of FIELDS, one a line. It says what happened to which subject (a source, dbt's id of
a node, a generation, a step), and never a value of a row: texts are redacted.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ingestion.core.redaction import redacted
from larder.core import console
from larder.core.errors import LarderError, was_interrupted

FIELDS = ("kind", "status", "seconds", "rows", "failures", "bytes", "promised_hours", "reason")
"""What an event may say besides run_id, sequence, at, event and subject. Kind is dbt's of a node, or an
error's. Seconds are of wall time; of source_aged, how old its data are by the clock of the data."""

MOST_REASON = 500
"""Characters of a reason: the rest stands in the log."""

KEPT = 1_000
"""Runs whose events are kept as files."""


class _Stream:
    """The events of one run, in the order in which they happen, and where they go."""

    def __init__(self, run_id: str, sinks: list[BinaryIO]) -> None:
        self.run_id, self._sinks, self._sequence = run_id, sinks, 0

    def write(self, event: str, subject: str, said: dict[str, Any]) -> None:
        """Write one event to all sinks. One that fails is left out from then on: it never changes what the run does."""
        self._sequence += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {
            "run_id": self.run_id,
            "sequence": self._sequence,
            "at": at,
            "event": event,
            "subject": subject,
        }
        text = json.dumps({**line, **said}, ensure_ascii=False) + "\n"
        for sink in [*self._sinks]:
            try:
                sink.write(text.encode())
            except (OSError, ValueError) as error:
                self._sinks.remove(sink)
                console.note(f"no more events go to {sink.name}: {error}")


_current: _Stream | None = None
_leaves_out_nodes = False


def emit(event: str, subject: str, **said: Any) -> None:
    """Say that something happened; nobody hears it outside of a run. `said` are some of FIELDS; what is None or empty is left out."""
    if _current is None or (_leaves_out_nodes and event.startswith("node_") and event != "node_failed"):
        return
    if unknown := said.keys() - set(FIELDS):
        raise TypeError(f"an event has no {', '.join(sorted(unknown))}")
    if reason := said.get("reason"):
        said["reason"] = redacted(" ".join(str(reason).split()))[:MOST_REASON]
    if seconds := said.get("seconds"):
        said["seconds"] = round(seconds, 3)
    _current.write(event, subject, {name: value for name, value in said.items() if value not in (None, "")})


@contextmanager
def step(name: str) -> Iterator[None]:
    """One step of a run, and how it ended."""
    with _told("step", name):
        yield


@contextmanager
def without_nodes() -> Iterator[None]:
    """Leave out what happens to single nodes, unless one fails: a run that never ends would fill the disk with them."""
    global _leaves_out_nodes
    _leaves_out_nodes = True
    try:
        yield
    finally:
        _leaves_out_nodes = False


@contextmanager
def run(history: Path, command: str, target: BinaryIO | None = None) -> Iterator[None]:
    """Record a run as `<history>/runs/<run id>.jsonl`, and in `target` where one is given.

    A run that was killed has no event run_finished.
    """
    global _current
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{os.getpid()}"
    kept = _opened(history / "runs", run_id)
    _current = _Stream(run_id, [sink for sink in (kept, target) if sink])
    try:
        with _told("run", command):
            yield
    finally:
        _current = None
        if kept:
            kept.close()


@contextmanager
def _told(what: str, subject: str) -> Iterator[None]:
    emit(f"{what}_started", subject)
    began = time.monotonic()
    status, reason, kind = "success", "", ""
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        if was_interrupted(error):
            status = "interrupted"
        else:
            status, reason, kind = "failed", str(error) or repr(error), type(error).__name__
        raise
    finally:
        seconds = time.monotonic() - began
        emit(f"{what}_finished", subject, kind=kind, status=status, seconds=seconds, reason=reason)


def _opened(folder: Path, run_id: str) -> BinaryIO | None:
    """The file of a run; the oldest files make way. None, told once, where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.jsonl"))[: -KEPT + 1]:
            old.unlink(missing_ok=True)
        return _unbuffered(folder / f"{run_id}.jsonl")
    except OSError as error:
        console.note(f"the events of this run are not kept: {error}")
        return None


@contextmanager
def target(named: str | None) -> Iterator[BinaryIO | None]:
    """Where somebody wants the events: a file, to which they are added, or `-` for standard output.

    Raises LarderError where a file cannot be written.
    """
    if named is None:
        yield None
        return
    try:
        if Path(named).is_fifo():
            console.note(f"{named} is a pipe: the run begins when somebody reads it")
        opened = _unbuffered(sys.stdout.fileno() if named == "-" else Path(named))
    except OSError as error:
        raise LarderError(
            f"the events cannot be written to {named}: {error.strerror}",
            "Name a file in a folder that is there.",
        ) from error
    with opened:
        yield opened


def _unbuffered(file: Path | int) -> BinaryIO:
    """A file that holds nothing back, and takes the lines of two runs: what could not be written is not tried again when it is closed, or the process ends."""
    return open(file, "ab", buffering=0, closefd=isinstance(file, Path))
