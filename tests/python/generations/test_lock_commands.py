"""One writer at a time, by the commands: who comes second is told at once, and who died blocks nobody."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, Instance
from kill import needs_strace

from ingestion.sources import SOURCES
from larder.warehouse.locks import Holder, abandoned, holders, lock
from larder.warehouse.store import Store

LONG = 60
"""Seconds that a publish is held up before its one step: longer than anything that happens beside it."""

POLL = """
import sys
from pathlib import Path
from ingestion.sources import SOURCES
from larder.warehouse.locks import abandoned
print("polls", flush=True)
while True:
    abandoned(Path(sys.argv[1]))
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Instance:
    """An instance with a candidate that waits to be published."""
    made = Instance(tmp_path / "data")
    store = Store(made.data / "warehouse")
    manifest = store.begin(fresh=True)
    with duckdb.connect(str(store.address(manifest))) as connection:
        connection.execute("create table answer as select 42 as n")
    store.audited(manifest)
    return made


@contextmanager
def slow_publish(instance: Instance) -> Iterator[tuple[subprocess.Popen[bytes], Holder]]:
    """`larder publish`, held up before its one step, and the holder of its lease."""
    delay = f"inject=symlink:delay_enter={LONG * 1_000_000}"
    strace = ["strace", "-f", "-q", "-o", os.devnull, "-e", delay]
    with subprocess.Popen(
        [*strace, sys.executable, "-m", "larder", "publish"],
        cwd=PROJECT,
        env=instance.env,
        stderr=subprocess.PIPE,
    ) as process:
        held: dict[str, Holder] = {}
        while "build" not in held:
            assert process.poll() is None, process.stderr and process.stderr.read()
            held = holders(instance.data / "history/locks")
            time.sleep(0.02)
        try:
            yield process, held["build"]
        finally:
            if process.poll() is None:
                os.kill(held["build"].pid, signal.SIGKILL)
                process.kill()  # strace would wait for the end of the delay


@needs_strace
@pytest.mark.parametrize("command", [["publish"], ["build"], ["rollback"]], ids=lambda command: command[0])
def test_who_comes_second_is_told_who_is_at_work(waiting: Instance, command: list[str]) -> None:
    with slow_publish(waiting) as (first, holder):
        second = waiting.larder(*command, code=1)
        assert first.poll() is None, "the second has waited"
        message, next_step = second.stderr.splitlines()
        assert f"build is locked by process {holder.pid} on {holder.host} since {holder.since}" in message
        assert "publish" in message
        assert next_step.startswith("  next: ")
        assert json.loads(waiting.larder("status", "--json").stdout)["at_work"]["build"]["pid"] == holder.pid


@needs_strace
def test_a_killed_publish_is_named_by_the_doctor_and_completed_by_the_next(waiting: Instance) -> None:
    with slow_publish(waiting) as (_, holder):
        pass  # what ends it is kill -9
    process = waiting.start("doctor", "--json")
    found = {finding["check"]: finding for finding in json.loads(process.communicate()[0])}
    assert f"build (process {holder.pid})" in found["locks"]["found"]
    waiting.larder("publish")
    assert waiting.query("from answer") == [(42,)]
    assert abandoned(waiting.data / "history/locks") == {}


def test_to_look_at_a_lease_does_not_take_it(tmp_path: Path) -> None:
    """`larder status` beside `larder build`: whoever asks who holds a lease must not be taken for its holder."""
    dead = tmp_path / "build.lock"
    record = '{"pid": 1, "host": "h", "since": "s", "command": "c"}'
    dead.write_text(record)
    command = [sys.executable, "-c", POLL, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as poller:
        try:
            assert poller.stdout and poller.stdout.readline()
            for _ in range(300):
                with lock(tmp_path, "build"):
                    pass
                dead.write_text(record)
        finally:
            poller.kill()


def test_commands_that_move_the_pointer_start_without_dlt() -> None:
    """It takes two seconds to import: no rollback in a second, and whoever comes second waits to be told."""
    code = "import sys, larder.cli.main, larder.build.candidate, larder.build.publish, larder.warehouse.generations, ingestion.sources; sys.exit('dlt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def test_every_source_is_stated_under_the_name_of_its_module() -> None:
    assert {name: source.name for name, source in SOURCES.items()} == {name: name for name in SOURCES}
    assert {"pos", "pos_stream"} <= SOURCES.keys()
