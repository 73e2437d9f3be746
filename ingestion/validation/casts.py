"""Cast delivered values to the types of a contract, and only where each stays exactly what it was.

What a pair of types may do is listed: everything else is rejected, whatever Arrow would make of it. A number is never a
time, since nobody can say which unit was meant.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

Rows = npt.NDArray[np.int64]
"""Positions of rows within a table, from 0."""

Cast = tuple[pa.ChunkedArray, dict[str, Rows]]
"""Values in the type that was asked for, and for each reason the rows whose value is not: those are null."""

KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    "nothing": pt.is_null,
    "whole": pt.is_integer,
    "float": pt.is_floating,
    "decimal": pt.is_decimal,
    "text": lambda kind: pt.is_string(kind) or pt.is_large_string(kind),
    "bytes": lambda kind: pt.is_binary(kind) or pt.is_large_binary(kind),
    "bool": pt.is_boolean,
    "date": pt.is_date,
    "time": pt.is_timestamp,
}

NATURAL = {
    "whole": {"whole"},
    "decimal": {"whole", "decimal", "text"},
    "text": {"text", "bytes"},
    "bool": {"bool", "text"},
    "date": {"date", "time", "text"},
    "time": {"time", "text"},
}
"""For each kind that a contract promises, those in which it may come; another one is told as schema drift."""

CASTS = {
    "whole": {"whole", "float", "decimal", "text"},
    "decimal": {"whole", "float", "decimal", "text"},
    "text": {"whole", "float", "decimal", "text", "bytes", "date", "time"},
    "bool": {"bool", "text"},
    "date": {"date", "time", "text"},
    "time": {"time", "text"},
}
"""For each kind that a contract promises, those of which a value can be the same."""

FORMS = {
    "whole": r"-?[0-9]+",
    "decimal": r"-?[0-9]*\.?[0-9]+",
    "bool": r"true|false",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-5][0-9])?)?",
}
"""How a value is written as text: plain digits, no exponent, no grouping; times as ISO 8601 has them."""

MICROSECONDS = {"s": 10**6, "ms": 10**3, "us": 1}
"""In one unit of a timestamp; a nanosecond is less than one."""

DAY = 86_400 * 10**6
"""Microseconds of a day."""

FIRST, LAST = ((day - date(1970, 1, 1)).days for day in (date.min, date.max))
"""The days that a calendar has, counted from 1970."""

EXACT_FLOAT = {16: 2**11, 32: 2**24, 64: 2**53}
"""By the bits of a float: from here on, it stands for several whole numbers."""

FAR = "the year is not one of 1 to 9999"
ZONE_LOST = "the time zone is lost"
NOT_EXACT = "the time is finer than a microsecond: precision is lost"
TIME_OF_DAY = "the value has a time of day, which a date loses"


class Lossy(ValueError):
    """A value that would lose something: its message says what."""


def cast(values: pa.ChunkedArray, target: pa.DataType, name: str) -> Cast:
    """The same values as `target`, which a contract calls `name`."""
    promised = _kind(target)
    if values.type == target and promised not in ("date", "time"):
        return values, {}
    values = _readable(values)
    came, wrong = _kind(values.type), f"the value is not of type {name}"
    if came == "nothing":
        return _nulls(values, target), {}
    if came not in CASTS[promised]:
        return _nulls(values, target), _reasons({wrong: _true(values.is_valid())})
    if promised == "time" and came == "time":
        return _instants(values, target)
    if promised == "date" and came in ("date", "time"):
        return _days(values, target)
    whole = _whole(values, target)
    return (whole, {}) if whole is not None else _each(values, target, wrong)


def is_retyped(came: pa.DataType, promised: pa.DataType) -> bool:
    """Whether values came as another kind of thing than is promised; another width or encoding of the same is none."""
    came = came.value_type if pt.is_dictionary(came) else came
    return _kind(came) not in {"nothing"} | NATURAL[_kind(promised)]


def _kind(kind: pa.DataType) -> str:
    return next((name for name, fits in KINDS.items() if fits(kind)), "other")


def _readable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values of an encoding as values; of bytes, the text that they are, if they are one."""
    if pt.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if _kind(values.type) == "bytes":
        try:
            return values.cast(pa.string())
        except pa.ArrowException:
            return values
    return values


def _whole(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray | None:
    """All values at once, or None where one of them is not the same afterwards."""
    form = FORMS.get(_kind(target)) if _kind(values.type) == "text" else None
    if form and pc.all(pc.match_substring_regex(values, f"^(?:{form})$")).as_py() is False:
        return None
    try:
        if pt.is_floating(values.type) and not pt.is_string(target) and _is_large(values):
            return None
        if pt.is_floating(values.type) and pt.is_decimal(target):
            rounded = pc.round(values, target.scale)
            is_same = pc.all(pc.equal(rounded, values)).as_py() is not False
            return rounded.cast(target) if is_same else None
        found = values.cast(target)
    except pa.ArrowException:
        return None
    return found if _kind(target) not in ("date", "time") or _is_of_calendar(found) else None


def _is_large(values: pa.ChunkedArray) -> bool:
    largest = pc.max(pc.abs(values)).as_py()
    return largest is not None and largest >= EXACT_FLOAT[values.type.bit_width]


def _each(values: pa.ChunkedArray, target: pa.DataType, wrong: str) -> Cast:
    """Value by value; those of which something does not fit are few."""
    try:
        delivered = values.to_pylist()
    except (ValueError, OverflowError, LookupError, pa.ArrowException):
        return _nulls(values, target), _reasons({wrong: _true(values.is_valid())})
    exact = EXACT_FLOAT[values.type.bit_width] if pt.is_floating(values.type) else None
    found: list[Any] = []
    broken: dict[str, list[int]] = {}
    for row, value in enumerate(delivered):
        try:
            if exact and value is not None and abs(value) >= exact and not pt.is_string(target):
                raise Lossy("the value is a float too large to be exact: precision is lost")
            found.append(None if value is None else _exactly(value, target))
        except (ValueError, InvalidOperation, OverflowError) as error:
            found.append(None)
            broken.setdefault(str(error) if isinstance(error, Lossy) else wrong, []).append(row)
    return pa.chunked_array([pa.array(found, target)]), {why: np.array(rows) for why, rows in broken.items()}


def _exactly(value: Any, target: pa.DataType) -> Any:
    """The same value as `target` has it; ValueError where it is another, Lossy where it would lose something."""
    promised = _kind(target)
    if promised == "text":
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, str):
        value = value.strip(" ")
        if not re.fullmatch(FORMS[promised], value):
            raise ValueError
    if promised == "bool":
        return value == "true"
    if promised == "date":
        return date.fromisoformat(value)
    return _instant(value) if promised == "time" else _number(value, target)


def _number(value: Any, target: pa.DataType) -> Any:
    number = Decimal(str(value))
    scale = target.scale if pt.is_decimal(target) else 0
    if not number.is_finite():
        raise ValueError
    exact = number.quantize(Decimal(1).scaleb(-scale))
    if exact != number:
        raise Lossy(f"the value is not exact at {scale} decimals: precision is lost")
    if pt.is_decimal(target):
        if exact.adjusted() + 1 + scale > target.precision:
            raise ValueError
        return exact
    if not -(2 ** (target.bit_width - 1)) <= exact < 2 ** (target.bit_width - 1):
        raise ValueError
    return int(exact)


def _instant(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise Lossy(ZONE_LOST)
    if re.search(r"\.[0-9]{6}[0-9]*[1-9]", value):
        raise Lossy(NOT_EXACT)
    return moment.astimezone(UTC)


def _instants(values: pa.ChunkedArray, target: pa.DataType) -> Cast:
    """Timestamps of any unit, by their numbers: Python has no dates for all of them."""
    if values.type.tz is None:
        return _nulls(values, target), _reasons({ZONE_LOST: _true(values.is_valid())})
    if values.type == target and _is_of_calendar(values):
        return values, {}
    moments, valid = _microseconds(values)
    far = valid & _is_far(moments // DAY)
    cut = valid & (values.type.unit == "ns") & (_numbers(values) % 1_000 != 0)
    return _array(moments, valid & ~far & ~cut, target), _reasons({NOT_EXACT: _where(cut), FAR: _where(far)})


def _days(values: pa.ChunkedArray, target: pa.DataType) -> Cast:
    """Dates, and timestamps at midnight on their own clocks."""
    if values.type == target and _is_of_calendar(values):
        return values, {}
    if pt.is_date32(values.type):
        days, valid = _numbers(values), _valid(values)
        late = np.zeros(len(values), bool)
    else:
        moments, valid = _microseconds(_on_own_clocks(values))
        days, late = moments // DAY, valid & (moments % DAY != 0)
    far = valid & ~late & _is_far(days)
    return _array(days, valid & ~far & ~late, target), _reasons({TIME_OF_DAY: _where(late), FAR: _where(far)})


def _on_own_clocks(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps as a clock of their zone shows them; of a zone that nobody knows, in UTC."""
    if pt.is_date64(values.type):
        return values.cast(pa.timestamp("ms"))
    try:
        return pc.local_timestamp(values) if values.type.tz else values
    except pa.ArrowException:
        return values


def _microseconds(values: pa.ChunkedArray) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Timestamps as microseconds, cut or at the end of time where they do not fit; and which there are."""
    numbers, unit = _numbers(values), values.type.unit
    if unit == "ns":
        return numbers // 1_000, _valid(values)
    factor = MICROSECONDS[unit]
    limit = np.iinfo(np.int64).max // factor
    return np.clip(numbers, -limit, limit) * factor, _valid(values)


def _is_of_calendar(values: pa.ChunkedArray) -> bool:
    """Whether all dates or timestamps [us] are of years that a calendar has."""
    per_day, width = (DAY, pa.int64()) if pt.is_timestamp(values.type) else (1, pa.int32())
    bounds = pc.min_max(values.cast(width)).as_py()
    return bounds["min"] is None or (
        FIRST * per_day <= bounds["min"] and bounds["max"] < (LAST + 1) * per_day
    )


def _is_far(days: Rows) -> npt.NDArray[np.bool_]:
    return (days < FIRST) | (days > LAST)


def _numbers(values: pa.ChunkedArray) -> Rows:
    """The numbers behind dates or timestamps; 0 where there is none."""
    width = pa.int32() if pt.is_date32(values.type) else pa.int64()
    found: Rows = values.cast(width).fill_null(0).to_numpy().astype(np.int64)
    return found


def _array(numbers: Rows, valid: npt.NDArray[np.bool_], target: pa.DataType) -> pa.ChunkedArray:
    width = pa.int32() if pt.is_date32(target) else pa.int64()
    kept = np.where(valid, numbers, 0)
    return pa.chunked_array([pa.array(kept, pa.int64(), mask=~valid).cast(width).cast(target)])


def _valid(values: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = values.is_valid().to_numpy()
    return found


def _nulls(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(len(values), target)])


def _reasons(found: dict[str, Rows]) -> dict[str, Rows]:
    return {reason: rows for reason, rows in found.items() if len(rows)}


def _true(mask: pa.ChunkedArray) -> Rows:
    return _where(mask.to_numpy())


def _where(mask: npt.NDArray[np.bool_]) -> Rows:
    return np.flatnonzero(mask).astype(np.int64)
