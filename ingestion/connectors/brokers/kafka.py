"""Kafka: one reader of all partitions of a topic, placed where the lake says that it must go on.

Needs the extra `kafka` (confluent-kafka). Partitions are assigned, not shared out by a group: there is one reader, and the
lock of its source sees to that. Offsets are committed after the load, for whoever watches the lag.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ingestion.connectors.brokers import RENAME, Event, Unreachable
from ingestion.core.errors import IngestionError

try:
    from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
except ImportError as error:
    raise IngestionError(
        "the Kafka client is not installed", "Install it: pip install 'confluent-kafka>=2.16'"
    ) from error

GROUP = "larder"

SECONDS = 10.0
"""How long the brokers may take to answer."""


class Kafka:
    """All partitions of one topic, each a stream of its own: `topic/partition`."""

    def __init__(self, servers: str, topic: str, options: Mapping[str, Any]) -> None:
        self._servers, self._topic = servers, topic
        settings = {
            "bootstrap.servers": servers,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 0,  # what fails is raised, and told once
        }
        self._consumer = Consumer({**options, **settings})
        # Who fetches is answered when events come; who asks how many there are does not want to wait for that.
        self._watcher = Consumer({**options, **settings})
        self._next: dict[int, int] = {}

    def start(self, offsets: Mapping[str, int]) -> None:
        try:
            topic = self._consumer.list_topics(self._topic, SECONDS).topics[self._topic]
            if topic.error is not None:
                raise KafkaException(topic.error)
            self._next = {number: self._begin(number, offsets) for number in topic.partitions}
            self._consumer.assign(self._offsets())
        except KafkaException as error:
            self._refuse(error.args[0])

    def waiting(self) -> int:
        try:
            return sum(self._bounds(number)[1] - position for number, position in self._next.items())
        except KafkaException as error:
            self._refuse(error.args[0])

    def fetch(self, most: int) -> Sequence[Event]:
        events = []
        for message in self._consumer.consume(most, SECONDS):
            number, offset, problem = message.partition() or 0, message.offset() or 0, message.error()
            if problem is None:
                stream, milliseconds = self._stream(number), message.timestamp()[1]
                events.append(Event(stream, offset, milliseconds * 1000, message.value() or b""))
                self._next[number] = offset + 1
            elif problem.code() == KafkaError._PARTITION_EOF:
                self._next[number] = offset  # marks of transactions are no events and count as offsets
            else:
                self._refuse(problem)
        return events

    def acknowledge(self) -> None:
        try:
            self._consumer.commit(offsets=self._offsets(), asynchronous=False)
        except KafkaException as error:
            self._refuse(error.args[0])

    def close(self) -> None:
        self._consumer.close()
        self._watcher.close()

    def _begin(self, number: int, offsets: Mapping[str, int]) -> int:
        """Where a partition goes on: at its offset, or at the first event that the broker still has."""
        first, end = self._bounds(number)
        offset = offsets.get(self._stream(number), -1)
        if offset >= end:
            raise IngestionError(
                f"{self._stream(number)} on {self._servers} ends at {end:,}, the lake holds it up to {offset + 1:,}",
                RENAME,
            )
        return max(offset, first)

    def _bounds(self, number: int) -> tuple[int, int]:
        """The first offset that there is, and the one after the last."""
        found = self._watcher.get_watermark_offsets(TopicPartition(self._topic, number), SECONDS)
        if found is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return found[0], found[1]

    def _offsets(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number, offset) for number, offset in self._next.items()]

    def _stream(self, number: int) -> str:
        return f"{self._topic}/{number}"

    def _refuse(self, problem: KafkaError) -> NoReturn:
        raise Unreachable(
            f"Kafka at {self._servers}, topic {self._topic}: {problem.str()}",
            "Check that it runs and the options of its source, then run again: nothing is lost.",
        )
