"""How values read in sentences and tables: filters of the templates, and the one that a column's name asks for."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from markupsafe import Markup

NOTHING = "–"
UNSHOWN = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may have: a drawing with one ends the process that draws."""


def _rounded(value: Any, places: int) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0  # no −0


def usd(value: Any, places: int = 2) -> str:
    """Dollars: `$1,234.50`, or whole ones with 0 places."""
    if value is None:
        return NOTHING
    found = _rounded(value, places)
    return f"{'−' if found < 0 else ''}${abs(found):,}"


def number(value: Any, places: int | None = None) -> str:
    """A count, or with places a measure."""
    if value is None:
        return NOTHING
    found = value if places is None else _rounded(value, places)
    return f"{found:,}".replace("-", "−")


def percent(value: Any, places: int = 1) -> str:
    """A share: 0.031 is `3.1 %`."""
    return NOTHING if value is None else f"{number(100 * Decimal(str(value)), places)} %"


def signed(text: str) -> str:
    """A change that was made a text: with a plus where it has no sign. Of nothing, as `0.0 %`, it stays."""
    is_plain = text.startswith("−") or text == NOTHING or not text.strip("$0.,% ")
    return text if is_plain else f"+{text}"


def rose(value: Any, places: int = 1) -> str:
    """A change in words: `rose by 3.1 %`, `fell by 3.1 %`, `stayed the same`; what cannot be compared says so."""
    if value is None:
        return "cannot be compared"
    found = percent(abs(Decimal(str(value))), places)
    if not found.strip("0.% "):
        return "stayed the same"
    return f"{'rose' if value > 0 else 'fell'} by {found}"


def day(value: date | datetime | None) -> str:
    """A date: `31 Dec 2017`."""
    return NOTHING if value is None else f"{value.day} {value:%b %Y}"


def things(value: int, one: str, many: str = "") -> str:
    """A count with its word: `1 household`, `2 households`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def phrase(values: Iterable[Any]) -> str:
    """Several as a sentence has them: `a, b and c`."""
    found = [str(value) for value in values]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def markdown(text: str) -> Markup:
    """A text that is Markdown itself, such as a model's card, with its headings two levels lower."""
    return Markup(re.sub(r"(?m)^(#+ )", r"##\1", text))  # noqa: S704, HTML of it is shown as text


FILTERS: Mapping[str, Callable[..., str]] = {
    use.__name__: use for use in (usd, number, percent, signed, rose, day, things, phrase, markdown)
}

KEYS = ("_id", "_upc", "_number", "_key")
"""Ends of names of what is no quantity, whatever digits it has."""

ENDINGS: Mapping[str, Callable[..., str]] = {
    "_usd": usd,
    "_share": percent,
    "_rate": percent,
    "_date": day,
}
"""How a column is shown, by the end of its name, as governance/columns.yml names columns."""


def cell(column: str, value: Any) -> str:
    """A value of a table, by its column's name or its type."""
    use = next((use for ending, use in ENDINGS.items() if column.endswith(ending)), None)
    if value is None:
        return NOTHING
    if column.endswith(KEYS):
        return str(value)
    if use:
        return use(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) or (isinstance(value, Decimal) and len(f"{value:f}".partition(".")[2]) > 2):
        value = _rounded(value, 2)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return day(value)
    if isinstance(value, list):
        return phrase(value)
    return number(value) if isinstance(value, int | Decimal) else str(value)
