"""Rows of the database, each with the day on which it comes to be in this version.

`build(year)` adds four tables to the DuckDB connection, one per table of the retailer's database, with the same
columns and a `day` in front. A key may have several versions; the one that counts at the end of day D is the latest
whose day is not after D. So what a system shows at D depends on D alone, however D was reached.
"""

import json
from dataclasses import dataclass
from datetime import date

import duckdb

from demo import contacts
from demo.clock import FIRST_DAY, LAST_DAY
from demo.year import first_day, quoted

YEAR = LAST_DAY - FIRST_DAY


@dataclass(frozen=True)
class Table:
    """A table of the retailer's database and the name of its versions in DuckDB."""

    schema: str
    name: str
    key: str
    others: str

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.key, *self.others.split(), "updated_at")

    @property
    def versions(self) -> str:
        return f"{self.name}_versions"


# Parents before children, because the database has foreign keys.
TABLES = (
    Table(
        schema="merchandising",
        name="products",
        key="product_id",
        others="manufacturer_id department brand product_category product_type package_size",
    ),
    Table(schema="merchandising", name="stores", key="store_id", others="till_system"),
    Table(
        schema="loyalty",
        name="households",
        key="household_id",
        others="first_name last_name email phone postal_code birth_date registered_on",
    ),
    Table(
        schema="loyalty",
        name="demographics",
        key="household_id",
        others="age income home_ownership marital_status household_size household_comp kids_count",
    ),
)

# A product is listed a week before it is first needed. What that would put before the first day, and what is never needed,
# was listed on one of the 366 days before it; so were the stores.
PRODUCTS = """
create table products_versions as
with needs as (
    select product_id, min(business_date) as day from sales group by product_id
    union all
    select product_id, week_start(min(week)) as day from promotions group by product_id
    union all
    select coupons.product_id, min(campaign_descriptions.start_date) as day
    from coupons
    inner join campaign_descriptions using (campaign_id)
    group by coupons.product_id
),

first_needs as (
    select product_id, min(day) - 7 as day from needs group by product_id
),

listed as (
    select
        products.*,
        case
            when first_needs.day >= first_day() then first_needs.day
            else first_day() - 366 + pick('listed/' || products.product_id, 366)::integer
        end as day
    from products
    left join first_needs using (product_id)
)

select *, at_some_hour(day, 'product/' || product_id) as updated_at from listed
"""

STORES = """
create table stores_versions as
with store_ids as (
    select distinct store_id from real_transactions
),

opened as (
    select
        store_id,
        case when store_id % 4 = 0 then 'B' else 'A' end as till_system,
        first_day() - 366 + pick('opened/' || store_id, 366)::integer as day
    from store_ids
)

select *, at_some_hour(day, 'store/' || store_id) as updated_at from opened
"""

REGISTRATIONS = """
with signs_of_life as (
    select household_id, min(business_date) as day from sales group by household_id
    union all
    select campaigns.household_id, min(campaign_descriptions.announced_on) as day
    from campaigns
    inner join campaign_descriptions using (campaign_id)
    group by campaigns.household_id
    union all
    select household_id, min(redemption_date) as day from coupon_redemptions group by household_id
)

select signs_of_life.household_id, any_value(demographics.age) as age, min(signs_of_life.day) as registered_on
from signs_of_life
left join demographics using (household_id)
group by signs_of_life.household_id
order by signs_of_life.household_id
"""

HOUSEHOLDS = """
create table households_versions as
with contact_versions as (
    select unnest(
        from_json($versions, '[{
            "day": "date",
            "household_id": "bigint",
            "first_name": "varchar",
            "last_name": "varchar",
            "email": "varchar",
            "phone": "varchar",
            "postal_code": "varchar",
            "birth_date": "date",
            "registered_on": "date"
        }]'),
        recursive := true
    )
)

select *, at_some_hour(day, 'household/' || household_id || '/' || real_day(day)) as updated_at from contact_versions
"""

DEMOGRAPHICS = """
create table demographics_versions as
select
    demographics.*,
    households.registered_on as day,
    at_some_hour(households.registered_on, 'demographics/' || demographics.household_id) as updated_at
from demographics
inner join households_versions as households
    on demographics.household_id = households.household_id and households.day = households.registered_on
"""


def build(year: duckdb.DuckDBPyConnection) -> None:
    """Make the versions of all tables in the connection of `demo.year.open_year`."""
    year.execute(PRODUCTS)
    year.execute(STORES)
    versions = json.dumps(_contact_versions(year), default=str)
    year.execute(HOUSEHOLDS.replace("$versions", quoted(versions)))
    year.execute(DEMOGRAPHICS)


def changes(table: Table, after: date | None, to: date) -> str:
    """The query for the rows that are new or changed after one day and by the end of another.

    With `after` None it gives the whole state at the end of `to`.
    """
    lower = "" if after is None else f"and day > date '{after}'"
    # The time as text: it goes into a CSV, and a Python value of it would need one more package.
    columns = ", ".join(table.columns).replace("updated_at", "updated_at::varchar as updated_at")
    return (
        f"select {columns} from {table.versions} where day <= date '{to}' {lower} "
        f"qualify row_number() over (partition by {table.key} order by day desc) = 1 order by {table.key}"
    )


def _contact_versions(year: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """One row per household and address: its registration and, where it moves within the first year, the move."""
    first = first_day(year)
    versions = []
    for household_id, age_band, registered_on in year.execute(REGISTRATIONS).fetchall():
        details = vars(contacts.contact(household_id, age_band))
        version = {
            "day": registered_on,
            "household_id": household_id,
            **details,
            "birth_date": details["birth_date"] + (first - FIRST_DAY),
            "registered_on": registered_on,
        }
        versions.append(version)
        moved_on = contacts.moving_day(household_id, registered_on, first + YEAR)
        if moved_on is not None:
            phone, postal_code = contacts.new_address(household_id)
            versions.append({**version, "day": moved_on, "phone": phone, "postal_code": postal_code})
    return versions
