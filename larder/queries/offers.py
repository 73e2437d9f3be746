"""`larder offers`: a household's next best offers and why, from what is published. Takes no lock, and never writes."""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse.connection import QUERY
from larder.warehouse.store import Store

SHOWN = 10
"""Offers that are shown; each campaign has as many at most."""

DUE_SHOWN = 5

FIRST_AND_LAST_DAY = "select min(business_date), max(business_date) from marts.fct_baskets"

IS_KNOWN = "select count(*) from marts.dim_households where household_id = $household"

RUNNING = """
select count(*)
from marts.fct_campaign_targets
inner join marts.dim_campaigns using (campaign_id)
where household_id = $household and $day between start_date and end_date
"""

LAST_RUNNING_DAY = """
select max(least(end_date, cast($last as date)))
from marts.fct_campaign_targets
inner join marts.dim_campaigns using (campaign_id)
where household_id = $household and start_date <= cast($last as date)
"""

OFFERS = f"""
select
    row_number() over (order by score desc, campaign_id, offer_rank) as place,
    coupon_upc, coupon_category, campaign_id, campaign_type, end_date, score, reason_code, reason
from marts.agg_household_offers as offers
where
    household_id = $household
    and end_date >= $day
    and before_date = (
        select max(known.before_date)
        from marts.agg_household_offers as known
        where
            known.household_id = offers.household_id
            and known.campaign_id = offers.campaign_id
            and known.before_date <= $day
    )
order by place
limit {SHOWN}
"""

DUE = f"""
select product_category, typical_interval_days, last_category_date
from marts.agg_household_rhythm
where household_id = $household and is_latest and before_date = $day and replenishment_state = 'due'
order by purchase_days desc, product_category
limit {DUE_SHOWN}
"""


@dataclass(frozen=True)
class Offer:
    """One coupon that the household should get, in the order of `place`; it is valid until `end_date`."""

    place: int
    coupon_upc: int
    coupon_category: str
    campaign_id: int
    campaign_type: str
    end_date: date
    score: float
    reason_code: str
    reason: str


@dataclass(frozen=True)
class Due:
    """A category that the household usually buys every so many days, and might need now."""

    product_category: str
    typical_interval_days: float
    last_category_date: date


@dataclass(frozen=True)
class Answer:
    """What `larder offers` says. `due` is known for the day after the last delivered one only."""

    generation: str
    household_id: int
    as_of: date
    offers: list[Offer]
    due: list[Due]


def find(paths: Paths, household: int, as_of: date | None) -> Answer:
    """The offers of a household on a day; by default on the day after the last delivered one.

    Raises LarderError for a household, or a day, that is not in the data, and where no campaign runs for it.
    """
    store = Store(paths.warehouse)
    published = store.require_published()
    try:
        with store.open(published, QUERY) as connection:
            day = _day(connection, as_of)
            _require_household(connection, household, store)
            offers = [Offer(*row) for row in _rows(connection, OFFERS, household=household, day=day)]
            if not offers:
                raise _nothing(connection, household, day)
            due = [Due(*row) for row in _rows(connection, DUE, household=household, day=day)]
    except duckdb.CatalogException as error:
        raise LarderError(
            f"generation {published.id} has no offers: it was built by another version",
            "Build again: larder run",
        ) from error
    return Answer(published.id, household, day, offers, due)


def as_dict(answer: Answer) -> dict[str, Any]:
    """What `larder offers --json` says."""
    found = asdict(answer)
    for offer in found["offers"]:
        offer["score"] = float(offer["score"])
    for due in found["due"]:
        due["typical_interval_days"] = float(due["typical_interval_days"])
    return found


def render(answer: Answer) -> None:
    """Print offers for people, each with its reason."""
    console.heading(f"Household {answer.household_id}", f", offers on {answer.as_of}\n")
    for offer in answer.offers:
        console.out.print(
            f"{offer.place:>3}  {offer.coupon_category.lower()}: coupon {offer.coupon_upc} of campaign"
            f" {offer.campaign_id}, until {offer.end_date}",
        )
        console.out.print(f"     {offer.reason}", style="dim")
    if answer.due:
        console.out.print("\nDue again")
        for due in answer.due:
            console.out.print(
                f"     {due.product_category.lower()}, about every {due.typical_interval_days:.0f} days,"
                f" last on {due.last_category_date}",
            )
    personal = sorted({offer.campaign_id for offer in answer.offers if offer.campaign_type == "A"})
    if personal:
        console.out.print(
            f"\nCampaign {', '.join(map(str, personal))} is personalised: these are the best of its whole pool; which 16 the"
            " household really got is not in the data."
        )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, **values: object) -> list[tuple[Any, ...]]:
    return connection.execute(sql, values).fetchall()


def _day(connection: duckdb.DuckDBPyConnection, as_of: date | None) -> date:
    """The day that is asked for; the day after the last delivered one at the latest, and by default."""
    first, last = _rows(connection, FIRST_AND_LAST_DAY)[0]
    if last is None:
        raise LarderError("there are no sales yet", "Load some first: larder run")
    tomorrow: date = last + timedelta(days=1)
    if as_of is None:
        return tomorrow
    if not first <= as_of <= tomorrow:
        raise LarderError(
            f"{as_of} is outside of what has been delivered",
            f"Choose a day from {first} to {tomorrow}, the day after the last delivered one.",
        )
    return as_of


def _require_household(connection: duckdb.DuckDBPyConnection, household: int, store: Store) -> None:
    if not _rows(connection, IS_KNOWN, household=household)[0][0]:
        raise LarderError(
            f"no household {household} has a loyalty card",
            f'Find one: duckdb -readonly {console.shown_path(store.reader_address())} "select household_id from marts.dim_households"',
        )


def _nothing(connection: duckdb.DuckDBPyConnection, household: int, day: date) -> LarderError:
    """Why there is no offer, and the last day on which there was one."""
    if _rows(connection, RUNNING, household=household, day=day)[0][0]:
        return LarderError(
            f"the campaigns of household {household} on {day} have no coupons",
            "Load them: larder ingest campaigns",
        )
    last = _rows(connection, LAST_RUNNING_DAY, household=household, last=day)[0][0]
    return LarderError(
        f"no campaign runs for household {household} on {day}",
        f"Its last one before ran on {last}: larder offers {household} --as-of {last}"
        if last
        else "No campaign has targeted it so far. Try another household, or a later day with --as-of.",
    )
