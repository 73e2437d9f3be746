"""`larder backfill`: load a range of days again, in bounded steps, as a reviewed file says; an interrupted one goes on where it stopped."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from ingestion.core.files import write_atomically
from ingestion.core.request import LoadRequest
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.ops import run
from larder.project.groups import FILE as GROUPS
from larder.project.groups import owners
from larder.warehouse.locks import lock

MOST_DAYS = 31
"""Days of one step: what a step builds fits in memory, and a failed one costs little."""

MOST_YEARS = 10

KEYS = {"first": date, "last": date, "reason": str, "owner": str, "step_days": int}


@dataclass(frozen=True)
class Backfill:
    """Which days are loaded again, why, for whom, and how many of them at once."""

    first: date
    last: date
    reason: str
    owner: str
    step_days: int = 7

    def steps(self) -> Iterator[LoadRequest]:
        """The days in steps, the earliest first."""
        for offset in range(0, (self.last - self.first).days + 1, self.step_days):
            first = self.first + timedelta(days=offset)
            days = min(self.step_days - 1, (self.last - first).days)
            yield LoadRequest(first=first, last=first + timedelta(days=days))


def start(paths: Paths, file: Path) -> None:
    """Run what the file says, step by step. Each is a whole run: audited, published and in the history of runs.

    Raises LarderError where the file says something else than when it began, or a step fails: the same command goes on with that step.
    """
    wanted = _read(file)
    if wanted.owner not in (known := owners(paths.project)):
        raise _wrong(file, f"owner is {wanted.owner!r}, and {GROUPS} has: {', '.join(known)}")
    place = sha256(str(file.resolve()).encode()).hexdigest()[:8]  # two folders may have a file of one name
    progress = paths.history / "backfills" / f"{file.stem}-{place}.json"
    with lock(paths.locks, "backfill"):
        done = _done(progress, wanted)
        todo = [step for step in wanted.steps() if str(step.last) not in done]
        for number, step in enumerate(todo, start=1):
            console.note(f"backfill {file.stem}: {step.days}, step {number} of {len(todo)}: {wanted.reason}")
            run.run(paths, request=step)
            done.append(str(step.last))
            progress.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(progress, json.dumps({"wanted": _said(wanted), "done": done}))
    console.done(f"backfill {file.stem}: {len(todo)} steps done, {len(done)} in all")


def _read(file: Path) -> Backfill:
    """What a file says; LarderError names what is wrong in it."""
    try:
        text = file.read_text()
        said: Any = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _wrong(file, " ".join(str(error).split())[:300]) from error
    if not isinstance(said, dict) or said.keys() - KEYS or {"first", "last", "reason", "owner"} - said.keys():
        raise _wrong(file, "its keys must be first, last, reason, owner and perhaps step_days")
    written = yaml.compose(text, yaml.SafeLoader)
    if written and len(written.value) > len(said):
        raise _wrong(file, "a key stands twice")
    for key, value in said.items():
        if type(value) is not KEYS[key] or not str(value).strip():
            raise _wrong(file, f"{key} is {str(value)[:60]!r}, which is no {KEYS[key].__name__}")
    found = Backfill(**said)
    if not timedelta() <= found.last - found.first < timedelta(days=MOST_YEARS * 366):
        raise _wrong(file, f"first must not be after last, nor more than {MOST_YEARS} years before it")
    if not 1 <= found.step_days <= MOST_DAYS:
        raise _wrong(file, f"step_days must be 1 to {MOST_DAYS}")
    return found


def _done(progress: Path, wanted: Backfill) -> list[str]:
    """The last days of the steps that were done. A file that cannot be read has done none."""
    try:
        known: dict[str, Any] = json.loads(progress.read_text())
        before, done = known["wanted"], list(known["done"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if before != _said(wanted):
        raise LarderError(
            f"the backfill has changed since it began ({progress} has what was done of it)",
            "Give the new one a file of another name.",
        )
    return done


def _said(wanted: Backfill) -> dict[str, str]:
    return {name: str(value) for name, value in vars(wanted).items()}


def _wrong(file: Path, why: str) -> LarderError:
    return LarderError(f"{file}: {why}", "docs/runbooks/backfill.md shows one.")
