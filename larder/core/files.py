"""Files that are whole or not there: written next to their place, flushed to the disk, then renamed."""

import os
from pathlib import Path


def write_atomically(target: Path, content: str | bytes) -> None:
    """Write a file in one step: a reader, or a power cut, finds the old content or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.new")
    with fresh.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
