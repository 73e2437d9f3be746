"""kill -9 at every step: strace lets a process run until its n-th file operation and kills it there.

Whatever the step, readers see the old state or the new one, the next run completes, and nothing is left behind.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from victim import NEW, OLD, ROWS, candidate, fill

from larder.store import Manifest, Store

STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(
    STRACE is None, reason="NOT TESTED: kill -9 at every step needs strace (Debian: apt-get install strace)"
)
MOVES = (
    "rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat,mkdir,mkdirat,"
    "chmod,fchmod,fchmodat"
)
"""What changes names and rights: between two of these a crash can leave a state that none before had."""
CONTENTS = "write,pwrite64,ftruncate,fsync,fdatasync,copy_file_range,sendfile,openat"
"""What changes contents, and openat, which may make a file."""

KILLED = -9
LAST_VALUES = {"publish": NEW, "failed": OLD, "rollback": OLD - 1, "clean": OLD}
"""What readers see when nobody killed the scenario."""


@dataclass(frozen=True)
class Point:
    """The n-th call of one name."""

    call: str
    nth: int


@dataclass(frozen=True)
class Victims:
    """The process that forks victims, so that the interpreter starts once and not once per kill."""

    server: subprocess.Popen[str]

    def calls(self, scenario: str, warehouse: Path, names: str) -> list[Point]:
        """Let a scenario run to its end; return its calls in their order."""
        log = warehouse.with_suffix(".log")
        assert self._run(scenario, warehouse, "-o", str(log), "-e", f"trace={names}") == 0
        return points(log.read_text())

    def kill(self, scenario: str, warehouse: Path, point: Point) -> None:
        """Let a scenario run until just before a call, and no further."""
        inject = f"inject={point.call}:signal=KILL:when={point.nth}"
        code = self._run(scenario, warehouse, "-o", os.devnull, "-e", f"trace={point.call}", "-e", inject)
        assert code == KILLED, f"{scenario} ended by itself with {code}, not at {point}"

    def _run(self, scenario: str, warehouse: Path, *options: str) -> int:
        assert self.server.stdin and self.server.stdout
        go = warehouse.with_suffix(".go")
        os.mkfifo(go)
        self.server.stdin.write(f"{scenario} {warehouse}\n")
        self.server.stdin.flush()
        process = int(self.server.stdout.readline())
        command = ["strace", "-f", "-q", *options, "-p", str(process)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
            wait_until_traced(process, tracer)
            with go.open("wb") as pipe:
                pipe.write(b"!")
            code = int(self.server.stdout.readline())
        go.unlink()
        return code


def points(log: str) -> list[Point]:
    """The calls of an strace log. strace counts them by name and thread, so two threads can share a point."""
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[Point, None] = {}
    for thread, call in re.findall(r"^(\d+) +(\w+)\(", log, flags=re.MULTILINE):
        counts[thread, call] += 1
        found[Point(call, counts[thread, call])] = None
    return list(found)


def wait_until_traced(process: int, tracer: subprocess.Popen[bytes]) -> None:
    status = Path(f"/proc/{process}/status")
    while not re.search(r"^TracerPid:\s+[1-9]", status.read_text(), flags=re.MULTILINE):
        assert tracer.poll() is None, tracer.stderr and tracer.stderr.read().decode()


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with subprocess.Popen(
        [sys.executable, "-B", str(Path(__file__).with_name("victim.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield Victims(server)
        assert server.stdin
        server.stdin.close()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some published generations, a candidate that waits, one that failed: every path of the store has work to do."""
    room = tmp_path_factory.mktemp("before") / "warehouse"
    store = Store(room)
    for value in (OLD - 3, OLD - 2, OLD - 1, OLD):
        store.publish(candidate(store, value))
    refused = store.begin(fresh=True)
    fill(store, refused, 99)
    store.failed(refused)
    candidate(store, 98)
    assert seen(store) == OLD
    return room


def copy(before: Path, room: Path) -> Path:
    warehouse = room / "warehouse"
    shutil.rmtree(warehouse, ignore_errors=True)
    shutil.copytree(before, warehouse, symlinks=True)
    return warehouse


def seen(store: Store) -> int:
    """What a reader gets: both tables must be there and be of one generation."""
    with duckdb.connect(str(store.reader_address()), read_only=True) as connection:
        return value_of(connection)


def value_of(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(
        "select list(distinct generation), count(*) from (from lines union all from marker)"
    ).fetchone()
    assert found and len(found[0]) == 1 and found[1] == 2 * ROWS, found
    return int(found[0][0])


def value(store: Store, manifest: Manifest) -> int:
    with duckdb.connect(str(store.address(manifest)), read_only=True) as connection:
        return value_of(connection)


def orphans(warehouse: Path) -> list[str]:
    """Everything that is not the pointer, or the file and the manifest of a generation that is published or waits."""
    store = Store(warehouse)
    wanted = {warehouse / "current"}
    for manifest in store.all():
        if manifest.state in ("published", "audited"):
            folder = store.address(manifest).parent
            wanted |= {folder, folder / "manifest.json", store.address(manifest)}
            artifacts = store.artifacts(manifest)
            wanted |= {artifacts, *artifacts.rglob("*")} if artifacts.exists() else set()
    found = {path for path in warehouse.rglob("*") if path != warehouse / "generations"}
    return sorted(f"{path.relative_to(warehouse)}" for path in found ^ wanted)


def check_recovery(warehouse: Path, scenario: str, kept: Path) -> None:
    """What must hold after a kill. `kept` is a second copy of the same remains, for `larder clean` alone."""
    store = Store(warehouse)
    last = LAST_VALUES[scenario]
    assert seen(store) in (OLD, last)
    published = store.published()
    assert published and value(store, published) == seen(store)
    listed = {value(store, m) for m in store.all() if m.published_at}
    assert listed <= {OLD - 3, OLD - 2, OLD - 1, OLD, seen(store)}, "listed as published, but nobody ever saw it"

    cleaned = Store(kept)
    cleaned.clean()
    assert orphans(kept) == []
    assert seen(cleaned) == seen(store)

    waiting = store.candidate()
    if waiting:
        expected = value(store, waiting)
        store.publish(waiting)
        assert seen(store) == expected
    store.publish(candidate(store, 50))
    assert seen(store) == 50
    store.clean()
    assert orphans(warehouse) == []
    assert value(store, store.rollback(None)) == seen(store) != 50


def sweep(victims: Victims, before: Path, room: Path, scenario: str, names: str, one_in: int) -> list[Point]:
    """Kill a scenario at one in so many of its calls, each time from the same state; return where."""
    warehouse = copy(before, room)
    found = victims.calls(scenario, warehouse, names)
    assert seen(Store(warehouse)) == LAST_VALUES[scenario]
    chosen = found[::one_in]
    for point in chosen:
        warehouse = copy(before, room)
        victims.kill(scenario, warehouse, point)
        kept = room / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(warehouse, kept, symlinks=True)
        try:
            check_recovery(warehouse, scenario, kept)
        except Exception as error:
            error.add_note(f"after kill -9 before {point} of {scenario}, call {found.index(point)} of {found}")
            raise
    return chosen


@needs_strace
@pytest.mark.parametrize("scenario", LAST_VALUES)
def test_a_kill_between_any_two_moves(victims: Victims, before: Path, tmp_path: Path, scenario: str) -> None:
    killed = sweep(victims, before, tmp_path, scenario, MOVES, one_in=1)
    assert {point.call.removesuffix("at") for point in killed} & {"rename", "unlink"}


@needs_strace
@pytest.mark.parametrize("scenario", LAST_VALUES)
def test_a_kill_within_a_write(victims: Victims, before: Path, tmp_path: Path, scenario: str) -> None:
    """A sample; the rest comes at night. The step is prime, so that it meets all kinds of calls."""
    assert sweep(victims, before, tmp_path, scenario, f"{MOVES},{CONTENTS}", one_in=29)


@needs_strace
@pytest.mark.nightly
@pytest.mark.parametrize("scenario", LAST_VALUES)
def test_a_kill_at_every_call(victims: Victims, before: Path, tmp_path: Path, scenario: str) -> None:
    assert sweep(victims, before, tmp_path, scenario, f"{MOVES},{CONTENTS}", one_in=1)
