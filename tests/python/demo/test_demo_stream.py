"""The tills' events: the lines of the files, on a broker that asks for its token and loses nothing."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
import nats
import psutil
import pytest
from conftest import Instance, connections
from nats.errors import Error as NatsError

from demo import cli, processes, tills
from demo.broker import STREAM, Server, Stream
from demo.errors import DemoError
from demo.paths import Paths
from demo.retailer import Retailer
from demo.year import open_year

FIRST = date(2017, 1, 1)
LINES = 3722
"""Lines of the first day."""

TYPES = {
    **dict.fromkeys(("basket_id", "household_id", "store_id", "product_id", "quantity", "week"), "bigint"),
    **dict.fromkeys(("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"), "decimal(18, 2)"),
    "transaction_timestamp": "timestamptz",
    "business_date": "date",
}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(open_year(tmp_path_factory.mktemp("scratch"))) as connection:
        yield connection


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def stream(paths: Paths) -> Iterator[Stream]:
    """A separate broker, without the rest of the retailer."""
    server = Server(paths, "token")
    running = server.start(processes.choose_port(None))
    yield Stream(running.port, "token")
    if found := processes.find(server.service, running.pid):
        processes.stop((server.service, found.pid))


def nothing(*_: object) -> None:
    pass


def events(url: str, token: str) -> list[tuple[str, str, str]]:
    """Subject, message id and body of all events, in the broker's order."""

    async def read() -> list[tuple[str, str, str]]:
        connection = await nats.connect(url.rpartition("/")[0], token=token)
        context = connection.jetstream()
        waiting = (await context.stream_info(STREAM)).state.messages
        subscription = await context.subscribe("tills.>", ordered_consumer=True)
        found = [await subscription.next_msg() for _ in range(waiting)]
        await connection.close()
        return [(m.subject, (m.headers or {})["Nats-Msg-Id"], m.data.decode()) for m in found]

    return asyncio.run(read())


def test_events_are_the_lines_of_the_files_in_the_order_of_the_sales(
    retailer: Instance, tmp_path: Path
) -> None:
    where = connections(retailer)
    found = events(where["SOURCES__POS_STREAM__URL"], where["SOURCES__POS_STREAM__TOKEN"])
    spoken = tmp_path / "events.jsonl"
    spoken.write_text("\n".join(body for _, _, body in found))
    pos = where["SOURCES__POS__LANDING"]
    columns = ", ".join(f"{name}::{kind} as {name}" for name, kind in TYPES.items())
    with closing(duckdb.connect()) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"create table spoken as select {columns} from read_json('{spoken}')")
        connection.execute(
            f"create table filed as select {columns} from read_parquet('{pos}/*/sales_a.parquet')"
            f" union all select {columns} from read_csv('{pos}/*/sales_b.csv.gz', all_varchar = true)"
        )
        counts = connection.execute(
            "select (select count(*) from spoken),"
            " (select count(*) from filed where business_date > '2017-01-01'),"
            " (select count(*) from (from spoken except all from filed))"
        ).fetchone()
        moments = connection.execute("select transaction_timestamp from spoken").fetchall()
    assert counts == (31454, 31454, 0)  # the last 7 of the 8 days
    assert moments == sorted(moments)


def test_subjects_are_store_groups_and_ids_are_keys(retailer: Instance) -> None:
    where = connections(retailer)
    found = events(where["SOURCES__POS_STREAM__URL"], where["SOURCES__POS_STREAM__TOKEN"])
    for subject, message_id, body in found:
        line = json.loads(body)
        assert subject == ("tills.a" if line["store_id"] % 4 else "tills.b")
        assert message_id == f"{line['basket_id']}-{line['product_id']}"
    assert len({message_id for _, message_id, _ in found}) == len(found)


def test_without_the_token_there_is_nothing_to_read(stream: Stream) -> None:
    port = int(stream.address.rpartition(":")[2].partition("/")[0])
    with pytest.raises(NatsError, match=r"(?i)authorization"):
        Stream(port, "wrong").count()


def test_what_was_published_survives_a_kill_and_is_not_taken_twice(
    stream: Stream, paths: Paths, year: duckdb.DuckDBPyConnection
) -> None:
    assert tills.publish(year, stream, FIRST, FIRST, None, nothing) == LINES
    server = Server(paths, "token")
    running = processes.find(server.service, None)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    psutil.Process(running.pid).wait(10)
    server.start(running.port)
    assert stream.count() == LINES
    tills.publish(year, stream, FIRST, FIRST, None, nothing)
    assert stream.count() == LINES


def test_a_long_jump_publishes_its_last_days_and_a_step_its_day(
    stream: Stream, paths: Paths, year: duckdb.DuckDBPyConnection
) -> None:
    steps: set[str] = set()
    jump = FIRST + timedelta(days=9)
    tills.publish_new(year, stream, paths, jump, lambda step, *_: steps.add(step))
    assert steps == {"till events, last 7 days"}
    expected = (
        f"select count(*) from sales where business_date between '{jump - timedelta(days=6)}' and '{{}}'"
    )
    assert year.execute(expected.format(jump)).fetchone() == (stream.count(),)
    tills.publish_new(year, stream, paths, jump, nothing)  # the same day again publishes nothing
    step = jump + timedelta(days=1)
    tills.publish_new(year, stream, paths, step, lambda step, *_: steps.add(step))
    assert steps == {"till events, last 7 days", "till events"}
    assert year.execute(expected.format(step)).fetchone() == (stream.count(),)


def test_an_interrupted_day_is_published_again(
    stream: Stream, paths: Paths, year: duckdb.DuckDBPyConnection
) -> None:
    def interrupt(step: str, done: int, total: int) -> None:
        if done >= 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tills.publish_new(year, stream, paths, FIRST, interrupt)
    assert 0 < stream.count() < LINES
    tills.publish_new(year, stream, paths, FIRST, nothing)
    assert stream.count() == LINES


def test_a_chosen_speed_is_kept() -> None:
    pace = tills._Pace(200)

    async def wait() -> None:
        for _ in range(41):
            await pace.wait()

    begun = time.monotonic()
    asyncio.run(wait())
    assert 0.1 < time.monotonic() - begun < 2


def test_a_range_or_a_speed_that_cannot_be_is_refused(retailer: Instance) -> None:
    with pytest.raises(DemoError, match="before"):
        Retailer(Paths(retailer.data)).stream(FIRST, FIRST - timedelta(days=1), None, nothing)
    for speed in ("0", "-1", "nan", "inf", "fast"):
        with pytest.raises(DemoError, match="not a speed"):
            cli._rate(speed)
    assert (cli._rate("max"), cli._rate("0.5")) == (None, 0.5)
