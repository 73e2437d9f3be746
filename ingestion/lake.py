"""The raw Parquet of one source in the lake, and which of its loads are complete.

`<lake>/raw/<source>/<table>/<load_id>.<file_id>.parquet`; a load is complete when dlt has named it in `_dlt_loads`.
"""

from pathlib import Path

import pyarrow.parquet as pq

LOADS = "_dlt_loads"
STATES = "_dlt_pipeline_state"


def completed_loads(dataset: Path) -> set[str]:
    """Ids of the loads of one source (`dataset` = `<lake>/raw/<source>`) that dlt has completed."""
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


def _data_files(dataset: Path) -> list[Path]:
    return sorted(dataset.glob("*/*.parquet"))
