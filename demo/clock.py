"""The demo's calendar, which sets the years it serves, and its clock: the last day that has happened."""

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from demo.errors import DemoError
from demo.paths import write_atomically

REAL_YEAR = 2017
FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)
FIRST_WEEK_START = date(2016, 12, 26)
"""The Monday of week 1. The retailer's weeks are counted from it without end."""

YEAR_DAYS, YEAR_WEEKS = 364, 52
"""Days by which a year is moved: whole weeks, so that every day keeps its weekday."""

MOST_YEARS = 10


def week_of(day: date) -> int:
    """The running number of the retailer's week that a day belongs to."""
    return (day - FIRST_WEEK_START).days // 7 + 1


@dataclass(frozen=True)
class Calendar:
    """The days that the demo serves: the real year, moved by 364 days for each year after 2017, once or several times.

    Each further year is the one before moved by 364 days. As 365 days would overlap by one, it begins with its second day.
    """

    first_year: int = REAL_YEAR
    years: int = 1

    @property
    def moves(self) -> range:
        """By how many times 364 days the real year is moved, once for each year served."""
        first = self.first_year - REAL_YEAR
        return range(first, first + self.years)

    @property
    def moved(self) -> timedelta:
        """By how much the first year is moved."""
        return timedelta(days=YEAR_DAYS * self.moves[0])

    @property
    def first_day(self) -> date:
        return FIRST_DAY + self.moved

    @property
    def last_day(self) -> date:
        return LAST_DAY + timedelta(days=YEAR_DAYS * self.moves[-1])

    def parse_day(self, text: str) -> date:
        """Read a day that the demo serves, written as YYYY-MM-DD; anything else is a DemoError."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise DemoError(
                f"'{text}' is not a date: write it as YYYY-MM-DD, for example {self.first_day + timedelta(180)}"
            ) from None
        if not self.first_day <= day <= self.last_day:
            raise DemoError(
                f"{day} is not served by this demo: choose a day from {self.first_day} to {self.last_day}"
            )
        return day

    def week_start(self, week: int) -> date:
        """The first day of a week that the demo serves: its Monday, in the first week the first day."""
        return max(self.first_day, FIRST_WEEK_START + timedelta(weeks=week - 1))

    @classmethod
    def read(cls, path: Path) -> "Calendar | None":
        """Read the calendar of a demo that has been started; None where there is no file."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DemoError(
                f"the demo's calendar {path} cannot be read ({error}): delete {path.parent} to make a new demo"
            ) from error

    def write(self, path: Path) -> None:
        """Replace the calendar file atomically."""
        write_atomically(path, json.dumps(asdict(self)) + "\n")


@dataclass(frozen=True)
class Clock:
    """The content of the clock file.

    `day` is the last day that is complete in all systems (None before the first start). `advancing_to` is set while
    the systems are on their way to a later day; it survives an interruption, because from then on some system may
    already show that day.
    """

    day: date | None = None
    advancing_to: date | None = None

    @property
    def floor(self) -> date | None:
        """The earliest day to which the demo can still be brought."""
        return max((day for day in (self.day, self.advancing_to) if day is not None), default=None)

    @classmethod
    def read(cls, path: Path) -> "Clock":
        """Read the clock file; without one the demo has not started."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise DemoError(
                f"the demo's clock {path} cannot be read ({error}): delete it and start again"
            ) from error
        return cls(_day_or_none(content.get("day")), _day_or_none(content.get("advancing_to")))

    def write(self, path: Path) -> None:
        """Replace the clock file atomically."""
        content = {"day": _text_or_none(self.day), "advancing_to": _text_or_none(self.advancing_to)}
        write_atomically(path, json.dumps(content) + "\n")


def _day_or_none(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _text_or_none(day: date | None) -> str | None:
    return day.isoformat() if day else None
