"""What a command costs when a stream has left 10,000 small loads, against 10. Writes RESULTS.md next to this file.

    .venv/bin/python -m benchmarks.loads

Two days of the demo are loaded, built and published; two copies then get that many micro-loads more, written as dlt leaves
them (`_dlt_loads`, Parquet with `_dlt_load_id`) and compacted as `larder ingest` does. In both, the published generation is
told that it was built from them, so that `larder run` finds nothing to do. The commands are measured in turns: a busy machine
is busy for both.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.lake import visible
from ingestion.lake.compaction import MANY, compact, remove_replaced
from ingestion.lake.deliveries import SCHEMA
from larder.build.candidate import loads_of
from larder.core.settings import Paths

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("RESULTS.md")
FEW, MANY_LOADS, ROUNDS, GOAL = 10, 10_000, 5, 1.5
SOURCE = "pos_stream"
COMMANDS = (["ingest", SOURCE], ["run"])


def larder(data: Path, *arguments: str, **env: str) -> float:
    """Run the command on a data root; returns its seconds."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "larder", *arguments],
        cwd=PROJECT,
        env={**os.environ, **env, "LARDER_DATA": str(data)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def fill(data: Path, loads: int) -> None:
    """Add micro-loads of one event each, all of a line that the lake has already."""
    dataset = data / "lake" / "raw" / SOURCE
    line = pq.read_table(next((dataset / "transactions").glob("*.parquet"))).slice(0, 1)
    line = line.drop_columns(["_dlt_load_id"])
    for number in range(loads):
        load = f"{1_800_000_000 + number}.5"
        pq.write_table(
            line.append_column("_dlt_load_id", [[load]]), dataset / f"transactions/{load}.x.parquet"
        )
        place = f"TILLS@20160101T000000Z:{number + 1}-{number + 1}"
        row = {"source": SOURCE, "table_name": "transactions", "place": place, "delivered": 1, "loaded": 1}
        account = pa.Table.from_pylist([row], schema=SCHEMA).append_column("_dlt_load_id", [[load]])
        pq.write_table(account, dataset / f"deliveries/{load}.x.parquet")
        record = {"load_id": load, "inserted_at": "2027-01-15T08:00:00+00:00"}
        (dataset / f"_dlt_loads/{SOURCE}__{load}.jsonl").write_text(json.dumps(record))
        if number % (10 * MANY) == 0 or number == loads - 1:
            compact(dataset, least=MANY)
            visible.refresh(dataset)
            remove_replaced(dataset, [], grace=0)
    manifest = data / "warehouse/current/manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "loads": loads_of(Paths(data))}))


def measure(root: Path) -> dict[str, dict[int, list[float]]]:
    """Seconds of each command, by the number of loads."""
    first = root / "first"
    larder(first, "demo", "start", "--to", "2017-01-02")
    try:
        larder(first, "run")
        connections = {
            name: str(value)
            for name, value in tomllib.loads((first / "demo/connections.toml").read_text()).items()
        }
        copies = {loads: root / str(loads) for loads in (FEW, MANY_LOADS)}
        for loads, data in copies.items():
            shutil.copytree(first, data, symlinks=True, ignore=shutil.ignore_patterns("demo"))
            fill(data, loads)
            larder(data, "run", **connections)
        found: dict[str, dict[int, list[float]]] = {
            " ".join(command): {loads: [] for loads in copies} for command in COMMANDS
        }
        for _ in range(ROUNDS):
            for command in COMMANDS:
                for loads, data in copies.items():
                    found[" ".join(command)][loads].append(larder(data, *command, **connections))
        return found
    finally:
        larder(first, "demo", "stop")


def main() -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    rows = []
    for command, seconds in found.items():
        few, many = (statistics.median(seconds[loads]) for loads in (FEW, MANY_LOADS))
        rows.append(f"| `larder {command}`, nothing new | {few:.2f} s | {many:.2f} s | {many / few:.2f} x |")
    RESULTS.write_text(PAGE.format(rows="\n".join(rows), rounds=ROUNDS, goal=GOAL))
    sys.stdout.write(RESULTS.read_text())


PAGE = """# Many small loads, measured

Written by `python -m benchmarks.loads`. One run, {rounds} rounds in turns, medians of whole commands on 2 processors. The goal is
that 10,000 loads cost at most {goal} times what 10 cost.

| command | 10 loads | 10,000 loads | ratio |
|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
