"""Let a process run until its n-th call of the system, and kill it there, by strace."""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import PROJECT, Instance


def _unable() -> str:
    """Why nothing can be killed by strace here; empty when it can."""
    if not shutil.which("strace"):
        return "NOT TESTED: kill -9 at every step needs strace (Debian: apt-get install strace)"
    tried = subprocess.run(["strace", "-q", "-o", os.devnull, "true"], capture_output=True, text=True)
    return (
        f"NOT TESTED: kill -9 at every step, strace may not trace: {tried.stderr}" if tried.returncode else ""
    )


def needs_strace(test: Callable[..., None]) -> Callable[..., None]:
    """Skip a test where nothing can be traced; in CI it fails, since nobody reads what was skipped there."""
    why = _unable()
    if not why:
        return test
    if not os.environ.get("CI"):
        return pytest.mark.skip(reason=why)(test)

    @functools.wraps(test)
    def failing(*_: object, **__: object) -> None:
        pytest.fail(why)

    return failing


MOVES = (
    "rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat,mkdir,mkdirat,"
    "chmod,fchmod,fchmodat"
)
"""What changes names and rights: between two of these a crash can leave a state that none before had."""
RENAMES = "rename,renameat,renameat2,symlink,symlinkat,link,linkat"
SENDS = "sendto,sendmsg,writev,write"
CONTENTS = "write,pwrite64,ftruncate,fsync,fdatasync,copy_file_range,sendfile,openat"
"""What changes contents, and openat, which may make a file."""

KILLED = -9


@dataclass(frozen=True)
class Point:
    """The n-th call of one name."""

    call: str
    nth: int


@dataclass(frozen=True)
class Victims:
    """The process that forks victims, so that the interpreter starts once and not once per kill."""

    server: subprocess.Popen[str]

    def calls(self, scenario: str, folder: Path, names: str, about: str = "") -> list[Point]:
        """Let a scenario run to its end; return its calls that mention `about`, in their order."""
        log = folder.with_suffix(".log")
        assert self._run(scenario, folder, *tracing(log, names)) == 0
        return points(log.read_text(), about)

    def kill(self, scenario: str, folder: Path, point: Point) -> bool:
        """Let a scenario run until just before a call, and no further.

        False when it came to its end: work that several threads share does not always come to the same one.
        """
        code = self._run(scenario, folder, *killing(point))
        assert code in (KILLED, 0), f"{scenario} ended by itself with {code}, not at {point}"
        return code == KILLED

    def _run(self, scenario: str, folder: Path, *options: str) -> int:
        assert self.server.stdin and self.server.stdout
        go = folder.with_suffix(".go")
        os.mkfifo(go)
        self.server.stdin.write(f"{scenario} {folder}\n")
        self.server.stdin.flush()
        process = int(self.server.stdout.readline())
        command = ["strace", "-f", "-q", *options, "-p", str(process)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
            wait_until_traced(process, tracer)
            with go.open("wb") as pipe:
                pipe.write(b"!")
            code = int(self.server.stdout.readline())
        go.unlink()
        return code


def tracing(log: Path, names: str) -> list[str]:
    """strace's options to write down calls, with the files that they are about."""
    return ["-yy", "-o", str(log), "-e", f"trace={names}"]


def killing(point: Point) -> list[str]:
    """strace's options to kill at a point."""
    inject = f"inject={point.call}:signal=KILL:when={point.nth}"
    return ["-o", os.devnull, "-e", f"trace={point.call}", "-e", inject]


def points(log: str, about: str = "") -> list[Point]:
    """The calls of an strace log that mention `about`.

    strace counts them by name and thread, so two threads can share a point.
    """
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[Point, None] = {}
    for thread, call, line in re.findall(r"^(\d+) +(\w+)(\(.*)", log, flags=re.MULTILINE):
        counts[thread, call] += 1
        if about in line:
            found[Point(call, counts[thread, call])] = None
    return list(found)


def traced(instance: Instance, options: list[str], *command: str, **env: str) -> int:
    """Run a `larder` command under strace; return its exit code."""
    return subprocess.run(
        ["strace", "-f", "-q", *options, sys.executable, "-B", "-m", "larder", *command],
        cwd=PROJECT,
        env={**instance.env, **env},
        capture_output=True,
    ).returncode


def wait_until_traced(process: int, tracer: subprocess.Popen[bytes]) -> None:
    status = Path(f"/proc/{process}/status")
    while not re.search(r"^TracerPid:\s+[1-9]", status.read_text(), flags=re.MULTILINE):
        assert tracer.poll() is None, tracer.stderr and tracer.stderr.read().decode()


@contextmanager
def victims(**env: str) -> Iterator[Victims]:
    """The server of victims, with `env` on top of the environment."""
    with subprocess.Popen(
        [sys.executable, "-B", str(Path(__file__).with_name("victim.py"))],
        cwd=PROJECT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield Victims(server)
