"""Run one source into the lake: finish what was interrupted, then load what is new, exactly once."""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import responses
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import requests
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.runtime.collector_base import Collector
from dlt.common.storages.exceptions import StorageException
from dlt.destinations import filesystem
from dlt.pipeline.exceptions import PipelineStepFailed

from ingestion.connectors import stream
from ingestion.connectors.postgres import cause
from ingestion.core import storage
from ingestion.core.errors import IngestionError, NotConfigured, NothingThere
from ingestion.core.request import ExtractContext, LoadRequest
from ingestion.core.storage import Location
from ingestion.core.text import first_line
from ingestion.lake.compaction import MANY, compact
from ingestion.lake.deliveries import drift
from ingestion.lake.loads import recorded_loads, remove_cut_records, row_counts, sweep_dead_loads
from ingestion.lake.visible import refresh
from ingestion.privacy.forgotten import require_none
from ingestion.privacy.pseudonyms import bind
from ingestion.privacy.restricted import Restricted
from ingestion.quarantine.store import Quarantine
from ingestion.settings import use_project_settings
from ingestion.sources import SOURCES

Report = Callable[[str], None]

NEWS = LoadRequest()

REMAINS = {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}
"""What dlt meets when it goes on with a folder of which a kill left half, or two copies."""

LAKE = "lake.txt"
"""The file of a working directory that says for which lake its loads are."""


@dataclass(frozen=True)
class Loaded:
    """What one run of a source brought: rows by table (empty when there was nothing new), and what there is to say.

    `quarantined` are the entries that it quarantined, `drift` what has changed in the shape of a location, and `blocked` the
    loads that nobody sees yet, of this run or an earlier one, with their reasons. `refused` says what the source did not
    have any more and was not accepted, `misplaced` which files lie where they cannot be, `notes` what else there is to know.
    """

    source: str
    seconds: float
    rows: dict[str, int] = field(default_factory=dict)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    drift: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)
    blocked: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def ingest(
    source: str,
    lake: Location,
    work: Path,
    report: Report,
    request: LoadRequest = NEWS,
    extract: Callable[[ExtractContext], Any] | None = None,
) -> Loaded:
    """Load what is asked for of `source` into `<lake>/raw/<source>`; `work` is dlt's working directory.

    `extract` gives a dlt source of the same name to load instead, as a replay does.

    The caller holds the source's lock. The state lives with the data: the working directory only matters to a load
    that is under way, and losing it loses nothing. Raises IngestionError for whatever an operator can fix.
    """
    context = ExtractContext(source=source, lake=lake, work=work, **vars(request))
    with _plain_errors(source), context.closing:
        started, before = time.monotonic(), recorded_loads(context.dataset)
        pipeline = _prepare(context, report)
        for part in [extract(context)] if extract else _parts(context, report):
            pipeline.run(part, loader_file_format="parquet")
        return _finish(context, before, started)


def follow(source: str, lake: Location, work: Path, report: Report) -> Iterator[Loaded]:
    """Load the events of a stream as they come, for ever; yields what each micro-batch brought. Otherwise as `ingest`."""
    context = ExtractContext(source=source, lake=lake, work=work)
    with _plain_errors(source):
        pipeline = _prepare(context, report)
        for part in _parts(context, report, forever=True):
            started, before = time.monotonic(), recorded_loads(context.dataset)
            pipeline.run(part, loader_file_format="parquet")
            for done in (work / source / "load/loaded").glob("*"):  # dlt keeps its papers of each
                shutil.rmtree(done)
            yield _finish(context, before, started)


def _parts(context: ExtractContext, report: Report, forever: bool = False) -> Iterator[Any]:
    """What dlt is to load, one load after the other: to ask for the next one says that one is complete."""
    source = SOURCES[context.source]
    if source.broker is None:
        yield source.extract(context)
        return
    offsets = stream.last_offsets(context.dataset)
    with closing(source.broker()) as connected:
        found = (
            stream.again(connected, offsets, context)
            if context.is_reload
            else stream.batches(connected, offsets, forever, report)
        )
        yield from (source.extract(context, events) for events in found)


def _prepare(context: ExtractContext, report: Report) -> dlt.Pipeline:
    """A pipeline that begins with what the lake holds, after what was interrupted has been finished or given up."""
    use_project_settings()
    require_none(context.lake)
    _require_time(context)
    bind(context.lake, context.source)
    quarantine, restricted = (
        Quarantine(context.lake, context.source),
        Restricted(context.lake, context.source),
    )
    pipeline = _pipeline(context.source, context.lake, context.work, report)
    remove_cut_records(context.dataset)
    if _is_ours(context):
        _finish_interrupted(pipeline)
    sweep_dead_loads(context.dataset)
    quarantine.sweep()
    restricted.sweep()
    quarantine.review()
    restricted.settle()
    refresh(context.dataset)
    pipeline = pipeline.drop()
    (context.work / context.source / LAKE).write_text(str(context.lake))
    return pipeline


def _finish(context: ExtractContext, before: set[str], started: float) -> Loaded:
    """Look after what was loaded since `before`, and say what it was."""
    source, dataset, quarantine = context.source, context.dataset, Quarantine(context.lake, context.source)
    quarantine.review()
    Restricted(context.lake, source).settle()
    compact(dataset, least=MANY)
    refresh(dataset)
    loads = recorded_loads(dataset) - before
    if context.is_range and not loads and not context.refusals:
        raise NothingThere(
            f"{source} has nothing of {context.days}", "Choose other days: nothing was loaded."
        )
    return Loaded(
        source,
        time.monotonic() - started,
        rows=row_counts(dataset, loads),
        quarantined=[entry for entry in quarantine.entries() if entry["load_id"] in loads],
        drift=drift(dataset, loads),
        blocked=quarantine.blocked(),
        refused=context.refusals,
        misplaced=list(dict.fromkeys(context.misplaced)),
        notes=context.notes,
    )


def _pipeline(source: str, lake: Location, work: Path, report: Report) -> dlt.Pipeline:
    return dlt.pipeline(
        pipeline_name=source,
        pipelines_dir=str(work),
        destination=filesystem(**storage.destination(lake / "raw")),
        dataset_name=source,
        progress=_Progress(report),
    )


def _require_time(context: ExtractContext) -> None:
    """Raise IngestionError where the last load, maybe of another machine, is yet to come by the clock of this one: of two loads the
    later one counts, so that what is loaded now would count as replaced.
    """
    last, now = max(map(float, recorded_loads(context.dataset)), default=0.0), time.time()
    if last > now:
        moments = [datetime.fromtimestamp(moment, UTC).isoformat(" ", "seconds") for moment in (last, now)]
        raise IngestionError(
            f"{context.source}: the last load is of {moments[0]}, and the clock of this machine says {moments[1]}",
            "Set right the clock that is wrong, then run again: of two loads the later one counts. Where the load has the wrong time, "
            "wait until then, or load all into another LARDER_LAKE.",
        )


def _is_ours(context: ExtractContext) -> bool:
    """Whether what waits in the working directory still lacks in the lake: it was made for this one, and no other machine can have
    loaded the same since, as it can into a bucket.
    """
    of = context.work / context.source / LAKE
    return not storage.is_bucket(context.lake) and of.exists() and of.read_text() == str(context.lake)


def _finish_interrupted(pipeline: dlt.Pipeline) -> None:
    """Complete a load that waits in the working directory.

    Where a kill left only half of its files there, it is given up: the caller sweeps the lake and loads it again.
    """
    try:
        if pipeline.has_pending_data:
            pipeline.normalize()
            pipeline.load(raise_on_failed_jobs=True)
    except (PipelineStepFailed, OSError) as error:
        if not any(map(_is_of_remains, _chain(error))):
            raise


def _is_of_remains(error: BaseException) -> bool:
    return isinstance(error, StorageException) or (isinstance(error, OSError) and error.errno in REMAINS)


class _Progress(Collector):
    """Passes dlt's counters on as one line: the step, and the rows read so far."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._rows: dict[str, int] = {}

    def update(self, name: str, inc: int = 1, *_: Any, label: str | None = None, **__: Any) -> None:
        if self.step.startswith("Extract") and name not in ("Resources", "Files") and label is None:
            self._rows[name] = self._rows.get(name, 0) + inc
            read = ", ".join(f"{rows:,} {table}" for table, rows in self._rows.items() if rows)
            self._report(f"{read} read")

    def _start(self, step: str) -> None:
        self._report(step.split()[0].lower())

    def _stop(self) -> None:
        pass


@contextmanager
def _plain_errors(source: str) -> Iterator[None]:
    """Turn what dlt and the drivers raise into one IngestionError; anything unknown stays as it is."""
    try:
        yield
    except Exception as error:
        if any(isinstance(cause, KeyboardInterrupt) for cause in _chain(error)):
            raise KeyboardInterrupt from error  # dlt wraps it as a failed step
        for cause in _chain(error):
            plain = _explain(source, cause)
            if plain:
                raise plain from error
        raise


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _explain(source: str, error: BaseException) -> IngestionError | None:
    name = f"SOURCES__{source.upper()}"
    if isinstance(error, IngestionError):
        return error
    if isinstance(error, ConfigFieldMissingException):
        wanted = ", ".join(f"{name}__{key.upper()}" for key in error.fields)
        return NotConfigured(
            f"{source}: no connection is configured ({wanted} is missing)",
            "Set it in the environment or in .dlt/secrets.toml, or start the demo retailer: larder demo start",
        )
    if isinstance(error, TomlProviderReadException):
        return IngestionError(f"{source}: {' '.join(str(error).split())}", "Correct it, then run again.")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return IngestionError(
            f"{source}: the disk is full", "Free space (larder doctor shows how much), then run again."
        )
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _explain_http(source, name, error.response)
    if isinstance(error, requests.exceptions.ProxyError):
        return IngestionError(
            f"{source}: the proxy that HTTP_PROXY or HTTPS_PROXY names does not let through ({first_line(error)})",
            f"Check these, or except the host of {name}__BASE_URL from them by NO_PROXY, then run again.",
        )
    if isinstance(error, requests.RequestException):
        return IngestionError(
            f"{source}: the API does not answer ({first_line(error)})",
            f"Check that the service runs and that {name}__BASE_URL is its address, then run again.",
        )
    if isinstance(error, psycopg2.Error):
        what, next_step = cause(error)
        return IngestionError(f"{source}: {what} ({first_line(error)})", next_step.format(name=name))
    return None


def _explain_http(source: str, name: str, response: requests.Response) -> IngestionError:
    status = response.status_code
    location = f"{source}: {response.url.partition('?')[0]} answered {status}"
    phrase = responses.get(status, "")  # the server's own words may say anything
    if status in (401, 403):
        return IngestionError(
            f"{location}: the token was refused", f"Set a valid {name}__TOKEN, then run again."
        )
    if status == 429 or status >= 500:
        return IngestionError(
            f"{location} {phrase}, also after retries",
            "Tell the owner of the service; the next run continues where this one stopped.",
        )
    return IngestionError(
        f"{location} {phrase}", f"Check that {name}__BASE_URL is the API's address, then run again."
    )
