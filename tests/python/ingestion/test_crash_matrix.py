"""Loads that die at every step of their way into the lake, with dlt's working directory kept, and lost.

Whatever the step, the next run brings exactly what an undisturbed load brings: every row of the source once, nothing that
no load owns, and the run after it nothing.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
import requests
from conftest import PROJECT, Instance, connections
from faults import KILLED, LAND, RECORD, STEPS, Fault, Step, ingest

from ingestion import lake, pipelines

KEYS = {
    "transactions": "basket_id, product_id",
    "placements": "product_id, store_id, display_location, mailer_location, week",
    "products": "product_id",
    "stores": "store_id",
    "households": "household_id",
    "demographics": "household_id",
    "campaigns": "campaign_id",
    "campaign_households": "id",
    "coupons": "id",
    "coupon_redemptions": "id",
}

Content = dict[str, tuple[int, int, int, int]]
"""For each table its rows, its distinct keys, and two order-free hashes over all columns but the load id."""


@dataclass(frozen=True)
class Case:
    """A source, the lake before the load that dies, and what the lake must hold after its rerun."""

    source: str
    env: dict[str, str]
    before: Path
    whole: Content

    def room(self, folder: Path) -> Path:
        """A data root like the one before the load."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.before, folder)
        return folder

    def check(self, data: Path, *mutants: Callable[[], None]) -> None:
        """What must hold after a load that died: all this, by the next run."""
        assert ingest(self.source, data, self.env, *mutants) == 0
        assert content(data / "lake/raw" / self.source) == self.whole
        complete = lake.completed_loads(data / "lake/raw" / self.source)
        assert ingest(self.source, data, self.env) == 0
        assert lake.completed_loads(data / "lake/raw" / self.source) - complete == set()


def content(dataset: Path) -> Content:
    """What readers of the completed loads see. No file of another load may lie beside them."""
    complete = lake.completed_loads(dataset)
    files = sorted(dataset.glob("[!_]*/*.parquet"))
    assert {lake.load_id(file) for file in files} <= complete, "files of a load that never completed"
    found = {}
    for table in sorted({file.parent.name for file in files}):
        row = duckdb.execute(
            f"""
            select count(*), count(distinct ({KEYS[table]})), bit_xor(hash(t)), sum(hash(t)::hugeint)
            from (select * exclude (_dlt_load_id) from read_parquet(?, hive_partitioning = false)) as t
            """,
            [[str(file) for file in files if file.parent.name == table]],
        ).fetchone()
        assert row
        found[table] = (row[0], row[1], row[2], row[3])
    return found


@pytest.fixture(scope="module")
def case(retailer: Instance, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """The case of a source, made when it is first asked for."""
    made: dict[str, Case] = {}

    def make(source: str) -> Case:
        if source not in made:
            made[source] = _make(source, retailer, tmp_path_factory.mktemp(source))
        return made[source]

    return make


def _make(source: str, retailer: Instance, room: Path) -> Case:
    env, before, rows = connections(retailer), room / "before", SOURCE_ROWS[source]
    before.mkdir()
    if source in ("pos", "promotions"):
        landing = room / "landing"
        _deliver(source, Path(env[f"SOURCES__{source.upper()}__LANDING"]), landing, slice(0, 1))
        env[f"SOURCES__{source.upper()}__LANDING"] = str(landing)
        assert ingest(source, before, env) == 0
        _deliver(
            source, Path(connections(retailer)[f"SOURCES__{source.upper()}__LANDING"]), landing, slice(1, 3)
        )
    case = Case(source, env, before, {})
    whole = case.room(room / "whole")
    assert ingest(source, whole, env) == 0
    found = content(whole / "lake/raw" / source)
    assert {table: row[:2] for table, row in found.items()} == {
        table: (count, count) for table, count in rows(env).items()
    }
    return Case(source, env, before, found)


def _deliver(source: str, root: Path, landing: Path, days: slice) -> None:
    """Some days or weeks of the retailer's files; of a promotion plan its first rows."""
    for folder in sorted(root.iterdir())[days]:
        if source == "pos":
            shutil.copytree(folder, landing / folder.name)
        else:
            (landing / folder.name).mkdir(parents=True)
            target = landing / folder.name / "placements.parquet"
            duckdb.execute(f"copy (from '{folder}/*.parquet' limit 2000) to '{target}'")


def _rows_of_files(sql: str) -> int:
    found = duckdb.execute(f"select count(*) from {sql}").fetchone()
    assert found
    return int(found[0])


def _rows_of_tills(env: dict[str, str]) -> dict[str, int]:
    landing = env["SOURCES__POS__LANDING"]
    parquet, csv = f"'{landing}/*/*.parquet'", f"read_csv('{landing}/*/*.csv.gz')"
    return {"transactions": _rows_of_files(parquet) + _rows_of_files(csv)}


def _rows_of_plans(env: dict[str, str]) -> dict[str, int]:
    return {"placements": _rows_of_files(f"'{env['SOURCES__PROMOTIONS__LANDING']}/*/*.parquet'")}


def _rows_of_database(source: str, *tables: str) -> Callable[[dict[str, str]], dict[str, int]]:
    def rows(env: dict[str, str]) -> dict[str, int]:
        with (
            psycopg2.connect(env[f"SOURCES__{source.upper()}__CREDENTIALS"]) as connection,
            connection.cursor() as cursor,
        ):
            found = {}
            for table in tables:
                cursor.execute(f"select count(*) from {source}.{table}")
                found[table] = int((cursor.fetchone() or (0,))[0])
            return found

    return rows


def _rows_of_api(env: dict[str, str]) -> dict[str, int]:
    def count(table: str) -> int:
        total, url = 0, f"{env['SOURCES__CAMPAIGNS__BASE_URL']}{table}?limit=5000"
        while url:
            answer = requests.get(
                url, headers={"Authorization": f"Bearer {env['SOURCES__CAMPAIGNS__TOKEN']}"}, timeout=10
            )
            answer.raise_for_status()
            page: dict[str, Any] = answer.json()
            total, url = total + len(page["data"]), page["next"]
        return total

    return {
        table: count(table) for table in ("campaigns", "campaign_households", "coupons", "coupon_redemptions")
    }


SOURCE_ROWS: dict[str, Callable[[dict[str, str]], dict[str, int]]] = {
    "pos": _rows_of_tills,
    "promotions": _rows_of_plans,
    "merchandising": _rows_of_database("merchandising", "products", "stores"),
    "loyalty": _rows_of_database("loyalty", "households", "demographics"),
    "campaigns": _rows_of_api,
}


def dies(case: Case, data: Path, fault: Fault, kept: bool) -> bool:
    """Whether a load of the case dies of a fault; it comes to its end where it does not take the step so often."""
    code = ingest(case.source, case.room(data), case.env, fault)
    assert code in (KILLED, 0), fault
    if not kept:
        shutil.rmtree(data / "dlt", ignore_errors=True)
    return code == KILLED


SAMPLE = [
    ("pos", Fault(RECORD, "after"), False),  # the state is saved, the load is not complete
    ("promotions", Fault(LAND, "after"), False),  # what an append doubles
    ("merchandising", Fault(LAND.times(2), "halfway"), True),
    ("loyalty", Fault(RECORD.times(2), "halfway"), False),  # the schema
    ("campaigns", Fault(RECORD.times(4), "halfway"), False),  # the completion
]


@pytest.mark.parametrize(("source", "fault", "kept"), SAMPLE, ids=str)
def test_a_death_at_a_step(
    case: Callable[[str], Case], tmp_path: Path, source: str, fault: Fault, kept: bool
) -> None:
    """A sample; every step of every source comes at night."""
    assert dies(case(source), tmp_path, fault, kept)
    case(source).check(tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "lost"])
@pytest.mark.parametrize(("step", "moment"), [(s, m) for s in STEPS for m in s.moments], ids=str)
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_death_at_every_step(
    case: Callable[[str], Case], tmp_path: Path, source: str, step: Step, moment: str, kept: bool
) -> None:
    """Each time that a load takes the step, until one takes it no more and comes to its end."""
    died = 0
    while dies(case(source), tmp_path, Fault(step.times(died + 1), moment), kept):
        case(source).check(tmp_path)
        died += 1
    assert died, f"{source} never takes the step"
    assert content(tmp_path / "lake/raw" / source) == case(source).whole


@pytest.mark.nightly
@pytest.mark.parametrize(("step", "moment"), [(s, m) for s in STEPS for m in s.moments], ids=str)
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_death_in_the_recovery(
    case: Callable[[str], Case], tmp_path: Path, source: str, step: Step, moment: str
) -> None:
    """The run that should mend a load that died dies as well."""
    assert dies(case(source), tmp_path, Fault(RECORD, "after"), kept=True)
    assert ingest(source, tmp_path, case(source).env, Fault(step, moment)) in (KILLED, 0)
    case(source).check(tmp_path)


# The filter


def every_load_counts() -> None:
    """The mutant: whatever has left a file in the lake counts as complete."""
    pipelines.completed_loads = lake.completed_loads = lambda dataset: {  # type: ignore[assignment]
        lake.load_id(file) for file in dataset.glob("[!_]*/*.parquet")
    }


def test_without_the_filter_by_completed_loads_the_matrix_fails(
    case: Callable[[str], Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos = case("pos")
    assert dies(pos, tmp_path, Fault(LAND, "after"), kept=False)
    for module in (lake, pipelines):
        monkeypatch.setattr(module, "completed_loads", module.completed_loads)  # put back at the end
    every_load_counts()
    with pytest.raises(AssertionError):
        pos.check(tmp_path, every_load_counts)
    rows, keys, *_ = content(tmp_path / "lake/raw/pos")["transactions"]
    assert keys == pos.whole["transactions"][0] < rows


def rows_that_dbt_sees(data: Path, project: Path) -> int:
    """Rows of the tills' raw view, as a dbt run binds it."""
    command = [Path(sys.executable).with_name("dbt"), "--quiet", "run", "--select", "stg_pos__transactions"]
    places = ["--project-dir", project, "--profiles-dir", PROJECT, "--target-path", data / "target"]
    (data / "warehouse/dev").mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*command, *places, "--log-path", data], env={**os.environ, "LARDER_DATA": str(data)}, check=True
    )
    with duckdb.connect(str(data / "warehouse/dev/larder.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*) from raw.pos__transactions").fetchone()
    assert found
    return int(found[0])


def test_dbt_sees_completed_loads_only(case: Callable[[str], Case], tmp_path: Path) -> None:
    """And of these also one whose record of completion a kill has cut off: it once stopped every build."""
    pos, dead = case("pos"), tmp_path / "dead"
    assert dies(pos, tmp_path / "data", Fault(RECORD.times(2), "halfway"), kept=False)
    assert dies(pos, dead, Fault(LAND, "after"), kept=False)
    table = "lake/raw/pos/transactions"
    shutil.copytree(dead / table, tmp_path / "data" / table, dirs_exist_ok=True)
    assert rows_that_dbt_sees(tmp_path / "data", PROJECT) == pos.whole["transactions"][0]


@pytest.mark.nightly
def test_without_the_filter_dbt_sees_the_files_of_a_dead_load(
    case: Callable[[str], Case], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "macros", project / "macros")
    for name in ("dbt_project.yml", "models", "seeds", "tests"):
        (project / name).symlink_to(PROJECT / name)
    macro = project / "macros/lake/create_raw_views.sql"
    without, filters = re.subn(
        r"~ \" inner join raw\.completed_loads as loads on .*\n\s*~ \" and loads\.load_id = .* (order by file\")",
        r'~ " \1',
        macro.read_text(),
    )
    assert filters == 1
    macro.write_text(without)
    pos = case("pos")
    assert dies(pos, tmp_path / "data", Fault(LAND, "after"), kept=False)
    assert rows_that_dbt_sees(tmp_path / "data", project) == pos.whole["transactions"][0]
