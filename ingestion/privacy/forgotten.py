"""Who is forgotten: a register by pseudonym, for ever, and the journal of an erasure that is under way.

The register is `<lake>/forgotten.jsonl`. The journal lies in the restricted zone, because it has to name what is erased; while
it says that the lake is not done, nothing is loaded or compacted: the erasure goes on with the files that it has planned for.
"""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.files import atomically
from ingestion.core.storage import Location
from ingestion.core.text import first_line
from ingestion.privacy.pseudonyms import KEY_FILE, fingerprints, pseudonym, ring
from ingestion.privacy.restricted import root

REGISTER = "forgotten.jsonl"
JOURNAL = "erasure.json"
MARKER = "erasing.json"
"""In a lake in a bucket: that another machine has such a journal. It names nobody."""


def forgotten(lake: Location) -> pa.Array:
    """The pseudonyms whose rows nobody is to have any more, by the keys of now. Raises IngestionError where nobody can tell."""
    try:
        lines = [json.loads(line) for line in storage.read(lake / REGISTER).decode().splitlines()]
        return pa.array([_by_keys_of_now(line["pseudonym"], line["keys"]) for line in lines], pa.int64())
    except FileNotFoundError:
        return pa.array([], pa.int64())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IngestionError(
            f"{lake / REGISTER} cannot be read: {first_line(error)}",
            "Restore it from a copy of the lake: without it, households that are forgotten would come back.",
        ) from error


def _by_keys_of_now(number: int, theirs: list[str]) -> int:
    """What newer keys, put in front of those that a pseudonym was made with, make of it."""
    keys = ring()
    if fingerprints(keys)[-len(theirs) :] != theirs:
        raise IngestionError(
            f"households were forgotten under other keys for pseudonyms ({', '.join(theirs)})",
            f"Put their keys behind the new one in the file that {KEY_FILE} names: else these households would come back.",
        )
    return pseudonym(number, keys[: -len(theirs)])


def register(lake: Location, household: int) -> None:
    """Have the source of a household never bring it back; it stays registered once it is."""
    if household not in forgotten(lake).to_pylist():
        file, at = lake / REGISTER, datetime.now(UTC).isoformat(timespec="seconds")
        line = {"pseudonym": household, "keys": fingerprints(ring()), "at": at}
        before = storage.read(file) if file.exists() else None
        storage.replace(file, before, (before or b"").decode() + json.dumps(line) + "\n")


def journal_file(lake: Location) -> Path:
    """Where the plan of an erasure lies until it is complete."""
    return root(lake) / JOURNAL


def journal(lake: Location) -> dict[str, Any] | None:
    """What the erasure that is under way has planned; None when there is none."""
    try:
        found: dict[str, Any] = json.loads(journal_file(lake).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise IngestionError(
            f"{journal_file(lake)} cannot be read: {first_line(error)}",
            "Restore it from a copy: an erasure is under way, and only this file says what goes.",
        ) from error
    return found


def begin(lake: Location, plan: dict[str, Any]) -> None:
    """Write the journal: from here on the erasure is carried out, by whoever calls for it again after a kill.

    Raises IngestionError while another machine's is under way: each has planned for the files as they are.
    """
    file, is_done = journal_file(lake), bool(plan.get("is_lake_done"))
    if not is_done:
        if journal(lake) is None:
            _require_none_elsewhere(lake)
        _mark(lake)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for unfinished in file.parent.glob(f".{JOURNAL}.*"):
        unfinished.unlink()
    with atomically(file, is_private=True) as beside:
        beside.write_text(json.dumps(plan, default=str))
    if is_done:
        _unmark(lake)


def end(lake: Location) -> None:
    """Nothing is under way any more."""
    _unmark(lake)
    journal_file(lake).unlink(missing_ok=True)


def is_marked(lake: Location) -> bool:
    """Whether other machines are told that an erasure of this one is under way."""
    return _is_ours(lake, _marker(lake))


def _marker(lake: Location) -> dict[str, Any]:
    """What is said in a bucket of an erasure that is under way; nothing where none is, and on a disk."""
    try:
        found: dict[str, Any] = json.loads(storage.read(lake / MARKER)) if storage.is_bucket(lake) else {}
    except FileNotFoundError:
        return {}
    return found


def _is_ours(lake: Location, said: dict[str, Any]) -> bool:
    return (said.get("host"), said.get("journal")) == (socket.gethostname(), str(journal_file(lake)))


def _mark(lake: Location) -> None:
    """Tell other machines, which do not see the journal, before it is there, until the lake is done."""
    if storage.is_bucket(lake):
        at = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"host": socket.gethostname(), "journal": str(journal_file(lake)), "at": at}
        storage.write(lake / MARKER, json.dumps(said))


def _unmark(lake: Location) -> None:
    if is_marked(lake):
        storage.remove(lake / MARKER)


def require_none(lake: Location) -> None:
    """Raise IngestionError while an erasure changes the lake. What is built after that may need what a source has corrected."""
    plan = journal(lake)
    if plan is not None and not plan.get("is_lake_done"):
        raise IngestionError(
            "an erasure was interrupted, and the lake must not change before it is complete",
            "Run the same command again, or: larder forget --resume",
        )
    _require_none_elsewhere(lake)


def _require_none_elsewhere(lake: Location) -> None:
    said = _marker(lake)
    if said and not _is_ours(lake, said):
        raise IngestionError(
            f"an erasure was interrupted on {said['host']}, and the lake must not change before it is complete",
            f"There: larder forget --resume. Where that machine is lost, remove {lake / MARKER} and forget again.",
        )
