"""Years other than 2017: moved ones, and several one after the other, load, build and add up as the real one does."""

import csv
import tomllib
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from conftest import PROJECT, Instance

from demo.clock import FIRST_WEEK_START, Calendar

DAYS = (
    "select business_date, lines, baskets, households, sales_usd, loyalty_discount_usd, coupon_discount_usd, "
    "coupon_match_discount_usd from (select business_date, count(*) as lines, count(distinct basket_id) as baskets, "
    "count(distinct household_id) as households, sum(sales_usd + gift_card_usd) as sales_usd, "
    "sum(loyalty_discount_usd) as loyalty_discount_usd, sum(coupon_discount_usd) as coupon_discount_usd, "
    "sum(coupon_match_discount_usd) as coupon_match_discount_usd from marts.fct_basket_lines group by business_date)"
)
WEEKS = (
    "select week_number, sum(placed_rows), sum(placed_rows - placed_cases), count(distinct store_id), "
    "sum(displayed_cases), sum(mailed_cases) from marts.agg_promotion_stores_weekly group by week_number"
)

Figures = dict[Any, tuple[str, ...]]


def seeded_days(calendar: Calendar, last: date) -> Figures:
    """The totals of the real file for each day, at the days to which a calendar moves them; of two on a day the first counts."""
    days: Figures = {}
    with (PROJECT / "seeds/control_totals_daily.csv").open() as file:
        rows = list(csv.DictReader(file))
    for move in calendar.moves:
        for row in rows:
            day = date.fromisoformat(row["business_date"]) + timedelta(days=364 * move)
            if day <= last:
                days.setdefault(day, tuple(row.values())[1:])
    return days


def seeded_weeks(calendar: Calendar, last: date) -> Figures:
    weeks: Figures = {}
    with (PROJECT / "seeds/control_totals_weekly_promotions.csv").open() as file:
        rows = list(csv.DictReader(file))
    for move in calendar.moves:
        for row in rows:
            week = int(row["week_number"]) + 52 * move
            if FIRST_WEEK_START + timedelta(weeks=week - 1) <= last:
                weeks.setdefault(
                    week,
                    tuple(row[name] for name in ("placements", "repeats", "stores", "displayed", "mailed")),
                )
    return weeks


def built(instance: Instance, calendar: Calendar, last: date) -> None:
    """Load and build a demo that serves a calendar, every test of the project included, and compare it day by day."""
    options = ("--first-year", str(calendar.first_year), "--years", str(calendar.years), "--to", str(last))
    instance.larder("demo", "start", *options)
    instance.larder("ingest")
    instance.larder("build")
    instance.larder("publish")
    days = {day: tuple(map(str, figures)) for day, *figures in instance.query(DAYS)}
    assert days == seeded_days(calendar, last)
    weeks = {week: tuple(map(str, figures)) for week, *figures in instance.query(WEEKS)}
    assert weeks == seeded_weeks(calendar, last)
    gaps = instance.query("select count(*) from marts.fct_basket_lines where week_number is null")
    assert gaps == [(0,)]


@pytest.mark.nightly
def test_a_week_over_a_years_end_builds(instance: Instance) -> None:
    """From the last day of 2017, which is in week 53, to the second week of 2018."""
    built(instance, Calendar(first_year=2018), date(2018, 1, 8))
    assert instance.query("select min(calendar_date), max(calendar_date) from marts.dim_dates") == [
        (date(2016, 11, 1), date(2019, 3, 31))
    ]
    assert instance.query("select distinct week_number from marts.fct_baskets order by 1") == [
        (53,),
        (54,),
        (55,),
    ]


@pytest.mark.nightly
@pytest.mark.parametrize(
    "calendar",
    [Calendar(2019), Calendar(2020), Calendar(2021), Calendar(2025), Calendar(2017, years=2)],
    ids=str,
)
def test_a_year_that_is_moved_or_comes_twice_builds_with_the_same_figures(
    instance: Instance, calendar: Calendar
) -> None:
    """2020 has a leap day, and 2021 begins in the ISO week 53 of 2020."""
    built(instance, calendar, calendar.last_day)


def test_the_calendar_is_stated_alike_wherever_it_is_needed() -> None:
    """To the models, to the ingestion, and where dbt reads no variables; the demo serves it."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    stated = project["vars"]["first_week_start"]
    ingestion = tomllib.loads((PROJECT / ".dlt/config.toml").read_text())
    assert ingestion["sources"]["promotions"]["first_week_start"] == stated == str(FIRST_WEEK_START)
    assert date.fromisoformat(stated).isoweekday() == 1
    models = project["models"]["larder"]
    weekly = {
        models["staging"]["promotions"]["+event_time"],
        models["marts"]["core"]["fct_promotions"]["+event_time"],
    }
    weekly |= {
        mart["+event_time"]
        for name, mart in models["marts"]["promotions"].items()
        if not name.startswith("+")
    }
    assert weekly == {f"date '{stated}' + 7 * (week_number - 1)"}
    contract = yaml.safe_load((PROJECT / "ingestion/contracts/pos.yml").read_text())
    assert contract["transactions"]["local_day"]["zone"] == project["vars"]["store_time_zone"]
