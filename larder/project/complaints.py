"""What dbt complains of before it runs anything, with the author's line and the name that was meant."""

import re
from difflib import get_close_matches
from pathlib import Path

from larder.core.settings import PROJECT

UNKNOWN_NODE = re.compile(r"'\S+' \((\S+)\) depends on a (?:node|source) named '([\w.]+)'")

KEY_TWICE = re.compile(r"Duplicate key (\S+) in .*?, line (\d+), .*?`([^`]+)`", re.DOTALL)


def plain(complaint: str) -> str:
    """A complaint of dbt's for the author of the file; of a fault of dbt's own the last line, which names it."""
    if "Traceback" in complaint:
        return complaint.strip().splitlines()[-1].strip()
    if twice := KEY_TWICE.search(complaint):
        return f"{twice[3]}:{twice[2]}: the key {twice[1]} comes twice, and what is below one of them is not read"
    found = UNKNOWN_NODE.search(complaint)
    if not found:
        return complaint
    path, name = found.groups()
    names = {file.stem for part in ("models", "seeds") for file in (PROJECT / part).rglob("*.*")}
    near = get_close_matches(name, names, 1)
    line = line_of(PROJECT / path, name)
    return (
        f"{path}{f':{line}' if line else ''}: there is no model, seed or source named {name}"
        f"{f'; did you mean {near[0]}?' if near else ''}"
    )


def line_of(file: Path, text: str) -> int | None:
    """The number of the one line of a file that contains `text`; None where there is none, or several."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    found = [number for number, line in enumerate(lines, 1) if text and text in line]
    return found[0] if len(found) == 1 else None
