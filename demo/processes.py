"""Background processes: start, find again, stop.

A process is recognised by its command line, which names the instance's data folder, and not by its pid alone: after a
restart of the machine the same pid may belong to another program. The pid in the state file is where the search begins.
"""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from demo.errors import DemoError

START_SECONDS = 60.0
STOP_SECONDS = 15.0
PRIVATE_UMASK = 0o077
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Running:
    """A process that was found alive, and the port that it listens on."""

    pid: int
    port: int


@dataclass(frozen=True)
class Service:
    """How to recognise and how to stop one kind of process of one instance.

    `marks` are arguments in its command line; `--port=N` is always one more.
    """

    name: str
    marks: tuple[str, ...]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Account:
    """The system user that a process runs as, where it must not be the caller."""

    user: int
    group: int


def find(service: Service, pid: int | None) -> Running | None:
    """Find the service's process: first at the pid that was noted, then among all processes."""
    if pid is not None and (running := _recognise(service, pid)):
        return running
    for candidate in psutil.pids():
        if running := _recognise(service, candidate):
            return running
    return None


def start(
    service: Service,
    command: list[str],
    port: int,
    ready: Callable[[], bool],
    *,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Running:
    """Start the command in a separate session and wait until it is `ready` on its port.

    A DemoError names the log when it does not get there; then nothing of it is left running.
    """
    service.log.parent.mkdir(parents=True, exist_ok=True)
    process = None
    try:
        with service.log.open("ab") as log, uninterrupted():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the command in front, not for the servers
                cwd=folder,
                env=environment,
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=[] if account else None,
                umask=PRIVATE_UMASK if account else -1,
            )
        _await(process, ready, service)
    except BaseException:
        if process is not None:
            stop((service, process.pid))
        raise
    return Running(process.pid, port)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off until the block is done, and then obey them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals
        return
    heard: list[int] = []
    before = {each: signal.signal(each, lambda number, _: heard.append(number)) for each in INTERRUPTS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if heard:
        raise KeyboardInterrupt


def stop(*running: tuple[Service, int]) -> None:
    """Ask processes (service, pid) to stop, all at once; those that do not listen are stopped by force."""
    asked = []
    for service, pid in running:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            process.send_signal(service.stop_signal)
            asked.append(process)
    for process in _left_after(STOP_SECONDS, asked):
        with suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            _left_after(STOP_SECONDS, family)


def run(command: list[str], account: Account | None, log: Path) -> None:
    """Run a short command to its end with its output in `log`; a DemoError names the log when it fails."""
    with log.open("ab") as output:
        code = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",  # a place that the other user can be in
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
            umask=PRIVATE_UMASK if account else -1,
        ).returncode
    if code != 0:
        raise DemoError(f"{Path(command[0]).name} failed: {last_line(log)} (see {log})")


def choose_port(preferred: int | None) -> int:
    """The preferred port of 127.0.0.1 if it is free, else any free one."""
    return preferred if preferred is not None and port_is_free(preferred) else _any_port()


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do: TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = [
        line.strip()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    ]
    return lines[-1] if lines else "no message"


def _left_after(seconds: float, awaited: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until the processes have ended; returns those that have not."""
    deadline = time.monotonic() + seconds
    while (left := [each for each in awaited if not _has_ended(each)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _has_ended(process: psutil.Process) -> bool:
    # A zombie has ended: whoever inherits it may take a while to collect it.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _any_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _recognise(service: Service, pid: int) -> Running | None:
    try:
        process = psutil.Process(pid)
        arguments = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE or not set(service.marks) <= set(arguments):
            return None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    ports = [argument.removeprefix("--port=") for argument in arguments if argument.startswith("--port=")]
    return Running(pid, int(ports[0])) if ports and ports[0].isdigit() else None


def _await(process: subprocess.Popen[bytes], ready: Callable[[], bool], service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            reason = last_line(service.log)
            raise DemoError(f"{service.name} did not start: {reason} (see {service.log})")
        if ready():
            return
        time.sleep(0.05)
    raise DemoError(f"{service.name} did not answer within {START_SECONDS:.0f} s (see {service.log})")
