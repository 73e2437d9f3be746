"""Till files that arrive, come again, change, break or fail to come: through the real pipeline into a real lake."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import Instance, connections

from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.lake.loads import completed_loads, sweep_dead_loads, table_files
from ingestion.pipelines import ingest
from ingestion.sources.promotions import days_of

DAY = "business_date=2017-01-05"


@pytest.fixture
def landing(retailer: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "landing"
    shutil.copytree(connections(retailer)["SOURCES__POS__LANDING"], copy)
    monkeypatch.setenv("SOURCES__POS__LANDING", str(copy))
    return copy


def load(root: Path) -> int:
    return ingest("pos", root / "lake", root / "dlt", lambda _: None).rows.get("transactions", 0)


def visible(root: Path) -> tuple[int, int]:
    """Rows and distinct keys of the completed loads."""
    dataset = root / "lake" / "raw" / "pos"
    files = [
        str(f) for f in dataset.glob("transactions/*") if f.name.rsplit(".", 2)[0] in completed_loads(dataset)
    ]
    found = duckdb.execute(
        "select count(*), count(distinct (basket_id, product_id)) from read_parquet(?)", [files]
    ).fetchone()
    assert found
    return found


def lines_of(file: Path) -> int:
    reader = "read_csv" if file.name.endswith(".csv.gz") else "read_parquet"
    counted = duckdb.execute(f"select count(*) from {reader}('{file}')").fetchone()
    assert counted
    return int(counted[0])


def delivered(landing: Path) -> int:
    counted = duckdb.execute(f"select count(*) from '{landing}/*/*.parquet'").fetchone()
    csv = duckdb.execute(f"select count(*) from read_csv('{landing}/*/*.csv.gz')").fetchone()
    assert counted and csv
    return counted[0] + csv[0]


def test_every_row_arrives_once_and_the_second_run_brings_nothing(landing: Path, tmp_path: Path) -> None:
    assert load(tmp_path) == delivered(landing)
    assert load(tmp_path) == 0
    assert visible(tmp_path) == (delivered(landing), delivered(landing))


def test_losing_the_working_directory_loses_and_doubles_nothing(landing: Path, tmp_path: Path) -> None:
    load(tmp_path)
    shutil.rmtree(tmp_path / "dlt")
    assert load(tmp_path) == 0


def test_the_same_content_delivered_again_is_not_loaded_again(landing: Path, tmp_path: Path) -> None:
    load(tmp_path)
    file = landing / DAY / "sales_a.parquet"
    file.write_bytes(file.read_bytes())
    assert load(tmp_path) == 0


def test_a_corrected_file_is_loaded_as_a_correction(landing: Path, tmp_path: Path) -> None:
    load(tmp_path)
    file = landing / DAY / "sales_a.parquet"
    kept = duckdb.execute(
        f"select * from read_parquet('{file}', hive_partitioning = false) limit 7"
    ).to_arrow_table()
    duckdb.from_arrow(kept).write_parquet(str(file))
    assert load(tmp_path) == 7


@pytest.mark.parametrize("name", ["sales_a.parquet", "sales_b.csv.gz"])
def test_a_truncated_file_holds_its_load_until_it_is_whole(landing: Path, tmp_path: Path, name: str) -> None:
    file = landing / DAY / name
    whole, lines = file.read_bytes(), lines_of(file)
    file.write_bytes(whole[: len(whole) // 2])
    found = ingest("pos", tmp_path / "lake", tmp_path / "dlt", lambda _: None)
    assert [(e["place"], e["row_number"]) for e in found.quarantined] == [(f"{DAY}/{name}", None)]
    assert next(iter(found.blocked.values()))["reasons"] == [f"transactions: cannot be read: {DAY}/{name}"]
    assert completed_loads(tmp_path / "lake/raw/pos") == set()
    assert load(tmp_path) == 0
    file.write_bytes(whole)
    assert load(tmp_path) == lines
    assert visible(tmp_path) == (delivered(landing), delivered(landing))


def test_a_missing_day_is_named_and_loads_when_it_comes(landing: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    shutil.move(landing / DAY / "sales_b.csv.gz", away)
    with pytest.raises(IngestionError, match=f"{DAY}/sales_b.csv.gz"):
        load(tmp_path)
    shutil.move(away, landing / DAY / "sales_b.csv.gz")
    assert load(tmp_path) == delivered(landing)


def test_files_that_the_retailer_has_cleared_away_are_not_missed(landing: Path, tmp_path: Path) -> None:
    load(tmp_path)
    shutil.rmtree(landing / DAY)
    assert load(tmp_path) == 0


def test_days_are_read_again_by_declaration(landing: Path, tmp_path: Path) -> None:
    load(tmp_path)
    day = LoadRequest(first=date(2017, 1, 5), last=date(2017, 1, 5))
    again = ingest("pos", tmp_path / "lake", tmp_path / "dlt", lambda _: None, day)
    assert again.rows == {"transactions": sum(lines_of(file) for file in (landing / DAY).iterdir())}
    assert load(tmp_path) == 0
    dataset = tmp_path / "lake/raw/pos"
    accounts = [str(file) for file in table_files(dataset, "deliveries", completed_loads(dataset))]
    found = duckdb.execute("select place from read_parquet(?) where kind = 'reload' order by 1", [accounts])
    assert found.fetchall() == [(f"{DAY}/sales_a.parquet",), (f"{DAY}/sales_b.csv.gz",)]
    elsewhere = LoadRequest(first=date(2017, 2, 1))
    with pytest.raises(IngestionError, match="pos has nothing of 2017-02-01 to the end"):
        ingest("pos", tmp_path / "lake", tmp_path / "dlt", lambda _: None, elsewhere)


def test_a_landing_folder_that_lost_much_is_refused_unless_forced(landing: Path, tmp_path: Path) -> None:
    load(tmp_path)
    for folder in sorted(landing.iterdir())[:3]:
        shutil.rmtree(folder)
    found = ingest("pos", tmp_path / "lake", tmp_path / "dlt", lambda _: None, LoadRequest(full=True))
    assert found.rows == {}
    assert f"landing folder {landing} has only" in found.refused[0]
    forced = ingest(
        "pos", tmp_path / "lake", tmp_path / "dlt", lambda _: None, LoadRequest(full=True, force=True)
    )
    assert forced.rows == {"transactions": delivered(landing)}


def test_a_week_of_promotions_knows_its_days() -> None:
    """As the calendar of the retailer has them: week 1 ends on Sunday, 1 January, week 53 on 31 December, and no year ends the count."""
    assert days_of(date(2016, 12, 26), "week=1/placements.parquet")[1] == date(2017, 1, 1)
    assert days_of(date(2016, 12, 26), "week=2/placements.parquet") == (date(2017, 1, 2), date(2017, 1, 8))
    first, last = days_of(date(2016, 12, 26), "week=53/placements.parquet")
    assert (first + timedelta(days=6), last) == (date(2017, 12, 31), date(2017, 12, 31))
    assert days_of(date(2016, 12, 26), "week=105/placements.parquet") == (
        date(2018, 12, 24),
        date(2018, 12, 30),
    )


def test_a_load_that_died_before_its_completion_is_swept_and_loaded_again(
    landing: Path, tmp_path: Path
) -> None:
    """The lake as a crash leaves it that hits between the state and the completion, with the working directory lost."""
    load(tmp_path)
    dataset = tmp_path / "lake" / "raw" / "pos"
    for marker in (dataset / "_dlt_loads").glob("*.jsonl"):
        marker.unlink()
    shutil.rmtree(dataset / "_loads")
    (dataset / "_visible.jsonl").unlink()
    shutil.rmtree(tmp_path / "dlt")
    assert load(tmp_path) == delivered(landing)
    assert visible(tmp_path) == (delivered(landing), delivered(landing))
    assert len(list(dataset.glob("transactions/*.parquet"))) == 1
    assert sweep_dead_loads(dataset) == []
