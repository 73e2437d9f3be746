"""The raw Parquet of one source in the lake, and which of its loads are complete.

`<lake>/raw/<source>/<table>/<load_id>.<file_id>.parquet`; a load is complete when dlt has named it in `_dlt_loads`, and
later in the log `_loads/`, which takes the names in (`ingestion/lake/visible.py`). Of those, readers see the ones before
the first that is blocked: `<lake>/quarantine/<source>/held/<load_id>`.
Many small files may have been put into one, `compacted-<id>.parquet`: `_compactions/<table>.jsonl` says which loads it
holds, and their own files do not count any more (`ingestion/lake/compaction.py`).
"""

import json
import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.storage import Location

LOADS = "_dlt_loads"
LOG = "_loads"
"""Every complete load of a source with its position, for ever: `<position>,<load_id>,<completed_at>`."""
RECORD = "_visible.jsonl"
"""Which files readers take (`ingestion/lake/visible.py`)."""
SEGMENT = 1_000
"""Loads in one file of the log: only the last one is ever written again."""
SEGMENT_NAME = re.compile(r"\d{12}\.csv")
LOG_LINE = re.compile(r"(\d+),(\d+\.\d+),(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})")
STATES = "_dlt_pipeline_state"
SCHEMAS = "_dlt_version"
COMPACTIONS = "_compactions"
COMPACTED = "compacted-"
"""How the names of compacted files begin."""
INIT = "init"
"""dlt's first record of a dataset, which it makes right after the folder and does not make later."""

DELIVERIES = "deliveries"
"""The table in each source that says what every load was given and what became of it."""
DELETIONS = "deletions"
"""The table in each source of records that says which of them are gone."""
ERASED = "erased"
"""The table in each source of records that says which versions of them are known, and are of somebody who is forgotten."""


def recorded_loads(dataset: Location) -> set[str]:
    """Ids of the loads of one source (`dataset` = `<lake>/raw/<source>`) that dlt has completed, blocked ones included.

    The name alone counts: when dlt begins to write this record, everything else of the load is in the lake.
    """
    return set(ordered_loads(dataset))


def ordered_loads(dataset: Location) -> list[str]:
    """The recorded loads in the order of their positions in the log, first those that it has, then those it will take in.

    Names are listed first: the log takes them in before they are removed.
    """
    named = named_loads(dataset)
    logged = [load for segment in segments(dataset) for load, _ in segment_loads(segment)]
    return logged + sorted(named - set(logged))


def completed_loads(dataset: Location) -> set[str]:
    """Ids of the loads that readers may see: a source stands still at its first blocked load, until that is cleared."""
    return set(visible_loads(dataset))


def visible_loads(dataset: Location) -> list[str]:
    """The loads that readers may see, in the order of their positions: those before the first that is blocked."""
    recorded = ordered_loads(dataset)  # first: the marker of a load is there before the load is complete
    blocked = {file.name for file in _markers(dataset)}
    return list(takewhile(lambda load: load not in blocked, recorded))


def named_loads(dataset: Location) -> set[str]:
    """Ids of the loads that dlt's own records name: the latest ones, and all that the log does not have yet."""
    return {file.stem.rpartition("__")[2] for file in storage.found(dataset / LOADS, "*.jsonl")}


def segments(dataset: Location) -> list[Location]:
    """The files of the log, oldest first; each is named by the position before its first load."""
    return [path for path in storage.found(dataset / LOG, "*.csv") if SEGMENT_NAME.fullmatch(path.name)]


def segment_loads(segment: Location) -> list[tuple[str, str]]:
    """The loads of one file of the log: id, and when it was complete. Raises IngestionError for a line that is none."""
    loads = []
    start = int(segment.stem)
    for number, line in enumerate(
        storage.read(segment).decode(errors="replace").splitlines(), start=start + 1
    ):
        found = LOG_LINE.fullmatch(line)
        if not found or int(found[1]) != number:
            raise _damaged(segment, f"line {number - start} is {line[:60]!r}")
        loads.append((found[2], found[3]))
    return loads


def require_log(dataset: Location) -> None:
    """Raise IngestionError where the log lacks loads that it once had: they would count as never completed, and be removed."""
    logged = 0
    for segment in segments(dataset):
        if int(segment.stem) != logged:
            raise _damaged(segment, f"the file before it ends at load {logged:,}")
        logged += len(segment_loads(segment))
    try:
        seen = int(json.loads(storage.read(dataset / RECORD).decode().partition("\n")[0])["last_position"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # the record is derived, and is written again
    if logged < seen:
        raise _damaged(dataset / LOG, f"it has {logged:,} loads, and readers have seen {seen:,}")


def _damaged(file: Location, why: str) -> IngestionError:
    return IngestionError(
        f"the log of loads is damaged: {file}: {why}",
        "Restore the folder from a copy of the lake. Nothing was changed: without it, nobody knows which files count.",
    )


@dataclass(frozen=True)
class Compacted:
    """The compacted files of one raw table by name: the rows of each load in each of them."""

    files: Mapping[str, Mapping[str, int]]

    @cached_property
    def loads(self) -> dict[str, int]:
        """Rows of each load that lies in a compacted file."""
        return {load: rows for inside in self.files.values() for load, rows in inside.items()}


def tables(dataset: Location) -> list[str]:
    """Names of the raw tables of one source that any load has brought."""
    return [folder.name for folder in storage.found(dataset, "[!_]*/")]


def parquet_files(dataset: Location, table: str) -> list[Location]:
    """Every Parquet file of a raw table, whether its load is complete and whether it has been replaced or not."""
    return storage.found(dataset / table, "*.parquet")


def table_files(dataset: Location, table: str, loads: Set[str]) -> list[Location]:
    """The files that hold the rows of `loads` in a raw table, each row once.

    A compacted file may hold other loads as well: where that matters, filter by the column `_dlt_load_id`.
    """
    record = compacted(dataset, table)
    together = [name for name, inside in record.files.items() if any(load in loads for load in inside)]
    alone = [
        file
        for file in parquet_files(dataset, table)
        if load_id(file) in loads and load_id(file) not in record.loads
    ]
    return [dataset / table / name for name in sorted(together)] + alone


def row_counts(dataset: Location, loads: set[str]) -> dict[str, int]:
    """Rows that `loads` brought to each table of one source, from the footers of their files."""
    counts: dict[str, int] = {}
    for table in set(tables(dataset)) - {DELIVERIES, ERASED}:
        record = compacted(dataset, table)
        rows = [count for load, count in record.loads.items() if load in loads]
        rows += [
            storage.row_count(file) for file in table_files(dataset, table, loads) if not is_compacted(file)
        ]
        if rows:
            counts[table] = sum(rows)
    return counts


def record_of(dataset: Location, table: str) -> Location:
    """The file that says what the compacted files of a raw table hold."""
    return dataset / COMPACTIONS / f"{table}.jsonl"


def compacted(dataset: Location, table: str) -> Compacted:
    """What the compacted files of a raw table hold; nothing where none was made."""
    files: dict[str, dict[str, int]] = {}
    try:
        lines = storage.read(record_of(dataset, table)).decode().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        entry = json.loads(line)
        if "load_id" in entry:  # as it was written before: a line for each load
            files.setdefault(entry["file"], {})[entry["load_id"]] = entry["rows"]
        else:
            files[entry["file"]] = entry["loads"]
    return Compacted(files)


def write_record(dataset: Location, table: str, record: Compacted) -> None:
    """Replace the record of a raw table in one step: the moment from which readers take the compacted files."""
    lines = [json.dumps({"file": name, "loads": dict(inside)}) for name, inside in record.files.items()]
    storage.write(record_of(dataset, table), "".join(f"{line}\n" for line in lines))


def is_compacted(file: Location) -> bool:
    """Whether a data file holds many loads, and not the one that its name begins with."""
    return file.name.startswith(COMPACTED)


def load_id(file: Location) -> str:
    """The load that wrote a data file: `<seconds>.<fraction>` at the head of its name."""
    return ".".join(file.name.split(".")[:2])


def dead_files(dataset: Location, pending: Collection[str] = ()) -> list[Location]:
    """What loads left behind that never completed and are not `pending`: their data, and states that claim they had."""
    require_log(dataset)
    alive = recorded_loads(dataset).union(pending)
    dead = [file for file in _data_files(dataset) if not is_compacted(file) and load_id(file) not in alive]
    return dead + [
        file for file in storage.found(dataset / STATES, "*.jsonl") if file.name.split("__")[1] not in alive
    ]


def sweep_dead_loads(dataset: Location) -> list[Location]:
    """Remove the dead files, and return them. Call it only when no load of the source is running or pending.

    Without it a state saved an instant before a crash would make the next run skip rows that nobody can see.
    """
    dead = dead_files(dataset)
    for file in dead:
        storage.remove(file)
    return dead


def remove_cut_records(dataset: Location) -> list[Location]:
    """Remove what a kill has cut off of dlt's records, which it writes in place: it reads them again and would fail for ever.

    Nothing is lost: the load that wrote them did not complete, and its next attempt writes them again. Call it only when no
    load of the source is running. Returns what was removed.
    """
    records = [
        dataset / INIT,
        *storage.found(dataset, f"{SCHEMAS}/*"),
        *storage.found(dataset, f"{STATES}/*"),
    ]
    cut = [record for record in records if record.is_file() and not _is_whole(record)]
    for record in cut:
        storage.remove(record)
    storage.remove_empty_folder(dataset)
    return cut


def _is_whole(record: Location) -> bool:
    try:
        json.loads(storage.read(record))
    except ValueError:
        return False
    return True


def _markers(dataset: Location) -> list[Location]:
    """Of blocked loads. The folder is named `held` as in lakes that were written before."""
    return list(storage.found(dataset.parent.parent / "quarantine" / dataset.name / "held", "[!.]*"))


def _data_files(dataset: Location) -> list[Location]:
    return storage.found(dataset, "*/*.parquet")
