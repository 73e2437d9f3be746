"""Files: the daily till exports and the weekly promotion files.

Shape, one folder per store-local day (America/New_York), and one per retailer week. Both store groups deliver a file for
every day, an empty one for a day without sales (25 December), so that a missing file is always a fault:

    pos/business_date=YYYY-MM-DD/sales_a.parquet    store group A: the stores whose id is not a multiple of 4
    pos/business_date=YYYY-MM-DD/sales_b.csv.gz     store group B: the others; header, ISO timestamps in UTC
    promotions/week=NN/placements.parquet           running week (of 2017: 01 to 53), delivered on its first day

Money is US dollars as decimal(18, 2). Rows are in a total order and the writers add no timestamp, so a file's
bytes depend on its day only. A file is written next to the landing folders and then renamed, and never written again.
"""

import gzip
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from demo.clock import week_of
from demo.errors import DemoError
from demo.paths import Paths
from demo.year import Report, first_day, quoted

TILL_A, TILL_B, PLACEMENTS = "sales_a.parquet", "sales_b.csv.gz", "placements.parquet"

TILL_COLUMNS = {
    "basket_id": "basket_id",
    "household_id": "household_id",
    "store_id": "store_id",
    "product_id": "product_id",
    "quantity": "quantity",
    "sales_value": "sales_value::decimal(18, 2)",
    "retail_disc": "retail_disc::decimal(18, 2)",
    "coupon_disc": "coupon_disc::decimal(18, 2)",
    "coupon_match_disc": "coupon_match_disc::decimal(18, 2)",
    "week": "week::integer",
    "transaction_timestamp": "transaction_timestamp at time zone 'UTC'",
}
TILL_ORDER = "transaction_timestamp, basket_id, product_id"


def deliver(year: duckdb.DuckDBPyConnection, paths: Paths, to: date, report: Report) -> None:
    """Deliver every file that is due by the end of the day `to` and is not there yet."""
    shutil.rmtree(paths.outgoing, ignore_errors=True)  # what an interrupted delivery left
    try:
        _deliver_tills(year, paths, to, report)
        _deliver_promotions(year, paths, to, report)
    finally:
        shutil.rmtree(paths.outgoing, ignore_errors=True)


def refuse_later_files(paths: Paths, to: date) -> None:
    """Raises DemoError where the landing folder has files later than `to`: it belongs to another run of the year."""
    days = {path.name for path in paths.pos.glob("business_date=*")}
    weeks = {int(path.name.removeprefix("week=")) for path in paths.promotions.glob("week=*")}
    if any(day > f"business_date={to}" for day in days) or any(week > week_of(to) for week in weeks):
        raise DemoError(
            f"{paths.landing} already has files later than {to}: choose a later day, "
            f"or delete {paths.landing} and {paths.demo} to start the year again"
        )


def count_files(folder: Path) -> int:
    """How many files have been delivered below a landing folder."""
    return sum(1 for path in folder.glob("*=*/*") if path.is_file())


def count_rows(paths: Paths) -> dict[str, int]:
    """Number of rows in the delivered files, counted in the files themselves."""
    connection = duckdb.connect()
    till_a, till_b = paths.pos / "*" / TILL_A, paths.pos / "*" / TILL_B
    placements = paths.promotions / "*" / PLACEMENTS
    lines = "read_csv({}, header = true, columns = {{'line': 'varchar'}}, delim = '\\t')"
    return {
        "transactions": _count(connection, "read_parquet({})", till_a) + _count(connection, lines, till_b),
        "placements": _count(connection, "read_parquet({})", placements),
    }


def _deliver_tills(year: duckdb.DuckDBPyConnection, paths: Paths, to: date, report: Report) -> None:
    due = [day for day in _days(first_day(year), to) if not _is_complete(paths.pos / f"business_date={day}")]
    if not due:
        return
    report("till files", 0, len(due))
    columns = ", ".join(f"{expression} as {name}" for name, expression in TILL_COLUMNS.items())
    year.execute(
        f"create or replace temp table tills as select {columns}, business_date "
        f"from sales where business_date in ({', '.join(repr(day.isoformat()) for day in due)})"
    )
    parquet_days, csv_days = _till_a(year, due), _till_b(year, due)
    for done, day in enumerate(due, start=1):
        folder = paths.pos / f"business_date={day}"
        _write_once(paths, folder / TILL_A, _parquet_writer(parquet_days[day]))
        _write_once(paths, folder / TILL_B, _gzip_writer(csv_days[day]))
        report("till files", done, len(due))
    year.execute("drop table tills")


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _is_complete(folder: Path) -> bool:
    return (folder / TILL_A).exists() and (folder / TILL_B).exists()


def _till_a(year: duckdb.DuckDBPyConnection, due: list[date]) -> dict[date, pa.Table]:
    """One sort for all days, then a slice per day: far cheaper than a query per day."""
    where = "from tills where store_id % 4 <> 0"
    table = year.execute(f"select * {where} order by business_date, {TILL_ORDER}").to_arrow_table()
    table = table.drop_columns(["business_date"]).combine_chunks()
    sizes = year.execute(
        f"select business_date, count(*) {where} group by business_date order by business_date"
    ).fetchall()
    slices, start = dict.fromkeys(due, table.slice(0, 0)), 0
    for day, size in sizes:
        slices[day] = table.slice(start, size)
        start += size
    return slices


def _till_b(year: duckdb.DuckDBPyConnection, due: list[date]) -> dict[date, str]:
    """The text of each day's CSV file, header included."""
    texts = {name: f"coalesce({name}::varchar, '')" for name in TILL_COLUMNS}
    texts["transaction_timestamp"] = "strftime(transaction_timestamp, '%Y-%m-%dT%H:%M:%SZ')"
    line = "concat_ws(',', " + ", ".join(texts.values()) + ")"
    rows = year.execute(
        f"select business_date, string_agg({line}, chr(10) order by {TILL_ORDER}) "
        "from tills where store_id % 4 = 0 group by business_date"
    ).fetchall()
    header = ",".join(TILL_COLUMNS)
    return dict.fromkeys(due, f"{header}\n") | {day: f"{header}\n{lines}\n" for day, lines in rows}


def _deliver_promotions(year: duckdb.DuckDBPyConnection, paths: Paths, to: date, report: Report) -> None:
    weeks = range(week_of(first_day(year)), week_of(to) + 1)
    targets = {week: paths.promotions / _week_folder(week) / PLACEMENTS for week in weeks}
    due = [week for week, target in targets.items() if not target.exists()]
    for done, week in enumerate(due, start=1):
        _write_once(paths, targets[week], _placements_writer(year, week))
        report("promotion files", done, len(due))


def _placements_writer(year: duckdb.DuckDBPyConnection, week: int) -> Callable[[Path], None]:
    # One query per week: the file is one row group ordered roughly by week, so that a scan for one week costs little
    # and 400,000 rows sort in 200 MB, while sorting all 20.9 million at once wants 1 GB and saves no time.
    def write(path: Path) -> None:
        year.execute(
            "copy (select product_id, store_id, week::integer as week, display_location, mailer_location "
            f"from promotions where week = {week} "
            "order by product_id, store_id, display_location, mailer_location) "
            f"to {quoted(path)} (format parquet, compression zstd)"
        )

    return write


def _parquet_writer(table: pa.Table) -> Callable[[Path], None]:
    return lambda path: pq.write_table(table, path, compression="zstd", store_decimal_as_integer=True)


def _gzip_writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        # mtime=0: the moment of writing would otherwise be part of the file.
        path.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))

    return write


def _write_once(paths: Paths, target: Path, write: Callable[[Path], None]) -> None:
    if target.exists():
        return
    paths.outgoing.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = paths.outgoing / f"{target.parent.name}.{target.name}"
    write(temporary)
    temporary.rename(target)


def _count(connection: duckdb.DuckDBPyConnection, reader: str, pattern: Path) -> int:
    if not any(pattern.parent.parent.glob(f"*/{pattern.name}")):
        return 0
    row = connection.execute(f"select count(*) from {reader.format(quoted(pattern))}").fetchone()
    return int(row[0]) if row else 0


def _week_folder(week: int) -> str:
    return f"week={week:02d}"
