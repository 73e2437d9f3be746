"""`larder run --follow`: a small generation of the live marts for what the stream has brought, as soon as the last one is published."""

import time
from collections.abc import Callable

from ingestion.sources import SOURCES
from larder.build import candidate, publish
from larder.core import console, events
from larder.core.errors import Busy, LarderError
from larder.core.settings import Paths
from larder.lake import compact, ingest
from larder.warehouse import freshness
from larder.warehouse.store import Manifest

STREAM = next(name for name, source in SOURCES.items() if source.broker)
COMMAND = "follow"
"""What its run is called."""
PAUSE_SECONDS = 1.0
"""How long to wait for whoever else builds or publishes."""


def follow(paths: Paths) -> None:
    """Load what the stream brings and publish it, until somebody interrupts it. What fails is told once, and the next lines are tried."""
    published, told = 0, ""
    try:
        for _ in ingest.following(paths, STREAM):
            try:
                with events.step("live"):
                    published += _publish(paths)
                told = ""
            except LarderError as error:
                if str(error) != told:
                    console.failed(str(error), error.next_step)
                told = str(error)
    except KeyboardInterrupt:
        console.done(f"{STREAM}: stopped after {published:,} live generations")


def _publish(paths: Paths) -> bool:
    """Publish a live generation, if any live mart has changed."""
    with events.without_nodes():
        built = _patiently(lambda: candidate.run(paths, everything=False, live=True))
        if built:
            _patiently(lambda: publish.run(paths, live=True))
            freshness.record_run(paths)
    compact.tidy(paths, held=STREAM)
    return bool(built)


def _patiently(work: Callable[[], Manifest | None]) -> Manifest | None:
    """Do something as soon as nobody else is at it."""
    told = ""
    while True:
        try:
            return work()
        except Busy as error:
            if not told:
                told = str(error)
                console.note(f"live marts wait: {error}")
            time.sleep(PAUSE_SECONDS)
