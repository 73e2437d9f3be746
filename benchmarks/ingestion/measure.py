"""Seconds and memory of work in a separate process, and two kinds of work compared in interleaved pairs."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

Work = Callable[[], "Run"]

_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Run:
    """One run: wall seconds, and the peak memory of its process, in MiB."""

    seconds: float
    peak_mib: int


@dataclass(frozen=True)
class Comparison:
    """The runs of two kinds of work on the same rows, side by side.

    `goal` is the largest ratio that is wanted, `limit` what is known to prevent it.
    """

    name: str
    baseline: str
    goal: float | None
    limit: str
    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Our seconds for each of theirs, pair by pair, smallest first."""
        return sorted(a.seconds / b.seconds for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        return None if self.goal is None else self.ratio <= self.goal


def compare(comparison: Comparison, ours: Work, theirs: Work, runs: int) -> Comparison:
    """Run both kinds of work by turns, each first as often as the other."""
    for number in range(runs):
        for work in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            (comparison.ours if work is ours else comparison.theirs).append(work())
    return comparison


def call(work: Callable[..., Any], *arguments: Any) -> Run:
    """Run a function in a fresh process. What it imports is imported before the clock starts."""
    here, there = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_child, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        run: Run = here.recv()
    except EOFError:
        raise SystemExit(f"{work.__name__} failed, see above") from None
    process.join()
    return run


def _child(pipe: Connection, work: Callable[..., Any], arguments: Sequence[Any]) -> None:
    started = time.perf_counter()
    work(*arguments)
    seconds = time.perf_counter() - started
    pipe.send(Run(seconds, _peak_mib()))


def _peak_mib() -> int:
    """The most memory of this process. `getrusage` never reports less for a child than its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


WRAPPER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
with open(sys.argv[1], "w") as file:
    json.dump([code, time.perf_counter() - started, peak], file)
"""
"""Runs a command from a small process: a child's memory begins as that of its parent."""


def command(words: Sequence[str], folder: Path, **env: str) -> Run:
    """Run a command, its start included, and take the memory of the largest of its processes."""
    answer = folder / "answer.json"
    with (folder / "log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-S", "-c", WRAPPER, answer, *words],
            cwd=folder,
            env={**os.environ, **env},
            stdout=log,
            stderr=log,
            check=True,
        )
    code, seconds, peak = json.loads(answer.read_text())
    if code:
        raise SystemExit(f"{words[0]} ended with {code}:\n{(folder / 'log').read_text()[-2000:]}")
    return Run(seconds, peak)
