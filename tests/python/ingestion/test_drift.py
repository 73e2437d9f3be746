"""Each way in which a delivery may drift from its contract, through the real pipeline: its policy, and what it says."""

import gzip
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Instance, connections

from ingestion.lake.deliveries import deliveries
from ingestion.lake.loads import completed_loads, recorded_loads, row_counts
from ingestion.pipelines import Loaded, ingest
from ingestion.quarantine.accounts import accounts

Change = Callable[[Path], int]
"""Breaks a file in place and returns how many rows it delivers then."""


def parquet(change: Callable[[pa.Table], pa.Table]) -> Change:
    def apply(file: Path) -> int:
        table = change(pq.read_table(file, partitioning=None))
        pq.write_table(table, file)
        return int(table.num_rows)

    return apply


def text(change: Callable[[list[str]], list[str]]) -> Change:
    def apply(file: Path) -> int:
        lines = change(gzip.decompress(file.read_bytes()).decode().splitlines())
        file.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
        return len(lines) - 1

    return apply


def content(change: Callable[[bytes], bytes]) -> Change:
    def apply(file: Path) -> int:
        file.write_bytes(change(file.read_bytes()))
        return 0

    return apply


def replaced(column: str, make: Callable[[pa.ChunkedArray], Any]) -> Change:
    return parquet(lambda t: t.set_column(t.column_names.index(column), column, make(t[column])))


def in_row(row: int, column: int, value: str) -> Change:
    def change(lines: list[str]) -> list[str]:
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return text(change)


def with_first(value: Any) -> Callable[[pa.ChunkedArray], pa.Array]:
    return lambda column: pa.array(
        [value, *column.to_pylist()[1:]], None if isinstance(value, str) else column.type
    )


@dataclass(frozen=True)
class Case:
    """One file that is broken, and what must come of it: the rows put aside (None: all), where, and what is said."""

    name: str
    file: str
    change: Change
    rows: list[int] | None
    column: str | None = None
    reason: str = ""
    drift: tuple[str, str, str] | None = None


ZONE_LOST = pa.timestamp("us")

CASES = [
    Case("new column", "2017-01-01/sales_a.parquet", parquet(lambda t: t.append_column("tip", pa.repeat(1, len(t)))), [],
         drift=("new", "tip", "int64")),
    Case("missing column", "2017-01-02/sales_a.parquet", parquet(lambda t: t.drop_columns(["week"])), None,
         "week", "the column is missing", ("missing", "week", "required")),
    Case("renamed column", "2017-01-03/sales_a.parquet", parquet(lambda t: t.rename_columns({"store_id": "store_no"})), None,
         "store_id", "the column is missing; renamed to store_no?", ("renamed", "store_id", "store_no")),
    Case("int to text", "2017-01-04/sales_a.parquet",
         replaced("quantity", lambda c: pa.array(["two", *map(str, c.to_pylist()[1:])])), [1],
         "quantity", "the value is not of type int64", ("retyped", "quantity", "string")),
    Case("time zone lost", "2017-01-05/sales_a.parquet", replaced("transaction_timestamp", lambda c: c.cast(ZONE_LOST)), None,
         "transaction_timestamp", "the time zone is lost"),
    Case("precision lost", "2017-01-06/sales_a.parquet",
         replaced("sales_value", lambda c: pa.array([1.005, *map(float, c.to_pylist()[1:])])), [1],
         "sales_value", "the value is not exact at 2 decimals: precision is lost", ("retyped", "sales_value", "double")),
    Case("null in a key", "2017-01-07/sales_a.parquet", replaced("basket_id", with_first(None)), [1],
         "basket_id", "the value is missing"),
    Case("duplicate key", "2017-01-08/sales_a.parquet", parquet(lambda t: pa.concat_tables([t, t.slice(0, 2)])), [-2, -1],
         "basket_id", "the key comes again"),
    Case("negative money", "2017-01-01/sales_b.csv.gz", in_row(1, 5, "-0.01"), [1], "sales_value", "the value is below 0"),
    Case("date outside the file's day", "2017-01-02/sales_b.csv.gz", in_row(2, 10, "2017-01-04T00:00:00Z"), [2],
         "transaction_timestamp", "the row is of another day"),
    Case("empty file", "2017-01-03/sales_b.csv.gz", content(lambda _: b""), None,
         None, "the file has no header"),
    Case("truncated gzip", "2017-01-04/sales_b.csv.gz", content(lambda whole: whole[: len(whole) // 2]), None,
         None, "the file cannot be read: "),
    Case("wrong encoding", "2017-01-05/sales_b.csv.gz",
         content(lambda whole: gzip.compress(gzip.decompress(whole).decode().encode("utf-16"))), None,
         None, "the encoding is wrong at byte 0"),
    Case("header only", "2017-01-06/sales_b.csv.gz", text(lambda lines: lines[:1]), []),
    Case("a file for another store", "2017-01-07/sales_b.csv.gz", text(lambda lines: [lines[0], *map(_other_store, lines[1:])]), None,
         "store_id", "the rule does not hold"),
    Case("a line cut off", "2017-01-08/sales_b.csv.gz", text(lambda lines: [*lines[:-1], lines[-1].rpartition(",")[0]]), [-1],
         None, "malformed row"),
    Case("a file of the future", "2017-02-08/sales_a.parquet", parquet(lambda t: t), None,
         None, "the file's day has not come yet"),
    Case("truncated Parquet", "2017-01-09/sales_a.parquet", content(lambda whole: whole[: len(whole) // 2]), None,
         None, "the file cannot be read: "),
]  # fmt: skip


def _other_store(line: str) -> str:
    cells = line.split(",")
    return ",".join([*cells[:2], str(int(cells[2]) + 1), *cells[3:]])


@dataclass(frozen=True)
class Drifted:
    """A landing folder in which every case has its file, loaded once."""

    landing: Path
    lake: Path
    rows: dict[str, int]
    loaded: Loaded

    def place(self, case: Case) -> str:
        return f"business_date={case.file}"

    def entries(self, case: Case) -> list[dict[str, Any]]:
        return [entry for entry in self.loaded.quarantined if entry["place"] == self.place(case)]

    def deliveries(self) -> list[dict[str, Any]]:
        dataset = self.lake / "raw/pos"
        return deliveries(dataset, recorded_loads(dataset))


@pytest.fixture(scope="module")
def drifted(retailer: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drifted]:
    room = tmp_path_factory.mktemp("drift")
    landing = room / "landing"
    shutil.copytree(connections(retailer)["SOURCES__POS__LANDING"], landing)
    whole = landing / "business_date=2017-01-08/sales_a.parquet"
    for case in CASES:
        file = landing / f"business_date={case.file}"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            shutil.copy(whole, file)
    (landing / "business_date=2017-01-09/sales_b.csv.gz").write_bytes(
        (landing / "business_date=2017-01-06/sales_b.csv.gz").read_bytes()
    )
    text(lambda lines: lines[:1])(landing / "business_date=2017-01-09/sales_b.csv.gz")
    rows = {case.name: case.change(landing / f"business_date={case.file}") for case in CASES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__POS__LANDING", str(landing))
        yield Drifted(
            landing, room / "lake", rows, ingest("pos", room / "lake", room / "dlt", lambda _: None)
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_drift_has_its_policy_and_names_the_place(drifted: Drifted, case: Case) -> None:
    entries, delivered = drifted.entries(case), drifted.rows[case.name]
    if case.rows is None and case.column is None:
        assert [(e["row_number"], e["payload"]) for e in entries] == [(None, None)], "the file as a whole"
    else:
        rows = (
            range(1, delivered + 1)
            if case.rows is None
            else [r if r > 0 else delivered + 1 + r for r in case.rows]
        )
        assert [e["row_number"] for e in entries] == list(rows)
        (account,) = [d for d in drifted.deliveries() if d["place"] == drifted.place(case)]
        assert (account["delivered"], account["quarantined"]) == (delivered, len(rows))
    assert {e["column_name"] for e in entries} <= {case.column}
    assert all(entry["reason"].startswith(case.reason) for entry in entries)
    table = "transactions"
    assert (drifted.place(case) in drifted.loaded.drift.get((table, *case.drift), [])) if case.drift else True
    seen = [change for change, places in drifted.loaded.drift.items() if drifted.place(case) in places]
    assert seen == ([(table, *case.drift)] if case.drift else [])


def test_what_was_loaded_and_what_was_quarantined_is_what_was_delivered(drifted: Drifted) -> None:
    dataset = drifted.lake / "raw/pos"
    delivered = sum(drifted.rows[c.name] for c in CASES if c.rows is not None or c.column)
    aside = sum(entry["row_number"] is not None for entry in drifted.loaded.quarantined)
    in_lake = row_counts(dataset, recorded_loads(dataset))["transactions"]
    assert in_lake + aside == delivered
    assert drifted.loaded.rows == {"transactions": in_lake}
    account = accounts(drifted.lake, "pos")["transactions"]
    assert (account.delivered, account.loaded, account.quarantined) == (delivered, in_lake, aside)


def test_the_account_adds_up_keys_and_money_of_the_loaded_rows(drifted: Drifted) -> None:
    for row in drifted.deliveries():
        found = duckdb.execute(
            """
            select count(*), coalesce(sum((basket_id % 1048573 + 1) * (product_id % 1048573 + 1)), 0), coalesce(sum(sales_value), 0)
            from read_parquet(?) where _source_file = ?
            """,
            [f"{drifted.lake}/raw/pos/transactions/*.parquet", row["place"]],
        ).fetchone()
        assert found == (row["loaded"], int(row["key_sum"]), row["money_usd"]), row["place"]


def test_what_would_starve_the_models_is_blocked_and_seen_by_nobody(drifted: Drifted) -> None:
    (held,) = drifted.loaded.blocked.values()
    assert "cannot be read: business_date=2017-01-03/sales_b.csv.gz, " in held["reasons"][0]
    assert "business_date=2017-02-08" not in held["reasons"][0], "of the future nothing is missing yet"
    assert completed_loads(drifted.lake / "raw/pos") == set()


def test_the_same_files_again_are_not_loaded_and_not_quarantined_again(drifted: Drifted) -> None:
    file = drifted.landing / "business_date=2017-01-01/sales_a.parquet"
    file.write_bytes(file.read_bytes())
    again = ingest("pos", drifted.lake, drifted.lake.parent / "dlt", lambda _: None)
    assert (again.rows, again.quarantined, again.drift) == ({}, [], {})
