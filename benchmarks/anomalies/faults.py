"""Faults as a source or a pipeline makes them, put into the lines of a real year; each knows its days."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

LINES = "marts.fct_basket_lines"
FIRST, LAST = date(2017, 3, 6), date(2017, 12, 20)
"""Where faults begin: every watched series of the whole retailer is past its grace."""


@dataclass(frozen=True)
class Fault:
    """A fault, and the days on which an alert is about it."""

    kind: str
    first: date
    days: int
    statements: tuple[str, ...]

    @property
    def last(self) -> date:
        """The last day of it."""
        return self.first + timedelta(days=self.days - 1)


def inject(connection: duckdb.DuckDBPyConnection, faults: list[Fault]) -> None:
    """Put the faults into the lines."""
    for fault in faults:
        for statement in fault.statements:
            connection.execute(statement)


def of_two_rounds(chance: random.Random, stores: list[int], departments: list[str]) -> list[list[Fault]]:
    """Each kind once, in random order, half of them in each of two years; in one year they are weeks apart."""
    kinds = chance.sample(sorted(KINDS), len(KINDS))
    half = (len(kinds) + 1) // 2
    apart = (LAST - FIRST).days // half
    rounds: list[list[Fault]] = []
    for chosen in (kinds[:half], kinds[half:]):
        rounds.append([])
        for place, kind in enumerate(chosen):
            day = FIRST + timedelta(days=place * apart + chance.randrange(apart - 28))
            days, statements = KINDS[kind](chance, day, stores, departments)
            rounds[-1].append(Fault(kind, day, days, tuple(statements)))
    return rounds


Kind = Callable[[random.Random, date, list[int], list[str]], tuple[int, list[str]]]


def _on(day: date, days: int = 1) -> str:
    return f"business_date between date '{day}' and date '{day + timedelta(days=days - 1)}'"


def _again(where: str, day: date) -> str:
    """Lines once more, as receipts of their own."""
    return (
        f"insert into {LINES} select * replace (-basket_id as basket_id, date '{day}' as business_date)"
        f" from {LINES} where {where}"
    )


def _drop(chance: random.Random, day: date, _: list[int], __: list[str]) -> tuple[int, list[str]]:
    share = chance.randrange(30, 71)
    return 1, [f"delete from {LINES} where {_on(day)} and hash(basket_id) % 100 < {share}"]


def _duplicates(chance: random.Random, day: date, _: list[int], __: list[str]) -> tuple[int, list[str]]:
    share = chance.randrange(30, 71)
    return 1, [_again(f"{_on(day)} and hash(basket_id) % 100 < {share}", day)]


def _units(chance: random.Random, day: date, _: list[int], departments: list[str]) -> tuple[int, list[str]]:
    department = chance.choice(departments)
    return 1, [f"update {LINES} set units = units * 12 where {_on(day)} and department = '{department}'"]


def _silent(chance: random.Random, day: date, stores: list[int], _: list[str]) -> tuple[int, list[str]]:
    return 7, [f"delete from {LINES} where {_on(day, 7)} and store_id = {chance.choice(stores)}"]


def _price(chance: random.Random, day: date, _: list[int], departments: list[str]) -> tuple[int, list[str]]:
    department = chance.choice(departments)
    return 1, [
        f"update {LINES} set sales_usd = sales_usd * 100 where {_on(day)} and department = '{department}'"
    ]


def _shifted(_: random.Random, day: date, __: list[int], ___: list[str]) -> tuple[int, list[str]]:
    after = day + timedelta(days=1)
    return 2, [f"update {LINES} set business_date = date '{after}' where {_on(day)}"]


def _stale(_: random.Random, day: date, __: list[int], ___: list[str]) -> tuple[int, list[str]]:
    """The file of the day before comes again, in place of the next day's."""
    after = day + timedelta(days=1)
    return 2, [f"delete from {LINES} where {_on(after)}", _again(_on(day), day)]


def _restamped(_: random.Random, day: date, __: list[int], ___: list[str]) -> tuple[int, list[str]]:
    """The same, and its lines say that they are of this day: it looks like any other day."""
    return 1, [f"delete from {LINES} where {_on(day)}", _again(_on(day - timedelta(days=1)), day)]


def _remap(chance: random.Random, day: date, _: list[int], departments: list[str]) -> tuple[int, list[str]]:
    old, new = chance.sample(departments, 2)
    return 14, [f"update {LINES} set department = '{new}' where {_on(day, 14)} and department = '{old}'"]


def _nulls(chance: random.Random, day: date, _: list[int], __: list[str]) -> tuple[int, list[str]]:
    share = chance.randrange(5, 51)
    return 1, [
        f"update {LINES} set regular_price_usd = null where {_on(day)} and hash(basket_id, product_id) % 100 < {share}"
    ]


def _drift(chance: random.Random, day: date, _: list[int], __: list[str]) -> tuple[int, list[str]]:
    percent = chance.choice([1.0, 1.5, 2.0, 3.0])
    by = f"(1 + {percent} / 100 * (date_diff('day', date '{day}', business_date) + 1))"
    return 28, [f"update {LINES} set sales_usd = sales_usd * {by} where {_on(day, 28)}"]


KINDS: dict[str, Kind] = {
    "drop": _drop,
    "duplicates": _duplicates,
    "unit change": _units,
    "silent store": _silent,
    "price x 100": _price,
    "shifted day": _shifted,
    "stale file": _stale,
    "stale file with new dates": _restamped,
    "category remap": _remap,
    "null flood": _nulls,
    "slow drift": _drift,
}
