"""The raw Parquet of one source in the lake, and which of its loads are complete.

`<lake>/raw/<source>/<table>/<load_id>.<file_id>.parquet`; a load is complete when dlt has named it in `_dlt_loads`. Of
those, readers see the ones before the first that is held: `<lake>/quarantine/<source>/held/<load_id>`.
Many small files may have been put into one, `compacted-<id>.parquet`: `_compactions/<table>.jsonl` says which loads it
holds, and their own files do not count any more (`ingestion/compaction.py`).
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

LOADS = "_dlt_loads"
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


def recorded_loads(dataset: Path) -> set[str]:
    """Ids of the loads of one source (`dataset` = `<lake>/raw/<source>`) that dlt has completed, held ones included.

    The name alone counts: when dlt begins to write this record, everything else of the load is in the lake.
    """
    return {file.stem.rpartition("__")[2] for file in (dataset / LOADS).glob("*.jsonl")}


def completed_loads(dataset: Path) -> set[str]:
    """Ids of the loads that readers may see: a source stands still at its first held load, until that is cleared."""
    recorded = recorded_loads(dataset)
    held = recorded.intersection(file.name for file in _markers(dataset))
    return {load for load in recorded if load < min(held)} if held else recorded


def filled_loads(dataset: Path) -> set[str]:
    """The completed loads that brought anything. A file that came again as it was leaves a load of dlt's state alone."""
    files = {load_id(file) for file in _data_files(dataset) if not is_compacted(file)}
    together = {load for table in tables(dataset) for load in compacted(dataset, table).loads}
    return completed_loads(dataset) & (files | together)


@dataclass(frozen=True)
class Compacted:
    """The compacted files of one raw table by name: the rows of each load in each of them."""

    files: Mapping[str, Mapping[str, int]]

    @property
    def loads(self) -> dict[str, int]:
        """Rows of each load that lies in a compacted file."""
        return {load: rows for held in self.files.values() for load, rows in held.items()}


def tables(dataset: Path) -> list[str]:
    """Names of the raw tables of one source that any load has brought."""
    return sorted(folder.name for folder in dataset.glob("[!_]*") if folder.is_dir())


def parquet_files(dataset: Path, table: str) -> list[Path]:
    """Every Parquet file of a raw table, whether its load is complete and whether it has been replaced or not."""
    return sorted((dataset / table).glob("*.parquet"))


def table_files(dataset: Path, table: str, loads: set[str]) -> list[Path]:
    """The files that hold the rows of `loads` in a raw table, each row once.

    A compacted file may hold other loads as well: where that matters, filter by the column `_dlt_load_id`.
    """
    record = compacted(dataset, table)
    together = [name for name, held in record.files.items() if not loads.isdisjoint(held)]
    alone = [
        file
        for file in parquet_files(dataset, table)
        if load_id(file) in loads and load_id(file) not in record.loads
    ]
    return [dataset / table / name for name in sorted(together)] + alone


def row_counts(dataset: Path, loads: set[str]) -> dict[str, int]:
    """Rows that `loads` brought to each table of one source, from the footers of their files."""
    counts: dict[str, int] = {}
    for table in set(tables(dataset)) - {DELIVERIES}:
        record = compacted(dataset, table)
        rows = [count for load, count in record.loads.items() if load in loads]
        rows += [
            int(pq.read_metadata(file).num_rows)
            for file in table_files(dataset, table, loads)
            if not is_compacted(file)
        ]
        if rows:
            counts[table] = sum(rows)
    return counts


def record_of(dataset: Path, table: str) -> Path:
    """The file that says what the compacted files of a raw table hold."""
    return dataset / COMPACTIONS / f"{table}.jsonl"


def compacted(dataset: Path, table: str) -> Compacted:
    """What the compacted files of a raw table hold; nothing where none was made."""
    files: dict[str, dict[str, int]] = {}
    try:
        lines = record_of(dataset, table).read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        entry = json.loads(line)
        files.setdefault(entry["file"], {})[entry["load_id"]] = entry["rows"]
    return Compacted(files)


def write_record(dataset: Path, table: str, record: Compacted) -> None:
    """Replace the record of a raw table in one step: the moment from which readers take the compacted files."""
    target = record_of(dataset, table)
    target.parent.mkdir(exist_ok=True)
    beside = target.with_suffix(".new")
    with beside.open("w") as file:
        for name, held in record.files.items():
            for load, rows in held.items():
                file.write(json.dumps({"file": name, "load_id": load, "rows": rows}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.rename(target)
    sync(target.parent)


def sync(folder: Path) -> None:
    """Have the disk remember the names in a folder, before anything relies on them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_compacted(file: Path) -> bool:
    """Whether a data file holds many loads, and not the one that its name begins with."""
    return file.name.startswith(COMPACTED)


def load_id(file: Path) -> str:
    """The load that wrote a data file: `<seconds>.<fraction>` at the head of its name."""
    return ".".join(file.name.split(".")[:2])


def dead_files(dataset: Path, pending: Collection[str] = ()) -> list[Path]:
    """What loads left behind that never completed and are not `pending`: their data, and states that claim they had."""
    alive = recorded_loads(dataset).union(pending)
    dead = [file for file in _data_files(dataset) if not is_compacted(file) and load_id(file) not in alive]
    return dead + [
        file for file in (dataset / STATES).glob("*.jsonl") if file.name.split("__")[1] not in alive
    ]


def sweep_dead_loads(dataset: Path) -> list[Path]:
    """Remove the dead files, and return them. Call it only when no load of the source is running or pending.

    Without it a state saved an instant before a crash would make the next run skip rows that nobody can see.
    """
    dead = dead_files(dataset)
    for file in dead:
        file.unlink()
    return dead


def remove_cut_records(dataset: Path) -> list[Path]:
    """Remove what a kill has cut off of dlt's records, which it writes in place: it reads them again and would fail for ever.

    Nothing is lost: the load that wrote them did not complete, and its next attempt writes them anew. Call it only when no
    load of the source is running. Returns what was removed.
    """
    records = [dataset / INIT, *dataset.glob(f"{SCHEMAS}/*"), *dataset.glob(f"{STATES}/*")]
    cut = [record for record in records if record.is_file() and not _is_whole(record)]
    for record in cut:
        record.unlink()
    if dataset.is_dir() and not any(dataset.iterdir()):
        dataset.rmdir()
    return cut


def _is_whole(record: Path) -> bool:
    try:
        json.loads(record.read_bytes())
    except ValueError:
        return False
    return True


def _markers(dataset: Path) -> list[Path]:
    return list((dataset.parent.parent / "quarantine" / dataset.name / "held").glob("[!.]*"))


def _data_files(dataset: Path) -> list[Path]:
    return sorted(dataset.glob("*/*.parquet"))
