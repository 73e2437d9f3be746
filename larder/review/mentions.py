"""The pages that name what a change changes: their authors wrote of figures and columns as they were."""

import re
from collections.abc import Iterator

from larder.core.settings import PROJECT
from larder.project.manifest import short_name
from larder.review.change.changes import PROJECT as EVERYTHING
from larder.review.change.changes import Change, NodeChange, Reached

PAGES = (
    "*.md",
    "docs/*.md",
    "docs/figures.yml",
    "models/**/*.md",
    "models/**/_exposures.yml",
    "reports/**/*.md",
)
"""Decisions are not among them: they say how things were."""


def find(change: Change) -> list[str]:
    """A line `file:line: what it names` for each place: of columns, where the page names their table as well; of tables, anywhere."""
    wanted = {short_name(node): (columns, what) for node, columns, what in _changed(change)}
    return [
        line
        for page in sorted({p for pattern in PAGES for p in PROJECT.glob(pattern)})
        for line in _in(page.read_text(errors="replace"), page.relative_to(PROJECT).as_posix(), wanted)
    ]


def _changed(change: Change) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Nodes with the columns that change, none where it may be any, and how."""
    nodes: tuple[NodeChange | Reached, ...] = (
        *change.reached,
        *change.nodes,
    )  # what it is itself counts more
    for one in nodes:
        if one.effect in ("rows", "columns") and one.node != EVERYTHING:
            yield one.node, one.columns, "changes"
    for broken in change.breaks:
        yield broken.node, (broken.column,) if broken.column else (), broken.what


def _in(text: str, page: str, wanted: dict[str, tuple[tuple[str, ...], str]]) -> Iterator[str]:
    for table, (columns, what) in wanted.items():
        if not re.search(rf"(?<!\w){table}(?!\w)", text):
            continue
        for name in columns or (table,):
            for number, line in enumerate(text.splitlines(), 1):
                if re.search(rf"(?<!\w){name}(?!\w)", line):
                    yield f"{page}:{number}: names {name}{f' of {table}' if name != table else ''}: {what}"
