"""Replaced files of the lake go when no warehouse on this machine names them any more, and not before."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.lake import loads as lake
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.lake import compact
from larder.warehouse.store import Store


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    """A lake with three small loads of the tills."""
    made = Paths(tmp_path)
    dataset = made.lake / "raw" / "pos"
    (dataset / "transactions").mkdir(parents=True)
    (dataset / lake.LOADS).mkdir()
    for load in ("1.0", "2.0", "3.0"):
        table = pa.table({"basket_id": [1, 2], "_dlt_load_id": [load] * 2})
        pq.write_table(table, dataset / "transactions" / f"{load}.x.parquet")
        (dataset / lake.LOADS / f"pos__{load}.jsonl").write_text("{}")
    return made


def read_with(file: Path, parquet: Path) -> None:
    """Give a warehouse a raw view over a file."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema raw")
        connection.execute(f"create view raw.pos__transactions as select * from read_parquet(['{parquet}'])")


def left(where: Paths) -> set[str]:
    return {path.name for path in where.lake.rglob("transactions/[!c]*.parquet")}


def test_files_that_a_generation_or_a_workspace_names_stay(where: Paths) -> None:
    store = Store(where.warehouse)
    manifest = store.begin(fresh=True)
    folder = where.lake / "raw" / "pos" / "transactions"
    read_with(store.address(manifest), folder / "1.0.x.parquet")
    store.audited(manifest)
    dev = where.warehouse / "dev" / "larder.duckdb"
    dev.parent.mkdir(parents=True)
    read_with(dev, folder / "2.0.x.parquet")
    compact.run(where)
    assert left(where) == {"1.0.x.parquet", "2.0.x.parquet", "3.0.x.parquet"}  # within the hour
    assert compact.collect(where, grace=0) == (1, 2)
    assert left(where) == {"1.0.x.parquet", "2.0.x.parquet"}
    with duckdb.connect(str(store.address(manifest)), read_only=True) as connection:
        assert connection.execute("select count(*) from raw.pos__transactions").fetchone() == (2,)
    store.publish(manifest)
    dev.unlink()
    assert compact.collect(where, grace=0) == (1, 1)
    assert left(where) == {"1.0.x.parquet"}


def test_while_a_warehouse_is_written_to_nothing_is_removed(where: Paths) -> None:
    dev = where.warehouse / "dev" / "larder.duckdb"
    dev.parent.mkdir(parents=True)
    code = f"import duckdb; held = duckdb.connect({str(dev)!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout and writer.stdout.readline() == "held\n"
        with pytest.raises(LarderError, match="being written to"):
            compact.run(where)
        compact.tidy(where)
        assert len(left(where)) == 3
        writer.communicate("\n")
    assert compact.collect(where, grace=0) == (3, 0)
