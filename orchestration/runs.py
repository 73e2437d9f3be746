"""One run of Larder as one process, and its events told to Dagster."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import dagster as dg

from orchestration.graph import DELIVERED, GENERATION, Graph
from orchestration.project import BIN, DATA, PROJECT

Event = Mapping[str, Any]
Told: TypeAlias = dg.MaterializeResult | dg.AssetCheckResult

RETRY = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For a run that may succeed when it is tried again: Run.failure decides."""

FOR_A_PERSON = {"NotConfigured"}
"""Kinds of errors of a source that do not go away by themselves."""

SHOWN = ("rows", "seconds", "failures", "bytes", "reason", "run_id")
LAST_STEP = "site"
STOP_SECONDS = 60
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")} | {
    "LARDER_DATA": str(DATA)
}
"""Of the process: without the address of Dagster's database."""


class Run:
    """What one process has said so far, and what of it Dagster is told.

    A table is made when the generation that holds it is published, not when it is built: until then readers have the old one.
    """

    def __init__(self, context: dg.AssetExecutionContext, graph: Graph) -> None:
        self._context, self._graph = context, graph
        self._loaded: dict[str, Event] = {}
        self._problems: dict[str, Event] = {}
        self._built: dict[str, Event] = {}
        self._ends: dict[str, Event] = {}
        self._left = {spec.key for spec in graph.specs}
        known = context.instance.get_asset_records(sorted(self._left))
        self._new = self._left - {
            one.asset_entry.asset_key for one in known if one.asset_entry.last_materialization
        }

    def follow(self, *options: str) -> Iterator[Told]:
        """Run Larder to its end. Raises dagster.Failure when it fails, after telling what did not."""
        with _process(*options) as process:
            for line in process.stdout or ():
                yield from self._on(json.loads(line))
        is_through = self._ends.get(LAST_STEP, {}).get("status") == "success"
        for key in sorted(self._left):
            if is_through:
                self._skip(key, "nothing has changed")
            else:
                self._missed(key, "the run did not get there")
        if process.returncode:
            raise self._failure(process.returncode)

    def _on(self, event: Event) -> Iterator[Told]:
        subject = event["subject"]
        match event["event"]:
            case "source_loaded":
                self._loaded[subject] = event
            case "source_failed" | "source_refused" | "source_blocked" | "source_left_out":
                self._problems[subject] = event
            case "node_reused" if subject in self._graph.nodes:
                self._skip(self._graph.nodes[subject], event.get("reason", "reused"))
            case "node_built":
                self._built[subject] = event
            case "node_passed" | "node_warned" | "node_failed":
                yield from self._judged(subject, event)
            case "generation_published":
                for node, built in self._built.items():  # what others are made of comes first
                    yield from self._made(self._graph.nodes.get(node), built, generation=subject)
                yield from self._made(GENERATION, event, generation=subject)
            case "step_finished" | "run_finished":
                self._ends[subject] = event
                yield from self._ended(subject, event)

    def _ended(self, step: str, event: Event) -> Iterator[Told]:
        if step == "ingest":
            yield from self._delivered()
        if event["status"] == "success" and (step != "publish" or GENERATION not in self._left):
            for key in self._graph.steps.get(step, ()):
                yield from self._made(key, event)

    def _delivered(self) -> Iterator[Told]:
        """How it went with each source: at once, as one that was loaded may be refused in part."""
        for source, keys in self._graph.sources.items():
            problem, loaded = self._problems.get(source), self._loaded.get(source, {})
            for key in keys if problem or loaded else ():
                if loaded.get("rows"):
                    yield from self._made(key, loaded)
                elif problem:
                    self._missed(key, problem["reason"])
                else:
                    self._skip(key, "the source has nothing new")
                if problem is None or problem["event"] != "source_left_out":
                    yield from self._checked(
                        dg.AssetCheckKey(key, DELIVERED), problem or loaded, problem is None
                    )

    def _judged(self, node: str, event: Event) -> Iterator[Told]:
        if event["event"] == "node_failed":
            self._context.log.error(f"{node}: {event.get('reason', 'failed')}")
        if check := self._graph.tests.get(node):
            yield from self._checked(check.key, event, event["event"] == "node_passed")

    def _made(self, key: dg.AssetKey | None, event: Event, **said: str) -> Iterator[Told]:
        if key in self._left:
            self._left.discard(key)
            shown = {**_shown(event), **said}
            if key in self._context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata=shown)
            else:  # a run makes all, whatever was chosen
                self._context.log_event(dg.AssetMaterialization(key, metadata=shown))

    def _checked(self, check: dg.AssetCheckKey, event: Event, passed: bool) -> Iterator[Told]:
        severity = (
            dg.AssetCheckSeverity.WARN if event.get("event") == "node_warned" else dg.AssetCheckSeverity.ERROR
        )
        said = {"asset_key": check.asset_key, "check_name": check.name, "metadata": _shown(event)}
        if check in self._context.selected_asset_check_keys:
            yield dg.AssetCheckResult(passed=passed, severity=severity, **said)
        else:
            self._context.log_event(dg.AssetCheckEvaluation(passed=passed, severity=severity, **said))

    def _skip(self, key: dg.AssetKey, reason: str) -> None:
        """It stays as it is. Of what was published before Dagster came, that is the first that it hears."""
        self._left.discard(key)
        said = dg.AssetMaterialization if key in self._new else dg.AssetObservation
        self._context.log_event(said(key, description=f"skipped: {reason}"))

    def _missed(self, key: dg.AssetKey, reason: str) -> None:
        self._left.discard(key)
        self._context.log_event(dg.AssetObservation(key, description=f"not made: {reason}"))

    def _failure(self, code: int) -> dg.Failure:
        """What went wrong. It is tried again where a process was killed or is at work, or where a source was away and all else went on."""
        killed = {"status": "killed", "reason": f"larder run ended without a word (exit code {code})"}
        end = self._ends.get("run", killed)
        steps_failed = any(one["status"] != "success" for name, one in self._ends.items() if name != "run")
        away = {one.get("kind") for one in self._problems.values() if one["event"] == "source_failed"}
        may_succeed = end is killed or end.get("kind") == "Busy" or (not steps_failed and away - FOR_A_PERSON)
        return dg.Failure(
            end.get("reason", end["status"]), metadata=_shown(end), allow_retries=bool(may_succeed)
        )


def _shown(event: Event) -> dict[str, Any]:
    return {name: event[name] for name in SHOWN if name in event}


@contextmanager
def _process(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """`larder run`, with its events on standard output. It goes when this process goes, so that nobody runs without a listener."""
    bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    command = [*bound, str(BIN / "larder"), "run", "--events", "-", *options]
    with subprocess.Popen(
        command, cwd=PROJECT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        except BaseException:
            process.terminate()
            process.wait(STOP_SECONDS)
            raise
