"""From a till's event to a published figure: `larder run --follow` on the real year. Writes RESULTS.md next to this file.

    .venv/bin/python -m benchmarks.follow [MINUTES [FOLDER]]

A till says a line each second, all of a day that no file has brought yet. Beside it, a reader asks once a second, over a new
connection each time, how many lines `marts.agg_sales_daily` has of that day: an event is published when its line is counted.
Another reader stays connected for the whole time. FOLDER is a data root whose demo runs and has loaded the year; without one,
such a root is made, and removed at the end.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import psutil
from nats.js import JetStreamContext

from demo.broker import Stream

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("RESULTS.md")
DAY = "2018-01-01"
GOAL, HOUR, MIB = 60.0, 60.0, 2**20
COUNT = f"select coalesce(sum(lines), 0)::bigint from marts.agg_sales_daily where business_date = '{DAY}'"


@dataclass
class Soak:
    """What was seen: seconds of each event until it was published, answers of the readers, and sizes at the beginning and the end of
    what was measured (bytes of the data root, and files of the stream's tables in the lake)."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    patient: set[int] = field(default_factory=set)
    generations: set[str] = field(default_factory=set)
    most_kept: int = 0
    most_bytes: list[int] = field(default_factory=list)
    most_files: int = 0
    most_memory: int = 0
    code: int | None = None
    told: str = ""


def start(data: Path, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Follow the stream, and return when that has begun."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "larder", "run", "--follow"],
            cwd=PROJECT,
            env={**os.environ, **env, "LARDER_DATA": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    while "follow pos_stream" not in log.read_text():
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        time.sleep(0.5)
    return process


def soak(data: Path, stream: Stream, env: dict[str, str], minutes: float) -> Soak:
    """Follow for so many minutes, while a till says a line each second and readers read."""
    found, sent, log = Soak(), list[float](), data.with_name(f"{data.name}-follow.log")
    process = start(data, env, log)
    till = threading.Thread(target=stream.run, args=(lambda context: _sell(context, sent, 60 * minutes),))
    warehouse = data / "warehouse/current"
    with duckdb.connect(str(warehouse / "larder.duckdb"), read_only=True) as patient:
        before = patient.execute(COUNT).fetchall()[0][0]
        began = time.monotonic()
        till.start()
        while till.is_alive() or len(found.latencies) < len(sent):
            _look(data, found, sent, before, process.pid)
            found.patient.add(patient.execute(COUNT).fetchall()[0][0] - before)
            if process.poll() is not None or time.monotonic() - began > 60 * minutes + 5 * GOAL:
                break
            time.sleep(1)
    found.seconds = time.monotonic() - began
    process.send_signal(signal.SIGINT)
    found.code, found.told = process.wait(60), log.read_text()
    till.join()
    return found


async def _sell(context: JetStreamContext, sent: list[float], seconds: float) -> None:
    """Say a line a second, each of another basket, and note when."""
    opened, first = datetime(2018, 1, 1, 13, tzinfo=UTC), 1_000 * int(time.time())
    for number in range(int(seconds)):
        event = {
            "basket_id": first + number,
            "household_id": 1 + number % 2_000,
            "store_id": 300 + number % 100,
            "product_id": 1_082_185,
            "quantity": 1,
            "sales_value": "1.99",
            "retail_disc": "0.00",
            "coupon_disc": "0.00",
            "coupon_match_disc": "0.00",
            "week": 54,
            "transaction_timestamp": f"{opened + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}",
            "business_date": DAY,
        }
        sent.append(time.monotonic())
        await context.publish("tills.a", json.dumps(event).encode())
        await asyncio.sleep(max(0.0, sent[0] + number + 1 - time.monotonic()))


def _look(data: Path, found: Soak, sent: list[float], before: int, pid: int) -> None:
    """Ask as a reader who comes anew, and see what there is on disk and in memory."""
    folder = (data / "warehouse/current").resolve()
    with duckdb.connect(str(data / "warehouse/current/larder.duckdb"), read_only=True) as reader:
        lines = reader.execute(COUNT).fetchall()[0][0] - before
    now = time.monotonic()
    found.latencies += [now - at for at in sent[len(found.latencies) : lines]]
    found.answers.append(lines)
    found.generations.add(folder.name)
    found.most_kept = max(found.most_kept, len([*folder.parent.iterdir()]))
    files = (data / "lake/raw/pos_stream").rglob("*")
    found.most_files = max(found.most_files, sum(file.is_file() for file in files))
    if len(found.answers) % 30 == 1:
        found.most_bytes.append(_bytes(data))
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found.most_memory = max(found.most_memory, sum(map(_memory, family)))


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended
        return 0


def _bytes(data: Path) -> int:
    total = 0
    for folder, _, names in os.walk(data):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:  # it has just been replaced
                continue
    return total


def page(found: Soak, minutes: float) -> str:
    """The results, for people."""
    waits = sorted(found.latencies)
    p50, p95 = statistics.median(waits), waits[int(len(waits) * 0.95) - 1]
    sizes = [size / MIB for size in found.most_bytes]
    return PAGE.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        minutes=minutes,
        cores=os.cpu_count(),
        load=os.getloadavg()[2],
        events=len(waits),
        generations=len(found.generations) - 1,
        p50=p50,
        p95=p95,
        most=waits[-1],
        goal=GOAL,
        answers=len(found.answers),
        first=sizes[0],
        last=sizes[-1],
        largest=max(sizes),
        kept=found.most_kept,
        files=found.most_files,
        memory=found.most_memory / MIB,
    )


def connection(data: Path) -> Stream:
    """The demo's broker, as its tills see it."""
    found = tomllib.loads((data / "demo/connections.toml").read_text())
    address = urlsplit(found["SOURCES__POS_STREAM__URL"])
    return Stream(address.port or 0, found["SOURCES__POS_STREAM__TOKEN"])


def main() -> None:
    """Measure, and write the page."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else HOUR
    with tempfile.TemporaryDirectory() as folder:
        data = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder)
        command = [sys.executable, "-m", "larder", "demo"]
        own = {**os.environ, "LARDER_DATA": str(data)}
        try:
            if len(sys.argv) <= 2:
                subprocess.run([*command, "start"], cwd=PROJECT, env=own, check=True)
            found = soak(data, connection(data), {}, minutes)
        finally:
            if len(sys.argv) <= 2:
                subprocess.run([*command, "stop"], cwd=PROJECT, env=own, check=True)
    RESULTS.write_text(page(found, minutes))
    sys.stdout.write(RESULTS.read_text())


PAGE = """# From a till's event to a published figure

Written by `python -m benchmarks.follow` on {date}: {minutes:.0f} minutes of `larder run --follow` with the real year loaded, on {cores}
processors (load of a quarter of an hour: {load:.1f}), a line a second. An event is published when a reader, who opens the
warehouse anew each second, finds its line in `marts.agg_sales_daily`. The goal is {goal:.0f} s.

| | |
|---|---:|
| events, each of them published | {events:,} |
| live generations | {generations:,} |
| until published, half of the events | {p50:.0f} s |
| until published, 95 % of the events | {p95:.0f} s |
| until published, the slowest event | {most:.0f} s |
| answers of readers that came anew, none of them refused or less than the one before | {answers:,} |
| generations on disk, most at a time | {kept} |
| files of the stream in the lake, most at a time | {files} |
| data folder at the beginning, the end, and at its largest | {first:,.0f}, {last:,.0f}, {largest:,.0f} MiB |
| memory of larder and dbt together, most | {memory:,.0f} MiB |
"""


if __name__ == "__main__":
    main()
