"""The same core on Kafka: librdkafka's mock cluster speaks the real protocol over TCP, to a real client."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from test_stream import line

from ingestion.connectors.brokers.kafka import Kafka
from ingestion.core.errors import IngestionError
from ingestion.lake.loads import recorded_loads, table_files
from ingestion.pipelines import ingest

PARTITIONS = 4


class Cluster:
    """One mock broker, alive as long as the producer that started it."""

    def __init__(self) -> None:
        self.producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self.producer.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"

    def publish(self, *baskets: int, topic: str = "tills") -> None:
        for basket in baskets:
            self.producer.produce(topic, json.dumps(line(basket)), partition=basket % PARTITIONS)
        assert self.producer.flush(10) == 0

    def committed(self) -> int:
        reader = Consumer({"bootstrap.servers": self.servers, "group.id": "larder", "log_level": 0})
        found = reader.committed([TopicPartition("tills", n) for n in range(PARTITIONS)], 10)
        reader.close()
        return sum(max(one.offset, 0) for one in found)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster()
    monkeypatch.setenv("SOURCES__POS_STREAM__URL", f"kafka://{made.servers}/tills")
    yield made


def load(root: Path) -> int:
    return ingest("pos_stream", root / "lake", root / "dlt", lambda _: None).rows.get("transactions", 0)


def rows(root: Path) -> list[tuple[Any, ...]]:
    dataset = root / "lake/raw/pos_stream"
    files = [str(file) for file in table_files(dataset, "transactions", recorded_loads(dataset))]
    found = duckdb.execute("select basket_id, _stream, _sequence from read_parquet(?) order by all", [files])
    return found.fetchall()


def test_every_partition_is_read_once_and_committed_after_the_load(cluster: Cluster, tmp_path: Path) -> None:
    cluster.publish(*range(10))
    assert (load(tmp_path), load(tmp_path)) == (10, 0)
    assert rows(tmp_path) == [(n, f"tills/{n % PARTITIONS}", n // PARTITIONS) for n in range(10)]
    assert cluster.committed() == 10


def test_the_lake_and_not_the_commit_says_where_to_go_on(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.publish(*range(6))
    with monkeypatch.context() as patched:
        patched.setattr(Kafka, "acknowledge", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(tmp_path)
    held = len(rows(tmp_path))  # as many as the first answer of the brokers had
    assert held and cluster.committed() == 0
    cluster.publish(6, 7)
    assert load(tmp_path) == 8 - held
    assert [basket for basket, *_ in rows(tmp_path)] == list(range(8)) and cluster.committed() == 8


def test_a_topic_that_began_anew_is_not_taken_for_the_old_one(cluster: Cluster) -> None:
    cluster.publish(0)
    broker = Kafka(cluster.servers, "tills", {})
    with pytest.raises(IngestionError, match=r"tills/0 .* ends at 1, the lake holds it up to 100"):
        broker.start({"tills/0": 99})
    broker.close()


def test_a_topic_with_other_events_at_known_offsets_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restored backup: the topic goes on, and has passed what the lake holds."""
    cluster.publish(0, 4)
    assert load(tmp_path) == 2
    restored = Cluster()
    restored.publish(0, 8, 12)
    monkeypatch.setenv("SOURCES__POS_STREAM__URL", f"kafka://{restored.servers}/tills")
    with pytest.raises(IngestionError, match="tills/0 has another event 1 than the lake holds"):
        load(tmp_path)
    assert [basket for basket, *_ in rows(tmp_path)] == [0, 4]


def test_a_topic_that_is_not_there_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.connectors.brokers.kafka.SECONDS", 1.0)
    broker = Kafka("127.0.0.1:9", "tills", {})
    with pytest.raises(IngestionError, match=r"Kafka at 127\.0\.0\.1:9, topic tills"):
        broker.start({})
    broker.close()
