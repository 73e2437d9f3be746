"""Which metrics a change moves, by how much and where: each asked of the base by its own definition, and of what was built by the new one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.core.text import first_line
from larder.core.errors import LarderError
from larder.queries.semantics import Question, Semantics
from larder.review.effect.tables import without_values

MOST_SEGMENTS = 500
"""Segments of a dimension at most; one with more is no place to look at."""

SHOWN_DIMENSIONS = 2
SHOWN_SEGMENTS = 8
TIMES = ("month", "week_number")


@dataclass(frozen=True)
class MetricReview:
    """A metric in total, and `by` those dimensions of which the fewest segments moved: how many of all, and the furthest ones.

    `note` says why it was not asked, or, if it `is_broken`, not answered.
    """

    name: str
    unit: str
    before: Any = None
    after: Any = None
    by: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""
    is_broken: bool = False

    @property
    def moves(self) -> bool:
        return bool(self.before != self.after or self.by or self.note)


@dataclass(frozen=True)
class Side:
    """Definitions, and the tables that they are asked of."""

    semantics: Semantics
    connection: duckdb.DuckDBPyConnection

    def ask(self, metric: str, by: Sequence[str] = ()) -> dict[Any, Any]:
        """The values of a metric by those of dimensions."""
        rows = self.connection.execute(self.semantics.sql(Question([metric], by))).fetchall()
        return {row[:-1]: row[-1] if row[-1] == row[-1] else None for row in rows}  # NaN is no figure


def compare(before: Side, after: Side, names: Collection[str], shown: Collection[str]) -> list[MetricReview]:
    """Ask each metric of both sides, in total and by the dimensions whose values may be `shown`."""
    old, new = ({one.name: one for one in side.semantics.metrics()} for side in (before, after))
    found = []
    for name in sorted({*names} & {*old, *new}):
        unit = (new.get(name) or old[name]).unit
        if name not in old or name not in new:
            found.append(MetricReview(name, unit, note="new" if name in new else "gone"))
            continue
        dimensions = {*old[name].dimensions} & {*new[name].dimensions}
        usable = sorted(d for d in dimensions if d in TIMES or {d, f"{d}_id"} & {*shown})
        try:
            by = [moved for one in usable if (moved := _by(before, after, name, one))]
            by.sort(key=lambda one: (one["moved"] / one["all"], one["dimension"]))
            was, now = (next(iter(side.ask(name).values()), None) for side in (before, after))
            found.append(MetricReview(name, unit, was, now, by[:SHOWN_DIMENSIONS]))
        except (duckdb.Error, LarderError) as error:
            why = without_values(first_line(error))
            found.append(MetricReview(name, unit, note=f"cannot be answered: {why}", is_broken=True))
    return found


def _by(before: Side, after: Side, name: str, dimension: str) -> dict[str, Any]:
    """The segments of a dimension that moved, the furthest first; nothing where none did, or there are too many of them."""
    old, new = before.ask(name, [dimension]), after.ask(name, [dimension])
    keys = {**old, **new}
    moved = [key for key in keys if old.get(key) != new.get(key)]
    if not moved or len(keys) > MOST_SEGMENTS:
        return {}
    moved.sort(key=lambda key: (-abs(_number(new.get(key)) - _number(old.get(key))), str(key)))
    segments = [
        {"value": "(none)" if key[0] is None else str(key[0]), "before": old.get(key), "after": new.get(key)}
        for key in moved[:SHOWN_SEGMENTS]
    ]
    return {"dimension": dimension, "moved": len(moved), "all": len(keys), "segments": segments}


def _number(value: Any) -> Decimal:
    return Decimal(str(value)) if isinstance(value, int | float | Decimal) else Decimal()
