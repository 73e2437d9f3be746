"""The record of what readers see: what a kill, a loss, a compaction or a blocked load leaves of it."""

import json
import os
import signal
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.core.errors import IngestionError
from ingestion.core.files import exclusive
from ingestion.lake import loads as lake
from ingestion.lake import visible
from ingestion.lake.compaction import compact, remove_replaced
from ingestion.lake.loads import completed_loads, ordered_loads, recorded_loads, table_files


def load(dataset: Path, number: int, *, rows: int = 3, complete: bool = True) -> str:
    """A load as dlt leaves it."""
    name = f"{1_800_000_000 + number}.5"
    if rows:
        table = pa.table({"id": list(range(rows)), "_dlt_load_id": [name] * rows})
        (dataset / "lines").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, dataset / "lines" / f"{name}.abc.parquet")
    if complete:
        record = {"load_id": name, "inserted_at": "2027-01-15T08:00:00+00:00"}
        folder = dataset / "_dlt_loads"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{dataset.name}__{name}.jsonl").write_text(json.dumps(record))
    return name


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return tmp_path / "lake/raw/shop"


def shown(dataset: Path) -> tuple[int, list[str]]:
    """Up to which position readers see loads, and which files they take."""
    source, *files = [json.loads(line) for line in (dataset / visible.RECORD).read_text().splitlines()]
    return source["last_position"], [line["file"] for line in files]


def test_a_load_is_shown_when_it_is_complete(dataset: Path) -> None:
    first = load(dataset, 1)
    load(dataset, 2, complete=False)
    visible.refresh(dataset)
    assert shown(dataset) == (1, [f"lines/{first}.abc.parquet"])
    second = load(dataset, 2)
    assert visible.last_filled_load(dataset) == (first, 1)
    visible.refresh(dataset)
    assert shown(dataset)[0] == 2 and visible.last_filled_load(dataset) == (second, 2)
    load(dataset, 3, rows=0)
    visible.refresh(dataset)
    assert shown(dataset)[0] == 3 and visible.last_filled_load(dataset) == (second, 2)


def test_what_is_up_to_date_is_not_written_again(dataset: Path) -> None:
    load(dataset, 1)
    visible.refresh(dataset)
    before = (dataset / visible.RECORD).stat().st_ino
    visible.refresh(dataset)
    assert (dataset / visible.RECORD).stat().st_ino == before


def test_a_lost_record_is_written_as_it_was(dataset: Path) -> None:
    for number in range(3):
        load(dataset, number)
    visible.refresh(dataset)
    before = (dataset / visible.RECORD).read_text()
    (dataset / visible.RECORD).unlink()
    visible.refresh(dataset)
    assert (dataset / visible.RECORD).read_text() == before


def test_the_log_takes_dlts_records_in_and_keeps_positions(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "SEGMENT", 4)
    monkeypatch.setattr(visible, "RECENT", 3)
    loads = []
    for number in range(23):
        loads.append(load(dataset, number))
        visible.refresh(dataset)
        assert ordered_loads(dataset) == loads
    assert len(list((dataset / "_dlt_loads").iterdir())) <= 6
    assert [file.name for file in sorted((dataset / "_loads").iterdir())][-1] == f"{20:012}.csv"
    late = load(dataset, -5)
    visible.refresh(dataset)
    assert ordered_loads(dataset) == [*loads, late], "a load that completes late comes last"
    (dataset / visible.RECORD).unlink()
    visible.refresh(dataset)
    assert shown(dataset)[0] == 24 and len(shown(dataset)[1]) == 24


def test_a_blocked_load_hides_what_came_after_it(dataset: Path) -> None:
    first, second, _ = (load(dataset, number) for number in range(3))
    marker = dataset.parent.parent / "quarantine/shop/held" / second
    marker.parent.mkdir(parents=True)
    marker.write_text("{}")
    visible.refresh(dataset)
    assert shown(dataset) == (1, [f"lines/{first}.abc.parquet"])
    assert len(recorded_loads(dataset)) == 3 and completed_loads(dataset) == {first}
    marker.unlink()
    visible.refresh(dataset)
    assert shown(dataset)[0] == 3 and len(shown(dataset)[1]) == 3


def test_a_compacted_file_takes_the_place_of_its_loads(dataset: Path) -> None:
    for number in range(3):
        load(dataset, number)
    compact(dataset)
    (name,) = shown(dataset)[1]
    load(dataset, 3)
    visible.refresh(dataset)
    lines = [json.loads(line) for line in (dataset / visible.RECORD).read_text().splitlines()]
    assert [(line["file"], line["first_position"], line["last_position"]) for line in lines[1:]] == [
        (name, 1, 3),
        (f"lines/{1_800_000_003}.5.abc.parquet", 4, 4),
    ]


def test_no_file_goes_that_the_record_names(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the compaction and before the record: it names the replaced files, until they are to go."""
    for number in range(3):
        load(dataset, number)
    visible.refresh(dataset)
    with monkeypatch.context() as patched:
        patched.setattr("ingestion.lake.compaction.refresh", lambda _: None)
        compact(dataset)
    assert len(shown(dataset)[1]) == 3
    assert len(remove_replaced(dataset, [], grace=0)) == 3
    assert [dataset / file for file in shown(dataset)[1]] == table_files(
        dataset, "lines", completed_loads(dataset)
    )


def test_records_of_compactions_as_they_were_before_are_understood(dataset: Path) -> None:
    loads = [load(dataset, number) for number in range(3)]
    compact(dataset)
    record = dataset / "_compactions/lines.jsonl"
    (line,) = record.read_text().splitlines()
    entry = json.loads(line)
    assert entry["loads"] == dict.fromkeys(loads, 3)
    record.write_text(
        "".join(json.dumps({"file": entry["file"], "load_id": one, "rows": 3}) + "\n" for one in loads)
    )
    before = shown(dataset)
    visible.refresh(dataset)
    assert shown(dataset) == before


@pytest.mark.parametrize("nth", range(1, 13))
@pytest.mark.parametrize("step", ["fsync", "replace", "unlink"])
def test_killed_at_any_step_it_is_finished_by_the_next(dataset: Path, step: str, nth: int) -> None:
    loads = [load(dataset, number) for number in range(3)]
    process = get_context("fork").Process(target=_dies, args=(dataset, step, nth))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    assert ordered_loads(dataset) == loads
    visible.refresh(dataset)
    assert ordered_loads(dataset) == loads and shown(dataset)[0] == 3 and len(shown(dataset)[1]) == 3
    assert not list(dataset.rglob(".*"))


def _dies(dataset: Path, step: str, nth: int) -> None:
    lake.SEGMENT, visible.RECENT = 1, 1
    owner, name = (os, "fsync") if step == "fsync" else (Path, step)
    method, taken = getattr(owner, name), 0

    def dying(*args: object, **kwargs: object) -> object:
        nonlocal taken
        taken += 1
        if taken == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*args, **kwargs)

    setattr(owner, name, dying)
    visible.refresh(dataset)


def test_two_processes_write_one_after_the_other(dataset: Path) -> None:
    load(dataset, 1)
    with exclusive(dataset):
        process = get_context("fork").Process(target=visible.refresh, args=(dataset,))
        process.start()
        process.join(0.5)
        assert process.is_alive() and not (dataset / visible.RECORD).exists()
    process.join(10)
    assert shown(dataset)[0] == 1


@pytest.mark.parametrize("damage", ["lost", "emptied", "cut", "a line twice"])
def test_a_damaged_log_stops_everything_and_removes_nothing(dataset: Path, damage: str) -> None:
    """Loads that only the log still names counted as never completed, and their files as dead."""
    for number in range(3 * visible.RECENT):
        load(dataset, number)
    visible.refresh(dataset)
    log = dataset / "_loads" / f"{0:012}.csv"
    text = log.read_text()
    if damage == "lost":
        log.unlink()
    else:
        log.write_text(
            {"emptied": "", "cut": text[:-9], "a line twice": text + text.splitlines()[-1]}[damage]
        )
    for act in (visible.refresh, lake.dead_files, lake.sweep_dead_loads):
        with pytest.raises(IngestionError, match="log of loads is damaged"):
            act(dataset)
    assert len(list((dataset / "lines").iterdir())) == 3 * visible.RECENT


def test_a_stray_file_in_the_log_and_a_record_of_rubbish_do_no_harm(dataset: Path) -> None:
    load(dataset, 1)
    visible.refresh(dataset)
    before = (dataset / visible.RECORD).read_bytes()
    (dataset / "_loads" / "000000000000 2.csv").write_text("x")
    (dataset / visible.RECORD).write_bytes(b"\xff\xfe")
    visible.refresh(dataset)
    assert (dataset / visible.RECORD).read_bytes() == before
