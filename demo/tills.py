"""The tills as a stream: every basket line is an event, published in the order of the sales.

An event is one JSON object with the columns of a till file and the store-local `business_date` that a file has by its
place; money and the UTC time are text, so that nothing is rounded. Its subject is the store group's, `tills.a` or
`tills.b`; its Nats-Msg-Id is basket-product, by which the broker drops what is published twice within its window.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
from nats.js import JetStreamContext

from demo.broker import Stream
from demo.landing import TILL_COLUMNS, TILL_ORDER
from demo.paths import Paths, write_atomically
from demo.year import Report, first_day

RECENT_DAYS = 7
"""A long jump of the clock publishes only so many of its days: a stream is for what happens now, files bring the rest."""

STEP = "till events"

REPORT_EVENTS = 500
"""How often a progress bar moves."""

PACE_SECONDS = 0.05
"""Tolerance of the chosen speed, in seconds."""

TEXTS = {
    "transaction_timestamp": "strftime(transaction_timestamp, '%Y-%m-%dT%H:%M:%SZ')",
    "business_date": "business_date::varchar",
}

Event = tuple[str, str, bytes]
"""Subject, message id, body."""


def publish_new(
    year: duckdb.DuckDBPyConnection, stream: Stream, paths: Paths, to: date, report: Report
) -> None:
    """Publish each day that has happened since the last one published, of a long jump the last days only.

    A day that an interruption cut off is published again: the broker drops what it has seen a moment ago, and who reads
    consumers must handle the rest, as with any till.
    """
    last = _published(paths)
    if last and last >= to:
        return
    due = last + timedelta(days=1) if last else first_day(year)
    recent = max(due, to - timedelta(days=RECENT_DAYS - 1))
    step = STEP if recent == due else f"{STEP}, last {RECENT_DAYS} days"
    publish(year, stream, recent, to, None, lambda _, done, total: report(step, done, total))
    write_atomically(paths.published, json.dumps({"day": to.isoformat()}) + "\n")


def publish(
    year: duckdb.DuckDBPyConnection,
    stream: Stream,
    first: date,
    last: date,
    speed: float | None,
    report: Report,
) -> int:
    """Publish all lines of a range of store-local days, at most `speed` per second; returns their number."""
    columns = ", ".join(f"{expression} as {name}" for name, expression in TILL_COLUMNS.items())
    year.execute(
        f"create or replace temp table spoken as select {columns}, business_date from sales "
        f"where business_date between '{first}' and '{last}'"
    )
    (total,) = year.execute("select count(*) from spoken").fetchone() or (0,)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)] if total else []

    async def send(context: JetStreamContext) -> None:
        pace, sent = _Pace(speed), 0
        report(STEP, sent, total)
        for day in days:
            answers = []
            for subject, message_id, body in _events(year, day):
                await pace.wait()
                answers.append(
                    await context.publish_async(subject, body, headers={"Nats-Msg-Id": message_id})
                )
                if len(answers) % REPORT_EVENTS == 0:
                    report(STEP, sent + len(answers), total)
            await context.publish_async_completed()
            sent += len([answer.result() for answer in answers])  # raises where the broker refused one
        report(STEP, sent, total)

    try:
        stream.run(send)
    finally:
        year.execute("drop table spoken")
    return int(total)


class _Pace:
    """Limits events to `speed` per second; None is as fast as possible."""

    def __init__(self, speed: float | None) -> None:
        self._speed, self._sent, self._begun = speed, 0, time.monotonic()

    async def wait(self) -> None:
        if self._speed is None:
            return
        early_by = self._sent / self._speed - (time.monotonic() - self._begun)
        if early_by > PACE_SECONDS:
            await asyncio.sleep(early_by)
        self._sent += 1


def _events(year: duckdb.DuckDBPyConnection, day: date) -> Iterator[Event]:
    values = ", ".join(
        f"{name} := {TEXTS.get(name, _text(name))}" for name in (*TILL_COLUMNS, "business_date")
    )
    rows = year.execute(
        "select if(store_id % 4 = 0, 'tills.b', 'tills.a'), concat(basket_id, '-', product_id), "
        f"to_json(struct_pack({values}))::varchar from spoken where business_date = '{day}' order by {TILL_ORDER}"
    ).fetchall()
    return ((subject, message_id, body.encode()) for subject, message_id, body in rows)


def _text(name: str) -> str:
    return f"{name}::varchar" if name == "sales_value" or name.endswith("_disc") else name


def _published(paths: Paths) -> date | None:
    try:
        return date.fromisoformat(json.loads(paths.published.read_text(encoding="utf-8"))["day"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
