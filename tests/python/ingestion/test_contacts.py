"""`larder contacts`: who may write to a household gets its address, and that stays on record."""

import csv
import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Instance, connections, household
from test_database_records import Crm, crm

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import contacts

__all__ = ["crm"]  # a fixture of its neighbour


@pytest.fixture
def paths(crm: Crm) -> Iterator[Paths]:
    crm.load()
    yield Paths(crm.root)


def register(paths: Paths) -> list[dict[str, object]]:
    file = paths.data / "audit/contacts.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_contacts_are_given_by_pseudonym_and_on_record(
    crm: Crm, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    known = [
        number for (number,) in crm.rows("select household_id from loyalty.households order by 1 limit 3")
    ]
    crm.run(
        f"delete from loyalty.demographics where household_id = {known[2]}",
        f"delete from loyalty.households where household_id = {known[2]}",
    )
    crm.load()
    asked = [household(number) for number in [*known, 987_654_321]]
    out = paths.data / "out.csv"
    out.touch()
    out.chmod(0o666)  # whoever made it must not read it
    contacts.run(paths, "coupons by post", ["household_id", *map(str, asked), "", str(asked[0])], out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with out.open() as file:
        rows = list(csv.DictReader(file))
    of_crm = crm.rows(
        f"select first_name, last_name, email, phone from loyalty.households where household_id in ({known[0]}, {known[1]})"
    )
    assert {tuple(row.values())[1:] for row in rows} == set(of_crm)
    assert {int(row["household_id"]) for row in rows} == set(asked[:2])
    assert "2 households" in (said := capsys.readouterr().err) and "2 unknown or deleted" in said
    (entry,) = register(paths)
    assert (entry["purpose"], entry["asked"], entry["found"]) == ("coupons by post", 4, 2)
    assert (
        entry["households_sha256"] == hashlib.sha256("\n".join(map(str, sorted(asked))).encode()).hexdigest()
    )
    assert entry["by"] and entry["at"] and str(asked[0]) not in str(entry)


def test_nothing_is_given_that_is_not_on_record(paths: Paths) -> None:
    """Whoever asks in vain has asked as well; and what cannot be recorded is not given."""
    out = paths.data / "out.csv"
    with pytest.raises(LarderError, match="none of the 1 households is known"):
        contacts.run(paths, "a guess", ["17"], out)
    assert not out.exists() and [entry["purpose"] for entry in register(paths)] == ["a guess"]
    (paths.data / "audit/contacts.jsonl").unlink()
    (paths.data / "audit/contacts.jsonl").mkdir()
    with pytest.raises(IsADirectoryError):
        contacts.run(paths, "coupons", [str(household(1))], out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("purpose", "lines", "said"),
    [
        (" ", ["1"], "a purpose"),
        ("coupons", ["1", "x"], "line 2 of the households is no pseudonym"),
        ("coupons", ["-1"], "line 1 of"),
        ("coupons", ["¹"], "line 1 of"),
        ("coupons", ["1" * 17], "line 1 of"),
        ("coupons", ["", "household_id"], "line 2 of"),
        ("coupons", [""], "no household is named"),
    ],
)
def test_a_question_without_purpose_or_household_is_refused(
    tmp_path: Path, purpose: str, lines: list[str], said: str
) -> None:
    with pytest.raises(LarderError, match=said):
        contacts.run(Paths(tmp_path), purpose, lines, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_lake_without_a_crm_knows_nobody(tmp_path: Path) -> None:
    with pytest.raises(LarderError, match="none of the 1 households is known"):
        contacts.run(Paths(tmp_path), "coupons", ["1"], tmp_path / "out.csv")


def test_the_command_takes_a_file_or_its_input(instance: Instance, retailer: Instance) -> None:
    env = connections(retailer)
    ingested = instance.larder("ingest", "loyalty", **env)
    assert "DEMO KEY" in ingested.stderr
    file = instance.data / "chosen.txt"
    file.write_text(f"{household(1)}\n")
    out = instance.data / "letters.csv"
    instance.larder("contacts", "--purpose", "a letter", "--households", str(file), "--out", str(out), **env)
    assert out.read_text().splitlines()[1].startswith(f'{household(1)},"Theo","Rossi",')
    said = instance.larder("contacts", "--purpose", "a letter", "--out", str(out), code=1, **env).stderr
    assert "no household is named" in said
