"""How old the data of sources and marts are, against what is promised of them.

A source with business days is as of the end of its last day. Another one is as of when it was last read; where it brings files,
as of when it last brought one: reading an empty folder proves nothing. Promises are dbt's `freshness` of a source, and meta
`fresh_within_hours` of a mart: how long after its sources it may come. Both have defaults in dbt_project.yml.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ingestion.core.files import exclusive, write_atomically
from ingestion.lake.deliveries import deliveries
from ingestion.lake.loads import completed_loads
from ingestion.lake.visible import last_filled_load
from ingestion.sources import SOURCES
from larder.core import clock
from larder.core.settings import Paths
from larder.project.manifest import Artifact, relation
from larder.warehouse.store import Manifest

FILE = "freshness.json"
"""In the folder of the history: `sources`, when each was last read (`read_at`) and brought something (`filled_at`); `run_at`, when a
run last came to its end, well or badly. All by the clock of the data."""

HOURS = {"minute": 1 / 60, "hour": 1, "day": 24}

RUN_HOURS = 26
"""A run is expected every day; two hours for one that takes longer than yesterday's."""


@dataclass(frozen=True)
class Freshness:
    """How old something is: `hours` since `as_of` (None: never), and after how many it is late (`warn_after`) or broken (`error_after`).

    `because` names the source that makes a mart as old as it is.
    """

    name: str
    kind: str
    owner: str
    as_of: str | None
    hours: float | None
    warn_after: float
    error_after: float
    because: str = ""

    @property
    def is_late(self) -> bool:
        return self.hours is None or self.hours > self.warn_after

    @property
    def is_broken(self) -> bool:
        return self.hours is None or self.hours > self.error_after


def record_read(paths: Paths, source: str, filled: bool) -> None:
    """Note that a source was read to its end, and whether it brought something."""
    now = clock.now(paths).isoformat()
    with _changed(paths) as state:
        said = state["sources"].setdefault(source, {})
        said |= {"read_at": now, **({"filled_at": now} if filled else {})}


def record_run(paths: Paths) -> None:
    """Note that a run came to its end, well or badly: what went wrong, it says itself."""
    with _changed(paths) as state:
        state["run_at"] = clock.now(paths).isoformat()


def as_of(paths: Paths) -> dict[str, str]:
    """What the lake has of each source is as of when, in UTC, ISO 8601. A source that was never read is not among them."""
    found, now = {}, clock.now(paths)
    for source, said in _state(paths)["sources"].items():
        if source not in SOURCES:
            continue  # it is no longer in the project
        dataset = paths.lake / "raw" / source
        days = [
            row["business_date"] for row in deliveries(dataset, completed_loads(dataset)) if row["loaded"]
        ]
        if known := [day for day in days if day]:
            found[source] = min(clock.end_of(max(known)), now).isoformat()
        elif moment := said.get("filled_at" if SOURCES[source].pattern else "read_at", said.get("read_at")):
            found[source] = moment
    return found


def of_sources(project: Artifact, known: dict[str, str], now: datetime) -> list[Freshness]:
    """Each declared source, by what is `known` (`as_of`); an optional one that was never read is left out."""
    return [
        _measured(
            name, "source", node["config"]["meta"].get("owner", "platform"), known.get(name), now, *promise
        )
        for name, (node, promise) in _promises(project).items()
        if name in known or not SOURCES[name].optional
    ]


def of_marts(
    paths: Paths, project: Artifact, published: Manifest, known: dict[str, str], now: datetime
) -> list[Freshness]:
    """Each mart, as of the source that leaves it least time."""
    promises = _promises(project)
    built = {
        name: known.get(name) if _is_built(paths, published, name) else published.as_of.get(name)
        for name in promises
    }
    found = []
    for node, fingerprint in published.nodes.items():
        said = project.get("nodes", {}).get(node, {}).get("config", {}).get("meta", {})
        if "fresh_within_hours" not in said:
            continue
        ages = [
            _of_mart(project["nodes"][node], source, built[source], promises[source][1], now)
            for source in fingerprint.sources
            if built.get(source)
        ]
        found += sorted(ages, key=lambda age: age.warn_after - (age.hours or 0))[:1]
    return sorted(found, key=lambda mart: mart.name)


def _of_mart(
    node: dict[str, Any], source: str, as_of: str | None, promise: tuple[float, float], now: datetime
) -> Freshness:
    """A mart as of one of its sources."""
    meta = node["config"]["meta"]
    warn, error = (hours + meta["fresh_within_hours"] for hours in promise)
    return _measured(relation(node), "mart", meta["owner"], as_of, now, warn, error, source)


def run_missed(paths: Paths, now: datetime) -> Freshness | None:
    """The last run that came to its end, where the next one is overdue: the dead man's switch. It waits for the first run."""
    ended = _state(paths)["run_at"]
    last = _measured("run", "run", "platform", ended, now, RUN_HOURS, RUN_HOURS)
    return last if ended and last.is_late else None


def _measured(
    name: str,
    kind: str,
    owner: str,
    as_of: str | None,
    now: datetime,
    warn_after: float,
    error_after: float,
    because: str = "",
) -> Freshness:
    age = max(0.0, (now - datetime.fromisoformat(as_of)) / timedelta(hours=1)) if as_of else None
    return Freshness(name, kind, owner, as_of, age, warn_after, error_after, because)


def _is_built(paths: Paths, published: Manifest, source: str) -> bool:
    """Whether the published generation was built from all that the lake has of a source."""
    last = last_filled_load(paths.lake / "raw" / source)
    return last is None or published.loads.get(source, {}).get("position") == last[1]


def _promises(project: Artifact) -> dict[str, tuple[dict[str, Any], tuple[float, float]]]:
    """For each source that Larder loads one of its tables, and the hours of its strictest promise."""
    found: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {}
    for node in project.get("sources", {}).values():
        name, hours = node["source_name"], tuple(_hours(node["config"]["freshness"]))
        if name in SOURCES and len(hours) == 2 and (name not in found or hours < found[name][1]):
            found[name] = node, hours
    return found


def _hours(freshness: dict[str, Any] | None) -> Iterator[float]:
    for bound in ("warn_after", "error_after"):
        said = (freshness or {}).get(bound) or {}
        if said.get("count"):
            yield said["count"] * HOURS[said["period"]]


def _state(paths: Paths) -> dict[str, Any]:
    """What is on record. What cannot be read is not: the next run records it again."""
    try:
        found = json.loads((paths.history / FILE).read_text())
        sources = {
            name: {key: _moment(at) for key, at in said.items()} for name, said in found["sources"].items()
        }
        return {"sources": sources, "run_at": _moment(found["run_at"]) if found["run_at"] else None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"sources": {}, "run_at": None}


def _moment(text: str) -> str:
    """A time with its zone as it stands; ValueError for anything else."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return text


@contextmanager
def _changed(paths: Paths) -> Iterator[dict[str, Any]]:
    """What is on record, to be changed and written, by one process at a time."""
    paths.history.mkdir(parents=True, exist_ok=True)
    with exclusive(paths.history):
        state = _state(paths)
        yield state
        write_atomically(paths.history / FILE, json.dumps(state))
