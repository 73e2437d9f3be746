"""`larder clean` beside loads that died, wait or run: it takes what is dead, says so, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from cases import Case, cases, content
from conftest import Instance
from faults import COMMIT_EXTRACT, KILLED, LAND, Fault, ingest

from ingestion.quarantine.store import Quarantine
from larder.core.settings import Paths
from larder.ops import clean
from larder.warehouse.locks import lock


@pytest.fixture(scope="module")
def case(retailer: Instance, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    return cases(retailer, tmp_path_factory)


def files(data: Path) -> set[Path]:
    return {path for path in (data / "lake").rglob("*") if path.is_file()}


def died(case: Case, data: Path, fault: Fault) -> Path:
    assert ingest(case.source, case.room(data), case.env, fault) == KILLED
    return data


def test_the_files_of_a_dead_load_go(case: Callable[[str], Case], tmp_path: Path) -> None:
    pos = case("pos")
    data = died(pos, tmp_path / "data", Fault(LAND, "after"))
    shutil.rmtree(data / "dlt")
    dead = [path for path in (data / "lake/raw/pos").glob("*/*.parquet") if path not in before(pos, data)]
    size = sum(path.stat().st_size for path in dead)
    assert dead
    assert clean.run(Paths(data)) == [
        f"pos: {len(dead)} files of loads that never completed ({size:,} bytes)"
    ]
    assert content(data / "lake/raw/pos") == content(pos.before / "lake/raw/pos")
    assert clean.run(Paths(data)) == []
    pos.check(data)


def before(case: Case, data: Path) -> set[Path]:
    """The files of a data root that were there before the load."""
    return {data / path.relative_to(case.before) for path in files(case.before)}


def test_the_files_of_a_load_that_waits_to_be_completed_stay(
    case: Callable[[str], Case], tmp_path: Path
) -> None:
    pos = case("pos")
    data = died(pos, tmp_path / "data", Fault(LAND, "after"))
    there = files(data)
    assert there - before(pos, data)
    assert clean.run(Paths(data)) == []
    assert files(data) == there
    pos.check(data)


def test_what_a_waiting_load_has_quarantined_stays(case: Callable[[str], Case], tmp_path: Path) -> None:
    """It has not come to the lake yet, but its quarantine is written: rows would be lost that no file has any more."""
    landing = tmp_path / "landing"
    shutil.copytree(case("pos").env["SOURCES__POS__LANDING"], landing)
    file = sorted(landing.glob("*/sales_a.parquet"))[-1]
    rows = duckdb.execute(
        "select * replace (if(row_number() over (order by basket_id, product_id) = 1, -1, sales_value) as sales_value)"
        f" from read_parquet('{file}', hive_partitioning = false)"
    ).to_arrow_table()
    pq.write_table(rows.cast(pq.read_schema(file)), file)
    env = {**case("pos").env, "SOURCES__POS__LANDING": str(landing)}
    data = case("pos").room(tmp_path / "data")
    assert ingest("pos", data, env, Fault(COMMIT_EXTRACT, "after")) == KILLED
    assert clean.run(Paths(data)) == []
    assert ingest("pos", data, env) == 0
    (entry,) = Quarantine(data / "lake", "pos").open_entries()
    assert entry["column_name"] == "sales_value"


def test_a_source_that_is_being_loaded_is_left_as_it_is(case: Callable[[str], Case], tmp_path: Path) -> None:
    data = died(case("pos"), tmp_path / "data", Fault(LAND, "after"))
    shutil.rmtree(data / "dlt")
    there = files(data)
    with lock(Paths(data).locks, "ingest-pos"):
        assert clean.run(Paths(data)) == []
    assert files(data) == there
    assert clean.run(Paths(data)) != []
