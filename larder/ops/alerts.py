"""Tell what is wrong once, and once that it is over; keep figures for a monitor.

What was told is kept in `data/history/alerts.json`. A problem counts as over when two checks in a row do not find it: what comes and
goes is one alert. A channel that cannot be reached is tried again by the next check.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.core.files import write_atomically
from ingestion.core.redaction import redacted
from larder.core import console
from larder.core.settings import Paths
from larder.ops import channels, problems, survey
from larder.ops.channels import Message
from larder.ops.problems import Problem
from larder.ops.survey import Survey
from larder.warehouse.locks import lock

FILE, FIGURES = "alerts.json", "larder.prom"
OPEN, RESOLVED = "open", "resolved"
CALM, GIVEN_UP = 2, 200
"""Checks in a row that must not find a problem before it counts as over, and before a channel that is not there is given up."""

State = dict[str, dict[str, Any]]


def check(paths: Paths) -> list[Problem]:
    """Look for problems, tell what is new and what is over to each channel, write the figures. Returns the problems.

    Where nothing can be written, as on a full disk, all is told each time: better twice than never.
    """
    known, receivers = survey.take(paths), channels.configured()
    found = problems.found(known)
    try:
        with lock(paths.locks, "alerts"):
            state = _updated(_read(paths.history / FILE), found)
            for name, send in receivers.items():
                _tell(name, send, state)
            kept = {key: one for key, one in state.items() if _is_needed(one)}
            write_atomically(paths.history / FILE, json.dumps(kept, indent=1))
            write_atomically(paths.history / FIGURES, _figures(known, found))
    except OSError as error:
        console.note(f"what was told cannot be recorded: {error.strerror}")
        for name, send in receivers.items():
            _tell(name, send, _updated({}, found))
    return found


def _is_needed(one: dict[str, Any]) -> bool:
    """Whether somebody has yet to hear of a problem, or that it is over; a channel that is gone for good is given up."""
    return one["calm"] < CALM or (OPEN in one["told"].values() and one["calm"] < GIVEN_UP)


@contextmanager
def checked(paths: Paths) -> Iterator[None]:
    """Check after the block, whether it succeeds or fails. A check that fails itself is told, and changes nothing."""
    try:
        yield
    finally:
        try:
            check(paths)
        except Exception as error:
            console.note(f"alerts were not checked: {redacted(repr(error))}")


def _read(file: Path) -> State:
    """What was told. What cannot be read is told again."""
    try:
        return {
            str(key): {
                "since": str(one["since"]),
                "level": str(one["level"]),
                "text": str(one["text"]),
                "calm": int(one["calm"]),
                "told": dict(one["told"]),
            }
            for key, one in json.loads(file.read_text()).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _updated(state: State, found: list[Problem]) -> State:
    """The problems of before and of now. `calm` counts the checks that did not find one, `told` is what each channel knows."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = {key: {**one, "calm": one["calm"] + 1} for key, one in state.items()}
    for problem in found:
        before = kept.get(problem.key, {"since": now, "told": {}})
        level = "warning" if problem.is_warning else "error"
        kept[problem.key] = {**before, "level": level, "text": redacted(problem.text), "calm": 0}
    return kept


def _tell(name: str, send: channels.Channel, state: State) -> None:
    """Tell a channel what it does not know; what is over only where it heard of it."""
    for key, one in state.items():
        wanted, known = RESOLVED if one["calm"] >= CALM else OPEN, one["told"].get(name)
        if wanted == known or (wanted == RESOLVED and known is None):
            continue
        try:
            send(Message(wanted, one["level"], key, one["since"], one["text"]))
        except channels.Refused as error:
            console.note(f"an alert does not reach {name}: {error}")
        except Exception as error:  # its text may have the address, which is a secret
            console.note(f"alerts do not reach {name}: {type(error).__name__}")
            return
        else:
            one["told"][name] = wanted


def _figures(known: Survey, found: list[Problem]) -> str:
    """The text file that Prometheus' node exporter reads."""
    lines = [
        "# TYPE larder_age_hours gauge",
        "# TYPE larder_promise_hours gauge",
        "# TYPE larder_problems gauge",
    ]
    for one in [*known.sources, *known.marts]:
        labels = f"{{kind={_quoted(one.kind)},name={_quoted(one.name)},owner={_quoted(one.owner)}}}"
        lines += [f"larder_age_hours{labels} {one.hours:.2f}"] if one.hours is not None else []
        lines.append(f"larder_promise_hours{labels} {one.warn_after:g}")
    for level, count in (
        ("error", sum(not problem.is_warning for problem in found)),
        ("warning", sum(problem.is_warning for problem in found)),
    ):
        lines.append(f'larder_problems{{level="{level}"}} {count}')
    return "\n".join(lines) + "\n"


def _quoted(label: str) -> str:
    """A label's value as Prometheus reads it."""
    escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
