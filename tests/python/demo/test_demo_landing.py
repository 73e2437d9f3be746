"""The files of a retailer whose year has come to 8 January, compared with the real data."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from conftest import Instance

from demo import landing
from demo.clock import week_of
from demo.errors import DemoError
from demo.paths import Paths
from demo.year import open_year

DAYS = [date(2017, 1, 1) + timedelta(days=n) for n in range(8)]
COLUMNS = list(landing.TILL_COLUMNS)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_year(tmp_path_factory.mktemp("scratch"))
    yield connection
    connection.close()


def csv_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


def test_there_is_one_folder_per_day_and_one_per_week(retailer: Instance) -> None:
    files = {
        str(path.relative_to(retailer.data)) for path in retailer.data.glob("landing/**/*") if path.is_file()
    }
    tills = {
        f"landing/pos/business_date={day}/{name}" for day in DAYS for name in (landing.TILL_A, landing.TILL_B)
    }
    weeks = {f"landing/promotions/week={week}/{landing.PLACEMENTS}" for week in ("01", "02")}
    assert files == tills | weeks


def test_the_tills_deliver_every_real_line_exactly(
    retailer: Instance, year: duckdb.DuckDBPyConnection
) -> None:
    pos = retailer.data / "landing/pos"
    types = "{" + ", ".join(f"'{name}': 'varchar'" for name in COLUMNS) + "}"
    money = [name for name in COLUMNS if name.endswith("_disc") or name == "sales_value"]
    cast = ", ".join(
        f"{name}::{'decimal(18, 2)' if name in money else 'timestamptz' if name.endswith('stamp') else 'bigint'}"
        for name in COLUMNS
    )
    # The real columns are floating point; the comparison rounds those of the source, never those delivered.
    source = ", ".join(
        f"round({name}, 2)::decimal(18, 2)" if name in money
        else f"{name} at time zone 'UTC'" if name.endswith("stamp") else name
        for name in COLUMNS
    )  # fmt: skip
    delivered = (
        f"select {cast}, business_date from (select *, regexp_extract(filename, '=([0-9-]+)', 1)::date as business_date "
        f"from read_parquet('{pos}/*/sales_a.parquet', filename = true, hive_partitioning = false)) union all "
        f"select {cast}, business_date from (select *, regexp_extract(filename, '=([0-9-]+)', 1)::date as business_date "
        f"from read_csv('{pos}/*/sales_b.csv.gz', columns = {types}, header = true, filename = true, hive_partitioning = false))"
    )
    real = (
        f"select {source}, ((transaction_timestamp at time zone 'UTC') at time zone 'America/New_York')::date "
        "from transactions where transaction_timestamp < timestamp '2017-01-10' and ((transaction_timestamp at time zone 'UTC') at time zone 'America/New_York')::date "
        "<= date '2017-01-08'"
    )
    row = year.execute(
        f"select (select count(*) from ({delivered})), (select count(*) from ({real})), "
        f"(select count(*) from ({delivered} except all {real}))"
    ).fetchone()
    assert row == (35176, 35176, 0)


def test_each_group_of_stores_has_its_own_format(retailer: Instance) -> None:
    for day in DAYS:
        folder = retailer.data / f"landing/pos/business_date={day}"
        table = pq.read_table(folder / landing.TILL_A, partitioning=None)
        assert table.column_names == COLUMNS
        assert str(table.schema.field("sales_value").type) == "decimal128(18, 2)"
        assert str(table.schema.field("transaction_timestamp").type) == "timestamp[us, tz=UTC]"
        assert all(store % 4 for store in table["store_id"].to_pylist())
        rows = csv_rows(folder / landing.TILL_B)
        assert list(rows[0]) == COLUMNS
        assert not any(int(row["store_id"]) % 4 for row in rows)
        assert all(
            re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["transaction_timestamp"]) for row in rows
        )
        assert all(re.fullmatch(r"\d+\.\d\d", row["sales_value"]) for row in rows)
        moments = [
            (row["transaction_timestamp"], int(row["basket_id"]), int(row["product_id"])) for row in rows
        ]
        assert moments == sorted(moments)


def test_promotions_deliver_every_real_row(retailer: Instance, year: duckdb.DuckDBPyConnection) -> None:
    for week in (1, 2):
        file = retailer.data / f"landing/promotions/week={week:02d}/placements.parquet"
        columns = "product_id, store_id, week, display_location, mailer_location"
        row = year.execute(
            f"select (select count(*) from read_parquet('{file}', hive_partitioning = false)), "
            f"(select count(*) from promotions where week = {week}), (select count(*) from "
            f"(select {columns} from read_parquet('{file}', hive_partitioning = false) "
            f"except all select {columns} from promotions where week = {week}))"
        ).fetchone()
        assert row is not None and row[0] == row[1] > 0 and row[2] == 0


def test_the_closed_day_is_delivered_empty(tmp_path: Path, year: duckdb.DuckDBPyConnection) -> None:
    """A day without sales still has its files, so that a missing file is always a fault."""
    closed = date(2017, 12, 25)
    paths = Paths(tmp_path)
    for day in (date(2017, 1, 1) + timedelta(days=n) for n in range(365)):
        for name in (landing.TILL_A, landing.TILL_B):
            if (
                day != closed
            ):  # what was delivered before is not written again, so empty files stand for it here
                path = paths.pos / f"business_date={day}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    for week in range(1, 54):
        path = paths.promotions / f"week={week:02d}" / landing.PLACEMENTS
        path.parent.mkdir(parents=True)
        path.touch()
    landing.deliver(year, paths, closed, lambda *_: None)
    folder = paths.pos / f"business_date={closed}"
    assert pq.read_table(folder / landing.TILL_A, partitioning=None).num_rows == 0
    assert pq.read_schema(folder / landing.TILL_A).names == COLUMNS
    assert gzip.decompress((folder / landing.TILL_B).read_bytes()).decode() == ",".join(COLUMNS) + "\n"
    assert week_of(closed) == 53
    assert not (paths.landing / ".outgoing").exists()


def test_files_later_than_the_clock_are_refused(tmp_path: Path) -> None:
    (tmp_path / "landing/pos/business_date=2017-03-01").mkdir(parents=True)
    with pytest.raises(DemoError, match="later than 2017-02-28"):
        landing.refuse_later_files(Paths(tmp_path), date(2017, 2, 28))
    landing.refuse_later_files(Paths(tmp_path), date(2017, 3, 1))


def test_weeks_are_compared_as_numbers(tmp_path: Path) -> None:
    """In the order of letters week 100 would come before week 99."""
    (tmp_path / "landing/promotions/week=100").mkdir(parents=True)
    with pytest.raises(DemoError, match="later than 2018-11-18"):
        landing.refuse_later_files(Paths(tmp_path), date(2018, 11, 18))
    landing.refuse_later_files(Paths(tmp_path), date(2018, 11, 19))
