"""Loads that die at every step of their way into the lake, with dlt's working directory kept, and lost.

The lake is on a disk, or in a bucket. Whatever the step, the next run brings exactly what an undisturbed load brings: every row of the source once, nothing that
no load owns, and the run after it nothing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import duckdb
import pytest
from cases import SOURCE_ROWS, Case, cases, content
from conftest import PROJECT, Instance
from faults import (
    ACKNOWLEDGE,
    CLEAR,
    KILLED,
    LAND,
    LOCK_IN_BUCKET,
    RECORD,
    STEPS,
    WRITE_IN_BUCKET,
    Fault,
    Step,
    ingest,
)
from stores import InBucket, use

from ingestion.lake import loads as lake
from ingestion.lake import visible


@pytest.fixture(scope="module")
def case(
    retailer: Instance, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Case]]:
    """The case of a source, with its lakes on the disk or in a bucket."""
    on_disk = cases(retailer, tmp_path_factory)
    with pytest.MonkeyPatch.context() as patched:

        @cache
        def in_bucket() -> Callable[[str], Case]:
            use(patched, request.getfixturevalue("store"))
            return cases(retailer, tmp_path_factory, InBucket())

        yield lambda source, lakes="disk": in_bucket()(source) if lakes == "bucket" else on_disk(source)


def dies(case: Case, data: Path, fault: Fault, kept: bool) -> bool:
    """Whether a load of the case dies of a fault; it comes to its end where it does not take the step so often."""
    code = case.ingest(case.room(data), fault)
    assert code in (KILLED, 0), fault
    if not kept:
        shutil.rmtree(data / "dlt", ignore_errors=True)
    return code == KILLED


SAMPLE = [
    ("pos", Fault(RECORD, "after"), False),  # the state is saved, the load is not complete
    ("pos", Fault(CLEAR.times(6), "before"), True),  # half of the working directory is gone
    ("promotions", Fault(LAND.times(2), "after"), False),  # what an append doubles
    ("merchandising", Fault(LAND.times(2), "halfway"), True),
    ("loyalty", Fault(RECORD.times(2), "halfway"), False),  # the schema
    ("campaigns", Fault(RECORD.times(4), "halfway"), False),  # the completion
    ("pos_stream", Fault(ACKNOWLEDGE, "before"), False),  # loaded, and the broker does not know
]

MATRIX = [
    (lakes, source, step, moment)
    for lakes, steps in STEPS.items()
    for source in SOURCE_ROWS
    for step in (*steps, *([ACKNOWLEDGE] if source == "pos_stream" else []))
    for moment in step.moments
]
"""Every source at every moment of every step that it takes, on each kind of lake."""

SAMPLE_IN_BUCKET = [
    ("promotions", Fault(WRITE_IN_BUCKET.times(3), "after"), False),
    ("loyalty", Fault(LOCK_IN_BUCKET.times(4), "after"), False),  # a lock is taken, and never given back
]


@pytest.mark.parametrize(("source", "fault", "kept"), SAMPLE, ids=str)
def test_a_death_at_a_step(
    case: Callable[[str], Case], tmp_path: Path, source: str, fault: Fault, kept: bool
) -> None:
    """A sample; every step of every source comes at night."""
    assert dies(case(source), tmp_path, fault, kept)
    case(source).check(tmp_path)


@pytest.mark.parametrize(("source", "fault", "kept"), SAMPLE_IN_BUCKET, ids=str)
def test_a_death_on_the_way_into_a_bucket(
    case: Callable[..., Case], tmp_path: Path, source: str, fault: Fault, kept: bool
) -> None:
    mine = case(source, "bucket")
    assert dies(mine, tmp_path / "data", fault, kept)
    mine.check(tmp_path / "data")


def test_what_another_machine_has_loaded_since_a_death_is_not_loaded_again(
    case: Callable[..., Case], tmp_path: Path
) -> None:
    mine, data, other = case("promotions", "bucket"), tmp_path / "data", tmp_path / "other"
    assert dies(mine, data, Fault(WRITE_IN_BUCKET.times(3), "before"), kept=True)
    other.mkdir()
    assert ingest(mine.source, other, {**mine.env, **mine.lakes.env(other)}, lake=str(mine.lake(data))) == 0
    mine.check(data)


def test_a_load_that_waits_for_one_lake_is_not_brought_into_another(
    case: Callable[[str], Case], tmp_path: Path
) -> None:
    pos, data, moved = case("pos"), tmp_path / "data", tmp_path / "moved"
    assert pos.ingest(pos.room(moved)) == 0
    assert dies(pos, data, Fault(LAND, "before"), kept=True)
    assert ingest(pos.source, data, pos.env, lake=str(pos.lake(moved))) == 0
    assert pos.content(moved) == pos.whole


@pytest.mark.nightly
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "lost"])
@pytest.mark.parametrize(("lakes", "source", "step", "moment"), MATRIX, ids=str)
def test_a_death_at_every_step(
    case: Callable[..., Case], tmp_path: Path, lakes: str, source: str, step: Step, moment: str, kept: bool
) -> None:
    """Each time that a load takes the step, until one takes it no more and comes to its end."""
    mine, died = case(source, lakes), 0
    while dies(mine, tmp_path, Fault(step.times(died + 1), moment), kept):
        mine.check(tmp_path)
        died += 1
    assert died, f"{source} never takes the step"
    assert mine.content(tmp_path) == mine.whole


@pytest.mark.nightly
@pytest.mark.parametrize(("lakes", "source", "step", "moment"), MATRIX, ids=str)
def test_a_death_in_the_recovery(
    case: Callable[..., Case], tmp_path: Path, lakes: str, source: str, step: Step, moment: str
) -> None:
    """The run that should mend a load that died dies as well."""
    mine = case(source, lakes)
    record = RECORD if lakes == "disk" else WRITE_IN_BUCKET.times(3)
    assert dies(mine, tmp_path, Fault(record, "after"), kept=True)
    assert mine.ingest(tmp_path, Fault(step, moment)) in (KILLED, 0)
    mine.check(tmp_path)


# The filter


def every_load_counts() -> None:
    """The mutant: whatever has left a file in the lake counts as complete."""
    lake.named_loads = lambda dataset: {lake.load_id(file) for file in dataset.glob("[!_]*/*.parquet")}


def test_without_the_filter_by_completed_loads_the_matrix_fails(
    case: Callable[[str], Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos = case("pos")
    assert dies(
        pos, tmp_path, Fault(RECORD, "before"), kept=False
    )  # all files have landed, nothing is said of them
    monkeypatch.setattr(lake, "named_loads", lake.named_loads)  # put back at the end
    every_load_counts()
    with pytest.raises(AssertionError):
        pos.check(tmp_path, every_load_counts)
    rows, keys, *_ = content(tmp_path / "lake/raw/pos")["transactions"]
    assert keys == pos.whole["transactions"][0] < rows


def rows_that_dbt_sees(data: Path, project: Path) -> int:
    """Rows of the tills' raw view, as a dbt run binds it."""
    command = [Path(sys.executable).with_name("dbt"), "--quiet", "build"]
    command += ["--select", "store_time_zones", "stg_pos__transactions"]
    command += ["--exclude-resource-type", "test", "unit_test"]
    places = ["--project-dir", project, "--profiles-dir", PROJECT, "--target-path", data / "target"]
    (data / "warehouse/dev").mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*command, *places, "--log-path", data], env={**os.environ, "LARDER_DATA": str(data)}, check=True
    )
    with duckdb.connect(str(data / "warehouse/dev/larder.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*) from raw.pos__transactions").fetchone()
    assert found
    return int(found[0])


@pytest.mark.nightly
def test_dbt_sees_completed_loads_only(case: Callable[[str], Case], tmp_path: Path) -> None:
    """And of these also one whose record of completion a kill has cut off: it once stopped every build."""
    pos, dead = case("pos"), tmp_path / "dead"
    assert dies(pos, tmp_path / "data", Fault(RECORD.times(2), "halfway"), kept=False)
    assert dies(pos, dead, Fault(RECORD, "before"), kept=False)
    table = "lake/raw/pos/transactions"
    shutil.copytree(dead / table, tmp_path / "data" / table, dirs_exist_ok=True)
    visible.refresh(tmp_path / "data/lake/raw/pos")  # as every build does first
    assert rows_that_dbt_sees(tmp_path / "data", PROJECT) == pos.whole["transactions"][0]


@pytest.mark.nightly
def test_without_the_filter_dbt_sees_the_files_of_a_dead_load(
    case: Callable[[str], Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos = case("pos")
    assert dies(pos, tmp_path / "data", Fault(RECORD, "before"), kept=False)
    monkeypatch.setattr(lake, "named_loads", lake.named_loads)  # put back at the end
    every_load_counts()
    visible.refresh(tmp_path / "data/lake/raw/pos")
    assert rows_that_dbt_sees(tmp_path / "data", PROJECT) == pos.whole["transactions"][0]
