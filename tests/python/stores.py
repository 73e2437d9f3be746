"""Real stores for tests, from wheels: SeaweedFS, which enforces keys and knows writes on a condition, and rclone, which knows none.

And a proxy that stands before one and breaks every n-th request.
"""

import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingestion.core import storage
from ingestion.core.bucket import ONE_WRITER
from ingestion.core.errors import IngestionError
from ingestion.core.storage import Location

BUCKET = "lake"
LAKES = "LARDER_TEST_LAKES"
"""`bucket` where the lakes of victims are to be in one."""
WRITER, READER = ("writer", "the-writer-secret"), ("reader", "the-reader-secret")


@dataclass(frozen=True)
class Store:
    """A server that runs, and what leads to it."""

    url: str

    @property
    def env(self) -> dict[str, str]:
        return env_of(self.url)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def env_of(url: str, keys: tuple[str, str] = WRITER) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": keys[0],
        "AWS_SECRET_ACCESS_KEY": keys[1],
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at. Those of SeaweedFS are followed by that of its gRPC, 10,000 above, where nothing else is named."""
    with_sockets = [socket.socket() for _ in range(count)]
    for one in with_sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


@contextmanager
def seaweed(folder: Path) -> Iterator[Store]:
    """SeaweedFS with a bucket and two keys, one of which may only read."""
    said = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}
        for (name, secret), actions in (
            (WRITER, ["Read", "Write", "List", "Tagging"]),
            (READER, ["Read", "List"]),
        )
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keys.json").write_text(json.dumps({"identities": said}))
    names = [
        f"{part}.port{grpc}"
        for part in ("master", "volume", "filer", "s3", "admin")
        for grpc in ("", ".grpc")
    ]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        *("weed", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"),
        *(
            f"-s3.config={folder / 'keys.json'}",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
        ),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items())),
    ]
    yield from _served(command, folder, ports["s3.port"])


@contextmanager
def rclone(folder: Path) -> Iterator[Store]:
    """A folder of the disk as a store."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    command = [
        "rclone",
        "serve",
        "s3",
        str(folder),
        "--addr",
        f"127.0.0.1:{port}",
        "--config",
        str(folder / "none"),
    ]
    yield from _served([*command, "--auth-key", ",".join(WRITER)], folder, port)


def _served(command: Sequence[str], folder: Path, port: int) -> Iterator[Store]:
    program = Path(sys.executable).with_name(command[0])
    with (folder.with_suffix(".log")).open("w") as log:
        process = subprocess.Popen([program, *command[1:]], stdout=log, stderr=log, cwd=folder)
    try:
        store = Store(f"http://127.0.0.1:{port}")
        _wait_for(store, process)
        yield store
    finally:
        process.terminate()
        process.wait()


def _wait_for(store: Store, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the store has ended"
        with suppress(OSError, IngestionError), pytest.MonkeyPatch.context() as patched:
            socket.create_connection(("127.0.0.1", store.port), 1).close()
            for name, value in store.env.items():
                patched.setenv(name, value)
            place = storage.location(f"s3://{BUCKET}/ready/probe")
            storage.write(place, "ready")
            if place.read_text() == "ready":
                return
        time.sleep(0.1)
    pytest.fail("the store did not start")


# Two places for a lake


@dataclass(frozen=True)
class OnDisk:
    """Lakes next to what else a run writes."""

    name: str = "disk"

    def of(self, data: Path) -> Location:
        return data / "lake"

    def env(self, data: Path) -> dict[str, str]:
        return {}

    def copy(self, source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def remove(self, data: Path) -> None:
        shutil.rmtree(data)


@dataclass(frozen=True)
class InBucket(OnDisk):
    """Lakes in a bucket, each under the name of the folder of what else a run writes."""

    name: str = "bucket"

    def of(self, data: Path) -> Location:
        return storage.location(f"s3://{BUCKET}{data}/lake")

    def env(self, data: Path) -> dict[str, str]:
        return {
            "LARDER_RESTRICTED": str(data / "restricted"),
            **{name: os.environ[name] for name in (*env_of(""), ONE_WRITER) if name in os.environ},
        }

    def copy(self, source: Path, target: Path) -> None:
        super().copy(source, target)
        before, after = self.of(source), self.of(target)
        if after.exists():
            storage.remove_all(after)
        for file in [file for file in before.rglob("*") if file.is_file()] if before.exists() else []:
            to = after / str(file.relative_to(before))
            to.fs.copy(file.path, to.path)

    def remove(self, data: Path) -> None:
        super().remove(data)
        storage.remove_all(self.of(data))


# A network that fails


@dataclass
class Broken:
    """What the proxy has done so far, and whether it does any more."""

    every: int
    requests: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self) -> str:
        """What happens to this request; nothing to most."""
        with self.lock:
            self.requests += 1
            if not self.every or self.requests % self.every:
                return ""
            self.faults.append(FAULTS[len(self.faults) % len(FAULTS)])
            return self.faults[-1]


FAULTS = ("500", "lost answer", "cut body", "reset", "slow", "503", "cut upload")
"""Refused before and after it was carried out, cut in its middle on either way, never answered, answered late."""


@contextmanager
def failing(store: Store, every: int) -> Iterator[tuple[Store, Broken]]:
    """The store behind a proxy that breaks every n-th request in one way after the other."""
    state = Broken(every)
    handler = type("Handler", (_Proxy,), {"target": store.port, "state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Store(f"http://127.0.0.1:{server.server_port}"), state
        finally:
            server.shutdown()
            thread.join()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: int
    state: Broken

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            super().handle_one_request()

    def _pass(self) -> None:
        fault = self.state.next_fault()
        if fault == "reset":
            return self._reset()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if fault in ("500", "503"):
            self.close_connection = True
            return self._answer(int(fault), [], _ERROR.encode())
        if fault == "cut upload":
            self._forward(body[: len(body) // 2], cut=True)
            return self._reset()
        status, headers, content = self._forward(body)
        if fault == "lost answer":
            return self._reset()
        if fault == "slow":
            time.sleep(2)
        self._answer(status, headers, content, len(content) // 2 if fault == "cut body" else None)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

    def _forward(self, body: bytes, cut: bool = False) -> tuple[int, list[tuple[str, str]], bytes]:
        to = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        to.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            to.putheader(name, value)
        to.endheaders()
        to.send(body)
        if cut:
            to.close()
            return 0, [], b""
        answer = to.getresponse()
        content = answer.read()
        found = answer.status, answer.getheaders(), content
        to.close()
        return found

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, cut_at: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        of_head = next((value for name, value in headers if name.lower() == "content-length"), "0")
        self.send_header("Content-Length", of_head if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut_at])
        if cut_at is not None:
            self._reset()

    def _reset(self) -> None:
        """End the connection as a network does that breaks."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RDWR)


_ERROR = "<?xml version='1.0'?><Error><Code>InternalError</Code><Message>made up by a test</Message></Error>"


def use(patched: pytest.MonkeyPatch, store: Store) -> None:
    for name, value in store.env.items():
        patched.setenv(name, value)


def keys_in(folder: Path) -> list[Path]:
    """The files of a folder that have a secret key of a store in them."""
    secrets = [secret.encode() for _, secret in (WRITER, READER)]
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return [
        file
        for file in files
        if os.access(file, os.R_OK) and any(one in file.read_bytes() for one in secrets)
    ]
