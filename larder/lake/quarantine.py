"""`larder quarantine`: look at what broke its contract, bring it back, or give it up on the record."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ingestion import replay as replays
from ingestion.core.errors import IngestionError
from ingestion.pipelines import ingest
from ingestion.quarantine.store import Quarantine, all_sources, sentence
from ingestion.sources import SOURCES
from larder.core import console, machine
from larder.core.errors import LarderError
from larder.core.settings import Paths, use_demo_connections
from larder.warehouse.locks import source_lock

SHOWN = 50
"""Entries that a listing shows to people; `--json` has all."""

Entry = dict[str, Any]


def collect(paths: Paths, source: str | None, everything: bool) -> list[Entry]:
    """The entries that are open, or all, of one source or of all."""
    _require(source)
    found = [entry for one in all_sources(paths.lake) for entry in one.entries()]
    return [
        entry
        for entry in found
        if source in (None, entry["source"]) and (everything or entry["resolution"] is None)
    ]


def as_plain(entry: Entry) -> Entry:
    """An entry as plain values, for JSON."""
    return {**entry, "resolution": asdict(entry["resolution"]) if entry["resolution"] else None}


def render(entries: list[Entry]) -> None:
    """Print a listing for people."""
    if not entries:
        console.out.print("Nothing is in quarantine.")
        return
    rows = [
        [
            entry["quarantine_id"],
            f"{entry['source']}.{entry['table_name']}",
            entry["place"],
            "file" if entry["row_number"] is None else f"{entry['row_number']:,}",
            entry["column_name"] or "",
            entry["reason"],
            entry["seen"],
            entry["resolution"].action if entry["resolution"] else "open",
        ]
        for entry in entries[:SHOWN]
    ]
    console.table("Quarantine", ["id", "table", "location", "row", "column", "reason", "seen", "state"], rows)
    if len(entries) > SHOWN:
        console.out.print(f"and {len(entries) - SHOWN:,} more: larder quarantine list --json")
    console.out.print("\nnext: larder quarantine explain ID")


def explain(paths: Paths, name: str) -> Entry:
    """One entry with what can be done about it; `name` is its id or the beginning of it."""
    (entry,) = _named(collect(paths, None, everything=True), [name])
    return {**as_plain(entry), "next": _next(entry)}


def render_entry(entry: Entry) -> None:
    """Print one entry for people."""
    for name, value in entry.items():
        if isinstance(value, dict):
            value = f"{value['action']} by {value['by']} at {value['at']}: {value['reason']}"
        if value is not None:
            console.out.print(f"{name:14} {value}")


def replay(paths: Paths, names: list[str], source: str | None, location: str | None) -> None:
    """Load what fits its contract now; what does not stays. Raises LarderError when nothing of it could be loaded."""
    chosen = _chosen(paths, names, source, location)
    use_demo_connections(paths)
    tried = [entry for entry in chosen if not replays.obstacle(entry)]
    refused: dict[str, list[Entry]] = {}
    for entry in chosen:
        if why := replays.obstacle(entry):
            refused.setdefault(why, []).append(entry)
    for why, same in refused.items():
        more = f" (and {len(same) - 1:,} more)" if len(same) > 1 else ""
        console.note(f"{sentence(same[0])}{more}: {why}")
    for one in dict.fromkeys(entry["source"] for entry in tried):
        _replay(paths, one, [entry for entry in tried if entry["source"] == one])
    ids = {entry["quarantine_id"] for entry in chosen}
    left = [entry for entry in collect(paths, None, everything=False) if entry["quarantine_id"] in ids]
    console.done(f"{len(chosen) - len(left):,} replayed, {len(left):,} still in quarantine")
    _say_blocked(paths, {entry["source"] for entry in chosen})
    if chosen and len(left) == len(chosen):
        raise LarderError(
            "no selected row passes the contract",
            "See why: larder quarantine explain ID; or propose another contract: larder contract accept SOURCE",
        )


def discard(paths: Paths, names: list[str], reason: str, source: str | None, location: str | None) -> None:
    """Give entries up for good, with a reason that stays on record."""
    if not reason.strip():
        raise LarderError("a discard needs a reason", "Say why: --reason TEXT")
    chosen = _chosen(paths, names, source, location)
    for one in dict.fromkeys(entry["source"] for entry in chosen):
        with source_lock(paths, one):
            quarantine = Quarantine(paths.lake, one)
            ids = [entry["quarantine_id"] for entry in chosen if entry["source"] == one]
            quarantine.resolve(ids, "discarded", reason.strip(), machine.user())
            quarantine.review()
    console.done(f"{len(chosen):,} discarded")
    _say_blocked(paths, {entry["source"] for entry in chosen})


def _replay(paths: Paths, source: str, entries: list[Entry]) -> None:
    try:
        with source_lock(paths, source), console.progress(f"replay {source}") as report:
            ingest(source, paths.lake, paths.dlt, report, extract=lambda _: replays.replays(source, entries))
    except IngestionError as error:
        raise LarderError(str(error), error.next_step) from error


def _chosen(paths: Paths, names: list[str], source: str | None, location: str | None) -> list[Entry]:
    entries = collect(paths, source, everything=False)
    if names:
        return _named(entries, names)
    if source is None and location is None:
        raise LarderError("nothing is named", "Name ids, or a source (--source), or a location (--location).")
    found = [entry for entry in entries if location in (None, entry["place"])]
    if not found:
        raise LarderError("nothing of it is in quarantine", "See what is: larder quarantine list")
    return found


def _named(entries: Iterable[Entry], names: list[str]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for name in names:
        hits = [entry for entry in entries if name and entry["quarantine_id"].startswith(name)]
        if len(hits) != 1:
            raise LarderError(
                f"{name}: {len(hits) or 'no'} entries have an id that begins so",
                "See the ids: larder quarantine list",
            )
        found[hits[0]["quarantine_id"]] = hits[0]
    return list(found.values())


def _next(entry: Entry) -> str:
    if entry["resolution"]:
        return "nothing: it is settled"
    one = entry["quarantine_id"]
    why = replays.obstacle(entry)
    return why or (
        f"have it delivered again; or change the contract (larder contract accept {entry['source']}),"
        f" then: larder quarantine replay {one}; or give it up: larder quarantine discard {one} --reason TEXT"
    )


def _say_blocked(paths: Paths, sources: set[str]) -> None:
    for source in sorted(sources):
        for load, found in Quarantine(paths.lake, source).blocked().items():
            console.note(f"{source} is still blocked at load {load}: {'; '.join(found.get('reasons', []))}")


def _require(source: str | None) -> None:
    if source is not None and source not in SOURCES:
        raise LarderError(f"unknown source: {source}", f"Choose from: {', '.join(SOURCES)}")
