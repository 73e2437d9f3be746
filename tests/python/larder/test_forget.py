"""A household is forgotten end to end: from all that a run has written, and for ever."""

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY, PROJECT, Instance, copy_of

from ingestion.core.errors import IngestionError
from ingestion.privacy import forgotten
from larder.core.errors import Busy, LarderError
from larder.core.settings import Paths
from larder.governance import holders, retention
from larder.governance.traces import Sought, find, others
from larder.ops import forget
from larder.warehouse.locks import lock

EMAIL, PSEUDONYM = "ada@example.org", 4135722038329914


def test_every_place_that_a_run_has_written_has_a_holder(published: Instance) -> None:
    holders.require_known(Paths(published.data))


def test_a_place_that_nobody_knows_stops_an_erasure_before_it_begins(tmp_path: Path) -> None:
    for name in ("lake/raw", "site/data", "warehouse/generations", "history/dbt"):
        (tmp_path / name).mkdir(parents=True)
    holders.require_known(Paths(tmp_path))
    (tmp_path / "site" / "copy-of-catalog").mkdir()
    holders.require_known(Paths(tmp_path))  # all of the site goes
    (tmp_path / "warehouse" / "copy.duckdb").touch()
    with pytest.raises(LarderError, match=r"nobody knows what is in .*copy\.duckdb"):
        holders.require_known(Paths(tmp_path))


def test_an_erasure_waits_until_dagster_has_stopped(tmp_path: Path) -> None:
    database = tmp_path / "dagster/postgres"
    database.mkdir(parents=True)
    holders.require_known(Paths(tmp_path))
    (database / "postmaster.pid").touch()
    with pytest.raises(LarderError, match="Dagster runs"):
        holders.require_known(Paths(tmp_path))


def write(folder: Path, kind: str, value: object, name: str) -> Path:
    """A file of a kind with one row that has a value in the column of a name."""
    import gzip
    import zipfile

    folder.mkdir(exist_ok=True)
    file = folder / f"file.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({name: [value], "n": [1]}), file)
    elif kind == "nested":
        pq.write_table(pa.table({"outer": [[{name: value}]]}), file)
    elif kind == "duckdb":
        with duckdb.connect(str(file)) as connection:
            connection.execute("create schema s")
            connection.execute(f"create table s.t as select $value as {name}", {"value": value})
    elif kind == "csv":
        file.write_text(f"n,{name}\n1,{value}\n")
    elif kind == "csv.gz":
        file.write_bytes(gzip.compress(f"n,{name}\n1,{value}\n".encode()))
    elif kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a.json", json.dumps({name: value}))
    else:
        file.write_text(json.dumps({"payload": json.dumps({name: value})}))
    return file


KINDS = ["parquet", "nested", "duckdb", "csv", "csv.gz", "zip", "jsonl"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_verifier_decodes_every_format(tmp_path: Path, kind: str) -> None:
    sought = Sought((str(PSEUDONYM), EMAIL), 7)
    for number, (value, name, is_trace) in enumerate(
        [
            (PSEUDONYM, "anything", True),
            (f"<{EMAIL}>", "anything", True),
            (7, "household_id", True),
            ("7", "household_id", True),
            (7, "store_id", False),
            (77, "household_id", False),
        ]
    ):
        folder = tmp_path / str(number)
        file = write(folder, kind, value, name)
        assert find([folder], sought, tmp_path) == ([str(file)] if is_trace else []), (value, name)


def test_a_small_number_in_what_the_project_says_is_no_trace(tmp_path: Path) -> None:
    for place in ("generations/g/dbt", "site/.catalog-5c4faa1c/model", "history/dbt"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "page.html").write_text("household_id: 7")
    assert find([tmp_path], Sought((EMAIL,), 7), tmp_path) == []
    (tmp_path / "docs").mkdir()  # only folders below a holder's are the project's
    file = write(tmp_path / "docs" / "data", "csv", 7, "household_id")
    assert find([file.parent], Sought((EMAIL,), 7), tmp_path) == [str(file)]
    (folder / "page.html").write_text(EMAIL)
    assert find([tmp_path], Sought((EMAIL,), 7), tmp_path) == [str(folder / "page.html")]


def test_what_cannot_be_decoded_is_no_proof(tmp_path: Path) -> None:
    file = write(tmp_path / "a", "parquet", 1, "n")
    file.write_bytes(file.read_bytes()[:-9])
    (found,) = find([file], Sought((EMAIL,), None), tmp_path)
    assert "cannot be decoded" in found


def test_a_format_that_nobody_knows_is_searched_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.msgpack").write_bytes(b"\x00\xff" + EMAIL.encode() + b"\x00")
    assert find([tmp_path], Sought((EMAIL,), None), tmp_path) == [str(tmp_path / "a.msgpack")]


def test_other_rows_are_compared_without_their_order(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"household_id": [1, 2, None, 3], "x": [1, 2, 3, 4]}), file)
    before = others([file], "household_id = 2")
    pq.write_table(pa.table({"household_id": [3, None, 1], "x": [4, 3, 1]}), file)
    assert others([file], "household_id = 2") == before
    pq.write_table(pa.table({"household_id": [3, None, 1], "x": [4, 3, 2]}), file)
    assert others([file], "household_id = 2") != before


def test_the_demo_keeps_its_year_and_a_wrong_policy_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {name for wanted in retention.wanted().values() for name in wanted.values()}
    assert all(
        "date '20" in where and where < "z"
        for wanted in retention.wanted().values()
        for where in wanted.values()
    )
    said = (PROJECT / "governance/retention.yml").read_text()
    monkeypatch.setattr(retention, "FILE", tmp_path / "retention.yml")
    for old, new in (
        ("pos.transactions", "pos.transaction"),
        ("days: 7300", "days: 0"),
        ("days: 7300", "days: 99999999999"),
        ("days: 7300", "days: 7300, day: 3"),
        ("redemption_date", "household_id"),
        ("rows:", "rows: ["),
        ("logs:", "log:"),
        ("business_date", "day"),
    ):
        retention.FILE.write_text(
            said.replace(old, new, 1)
            if old != "business_date"
            else said.replace("column: business_date", "column: day", 1)
        )
        with pytest.raises(LarderError, match="cannot be understood"):
            retention.policy()


@pytest.fixture
def whole(published: Instance, tmp_path: Path) -> Instance:
    """A copy of the published instance with all that a run writes."""
    made = Instance(tmp_path / "data")
    copy_of(published, made.data)
    shutil.copytree(published.data / "restricted", made.data / "restricted")
    return made


def test_a_dry_run_and_an_unknown_household_change_nothing(whole: Instance) -> None:
    before = {file: file.stat().st_mtime_ns for file in (whole.data / "lake").rglob("*")}
    number = whole.query(
        "select household_id from marts.fct_baskets group by all order by count(*) desc, 1 limit 1"
    )[0][0]
    shown = whole.larder("forget", "--pseudonym", str(number), "--reason", "a test", "--dry-run")
    assert "lake: pos.transactions" in shown.stdout and "marts.fct_basket_lines" in shown.stdout
    told = whole.larder("forget", "--household", "123456789", "--reason", "a test")
    assert "nobody knows this household" in told.stderr
    assert "needs a reason" in whole.larder("forget", "--pseudonym", "1", code=1).stderr
    assert {file: file.stat().st_mtime_ns for file in (whole.data / "lake").rglob("*")} == before
    assert not forgotten.journal(whole.data / "lake") and KEY


def test_what_another_machine_has_forgotten_is_found_in_the_generations_of_this_one(whole: Instance) -> None:
    household = whole.query("select min(household_id) from marts.fct_baskets")[0][0]
    asked = ("forget", "--pseudonym", str(household), "--reason", "a test", "--dry-run")
    paths = Paths(whole.data)
    plan = forget._plan(paths, household, None, "a test")
    forget._erase(paths, plan)
    assert "another one than it was built from" in whole.larder(*asked, code=1).stderr
    forgotten.register(paths.lake, household)
    assert "marts.fct_baskets" in whole.larder(*asked).stdout
    plan = forget._plan(paths, household, None, "a test")
    assert plan["total"] == sum(mart["rows"] for mart in plan["marts"].values()) > 0


@pytest.mark.nightly
def test_a_household_is_forgotten_and_stays_so(instance: Instance) -> None:
    instance.larder("demo", "start", "--to", "2017-01-04")
    instance.larder("run")
    household, lines = instance.query(
        "select household_id, count(*) from marts.fct_basket_lines semi join marts.fct_campaign_targets using (household_id)"
        " group by all order by 2 desc, 1 limit 1"
    )[0]
    total = instance.query("select count(*), sum(sales_usd) from marts.fct_basket_lines")[0]
    money = instance.query(
        f"select sum(sales_usd) from marts.fct_basket_lines where household_id = {household}"
    )[0][0]
    (instance.data / "warehouse/dev").mkdir(exist_ok=True)
    shutil.copyfile(instance.warehouse, instance.data / "warehouse/dev/larder.duckdb")
    instance.larder("forget", "--pseudonym", str(household), "--reason", "request 118")
    assert instance.query("select count(*), sum(sales_usd) from marts.fct_basket_lines")[0] == (
        total[0] - lines, total[1] - money,
    )  # fmt: skip
    (file,) = (instance.data / "audit/erasures").glob("*.json")
    receipt = json.loads(file.read_text())
    assert receipt["rows"]["pos"] == {"transactions": lines} and receipt["marts"]["marts.fct_basket_lines"] == {
        "rows": lines, "left": 0, "others": "unchanged",
    }  # fmt: skip
    assert receipt["still_named_in_nothing_but"], "the tills' own files"
    assert len([*(instance.data / "warehouse/generations").iterdir()]) == 1

    # The source has it still: new days, all of them again, and a rebuild.
    instance.larder("demo", "advance", "--to", "2017-01-08")
    instance.larder("run")
    instance.larder("ingest", "pos", "loyalty", "campaigns", "--full")
    instance.larder("build", "--all")
    instance.larder("publish")
    for table in ("marts.fct_basket_lines", "marts.dim_households", "marts.fct_campaign_targets"):
        assert instance.query(f"select count(*) from {table} where household_id = {household}") == [(0,)]
    missing, erased = instance.query(
        "select count(*) filter (not is_accounted_for), sum(erased_rows) from observe.ledger"
    )[0]
    assert missing == 0 and erased > lines
    again = instance.larder("forget", "--pseudonym", str(household), "--reason", "request 118")
    assert "it was forgotten before" in again.stderr


def test_two_calls_do_not_carry_out_the_same_erasure(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with lock(paths.locks, "forget"), pytest.raises(Busy, match="forget is locked"):
        forget.carry_out(paths, {"pseudonym": 1})
    assert forgotten.journal(paths.lake) is None


def test_a_journal_that_is_broken_is_named(tmp_path: Path) -> None:
    forgotten.begin(tmp_path / "lake", {})
    forgotten.journal_file(tmp_path / "lake").write_text('{"id"')
    with pytest.raises(IngestionError, match=r"erasure\.json cannot be read"):
        forgotten.journal(tmp_path / "lake")
