"""NATS JetStream: a durable pull consumer that is made again where the lake says that it must go on.

The position that counts is the lake's: the broker's own may be behind it (killed before the acknowledgement) or ahead
(handed out and never loaded). Events keep their order; a gap in the consumer's count, which a broken connection can
leave, starts it again at the last event that has arrived.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from ingestion.connectors.brokers import RENAME, Event, Unreachable
from ingestion.core.errors import IngestionError

CONSUMER = "larder"

ACK_SECONDS = 300.0
"""So long the broker waits for a load before it hands events out again."""

FRESH_STARTS = 5
"""So often the consumer is made again when nothing comes of it, before that is a fault."""

SECONDS = 5.0
"""How long the broker may take to answer."""

Result = TypeVar("Result")


class JetStream:
    """The durable consumer `larder` of one JetStream stream."""

    def __init__(self, server: str, stream: str, token: str | None) -> None:
        self._server, self._stream, self._token = server, stream, token
        self._runner = asyncio.Runner()
        self._client: Client | None = None
        self._problem = ""
        self._last: Msg | None = None
        self._delivered = self._fresh_starts = 0

    def start(self, offsets: Mapping[str, int]) -> None:
        self._run(lambda: self._connect(offsets))

    def waiting(self) -> int:
        return self._run(self._waiting)

    def fetch(self, most: int) -> Sequence[Event]:
        return self._run(lambda: self._fetch(most))

    def acknowledge(self) -> None:
        if self._last is not None:
            last, self._last = self._last, None
            self._run(lambda: last.ack_sync(SECONDS))

    def close(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.close())
        self._runner.close()

    async def _connect(self, offsets: Mapping[str, int]) -> None:
        connecting = nats.connect(
            self._server,
            token=self._token,
            verbose=True,  # the broker answers CONNECT before the client says more: a refusal cannot be lost in a reset
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,
            error_cb=self._note,
        )
        self._client = await asyncio.wait_for(connecting, SECONDS)
        self._context = self._client.jetstream(timeout=SECONDS)
        info = await self._context.stream_info(self._stream)
        # A stream that was deleted and created again begins at 1 again: the moment tells them apart.
        self._name = f"{self._stream}@{info.created:%Y%m%dT%H%M%SZ}"
        offset = offsets.get(self._name, 0)
        if offset > info.state.last_seq:
            raise IngestionError(
                f"{self._name} on {self._server} ends at {info.state.last_seq:,}, the lake holds it up to {offset:,}",
                RENAME,
            )
        await self._begin_at(max(offset, 1))

    async def _begin_at(self, sequence: int) -> None:
        with suppress(NotFoundError):
            await self._context.delete_consumer(self._stream, CONSUMER)
        await self._context.add_consumer(
            self._stream,
            ConsumerConfig(
                durable_name=CONSUMER,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=sequence,
                ack_policy=AckPolicy.ALL,
                ack_wait=ACK_SECONDS,
                max_ack_pending=-1,
            ),
        )
        self._subscription: JetStreamContext.PullSubscription = await self._context.pull_subscribe_bind(
            durable=CONSUMER, stream=self._stream, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self._delivered, self._last, self._sequence = 0, None, sequence - 1

    async def _waiting(self) -> int:
        info = await self._subscription.consumer_info()
        handed_out = info.delivered.consumer_seq if info.delivered else 0
        return int(info.num_pending or 0) + int(handed_out) - self._delivered

    async def _fetch(self, most: int) -> Sequence[Event]:
        events: list[Event] = []
        try:
            messages = await self._subscription.fetch(most, timeout=SECONDS)
        except TimeoutError:  # handed out, and lost on the way
            messages = []
        for message in messages:
            sequence, delivered, published_at = _location(message.reply)
            if delivered != self._delivered + 1:
                break
            self._delivered, self._sequence, self._last = delivered, sequence, message
            events.append(Event(self._name, sequence, published_at, message.data))
        if len(events) < len(messages) or not messages:
            await self._begin_at(self._sequence + 1)
        self._fresh_starts = 0 if events else self._fresh_starts + 1
        if self._fresh_starts > FRESH_STARTS:
            raise Unreachable(
                f"the broker at {self._server} has events of {self._stream} and hands none out",
                "Look at its log and at the consumer `larder`, then run again: nothing is lost.",
            )
        return events

    def _run(self, work: Callable[[], Awaitable[Result]]) -> Result:
        async def awaited() -> Result:
            return await work()

        try:
            return self._runner.run(awaited())
        except NotFoundError as error:
            raise IngestionError(
                f"{self._server} has no stream {self._stream}", "Correct the name at the end of its URL."
            ) from error
        except (NatsError, OSError, TimeoutError) as error:
            raise self._explain(error) from error

    async def _note(self, error: Exception) -> None:
        """The client goes on trying and tells its troubles here; the last one says why it did not get through."""
        self._problem = str(error)

    def _explain(self, error: BaseException) -> IngestionError:
        text = self._problem or str(error).strip() or type(error).__name__
        if "authorization" in text.lower():
            return IngestionError(
                f"the broker at {self._server} refused the token",
                "Set the right one (SOURCES__<SOURCE>__TOKEN), then run again.",
            )
        return Unreachable(
            f"the broker at {self._server} does not answer ({text.removeprefix('nats: ')})",
            "Check that it runs, then run again: nothing is lost, nothing will be loaded twice.",
        )


def _location(reply: str) -> tuple[int, int, int]:
    """Sequence in the stream, count of deliveries, and time in microseconds, from where a message wants its answer.

    `$JS.ACK.[domain.account.]stream.consumer.tries.sequence.count.nanoseconds.pending[.random]`
    """
    tokens = reply.split(".")
    sequence, count, nanoseconds = tokens[5:8] if len(tokens) == 9 else tokens[7:10]
    return int(sequence), int(count), int(nanoseconds) // 1000
