"""`larder run --follow`: what a till says is published soon, by itself tested, and the next full run brings the rest up to it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.follow.__main__ import GOAL, soak
from demo import processes
from larder.core.settings import Paths
from larder.warehouse.store import KEEP, Store
from tests.python.conftest import Instance, copy_of
from tests.python.ingestion.test_stream import TOKEN, Till, line

MINUTES = float(os.environ.get("LARDER_SOAK_MINUTES", "60"))
"""How long the soak takes; a shorter one says less about disk and memory."""

PATIENCE = 600.0
"""Seconds until a test gives up: a busy machine needs some."""


@pytest.fixture
def followed(published: Instance, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    yield from following(published, instance, monkeypatch)


@pytest.fixture
def followed_year(year: Instance, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    yield from following(year, instance, monkeypatch)


def following(origin: Instance, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    """A copy of an instance whose broker runs, and no other system of it."""
    (origin.data / "site").mkdir(exist_ok=True)
    (origin.data / "shares").mkdir(exist_ok=True)
    copy_of(origin, instance.data)
    till = Till(instance.data)
    monkeypatch.setenv("SOURCES__POS_STREAM__URL", till.stream.address)
    monkeypatch.setenv("SOURCES__POS_STREAM__TOKEN", TOKEN)
    yield till
    if found := processes.find(till.server.service, None):
        processes.stop((till.server.service, found.pid))


def basket(number: int) -> dict[str, Any]:
    """A line of a day that has no other."""
    return line(
        900_000_000_000 + number, transaction_timestamp="2018-01-01T17:00:00Z", business_date="2018-01-01"
    )


def until(process: subprocess.Popen[str], is_so: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert process.poll() is None and time.monotonic() < deadline, "it did not come"
        time.sleep(0.5)


def lines(instance: Instance) -> int:
    query = (
        "select coalesce(sum(lines), 0)::bigint from marts.agg_sales_daily where business_date = '2018-01-01'"
    )
    return int(instance.query(query)[0][0])


def told(instance: Instance, process: subprocess.Popen[str], event: str, **said: str) -> int:
    """How many events of that kind the run of a process has told."""
    lines = [
        text
        for file in (instance.data / "history/runs").glob(f"*-{process.pid}.jsonl")
        for text in file.read_text().splitlines(keepends=True)
    ]
    wanted = {"event": event, **said}
    return sum(wanted.items() <= json.loads(text).items() for text in lines if text.endswith("\n"))


@pytest.mark.nightly
def test_lines_are_published_as_they_come_and_a_full_run_brings_the_rest_up_to_them(
    followed: Till, instance: Instance
) -> None:
    process = instance.start("run", "--follow")
    until(process, lambda: told(instance, process, "step_finished", subject="site") == 1)
    followed.publish(basket(1))
    until(process, lambda: lines(instance) == 1)
    ages = dict(instance.query("select relation, is_behind from observe.table_ages"))
    live = {"marts.agg_sales_daily", "marts.fct_basket_lines", "marts.dim_stores", "observe.ledger"}
    assert not any(ages[name] for name in live)
    assert ages["marts.agg_sales_weekly_store"] and ages["semantic.sem_household_months"] is False
    (at, before), (late, _) = (
        instance.query(f"select max(as_of_at), min(as_of_at) from observe.table_ages where {which}")[0]
        for which in ("not is_behind", "is_behind")
    )
    assert at == before > late

    hidden = next((instance.data / "lake/raw/pos_stream/transactions").glob("*.parquet"))
    hidden.rename(hidden.with_suffix(".away"))
    for number in (2, 3):
        followed.publish(basket(number))
        until(
            process,
            lambda number=number: told(instance, process, "step_finished", status="failed") == number - 1,
        )
    hidden.with_suffix(".away").rename(hidden)
    assert lines(instance) == 1, "what is published stays"
    followed.publish(basket(4))
    until(process, lambda: lines(instance) == 4)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in said
    assert said.count("(nothing_is_missing)") == 1, "it is told once"
    assert told(instance, process, "run_finished", status="success") == 1
    assert len(Store(Paths(instance.data).warehouse).all()) <= KEEP + 2

    instance.larder("build")
    instance.larder("publish")
    assert instance.query("select count(*) from observe.table_ages where is_behind") == [(0,)]
    grown = instance.marts()
    instance.larder("build", "--all")
    instance.larder("publish")
    assert instance.marts() == grown


@pytest.mark.nightly
def test_an_edit_is_not_published_by_the_way_and_a_waiting_candidate_is_left_alone(
    followed: Till, instance: Instance
) -> None:
    from larder.build import candidate
    from larder.core.errors import Busy, LarderError

    paths = Paths(instance.data)
    followed.publish(basket(1))
    instance.larder("ingest", "pos_stream")
    instance.larder("build")
    waiting = Store(paths.warehouse).candidate()
    with pytest.raises(Busy, match="waits to be published"):
        candidate.run(paths, everything=False, live=True)
    assert Store(paths.warehouse).candidate() == waiting
    manifest = paths.warehouse / "current/manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "project": "another"}))
    with pytest.raises(LarderError, match="not as it was published"):
        candidate.run(paths, everything=False, live=True)


@pytest.mark.nightly
def test_an_hour_of_events_is_published_in_time_and_disturbs_nobody(
    followed_year: Till, instance: Instance
) -> None:
    found = soak(instance.data, followed_year.stream, {}, MINUTES)
    assert found.code == 0, found.told
    assert len(found.latencies) == int(60 * MINUTES), "every event is published"
    assert max(found.latencies) <= GOAL
    assert found.answers == sorted(found.answers), "no reader sees less than the one before"
    assert found.patient == {0}, "who stays connected keeps a generation"
    assert found.most_kept <= KEEP + 4
    assert found.most_bytes[-1] < found.most_bytes[0] + 3 * 2**30
