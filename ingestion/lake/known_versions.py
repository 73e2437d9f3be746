"""Which version of each record the lake holds: what tells changes, late commits and deletes from what is known.

The lake is what counts. An index of it, one small DuckDB file a table in dlt's working directory, takes in the loads
that it does not know yet, so that a run reads what came since the last one and not the whole history. Losing it, or
losing the lake, only means that it is made again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import dlt
import duckdb
import numpy as np
import pyarrow as pa

from ingestion.contracts.contract import Table
from ingestion.core import sql
from ingestion.core.request import ExtractContext
from ingestion.lake.loads import DELETIONS, recorded_loads, table_files

CURSOR = "updated_at"
"""The column of every record that says when it was last written."""

VERSION = pa.schema([("record_key", pa.int64()), (CURSOR, pa.string())])
"""What tells the versions of a record apart. The time is text, as a source may say what is no time."""

DELETION = pa.schema([("table_name", pa.string()), ("record_key", pa.int64())])
"""A record that its source does not have any more."""

MEMORY = "384MB"
"""What comparing may take; beyond it DuckDB uses the disk."""

INDEX = """
    set TimeZone = 'UTC';
    create table if not exists loads (load_id varchar);
    create table if not exists last (record_key bigint, updated_at timestamptz, load_id varchar, is_deleted boolean);
"""


@dataclass(frozen=True)
class Difference:
    """A source's records compared with the lake's: `live` ones, of which the source still has `left`.

    `changed` are the keys whose present version the lake has not been given, `since` the earliest of these versions;
    `deleted` are the keys that the source lacks.
    """

    changed: pa.Array
    since: datetime | None
    deleted: pa.Array
    live: int
    left: int

    def of_changed(self, rows: pa.Table, key: str) -> pa.Table:
        """The rows of changed records. `changed` is in order, which makes looking up cheap however many they are."""
        keys = versions(rows, key)["record_key"]
        sought, changed = keys.fill_null(0).to_numpy(), self.changed.drop_null().to_numpy()
        positions = np.searchsorted(changed, sought)
        found = positions < len(changed)
        found[found] = changed[positions[found]] == sought[found]
        without = keys.is_null().to_numpy()
        return rows.filter(pa.array(np.where(without, self.changed.null_count > 0, found)))


def deletions(table: str, keys: pa.Array) -> Iterator[Any]:
    """The rows of the raw table `deletions` that say which records of `table` are gone."""
    if len(keys):
        rows = pa.table([pa.array([table] * len(keys), pa.string()), keys], schema=DELETION)
        yield dlt.mark.with_table_name(rows, DELETIONS)


def versions(rows: pa.Table, key: str) -> pa.Table:
    """The versions (as `VERSION`) of rows as delivered; what is no key is null."""
    keys, times = (
        rows[name] if name in rows.column_names else pa.nulls(rows.num_rows) for name in (key, CURSOR)
    )
    try:
        keys = keys.cast(pa.int64())
    except pa.ArrowException:
        keys = pa.array(
            [int(str(k)) if str(k).isascii() and str(k).isdigit() else None for k in keys.to_pylist()],
            pa.int64(),
        )
    return pa.table([keys, times.cast(pa.string())], schema=VERSION)


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
        return not self._value("select count(*) from last")

    @property
    def latest(self) -> datetime | None:
        """When the record that was written last was written; None as long as there is none."""
        found: datetime | None = self._value("select max(updated_at) from last")
        return found

    def compare(self, present: pa.Table | pa.RecordBatchReader, *, is_all: bool = True) -> Difference:
        """Compare the versions that the source shows (as `VERSION`) with those of the lake.

        Unless they are all that the source has, nothing can be said about deletes.
        """
        self._index.register("arriving", present)
        self._index.execute("""
            create or replace temp table present as
            select record_key, try_cast(updated_at as timestamptz) as updated_at from arriving
        """)
        self._index.unregister("arriving")
        self._index.execute("""
            create or replace temp table changed as
            from present
            anti join (from last where not is_deleted) as live
                on
                    present.record_key is not distinct from live.record_key
                    and present.updated_at is not distinct from live.updated_at
        """)
        gone = (
            "from last anti join present using (record_key) where not is_deleted and record_key is not null"
        )
        deleted = self._keys(gone if is_all else "from last where false")
        live = self._value("select count(*) from last where not is_deleted")
        return Difference(
            changed=self._keys("from changed"),
            since=self._value("select min(updated_at) from changed"),
            deleted=deleted,
            live=live,
            left=live - len(deleted),
        )

    def expected(self) -> int:
        """How many records the source should have, of those that it showed and those that the lake holds."""
        count: int = self._value("""
            select count(*) from (
                select record_key from last where not is_deleted
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
            self._catch_up()
        except BaseException:
            self._index.close()
            raise

    def _catch_up(self) -> None:
        """Take in the loads that have been completed since."""
        complete = recorded_loads(self._context.dataset)
        taken = {load for (load,) in self._index.execute("from loads").fetchall()}
        self._index.begin()
        if not taken <= complete:  # another lake than before
            self._index.execute("truncate loads; truncate last")
            taken = set()
        if new := complete - taken:
            self._take_in(new)
        self._index.commit()

    def _take_in(self, loads: set[str]) -> None:
        self._index.execute(
            "create or replace temp table new as select unnest(?) as load_id", [sorted(loads)]
        )
        dataset, quarantine = self._context.dataset, self._context.lake / "quarantine" / self._context.source
        name, key = self._table.name, self._key
        self._add(
            f"{sql.name(key)} as record_key, updated_at, _dlt_load_id as load_id, false as is_deleted",
            table_files(dataset, name, loads),
        )
        # What is in the quarantine has been read as well: it is not read again before it changes.
        self._add(
            f"try_cast(payload ->> {sql.literal(key)} as bigint) as record_key, load_id, false as is_deleted,"
            " try_cast(payload ->> '$.updated_at' as timestamptz) as updated_at",
            table_files(quarantine, name, loads),
        )
        self._add(
            "record_key, null as updated_at, _dlt_load_id as load_id, true as is_deleted",
            table_files(dataset, DELETIONS, loads),
            f"where table_name = {sql.literal(name)}",
        )
        self._index.execute("""
            create or replace table last as from last
            qualify row_number() over (partition by record_key order by load_id desc, updated_at desc) = 1
        """)
        self._index.execute("insert into loads from new")

    def _add(self, columns: str, files: list[Path], where: str = "") -> None:
        if files:
            self._index.execute(
                f"insert into last by name from (select {columns} from read_parquet($files) {where})"
                " semi join new using (load_id)",
                {"files": [str(file) for file in files]},
            )

    def _keys(self, rows: str) -> pa.Array:
        table = self._index.execute(f"select record_key {rows} order by record_key").to_arrow_table()
        return table["record_key"].combine_chunks()

    def _value(self, query: str) -> Any:
        found = self._index.execute(query).fetchone()
        return found[0] if found else None
