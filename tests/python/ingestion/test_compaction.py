"""Many small files become one, row for row: seen by nobody, whatever dies, and taken away when nobody reads them."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.lake import compaction
from ingestion.lake import loads as lake
from ingestion.lake.loads import completed_loads, row_counts, sweep_dead_loads, table_files

ROWS = 7


def write_load(dataset: Path, number: int, complete: bool = True, extra: bool = False) -> str:
    """One load as dlt leaves it: its data file, and its record when it is complete."""
    load = f"1700000000.{number:04d}"
    folder = dataset / "transactions"
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "basket_id": pa.array([number * ROWS + n for n in range(ROWS)], pa.int64()),
            "money": pa.array([f"{number}.{n:02d}" for n in range(ROWS)]).cast(pa.decimal128(18, 2)),
            "_dlt_load_id": pa.array([load] * ROWS).dictionary_encode().cast(
                pa.dictionary(pa.int8(), pa.string())
            ),
        }
    )  # fmt: skip
    if extra:
        table = table.append_column("note", pa.array(["x"] * ROWS))
    pq.write_table(table, folder / f"{load}.abc.parquet")
    if complete:
        records = dataset / lake.LOADS
        records.mkdir(exist_ok=True)
        (records / f"pos__{load}.jsonl").write_text(f'{{"load_id": "{load}", "status": 0}}')
    return load


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A source of 60 small loads, of which the last but one died."""
    made = tmp_path / "lake" / "raw" / "pos"
    for number in range(60):
        write_load(made, number, complete=number != 58, extra=number > 30)
    return made


def content(dataset: Path, loads: set[str] | None = None) -> list[tuple[object, ...]]:
    chosen = completed_loads(dataset) if loads is None else loads
    files = [str(file) for file in table_files(dataset, "transactions", chosen)]
    return duckdb.execute(
        "select basket_id, money, note, _dlt_load_id::varchar from read_parquet(?, union_by_name = true)"
        " where _dlt_load_id in (select unnest(?)) order by all",
        [files, sorted(chosen)],
    ).fetchall()


def test_one_file_holds_every_row_with_its_load_id(dataset: Path) -> None:
    before, counts = content(dataset), row_counts(dataset, completed_loads(dataset))
    (done,) = compaction.compact(dataset)
    assert (done.files, done.rows) == (59, 59 * ROWS)
    (file,) = table_files(dataset, "transactions", completed_loads(dataset))
    assert content(dataset) == before and len(before) == 59 * ROWS
    assert row_counts(dataset, completed_loads(dataset)) == counts
    one = {"1700000000.0007"}
    assert content(dataset, one) == [row for row in before if row[3] in one]
    assert row_counts(dataset, one) == {"transactions": ROWS}
    assert pq.read_schema(file).field("money").type == pa.decimal128(18, 2)


def test_the_dead_load_stays_dead_and_is_still_swept(dataset: Path) -> None:
    compaction.compact(dataset)
    (swept,) = sweep_dead_loads(dataset)
    assert lake.load_id(swept) == "1700000000.0058"
    assert len(content(dataset)) == 59 * ROWS


def test_new_loads_join_what_was_compacted(dataset: Path) -> None:
    compaction.compact(dataset)
    assert compaction.compact(dataset) == []
    for number in range(60, 65):
        write_load(dataset, number)
    before = content(dataset)
    assert len(table_files(dataset, "transactions", completed_loads(dataset))) == 6
    compaction.compact(dataset)
    assert len(table_files(dataset, "transactions", completed_loads(dataset))) == 1
    assert content(dataset) == before and len(before) == 64 * ROWS


def test_large_files_and_all_of_their_load_are_left_alone(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = dataset / "transactions"
    shutil.copy(folder / "1700000000.0001.abc.parquet", folder / "1700000000.0000.second.parquet")
    large = folder / "1700000000.0000.abc.parquet"
    with large.open("ab") as file:
        file.truncate(64 * 2**10)
    monkeypatch.setattr(compaction, "SMALL", 32 * 2**10)
    (done,) = compaction.compact(dataset)
    assert done.files == 58
    assert {lake.load_id(file) for file in table_files(dataset, "transactions", completed_loads(dataset))} > {
        "1700000000.0000"
    }


@pytest.mark.parametrize("step", [1, 2, 4, 5])
def test_killed_at_any_step_nothing_is_lost_or_double(dataset: Path, step: int) -> None:
    """A real kill -9 before the n-th step that the disk remembers: of the file sync, rename, sync; then of the record."""
    before = content(dataset)
    code = f"""
import os, signal
from pathlib import Path
from ingestion.lake import compaction
steps = 0
def before(step):
    def counted(*arguments):
        global steps
        steps += 1
        if steps == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments)
    return counted
os.fsync, Path.rename = before(os.fsync), before(Path.rename)
compaction.compact(Path({str(dataset)!r}))
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert content(dataset) == before
    sweep_dead_loads(dataset)
    assert content(dataset) == before
    compaction.compact(dataset)
    assert content(dataset) == before
    assert len(table_files(dataset, "transactions", completed_loads(dataset))) == 1
    compaction.remove_replaced(dataset, set(), grace=0)
    assert content(dataset) == before
    assert len(list((dataset / "transactions").iterdir())) == 1


def test_replaced_files_stay_while_they_are_named_or_fresh(dataset: Path) -> None:
    sweep_dead_loads(dataset)
    compaction.compact(dataset)
    named = {"1700000000.0003.abc.parquet", "1700000000.0007.abc.parquet"}
    assert compaction.remove_replaced(dataset, set()) == []
    assert len(compaction.remove_replaced(dataset, named, grace=0)) == 57
    assert {file.name for file in compaction.replaced_files(dataset)} == named
    write_load(dataset, 300)
    (first,) = (dataset / "transactions").glob("compacted-*")
    compaction.compact(dataset)
    assert {file.name for file in compaction.replaced_files(dataset)} == {
        *named, first.name, "1700000000.0300.abc.parquet",
    }  # fmt: skip
    compaction.remove_replaced(dataset, set(), grace=0)
    assert compaction.replaced_files(dataset) == [] and len(content(dataset)) == 60 * ROWS


def test_a_file_that_came_out_short_replaces_nothing(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compaction._tables

    def short(files: list[Path], schema: pa.Schema) -> Iterator[pa.Table]:
        yield from list(whole(files, schema))[1:]

    before = content(dataset)
    monkeypatch.setattr(compaction, "_tables", short)
    with pytest.raises(Exception, match="406 rows, the files that it was made of have 413"):
        compaction.compact(dataset)
    assert content(dataset) == before and not lake.record_of(dataset, "transactions").exists()
