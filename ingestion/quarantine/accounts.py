"""What every table was given, and what has become of it."""

from dataclasses import dataclass
from typing import Any

from ingestion.core.storage import Location
from ingestion.lake.deliveries import deliveries
from ingestion.lake.loads import recorded_loads
from ingestion.quarantine.store import Quarantine


@dataclass
class Account:
    """What one table was given, and what has become of it, in rows.

    A location that was delivered again counts as last delivered. Always: delivered = loaded + quarantined + discarded +
    superseded + erased. `superseded` are records that broke the contract and have come again since.
    """

    delivered: int = 0
    loaded: int = 0
    quarantined: int = 0
    discarded: int = 0
    superseded: int = 0
    erased: int = 0
    unreadable: int = 0
    """Files that cannot be read: nobody knows how many rows they have."""


def accounts(lake: Location, source: str) -> dict[str, Account]:
    """The account of each table of one source over all its loads, blocked ones included."""
    dataset = lake / "raw" / source
    rows = deliveries(dataset, recorded_loads(dataset))
    current = _current(rows)
    found: dict[str, Account] = {}
    for row in rows:
        account = found.setdefault(row["table_name"], Account())
        digest, load = current.get((row["table_name"], row["place"]), (row["digest"], ""))
        if row["digest"] == digest and row["_dlt_load_id"] >= load:
            account.delivered += row["delivered"] if row["kind"] != "replay" else 0
            account.loaded += row["loaded"]
            account.erased += row["erased"]
    for entry in Quarantine(lake, source).entries():
        account = found.setdefault(entry["table_name"], Account())
        state = entry["resolution"].action if entry["resolution"] else "quarantined"
        digest, _ = current.get((entry["table_name"], entry["place"]), (entry["digest"], ""))
        if entry["row_number"] is None:
            account.unreadable += state == "quarantined"
        elif digest == entry["digest"] and state != "replayed" and not (digest and state == "superseded"):
            setattr(account, state, getattr(account, state) + 1)
    return found


def _current(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[str, str]]:
    """For each file (table, location) the delivery that counts: its digest, and the load from which on its rows do.

    As the macro `current_deliveries` has it: the last one of which anything was loaded (or erased), or that was empty.
    """
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["_dlt_load_id"]):
        if row["digest"] and not row["is_unreadable"]:
            files.setdefault((row["table_name"], row["place"]), []).append(row)
    current = {}
    for file, given in files.items():
        digest = next(
            (r["digest"] for r in reversed(given) if r["loaded"] or r["erased"] or not r["delivered"]),
            given[-1]["digest"],
        )
        loads = [r["_dlt_load_id"] for r in given if r["digest"] == digest and r["kind"] != "replay"]
        current[file] = digest, loads[-1]
    return current
