"""Intended changes, waived in one reviewed file: governance/waivers.yml."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from larder.core.errors import LarderError

FILE = Path("governance/waivers.yml")
FIELDS = {"node": str, "reason": str, "reviewer": str, "until": date}


@dataclass(frozen=True)
class Finding:
    """One thing that fails a review: `what` in words. One that is not `waivable` fails it in any case."""

    node: str
    column: str | None
    what: str
    waivable: bool = True


@dataclass(frozen=True)
class Waiver:
    """Says that changes of a node, or of some of its columns, are intended, until the end of a day."""

    node: str
    reason: str
    reviewer: str
    until: date
    columns: list[str] = field(default_factory=list)

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is of what is waived."""
        is_column = not self.columns or finding.column in self.columns
        return finding.waivable and finding.node == self.node and is_column


def read(project: Path) -> list[Waiver]:
    """The waivers of the project; none where there is no file. Raises LarderError for one that is not complete."""
    try:
        found = yaml.safe_load((project / FILE).read_text())
    except FileNotFoundError:
        return []
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a value can be no day, or no text
        raise _wrong(" ".join(str(error).split())) from error
    if not isinstance(found, dict) or not isinstance(found.get("waivers"), list):
        raise _wrong("it has no list of waivers")
    return [_waiver(place, entry) for place, entry in enumerate(found["waivers"], 1)]


def _waiver(place: int, entry: Any) -> Waiver:
    given = entry if isinstance(entry, dict) else {}
    columns = given.get("columns", [])
    wrong = [
        name
        for name, kind in FIELDS.items()
        if type(given.get(name)) is not kind or not str(given[name]).strip()
    ]
    wrong += [str(name) for name in given if name not in {*FIELDS, "columns"}]
    wrong += [] if isinstance(columns, list) and all(isinstance(one, str) for one in columns) else ["columns"]
    if wrong:
        raise _wrong(f"waiver {place} is wrong in, or lacks, {', '.join(wrong)}")
    return Waiver(**given)


def _wrong(what: str) -> LarderError:
    return LarderError(
        f"{FILE}: {what}",
        "Write node, reason, reviewer, until (2026-12-31), and columns: [name] if only some.",
    )


def split(
    findings: Sequence[Finding], waivers: Sequence[Waiver]
) -> tuple[list[Finding], list[tuple[Finding, Waiver]]]:
    """The findings that stay, and those that are waived, each with the first waiver that covers it."""
    pairs = [(one, next((w for w in waivers if w.covers(one)), None)) for one in findings]
    return [one for one, by in pairs if not by], [(one, by) for one, by in pairs if by]
