"""Who asked for what about people: lines that are on the disk before the answer is given."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from larder.core import machine
from larder.core.settings import Paths


def record(paths: Paths, register: str, **said: Any) -> Path:
    """Append to `audit/<register>.jsonl`, with the time and the user; returns the file."""
    file = paths.data / "audit" / f"{register}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {
        "at": at,
        "by": machine.user(),
        "uid": os.getuid(),
        **said,
    }  # a name is what the environment says
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a") as lines:
        lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    return file
