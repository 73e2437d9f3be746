"""What a dbt process may reach: SQL and Jinja of a change that nobody has read yet run in it.

Linux holds it by Landlock, which needs no rights and passes to all that the process starts (docs/decisions/0044). Elsewhere it runs as
its user, which is said once.
"""

import ctypes
import os
import signal
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from larder.core import console

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls, which have the same numbers on every architecture."""
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_FILE, RENAME, TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_FILE | RENAME
)
OF_A_FILE = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE
"""What may be allowed of a path that is no folder. Nothing is written that is executed, and no link, device, pipe or socket is made."""

HANDLED = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights of files the kernel knows, by Landlock's version; later ones know as many as the last."""

SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/proc/sys/vm/overcommit_memory",
)
"""What any program reads."""

NETWORK = (
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/ssl",
    "/etc/pki",
    "/run/systemd/resolve",
)
"""What a program reads that looks up a name, and checks who answers."""

PATH_BENEATH, NET_PORT = 1, 2
CONNECT_TCP = 1 << 1


def unconfined() -> None:
    """What a child calls that may reach all that its user may: it ends when its parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextmanager
def confined(
    reads: Iterable[Path], writes: Iterable[Path], port: int | None = None
) -> Iterator[Callable[[], None]]:
    """What a child calls before it starts its program: from then on it reads these paths, Python and the system's libraries, writes below
    the folders of `writes`, and opens no TCP connection but to `port`. It ends when its parent does.
    """
    system = ctypes.CDLL(None, use_errno=True)
    read = [*map(Path, SYSTEM), *_python(), *reads, *(map(Path, NETWORK) if port else ())]
    ruleset = _ruleset(system, read, list(writes), port)

    def enter() -> None:
        if sys.platform != "linux":
            return
        system.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if ruleset is not None:
            _allow(
                system, ruleset, Path("/proc/self"), READ_FILE | READ_DIR
            )  # DuckDB looks up its control group
            _checked(system.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
            _checked(system.syscall(RESTRICT_SELF, ruleset, 0))

    try:
        yield enter
    finally:
        if ruleset is not None:
            os.close(ruleset)


@contextmanager
def known(process: int) -> Iterator[None]:
    """Have the system keep what it knows of a confined process: looked up again, its folder in /proc would be another one, and forbidden."""
    kept = os.open(f"/proc/{process}", os.O_PATH) if sys.platform == "linux" else None
    try:
        yield
    finally:
        if kept is not None:
            os.close(kept)


def _ruleset(
    system: ctypes.CDLL, reads: Iterable[Path], writes: Iterable[Path], port: int | None
) -> int | None:
    version = system.syscall(CREATE_RULESET, None, 0, 1) if sys.platform == "linux" else 0
    if version < 1:
        _say_so()
        return None
    files = (1 << HANDLED.get(version, 16)) - 1
    # Also TCP from version 4 on, and from version 6 on abstract sockets and signals to processes outside.
    content = struct.pack("QQQ", files, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _checked(system.syscall(CREATE_RULESET, content, len(content), 0))
    for path in reads:
        _allow(system, ruleset, path, READ & files)
    for path in writes:
        path.mkdir(parents=True, exist_ok=True)
        _allow(system, ruleset, path, WRITE & files)
    _allow(system, ruleset, Path(os.devnull), (READ_FILE | WRITE_FILE) & files)
    if port and version >= 4:
        _checked(system.syscall(ADD_RULE, ruleset, NET_PORT, struct.pack("=QQ", CONNECT_TCP, port), 0))
    return ruleset


def _allow(system: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Allow a path and all below it, where a link leads to; what is not there needs no right."""
    try:
        place = os.open(path, os.O_PATH)
    except FileNotFoundError:
        return
    try:
        rule = struct.pack("=Qi", rights if path.is_dir() else rights & OF_A_FILE, place)
        _checked(system.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
    finally:
        os.close(place)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result


def _python() -> set[Path]:
    """The interpreter, its library and what is installed for it."""
    places = sysconfig.get_paths()
    return {Path(sys.prefix), Path(sys.base_prefix), *(Path(places[name]) for name in ("stdlib", "platlib"))}


@cache
def _say_so() -> None:
    console.note("dbt runs unconfined: this system has no Landlock (docs/security.md)")
