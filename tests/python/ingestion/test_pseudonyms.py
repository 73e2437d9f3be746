"""Numbers of people become pseudonyms before anything is written, and who they are stays apart."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY, PROJECT, Instance, connections, household
from test_database_records import ADDED, Crm, crm

from ingestion.contracts.contract import contract, parse
from ingestion.core.errors import IngestionError
from ingestion.lake.loads import recorded_loads
from ingestion.pipelines import ingest
from ingestion.privacy.pseudonyms import KEY_FILE, KEYS, RECORD, is_demo, pseudonym
from ingestion.privacy.restricted import Restricted
from ingestion.quarantine.store import Quarantine
from ingestion.replay import replays
from ingestion.sources import SOURCES

__all__ = ["crm"]  # a fixture of its neighbour

MOST = 2**53


def test_a_pseudonym_is_an_exact_number_that_needs_the_key() -> None:
    made = {pseudonym(number, (KEY,)) for number in range(5_000)}
    assert len(made) == 5_000 and all(0 <= one < MOST and int(float(one)) == one for one in made)
    assert max(made) > MOST * 0.99 and min(made) < MOST * 0.01
    assert made.isdisjoint({pseudonym(number, (KEY + "x",)) for number in range(5_000)})
    assert pseudonym(7, ("new" * 20, KEY)) == pseudonym(household(7), ("new" * 20,)), (
        "a new key goes over the old ones"
    )


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "there is no key"),
        ("short", "less than 32 characters"),
        (f"{KEY},short", "less than 32 characters"),
        (KEY + "another", "was written with other keys"),
        (f"{KEY + 'another'},{KEY}", "was written with other keys"),
    ],
)
def test_another_key_or_none_is_refused_before_anything_is_written(
    crm: Crm, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    crm.load()
    crm.run(ADDED.format(id=900001, at="now()"))
    before = content_of(crm.root)
    monkeypatch.setenv(KEYS, key) if key else monkeypatch.delenv(KEYS)
    with pytest.raises(IngestionError, match=said) as error:
        crm.load()
    assert KEY_FILE in error.value.next_step and KEY not in f"{error.value}{error.value.next_step}"
    assert content_of(crm.root) == before


@pytest.mark.parametrize(
    ("mode", "text", "said"),
    [
        (0o640, KEY, "can be read by others"),
        (0o600, "", "there is no key"),
        (0o600, None, "cannot be read"),
        (0o600, "\udcff" * 40, "cannot be read"),
    ],
)
def test_a_key_file_that_is_no_secret_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, text: str | None, said: str
) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_bytes(text.encode(errors="surrogateescape"))
        file.chmod(mode)
    monkeypatch.setenv(KEY_FILE, str(file))
    with pytest.raises(IngestionError, match=said):
        ingest("loyalty", tmp_path / "lake", tmp_path / "dlt", lambda _: None)
    assert not (tmp_path / "lake").exists()


def test_a_lake_from_before_there_were_pseudonyms_is_refused(crm: Crm) -> None:
    crm.load()
    (crm.root / "lake" / RECORD).unlink()
    with pytest.raises(IngestionError, match="from before there were pseudonyms") as error:
        crm.load()
    assert "larder run" in error.value.next_step


def test_a_key_file_gives_the_same_as_the_environment_and_goes_before_it(
    crm: Crm, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.load()
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    monkeypatch.setenv(KEY_FILE, str(file))
    monkeypatch.setenv(KEYS, "ignored")
    assert crm.load().rows == {}
    assert is_demo()
    file.write_text("a" * 32)
    assert not is_demo()


def test_everything_can_be_loaded_again_under_a_new_key(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    before = crm.load().rows
    (crm.root / "lake").rename(crm.root / "old")
    monkeypatch.setenv(KEYS, "new" * 20)
    assert crm.load().rows == before
    numbers = {number for (number,) in crm.rows("select household_id from loyalty.households")}
    assert {one for (one,) in crm.visible("household_id")} == {
        pseudonym(one, ("new" * 20,)) for one in numbers
    }
    assert {row["source_number"] for row in of_zone(crm).values()} == numbers and len(people(crm)) == 1


def test_who_a_household_is_stays_apart(crm: Crm) -> None:
    crm.load()
    numbers = {number for (number,) in crm.rows("select household_id from loyalty.households")}
    assert {one for (one,) in crm.visible("household_id")} == {household(number) for number in numbers}
    assert {one for (one,) in crm.visible("household_id", "demographics")} < {
        household(number) for number in numbers
    }
    (email,) = crm.rows("select email from loyalty.households limit 1")[0]
    assert [file for file, text in decoded(crm.root).items() if email in text] == [people(crm)[0]]
    held = Restricted(crm.root / "lake", "loyalty").rows("households")
    assert held.column_names == [
        *["source_number", "household_id", "first_name", "last_name", "email", "phone", "birth_date"],
        *["updated_at", "load_id"],
    ]
    assert {(row["source_number"], row["household_id"]) for row in held.to_pylist()} == {
        (number, household(number)) for number in numbers
    }
    zone = crm.root / "restricted"
    assert {stat.S_IMODE(each.stat().st_mode) for each in [zone, *zone.rglob("*")] if each.is_dir()} == {
        0o700
    }
    assert {stat.S_IMODE(each.stat().st_mode) for each in zone.rglob("*") if each.is_file()} == {0o600}


def people(crm: Crm) -> list[str]:
    return sorted(str(file) for file in (crm.root / "restricted").rglob("*.parquet"))


def decoded(root: Path) -> dict[str, str]:
    """Every file below a data root as text, Parquet and DuckDB by their values."""
    found = {}
    for file in root.rglob("*"):
        if file.suffix == ".parquet":
            found[str(file)] = str(pq.read_table(file, partitioning=None).to_pylist())
        elif file.suffix == ".duckdb":
            with duckdb.connect(str(file), read_only=True) as index:
                found[str(file)] = str(
                    [index.sql(f"from {name}").fetchall() for name in ("taken", "versions")]
                )
        elif file.is_file():
            found[str(file)] = file.read_bytes().decode(errors="replace")
    return found


def test_the_restricted_zone_keeps_the_last_version_and_forgets_who_is_deleted(crm: Crm) -> None:
    crm.load()
    one, other = (
        number for (number,) in crm.rows("select household_id from loyalty.households order by 1 limit 2")
    )
    crm.run(
        f"delete from loyalty.demographics where household_id = {one}",
        f"delete from loyalty.households where household_id = {one}",
        f"update loyalty.households set phone = 'moved', updated_at = now() where household_id = {other}",
    )
    before = of_zone(crm)
    crm.load()
    after = of_zone(crm)
    assert len(people(crm)) == 1, "what is out of date is removed"
    assert before.keys() - after.keys() == {household(one)}
    assert {key for key in after if before[key] != after[key]} == {household(other)}
    assert after[household(other)]["phone"] == "moved"
    assert str(before[household(other)]["phone"]) not in Path(people(crm)[0]).read_bytes().decode(
        errors="replace"
    )
    crm.load(full=True)
    assert {key: row["phone"] for key, row in of_zone(crm).items()} == {
        key: row["phone"] for key, row in after.items()
    }


def of_zone(crm: Crm) -> dict[int, dict[str, Any]]:
    return {
        row["household_id"]: row
        for row in Restricted(crm.root / "lake", "loyalty").rows("households").to_pylist()
    }


def test_a_merge_that_dies_half_way_is_ended_by_the_next_run(
    crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.load()
    crm.run("update loyalty.households set phone = 'moved', updated_at = now() where household_id < 50")
    with monkeypatch.context() as patched:
        patched.setattr(Restricted, "settle", lambda _: None)
        crm.load()
    assert len(people(crm)) == 2
    whole = of_zone(crm)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "unlink", interrupt)
        Restricted(crm.root / "lake", "loyalty").settle()
    assert len(people(crm)) == 3 and of_zone(crm) == whole
    crm.load()
    assert len(people(crm)) == 1 and of_zone(crm) == whole


def interrupt(file: Path, missing_ok: bool = False) -> None:
    if not missing_ok:  # what `atomically` removes is not there any more
        raise KeyboardInterrupt


def test_the_quarantine_shows_pseudonyms_and_a_replay_keeps_them(
    retailer: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing, lake = tmp_path / "landing", tmp_path / "lake"
    name = "business_date=2017-01-02/sales_a.parquet"
    for variable, value in connections(retailer).items():
        monkeypatch.setenv(variable, value)
    source = Path(os.environ["SOURCES__POS__LANDING"]) / name
    monkeypatch.setenv("SOURCES__POS__LANDING", str(landing))
    rows = pq.read_table(source, partitioning=None).to_pylist()[:6]
    numbers = [row["household_id"] for row in rows]
    rows[0]["quantity"] = rows[1]["quantity"] = 1_000_000
    rows[2]["household_id"], rows[3]["household_id"] = -771771771, 10**12
    (landing / name).parent.mkdir(parents=True)
    schema = pq.read_schema(source).append(pa.field("card", pa.string()))
    rows = [{**row, "card": f"card {row['household_id']}"} for row in rows]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), landing / name)
    ingest("pos", lake, tmp_path / "dlt", lambda _: None)
    entries = {entry["row_number"]: entry for entry in Quarantine(lake, "pos").open_entries()}
    shown = {number: json.loads(entry["payload"]) for number, entry in entries.items()}
    assert {number: row["household_id"] for number, row in shown.items()} == {
        1: household(numbers[0]),
        2: household(numbers[1]),
        3: "***",
    }
    assert entries[3]["seen"] == "***" and {row["card"] for row in shown.values()} == {"***"}
    everything = "".join(text for file, text in decoded(lake).items())
    assert "771771771" not in everything and "card " not in everything and str(10**12) not in everything

    text = (PROJECT / "ingestion/contracts/pos.yml").read_text().replace("max: 999999}", "max: 9999999}")
    widened = parse("pos", text)
    monkeypatch.setattr("ingestion.replay.contract", lambda _: widened)
    again = [entry for entry in entries.values() if entry["row_number"] < 3]
    ingest("pos", lake, tmp_path / "dlt", lambda _: None, extract=lambda _: replays("pos", again))
    files = [str(file) for file in (lake / "raw/pos/transactions").glob("*.parquet")]
    loaded = duckdb.execute("select household_id from read_parquet(?)", [files]).fetchall()
    assert {one for (one,) in loaded} == {
        household(number) for number in [*numbers[:2], 10**12, *numbers[4:]]
    }
    assert len(recorded_loads(lake / "raw/pos")) == 2


@pytest.mark.parametrize(
    "said",
    [
        "{type: string, pseudonym: true}",
        "{type: int64, pseudonym: true}",
        "{type: int64, min: 0, max: 9, pseudonym: true}",
        "{type: string, restricted: true}",
        "{type: string, restricted: true, personal: true}",
    ],
)
def test_a_contract_that_would_not_hide_a_number_is_refused(said: str) -> None:
    text = f"t:\n  key: [id]\n  columns:\n    id: {{type: int64}}\n    who: {said}\n"
    with pytest.raises(IngestionError, match="cannot be understood"):
        parse("loyalty", text)


def test_what_contracts_restrict_is_refused_by_name_in_every_relation() -> None:
    """The privacy test has its own list: dbt does not read contracts."""
    restricted = {
        name for source in SOURCES for table in contract(source).values() for name in table.restricted
    }
    sql = (PROJECT / "tests/privacy/no_mart_carries_a_direct_identifier.sql").read_text()
    named = re.search(r"set names = \[(.*)\]", sql)
    assert named and set(re.findall(r"'(\w+)'", named[1])) == restricted
