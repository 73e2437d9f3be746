"""The stream of events: every run leaves one, whatever becomes of it, and nobody's values are in it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from larder.core import events
from tests.python.conftest import Instance


def kept(data: Path) -> list[dict[str, Any]]:
    (file,) = (data / "runs").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_run_is_told_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    heard = io.BytesIO()
    with events.run(tmp_path, "run", heard), events.step("ingest"):
        events.emit("source_loaded", "pos", rows=3, seconds=0.12345, reason="")
    lines = kept(tmp_path)
    assert [line["event"] for line in lines] == [
        "run_started",
        "step_started",
        "source_loaded",
        "step_finished",
        "run_finished",
    ]
    assert [line["sequence"] for line in lines] == [1, 2, 3, 4, 5]
    assert len({line["run_id"] for line in lines}) == 1
    assert {**lines[2], "run_id": "", "at": ""} == {
        "run_id": "",
        "sequence": 3,
        "at": "",
        "event": "source_loaded",
        "subject": "pos",
        "rows": 3,
        "seconds": 0.123,
    }
    assert [json.loads(line) for line in heard.getvalue().splitlines()] == lines


def test_a_run_that_follows_leaves_nodes_out_unless_one_fails(tmp_path: Path) -> None:
    with events.run(tmp_path, "run"):
        with events.without_nodes():
            for name in ("node_started", "node_built", "node_failed", "generation_published"):
                events.emit(name, "model.larder.x")
        events.emit("node_built", "model.larder.y")
    assert [line["event"] for line in kept(tmp_path)][1:-1] == [
        "node_failed",
        "generation_published",
        "node_built",
    ]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("no such table"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_run_that_ends_badly_says_how(tmp_path: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), events.run(tmp_path, "run"), events.step("build"):
        raise error
    assert [line.get("status") for line in kept(tmp_path)][-2:] == [status, status]


def test_a_query_that_is_interrupted_is_an_interruption(tmp_path: Path) -> None:
    """DuckDB raises another error then."""
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(RuntimeError, match="Query interrupted"), events.run(tmp_path, "run"):
        duckdb.sql("select count(*) from range(1000000000) as a, range(1000000000) as b").fetchall()
    assert [event.get("status") for event in kept(tmp_path)] == [None, "interrupted"]


def test_a_reason_shows_no_value_of_a_person(tmp_path: Path) -> None:
    with events.run(tmp_path, "run"):
        events.emit("source_failed", "loyalty", reason="jane.doe@example.com is there twice")
    assert "jane.doe" not in json.dumps(kept(tmp_path))


def test_a_sink_that_fails_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with events.target("/dev/full") as full, events.run(tmp_path, "run", full):
        events.emit("source_loaded", "pos", rows=1)
    assert [line["event"] for line in kept(tmp_path)] == ["run_started", "source_loaded", "run_finished"]
    assert capfd.readouterr().err.count("no more events go to") == 1


def test_a_reader_that_goes_away_changes_nothing(instance: Instance) -> None:
    command = f"{sys.executable} -m larder run --events - | head -n 1"
    ended = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        env=instance.env,
        capture_output=True,
        text=True,
    )
    first, code = ended.stdout.splitlines()
    assert (json.loads(first)["event"], code) == ("run_started", "1"), ended.stderr
    assert kept(instance.data / "history")[-1]["event"] == "run_finished"
    assert ended.stderr.count("no more events go to") == 1
    assert "Traceback" not in ended.stderr


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_loaded(instance: Instance) -> None:
    ended = instance.larder("run", "--events", str(instance.data / "nowhere/events.jsonl"), code=1)
    assert "the events cannot be written to" in ended.stderr
    assert not (instance.data / "lake").exists()


def test_nobody_hears_what_is_told_outside_of_a_run(tmp_path: Path) -> None:
    events.emit("source_loaded", "pos", rows=1)
    assert not [*tmp_path.iterdir()]


def test_an_event_has_no_other_keys(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="household"), events.run(tmp_path, "run"):
        events.emit("source_loaded", "pos", household=1)


def test_sources_that_do_not_answer_are_told(instance: Instance, tmp_path: Path) -> None:
    ended = instance.larder("run", "--events", "-", code=1)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ("source_failed", "merchandising") in {(one["event"], one["subject"]) for one in told}
    assert (told[-1]["event"], told[-1]["status"]) == ("run_finished", "failed")
    assert told == kept(instance.data / "history")


def test_two_runs_that_tell_one_file_lose_no_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with events.target(str(file)) as first, events.run(tmp_path, "run", first):
        events.emit("source_started", "pos")
        with events.target(str(file)) as second:
            assert second
            second.write(b'{"run_id": "another"}\n')
    assert [json.loads(line).get("event") for line in file.read_text().splitlines()] == [
        "run_started",
        "source_started",
        None,
        "run_finished",
    ]
