"""Lines that come late, days without a run and a change to summer time end in the marts of one build, and rebuild what they affect."""

import csv
import gzip
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.python.conftest import PROJECT, Instance

FIRST, LAST = date(2018, 2, 25), date(2018, 3, 26)
"""Summer time begins on 11 March 2018."""
SKIPPED = {date(2018, 3, 2), date(2018, 3, 10), date(2018, 3, 19)}
"""Days on which nobody ran Larder."""
SOURCES = ("campaigns", "loyalty", "merchandising", "pos", "promotions")
LATE_PERCENT, LATEST = 5, 20


def days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def late_by(key: str) -> int:
    """Days by which a line is late: none for most."""
    number = crc32(key.encode())
    return number // 100 % LATEST + 1 if number % 100 < LATE_PERCENT else 0


def arrived(file: Path, age: int) -> bytes:
    """What of a file has come after so many days."""
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        keys = zip(table["basket_id"].to_pylist(), table["product_id"].to_pylist(), strict=True)
        mask = pa.array([late_by(f"{basket}-{product}") <= age for basket, product in keys])
        written = BytesIO()
        pq.write_table(table.filter(mask), written)
        return written.getvalue()
    rows = list(csv.DictReader(StringIO(gzip.decompress(file.read_bytes()).decode())))
    text = StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in rows if late_by(f"{row['basket_id']}-{row['product_id']}") <= age)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def deliver(source: Path, landing: Path, today: date) -> set[date]:
    """Bring the landing folder to what has come by today; returns the days of which something came."""
    changed = set()
    for day in days(max(FIRST, today - timedelta(days=LATEST)), min(today, LAST)):
        for file in sorted((source / f"business_date={day}").iterdir()):
            target = landing / file.parent.name / file.name
            content = arrived(file, (today - day).days)
            if not target.exists() or target.read_bytes() != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                changed.add(day)
    return changed


def fingerprints(instance: Instance) -> dict[str, int]:
    return dict(
        instance.query(
            "select partition_key, fingerprint from observe.built_partitions where model = 'marts.agg_sales_daily_department'"
        )
    )


def build(instance: Instance, landing: Path) -> None:
    """What the files say: the stream brings the same lines before them."""
    instance.larder("ingest", *SOURCES, SOURCES__POS__LANDING=str(landing))
    instance.larder("build")
    instance.larder("publish")


def without_totals(folder: Path) -> Path:
    """The project as it is, of a retailer who has no control totals, which refuse a day as long as lines of it are to come."""
    files = (
        subprocess.check_output(["git", "ls-files", "-z"], cwd=PROJECT, text=True).rstrip("\0").split("\0")
    )
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / file, folder / file)
    for seed in (folder / "seeds").glob("control_totals_*.csv"):
        seed.write_text(seed.read_text().partition("\n")[0] + "\n")
    return folder


@pytest.mark.nightly
def test_a_month_with_late_lines_ends_as_one_build(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "data", without_totals(tmp_path / "project"))
    try:
        replay(instance, tmp_path)
    finally:
        instance.larder("demo", "stop")


def replay(instance: Instance, tmp_path: Path) -> None:
    landing, source = tmp_path / "landing", instance.data / "landing/pos"
    waiting = set[date]()
    for today in days(FIRST, LAST):
        command = ["start", "--first-year", "2018"] if today == FIRST else ["advance"]
        instance.larder("demo", *command, "--to", str(today))
        waiting |= deliver(source, landing, today)
        if today in SKIPPED:
            continue
        before = fingerprints(instance) if instance.warehouse.exists() else {}
        build(instance, landing)
        after = fingerprints(instance)
        assert {day for day in after if before.get(day) != after[day]} == {str(day) for day in waiting}, today
        waiting.clear()
    deliver(source, landing, LAST + timedelta(days=LATEST))
    compare_with_one_build(instance, landing, tmp_path)


def compare_with_one_build(instance: Instance, landing: Path, tmp_path: Path) -> None:
    build(instance, landing)
    at_once = Instance(tmp_path / "at_once", instance.project)
    (at_once.data / "demo").mkdir(parents=True)
    (at_once.data / "demo/connections.toml").write_bytes(
        (instance.data / "demo/connections.toml").read_bytes()
    )
    build(at_once, landing)
    assert rows_of(at_once) == rows_of(instance)


def rows_of(instance: Instance) -> dict[str, tuple[Any, ...]]:
    """All marts but one: of a household that moves twice, who asks the CRM each day sees more than who asks once at the end."""
    return {name: rows for name, rows in instance.marts().items() if name != "dim_households_history"}
