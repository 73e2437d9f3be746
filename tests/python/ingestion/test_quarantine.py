"""What becomes of rows in quarantine: by the verbs that a person types, on a lake that the real pipeline wrote."""

import gzip
import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import Instance, connections

from ingestion.contracts import contract as contracts
from ingestion.core.request import LoadRequest
from ingestion.lake.deliveries import deliveries
from ingestion.lake.loads import completed_loads, recorded_loads, row_counts
from ingestion.pipelines import Loaded, ingest
from ingestion.proposals import propose
from ingestion.quarantine.accounts import Account, accounts
from ingestion.quarantine.store import Quarantine
from ingestion.validation import checks
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.lake import contract, quarantine
from larder.ops import status

DAY = "business_date=2017-01-02"
FILE = f"{DAY}/sales_a.parquet"


@pytest.fixture
def where(retailer: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """A data root with two days of tills to load, and contracts that a test may change."""
    for name, value in connections(retailer).items():
        monkeypatch.setenv(name, value)
    landing = Path(connections(retailer)["SOURCES__POS__LANDING"])
    for day in ("business_date=2017-01-01", DAY):
        shutil.copytree(landing / day, tmp_path / "landing" / day)
    monkeypatch.setenv("SOURCES__POS__LANDING", str(tmp_path / "landing"))
    shutil.copytree(contracts.FOLDER, tmp_path / "contracts")
    monkeypatch.setattr(contracts, "FOLDER", tmp_path / "contracts")
    monkeypatch.setattr(contract, "PROJECT", tmp_path)
    contracts.contract.cache_clear()
    yield Paths(tmp_path)
    contracts.contract.cache_clear()


def load(where: Paths, source: str = "pos", **days: date) -> Loaded:
    return ingest(source, where.lake, where.dlt, lambda _: None, LoadRequest(**days))


def promise(where: Paths, source: str, old: str, new: str) -> None:
    file = where.data / "contracts" / f"{source}.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    contracts.contract.cache_clear()


def change(where: Paths, column: str, rows: dict[int, object]) -> pa.Table:
    """Write other values into a column of the day's file; returns the file as it was."""
    file = where.data / "landing" / FILE
    whole = pq.read_table(file, partitioning=None)
    values = [rows.get(row, value) for row, value in enumerate(whole[column].to_pylist(), start=1)]
    place = whole.column_names.index(column)
    pq.write_table(whole.set_column(place, column, pa.array(values, whole[column].type)), file)
    return whole


def ids(where: Paths, source: str = "pos") -> list[str]:
    return [entry["quarantine_id"] for entry in quarantine.collect(where, source, everything=False)]


def account(where: Paths, source: str = "pos", table: str = "transactions") -> Account:
    found = accounts(where.lake, source)[table]
    assert found.delivered == found.loaded + found.quarantined + found.discarded + found.superseded
    return found


def in_lake(where: Paths, source: str = "pos", table: str = "transactions") -> int:
    dataset = where.lake / "raw" / source
    return row_counts(dataset, completed_loads(dataset)).get(table, 0)


def test_good_rows_are_loaded_and_a_discard_stays_on_record(where: Paths) -> None:
    change(where, "quantity", {7: -1, 9: None})
    loaded = load(where)
    assert loaded.blocked == {}
    assert [(e["row_number"], e["column_name"], e["seen"]) for e in loaded.quarantined] == [
        (7, "quantity", "-1"),
        (9, "quantity", "null"),
    ]
    assert json.loads(loaded.quarantined[0]["payload"])["quantity"] == -1
    delivered = in_lake(where) + 2
    assert account(where) == Account(delivered=delivered, loaded=delivered - 2, quarantined=2)

    first, second = ids(where)
    with pytest.raises(LarderError, match="needs a reason"):
        quarantine.discard(where, [first], " ", None, None)
    with pytest.raises(LarderError, match="nothing is named"):
        quarantine.discard(where, [], "a test till", None, None)
    with pytest.raises(LarderError, match="no entries have an id that begins so"):
        quarantine.discard(where, ["zz"], "a test till", None, None)
    quarantine.discard(where, [first[:6]], "a test till", None, None)
    assert ids(where) == [second]
    (record,) = [e for e in quarantine.collect(where, "pos", everything=True) if e["quarantine_id"] == first]
    assert (record["resolution"].action, record["resolution"].reason) == ("discarded", "a test till")
    assert account(where) == Account(delivered=delivered, loaded=delivered - 2, quarantined=1, discarded=1)
    assert "larder quarantine replay" in quarantine.explain(where, second)["next"]


def test_a_replay_loads_what_fits_a_changed_contract(where: Paths) -> None:
    change(where, "quantity", {7: -1, 9: None})
    load(where)
    before = account(where)
    with pytest.raises(LarderError, match="no selected row passes"):
        quarantine.replay(where, [], "pos", None)
    assert account(where) == before, "what still does not fit is not counted again"

    contract.accept(where, "pos", write=False)
    assert propose(where.lake, "pos").before == (where.data / "contracts/pos.yml").read_text()
    contract.accept(where, "pos", write=True)
    assert contracts.contract("pos")["transactions"].by_name["quantity"].min == -1
    quarantine.replay(where, [], "pos", None)
    assert [entry["seen"] for entry in quarantine.collect(where, "pos", everything=False)] == ["null"]
    assert account(where) == Account(delivered=before.delivered, loaded=before.loaded + 1, quarantined=1)
    assert in_lake(where) == before.loaded + 1
    replayed = max((where.lake / "raw/pos/transactions").glob("*.parquet"))
    assert pq.read_table(replayed).select(["quantity", "_source_file"]).to_pylist() == [
        {"quantity": -1, "_source_file": FILE}
    ]
    kinds = [d["kind"] for d in deliveries(where.lake / "raw/pos", recorded_loads(where.lake / "raw/pos"))]
    assert kinds == ["new"] * 4 + ["replay"]
    assert load(where).rows == {}


def test_a_renamed_column_holds_its_source_until_the_new_name_is_accepted(
    where: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    file = where.data / "landing" / FILE
    whole = pq.read_table(file, partitioning=None)
    pq.write_table(whole.rename_columns({"store_id": "store_no"}), file)
    loaded = load(where)
    assert len(loaded.quarantined) == len(whole)
    assert [list(held) for held in loaded.blocked.values()] == [["since", "reasons"]]
    assert in_lake(where) == 0, "a source stands still while a load of it is blocked"
    contract.accept(where, "pos", write=True)
    assert contracts.contract("pos")["transactions"].by_name["store_id"].aliases == ("store_no",)
    assert propose(where.lake, "pos").after == propose(where.lake, "pos").before
    with pytest.raises(LarderError, match="no selected row passes"):
        quarantine.replay(
            where, [], None, FILE
        )  # an unknown column might have been of households: it was not kept
    assert "larder ingest pos --from 2017-01-02 --to 2017-01-02" in capsys.readouterr().err
    load(where, first=date(2017, 1, 2), last=date(2017, 1, 2))
    assert Quarantine(where.lake, "pos").blocked() == {}
    assert account(where).delivered == account(where).loaded
    loaded_again = pq.read_table(max((where.lake / "raw/pos/transactions").glob("*.parquet")))
    stores = loaded_again.filter(pc.field("_source_file") == FILE)["store_id"]
    assert stores.equals(whole["store_id"])


def test_a_later_load_is_not_seen_past_one_that_is_blocked(where: Paths) -> None:
    later = where.data / "landing" / DAY
    shutil.move(later, where.data / "later")
    first = where.data / "landing/business_date=2017-01-01/sales_b.csv.gz"
    whole = first.read_bytes()
    first.write_bytes(whole[:100])
    load(where)
    shutil.move(where.data / "later", later)
    assert load(where).rows["transactions"] > 0
    assert in_lake(where) == 0
    first.write_bytes(whole)
    assert load(where).blocked == {}
    assert in_lake(where) == account(where).delivered
    (settled,) = quarantine.collect(where, "pos", everything=True)
    assert settled["resolution"].action == "superseded"


def test_a_discarded_file_lets_the_rest_be_seen(where: Paths) -> None:
    (where.data / "landing" / FILE).write_bytes(b"")
    load(where)
    assert in_lake(where) == 0
    said = status.collect(where)
    assert [(held["source"], held["reasons"]) for held in said["blocked"]] == [
        ("pos", [f"transactions: cannot be read: {FILE}"])
    ]
    assert [(t["rows"], t["unreadable"]) for t in said["sources"]] == [(0, 1)]
    with pytest.raises(LarderError, match="no selected row passes"):
        quarantine.replay(where, ids(where), None, None)
    quarantine.discard(where, [], "the till burnt down", None, FILE)
    assert Quarantine(where.lake, "pos").blocked() == {}
    assert in_lake(where) == account(where).loaded > 0


def test_the_file_as_it_was_settles_nothing_but_a_correction_does(where: Paths) -> None:
    """Broken, corrected, broken again in the same way: the third delivery is open again though its twin is settled."""
    whole = change(where, "quantity", {7: -1})
    file = where.data / "landing" / FILE
    broken = file.read_bytes()
    load(where)
    (one,) = ids(where)
    pq.write_table(whole, file)
    assert [d["kind"] for d in of_last_load(where)] == ["new"] * 4
    load(where)
    assert [d["kind"] for d in of_last_load(where)] == ["correction"]
    assert ids(where) == []
    file.write_bytes(broken)
    load(where)
    assert ids(where) == [one]
    assert account(where).quarantined == 1


def of_last_load(where: Paths) -> list[dict[str, object]]:
    dataset = where.lake / "raw/pos"
    return deliveries(dataset, {max(recorded_loads(dataset))})


def test_what_a_dead_load_quarantined_is_swept_and_quarantined_once(where: Paths) -> None:
    change(where, "quantity", {7: -1})
    load(where)
    for record in (where.lake / "raw/pos/_dlt_loads").glob("*.jsonl"):
        record.unlink()
    shutil.rmtree(where.lake / "raw/pos/_loads")
    (where.lake / "raw/pos/_visible.jsonl").unlink()
    shutil.rmtree(where.dlt)
    assert quarantine.collect(where, None, everything=True) == []
    assert len(load(where).quarantined) == 1
    assert len(list((where.lake / "quarantine/pos").glob("transactions/*"))) == 1
    assert account(where).quarantined == 1


def test_a_mark_of_an_undecided_load_keeps_it_from_readers(where: Paths) -> None:
    """As a kill leaves it between the load's completion and the decision: the next run decides."""
    change(where, "quantity", {7: -1})
    load(where)
    (done,) = recorded_loads(where.lake / "raw/pos")
    (where.lake / "quarantine/pos/held" / done).write_text("")
    assert in_lake(where) == 0
    load(where)
    assert in_lake(where) == account(where).loaded


def test_personal_values_are_masked_and_the_record_is_read_again(where: Paths) -> None:
    promise(
        where,
        "loyalty",
        "email: {type: string, required: true, personal: true, restricted: true}",
        'email: {type: string, allowed: ["none"], personal: true, restricted: true}',
    )
    loaded = load(where, "loyalty")
    assert loaded.rows.keys() == {"demographics"}
    assert loaded.blocked
    people = account(where, "loyalty", "households").quarantined
    assert people == len(loaded.quarantined) > 1000
    kept = "".join(
        json.dumps(entry, default=str) for entry in quarantine.collect(where, "loyalty", everything=True)
    )
    assert "@" not in kept and '"email": "***"' in kept.replace("\\", "")
    again = load(where, "loyalty")
    assert (again.rows, again.quarantined) == ({}, []), "the same records again are no news"

    promise(
        where,
        "loyalty",
        'email: {type: string, allowed: ["none"], personal: true, restricted: true}',
        "email: {type: string, required: true, personal: true, restricted: true}",
    )
    quarantine.replay(where, [], "loyalty", None)
    assert in_lake(where, "loyalty", "households") == people == account(where, "loyalty", "households").loaded
    (file,) = (where.data / "restricted/loyalty/households").glob("*.parquet")
    assert pc.all(pc.match_substring(pq.read_table(file)["email"], "@")).as_py()


def test_records_of_the_api_are_loaded_once_their_values_are_accepted(where: Paths) -> None:
    promise(where, "campaigns", "[Type A, Type B, Type C]", "[Type Q]")
    loaded = load(where, "campaigns")
    assert {entry["reason"] for entry in loaded.quarantined} == {"the value is not allowed"}
    assert account(where, "campaigns", "campaigns").quarantined == len(loaded.quarantined) > 0
    contract.accept(where, "campaigns", write=True)
    quarantine.replay(where, [], "campaigns", None)
    found = account(where, "campaigns", "campaigns")
    assert found.loaded == found.delivered == in_lake(where, "campaigns", "campaigns")


def with_columns(where: Paths, **columns: dict[int, str]) -> None:
    """Add columns of text to the day's file, with these values by row."""
    file = where.data / "landing" / FILE
    whole = pq.read_table(file, partitioning=None)
    for name, values in columns.items():
        texts = [values.get(row, "7UP 12PK 2L") for row in range(1, whole.num_rows + 1)]
        whole = whole.append_column(name, pa.array(texts))
    pq.write_table(whole, file)


def kept(where: Paths) -> str:
    """All that the lake says of what was quarantined and of deliveries."""
    files = [*where.lake.glob("quarantine/pos/*/*.parquet"), *where.lake.glob("raw/pos/deliveries/*.parquet")]
    return str([pq.read_table(file, partitioning=None).to_pylist() for file in files])


def test_contact_details_in_a_text_column_are_quarantined_and_masked(
    where: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    promise(where, "pos", "  columns:\n", "  columns:\n    cashier: {type: string}\n")
    with_columns(where, cashier={3: "Ask jane.canary@example.com", 5: "+1 415 555 0102"})
    entries = load(where).quarantined
    assert [(e["row_number"], e["column_name"], e["seen"]) for e in entries] == [
        (3, "cashier", "***"),
        (5, "cashier", "***"),
    ]
    assert {e["reason"] for e in entries} == {"the value is an e-mail address or a telephone number"}
    assert json.loads(entries[0]["payload"])["cashier"] == "***"
    assert "canary" not in kept(where) and "0102" not in kept(where)
    with pytest.raises(LarderError, match="no selected row passes"):
        quarantine.replay(where, ids(where), None, None)
    assert "masked" in capsys.readouterr().err and len(ids(where)) == 2


def test_contact_details_in_other_columns_and_names_are_masked(where: Paths) -> None:
    with_columns(where, notes={7: "jane.canary@example.com"}, **{"(415) 555-0102": {}})
    change(where, "quantity", {7: -1})
    loaded = load(where)
    (entry,) = loaded.quarantined
    assert (entry["row_number"], entry["seen"], json.loads(entry["payload"])["notes"]) == (7, "-1", "***")
    assert json.loads(entry["payload"])["***"] == "***"
    assert "canary" not in kept(where) and "0102" not in kept(where) + str(loaded.drift)


def test_contact_details_in_a_line_that_is_no_row_are_masked(where: Paths) -> None:
    file = where.data / "landing" / DAY / "sales_b.csv.gz"
    text = gzip.decompress(file.read_bytes())
    header, _, rows = text.partition(b"\n")
    file.write_bytes(gzip.compress(header + b"\nof jane.canary@example.com\n" + rows))
    (entry,) = load(where).quarantined
    assert (entry["reason"], json.loads(entry["payload"])) == ("malformed row", "***")
    file.write_bytes(gzip.compress(b"jane.canary@example.com," + rows))
    assert {e["seen"] for e in load(where).quarantined} == {"12 others"}
    assert "canary" not in kept(where)


def test_codes_names_and_sizes_are_no_contact_details() -> None:
    texts = ["7UP 12PK 2L", "4011", "0012000001291", "5551234567", "555-0102", "100-250 CT", "12/16 OZ", "AT&T @ HOME", "2 FOR 3.00 @ 1.50", "20170102-131415", "1.5 LTR", "10.12.2017 13:14", "192.168.100.200", "30 X 40 X 5000", None]  # fmt: skip
    table = contracts.contract("merchandising")["products"]
    rows = pa.table({"department": pa.array(texts)})
    assert list(checks._of_contacts(rows["department"], table.by_name["department"])) == []
