"""`larder ingest`: load what is new in the source systems into the lake."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

from ingestion.core.errors import IngestionError, NotConfigured, NothingThere
from ingestion.core.request import LoadRequest
from ingestion.core.text import few, first_line
from ingestion.pipelines import NEWS, Loaded, follow, ingest
from ingestion.privacy.pseudonyms import is_demo
from ingestion.quarantine import store as quarantine
from ingestion.sources import SOURCES
from ingestion.validation.checks import Drift
from larder.core import console, events
from larder.core.errors import Busy, LarderError, NotLoaded
from larder.core.settings import Paths, use_demo_connections
from larder.warehouse import freshness
from larder.warehouse.locks import source_lock

SHOWN = 3
"""Entries of the quarantine that are told at once; `larder quarantine list` has all."""

CLEAR = (
    "See why: larder quarantine list. Then have it delivered again, or: larder quarantine replay, or discard."
)


def run(paths: Paths, sources: list[str], request: LoadRequest) -> None:
    """Load the named sources, or all. LarderError at the end names those that failed and those that are blocked."""
    if request.full and request.is_range:
        raise LarderError("--full reads all days, --from and --to some", "Leave one of them out.")
    if (request.full or request.force) and not sources:
        raise LarderError("--full and --force are for named sources", f"Name some of: {', '.join(SOURCES)}")
    complain(*load(paths, sources, request))


def complain(loaded: list[Loaded], failures: list[str]) -> None:
    """Raise NotLoaded when a source was not loaded, was refused, or is blocked."""
    blocked = [one.source for one in loaded if one.blocked]
    failures = failures + [one.source for one in loaded if one.refused or one.misplaced]
    complete = len({one.source for one in loaded} - {*blocked, *failures})
    if failures:
        raise NotLoaded(
            f"not loaded, or not all of it: {', '.join(failures)}; blocked: {', '.join(blocked) or 'none'}"
            f" ({complete} other sources are complete)",
            "Fix what is named above, then run again: nothing is lost, nothing will be loaded twice.",
        )
    if blocked:
        raise NotLoaded(f"blocked: {', '.join(blocked)} ({complete} other sources are complete)", CLEAR)


def load(paths: Paths, sources: list[str], request: LoadRequest = NEWS) -> tuple[list[Loaded], list[str]]:
    """Load the named sources, or all; one that fails does not stop the others. Returns the results, and what failed.

    Raises Busy, and loads nothing, while another ingestion runs.
    """
    unknown = [name for name in sources if name not in SOURCES]
    if unknown:
        raise LarderError(f"unknown source: {', '.join(unknown)}", f"Choose from: {', '.join(SOURCES)}")
    require_order(request)
    use_demo_connections(paths)
    _use_history(paths)
    if is_demo():
        console.note(
            "pseudonyms of households are made with the DEMO KEY, which everybody knows: load no real people"
        )
    (paths.warehouse / "dev").mkdir(
        parents=True, exist_ok=True
    )  # plain dbt opens its own file there, and makes no folder
    loaded: list[Loaded] = []
    failures: list[str] = []
    with ExitStack() as locks:
        for source in _locked(paths, sources, locks):
            try:
                loaded.append(_one(paths, source, request))
            except (IngestionError, LarderError) as error:
                if not sources and _may_lack(source, error):
                    console.note(f"left out: {error}")
                    events.emit("source_left_out", source, reason=error)
                    continue
                events.emit("source_failed", source, kind=type(error).__name__, reason=error)
                console.failed(str(error), error.next_step)
                failures.append(source)
    if request.is_range and not loaded and not failures:
        raise LarderError(f"no source has anything of {request.days}", "Give days that there are.")
    return loaded, failures


def require_order(request: LoadRequest) -> None:
    """Raise LarderError for days in the wrong order."""
    if request.first > request.last:
        raise LarderError(
            f"the first day, {request.first}, is after the last, {request.last}",
            "Give the earlier day first.",
        )


def _may_lack(source: str, error: Exception) -> bool:
    """Whether it is no failure of a load of all sources: an optional one is not connected, or has nothing of the days."""
    return isinstance(error, NothingThere) or (SOURCES[source].optional and isinstance(error, NotConfigured))


def _locked(paths: Paths, sources: list[str], locks: ExitStack) -> list[str]:
    """The named sources, or all, with their locks: all before the first is loaded, so that of two runs one has them all.

    Raises Busy when another process has one of them; a stream that somebody follows is left out.
    """
    mine = []
    for source in [name for name in SOURCES if name in sources or (not sources and not SOURCES[name].is_own)]:
        try:
            locks.enter_context(source_lock(paths, source))
            mine.append(source)
        except Busy as error:
            if not SOURCES[source].optional or sources:
                raise Busy(f"another ingestion runs: {error}", error.next_step) from error
            console.note(f"left out: {error}")
    return mine


def load_own(paths: Paths) -> None:
    """Load what the platform has told of itself. Whatever keeps it from that is told, and changes nothing: the next run loads it."""
    _use_history(paths)
    try:
        with source_lock(paths, "platform"), console.progress("ingest platform") as report:
            blocked = ingest("platform", paths.lake, paths.dlt, report).blocked
        for found in blocked.values():
            console.note(
                f"platform is blocked since {found['since']}: {'; '.join(found['reasons'])}. {CLEAR}"
            )
    except Exception as error:
        console.note(f"what this run did is not in the lake yet: {first_line(error)}")


def _use_history(paths: Paths) -> None:
    os.environ["SOURCES__PLATFORM__LANDING"] = str(paths.history)


def follow_stream(paths: Paths, sources: list[str], request: LoadRequest) -> None:
    """Load the events of one stream as they come, until somebody interrupts it."""
    streams = [name for name, source in SOURCES.items() if source.broker]
    if len(sources) != 1 or sources[0] not in streams:
        raise LarderError(
            "only one source can be followed, and only a stream", f"Choose from: {', '.join(streams)}"
        )
    if request != NEWS:
        raise LarderError(
            "what is followed is what comes, and no day that was", "Leave out --follow, or the other options."
        )
    (source,) = sources
    loads = rows = 0
    try:
        for result in following(paths, source):
            loads, rows = loads + 1, rows + sum(result.rows.values())
    except KeyboardInterrupt:
        console.done(f"{source}: stopped after {rows:,} rows in {loads:,} loads")


def following(paths: Paths, source: str) -> Iterator[Loaded]:
    """Load the events of a stream as they come, for ever; yields, and tells, what each load brought."""
    use_demo_connections(paths)
    with source_lock(paths, source), console.progress(f"follow {source}") as report:
        for result in follow(source, paths.lake, paths.dlt, report):
            _tell(paths, result)
            yield result


def _one(paths: Paths, source: str, request: LoadRequest) -> Loaded:
    events.emit("source_started", source)
    with console.progress(f"ingest {source}") as report:
        result = ingest(source, paths.lake, paths.dlt, report, request)
    _tell(paths, result)
    return result


def _tell(paths: Paths, result: Loaded) -> None:
    _say(result)
    _emit(result)
    if not (result.blocked or result.refused or result.misplaced):
        freshness.record_read(paths, result.source, filled=any(result.rows.values()))


def _emit(result: Loaded) -> None:
    rows = sum(result.rows.values())
    events.emit("source_loaded", result.source, rows=rows, seconds=result.seconds)
    for refusal in [*result.refused, *result.misplaced]:
        events.emit("source_refused", result.source, reason=refusal)
    for found in result.blocked.values():
        events.emit("source_blocked", result.source, reason="; ".join(found["reasons"]))


def _say(result: Loaded) -> None:
    rows = ", ".join(f"{count:,} {table}" for table, count in result.rows.items())
    console.done(f"{result.source}: {rows or 'nothing new'} ({result.seconds:.1f} s)")
    for (table, *change), locations in result.drift.items():
        console.note(f"{result.source}.{table}: {Drift(*change)}; in {few(locations, 1)}")
    if result.quarantined:
        for entry in result.quarantined[:SHOWN]:
            console.note(quarantine.sentence(entry))
        console.note(
            f"{result.source}: {len(result.quarantined):,} in quarantine. Look: larder quarantine list"
        )
    for note in result.notes:
        console.note(f"{result.source}: {note}")
    for problem in result.misplaced:
        console.failed(f"{result.source}: {problem}", "Correct the name or remove the file, then run again.")
    for refusal in result.refused:
        console.failed(
            f"{result.source}: {refusal}: it stays as it was",
            "Ask the owner of the source. Where only its row count fell, and that is right: "
            f"larder ingest {result.source} --force",
        )
    for found in result.blocked.values():
        console.failed(
            f"{result.source} is blocked since {found['since']}: {'; '.join(found['reasons'])}", CLEAR
        )
