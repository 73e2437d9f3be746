"""`larder ingest`: load what is new in the source systems into the lake."""

from ingestion import quarantine
from ingestion.checks import Drift
from ingestion.errors import IngestionError
from ingestion.pipelines import SOURCES, Loaded, ingest
from larder import console
from larder.errors import LarderError
from larder.leases import lease
from larder.settings import Paths, use_demo_connections

SHOWN = 3
"""Entries of the quarantine that are told at once; `larder quarantine list` has all."""

CLEAR = (
    "See why: larder quarantine list. Then have it delivered again, or: larder quarantine replay, or discard."
)


def run(where: Paths, sources: list[str]) -> None:
    """Load the named sources, or all. LarderError at the end names those that failed and those that are held."""
    complain(*load(where, sources))


def complain(loaded: list[Loaded], failures: list[str]) -> None:
    """Raise LarderError when a source was not loaded, or is held."""
    held = [one.source for one in loaded if one.held]
    if failures:
        raise LarderError(
            f"not loaded: {', '.join(failures)}; held: {', '.join(held) or 'none'}"
            f" ({len(loaded) - len(held)} other sources are complete)",
            "Mend what is named above, then run again: nothing is lost, nothing will be loaded twice.",
        )
    if held:
        raise LarderError(
            f"held: {', '.join(held)} ({len(loaded) - len(held)} other sources are complete)", CLEAR
        )


def load(where: Paths, sources: list[str]) -> tuple[list[Loaded], list[str]]:
    """Load the named sources, or all; one that fails does not stop the others. Returns the results, and what failed."""
    unknown = [name for name in sources if name not in SOURCES]
    if unknown:
        raise LarderError(f"unknown source: {', '.join(unknown)}", f"Choose from: {', '.join(SOURCES)}")
    use_demo_connections(where)
    (where.warehouse / "dev").mkdir(
        parents=True, exist_ok=True
    )  # plain dbt opens its own file there, and makes no folder
    loaded: list[Loaded] = []
    failures: list[str] = []
    for source in sources or list(SOURCES):
        try:
            loaded.append(_one(where, source))
        except (IngestionError, LarderError) as error:
            console.failed(str(error), error.next_step)
            failures.append(source)
    return loaded, failures


def _one(where: Paths, source: str) -> Loaded:
    with lease(where.leases, f"ingest-{source}"), console.progress(f"ingest {source}") as report:
        result = ingest(source, where.lake, where.dlt, report)
    rows = ", ".join(f"{count:,} {table}" for table, count in result.rows.items())
    console.done(f"{source}: {rows or 'nothing new'} ({result.seconds:.1f} s)")
    _say_findings(result)
    return result


def _say_findings(result: Loaded) -> None:
    for (table, *change), places in result.drift.items():
        console.note(f"{result.source}.{table}: {Drift(*change)}; in {_first(places)}")
    if result.quarantined:
        for entry in result.quarantined[:SHOWN]:
            console.note(quarantine.sentence(entry))
        console.note(
            f"{result.source}: {len(result.quarantined):,} in quarantine. Look: larder quarantine list"
        )
    for found in result.held.values():
        console.failed(
            f"{result.source} is held since {found['since']}: {'; '.join(found['reasons'])}", CLEAR
        )


def _first(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"
