"""Records of the campaign application: what its API serves, for all its years, in the order of its pages.

A record exists from its day on: campaigns, their households and their coupons from the campaign's start (from the year's
first day where that is earlier), redemptions from the day of the redemption. Ids follow the whole year's order, so
they do not depend on how far the demo's clock has come.
"""

import json
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import duckdb

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

RESOURCES = {
    "campaigns": """
        select campaign_id as id, campaign_id, campaign_type, start_date, end_date, announced_on as day
        from campaign_descriptions
    """,
    "campaign_households": """
        select row_number() over (order by announced_on, campaign_id, campaigns.household_id) as id,
            campaign_id, campaigns.household_id, announced_on as day
        from campaigns
        inner join campaign_descriptions using (campaign_id)
    """,
    # Exact repeats are in the real data; each keeps its own id.
    "coupons": """
        select row_number() over (order by announced_on, campaign_id, coupons.coupon_upc, coupons.product_id) as id,
            coupons.coupon_upc, coupons.product_id, campaign_id, announced_on as day
        from coupons
        inner join campaign_descriptions using (campaign_id)
    """,
    "coupon_redemptions": """
        select row_number() over (order by redemption_date, household_id, coupon_upc, campaign_id) as id,
            household_id, coupon_upc, campaign_id, redemption_date, redemption_date as day
        from coupon_redemptions
    """,
}


Position = tuple[int, int]
"""A place in a resource: microseconds since 1970 of updated_at, and the id."""


@dataclass(frozen=True)
class Resource:
    """All records of the year as JSON objects, and their positions, both in the order (updated_at, id)."""

    positions: list[Position]
    records: list[str]

    def page(self, clock: date, start: Position, limit: int) -> tuple[list[str], Position | None]:
        """At most `limit` records from `start` on that exist at the end of the day `clock`, and where to go on."""
        first, end = bisect_left(self.positions, start), self.count(clock)
        last = min(first + limit, end)
        return self.records[first:last], self.positions[last] if last < end else None

    def count(self, clock: date) -> int:
        """How many records exist at the end of the day `clock`."""
        midnight = datetime.combine(clock + timedelta(days=1), time(), tzinfo=UTC)
        return bisect_left(self.positions, (microseconds(midnight), 0))


def load(year: duckdb.DuckDBPyConnection) -> dict[str, Resource]:
    """Read all resources into memory: 125,000 records, about 40 MB."""
    return {name: _load(year, name, query) for name, query in RESOURCES.items()}


def microseconds(moment: datetime) -> int:
    """A moment with a time zone as whole microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _load(year: duckdb.DuckDBPyConnection, name: str, query: str) -> Resource:
    timed = (
        f"with records as ({query}) select *, at_some_hour(day, '{name}/' || id) as updated_at from records"
    )
    cursor = year.execute(
        f"with timed as ({timed}) select epoch_us(updated_at), * exclude (day, updated_at), "
        "strftime(updated_at, '%Y-%m-%dT%H:%M:%S.%gZ') as updated_at from timed order by timed.updated_at, id"
    )
    columns = [column[0] for column in cursor.description or []][1:]
    positions, records = [], []
    for moment, *values in cursor.fetchall():
        record = dict(zip(columns, values, strict=True))
        if name == "campaigns":
            record.pop("id")
        positions.append((moment, values[0]))
        records.append(json.dumps(record, default=str, separators=(",", ":")))
    return Resource(positions, records)
