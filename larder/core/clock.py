"""What time it is for the data: that of the demo retailer's shops where data of the demo is loaded, else now."""

import json
from datetime import UTC, date, datetime, time, timedelta

from larder.core.settings import Paths

LAST_DAY = date.max - timedelta(days=1)
"""The last day that has an end."""


def now(paths: Paths) -> datetime:
    """The end of the demo's last complete day, in UTC; without a demo the time of the machine."""
    try:
        day = json.loads((paths.data / "demo" / "clock.json").read_text())["day"]
        return end_of(date.fromisoformat(day))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return datetime.now(UTC)


def end_of(day: date) -> datetime:
    """The midnight that ends a day, as UTC has it: promises are given in hours, and allow for the stores' time zones."""
    return datetime.combine(min(day, LAST_DAY) + timedelta(days=1), time(), UTC)
