"""A household is taken out of the lake, its quarantine and its restricted zone, and none of its sources brings it back."""

import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY, PROJECT, Instance, connections, household

from ingestion import erasure
from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.lake import compaction
from ingestion.lake.loads import completed_loads, recorded_loads, row_counts, table_files, tables
from ingestion.pipelines import Loaded, ingest
from ingestion.privacy import forgotten
from ingestion.privacy.pseudonyms import KEYS, pseudonym
from ingestion.privacy.restricted import Restricted
from ingestion.quarantine.accounts import accounts
from ingestion.quarantine.store import Quarantine

SOURCES = ("loyalty", "campaigns", "pos")


@pytest.fixture(scope="module")
def loaded(retailer: Instance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with three sources of the retailer, the tills with their first three days."""
    made = tmp_path_factory.mktemp("loaded")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in connections(retailer).items():
            patch.setenv(name, value)
        for source in SOURCES:
            days = {"first": date(2017, 1, 1), "last": date(2017, 1, 3)} if source == "pos" else {}
            load(made / "lake", source, **days)
    return made


@pytest.fixture
def lake(loaded: Path, retailer: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the connections to go on."""
    for name, value in connections(retailer).items():
        monkeypatch.setenv(name, value)
    shutil.copytree(loaded, tmp_path / "data")
    return tmp_path / "data" / "lake"


def load(lake: Path, source: str, **how: Any) -> Loaded:
    return ingest(source, lake, lake.parent / "dlt", lambda _: None, LoadRequest(**how))


def rows_of(lake: Path, pseudonym: int) -> dict[str, int]:
    """How many rows each table has of a household, in whatever file."""
    found = {}
    for source in SOURCES:
        for table in tables(lake / "raw" / source):
            for file in (lake / "raw" / source / table).glob("*.parquet"):
                if "household_id" in pq.read_schema(file).names:
                    name = f"{source}.{table}"
                    query = f"select count(*) from '{file}' where household_id = {pseudonym}"
                    found[name] = found.get(name, 0) + duckdb.execute(query).fetchall()[0][0]
    return {name: count for name, count in found.items() if count}


def others(lake: Path, pseudonym: int) -> dict[str, tuple[Any, ...]]:
    """Every data file's schema, and a hash of the rows of all other households that does not depend on their order."""
    found = {}
    for file in (file for source in SOURCES for file in (lake / "raw" / source).glob("[!_]*/*.parquet")):
        if file.parent.name not in ("deliveries", "erased"):
            where = (
                "household_id is distinct from ?" if "household_id" in pq.read_schema(file).names else "? > 0"
            )
            found[str(file)] = (
                pq.read_schema(file),
                duckdb.execute(
                    f"select count(*), sum(hash(t)::hugeint) from '{file}' t where {where}", [pseudonym]
                ).fetchall(),
            )
    return found


def plan_of(lake: Path, pseudonym: int) -> dict[str, Any]:
    return {
        source: erasure.plan(
            lake,
            source,
            erasure.of_household(source, pseudonym),
            Quarantine(lake, source).of_household(pseudonym),
        )
        for source in SOURCES
    }


def forget(lake: Path, pseudonym: int) -> dict[str, Any]:
    planned = forgotten.journal(lake) or plan_of(lake, pseudonym)
    forgotten.begin(lake, planned)
    forgotten.register(lake, pseudonym)
    read = forgotten.journal(lake)
    assert read
    for source in SOURCES:
        erasure.erase(lake, source, erasure.of_household(source, pseudonym), read[source])
        erasure.erase_person(lake, source, pseudonym)
    forgotten.end(lake)
    return planned


def busiest(lake: Path) -> int:
    """The household of most lines, of those that every source has."""
    apart = ("campaigns/campaign_households", "loyalty/demographics")
    known = " intersect ".join(f"select household_id from '{lake}/raw/{one}/*.parquet'" for one in apart)
    found = duckdb.execute(
        f"select household_id from '{lake}/raw/pos/transactions/*.parquet' where household_id in ({known})"
        " group by all order by count(*) desc limit 1"
    ).fetchone()
    assert found
    return int(found[0])


def balance(lake: Path) -> dict[str, tuple[int, int, int]]:
    """Of each table what was delivered, loaded and erased; and it adds up, in the account and in the files."""
    found = {}
    for source in SOURCES:
        counted = row_counts(lake / "raw" / source, recorded_loads(lake / "raw" / source))
        for table, one in accounts(lake, source).items():
            assert one.delivered == one.loaded + one.quarantined + one.discarded + one.superseded + one.erased
            assert one.loaded == counted.get(table, 0), f"{source}.{table}"
            found[f"{source}.{table}"] = one.delivered, one.loaded, one.erased
    return found


def sums(lake: Path) -> tuple[Any, ...]:
    """Keys and money of the tills, as the account and as the files have them."""
    dataset = lake / "raw/pos"
    files = [
        [*map(str, table_files(dataset, table, completed_loads(dataset)))]
        for table in ("deliveries", "transactions")
    ]
    account = duckdb.execute(
        "select sum(key_sum), sum(money_usd) from read_parquet(?)", [files[0]]
    ).fetchone()
    lines = duckdb.execute(
        "select sum((basket_id % 1048573 + 1) * (product_id % 1048573 + 1)), sum(sales_value) from read_parquet(?)",
        [files[1]],
    ).fetchone()
    assert account == lines
    assert account
    return account


def test_a_household_goes_from_every_file_and_nothing_else_does(lake: Path) -> None:
    gone = busiest(lake)
    there, before, counted, added = rows_of(lake, gone), others(lake, gone), balance(lake), sums(lake)
    assert len(there) >= 4
    planned = forget(lake, gone)
    assert {f"{s}.{t}": n for s, one in planned.items() for t, n in one["rows"].items()} == there
    assert rows_of(lake, gone) == {} and others(lake, gone) == before
    assert sums(lake) < added
    for name, (delivered, loaded, erased) in balance(lake).items():
        assert erased == there.get(name, 0) and (delivered, loaded + erased) == counted[name][:2]
    assert gone not in Restricted(lake, "loyalty").rows("households")["household_id"].to_pylist()
    assert not [file for file in lake.parent.rglob("*.parquet") if str(gone).encode() in file.read_bytes()]


def test_no_source_brings_it_back(lake: Path) -> None:
    gone = busiest(lake)
    there = rows_of(lake, gone)
    forget(lake, gone)
    for source in SOURCES:
        load(lake, source)  # the tills' later days among it
        assert load(lake, source).rows == {}
        load(lake, source, full=True)
    assert rows_of(lake, gone) == {}
    for source in SOURCES:
        assert load(lake, source).rows == {}, "an erased row is no news"
    erased = accounts(lake, "pos")["transactions"].erased
    assert erased > there["pos.transactions"], "later days had lines of it as well"


def test_the_index_of_known_versions_may_be_lost(lake: Path) -> None:
    gone = busiest(lake)
    forget(lake, gone)
    for file in (lake.parent / "dlt").rglob("*.duckdb"):
        file.unlink()
    loads = {source: recorded_loads(lake / "raw" / source) for source in SOURCES[:2]}
    for source in SOURCES[:2]:
        load(lake, source)
    assert loads == {source: recorded_loads(lake / "raw" / source) for source in SOURCES[:2]}


def test_compacted_files_are_rewritten_and_their_record_says_so(lake: Path) -> None:
    gone = busiest(lake)
    load(lake, "pos", first=date(2017, 1, 4), last=date(2017, 1, 5))
    compaction.compact(lake / "raw/pos")
    there, before, counted, _ = rows_of(lake, gone), others(lake, gone), balance(lake), sums(lake)
    forget(lake, gone)
    assert rows_of(lake, gone) == {} and others(lake, gone) == before
    sums(lake)
    assert balance(lake)["pos.transactions"][2] * 2 == there["pos.transactions"], (
        "once compacted, once replaced"
    )
    assert balance(lake).keys() == counted.keys()


def test_what_is_in_quarantine_goes_as_well_and_is_counted(
    lake: Path, retailer: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = "business_date=2017-01-04"
    landing = lake.parent / "landing"
    shutil.copytree(Path(connections(retailer)["SOURCES__POS__LANDING"]) / day, landing / day)
    file = landing / day / "sales_a.parquet"
    table = pq.read_table(file, partitioning=None)
    lines = table.to_pylist()
    number = lines[0]["household_id"]
    for line in [*(line for line in lines if line["household_id"] == number), lines[-1]]:
        line["quantity"] = -1
    pq.write_table(pa.Table.from_pylist(lines, schema=table.schema), file)
    monkeypatch.setenv("SOURCES__POS__LANDING", str(landing))
    load(lake, "pos", first=date(2017, 1, 4), last=date(2017, 1, 4))
    quarantine, gone = Quarantine(lake, "pos"), household(number)
    mine = quarantine.of_household(gone)
    assert 0 < len(mine) == len(quarantine.entries()) - 1
    quarantine.resolve([mine[0]["quarantine_id"]], "discarded", "a test till", "somebody")
    forget(lake, gone)
    (left,) = quarantine.entries()
    assert left["row_number"] == len(lines) and not quarantine.resolutions()
    assert accounts(lake, "pos")["transactions"].quarantined == 1
    balance(lake)
    again = load(lake, "pos", first=date(2017, 1, 4), last=date(2017, 1, 4))
    assert again.quarantined == [], "the file as it was is no news, and brings nobody back"
    assert quarantine.entries() == [left]


def test_nothing_is_loaded_while_an_erasure_is_under_way(lake: Path) -> None:
    forgotten.begin(lake, plan_of(lake, busiest(lake)))
    with pytest.raises(IngestionError, match="an erasure was interrupted"):
        load(lake, "pos")
    forgotten.begin(lake, {"is_lake_done": True})
    assert load(lake, "pos").rows, "a build that fails may need what the source has corrected"


def test_what_is_missing_already_is_no_erasure(lake: Path) -> None:
    for file in (lake / "raw/pos/deliveries").glob("*.parquet"):
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(IngestionError, match="are not in its account"):
        plan_of(lake, busiest(lake))


def test_rows_that_are_too_old_go_the_same_way(lake: Path) -> None:
    """What retention asks for: a condition on days in place of a household."""
    before, (delivered, loaded, _) = sums(lake), balance(lake)["pos.transactions"]
    wanted = {"transactions": "business_date < date '2017-01-02'"}
    planned = erasure.plan(lake, "pos", wanted, [])
    erasure.erase(lake, "pos", wanted, planned)
    erasure.erase(lake, "pos", wanted, planned)  # as after a kill
    erased = planned["rows"]["transactions"]
    assert balance(lake)["pos.transactions"] == (delivered, loaded - erased, erased) and 0 < erased < loaded
    assert sums(lake) < before


def test_a_newer_key_is_applied_to_the_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten.register(tmp_path, household(7))
    forgotten.register(tmp_path, household(7))
    assert forgotten.forgotten(tmp_path).to_pylist() == [household(7)]
    newer = "newer-" * 8
    monkeypatch.setenv(KEYS, f"{newer},{KEY}")
    forgotten.register(tmp_path, pseudonym(8, (newer, KEY)))
    assert forgotten.forgotten(tmp_path).to_pylist() == [pseudonym(n, (newer, KEY)) for n in (7, 8)]
    monkeypatch.setenv(KEYS, newer)
    with pytest.raises(IngestionError, match="forgotten under other keys"):
        forgotten.forgotten(tmp_path)


@pytest.mark.nightly
def test_killed_before_any_file_is_replaced_the_same_call_goes_on(lake: Path) -> None:
    """A real kill -9 before the n-th step that changes a name, for each of them."""
    gone, whole = busiest(lake), lake.parent / "whole"
    there, before = rows_of(lake, gone), others(lake, gone)
    step, died = 0, True
    while died:
        step += 1
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(lake.parent, whole, ignore=shutil.ignore_patterns("whole", "dlt"))
        died = forget_killed(whole / "lake", gone, step) == -signal.SIGKILL
        assert forget_killed(whole / "lake", gone, 10_000) == 0
        assert rows_of(whole / "lake", gone) == {}
        left = {name.replace("/whole", ""): rows for name, rows in others(whole / "lake", gone).items()}
        assert left == before
        erased = {name: counts[2] for name, counts in balance(whole / "lake").items() if counts[2]}
        assert erased == there
        sums(whole / "lake")
    assert step > 12


def forget_killed(lake: Path, pseudonym: int, step: int) -> int:
    """The exit code of a process that forgets a household, and dies before the n-th of its steps."""
    folders = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = {folders!r}
import test_erasure
steps = 0
def before(step):
    def counted(*arguments, **how):
        global steps
        steps += 1
        if steps == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **how)
    return counted
Path.replace, Path.unlink = before(Path.replace), before(Path.unlink)
test_erasure.forget(Path({str(lake)!r}), {pseudonym})
"""
    return subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode
