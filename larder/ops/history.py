"""What the last run did, by the events that it left."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from larder.core.settings import Paths

Event = dict[str, Any]

NO_RUN = {"Busy"}
"""Kinds of errors that end a run before it has done anything: another one was at work."""


@dataclass(frozen=True)
class Run:
    """One run: its events in their order, and how it ended: success, failed, interrupted, killed, or running."""

    run_id: str
    status: str
    events: list[Event]

    def of(self, *names: str) -> list[Event]:
        """The events of these names."""
        return [event for event in self.events if event["event"] in names]

    @property
    def failures(self) -> list[Event]:
        """The nodes that failed since it last published: what came after that is what readers wait for."""
        published = [n for n, event in enumerate(self.events) if event["event"] == "generation_published"]
        since = self.events[published[-1] :] if published else self.events
        return [event for event in since if event["event"] == "node_failed"]


def last_and_judged(paths: Paths) -> tuple[Run | None, Run | None]:
    """The last run, whether it has ended or not; and the last one that came to an end of its own, or was killed."""
    last = None
    for run in _runs(paths):
        last = last or run
        if run.status in ("success", "failed", "killed"):
            return last, run
    return last, None


def _runs(paths: Paths) -> Iterator[Run]:
    """The runs, the last one first; none that only met another one, and none that a wrong clock has dated."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z"
    folder = paths.history / "runs"
    for file in sorted((file for file in folder.glob("*.jsonl") if file.stem <= f"{now}~"), reverse=True):
        if (found := _events(file)) and found[-1].get("kind") not in NO_RUN:
            ended = found[-1]["event"] == "run_finished"
            status = found[-1].get("status", "failed") if ended else _alive(file.stem)
            yield Run(file.stem, status, found)


def _events(file: Path) -> list[Event]:
    """The events of a file; a line that is none, as one that a kill cut off, is left out. None of what is no file that can be read."""
    found: list[Event] = []
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and {"event", "subject"} <= event.keys() and _is_flat(event):
            found.append(event)
    return found


def _is_flat(event: Event) -> bool:
    """Whether all that an event says are numbers and texts, and texts where a text belongs."""
    texts = ("event", "subject", "kind", "status", "reason")
    return all(isinstance(value, str if key in texts else (str, int, float)) for key, value in event.items())


def _alive(run_id: str) -> str:
    """Whether the process of a run that has not ended is there and is Larder's: its number ends the run's id."""
    number = run_id.rpartition("-")[2]
    try:
        os.kill(int(number), 0)
        command = Path(f"/proc/{number}/cmdline")
        is_ours = not command.exists() or b"larder" in map(
            os.path.basename, command.read_bytes().split(b"\0")
        )
    except PermissionError:
        is_ours = True
    except (OSError, ValueError, OverflowError):
        is_ours = False
    return "running" if is_ours else "killed"
