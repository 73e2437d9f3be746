"""Events into the lake, exactly once: whatever dies, is cut off, comes twice or comes broken. On a real broker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from conftest import PROJECT
from nats.js import JetStreamContext

from demo import processes
from demo.broker import STREAM, SUBJECTS, Server, Stream
from demo.paths import Paths
from ingestion.connectors import stream as core
from ingestion.connectors.brokers import Event, connect
from ingestion.connectors.brokers.jetstream import JetStream
from ingestion.contracts.contract import contract
from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.lake.deliveries import deliveries
from ingestion.lake.loads import recorded_loads, table_files
from ingestion.pipelines import follow, ingest
from ingestion.quarantine.store import Quarantine
from ingestion.validation.records import as_object

TOKEN = "a-secret-token"


def line(basket: int, **changes: Any) -> dict[str, Any]:
    return {
        "basket_id": basket,
        "household_id": 1,
        "store_id": 2,
        "product_id": 3,
        "quantity": 1,
        "sales_value": "1.99",
        "retail_disc": "0.00",
        "coupon_disc": "0.00",
        "coupon_match_disc": "0.00",
        "week": 1,
        "transaction_timestamp": "2017-01-01T17:00:00Z",
        "business_date": "2017-01-01",
        **changes,
    }


class Till:
    """A broker of its own, and what a till does to it."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(Paths(folder), TOKEN)
        self.start(processes.choose_port(None))

    def start(self, port: int) -> None:
        self.running = self.server.start(port)
        self.stream = Stream(self.running.port, TOKEN)

    def kill(self) -> None:
        os.kill(self.running.pid, signal.SIGKILL)
        psutil.Process(self.running.pid).wait(10)

    def publish(self, *payloads: bytes | dict[str, Any]) -> None:
        async def send(context: JetStreamContext) -> None:
            for payload in payloads:
                body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                await context.publish("tills.a", body)

        self.stream.run(send)

    def consumer(self) -> Any:
        async def look(context: JetStreamContext) -> Any:
            return await context.consumer_info(STREAM, "larder")

        return self.stream.run(look)


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    made = Till(tmp_path / "demo")
    monkeypatch.setenv("SOURCES__POS_STREAM__URL", made.stream.address)
    monkeypatch.setenv("SOURCES__POS_STREAM__TOKEN", TOKEN)
    yield made
    if found := processes.find(made.server.service, None):
        processes.stop((made.server.service, found.pid))


def load(root: Path) -> int:
    return ingest("pos_stream", root / "lake", root / "dlt", lambda _: None).rows.get("transactions", 0)


def rows(root: Path, columns: str = "basket_id") -> list[Any]:
    """Of the completed loads, in the order of the stream."""
    dataset = root / "lake/raw/pos_stream"
    files = [str(file) for file in table_files(dataset, "transactions", recorded_loads(dataset))]
    found = duckdb.execute(f"select {columns} from read_parquet(?) order by _stream, _sequence", [files])
    return [row[0] if len(row) == 1 else row for row in found.fetchall()]


def test_every_event_arrives_once_and_is_acknowledged(till: Till, tmp_path: Path) -> None:
    till.publish(*map(line, range(5)))
    assert (load(tmp_path), load(tmp_path)) == (5, 0)
    till.publish(line(5), line(2))  # the till says one line again: another event
    assert load(tmp_path) == 2
    assert rows(tmp_path, "_sequence, basket_id") == [*((n + 1, n) for n in range(6)), (7, 2)]
    assert till.consumer().ack_floor.stream_seq == 7
    account = deliveries(tmp_path / "lake/raw/pos_stream", recorded_loads(tmp_path / "lake/raw/pos_stream"))
    assert [(row["place"].partition(":")[2], row["delivered"], row["loaded"]) for row in account] == [
        ("1-5", 5, 5),
        ("6-7", 2, 2),
    ]


def test_a_kill_between_load_and_acknowledgement_repeats_nothing(till: Till, tmp_path: Path) -> None:
    """A real kill -9 of the consumer; its working directory is lost as well."""
    till.publish(*map(line, range(5)))
    code = f"""
import os, signal
from datetime import date
from pathlib import Path
from ingestion.connectors.brokers.jetstream import JetStream
from ingestion.pipelines import ingest
JetStream.acknowledge = lambda _: os.kill(os.getpid(), signal.SIGKILL)
ingest("pos_stream", Path({str(tmp_path / "lake")!r}), Path({str(tmp_path / "dlt")!r}), lambda _: None)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert rows(tmp_path) == list(range(5)) and till.consumer().ack_floor.stream_seq == 0
    shutil.rmtree(tmp_path / "dlt")
    till.publish(line(5))
    assert load(tmp_path) == 1
    assert rows(tmp_path) == list(range(6)) and till.consumer().ack_floor.stream_seq == 6


def test_events_that_were_handed_out_and_never_loaded_come_first(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker keeps them back for a reader that is gone; acknowledging later ones would bury them."""
    till.publish(*map(line, range(3)))
    with monkeypatch.context() as patched:
        patched.setattr("ingestion.connectors.stream.accept", lambda *_: 1 / 0)
        with pytest.raises(Exception, match="division"):
            load(tmp_path)
    assert till.consumer().num_ack_pending == 3
    till.publish(line(3))
    assert load(tmp_path) == 4 and rows(tmp_path) == list(range(4))


def test_an_event_that_is_lost_on_the_way_is_fetched_again(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.publish(*map(line, range(6)))
    fetch, calls = JetStreamContext.PullSubscription.fetch, 0

    async def lossy(self: Any, batch: int = 1, timeout: float | None = 5, heartbeat: Any = None) -> Any:
        nonlocal calls
        calls += 1
        found = await fetch(self, batch, timeout)
        return [m for n, m in enumerate(found) if n != 2] if calls == 1 else found

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", lossy)
    load(tmp_path)
    assert rows(tmp_path) == list(range(6)) and calls == 2
    assert till.consumer().ack_floor.stream_seq == 6


def test_the_broker_may_die_and_come_back_while_it_is_followed(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr("ingestion.connectors.brokers.jetstream.SECONDS", 1.0)
    said: list[str] = []
    till.publish(line(0), line(1))
    batches = follow("pos_stream", tmp_path / "lake", tmp_path / "dlt", said.append)
    assert next(batches).rows == {"transactions": 2}
    till.kill()
    till.start(till.running.port)
    till.publish(line(2))
    assert next(batches).rows == {"transactions": 1}
    batches.close()
    assert rows(tmp_path) == [0, 1, 2]
    assert not [*(tmp_path / "dlt/pos_stream/load/loaded").iterdir()], "what never ends may not fill the disk"


def test_a_stream_that_is_made_anew_is_another_stream(till: Till, tmp_path: Path) -> None:
    till.publish(line(0), line(1))
    load(tmp_path)
    time.sleep(1.1)  # it is told apart by the second in which it was made

    async def again(context: JetStreamContext) -> None:
        await context.delete_stream(STREAM)
        await context.add_stream(name=STREAM, subjects=SUBJECTS)

    till.stream.run(again)
    till.publish(line(2))
    assert load(tmp_path) == 1
    assert rows(tmp_path, "_sequence, basket_id") == [(1, 0), (2, 1), (1, 2)]


BROKEN = {
    b"not JSON": "no JSON",
    b"{}": "basket_id null",
    b"7": "a JSON int",
    b"null": "a JSON NoneType",
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000: "nested too deeply",
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}": "nested too deeply",
    json.dumps(line(2**63)).encode(): "basket_id",
    json.dumps(line(1, sales_value=1.999)).encode(): "sales_value",
    json.dumps(line(1, sales_value=float("nan"))).encode(): "sales_value",
    json.dumps(line(1, basket_id=[1])).encode(): "basket_id",
    json.dumps(line(1)).encode().replace(b"{", b'{"basket_id": 7, '): "basket_id [7, 1]",
    json.dumps(line(1)).encode().replace(b"Z", b"\xff"): "transaction_timestamp",
    b"9" * 9_000: "a JSON str",
    json.dumps(line(1)).encode().replace(b'"quantity": 1', b'"quantity": 1' + b"0" * 9_000): "quantity",
    b"": "no JSON",
    b"[1]": "a JSON list",
    json.dumps(line(1, sales_value="-0.01")).encode(): "sales_value",
    json.dumps({k: v for k, v in line(1).items() if k != "store_id"}).encode(): "store_id",
    json.dumps(line(1, sales_value="1.999")).encode(): "sales_value",
    json.dumps(line(1, business_date="2017-01-02")).encode(): "business_date",
    json.dumps(line(1, transaction_timestamp="2017-01-01T17:00:00")).encode(): "transaction_timestamp",
}


def test_broken_events_are_quarantined_by_their_sequence_and_the_others_load(
    till: Till, tmp_path: Path
) -> None:
    till.publish(line(0), *BROKEN, line(9), json.dumps(line(10), indent=1).encode())
    result = ingest("pos_stream", tmp_path / "lake", tmp_path / "dlt", lambda _: None)
    assert result.rows == {"transactions": 3} and rows(tmp_path) == [0, 9, 10] and not result.blocked
    found = {entry["row_number"]: entry for entry in result.quarantined}
    assert sorted(found) == list(range(2, 2 + len(BROKEN)))
    for sequence, told in enumerate(BROKEN.values(), start=2):
        assert told in f"{found[sequence]['column_name']} {found[sequence]['seen']}"
        assert found[sequence]["place"].endswith(f":1-{3 + len(BROKEN)}")
    account = deliveries(tmp_path / "lake/raw/pos_stream", recorded_loads(tmp_path / "lake/raw/pos_stream"))
    assert sum(row["delivered"] for row in account) == 3 + len(BROKEN)
    assert sum(row["quarantined"] for row in account) == len(BROKEN)
    assert load(tmp_path) == 0
    till.publish(b"only broken")
    assert (load(tmp_path), load(tmp_path)) == (0, 0)
    assert len(Quarantine(tmp_path / "lake", "pos_stream").open_entries()) == len(BROKEN) + 1


def test_a_number_for_an_amount_is_exact(till: Till, tmp_path: Path) -> None:
    """One such event has the others of its batch read one by one, too."""
    till.publish(line(0), line(1, sales_value=3.49, quantity=1.0), line(2, sales_value=3, note="\0"))
    till.publish(json.dumps(line(3)).encode().replace(b"{", b'{"note": "\xff", '))
    assert load(tmp_path) == 4
    assert [str(amount) for amount in rows(tmp_path, "sales_value")] == ["1.99", "3.49", "3.00", "1.99"]


def test_a_time_that_no_calendar_has_is_quarantined(till: Till, tmp_path: Path) -> None:
    """A producer of Kafka may state any."""
    events = [
        Event("tills/0", n, at, json.dumps(line(n)).encode()) for n, at in enumerate((0, 2**70, -(2**62)))
    ]
    table = core._with_location(decoded([event.payload for event in events]), events)
    assert [at is None for at in table["published_at"].to_pylist()] == [False, True, True]


def test_a_backlog_is_loaded_in_few_large_batches(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.publish(*map(line, range(10)))
    monkeypatch.setattr(core, "BATCH_EVENTS", 4)
    assert load(tmp_path) == 10
    places = [
        row["place"].partition(":")[2]
        for row in deliveries(
            tmp_path / "lake/raw/pos_stream", recorded_loads(tmp_path / "lake/raw/pos_stream")
        )
    ]
    assert places == ["1-4", "5-8", "9-10"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOKEN", "wrong-secret", "refused the token"),
        ("URL", "nats://127.0.0.1:9/TILLS", "does not answer"),
        ("URL", "nats://127.0.0.1:{port}/TILS", "has no stream TILS"),
        ("URL", "amqp://127.0.0.1/TILLS", "names no stream"),
    ],
)
def test_a_broker_that_cannot_be_read_is_named_and_no_secret(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setattr("ingestion.connectors.brokers.jetstream.SECONDS", 1.0)
    monkeypatch.setenv(f"SOURCES__POS_STREAM__{name}", value.format(port=till.running.port))
    with pytest.raises(IngestionError, match=said) as raised:
        load(tmp_path)
    assert "secret" not in f"{raised.value}{raised.value.next_step}"


def decoded(payloads: Sequence[bytes]) -> Any:
    return core._at_once(list(payloads), contract("pos_stream")["transactions"])


def test_payloads_are_read_at_once_only_where_each_is_one_plain_object() -> None:
    good = json.dumps(line(1)).encode()
    table = decoded([good, good])
    assert table is not None and table.num_rows == 2
    assert table["sales_value"].to_pylist() == ["1.99"] * 2
    for odd in (b"", b"[]", b"{}{}", b"{}\n{}", b'{"a":1', good.replace(b'"1.99"', b"1.99"), b" {}"):
        assert decoded([good, odd]) is None
    assert decoded([b"{}\n{}", b""]) is None  # as many rows as payloads, and not one each


def test_one_event_at_a_time_gives_the_same_rows_as_all_at_once() -> None:
    payloads = [json.dumps(line(n)).encode() for n in range(3)]
    events = [Event("T", n, 0, payload) for n, payload in enumerate(payloads)]
    single = [as_object(event.payload)[0] for event in events]
    table = decoded(payloads)
    assert table is not None and [dict(row) for row in table.to_pylist()] == single


def test_the_position_is_the_last_one_of_rows_and_of_quarantine(till: Till, tmp_path: Path) -> None:
    till.publish(line(0), b"broken")
    load(tmp_path)
    ((stream, last),) = core.last_offsets(tmp_path / "lake/raw/pos_stream").items()
    assert last.sequence == 2
    broker = connect(till.stream.address, TOKEN, None)
    assert isinstance(broker, JetStream)
    broker.start({stream: last.sequence})
    assert [(e.sequence, e.published_at) for e in broker.fetch(9)] == [
        last
    ]  # the last known one, to be compared
    assert broker.waiting() == 0
    broker.close()


@pytest.mark.parametrize("later", [1, 4])
def test_a_broker_restored_from_a_backup_is_refused(till: Till, tmp_path: Path, later: int) -> None:
    """Its sequences 3 and 4 are used again, and with 4 later events it is past what the lake holds."""
    till.publish(line(0), line(1))
    processes.stop((till.server.service, till.running.pid))
    folder = Paths(tmp_path / "demo").broker
    shutil.copytree(folder, tmp_path / "backup")
    till.start(till.running.port)
    till.publish(line(2), line(3))
    assert load(tmp_path) == 4
    processes.stop((till.server.service, till.running.pid))
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)
    till.start(till.running.port)
    till.publish(*map(line, range(10, 10 + later)))
    for _ in range(2):
        with pytest.raises(
            IngestionError, match=r"TILLS@\S+ (on \S+ ends at 3|has another event 4)"
        ) as raised:
            load(tmp_path)
    assert "another name" in raised.value.next_step
    assert rows(tmp_path) == [0, 1, 2, 3]


def test_days_are_read_again_by_declaration_and_new_events_are_not_passed_over(
    till: Till, tmp_path: Path
) -> None:
    other = {"transaction_timestamp": "2017-01-02T17:00:00Z", "business_date": "2017-01-02"}
    till.publish(line(0), line(1, **other), line(2))
    load(tmp_path)
    till.publish(line(3), line(4, **other))
    day = LoadRequest(first=date(2017, 1, 2), last=date(2017, 1, 2))
    again = ingest("pos_stream", tmp_path / "lake", tmp_path / "dlt", lambda _: None, day)
    assert again.rows == {"transactions": 1}  # the one that the lake holds
    assert load(tmp_path) == 2
    assert rows(tmp_path) == [0, 1, 1, 2, 3, 4]
    dataset = tmp_path / "lake/raw/pos_stream"
    assert [row["kind"] for row in deliveries(dataset, recorded_loads(dataset))].count("reload") == 1
