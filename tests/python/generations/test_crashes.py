"""kill -9 at every step: strace lets a process run until its n-th file operation and kills it there.

After a kill at any step, readers see the old state or the new one, the next run completes, and nothing is left behind.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psutil
import pytest
from conftest import PROJECT, Instance
from kill import (
    CONTENTS,
    KILLED,
    MOVES,
    RENAMES,
    Point,
    Victims,
    killing,
    needs_strace,
    points,
    traced,
    tracing,
    victims,
)
from victim import NEW, OLD, ROWS, candidate, fill

from larder.warehouse.store import Manifest, Store

LAST_VALUES = {"publish": NEW, "failed": OLD, "rollback": OLD - 1, "clean": OLD}
"""What readers see when nobody killed the scenario."""


@pytest.fixture(scope="module", name="victims")
def victims_() -> Iterator[Victims]:
    with victims() as server:
        yield server


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
    """What must be true after a kill. `kept` is a second copy of the same remains, for `larder clean` alone."""
    store = Store(warehouse)
    last = LAST_VALUES[scenario]
    assert seen(store) in (OLD, last)
    published = store.published()
    assert published and value(store, published) == seen(store)
    listed = {value(store, m) for m in store.all() if m.published_at}
    assert listed <= {OLD - 3, OLD - 2, OLD - 1, OLD, seen(store)}, (
        "listed as published, but nobody ever saw it"
    )

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
        if not victims.kill(scenario, warehouse, point):
            assert seen(Store(warehouse)) == LAST_VALUES[scenario]
            continue
        kept = room / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(warehouse, kept, symlinks=True)
        try:
            check_recovery(warehouse, scenario, kept)
        except Exception as error:
            error.add_note(
                f"after kill -9 before {point} of {scenario}, call {found.index(point)} of {found}"
            )
            raise
    return chosen


SCENARIOS = [
    name if name == "publish" else pytest.param(name, marks=pytest.mark.nightly) for name in LAST_VALUES
]
"""All by night, the one that moves what readers see in every run."""


@needs_strace
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_between_any_two_moves(victims: Victims, before: Path, tmp_path: Path, scenario: str) -> None:
    killed = sweep(victims, before, tmp_path, scenario, MOVES, one_in=1)
    assert {point.call.removesuffix("at") for point in killed} & {"rename", "unlink"}


@needs_strace
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_within_a_write(victims: Victims, before: Path, tmp_path: Path, scenario: str) -> None:
    """A sample; the rest comes at night. The step is prime, so that it meets all kinds of calls."""
    assert sweep(victims, before, tmp_path, scenario, f"{MOVES},{CONTENTS}", one_in=13)


@needs_strace
@pytest.mark.nightly
@pytest.mark.parametrize("scenario", LAST_VALUES)
def test_a_kill_at_every_call(victims: Victims, before: Path, tmp_path: Path, scenario: str) -> None:
    assert sweep(victims, before, tmp_path, scenario, f"{MOVES},{CONTENTS}", one_in=1)


# The commands


@needs_strace
def test_a_kill_at_every_rename_of_larder_publish(before: Path, tmp_path: Path) -> None:
    instance = Instance(tmp_path / "data")
    copy(before, instance.data)
    log = tmp_path / "log"
    assert traced(instance, tracing(log, RENAMES), "publish") == 0
    found = points(log.read_text(), about=str(instance.data))
    assert {"rename", "symlink"} <= {point.call for point in found}
    for point in found:
        store = Store(copy(before, instance.data))
        waiting = store.candidate()
        assert waiting
        wanted = value(store, waiting)
        assert traced(instance, killing(point), "publish") == KILLED
        assert seen(store) in (OLD, wanted)
        instance.larder("publish")
        assert seen(store) == wanted, f"the candidate is lost after a kill at {point}"
        store.clean()
        assert orphans(instance.data / "warehouse") == []


COMPILE = """
import sys
from pathlib import Path
from larder.project import dbt
from larder.core.settings import Paths
dbt.run(Paths(Path(sys.argv[1])), "candidate", ["compile"], lambda _: None)
"""


def test_dbt_does_not_outlive_a_killed_build(tmp_path: Path) -> None:
    """It would go on writing to its candidate and its results during the next build."""
    with subprocess.Popen([sys.executable, "-c", COMPILE, str(tmp_path)], cwd=PROJECT) as build:
        children: list[psutil.Process] = []
        while not any(part.endswith("/session.py") for child in children for part in child.cmdline()):
            assert build.poll() is None
            children = psutil.Process(build.pid).children()
        build.kill()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone and not alive
