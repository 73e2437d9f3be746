"""Take rows out of what a source has brought: its raw files, compacted ones too, its quarantine and its restricted zone.

Files keep their names, schemas and row groups, so that what names them stays valid. First all is planned, account and all; then each
file is replaced in one step. What is done twice is as if it were done once, so that a plan is carried out to its end after a kill.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.contracts.contract import Table, contract, path
from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.storage import Location
from ingestion.lake import loads as lake
from ingestion.lake.loads import DELETIONS, DELIVERIES, ERASED, Compacted
from ingestion.lake.visible import refresh
from ingestion.privacy.restricted import Restricted
from ingestion.quarantine.store import Quarantine
from ingestion.validation.checks import PRIME

Wanted = Mapping[str, str]
"""Which rows of a source's tables go: for each of these the SQL condition that is true for them."""

Plan = dict[str, Any]
"""What `plan` found, as JSON can hold it."""

COUNTED = ("loaded", "quarantined", "erased", "key_sum", "money_usd")


def of_household(source: str, pseudonym: int) -> Wanted:
    """The rows of a household, by the columns that its contract calls pseudonyms."""
    tables = contract(source) if path(source).exists() else {}
    found = {
        name: " or ".join(f"{column.name} = {pseudonym}" for column in table.pseudonyms)
        for name, table in tables.items()
        if table.pseudonyms
    }
    people = [name for name in found if tables[name].by_name[tables[name].key[0]].pseudonym]
    if people:
        found[DELETIONS] = f"record_key = {pseudonym} and table_name in ({', '.join(map(repr, people))})"
    return found


def plan(folder: Location, source: str, wanted: Wanted, entries: list[dict[str, Any]]) -> Plan:
    """Count what goes from the lake in `folder`: rows by table, and the account as it will be. `entries` are those of the quarantine that go.

    Raises IngestionError where the account of the loads does not have the rows: then something is missing already.
    """
    dataset = folder / "raw" / source
    complete = lake.recorded_loads(dataset)
    account = _Account(dataset, complete)
    rows: dict[str, int] = {}
    versions: list[dict[str, Any]] = []
    for table, where in wanted.items():
        files = lake.table_files(dataset, table, complete)
        if not files:
            continue
        if table == DELETIONS:
            rows[table] = _query(f"select count(*) as n {_matching(where)}", files)[0]["n"]
            continue
        stated = contract(source)[table]
        for found in _query(_sums(stated, files[0], where), files):
            rows[table] = rows.get(table, 0) + found["n"]
            account.move(table, found)
        if stated.has_versions and not stated.by_name[stated.key[0]].pseudonym:
            names = f"select '{table}' as table_name, {stated.key[0]} as record_key, updated_at"
            versions += _query(f"{names} {_matching(where)}", files)
    for entry in entries:
        account.move_entry(entry)
    return {
        "rows": {table: count for table, count in rows.items() if count},
        "quarantined": [entry["quarantine_id"] for entry in entries],
        "account": account.changed,
        "versions": versions,
    }


def erase(folder: Location, source: str, wanted: Wanted, planned: Plan) -> None:
    """Carry out a plan. The caller holds the source's lock, and dlt's working directory has no load under way."""
    dataset, quarantine = folder / "raw" / source, Quarantine(folder, source)
    lake.sweep_dead_loads(dataset)
    quarantine.sweep()
    for unfinished in storage.found(dataset, "*/.*"):
        storage.remove(unfinished)
    for name, rows in planned["account"].items():
        _write_account(dataset / DELIVERIES / name, rows)
    _write_versions(dataset, planned["versions"])
    for table, where in wanted.items():
        for file in lake.parquet_files(dataset, table):
            _rewrite(file, where)
        _recount(dataset, table)
    quarantine.erase(planned["quarantined"])
    refresh(dataset)


def erase_person(folder: Location, source: str, pseudonym: int) -> None:
    """Take a person out of the restricted zone."""
    zone = Restricted(folder, source)
    zone.sweep()
    zone.settle()
    for table in zone.tables():
        people = zone.rows(table)
        others = people.filter(pc.not_equal(people[1], pseudonym))
        if others.num_rows < people.num_rows:
            zone.rewrite(table, others)


class _Account:
    """The account of a source's loads, and what changes in it."""

    def __init__(self, dataset: Location, complete: set[str]) -> None:
        self._touched: list[dict[str, Any]] = []
        self._rows = [
            {**row, "file": file.name, "number": number, "erased": row.get("erased") or 0}
            for file in lake.table_files(dataset, DELIVERIES, complete)
            for number, row in enumerate(storage.table(file).to_pylist())
            if row["_dlt_load_id"] in complete
        ]

    @property
    def changed(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The new counts by file and by the number of the row in it."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self._touched:
            found.setdefault(row["file"], {})[str(row["number"])] = {name: row[name] for name in COUNTED}
        return found

    def move(self, table: str, found: Mapping[str, Any]) -> None:
        """Count rows that the lake has as erased."""
        of_load = table, found["load"], found["day"]
        for row in self._rows:
            if (
                (row["table_name"], row["_dlt_load_id"], row["business_date"]) == of_load
                and found["place"] in (None, row["place"])
                and row["loaded"] >= found["n"]
            ):
                row["key_sum"] -= found["key_sum"]
                row["money_usd"] = row["money_usd"] and row["money_usd"] - (found["money"] or 0)
                return self._move(row, "loaded", found["n"])
        raise IngestionError(
            f"{found['n']:,} rows of {table} in load {found['load']} are not in its account",
            "Nothing was changed. See what is wrong with the lake: larder status",
        )

    def move_entry(self, entry: Mapping[str, Any]) -> None:
        """Count a row of the quarantine as erased; one that was replayed counts as loaded."""
        if entry["row_number"] is None or (entry["resolution"] and entry["resolution"].action == "replayed"):
            return
        same = [
            row
            for row in self._rows
            if all(row[name] == entry[name] for name in ("table_name", "place", "digest", "business_date"))
            and row["kind"] != "replay"
            and row["quarantined"]
            and (entry["digest"] or row["_dlt_load_id"] == entry["load_id"])
        ]
        if same:
            self._move(max(same, key=lambda row: row["_dlt_load_id"]), "quarantined", 1)

    def _move(self, row: dict[str, Any], what: str, count: int) -> None:
        row[what] -= count
        row["erased"] += count
        self._touched.append(row)


def _matching(where: str) -> str:
    return f"from read_parquet($files, union_by_name = true) where {where}"


def _sums(table: Table, file: Location, where: str) -> str:
    """What goes by load, file and day, with the sums that the account keeps."""
    names = storage.schema(file).names
    place = "_source_file" if "_source_file" in names else "null"
    day = "business_date" if "business_date" in names else "null::date"
    key = " * ".join(f"({column} % {PRIME} + 1)" for column in table.key)
    return f"""
        select _dlt_load_id::varchar as load, {place}::varchar as place, {day} as day, count(*) as n,
            sum({key})::decimal(38, 0) as key_sum, sum({table.money or "null::decimal(18, 2)"})::decimal(18, 2) as money
        {_matching(where)}
        group by all order by all
    """


def _query(query: str, files: list[Location]) -> list[dict[str, Any]]:
    with storage.connect(files[0]) as connection:
        found: list[dict[str, Any]] = (
            connection.execute(query, {"files": storage.names(files)}).to_arrow_table().to_pylist()
        )
        return found


def _write_account(file: Location, changed: Mapping[str, Mapping[str, Any]]) -> None:
    with storage.parquet(file) as old:
        table, schema = old.read(), old.schema_arrow
    rows = table.to_pylist()
    for number, counts in changed.items():
        rows[int(number)] |= {
            **counts,
            "key_sum": Decimal(counts["key_sum"]),
            "money_usd": counts["money_usd"] and Decimal(counts["money_usd"]),
        }
    if "erased" not in schema.names:
        schema = schema.append(pa.field("erased", pa.int64()))
    _replace(file, [pa.Table.from_pylist(rows, schema=schema)], schema)


def _write_versions(dataset: Location, versions: list[dict[str, Any]]) -> None:
    """Have records whose key names nobody count as known, with the last load of which such are not compacted."""
    if versions:
        together = lake.compacted(dataset, ERASED).loads
        load = max(load for load in lake.recorded_loads(dataset) if load not in together)
        rows = pa.Table.from_pylist([{**row, "_dlt_load_id": load} for row in versions])
        moments = [datetime.fromisoformat(str(row["updated_at"])) for row in versions]
        at = pa.array(moments, pa.timestamp("us", tz="UTC"))
        rows = rows.set_column(rows.schema.get_field_index("updated_at"), "updated_at", at)
        file = dataset / ERASED / f"{load}.erasure.parquet"
        before = [storage.table(file)] if file.exists() else []
        _replace(file, [pa.concat_tables([*before, rows])], rows.schema)


def _rewrite(file: Location, where: str) -> None:
    """Take the rows that match out of a file."""
    if not _query(f"select count(*) as n {_matching(where)}", [file])[0]["n"]:
        return
    with storage.connect(None) as connection, storage.parquet(file) as old:

        def others() -> Any:
            for number in range(old.num_row_groups):
                group = old.read_row_group(number)
                connection.register("rows", group)
                keep = connection.execute(f"select not coalesce({where}, false) as keep from rows")
                yield group.filter(keep.to_arrow_table()["keep"])

        _replace(file, others(), old.schema_arrow)


def _replace(file: Location, groups: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write a file again under its name: who reads it sees the old or the new one."""
    with (
        storage.atomically(file) as beside,
        pq.ParquetWriter(beside, schema, compression="zstd") as writer,
    ):
        for group in groups:
            if group.num_rows:
                writer.write_table(group, row_group_size=group.num_rows)


def _recount(dataset: Location, table: str) -> None:
    """Bring what is said of compacted files up to what they hold."""
    record = lake.compacted(dataset, table)
    counted = {
        name: {
            row["load"]: row["n"]
            for row in _query(
                "select _dlt_load_id::varchar as load, count(*) as n from read_parquet($files) group by all",
                [dataset / table / name],
            )
        }
        for name in record.files
    }
    files = {
        name: {load: counted[name].get(load, 0) for load in inside} for name, inside in record.files.items()
    }
    if files != record.files:
        lake.write_record(dataset, table, Compacted(files))
