"""Keys that YAML would take twice without a word, and keep the last."""

from collections.abc import Iterator
from typing import Any


def twice(node: Any) -> Iterator[str]:
    """The keys that some mapping of a composed document has twice, with their lines."""
    if not isinstance(node.value, list):
        return
    known = set()
    for part in node.value:
        key, below = part if isinstance(part, tuple) else (None, part)
        if key is not None and key.value in known:
            yield f"{key.value} (line {key.start_mark.line + 1})"
        known.add(key and key.value)
        yield from twice(below)
