"""Measure the ingestion on an otherwise idle machine, and write down what came of it.

    python -m benchmarks.ingestion
    python -m benchmarks.ingestion --days 60 --rows 100000 --micro-loads 50 --runs 1 --only parquet,csv

Every ratio is the median over interleaved pairs, with the smallest and the largest.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.ingestion import work
from benchmarks.ingestion.measure import Comparison, Run, call, command, compare
from benchmarks.ingestion.others import TOOLS, larder
from benchmarks.ingestion.retailer import TABLE, Retailer, plans, retailer, tills

RESULTS = Path(__file__).with_name("RESULTS.md")
MEBIBYTES = 1024
"""The most memory that a load from a database of any size may take."""
EVENTS = 20_000
"""Events a second that should reach the lake from the stream."""

console = Console()


@dataclass
class Bench:
    """One session: the retailer, a folder for what is written, how much and how often."""

    retailer: Retailer
    room: Path
    options: argparse.Namespace
    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tools: list[tuple[str, str, Run]] = field(default_factory=list)
    _rooms: int = 0

    def fresh(self, like: Path | None = None) -> Path:
        """A folder that no run has used, empty or like another."""
        self._rooms += 1
        folder = self.room / f"run-{self._rooms}"
        shutil.copytree(like, folder) if like else folder.mkdir()
        return folder

    def load(self, env: dict[str, str], *sources: str, after: Path | None = None) -> Run:
        room = self.fresh(after)
        run = call(work.load, room, {**self.retailer.env, **env}, *sources)
        shutil.rmtree(room)
        return run

    def copy(self, *queries: str) -> Run:
        room = self.fresh()
        run = call(work.copy, room / "copy", *queries)
        shutil.rmtree(room)
        return run

    def pairs(
        self,
        name: str,
        baseline: str,
        goal: float | None,
        ours: Callable[[], Run],
        theirs: Callable[[], Run],
        limit: str = "",
    ) -> Comparison:
        console.print(f"… {name}")
        done = compare(Comparison(name, baseline, goal, limit), ours, theirs, self.options.runs)
        self.comparisons.append(done)
        return done


def parquet(bench: Bench) -> None:
    """Tills and promotions of the whole time as Parquet."""
    landing = bench.retailer.files(bench.fresh(), "parquet")
    promotions = bench.retailer.env["SOURCES__PROMOTIONS__LANDING"]
    bench.pairs(
        "landed Parquet to the lake",
        "DuckDB COPY of the same files to Parquet",
        1.0,
        lambda: bench.load({"SOURCES__POS__LANDING": str(landing)}, "pos", "promotions"),
        lambda: bench.copy(tills(landing), plans(promotions)),
        "dlt writes with one thread, which is busy with the rows of both sources as long as DuckDB is with everything on two"
        " processors; Larder reads and checks at the same time. A sixth to a third of a second of dlt's steps comes on top for each"
        " source.",
    )


def csv(bench: Bench) -> None:
    """The tills' files, all as gzipped CSV."""
    landing = bench.retailer.files(bench.fresh(), "csv.gz")
    bench.pairs(
        "landed CSV to the lake",
        "DuckDB read_csv of the same files to Parquet",
        1.5,
        lambda: bench.load({"SOURCES__POS__LANDING": str(landing)}, "pos"),
        lambda: bench.copy(tills(landing)),
        "Unpacking, parsing, checking and writing take as much processor time as all that DuckDB does; they go on side by"
        " side, but the third of a second of dlt's steps does not.",
    )


def postgres(bench: Bench) -> None:
    """The product master, made large."""
    done = bench.pairs(
        f"{bench.options.rows:,} database records to the lake",
        "PostgreSQL COPY TO STDOUT, kept nowhere",
        2.0,
        lambda: bench.load({}, "merchandising"),
        lambda: call(work.copy_out, bench.retailer.address, TABLE),
        "What COPY gives out is discarded; Larder parses and checks it in one thread and writes it as Parquet in"
        " another, on the processors that PostgreSQL needs as well, and a third of a second of dlt's steps comes on top.",
    )
    peak = max(run.peak_mib for run in done.ours)
    verdict = "met" if peak <= MEBIBYTES else "MISSED"
    bench.notes.append(f"Memory for these records: {peak:,} MiB (goal: {MEBIBYTES:,} MiB, {verdict}).")


def days(bench: Bench) -> None:
    """One more day, after many days and after few."""
    late, early = bench.options.days, min(30, bench.options.days // 2)

    def next_day(number: int) -> Callable[[], Run]:
        room, before = bench.fresh(), bench.fresh()
        landing = bench.retailer.files(room, "parquet", slice(0, number - 1))
        env = {"SOURCES__POS__LANDING": str(landing)}
        call(work.load, before, {**bench.retailer.env, **env}, "pos")
        bench.retailer.files(room, "parquet", slice(number - 1, number))
        return lambda: bench.load(env, "pos", after=before)

    bench.pairs(f"load of day {late}", f"load of day {early}", 1.5, next_day(late), next_day(early))


def micro(bench: Bench) -> None:
    """A table that came in many small loads, before and after they are put together."""
    count, rows = bench.options.micro_loads, 1_470
    waiting, landing, room = bench.fresh(), bench.fresh(), bench.fresh()
    rows_of_plans = plans(bench.retailer.env["SOURCES__PROMOTIONS__LANDING"])
    source = duckdb.connect()
    source.execute(
        f"create table plans as {rows_of_plans} order by week, product_id, store_id limit {count * rows}"
    )
    files = []
    for number in range(count):
        part = source.execute(
            f"from plans where week = (select week from plans limit 1 offset {number * rows})"
            f" and rowid >= {number * rows} and rowid < {(number + 1) * rows}"
        ).to_arrow_table()
        folder = waiting / f"week={part['week'][0].as_py():02d}"
        folder.mkdir(exist_ok=True)
        files.append(folder / f"placements_{number:04d}.parquet")
        duckdb.from_arrow(part).write_parquet(str(files[-1]))
    env = {**bench.retailer.env, "SOURCES__PROMOTIONS__LANDING": str(landing)}
    console.print(f"… {count:,} micro-loads")
    feeding = call(work.feed, room, env, landing, files)
    bench.notes.append(f"{count:,} micro-loads of {rows:,} rows took {feeding.seconds / count:.2f} s each.")
    dataset, one = room / "lake/raw/promotions", bench.fresh() / "one.parquet"
    scattered = work.files_of(dataset, "placements")
    duckdb.execute(f"copy (from read_parquet({scattered})) to '{one}' (format parquet, compression zstd)")
    single = f"the same {count * rows:,} rows in one file"
    bench.pairs(
        f"read of {count:,} micro-loads",
        single,
        None,
        lambda: call(work.read, scattered),
        lambda: call(work.read, [str(one)]),
    )
    call(work.put_together, dataset)
    together = work.files_of(dataset, "placements")
    bench.pairs(
        "read of them after compaction",
        single,
        2.0,
        lambda: call(work.read, together),
        lambda: call(work.read, [str(one)]),
    )


def stream(bench: Bench) -> None:
    """Lines as the tills publish them, from the broker into the lake."""
    from ingestion.sources import SOURCES

    if "pos_stream" not in SOURCES:
        bench.notes.append("The stream was not measured: this version has no source pos_stream.")
        return
    console.print("… stream")
    last = date(2017, 1, 1) + timedelta(days=min(bench.options.days, 60) - 1)
    env = {"LARDER_DATA": str(bench.retailer.root)}
    words = ["demo", "stream", "--from", "2017-01-01", "--to", str(last), "--speed", "max"]
    room = bench.fresh()
    command([sys.executable, "-m", "larder", *words], room, PYTHONPATH=str(work.PROJECT), **env)
    run = call(work.load, room, bench.retailer.env, "pos_stream")
    events = sum(
        rows
        for (rows,) in duckdb.execute(
            "select num_rows from parquet_file_metadata(?)",
            [work.files_of(room / "lake/raw/pos_stream", "transactions")],
        ).fetchall()
    )
    speed = events / run.seconds
    verdict = "met" if speed >= EVENTS else "MISSED"
    bench.notes.append(
        f"Stream: {events:,} events into the lake in {run.seconds:.1f} s, {speed:,.0f} a second"
        f" (goal: {EVENTS:,}, {verdict}); {run.peak_mib:,} MiB."
    )


def others(bench: Bench) -> None:
    """Other loaders on the same records, each by its command and with its start."""
    room = bench.fresh()
    for name, writes, run in [("Larder", "Parquet", larder), *((t.name, t.writes, t.run) for t in TOOLS)]:
        console.print(f"… {name}")
        try:
            bench.tools.append((name, writes, run(bench.retailer.address, room / name.replace(" ", "-"))))
        except (SystemExit, subprocess.CalledProcessError) as error:
            bench.notes.append(f"{name} could not be measured here: {str(error).splitlines()[-1]}")


MEASUREMENTS = {
    "parquet": parquet,
    "csv": csv,
    "postgres": postgres,
    "days": days,
    "micro": micro,
    "stream": stream,
    "others": others,
}
NEED_RECORDS = {"postgres", "others"}


def arguments() -> argparse.Namespace:
    """The options, all with the size of the whole year as default."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ingestion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--days", type=int, default=365, help="days of the year that the retailer has delivered"
    )
    parser.add_argument("--rows", type=int, default=1_469_307, help="records in the database's largest table")
    parser.add_argument("--micro-loads", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=5, help="interleaved pairs for each ratio")
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument(
        "--room", type=Path, help="folder for what is written, some 20 GB; a temporary one by default"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the results")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = [name for name in options.only if name not in MEASUREMENTS]
    if unknown or not 2 <= options.days <= 365 or options.runs < 1:
        parser.error(f"unknown: {', '.join(unknown)}" if unknown else "--days is 2 to 365, --runs at least 1")
    return options


def main() -> None:
    """Measure what was asked for, show it, and write it down."""
    options = arguments()
    last = date(2017, 1, 1) + timedelta(days=options.days - 1)
    with tempfile.TemporaryDirectory(dir=options.room) as folder:
        room = Path(folder)
        room.chmod(0o755)  # PostgreSQL runs as a separate user where we are root
        with retailer(room / "retailer", str(last)) as found:
            if NEED_RECORDS.intersection(options.only):
                found.enlarge(options.rows)
            bench = Bench(found, room, options)
            for name in options.only:
                MEASUREMENTS[name](bench)
    show(bench)
    options.out.write_text(report(bench))
    console.print(f"written to {options.out}")


def show(bench: Bench) -> None:
    """The ratios on the terminal."""
    table = Table("measured", "compared with", "seconds", "ratio", "goal", box=None)
    for row in _rows(bench):
        table.add_row(*row)
    console.print(table)
    for note in bench.notes:
        console.print(note)
    for row in _tool_rows(bench):
        console.print("  ".join(row))


def _rows(bench: Bench) -> list[list[str]]:
    rows = []
    for one in bench.comparisons:
        ours, theirs = (min(run.seconds for run in runs) for runs in (one.ours, one.theirs))
        goal = "" if one.goal is None else f"≤ {one.goal:.1f}: {'met' if one.is_met else 'MISSED'}"
        spread = f"{one.ratio:.2f} ({one.ratios[0]:.2f} to {one.ratios[-1]:.2f})"
        rows.append([one.name, one.baseline, f"{ours:.2f} / {theirs:.2f}", spread, goal])
    return rows


def _tool_rows(bench: Bench) -> list[list[str]]:
    if not bench.tools:
        return []
    base = bench.tools[0][2].seconds
    return [
        [name, writes, f"{run.seconds:.1f}", f"{run.seconds / base:.1f}", f"{run.peak_mib:,}"]
        for name, writes, run in bench.tools
    ]


def report(bench: Bench) -> str:
    """The results as a page: where, when, with what, the ratios, and what is behind a missed goal."""
    options = bench.options
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("dlt", "duckdb", "pyarrow", "psycopg2-binary")
    )
    lines = [
        "# Ingestion, measured",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {memory} GiB, {platform.system()},"
        f" Python {platform.python_version()}, {versions}.",
        "",
        f"{options.days} days of the demo's year, {options.rows:,} database records, {options.runs} interleaved"
        " pairs a ratio. Ratio: the median of the pairs (smallest to largest); seconds: the best of either side."
        " Python's start is not counted; checks, quarantine, delivery counts and the compression of the lake are.",
        "",
        "`python -m benchmarks.ingestion` measures it again.",
        "",
        "| measured | compared with | seconds | ratio | goal |",
        "|---|---|---:|---:|---|",
        *(f"| {' | '.join(row)} |" for row in _rows(bench)),
        "",
        *(f"- {note}" for note in bench.notes),
        *(f"- {one.name} misses its goal. {one.limit}" for one in bench.comparisons if one.is_met is False),
    ]
    if bench.tools:
        lines += [
            "",
            "## What a user would pick instead",
            "",
            f"{options.rows:,} records out of PostgreSQL by each tool's own command, its start included, once."
            " Larder checks and counts each record; none of the others does.",
            "",
            "| tool | writes | seconds | for each of Larder's | MiB |",
            "|---|---|---:|---:|---:|",
            *(f"| {' | '.join(row)} |" for row in _tool_rows(bench)),
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
