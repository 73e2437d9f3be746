"""JSON into rows: every digit is kept, and what no column can hold becomes text that its contract refuses."""

import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from ingestion.contracts.contract import Table
from ingestion.validation.checks import Violation

DIGITS = 4_000
"""Python makes no whole number of more digits than some 4,300."""

NO_TEXT = "the value is not of type string"
"""Reason of a value for text that is a list, an object or no Unicode: as text it would be another value."""


def parse(content: bytes) -> Any:
    """The value that JSON in UTF-8 states. Raises ValueError that says what is wrong.

    Bytes that are no UTF-8 become lone surrogates, so that only the record that has them is rejected. A field that comes
    twice in an object has the list of its values.
    """
    try:
        return json.loads(
            content.decode("utf-8-sig", "surrogateescape"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=str,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def as_object(payload: bytes) -> tuple[dict[str, Any] | None, str]:
    """The object that JSON in UTF-8 states, or what it states instead."""
    try:
        value = parse(payload)
    except ValueError as error:
        return None, f"no JSON: {error}"
    return (value, "") if isinstance(value, dict) else (None, f"a JSON {type(value).__name__}")


def records(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """JSON records, one dict a row, as a table in the types that they have; a mixed column becomes text."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or [""]
    return pa.table({_unicode(name): _array([row.get(name) for row in rows]) for name in names})


def odd_values(rows: Sequence[dict[str, Any]], contract: Table) -> list[Violation]:
    """Values for text that are none: `records` shows them as text, which casts to text and would be loaded."""
    found = []
    for column in contract.columns:
        if pt.is_string(column.arrow):
            names = (column.name, *column.aliases)
            odd = [n for n, row in enumerate(rows) if any(_is_odd(row.get(name)) for name in names)]
            if odd:
                found.append(Violation(column.name, column.type, NO_TEXT, np.array(odd)))
    return found


def as_text(value: Any) -> str:
    """A JSON value as text for people and for columns of mixed types."""
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, dict | list | bool) or value is None:
        try:
            return _unicode(json.dumps(value, default=str, ensure_ascii=False))
        except RecursionError:
            return f"a {type(value).__name__} that is nested too deeply"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _array(values: list[Any]) -> pa.Array:
    if not any(isinstance(value, dict | list) for value in values):
        try:
            return pa.array(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # mixed types, a number that is too large, text that is no Unicode
    return pa.array([None if value is None else as_text(value) for value in values], pa.string())


def _is_odd(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value or not _is_unicode(value)
    return isinstance(value, dict | list)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text  # an exponent beyond all bounds


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= DIGITS else text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        for name in {name for name in names if names.count(name) > 1}:
            found[name] = [value for other, value in pairs if other == name]
    return found
