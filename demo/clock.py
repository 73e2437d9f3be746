"""The demo's calendar and its clock: the last day of 2017 that has happened."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from demo.errors import DemoError
from demo.paths import write_atomically

FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)
BEFORE_FIRST_DAY = date(2016, 12, 31)
FIRST_MONDAY = date(2017, 1, 2)


def parse_day(text: str) -> date:
    """Read a day of 2017 written as YYYY-MM-DD; anything else is a DemoError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise DemoError(f"'{text}' is not a date: write it as YYYY-MM-DD, for example 2017-06-30") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise DemoError(f"{day} is outside the demo's year: choose a day from {FIRST_DAY} to {LAST_DAY}")
    return day


def week_start(week: int) -> date:
    """The first day of a retailer week: week 1 is 2017-01-01 alone, the others begin on Mondays."""
    return max(FIRST_DAY, FIRST_MONDAY + timedelta(weeks=week - 2))


def week_of(day: date) -> int:
    """The retailer week (1 to 53) that a day belongs to."""
    return (day - FIRST_MONDAY).days // 7 + 2


@dataclass(frozen=True)
class Clock:
    """What the clock file says.

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
        """Read the clock file; without one the year has not begun."""
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
