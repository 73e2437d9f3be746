"""What dbt adds to the SQL that it runs, and what one more day costs. Writes RESULTS.md next to this file.

    .venv/bin/python -m benchmarks.build

Loads the demo's real year into a separate folder and takes some minutes; nothing else should run meanwhile.
`--to 2017-01-17 --runs 1` is a quick try, whose figures mean nothing: `--into` then names another file.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb

from larder.core import console, machine

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
GOAL_BARE, GOAL_DAY = 1.5, 15.0
"""`dbt build` against the bare SQL; percent of a full build's own time that a day may cost."""


@dataclass(frozen=True)
class Run:
    """One measured process: seconds from start to end, of it for models and tests, and its largest memory in MiB."""

    wall: float
    own: float
    peak: float
    nodes: int


def main() -> None:
    """Measure, and write the page."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--to", type=date.fromisoformat, default=date(2017, 12, 17), help="last day of the full build"
    )
    options.add_argument("--runs", type=int, default=3, help="how often the full builds are measured")
    options.add_argument("--into", type=Path, default=HERE / "RESULTS.md")
    options.add_argument("--bare", nargs=2, type=Path, metavar=("MANIFEST", "FILE"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.bare:
        run_bare(*asked.bare)
        return
    os.environ.update(machine.duckdb_limits(HERE))  # the same for every run, however full the disk becomes
    with tempfile.TemporaryDirectory(prefix="larder-benchmark-") as folder:
        found = measure(Path(folder), asked.to, asked.runs)
    asked.into.write_text(report(found, asked.to, asked.runs))
    console.done(f"written: {asked.into}")


def measure(data: Path, to: date, runs: int) -> dict[str, list[Run]]:
    """Full builds by dbt and bare, in turns; then one day after the other on what `larder` has published."""
    _larder(data, "demo", "start", "--to", str(to))
    try:
        _larder(data, "ingest")
        found: dict[str, list[Run]] = {"full": [], "bare": [], "ordinary day": [], "day with promotions": []}
        for _ in range(runs):
            found["full"].append(full(data))
            found["bare"].append(bare(data))
        _larder(data, "build")
        _larder(data, "publish")
        for day in range(1, 8):
            today = to + timedelta(days=day)
            _larder(data, "demo", "advance", "--to", str(today))
            _larder(data, "ingest")
            ran = build(data)
            _larder(data, "publish")
            found["day with promotions" if today.weekday() == 0 else "ordinary day"].append(ran)
        return found
    finally:
        _larder(data, "demo", "stop")


def full(data: Path) -> Run:
    """`dbt build` of everything into an empty file."""
    target = data / "target"
    file = fresh(data)
    command = [
        "build",
        "--target",
        "candidate",
        "--target-path",
        str(target),
        "--log-path",
        str(target),
        "--quiet",
    ]
    return _timed([_dbt(), *command], data, lambda: results(target), LARDER_CANDIDATE=str(file))


def bare(data: Path) -> Run:
    """The same SQL by one connection in a separate process, on the raw views that dbt has made."""
    target, file = data / "target", fresh(data)
    with duckdb.connect(str(file)) as connection:
        for statement in raw_schemas(data / "built/larder.duckdb"):
            connection.execute(statement)
    command = [sys.executable, __file__, "--bare", str(target / "manifest.json"), str(file)]
    return _timed(command, data, lambda: json.loads((target / "bare.json").read_text()))


def build(data: Path) -> Run:
    """`larder build` of what a day's loads affect."""
    return _timed(
        [sys.executable, "-m", "larder", "build"], data, lambda: results(data / "history/dbt/candidate")
    )


def run_bare(manifest: Path, file: Path) -> None:
    """Seeds, models, data tests and unit tests of a manifest in dbt's order."""
    nodes = json.loads(manifest.read_text())["nodes"]
    ran = json.loads((manifest.parent / "run_results.json").read_text())["results"]
    limits = machine.duckdb_limits(file.parent)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": limits["LARDER_MEMORY_LIMIT"],
        "threads": limits["LARDER_THREADS"],
        "preserve_insertion_order": False,
    }
    started, done = time.monotonic(), 0
    with duckdb.connect(str(file), config=settings) as connection:
        connection.execute("set timezone = 'UTC'")
        for result in ran:
            name = result["unique_id"]
            for statement in statements(name.split(".")[0], nodes.get(name, {}), result["compiled_code"]):
                connection.execute(statement).fetchall()
                done += 1
    found = {"own": time.monotonic() - started, "nodes": done}
    (manifest.parent / "bare.json").write_text(json.dumps(found))


def statements(kind: str, node: dict[str, Any], code: str) -> list[str]:
    """The SQL of a node, without anything that dbt adds to it; `code` is what it was compiled to, its fixtures included."""
    if kind == "seed":
        types = {name: column["data_type"] for name, column in node["columns"].items() if column["data_type"]}
        rows = f"read_csv('{PROJECT / node['original_file_path']}', header = true, types = {types})"
        return [
            _schema(node),
            f"create or replace table {node['schema']}.{node['alias']} as select * from {rows}",
        ]
    if kind in {"test", "unit_test"}:
        return [f"select count(*) from ({code})"]
    if kind in {"model", "snapshot"}:
        what = "view" if node["config"]["materialized"] == "view" else "table"
        return [_schema(node), f"create or replace {what} {node['schema']}.{node['alias']} as {code}"]
    return []


def _schema(node: dict[str, Any]) -> str:
    return f"create schema if not exists {node['schema']}"


def raw_schemas(file: Path) -> list[str]:
    """What makes the schemas of another file that no model makes: the views over the lake, and which loads count."""
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name, sql from duckdb_tables() where schema_name in ('raw', 'observe') and not internal"
        ).fetchall()
        views = connection.execute(
            "select sql from duckdb_views() where schema_name = 'raw' and not internal"
        ).fetchall()
    copies = [f"create table {where}.{name} as from old.{where}.{name}" for where, name, _ in tables]
    return [
        "create schema raw",
        "create schema observe",
        f"attach '{file}' as old (read_only)",
        *copies,
        "detach old",
        *[sql for (sql,) in views],
    ]


def results(folder: Path) -> dict[str, Any]:
    """What a dbt run did, from its run_results: its own time is from the first node's start to the last one's end."""
    ran = json.loads((folder / "run_results.json").read_text())["results"]
    broken = [r["unique_id"] for r in ran if r["status"] in {"error", "fail"}]
    if broken:
        sys.exit(f"not a measurement: {', '.join(broken)} failed")
    timing = [step for r in ran for step in r["timing"]]
    started = min(datetime.fromisoformat(step["started_at"]) for step in timing)
    ended = max(datetime.fromisoformat(step["completed_at"]) for step in timing)
    return {"own": (ended - started).total_seconds(), "nodes": len(ran)}


def _timed(command: list[str], data: Path, read: Callable[[], dict[str, Any]], **env: str) -> Run:
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=PROJECT, env=_environment(data, **env), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status:
        sys.exit(f"not a measurement: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(wall, peak=usage.ru_maxrss / 1024, **read())


def _larder(data: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "larder", *arguments], cwd=PROJECT, env=_environment(data), check=True
    )


def _environment(data: Path, **extra: str) -> dict[str, str]:
    return {**os.environ, "LARDER_DATA": str(data), **extra}


def _dbt() -> str:
    return str(Path(sys.executable).with_name("dbt"))


def fresh(data: Path) -> Path:
    """An empty place for a warehouse; what was built before moves to `built`."""
    new, built = data / "new", data / "built"
    if new.exists():
        shutil.rmtree(built, ignore_errors=True)
        new.rename(built)
    new.mkdir()
    return new / "larder.duckdb"


def report(found: dict[str, list[Run]], to: date, runs: int) -> str:
    """The page: ratios first, seconds next to them, and what they were measured on."""
    whole, alone = middle(found["full"]), middle(found["bare"])
    ratio, own = whole.wall / alone.wall, whole.own / alone.own
    lines = [
        "# What a build costs",
        "",
        f"{date.today().isoformat()}, by `python -m benchmarks.build`: the demo's real year to {to}, the median of {runs}.",
        f"{platform.system()} {platform.release()}, {machine.processors()} processors, {machine.memory() / machine.GIB:.1f} GiB;"
        f" DuckDB's limits: {', '.join(f'{k[7:].lower()} {v}' for k, v in machine.duckdb_limits(HERE).items())};"
        f" {', '.join(f'{name} {metadata.version(name)}' for name in ('duckdb', 'dbt-core', 'dbt-duckdb'))};"
        f" Python {platform.python_version()}.",
        "",
        "| | ratio | goal |",
        "|---|---:|---:|",
        f"| `dbt build` of everything, from start to end, against the bare SQL | {ratio:.2f} x | {GOAL_BARE} x |",
        f"| the same without dbt's start and end ({whole.wall - whole.own:.1f} s) | {own:.2f} x | |",
        *[
            f"| models and tests of one {name}, against those of a full build | {_share(found[name], whole):.1f} % | {GOAL_DAY:.0f} % |"
            for name in ("ordinary day", "day with promotions")
        ],
        "",
        "| | from start to end | of it models and tests | nodes | most memory |",
        "|---|---:|---:|---:|---:|",
        *[
            f"| {label} | {run.wall:.1f} s | {run.own:.1f} s | {run.nodes} | {run.peak:,.0f} MiB |"
            for label, run in (
                ("`dbt build` of everything", whole),
                ("the bare SQL by one connection: seeds, models, tests", alone),
                ("`larder build` of an ordinary day", middle(found["ordinary day"])),
                ("`larder build` of a day with a promotion file", middle(found["day with promotions"])),
            )
        ],
        "",
        "The bare SQL is what dbt compiled, in dbt's order, with the same threads and memory, on the same raw views; it has no"
        " contracts, comments or hooks, and does not compare what a unit test gives with what it should. `larder build` also compares, copies, hashes and audits.",
    ]
    return "\n".join(lines) + "\n"


def middle(runs: list[Run]) -> Run:
    """The run whose time is the median one."""
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]


def _share(runs: list[Run], whole: Run) -> float:
    return 100 * statistics.median(run.own for run in runs) / whole.own


if __name__ == "__main__":
    main()
