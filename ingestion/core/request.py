"""What one run asks of a source: what is new, a range of days again, or everything again."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestion.core.storage import Location

LEAST_LEFT = 0.8
"""Share of what the lake holds that a source must still have: below it, something is wrong with the source."""


@dataclass(frozen=True, kw_only=True)
class LoadRequest:
    """What an operator asks for; without a word, what is new.

    With `first` and `last` these days are read again, with `full` everything; `force` accepts a source that has lost
    much of what it had.
    """

    first: date = date.min
    last: date = date.max
    full: bool = False
    force: bool = False

    @property
    def is_range(self) -> bool:
        """Whether only some days are asked for."""
        return (self.first, self.last) != (date.min, date.max)

    @property
    def is_reload(self) -> bool:
        """Whether what the lake holds already is written again."""
        return self.full or self.is_range

    @property
    def kind(self) -> str:
        """As it stands in `deliveries`."""
        return "reload" if self.is_reload else "new"

    @property
    def days(self) -> str:
        """The range for people."""
        if self.first == self.last:
            return str(self.first)
        start = "the beginning" if self.first == date.min else str(self.first)
        return f"{start} to {'the end' if self.last == date.max else self.last}"

    @property
    def instants(self) -> tuple[datetime, datetime]:
        """The days of a range as instants in UTC: from the first, up to but not including the second."""
        last = min(self.last, date.max - timedelta(days=1))
        return datetime.combine(self.first, time(), UTC), datetime.combine(
            last + timedelta(days=1), time(), UTC
        )

    def covers(self, first: date, last: date) -> bool:
        """Whether any of the days from `first` to `last` is in the range."""
        return self.first <= last and first <= self.last


@dataclass(frozen=True, kw_only=True)
class ExtractContext(LoadRequest):
    """One run of one source: what is asked for, and where the source finds what has been read before.

    `work` is dlt's working directory. Told at the end of the run, in which the rest is loaded: what it refused, in
    `refusals`; files that lie where they cannot be, in `misplaced`; and `notes`, which are no failures. What must be
    closed then goes to `closing`.
    """

    source: str
    lake: "Location"
    work: Path
    refusals: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def dataset(self) -> "Location":
        """The folder of the source's raw tables."""
        return self.lake / "raw" / self.source

    def accepts(self, what: str, left: int, known: int, unit: str = "records") -> bool:
        """Whether a source that has `left` of what the lake holds of it is accepted; if not, it is noted."""
        if self.force or left >= known * LEAST_LEFT:
            return True
        self.refusals.append(f"{what} has only {left:,} of the {known:,} {unit} that the lake holds")
        return False
