"""One alert for each root cause, told once to each channel, and once more when it is over."""

import json
import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from larder.core import clock, events
from larder.core.errors import Busy, LarderError
from larder.core.settings import Paths
from larder.ops import alerts, history, problems, status, survey
from larder.project.manifest import read
from larder.warehouse import freshness
from larder.warehouse.store import Store
from tests.python.conftest import Instance


@pytest.fixture
def paths(published: Instance, tmp_path: Path) -> Paths:
    """What is published, fresh, with the demo's clock at the end of the last day that was loaded."""
    for part in ("lake", "warehouse"):  # nothing here writes there
        (tmp_path / part).symlink_to(published.data / part)
    found = Paths(tmp_path)
    found.history.mkdir()
    shutil.copy(published.data / "history" / freshness.FILE, found.history)
    newest = max(freshness.as_of(found).values())
    set_clock(found, newest[:10], days=-1)
    for source in json.loads((found.history / freshness.FILE).read_text())["sources"]:
        freshness.record_read(found, source, filled=True)
    freshness.record_run(found)
    return found


def set_clock(paths: Paths, day: str, days: int = 0) -> None:
    (paths.data / "demo").mkdir(exist_ok=True)
    later = date.fromisoformat(day) + timedelta(days=days)
    (paths.data / "demo" / "clock.json").write_text(json.dumps({"day": str(later)}))


def later(paths: Paths, days: int) -> None:
    set_clock(paths, json.loads((paths.data / "demo" / "clock.json").read_text())["day"], days)


def ran(paths: Paths, *said: tuple[str, str], error: str = "") -> None:
    """A run that says these events, with a reason each."""
    try:
        with events.run(paths.history, "run"):
            for event, subject in said:
                events.emit(event, subject, reason="Got 2 results, configured to fail if != 0")
            if error:
                raise ValueError(error)
    except ValueError:
        pass


def subjects(paths: Paths) -> list[str]:
    return [problem.key for problem in problems.found(survey.take(paths))]


def test_nothing_is_wrong_after_a_run(paths: Paths) -> None:
    ran(paths)
    assert problems.found(survey.take(paths)) == []
    assert status.collect(paths)["marts_late"] == []


def test_a_source_that_is_blocked_is_one_problem_with_its_owner_and_its_readers(paths: Paths) -> None:
    ran(paths, ("source_blocked", "pos"), ("source_blocked", "pos"), error="blocked: pos")
    (problem,) = problems.found(survey.take(paths))
    assert (problem.key, problem.owner) == ("contract pos", "platform")
    assert problem.runbook == "docs/runbooks/contract-broken.md"
    assert "fct_basket_lines" in problem.reaches
    assert not {"stg_pos__basket_lines", "ledger"} & {*problem.reaches}


def test_sources_that_fail_for_one_reason_are_one_problem(paths: Paths) -> None:
    down = ("loyalty", "pos", "promotions")
    ran(paths, *(("source_failed", source) for source in down), ("source_blocked", "campaigns"), error="no")
    assert subjects(paths) == ["contract campaigns", "source loyalty, pos, promotions"]
    later(paths, 3)
    freshness.record_run(paths)
    late = {key.split()[1] for key in subjects(paths) if key.startswith("late")}
    assert "merchandising" in late and not late & {*down}


def test_results_that_cannot_be_read_are_a_problem_and_no_error(paths: Paths) -> None:
    ran(paths)
    published = paths.warehouse.resolve()
    paths.warehouse.unlink()
    shutil.copytree(published, paths.warehouse, symlinks=True)
    store = Store(paths.warehouse)
    (store.metadata(store.require_published()) / "dbt_rt.run_results_latest.parquet").write_bytes(b"PAR1")
    (problem,) = problems.found(survey.take(paths))
    assert problem.kind == "metadata" and "cannot be read" in problem.what


def test_what_fails_below_a_model_that_failed_is_folded(paths: Paths) -> None:
    keep_project(paths)
    project = read(paths.dbt / "candidate")
    lines = "model.larder.fct_basket_lines"
    below = [node for node in project["child_map"][lines] if node.startswith("test.")]
    models = [node for node in project["child_map"][lines] if node.startswith("model.")]
    further = [node for model in models for node in project["child_map"][model] if node.startswith("test.")]
    assert below and further
    ran(paths, *(("node_failed", node) for node in {*further, *below, lines}), error="nodes failed")
    (problem,) = problems.found(survey.take(paths))
    assert problem.key == f"node {lines}"
    assert "more)" in problem.what


def test_two_causes_are_two_problems(paths: Paths) -> None:
    keep_project(paths)
    ran(
        paths,
        ("node_failed", "model.larder.dim_stores"),
        ("node_failed", "model.larder.dim_campaigns"),
        error="2 nodes failed",
    )
    assert {*subjects(paths)} == {"node model.larder.dim_stores", "node model.larder.dim_campaigns"}


def keep_project(paths: Paths) -> None:
    store = Store(paths.warehouse)
    (paths.dbt / "candidate").mkdir(parents=True, exist_ok=True)
    manifest = (store.artifacts(store.require_published()) / "manifest.json").read_text()
    (paths.dbt / "candidate" / "manifest.json").write_text(manifest)


def test_a_late_source_is_one_problem_with_its_marts(paths: Paths) -> None:
    later(paths, 3)
    freshness.record_run(paths)
    for source in ("merchandising", "loyalty", "campaigns", "promotions", "pos_stream"):
        freshness.record_read(paths, source, filled=True)
    ran(paths)
    found = {
        problem.key: problem
        for problem in problems.found(survey.take(paths))
        if problem.subject != "pos_stream"
    }
    assert [*found] == ["late pos (warning)"]
    assert "promised: 36 hours" in found["late pos (warning)"].what
    assert "pos" in {one["because"] for one in status.collect(paths)["marts_late"]}


def test_a_run_that_did_not_begin_is_the_only_problem(paths: Paths) -> None:
    ran(paths)
    later(paths, 2)
    assert subjects(paths) == ["missed run"]


def test_a_full_disk_has_its_own_runbook(paths: Paths) -> None:
    ran(paths, error="pos: the disk is full")
    (problem,) = problems.found(survey.take(paths))
    assert problem.runbook == "docs/runbooks/disk-full.md"


def test_a_run_that_was_killed_is_told_and_one_at_work_hides_nothing(paths: Paths) -> None:
    ran(paths, error="no such table")
    leave(paths, "999999999")
    (killed,) = problems.found(survey.take(paths))
    assert "killed" in killed.what
    assert status.collect(paths)["last_run"]["status"] == "killed"
    leave(paths, "1")  # its number went to a process that is not Larder's
    assert "killed" in problems.found(survey.take(paths))[0].what
    with events.run(paths.history, "run"):
        assert subjects(paths) == ["run run"]


def leave(paths: Paths, process: str) -> None:
    """The events of a run that was cut off."""
    lines = max((paths.history / "runs").glob("*.jsonl")).read_text().splitlines(keepends=True)
    file = paths.history / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{process}.jsonl"
    file.write_text(lines[0] + '{}\n[]\n5\n{"run_id": "2099')


def test_a_run_that_follows_is_judged_by_what_failed_since_it_last_published(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_project(paths)
    monkeypatch.setattr(history, "_alive", lambda _: "running")
    ran(paths, ("node_failed", "model.larder.dim_dates"), error="1 node failed")
    ran(paths, ("generation_published", "1"))
    with events.run(paths.history, "follow"):
        assert subjects(paths) == []
        events.emit("node_failed", "model.larder.dim_stores")
        assert subjects(paths) == ["node model.larder.dim_stores"]
        events.emit("generation_published", "2")
        assert subjects(paths) == []


@pytest.mark.parametrize(
    "line",
    [
        {"event": "run_finished", "subject": "run", "status": "failed", "kind": ["x"]},
        {"event": "source_failed", "subject": ["a"], "reason": {"a": 1}},
    ],
)
def test_a_file_of_events_that_is_odd_hides_nothing(paths: Paths, line: dict[str, Any]) -> None:
    ran(paths, ("source_failed", "campaigns"), error="not loaded: campaigns")
    for number in (1, 2, 3):
        file = paths.history / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{number}.jsonl"
        if number == 1:
            file.write_text(json.dumps(line) + "\n")
        elif number == 2:
            file.mkdir()
        else:
            file.symlink_to("nowhere")
    assert subjects(paths) == ["source campaigns"]
    assert status.collect(paths)["last_run"]["status"] == "failed"


@pytest.mark.parametrize(
    "server", ["smtp://mail..example.com/?from=a@b&to=b@b", "smtp://127.0.0.1:1/?from=a%0d%0aBcc:x@y&to=b"]
)
def test_a_channel_that_is_named_wrong_keeps_no_other_from_being_told_once(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    told = paths.data / "told.jsonl"
    monkeypatch.setenv("LARDER_ALERTS_FILE", str(told))
    monkeypatch.setenv("LARDER_ALERTS_SMTP", server)
    ran(paths, ("source_blocked", "pos"), error="blocked")
    alerts.check(paths)
    alerts.check(paths)
    assert len(told.read_text().splitlines()) == 1


@pytest.mark.parametrize("day", [date(2150, 1, 1), date.max])
def test_days_to_come_make_no_source_fresh(paths: Paths, monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    known = {**freshness.as_of(paths)}
    row = {"business_date": day, "loaded": 0}
    real = freshness.deliveries
    monkeypatch.setattr(freshness, "deliveries", lambda *asked: [*real(*asked), row])
    assert freshness.as_of(paths) == known
    row["loaded"] = 1
    assert set(freshness.as_of(paths).values()) == {clock.now(paths).isoformat()}


def test_what_is_no_run_hides_no_problem(paths: Paths) -> None:
    ran(paths, ("source_failed", "campaigns"), error="not loaded: campaigns")
    with pytest.raises(Busy), events.run(paths.history, "run"):
        raise Busy("another ingestion runs", "Wait.")
    with pytest.raises(KeyboardInterrupt), events.run(paths.history, "run"):
        raise KeyboardInterrupt
    (paths.history / "runs/29990101T000000000000Z-1.jsonl").write_text(
        '{"event": "run_finished", "subject": "run", "status": "success"}'
    )
    assert subjects(paths) == ["source campaigns"]


def test_a_late_source_does_not_hide_a_run_that_failed(paths: Paths) -> None:
    later(paths, 3)
    freshness.record_run(paths)
    with pytest.raises(LarderError), events.run(paths.history, "run"), events.step("export"):
        raise LarderError("the disk is full", "Free space.")
    assert "disk run" in subjects(paths) and "late pos (warning)" in subjects(paths)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"sources": []}', '{"a": {}}', '{"sources": {}, "run_at": 5}', "[" * 9999]
)
def test_state_that_cannot_be_read_is_found_again(paths: Paths, text: str) -> None:
    ran(paths, ("source_blocked", "pos"), error="blocked")
    for file in (freshness.FILE, alerts.FILE):
        (paths.history / file).write_text(text)
    assert "contract pos" in [problem.key for problem in alerts.check(paths)]
    freshness.record_run(paths)
    assert freshness.run_missed(paths, datetime.max.replace(tzinfo=UTC))


def test_a_source_that_is_gone_from_the_project_is_nobodys_problem(paths: Paths) -> None:
    freshness.record_read(paths, "gone", filled=True)
    assert "gone" not in freshness.as_of(paths)


def test_a_channel_that_refuses_keeps_the_secret_and_hears_the_rest(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ran(paths, ("source_blocked", "pos"), ("source_failed", "loyalty"), error="blocked")
    with slack(refuses="is blocked") as (address, hooks):
        monkeypatch.setenv("LARDER_ALERTS_WEBHOOK", f"{address}/SECRET")
        alerts.check(paths)
    assert len(hooks) == 1 and "loyalty" in hooks[0]["text"]
    for wrong in (f"{address}/SECRET", "hooks.example.com/SECRET", "ftp://127.0.0.1/SECRET"):
        monkeypatch.setenv("LARDER_ALERTS_WEBHOOK", wrong)
        alerts.check(paths)
    monkeypatch.setenv("LARDER_ALERTS_SMTP", "smtp://u:SEC/RET@127.0.0.1:1/?to=a@example.com")
    alerts.check(paths)
    said = capfd.readouterr().err
    assert (
        "the webhook answers 302" in said and "reach webhook" in said and "LARDER_ALERTS_SMTP is not" in said
    )
    assert "SEC" not in said.replace("LARDER_ALERTS", "")


def test_what_becomes_worse_is_told_again(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    told = paths.data / "told.jsonl"
    monkeypatch.setenv("LARDER_ALERTS_FILE", str(told))
    ran(paths)
    for days in (3, 2):
        later(paths, days)
        freshness.record_run(paths)
        alerts.check(paths)
    levels = [json.loads(line) for line in told.read_text().splitlines()]
    assert [
        one["level"] for one in levels if one["key"].startswith("late pos") and "stream" not in one["key"]
    ] == ["warning", "error"]


def test_each_problem_is_told_once_to_each_channel_and_once_when_it_is_over(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    told = paths.data / "told.jsonl"
    with slack() as (address, hooks), mail_server() as (server, mails):
        monkeypatch.setenv("LARDER_ALERTS_FILE", str(told))
        monkeypatch.setenv("LARDER_ALERTS_WEBHOOK", address)
        monkeypatch.setenv("LARDER_ALERTS_SMTP", f"{server}?from=larder@example.com&to=on-call@example.com")
        for bad in (True, True, False, True, False, False, False):  # it flaps once
            ran(paths, *([("source_blocked", "pos")] if bad else []), error="blocked" if bad else "")
            alerts.check(paths)
    states = [json.loads(line)["state"] for line in told.read_text().splitlines()]
    assert states == ["open", "resolved"]
    assert [hook["text"].splitlines()[0][:8] for hook in hooks] == ["[error] ", "[resolve"]
    assert "&gt;" not in hooks[0]["text"]
    assert [mail["Subject"].strip()[:7] for mail in mails] == ["[error]", "[resolv"]
    assert "owner platform · docs/runbooks/contract-broken.md" in mails[0].get_content()
    said = capfd.readouterr().err
    assert said.count("is blocked") == 2 and said.count("resolved: ") == 1
    assert json.loads((paths.history / alerts.FILE).read_text()) == {}


def test_a_channel_that_does_not_answer_is_told_later(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ran(paths, ("source_blocked", "pos"), error="blocked")
    monkeypatch.setenv("LARDER_ALERTS_WEBHOOK", "http://127.0.0.1:1/hook")
    alerts.check(paths)
    assert "alerts do not reach webhook" in capfd.readouterr().err
    with slack() as (address, hooks):
        monkeypatch.setenv("LARDER_ALERTS_WEBHOOK", address)
        alerts.check(paths)
        alerts.check(paths)
    assert len(hooks) == 1


def test_figures_for_a_monitor(paths: Paths) -> None:
    ran(paths, ("source_blocked", "pos"), error="blocked")
    alerts.check(paths)
    figures = (paths.history / alerts.FIGURES).read_text()
    assert 'larder_problems{level="error"} 1\n' in figures
    assert 'larder_age_hours{kind="source",name="pos",owner="platform"} 0.00' in figures
    assert 'larder_promise_hours{kind="mart",name="marts.fct_basket_lines",owner="sales"} 48' in figures


@contextmanager
def slack(refuses: str = "nothing") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver of webhooks, and what it got; what it refuses, it sends elsewhere."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_refused = refuses in message["text"]
            got.extend([] if is_refused else [message])
            self.send_response(302 if is_refused else 200)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "1")  # which never comes
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with served(HTTPServer(("127.0.0.1", 0), Hook)) as port:
        yield f"http://127.0.0.1:{port}/hook", got


@contextmanager
def mail_server() -> Iterator[tuple[str, list[EmailMessage]]]:
    """A mail server that speaks as much SMTP as a sender needs, and what it got."""
    got: list[EmailMessage] = []

    class Smtp(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                if line.upper() == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    got.append(message_from_bytes(b"".join(lines), policy=policy.default))
                self.say("221 bye" if line.upper() == "QUIT" else "250 ok")

    with served(socketserver.TCPServer(("127.0.0.1", 0), Smtp)) as port:
        yield f"smtp://127.0.0.1:{port}", got


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
