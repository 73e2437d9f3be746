"""Compare a lake of 10 micro-loads with one of 10,000: what an ingestion does at its start, and what a build asks first.

The loads are written as dlt leaves them (names, `_dlt_loads`, Parquet with `_dlt_load_id`), every 50 of them compacted as
`larder ingest` does. Both lakes are measured in turns, so that a busy machine is busy for both. Prints medians and ratios.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.connectors.stream import last_offsets
from ingestion.lake import visible
from ingestion.lake.compaction import MANY, compact, remove_replaced
from ingestion.lake.deliveries import SCHEMA
from ingestion.lake.loads import recorded_loads, sweep_dead_loads
from ingestion.quarantine.store import Quarantine
from larder.project import fingerprint

FEW, MANY_LOADS, ROUNDS = 10, 10_000, 15
SOURCE = "pos_stream"


def fill(lake: Path, loads: int) -> None:
    """A stream's micro-loads of three events each."""
    dataset = lake / "raw" / SOURCE
    for folder in ("_dlt_loads", "transactions", "deliveries"):
        (dataset / folder).mkdir(parents=True)
    for number in range(loads):
        load = f"{1_800_000_000 + number}.5"
        rows = pa.table({"basket_id": [number] * 3, "_dlt_load_id": [load] * 3})
        pq.write_table(rows, dataset / "transactions" / f"{load}.abc.parquet")
        place = f"TILLS@20270101T000000Z:{3 * number + 1}-{3 * number + 3}"
        row = {"source": SOURCE, "table_name": "transactions", "place": place, "delivered": 3, "loaded": 3}
        account = pa.Table.from_pylist([row], schema=SCHEMA).append_column("_dlt_load_id", [[load]])
        pq.write_table(account, dataset / "deliveries" / f"{load}.abc.parquet")
        record = {"load_id": load, "inserted_at": "2027-01-15T08:00:00+00:00"}
        (dataset / "_dlt_loads" / f"{SOURCE}__{load}.jsonl").write_text(json.dumps(record))
        if number % (10 * MANY) == 0 or number == loads - 1:
            compact(dataset, least=MANY)
            visible.refresh(dataset)
            remove_replaced(dataset, [], grace=0)


def start_of_ingestion(lake: Path) -> None:
    """What `_prepare`, and a stream's first question, read of the lake."""
    dataset, quarantine = lake / "raw" / SOURCE, Quarantine(lake, SOURCE)
    recorded_loads(dataset)
    sweep_dead_loads(dataset)
    quarantine.sweep()
    quarantine.review()
    visible.refresh(dataset)
    last_offsets(dataset)


def what_a_build_asks(lake: Path) -> None:
    """The loads of each source, with the record made current."""
    fingerprint.loads(lake)


def seconds(work: Callable[[Path], None], lake: Path) -> float:
    """How long one round takes."""
    started = time.perf_counter()
    work(lake)
    return time.perf_counter() - started


def main() -> None:
    """Measure both lakes in turns and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        lakes = {loads: Path(folder) / str(loads) / "lake" for loads in (FEW, MANY_LOADS)}
        for loads, lake in lakes.items():
            fill(lake, loads)
        for work in (start_of_ingestion, what_a_build_asks):
            found: dict[int, list[float]] = {loads: [] for loads in lakes}
            for _ in range(ROUNDS):
                for loads, lake in lakes.items():
                    found[loads].append(seconds(work, lake))
            few, many = (statistics.median(found[loads]) * 1_000 for loads in lakes)
            sys.stdout.write(
                f"{work.__name__}: {few:.1f} ms with {FEW} loads, {many:.1f} ms with {MANY_LOADS:,}\n"
            )
        for loads, lake in lakes.items():
            files = sum(1 for file in lake.rglob("*") if file.is_file())
            sys.stdout.write(f"{loads:,} loads: {files:,} files in the lake\n")


if __name__ == "__main__":
    main()
