"""The raw Parquet of one source in the lake, and which of its loads are complete.

`<lake>/raw/<source>/<table>/<load_id>.<file_id>.parquet`; a load is complete when dlt has named it in `_dlt_loads`.
"""

import json
from pathlib import Path

import pyarrow.parquet as pq

LOADS = "_dlt_loads"
STATES = "_dlt_pipeline_state"
SCHEMAS = "_dlt_version"
INIT = "init"
"""dlt's first record of a dataset, which it makes right after the folder and does not make later."""


def completed_loads(dataset: Path) -> set[str]:
    """Ids of the loads of one source (`dataset` = `<lake>/raw/<source>`) that dlt has completed.

    The name alone counts: when dlt begins to write this record, everything else of the load is in the lake.
    """
    return {file.stem.rpartition("__")[2] for file in (dataset / LOADS).glob("*.jsonl")}


def row_counts(dataset: Path, loads: set[str]) -> dict[str, int]:
    """Rows that `loads` brought to each table of one source, from the footers of their files."""
    counts: dict[str, int] = {}
    for file in _data_files(dataset):
        if load_id(file) in loads:
            counts[file.parent.name] = counts.get(file.parent.name, 0) + int(pq.read_metadata(file).num_rows)
    return counts


def load_id(file: Path) -> str:
    """The load that wrote a data file: `<seconds>.<fraction>` at the head of its name."""
    return ".".join(file.name.split(".")[:2])


def sweep_dead_loads(dataset: Path) -> list[Path]:
    """Remove what loads left behind that never completed: their data files, and the states that claim they had.

    Call it only when no load of the source is running or pending. Without it a state saved an instant before a crash
    would make the next run skip rows that nobody can see. Returns what was removed.
    """
    complete = completed_loads(dataset)
    dead = [file for file in _data_files(dataset) if load_id(file) not in complete]
    dead += [file for file in (dataset / STATES).glob("*.jsonl") if file.name.split("__")[1] not in complete]
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


def _data_files(dataset: Path) -> list[Path]:
    return sorted(dataset.glob("*/*.parquet"))
