"""The macros that divide, on DuckDB itself, against exact fractions."""

from decimal import Decimal
from fractions import Fraction
from functools import cache
from types import SimpleNamespace

import duckdb
import jinja2
import pytest
from conftest import PROJECT
from hypothesis import given, settings
from hypothesis import strategies as st

MONEY = PROJECT / "macros" / "money"


@cache
def render(macro: str, *arguments: str | int) -> str:
    """SQL of a macro of macros/money, as dbt renders it for DuckDB."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    text = "\n".join(file.read_text() for file in sorted(MONEY.glob("*.sql")))
    dispatched = SimpleNamespace(dispatch=lambda name, package: getattr(macros, f"duckdb__{name}"))
    environment.globals |= {"adapter": dispatched, "return": lambda rendered: rendered}
    macros = environment.from_string(text).module
    return str(getattr(macros, macro)(*arguments))


def exact(numerator: Decimal, denominator: Decimal, decimals: int) -> Decimal | None:
    """The quotient to so many decimals, half away from zero."""
    if not denominator:
        return None
    quotient = Fraction(numerator) / Fraction(denominator)
    size = int(abs(quotient) * 10**decimals + Fraction(1, 2))
    return Decimal(size if quotient > 0 else -size).scaleb(-decimals)


def amounts(scale: int) -> st.SearchStrategy[Decimal]:
    digits = st.one_of(st.integers(-1000, 1000), st.integers(-(10**13), 10**13))
    return digits.map(lambda whole: Decimal(whole).scaleb(-scale))


@st.composite
def divisions(draw: st.DrawFn) -> tuple[Decimal, str, Decimal, str]:
    parts: list[Decimal | str] = []
    for _ in range(2):
        scale = draw(st.integers(0, 12))
        kinds = [f"decimal(18, {scale})"] if scale else ["bigint", "hugeint", "decimal(18, 0)"]
        parts += [draw(amounts(scale)), draw(st.sampled_from(kinds))]
    return tuple(parts)  # type: ignore[return-value]


@settings(max_examples=300, deadline=None)
@given(divisions())
def test_a_ratio_is_the_exact_fraction(division: tuple[Decimal, str, Decimal, str]) -> None:
    numerator, its_type, denominator, other_type = division
    right = exact(numerator, denominator, 6)
    if right is not None and abs(right) >= 10**12:
        return  # wider than the column that takes it
    sql = render("ratio", "numerator", "denominator")
    values = f"select cast({numerator:f} as {its_type}) as numerator, cast({denominator:f} as {other_type}) as denominator"
    found = duckdb.sql(f"select {sql} from ({values})").fetchone()
    assert found == (right,)


@settings(max_examples=200, deadline=None)
@given(amounts(2), st.integers(-(10**6), 10**6))
def test_money_per_unit_is_the_exact_fraction(money: Decimal, quantity: int) -> None:
    sql = render("money_per_unit", "money", "quantity")
    values = f"select cast({money:f} as decimal(18, 2)) as money, cast({quantity} as bigint) as quantity"
    assert duckdb.sql(f"select {sql} from ({values})").fetchone() == (exact(money, Decimal(quantity), 4),)


@pytest.mark.parametrize(
    ("macro", "numerator", "denominator"),
    [
        ("ratio", "cast(1 as double)", "2"),
        ("ratio", "1", "cast(2 as float)"),
        ("ratio", "cast(1 as decimal(18, 13))", "2"),
        ("ratio", "'1'", "2"),
        ("ratio", "cast(1e20 as decimal(38, 12))", "2"),
        ("money_per_unit", "cast(1.2345 as decimal(18, 4))", "2"),
        ("money_per_unit", "cast(1 as double)", "2"),
        ("money_per_unit", "cast(1 as decimal(18, 2))", "cast(1.5 as decimal(9, 1))"),
    ],
)
def test_what_cannot_be_carried_is_an_error(macro: str, numerator: str, denominator: str) -> None:
    sql = render(macro, "numerator", "denominator")
    values = f"select {numerator} as numerator, {denominator} as denominator"
    with pytest.raises(duckdb.Error):
        duckdb.sql(f"select {sql} from ({values})").fetchall()
