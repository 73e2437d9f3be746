"""Which version of each record the lake holds: what tells changes, late commits and deletes from what is known.

The lake is what counts. An index of it, one small DuckDB file a table in dlt's working directory, takes in the loads
that it does not know yet, so that a run reads what came since the last one and not the whole history. Losing it, or
losing the lake, only means that it is made again.

Key and time are compared as the contract reads them. A record without a key or without a time cannot be compared: it is
read in every run, and the quarantine knows it by its text.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import dlt
import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.contracts.contract import Table
from ingestion.core import sql, storage
from ingestion.core.request import ExtractContext
from ingestion.core.storage import Location
from ingestion.lake.loads import DELETIONS, ERASED, recorded_loads, table_files
from ingestion.privacy.forgotten import forgotten
from ingestion.quarantine.store import Quarantine
from ingestion.validation import checks
from ingestion.validation.records import records

CURSOR = "updated_at"
"""The column of every record that says when it was last written."""

VERSION = pa.schema([("record_key", pa.int64()), (CURSOR, pa.timestamp("us", tz="UTC"))])
"""What tells the versions of a record apart; null is what the contract cannot read."""

DELETION = pa.schema([("table_name", pa.string()), ("record_key", pa.int64())])
"""A record that its source does not have any more."""

MEMORY = "384MB"
"""What comparing may take; beyond it DuckDB uses the disk."""

FAR = datetime(9999, 12, 31, tzinfo=UTC)
"""Later than any time that a record without a time could be sought from."""

INDEX = """
    set TimeZone = 'UTC';
    create table if not exists taken (load_id varchar);
    create table if not exists versions (
        record_key bigint, updated_at timestamptz, load_id varchar, is_deleted boolean, is_rejected boolean
    );
"""


@dataclass(frozen=True)
class Difference:
    """A source's records compared with the lake's: `live` ones, of which the source still has `left`.

    `changed` are the keys whose present version the lake has not been given, `since` the earliest of these versions;
    `deleted` are the keys that the source lacks.
    """

    changed: pa.Array
    since: datetime
    deleted: pa.Array
    live: int
    left: int

    def of_changed(self, keys: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Which of `keys` changed. `changed` is in order, which makes looking up cheap however many they are."""
        sought, changed = keys.fill_null(0).to_numpy(), self.changed.drop_null().to_numpy()
        positions = np.searchsorted(changed, sought)
        found: npt.NDArray[np.bool_] = positions < len(changed)
        found[found] = changed[positions[found]] == sought[found]
        without = keys.is_null().to_numpy()
        found[without] = self.changed.null_count > 0
        return found


def deletions(table: str, keys: pa.Array) -> Iterator[Any]:
    """The rows of the raw table `deletions` that say which records of `table` are gone."""
    if len(keys):
        rows = pa.table([pa.array([table] * len(keys), pa.string()), keys], schema=DELETION)
        yield dlt.mark.with_table_name(rows, DELETIONS)


def identity(names: Sequence[str], contract: Table) -> list[str]:
    """Those of a delivery's columns that say which version of a record each row is: key and time, where they are there."""
    columns = [contract.by_name[contract.key[0]], contract.by_name[CURSOR]]
    return [
        name
        for column in columns
        for name in [*filter(names.__contains__, (column.name, *column.aliases))][:1]
    ]


def versions(rows: pa.Table, contract: Table) -> pa.Table:
    """The versions (as `VERSION`) of rows as delivered."""
    fitted = checks.fit(
        rows.select(identity(rows.column_names, contract)), contract.only(contract.key[0], CURSOR)
    )
    return fitted.table.rename_columns(VERSION.names).cast(VERSION)


class KnownVersions:
    """The versions of one table's records that the source's loads have brought. Use it as a context manager."""

    def __init__(self, context: ExtractContext, table: Table) -> None:
        self._context, self._table = context, table
        self._key = table.key[0]
        self._path = context.work / "known_versions" / f"{context.source}.{table.name}.duckdb"

    def __enter__(self) -> "KnownVersions":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except duckdb.Error:
            for remains in self._path.parent.glob(f"{self._path.name}*"):
                remains.unlink()
            self._open()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._index.close()

    @property
    def is_empty(self) -> bool:
        """Whether no load has brought a record yet."""
        return not self._value("select count(*) from versions")

    @property
    def latest(self) -> datetime | None:
        """When the loaded record that was written last was written; None as long as there is none.

        A time that has not come is no such time: records that are written today would count as known.
        """
        found: datetime | None = self._value(
            "select max(updated_at) from versions where not is_rejected and updated_at <= now()"
        )
        return found

    def compare(self, present: Iterable[pa.Table], *, is_all: bool = True) -> Difference:
        """Compare the versions that the source shows (as `VERSION`) with those of the lake.

        A key that comes more than once has several versions at a time. Unless `present` is all that the source has,
        nothing can be said about deletes.
        """
        self._index.execute(f"""
            create or replace temp table present (record_key bigint, {CURSOR} timestamptz);
            create or replace temp table live as
            select record_key, updated_at, is_rejected from versions where not is_deleted
        """)
        for part in present:
            self._insert("present", part)
        if self._table.by_name[self._key].pseudonym:  # the lake does not have them, and that is no news
            gone = forgotten(self._context.lake).to_pylist()
            self._index.execute("delete from present where record_key in (select unnest(?))", [gone])
        self._insert("live", self._repeated())
        self._index.execute("""
            create or replace temp table changed as
            with other as (
                select record_key
                from (
                    select record_key, updated_at, 1 as copies from present
                    union all
                    select record_key, updated_at, -1 from live where updated_at is not null or not is_rejected
                )
                group by record_key, updated_at
                having sum(copies) <> 0
            )
            from present where record_key is null or record_key in (select record_key from other)
        """)
        gone = "from live anti join present using (record_key)"
        deleted = self._keys(gone if is_all else "from live where false")
        live = self._value("select count(distinct record_key) from live")
        return Difference(
            changed=self._keys("from changed"),
            since=self._value("select min(updated_at) from changed") or FAR,
            deleted=deleted,
            live=live,
            left=live - len(deleted),
        )

    def expected(self) -> int:
        """How many records the source should have, of those that it showed and those that the lake holds."""
        count: int = self._value("""
            select count(*) from (
                select record_key from live
                union
                select record_key from present
            )
        """)
        return count

    def _open(self) -> None:
        self._index = duckdb.connect(
            self._path, config={"memory_limit": MEMORY, "temp_directory": f"{self._path}.tmp"}
        )
        try:
            self._index.execute(INDEX)
            storage.let_read(self._index, self._context.lake)
            self._catch_up()
        except BaseException:
            self._index.close()
            raise

    def _catch_up(self) -> None:
        """Take in the loads that have been completed since."""
        complete = recorded_loads(self._context.dataset)
        taken = {load for (load,) in self._index.execute("from taken").fetchall()}
        self._index.begin()
        if not taken <= complete:  # another lake than before
            self._index.execute("truncate taken; truncate versions")
            taken = set()
        if new := complete - taken:
            self._take_in(new)
        self._index.commit()

    def _take_in(self, loads: set[str]) -> None:
        """Of each record the versions of the last load that brought it, also if it brought it to quarantine."""
        self._index.execute(
            "create or replace temp table new as select unnest(?) as load_id", [sorted(loads)]
        )
        dataset, name = self._context.dataset, self._table.name
        self._add(
            f"{sql.name(self._key)} as record_key, updated_at, _dlt_load_id as load_id,"
            " false as is_deleted, false as is_rejected",
            table_files(dataset, name, loads),
        )
        for apart, columns in (
            (DELETIONS, "null as updated_at, true as is_deleted, false as is_rejected"),
            (ERASED, "updated_at, false as is_deleted, true as is_rejected"),
        ):
            self._add(
                f"record_key, _dlt_load_id as load_id, {columns}",
                table_files(dataset, apart, loads),
                f"where table_name = {sql.literal(name)}",
            )
        # What is in the quarantine has been read as well: it is not read again before it changes.
        folder = self._context.lake / "quarantine" / self._context.source
        for file in table_files(folder, name, loads):
            rows = storage.table(file, columns=["load_id", "reason", "payload"]).to_pylist()
            self._add_rejected([row for row in rows if not _is_repeated(row)])
        self._index.execute("""
            create or replace table versions as from versions
            qualify load_id = max(load_id) over (partition by record_key)
        """)
        self._index.execute("insert into taken from new")

    def _add_rejected(self, entries: list[dict[str, Any]]) -> None:
        rejected = _versions_of(entries, self._table)
        rejected = rejected.append_column("load_id", pa.array([e["load_id"] for e in entries], pa.string()))
        for name, value in (("is_deleted", False), ("is_rejected", True)):
            rejected = rejected.append_column(name, pa.repeat(pa.scalar(value), len(entries)))
        self._insert("versions", rejected.filter(rejected["record_key"].is_valid()))

    def _repeated(self) -> pa.Table:
        """Rows in quarantine, as rows of `live`, because another one has their key: the source has them as well."""
        quarantine = Quarantine(self._context.lake, self._context.source)
        entries = quarantine.open_entries() if (quarantine.folder / self._table.name).exists() else []
        mine = [e for e in entries if e["table_name"] == self._table.name and _is_repeated(e)]
        found = _versions_of(mine, self._table)
        found = found.append_column("is_rejected", pa.repeat(pa.scalar(True), len(mine)))
        return found.filter(found["record_key"].is_valid())

    def _insert(self, table: str, rows: pa.Table) -> None:
        self._index.register("arriving", rows)
        self._index.execute(f"insert into {table} by name from arriving")
        self._index.unregister("arriving")

    def _add(self, columns: str, files: Sequence[Location], where: str = "") -> None:
        if files:
            self._index.execute(
                f"insert into versions by name from (select {columns} from read_parquet($files) {where})"
                " semi join new using (load_id)",
                {"files": storage.names(files)},
            )

    def _keys(self, rows: str) -> pa.Array:
        table = self._index.execute(f"select distinct record_key {rows} order by record_key").to_arrow_table()
        return table["record_key"].combine_chunks()

    def _value(self, query: str) -> Any:
        found = self._index.execute(query).fetchone()
        return found[0] if found else None


def _is_repeated(entry: dict[str, Any]) -> bool:
    return checks.AGAIN in entry["reason"]


def _versions_of(entries: list[dict[str, Any]], contract: Table) -> pa.Table:
    """The versions (as `VERSION`) of records in quarantine."""
    if not entries:
        return VERSION.empty_table()
    rows = [json.loads(entry["payload"]) for entry in entries]
    return versions(records([row if isinstance(row, dict) else {} for row in rows]), contract.pseudonymised)
