"""Periods in the answer to a question about metrics: those without data, and those of which days are missing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Reach:
    """First and last day of what was asked, both included."""

    first: date
    last: date

    @classmethod
    def of(cls, first: date, last: date, grain: str) -> "Reach":
        """From a period to another one, each called by its first day."""
        return cls(first, following(last, grain) - timedelta(days=1))

    def cut(self, since: date | None, until: date | None, grain: str) -> "Reach":
        """What is left of it between two days, in whole periods of a grain that begin there; `first > last` where nothing is."""
        if since:
            start = beginning(since, grain)
            since = start if start == since else following(start, grain)
        if until and until < self.last:
            until = following(beginning(until, grain), grain) - timedelta(days=1)
        return Reach(max(self.first, since or date.min), min(self.last, until or date.max))

    def has_whole(self, start: date, grain: str) -> bool:
        """Whether it contains each day of the period that begins on `start`."""
        return self.first <= start and following(start, grain) - timedelta(days=1) <= self.last

    def periods(self, grain: str) -> Iterator[date]:
        """First days of the periods that it touches."""
        start = beginning(self.first, grain)
        while start <= self.last:
            yield start
            start = following(start, grain)


def beginning(day: date, grain: str) -> date:
    """First day of the period that contains a day. Weeks begin on Mondays."""
    if grain == "day":
        return day
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return date(day.year, (day.month - 1) // MONTHS[grain] * MONTHS[grain] + 1, 1)


def following(start: date, grain: str) -> date:
    """First day of the period after the one that begins on `start`."""
    if grain in MONTHS:
        months = start.month - 1 + MONTHS[grain]
        return date(start.year + months // 12, months % 12 + 1, 1)
    return start + timedelta(days=7 if grain == "week" else 1)


def is_partial(times: Mapping[str, Any], reach: Reach) -> bool:
    """Whether one of these periods, first days by names of grains (or of a numbered week), is not whole in what was asked."""
    return any(
        isinstance(start, date) and not reach.has_whole(start, name if name in MONTHS else "week")
        for name, start in times.items()
        if name != "day"
    )


def filled(rows: Sequence[list[Any]], grain: str, reach: Reach, empty: Sequence[Any]) -> list[list[Any]]:
    """Rows of one period each, with one of `empty` figures for each period that has none."""
    known: Mapping[date, list[Any]] = {row[0]: row for row in rows}
    return [known.get(start, [start, *empty]) for start in reach.periods(grain)]
