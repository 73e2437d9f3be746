"""Message brokers that streams are read from: one small module each, none knows the lake."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from ingestion.core.errors import IngestionError

RENAME = (
    "Copy its events to a stream of another name, and put that into the URL of the source: what the lake holds already"
    " counts once in the marts."
)
"""What to do about a stream whose sequences name other events than before."""


class Event(NamedTuple):
    """One message. `stream` and `sequence` name it for ever; `published_at` is in microseconds since the epoch."""

    stream: str
    sequence: int
    published_at: int
    payload: bytes

    def location(self) -> tuple[str, int]:
        """What names it."""
        return self.stream, self.sequence


class Unreachable(IngestionError):
    """The broker does not answer now; it may in a moment."""


class Broker(Protocol):
    """A durable reader of one stream. What goes wrong is raised as an IngestionError that names the address."""

    def start(self, offsets: Mapping[str, int]) -> None:
        """Connect, and go on at the offset given of each stream, whatever was acknowledged.

        The event at the offset comes again, if it is still there: who reads sees whether it is the one that it was. A
        stream that ends before its offset is refused.
        """

    def waiting(self) -> int:
        """How many events there are that have not been fetched."""

    def fetch(self, most: int) -> Sequence[Event]:
        """The next events of each stream, in its order and without a gap; an event may come again later."""

    def acknowledge(self) -> None:
        """Tell the broker that everything fetched so far is safe."""

    def close(self) -> None:
        """Disconnect."""


def connect(url: str, token: str | None, options: Mapping[str, Any] | None) -> Broker:
    """The broker at `nats://host:port/STREAM` or `kafka://host:port[,host:port]/topic`; nothing is sent yet.

    `options` are settings of the Kafka client, for instance how it proves who it is.
    """
    address = urlsplit(url)
    stream = address.path.strip("/")
    if address.scheme in ("nats", "tls") and stream:
        from ingestion.connectors.brokers.jetstream import JetStream

        return JetStream(f"{address.scheme}://{address.netloc}", stream, token)
    if address.scheme == "kafka" and stream:
        from ingestion.connectors.brokers.kafka import Kafka

        return Kafka(address.netloc, stream, options or {})
    raise IngestionError(
        f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path} names no stream",
        "Write it as nats://host:port/STREAM or kafka://host:port/topic.",
    )
