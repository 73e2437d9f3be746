"""One writer at a time, by file locks: the system releases them when their process ends."""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import IO

from ingestion.core import storage
from ingestion.core.errors import Taken
from larder.core.errors import Busy
from larder.core.settings import Paths

GLANCE = 0.3
"""Seconds for which a lock is tried again: a check of who holds it takes it for a moment, too."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, and since when (UTC, ISO 8601)."""

    pid: int
    host: str
    since: str
    command: str


@contextmanager
def lock(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock `name` while the block runs; raise Busy at once when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("a+") as file:
        if not _lock(file):
            holder = _read(file.name)
            who = (
                f"process {holder.pid} on {holder.host} since {holder.since} ({holder.command})"
                if holder
                else "another process"
            )
            raise Busy(f"{name} is locked by {who}", "Wait until it has finished, or stop it.")
        file.truncate(0)
        file.write(json.dumps(asdict(_me())))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def source_lock(paths: Paths, source: str) -> Iterator[None]:
    """Hold a source while the block changes what the lake has of it; raise Busy when another process has it, of this machine or,
    where the lake is in a bucket, of another.
    """
    with lock(paths.locks, f"ingest-{source}"), ExitStack() as claims:
        try:
            claims.enter_context(storage.claimed(paths.lake / "raw" / source))
        except Taken as error:
            raise Busy(str(error), error.next_step) from error
        yield


def _lock(file: IO[str]) -> bool:
    """Take the lock, or give up after `GLANCE`."""
    deadline = time.monotonic() + GLANCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        else:
            return True


def holders(folder: Path) -> dict[str, Holder]:
    """The locks that are held now."""
    return {name: holder for name, (holder, held) in _all(folder).items() if held}


def abandoned(folder: Path) -> dict[str, Holder]:
    """Locks whose process was killed. They block nobody; the next process takes them over."""
    return {name: holder for name, (holder, held) in _all(folder).items() if not held}


def _all(folder: Path) -> dict[str, tuple[Holder, bool]]:
    found = {}
    for path in sorted(folder.glob("*.lock")):
        holder = _read(str(path))
        if holder:
            found[path.stem] = (holder, _is_locked(path))
    return found


def _is_locked(path: Path) -> bool:
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _read(path: str) -> Holder | None:
    try:
        return Holder(**json.loads(Path(path).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _me() -> Holder:
    """This process. Options are left out of its command: they may name a person."""
    words = takewhile(lambda word: not word.startswith("-"), sys.argv[1:])
    command = " ".join([Path(sys.argv[0]).name, *words])
    return Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), command)
