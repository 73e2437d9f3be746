"""Real households of one campaign, built twice by the project's own SQL: from the whole year, and from what was known then.

A model that sees its as-of date or later gives other rows for that date when these days are missing. One household that comes
for the first time on the day, and one coupon redeemed on it, are invented: the real day has neither.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from demo.year import open_year

OF_THE_CAMPAIGN = (
    "campaign_id in (select campaign_id from larder.marts.dim_campaigns where start_date = $day)"
)

MODELS = {
    "bridge_offer_households": OF_THE_CAMPAIGN,
    "agg_offer_dates": "true",
    "agg_household_rhythm": "household_id in (select household_id from larder.marts.fct_campaign_targets"
    f" where {OF_THE_CAMPAIGN})",
    "agg_category_pairs": "true",
    "agg_category_affinity": "true",
    "agg_coupon_popularity": OF_THE_CAMPAIGN,
    "agg_coupon_support": OF_THE_CAMPAIGN,
    "agg_offer_candidates": OF_THE_CAMPAIGN,
    "agg_household_offers": OF_THE_CAMPAIGN,
    "agg_feature_dates": "true",
    "agg_household_features": "true",
}
"""Each model in the order in which they are built, and which of its rows both builds have for the day."""

COMPARISON = re.compile(r"(before_date\s*>(?![=>])|business_date\s*<(?!=)\s*(?=\w+\.before_date))")
"""Where a model requires that something was before: made `>=` or `<=`, it sees one day too many."""

FACTS = """
create table chosen_households as select household_id from campaigns where campaign_id = $campaign;
create schema larder.marts; create schema larder.seeds; create schema observe;
create table observe.built_partitions (model varchar, partition_key varchar, fingerprint ubigint);
create table larder.marts.dim_campaigns as
    select campaign_id::bigint as campaign_id, campaign_type, start_date::date as start_date, end_date::date as end_date,
        0::bigint as targeted_households
    from campaign_descriptions where start_date::date <= $until;
create table larder.marts.fct_campaign_targets as
    select distinct campaign_id::bigint as campaign_id, household_id::bigint as household_id from campaigns
    where campaign_id::bigint in (select campaign_id from larder.marts.dim_campaigns) and household_id in (from chosen_households);
create table larder.marts.bridge_coupon_products as
    select distinct campaign_id::bigint as campaign_id, coupon_upc::bigint as coupon_upc, product_id::bigint as product_id
    from coupons where campaign_id::bigint in (select campaign_id from larder.marts.dim_campaigns);
create table larder.marts.fct_coupon_redemptions as
    select household_id::bigint as household_id, campaign_id::bigint as campaign_id, coupon_upc::bigint as coupon_upc,
        redemption_date::date as redemption_date,
        row_number() over (order by redemption_date, household_id, campaign_id, coupon_upc) as redemption_id
    from coupon_redemptions where redemption_date::date < $until
    union all
    select min(household_id), $campaign, 0, $day, 0 from larder.marts.fct_campaign_targets where $day < $until;
create table larder.marts.dim_products as
    select product_id::bigint as product_id, coalesce(brand, 'Unknown') as brand_class, coalesce(product_category, 'Unknown') as product_category,
        coalesce(product_type, 'Unknown') as product_type
    from products;
create table larder.marts.fct_basket_lines as
    select basket_id::bigint as basket_id, product_id::bigint as product_id, household_id::bigint as household_id,
        store_id::bigint as store_id, business_date, if(quantity = 0, 'no_quantity', if(quantity > 1000, 'volume', 'item')) as line_kind,
        sales_value::decimal(18, 2) as sales_usd, retail_disc::decimal(18, 2) as loyalty_discount_usd
    from sales
    where business_date < $until and household_id in (from chosen_households)
        and product_id::bigint in (select product_id from larder.marts.dim_products)
    union all
    select 0, min(product_id), 0, 0, $day, 'item', 1, 0 from larder.marts.bridge_coupon_products where $day < $until;
create table larder.marts.fct_baskets as
    select basket_id, household_id, business_date, sum(sales_usd) as sales_usd, sum(loyalty_discount_usd) as loyalty_discount_usd
    from larder.marts.fct_basket_lines group by all;
create table larder.marts.agg_sales_days as
    select business_date, bit_xor(hash(lines)) as fingerprint from larder.marts.fct_basket_lines as lines group by business_date;
create table larder.marts.dim_dates as
    select day::date as calendar_date from generate_series(date '2016-11-01', date '2018-03-31', interval 1 day) as days (day);
"""


@dataclass(frozen=True)
class Campaign:
    """A campaign, and its first day, which is an as-of date of the features as well."""

    campaign_id: int
    day: date


@dataclass(frozen=True)
class Build:
    """The models of MODELS, to be read for the as-of date `day`."""

    connection: duckdb.DuckDBPyConnection
    compiled: Mapping[str, str]
    day: date

    def rows(self, model: str) -> set[tuple[Any, ...]]:
        """Rows of a model for the as-of date, without the flag of the latest one; the offers' fingerprint contains it too."""
        hidden = ("is_latest", "fingerprint") if model == "agg_offer_dates" else ("is_latest", "")
        return set(
            self.connection.execute(
                f"select columns(name -> name not in {hidden})"
                f" from larder.marts.{model} where before_date = $day and {MODELS[model]}",
                {"day": self.day},
            ).fetchall()
        )

    def leaking(self, model: str) -> list[set[tuple[Any, ...]]]:
        """The same, for each comparison of the model made off by one day."""
        found = []
        for place in COMPARISON.finditer(self.compiled[model]):
            sql = self.compiled[model]
            self.connection.execute(
                f"create or replace table larder.marts.{model} as {sql[: place.end()].rstrip()}= {sql[place.end() :]}"
            )
            found.append(self.rows(model))
        self.make(model)
        return found

    def make(self, model: str) -> None:
        self.connection.execute(f"create or replace table larder.marts.{model} as {self.compiled[model]}")


def build(
    compiled: Mapping[str, str], weights: Path, scratch: Path, campaign: Campaign, until: date
) -> Build:
    """Build the models from what had happened before `until`."""
    connection = open_year(scratch)
    connection.execute("attach ':memory:' as larder")
    values = {
        "$campaign": str(campaign.campaign_id),
        "$day": f"date '{campaign.day}'",
        "$until": f"date '{until}'",
    }
    connection.execute(re.sub(r"\$\w+", lambda name: values[name[0]], FACTS))
    connection.execute(f"create table larder.seeds.offer_weights as from '{weights}'")
    made = Build(connection, compiled, campaign.day)
    for model in MODELS:
        made.make(model)
    return made
