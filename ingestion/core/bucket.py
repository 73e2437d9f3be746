"""Objects of an S3-compatible store: how it is reached, writes on a condition, and the locks that are made of them.

Only `ingestion/core/storage.py` uses this. The keys and the address come from the environment, by the names that all tools use.
A lock is an object that its holder renews. Nobody deletes it: it is taken, renewed and given back by replacing what was read, so
that of two who try one succeeds. It is taken over from a process that has ended on this machine at once, and from one of another
machine when it has not been renewed for `LEASE` seconds on the clock of who waits: no two clocks are compared.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
from aiohttp import ClientError as ConnectionLost
from botocore.exceptions import BotoCoreError, ClientError
from fsspec.asyn import sync, sync_wrapper
from s3fs import S3FileSystem
from s3fs.core import _error_wrapper
from upath import UPath

from ingestion.core.errors import IngestionError, Taken
from ingestion.core.text import first_line

LEASE = 60.0
"""Seconds after which a lock that nobody renews may be taken over. Its holder renews it four times as often."""

PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 30,
    "retries": {"mode": "standard", "max_attempts": 6},
}
"""How long an answer is waited for, and how often a request that failed is made again (some 15 seconds in all)."""

WRITES = frozenset(
    {
        "put_object",
        "copy_object",
        "delete_object",
        "delete_objects",
        "create_multipart_upload",
        "upload_part",
        "complete_multipart_upload",
    }
)

CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409"}
"""What a store says when the condition of a write does not hold."""

ONE_WRITER = "LARDER_BUCKET_WRITERS"
"""Set to `one`, it promises that only this machine writes: then a store need not know writes on a condition."""

VARIABLES = {
    "key": "AWS_ACCESS_KEY_ID",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "region": "AWS_REGION",
}
"""What the environment says of the store, and by which variable."""

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while a machine sleeps, where the system has such a clock."""


def keys() -> dict[str, str]:
    """What the environment says of the store. Raises IngestionError where a key is missing, or the address is none."""
    found = {name: os.environ.get(variable, "") for name, variable in VARIABLES.items()}
    missing = [VARIABLES[name] for name in ("key", "secret") if not found[name]]
    if missing:
        raise IngestionError(
            f"a bucket is named, and no key for it: {', '.join(missing)} is not set",
            "Set it in the environment, with AWS_REGION, and AWS_ENDPOINT_URL for another store than AWS.",
        )
    if found["endpoint_url"] and not _is_address(found["endpoint_url"]):
        raise IngestionError(
            f"AWS_ENDPOINT_URL={found['endpoint_url']} is no address of a store",
            "Name it as https://HOST or http://HOST:PORT.",
        )
    return {**found, "region": found["region"] or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}


def _is_address(url: str) -> bool:
    try:
        said = urlsplit(url)
        return said.scheme in ("http", "https") and bool(said.hostname) and said.port != 0
    except ValueError:
        return False


def options() -> dict[str, Any]:
    """The same as arguments of s3fs, with its patience, and without any memory of listings."""
    said = keys()
    named = {name: said[name] for name in ("key", "secret", "token", "endpoint_url") if said[name]}
    style = {"addressing_style": "path"} if said["endpoint_url"] else {}
    return {
        **named,
        "client_kwargs": {"region_name": said["region"]},
        "config_kwargs": {**PATIENCE, "s3": style},
        "use_listings_cache": False,
    }


class Store(S3FileSystem):
    """s3fs that writes nothing once a lock of this process is lost, and says plainly what is wrong with the store."""

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        if method in WRITES:
            for lock in list(_HELD):
                lock.require()
        with _plainly(self.client_kwargs and self.endpoint_url, kwargs.get("Bucket")):
            return await super()._call_s3(method, *akwarglist, **kwargs)

    def call_s3(self, *arguments: Any, **named: Any) -> Any:
        """The same for whoever is not asynchronous: that of s3fs would pass by the one above."""
        return sync(self.loop, self._call_s3, *arguments, **named)

    async def _read(self, path: str) -> tuple[bytes, str] | None:
        """The content of an object and its version; None where there is none."""
        bucket, key, _ = self.split_path(path)

        async def whole() -> tuple[bytes, str]:
            answer = await self._call_s3("get_object", Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                return await body.read(), answer["ETag"]

        try:
            found: tuple[bytes, str] = await _error_wrapper(whole, retries=self.retries)
        except FileNotFoundError:
            return None
        return found

    async def _listed(self, path: str, pattern: str) -> list[str]:
        """What a pattern finds below a folder, relative to it: one request for a thousand names, where s3fs makes several for each folder."""
        bucket, key, _ = self.split_path(path)
        parts = pattern.rstrip("/").split("/")
        known = next((n for n, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)
        prefix = "".join(f"{part}/" for part in [key, *parts[:known]] if part)
        asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/" if known == len(parts) - 1 else ""}
        names: set[str] = set()
        while True:
            try:
                answer = await self._call_s3("list_objects_v2", **{k: v for k, v in asked.items() if v})
            except FileNotFoundError as error:
                raise IngestionError(
                    f"{self.endpoint_url or 'AWS'} knows no bucket {bucket}",
                    "Check AWS_ENDPOINT_URL and the name of the bucket, then run again.",
                ) from error
            found = [one["Prefix"] for one in answer.get("CommonPrefixes", [])]
            keys = [one["Key"] for one in answer.get("Contents", [])]
            found += [key for key in keys if not key.endswith("/")]  # a folder, as consoles make one
            names.update(name.removeprefix(f"{key}/") for name in found)
            if not answer.get("IsTruncated"):
                break
            asked["ContinuationToken"] = answer["NextContinuationToken"]
        folders = {"/".join(name.split("/")[: len(parts)]) for name in names if name.count("/") >= len(parts)}
        files = {name for name in names if name.count("/") < len(parts) and pattern[-1] != "/"}
        return sorted(name for name in files | folders if _matches(name, parts))

    async def _write_if(self, path: str, content: bytes, version: str | None) -> str | None:
        """Replace the `version` of an object, or make it where that is None; returns the new version, or None where it is another one.

        An answer that was lost is asked for again, and then the store knows what was written: that counts as written. So no
        two writers may write the same.
        """
        bucket, key, _ = self.split_path(path)
        condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        with _plainly(self.endpoint_url, bucket):
            try:
                answer = await super()._call_s3(
                    "put_object", Bucket=bucket, Key=key, Body=content, **condition
                )
            except OSError as error:
                if _code(error) not in CHANGED:
                    raise
            else:
                return str(answer["ETag"])
        found = await self._read(path)
        return found[1] if found and found[0] == content else None

    listed = sync_wrapper(_listed)
    read_version = sync_wrapper(_read)
    write_if = sync_wrapper(_write_if)


fsspec.register_implementation("s3", Store, clobber=True)


def _code(error: BaseException) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""


def _matches(name: str, pattern: Sequence[str]) -> bool:
    parts = name.split("/")
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


@contextmanager
def _plainly(address: Any, bucket: Any) -> Iterator[None]:
    """Turn what keeps every request from its end into one IngestionError."""
    where = f"the store {address or 'AWS'}"
    try:
        yield
    except (BotoCoreError, ConnectionLost, TimeoutError) as error:
        raise IngestionError(
            f"{where} does not answer: {first_line(error)}",
            "Check that it runs and that AWS_ENDPOINT_URL is its address, then run again: nothing is lost.",
        ) from error
    except PermissionError as error:
        raise IngestionError(
            f"{where} refuses access to bucket {bucket}: {first_line(error)}",
            "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do, then run again.",
        ) from error
    except OSError as error:
        if _code(error) == "NoSuchBucket":
            raise IngestionError(
                f"{where} has no bucket {bucket}", "Make it, or name another one, then run again."
            ) from error
        status = getattr(error.__cause__, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500:
            raise IngestionError(
                f"{where} answered {status}, also after retries: {first_line(error)}",
                "Tell the owner of the store, then run again: nothing is lost.",
            ) from error
        raise


def is_one_writer() -> bool:
    """Whether somebody promises that only this machine writes."""
    return os.environ.get(ONE_WRITER) == "one"


def replace(file: UPath, before: bytes | None, content: bytes) -> bool:
    """Replace `before` by other content, or make what is not there; False where somebody else was quicker."""
    if is_one_writer():
        file.fs.pipe_file(file.path, content)
        return True
    require_conditions(file)
    found = file.fs.read_version(file.path)
    if (found and found[0]) != before:
        return False
    return file.fs.write_if(file.path, content, found and found[1]) is not None


def require_conditions(file: UPath) -> None:
    """Raise IngestionError for a store that writes whatever the condition: two machines would take the same lock."""
    # nobody else's: who removes it does so between our two
    probe = file.parent / f"{file.name}.{secrets.token_hex(8)}.probe"
    bucket = probe.path.partition("/")[0]
    if bucket in _CONDITIONAL:
        return
    tried = [probe.fs.write_if(probe.path, secrets.token_bytes(8), None) for _ in range(2)]
    probe.unlink(missing_ok=True)
    if tried[1] is None:
        _CONDITIONAL.add(bucket)
    else:
        raise IngestionError(
            f"the store of {file.parent} knows no writes on a condition (If-None-Match): two machines could load at once, and double rows",
            f"Use a store that knows them; or, where only this machine ever writes there, set {ONE_WRITER}=one.",
        )


_CONDITIONAL: set[str] = set()
"""Buckets whose store was seen to refuse a write."""


class Lock:
    """A lock that is an object, held by a thread of this process that renews it."""

    def __init__(self, file: UPath) -> None:
        self._file, self._token, self._renewals = file, secrets.token_hex(8), 0
        self._version, self._renewed = "", 0.0
        self._is_lost, self._done = False, threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def acquire(self, waits: bool) -> None:
        """Take it. Raises Taken where somebody else is at work and it is not to wait for them."""
        require_conditions(self._file)
        seen, since, pause = "", _now(), 0.02
        while True:
            started = _now()
            found = self._file.fs.read_version(self._file.path)
            content, version = found or (b"", "")
            said = _said(content)
            is_stale = version == seen and _now() - since > LEASE
            if not said or is_stale or _has_ended(said):
                if got := self._file.fs.write_if(self._file.path, self._content(), version or None):
                    return self._begin(got, started)
                continue
            if not waits and (_is_here(said) or seen not in ("", version)):
                raise Taken(
                    f"{self._file.parent.parent.name} is locked by process {said['pid']} on {said['host']} since {said['since']}",
                    "Wait until it has finished, or stop it.",
                )
            if version != seen:
                seen, since = version, _now()
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def release(self) -> None:
        """Give it back, for the next one to take."""
        self._done.set()
        self._thread.join()
        _HELD.discard(self)
        with suppress(IngestionError, OSError):  # else it runs out
            self._file.fs.write_if(self._file.path, b"", self._version)

    def require(self) -> None:
        """Raise IngestionError where it is not ours any more, or may not be."""
        if self._is_lost or _now() - self._renewed > LEASE * 2 / 3:
            raise IngestionError(
                f"the lock {self._file} was lost: this process was stopped, or the store was away, for too long",
                "Run again: what was not complete is loaded again, once.",
            )

    def _begin(self, version: str, started: float) -> None:
        self._version, self._renewed = version, started
        _HELD.add(self)
        self._thread.start()

    def _content(self) -> bytes:
        self._renewals += 1
        return json.dumps({**_me(), "token": self._token, "renewals": self._renewals}).encode()

    def _renew(self) -> None:
        while not self._done.wait(LEASE / 4):
            started = _now()
            with suppress(IngestionError, OSError):  # the store may be back at the next try
                version = self._file.fs.write_if(self._file.path, self._content(), self._version)
                if version is None:
                    self._is_lost = True
                    return
                self._version, self._renewed = version, started


_HELD: set[Lock] = set()


@contextmanager
def lock(file: UPath, waits: bool) -> Iterator[None]:
    """Hold a lock while the block runs. Raises IngestionError at its end where it was lost on the way."""
    mine = Lock(file)
    mine.acquire(waits)
    try:
        yield
        mine.require()
    finally:
        mine.release()


def _now() -> float:
    return time.clock_gettime(CLOCK)


def _me() -> dict[str, Any]:
    since = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since, **_process(os.getpid())}


def _process(pid: int) -> dict[str, str]:
    """What names a process for ever: the start of its machine, its space of process ids, and its own start. Empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return {"machine": f"{boot} {Path('/proc/self/ns/pid').readlink()}", "started": started}
    except (OSError, IndexError):
        return {}


def _said(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
        return found if isinstance(found, dict) and found.get("pid") else {}
    except ValueError:
        return {}


def _is_here(said: dict[str, Any]) -> bool:
    """Whether the holder is a process of this machine that runs."""
    return bool(said.get("started")) and _process(said["pid"]) == {
        name: said.get(name) for name in ("machine", "started")
    }


def _has_ended(said: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that runs no more."""
    here = _process(os.getpid()).get("machine")
    return here is not None and said.get("machine") == here and not _is_here(said)
