"""`larder ingest`: load what is new in the source systems into the lake."""

from ingestion.errors import IngestionError
from ingestion.pipelines import SOURCES, Loaded, ingest
from larder import console
from larder.errors import LarderError
from larder.leases import lease
from larder.settings import Paths, use_demo_connections


def run(where: Paths, sources: list[str]) -> list[Loaded]:
    """Load the named sources, or all. One that fails does not stop the others; LarderError at the end names them."""
    unknown = [name for name in sources if name not in SOURCES]
    if unknown:
        raise LarderError(f"unknown source: {', '.join(unknown)}", f"Choose from: {', '.join(SOURCES)}")
    use_demo_connections(where)
    (where.warehouse / "dev").mkdir(
        parents=True, exist_ok=True
    )  # plain dbt opens its own file there, and makes no folder
    loaded, failures = [], []
    for source in sources or list(SOURCES):
        try:
            loaded.append(_one(where, source))
        except (IngestionError, LarderError) as error:
            console.failed(str(error), error.next_step)
            failures.append(source)
    if failures:
        raise LarderError(
            f"not loaded: {', '.join(failures)} ({len(loaded)} other sources are complete)",
            "Mend what is named above, then run again: nothing is lost, nothing will be loaded twice.",
        )
    return loaded


def _one(where: Paths, source: str) -> Loaded:
    with lease(where.leases, f"ingest-{source}"), console.progress(f"ingest {source}") as report:
        result = ingest(source, where.lake, where.dlt, report)
    rows = ", ".join(f"{count:,} {table}" for table, count in result.rows.items())
    console.done(f"{source}: {rows or 'nothing new'} ({result.seconds:.1f} s)")
    return result
