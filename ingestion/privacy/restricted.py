"""The restricted zone: who a household is, apart from the lake and readable by its owner only.

`<data>/restricted/<source>/<table>/<load_id>.<n>.parquet`, next to the lake or where `LARDER_RESTRICTED` says; never in a bucket. A file counts
with its load, when that is complete. Of each person the latest version is kept, and none once the source has deleted it.
"""

import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.contracts.contract import contract, path
from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.files import atomically, sync_folder
from ingestion.core.storage import Location
from ingestion.lake.loads import DELETIONS, load_id, recorded_loads, table_files

PROJECT = Path(__file__).resolve().parents[2]


def root(lake: Location) -> Path:
    """The folder of the zone that belongs to a lake. It is one of this machine also where the lake is in a bucket."""
    if named := os.environ.get("LARDER_RESTRICTED"):
        return Path(named)
    if storage.is_bucket(lake):
        return Path(os.environ.get("LARDER_DATA") or PROJECT / "data") / "restricted"
    return lake.parent / "restricted"


class Restricted:
    """The part of the zone that one source has written."""

    def __init__(self, lake: Location, source: str) -> None:
        self.folder = root(lake) / source
        self.dataset = lake / "raw" / source

    def require_here(self) -> None:
        """Raise IngestionError where another machine has loaded the source into a bucket: who its households are lies there alone."""
        if (
            storage.is_bucket(self.dataset)
            and not self.folder.exists()
            and path(self.dataset.name).exists()
            and any(table.restricted for table in contract(self.dataset.name).values())
            and recorded_loads(self.dataset)
        ):
            raise IngestionError(
                f"{self.dataset.name} was loaded on another machine, and who its households are lies there alone: {self.folder} is not here",
                "Run it there, or name a folder that has a copy of that restricted zone in LARDER_RESTRICTED.",
            )

    def write(self, load: str, table: str, rows: pa.Table) -> None:
        """Keep rows (source_number, pseudonym, identifiers, updated_at) for a load that is under way."""
        self._add(load, table, rows.append_column("load_id", pa.repeat(pa.scalar(load), rows.num_rows)))

    def rows(self, table: str) -> pa.Table:
        """The latest version of each person that the source still has, with the `load_id` that brought it."""
        complete = recorded_loads(self.dataset)
        return self._latest(table, self._complete_files(table, complete), complete)

    def settle(self) -> None:
        """Remove what is out of date: earlier versions, and people whom the source has deleted. Killed, the next call goes on."""
        complete = recorded_loads(self.dataset)
        for table in self.tables():
            files = self._complete_files(table, complete)
            if not files:
                continue
            rows = self._latest(table, files, complete)
            if len(files) > 1 or rows.num_rows < pq.read_metadata(files[0]).num_rows:
                self.rewrite(table, rows)

    def tables(self) -> list[str]:
        """The tables of which the zone has anything."""
        return sorted(path.name for path in self.folder.glob("*"))

    def rewrite(self, table: str, rows: pa.Table) -> None:
        """Have a table hold these rows, of those that `rows` gave, and no others: what an erasure or a retention leaves.

        The new file is written before the old ones go: read together, they say the same.
        """
        files = self._complete_files(table, recorded_loads(self.dataset))
        if rows.num_rows:
            self._add(max(map(load_id, files)), table, rows)
        for file in files:
            file.unlink()
        sync_folder(self.folder / table)

    def dead_files(self, pending: Collection[str] = ()) -> list[Path]:
        """What loads left here that never completed and are not `pending`."""
        alive = recorded_loads(self.dataset).union(pending)
        dead = [file for file in self.folder.glob("*/[!.]*") if load_id(file) not in alive]
        return dead + list(self.folder.glob("*/.*"))

    def sweep(self) -> None:
        """Remove the dead files. Call it only when no load of the source is running or pending."""
        for file in self.dead_files():
            file.unlink()

    def _complete_files(self, table: str, complete: Collection[str]) -> list[Path]:
        files = sorted((self.folder / table).glob("[!.]*.parquet"))
        return [file for file in files if load_id(file) in complete]

    def _latest(self, table: str, files: list[Path], complete: set[str]) -> pa.Table:
        if not files:
            return pa.table({})
        person = pq.read_schema(files[0]).names[1]
        named: dict[str, Any] = {"files": [str(file) for file in files]}
        gone = [str(file) for file in table_files(self.dataset, DELETIONS, complete)]
        without = ""
        if gone:
            named |= {"gone": gone, "table": table}
            without = f"""
                anti join read_parquet($gone) as gone
                on gone.table_name = $table and gone.record_key = latest.{person} and gone._dlt_load_id >= latest.load_id
            """
        with storage.connect(self.dataset) as connection:
            return connection.execute(
                f"""
                with latest as (
                    from read_parquet($files, union_by_name = true)
                    qualify row_number() over (partition by {person} order by load_id desc, updated_at desc) = 1
                )
                select * from latest {without} order by {person}
                """,
                named,
            ).to_arrow_table()

    def _add(self, load: str, table: str, rows: pa.Table) -> None:
        folder = self.folder / table
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder, self.folder, self.folder.parent):
            each.chmod(0o700)
        with atomically(folder / f"{load}.{secrets.token_hex(4)}.parquet", is_private=True) as beside:
            pq.write_table(rows, beside, compression="zstd")
