"""A process that forks one child for each line it is given, and lets the child do one thing to a store or a lake.

Line: `SCENARIO FOLDER`. The answers are the child's process id, then its exit code. In between the child waits for a
byte on the pipe `FOLDER.go`, so that strace can be attached before its first step and counts none of the interpreter's.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
from stores import LAKES, InBucket, OnDisk

from ingestion import pipelines
from ingestion.sources import SOURCES
from larder.warehouse.store import Manifest, Store

PR_SET_PTRACER, ANYBODY = 0x59616D61, -1
OLD, NEW = 1, 2
ROWS = 50


def fill(store: Store, manifest: Manifest, value: int) -> None:
    """Two tables and a marker of one generation, replaced one by one."""
    with duckdb.connect(str(store.address(manifest)), config={"threads": 1}) as connection:
        for table in ("lines", "marker"):
            connection.execute(
                f"create or replace table {table} as select {value} as generation from range({ROWS})"
            )


def candidate(store: Store, value: int, fresh: bool = False) -> Manifest:
    manifest = store.begin(fresh)
    fill(store, manifest, value)
    store.audited(manifest)
    return manifest


def publish(warehouse: Path) -> None:
    """From begin to the end, with an older candidate that makes way and a generation that is let go."""
    store = Store(warehouse)
    store.publish(candidate(store, NEW))


def failed(warehouse: Path) -> None:
    """A candidate that does not pass takes the place of the last such one."""
    store = Store(warehouse)
    manifest = store.begin(fresh=True)
    fill(store, manifest, NEW)
    store.failed(manifest)


def rollback(warehouse: Path) -> None:
    Store(warehouse).rollback(None)


def clean(warehouse: Path) -> None:
    Store(warehouse).clean()


def ingest(source: str, data: Path) -> None:
    """What is new in one of the systems that the environment names, into a lake on the disk or in a bucket."""
    lakes = InBucket() if os.environ.get(LAKES) == "bucket" else OnDisk()
    os.environ.update(lakes.env(data))
    pipelines.ingest(source, lakes.of(data), data / "dlt", lambda _: None)


SCENARIOS: dict[str, Callable[[Path], None]] = {
    "publish": publish,
    "failed": failed,
    "rollback": rollback,
    "clean": clean,
    **{f"ingest-{source}": partial(ingest, source) for source in SOURCES},
}


def child(scenario: str, folder: Path) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
    go = os.open(folder.with_suffix(".go"), os.O_RDWR)
    say(os.getpid())
    os.read(go, 1)
    SCENARIOS[scenario](folder)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        scenario, folder = line.split()
        process = os.fork()
        if process == 0:
            child(scenario, Path(folder))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
