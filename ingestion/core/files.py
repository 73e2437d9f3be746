"""Files that a reader sees whole or not at all, whatever is killed while they are written."""

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(target: Path, content: str | bytes) -> None:
    """Replace `target` by a file with this content, in one step that survives a crash."""
    with atomically(target) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomically(target: Path, is_private: bool = False) -> Iterator[Path]:
    """Give a path next to `target` to write to; at the end it becomes `target`, unless an error is raised.

    The name begins with a dot and does not end as that of `target`, so that no pattern of data files finds it. A target that
    exists keeps its mode, unless what is written `is_private`: then it is for its owner alone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if is_private:
            beside.touch(mode=0o600)
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        with suppress(FileNotFoundError):
            if not is_private:
                shutil.copymode(target, beside)
        beside.replace(target)
        sync_folder(target.parent)
    finally:
        beside.unlink(missing_ok=True)


def open_to_all(published: Path, site: Path) -> None:
    """Let everybody read what is published on purpose, a folder below `site`, and pass the folder that `site` is in.

    To pass is not to list: what else is in there stays private by its own mode.
    """
    for path in (published, *published.rglob("*")):
        if not path.is_symlink():
            _allow(path, 0o555 if path.is_dir() else 0o444)
    for folder in published.parents:
        if folder.is_relative_to(site):
            _allow(folder, 0o555)
    _allow(site.parent, 0o111)


def _allow(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | bits != mode:
        path.chmod(mode | bits)


def sync_folder(folder: Path) -> None:
    """Have the disk remember the names in a folder, before anything relies on them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for the same folder. It is released when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone leaves it to a child that was forked meanwhile
        os.close(descriptor)
