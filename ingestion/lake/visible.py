"""The one record of what readers see of a source: which loads, and for each raw table which files.

`_loads/<position>.csv` is the log of all complete loads in the order in which they were recorded: it takes in the names
that dlt leaves in `_dlt_loads`, one small file a load, and then removes all but the latest of these. A load keeps its
position for ever, so "all up to here" says in one number what a reader holds.
`_visible.jsonl` names the files that readers take, each with the positions of its first and its last load. It is
replaced in one step, and made of nothing but what else lies in the lake: lost or out of date, it is written again.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.core import storage
from ingestion.core.storage import Location
from ingestion.lake import loads as lake
from ingestion.lake.loads import RECORD

RECENT = 100
"""So many of dlt's own records of loads stay, for people; nothing reads them any more."""


def refresh(dataset: Location) -> None:
    """Bring log and record of one source up to what its lake holds. Any process may do so at any time.

    Killed at any step, the next call finishes it: a name is removed only after the log has it on disk.
    """
    if not dataset.is_dir():
        return
    with storage.exclusive(dataset):
        for leftover in [*storage.found(dataset, f".{RECORD}.*"), *storage.found(dataset / lake.LOG, ".*")]:
            storage.remove(leftover)
        lake.require_log(dataset)
        _take_in(dataset)
        text = "".join(json.dumps(line) + "\n" for line in _lines(dataset))
        if (before := _content(dataset / RECORD)) != text.encode():
            storage.replace(dataset / RECORD, before, text)
        _remove_logged(dataset)


def refresh_all(lake_folder: Location) -> None:
    """The same for every source of a lake."""
    for dataset in storage.found(lake_folder / "raw", "*"):
        refresh(dataset)


def copy_record(lake_folder: Location, folder: Path) -> None:
    """Write what readers see of all sources now to `loads.jsonl` and `files.jsonl` of a folder of the disk: for a reader that needs
    more than one query. Refreshes the record first.
    """
    refresh_all(lake_folder)
    loads: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    for record in storage.found(lake_folder / "raw", f"*/{RECORD}"):
        whole, *of_files = [json.loads(line) for line in storage.read(record).splitlines()]
        logged = [load for segment in lake.segments(record.parent) for load in lake.segment_loads(segment)]
        for position, (load, moment) in enumerate(logged[: whole["last_position"]], start=1):
            loads.append(
                {"source": whole["source"], "position": position, "load_id": load, "completed_at": moment}
            )
        files += [{name: line[name] for name in ("source", "table_name", "file")} for line in of_files]
    for name, lines in {"loads": loads, "files": files}.items():
        storage.write(folder / f"{name}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def gone(lake_folder: Location, folder: Path) -> list[str]:
    """Files of a copied record that are in the lake no more. Their names are not used again: a reader that met one has less than all."""
    named = [json.loads(line) for line in (folder / "files.jsonl").read_text().splitlines()]
    there = {
        f"{source}/{file.parent.name}/{file.name}"
        for source in {line["source"] for line in named}
        for file in storage.found(lake_folder / "raw" / source, "*/*.parquet")
    }
    return sorted({f"{line['source']}/{line['file']}" for line in named} - there)


def last_filled_load(dataset: Location) -> tuple[str, int] | None:
    """The last load that brought anything that readers see, and its position; None before there is one.

    A file that came again as it was leaves a load that brought nothing. Reads the record: `refresh` it before.
    """
    try:
        lines = storage.read(dataset / RECORD).decode().splitlines()
    except FileNotFoundError:
        return None
    found = [json.loads(line) for line in lines]
    last = max((line["last_position"] for line in found if line["file"]), default=0)
    return (_load_at(dataset, last), last) if last else None


def _load_at(dataset: Location, position: int) -> str:
    start = (position - 1) // lake.SEGMENT * lake.SEGMENT
    return lake.segment_loads(dataset / lake.LOG / f"{start:012}.csv")[position - 1 - start][0]


def _take_in(dataset: Location) -> None:
    """Give each load that the log lacks the next position."""
    segments = lake.segments(dataset)
    before = (
        _content(segments[-1]) if segments else None
    )  # first: what comes after it is no part of what follows
    last = lake.segment_loads(segments[-1]) if segments else []
    known = {load for segment in segments for load, _ in lake.segment_loads(segment)}
    new = sorted(lake.named_loads(dataset) - known)
    start = int(segments[-1].stem) if segments else 0
    pending = [*last, *((load, _completed_at(dataset, load)) for load in new)]
    while new and pending:
        part, pending = pending[: lake.SEGMENT], pending[lake.SEGMENT :]
        lines = [
            f"{position},{load},{moment}\n" for position, (load, moment) in enumerate(part, start=start + 1)
        ]
        storage.replace(dataset / lake.LOG / f"{start:012}.csv", before, "".join(lines))
        start, before = start + lake.SEGMENT, None


def _content(file: Location) -> bytes | None:
    try:
        return storage.read(file)
    except FileNotFoundError:
        return None


def _completed_at(dataset: Location, load: str) -> str:
    """When a load was complete, in UTC; a kill may have cut off what dlt says of it: then, when it began."""
    try:
        record = json.loads(storage.read(dataset / lake.LOADS / f"{dataset.name}__{load}.jsonl"))
        moment = datetime.fromisoformat(record["inserted_at"])
    except (OSError, ValueError, KeyError, TypeError):
        moment = datetime.fromtimestamp(float(load), UTC)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _lines(dataset: Location) -> Iterator[dict[str, Any]]:
    """One for the source, up to the last load that readers see; then one for each file that they take."""
    position = {load: number for number, load in enumerate(lake.visible_loads(dataset), start=1)}
    yield _line(dataset, None, None, range(1, len(position) + 1))
    for table in lake.tables(dataset):
        record = lake.compacted(dataset, table)
        for file in lake.table_files(dataset, table, position.keys()):
            inside = record.files.get(file.name) or [lake.load_id(file)]
            positions = [position[load] for load in inside if load in position]
            yield _line(dataset, table, f"{table}/{file.name}", positions)


def _line(dataset: Location, table: str | None, file: str | None, positions: Sequence[int]) -> dict[str, Any]:
    first, last = min(positions, default=0), max(positions, default=0)
    return {
        "source": dataset.name,
        "table_name": table,
        "file": file,
        "first_position": first,
        "last_position": last,
    }


def _remove_logged(dataset: Location) -> None:
    """Remove dlt's records of loads that the log has, but for the latest."""
    named = sorted(
        storage.found(dataset / lake.LOADS, "*.jsonl"), key=lambda file: file.stem.rpartition("__")[2]
    )
    if len(named) > 2 * RECENT:
        for file in named[:-RECENT]:
            storage.remove(file)
