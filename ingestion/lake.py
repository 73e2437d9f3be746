"""The raw Parquet of one source in the lake, and which of its loads are complete.

`<lake>/raw/<source>/<table>/<load_id>.<file_id>.parquet`; a load is complete when dlt has named it in `_dlt_loads`.
"""

from pathlib import Path

LOADS = "_dlt_loads"
STATES = "_dlt_pipeline_state"


def completed_loads(dataset: Path) -> set[str]:
    """Ids of the loads of one source (`dataset` = `<lake>/raw/<source>`) that dlt has completed."""
    return {file.stem.rpartition("__")[2] for file in (dataset / LOADS).glob("*.jsonl")}


def sweep_dead_loads(dataset: Path) -> list[Path]:
    """Remove what loads left behind that never completed: their data files, and the states that claim they had.

    Call it only when no load of the source is running or pending. Without it a state saved an instant before a crash
    would make the next run skip rows that nobody can see. Returns what was removed.
    """
    complete = completed_loads(dataset)
    dead = [
        file for file in dataset.glob("*/*.parquet") if ".".join(file.name.split(".")[:2]) not in complete
    ]
    dead += [file for file in (dataset / STATES).glob("*.jsonl") if file.name.split("__")[1] not in complete]
    for file in dead:
        file.unlink()
    return dead
