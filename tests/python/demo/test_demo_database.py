"""The database of a retailer whose year has come to 8 January: what it shows, and who may do what."""

from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2
import pytest
from conftest import Instance
from demo_instance import TABLES, Demo

from demo.clock import FIRST_DAY
from demo.year import data_folder

CLOCK = "2017-01-08"


@pytest.fixture(scope="module")
def demo(retailer: Instance) -> Demo:
    return Demo(retailer.data)


def real(sql: str) -> list[tuple[Any, ...]]:
    return duckdb.execute(sql.replace("@", str(data_folder()) + "/")).fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "insert into merchandising.stores values (1, 'A', now())",
        "update loyalty.households set email = 'x'",
        "delete from loyalty.demographics",
        "truncate merchandising.products",
        "create table loyalty.mine (a int)",
        "create table public.mine (a int)",
        "create temp table mine (a int)",
        "create schema mine",
        "alter role larder_reader createdb",
        "select * from demo_control.clock",
        "copy merchandising.stores to '/tmp/stores.csv'",
    ],
)
def test_the_reader_may_only_read(demo: Demo, statement: str) -> None:
    url = demo.connections["SOURCES__LOYALTY__CREDENTIALS"]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        # Read-only transactions are only a default, which the reader can lift: the grants have to suffice alone.
        cursor.execute("set default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)


def test_a_wrong_password_is_refused(demo: Demo) -> None:
    url = urlsplit(demo.connections["SOURCES__LOYALTY__CREDENTIALS"])
    assert url.hostname == "127.0.0.1" and len(url.password or "") >= 32
    for user, password in (
        ("larder_reader", "wrong"),
        ("larder_reader", ""),
        ("postgres", ""),
        ("postgres", "postgres"),
    ):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host="127.0.0.1", port=url.port, user=user, password=password, dbname="retailer")


def test_no_row_is_from_the_future_and_few_share_a_time(demo: Demo) -> None:
    for table in TABLES:
        rows = demo.query(
            f"select count(*), count(distinct updated_at), max((updated_at at time zone 'UTC')::date)::text, "
            f"max((updated_at at time zone 'America/New_York')::date)::text from {table}"
        )
        count, distinct, last_utc, last_local = rows[0]
        assert count > 0 and distinct > 0.99 * count
        assert last_utc <= CLOCK and last_local <= CLOCK


def test_households_are_those_with_a_sign_of_life(demo: Demo) -> None:
    expected = real(
        f"""
        with signs as (
            select household_id, ((transaction_timestamp at time zone 'UTC') at time zone 'America/New_York')::date as day
            from '@transactions.parquet'
            union all
            select household_id, greatest(start_date::date, date '{FIRST_DAY}')
            from '@campaigns.parquet' inner join '@campaign_descriptions.parquet' using (campaign_id)
            union all
            select household_id, redemption_date::date from '@coupon_redemptions.parquet'
        )
        select household_id, min(day) from signs group by 1 having min(day) <= date '{CLOCK}' order by 1
        """
    )
    assert demo.query("select household_id, registered_on from loyalty.households order by 1") == expected


def test_demographics_are_the_real_ones_of_those_households(demo: Demo) -> None:
    columns = "household_id, age, income, home_ownership, marital_status, household_size, household_comp, kids_count"
    present = {row[0] for row in demo.query("select household_id from loyalty.households")}
    expected = [
        row for row in real(f"select {columns} from '@demographics.parquet' order by 1") if row[0] in present
    ]
    assert demo.query(f"select {columns} from loyalty.demographics order by 1") == expected


def test_products_are_real_and_listed_before_they_are_needed(demo: Demo) -> None:
    columns = "product_id, manufacturer_id, department, brand, product_category, product_type, package_size"
    master = {row[0]: row for row in real(f"select {columns} from '@products.parquet'")}
    listed = demo.query(f"select {columns} from merchandising.products")
    assert all(row == master[row[0]] for row in listed)
    needed = real(
        f"""
        select distinct product_id from '@transactions.parquet'
        where ((transaction_timestamp at time zone 'UTC') at time zone 'America/New_York')::date <= date '{CLOCK}' + 7
        union select product_id from '@promotions.parquet' where week <= 3
        union select product_id from '@coupons.parquet' inner join '@campaign_descriptions.parquet' using (campaign_id)
        where start_date <= date '{CLOCK}' + 7
        """
    )
    missing = {row[0] for row in needed} - {row[0] for row in listed}
    # Week 3 begins on 2017-01-09, inside the seven days; the real master lacks a few products altogether.
    assert missing and not missing & set(master)
    assert len(listed) < len(master)


def test_all_stores_are_there_with_their_till_system(demo: Demo) -> None:
    stores = demo.query("select store_id, till_system from merchandising.stores order by 1")
    assert [row[0] for row in stores] == [
        row[0] for row in real("select distinct store_id from '@transactions.parquet' order by 1")
    ]
    assert all(system == ("B" if store % 4 == 0 else "A") for store, system in stores)


def test_synthetic_columns_say_so(demo: Demo) -> None:
    marked = demo.query(
        """
        select format('%s.%s', c.relname, a.attname)
        from pg_attribute as a
        inner join pg_class as c on a.attrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        where n.nspname in ('loyalty', 'merchandising') and col_description(c.oid, a.attnum) like 'SYNTHETIC%'
        """
    )
    synthetic = {name for (name,) in marked}
    contact = (
        "first_name",
        "last_name",
        "email",
        "phone",
        "postal_code",
        "birth_date",
        "registered_on",
        "updated_at",
    )
    assert synthetic == {f"households.{name}" for name in contact} | {
        "stores.till_system",
        "stores.updated_at",
        "products.updated_at",
        "demographics.updated_at",
    }


def test_every_table_has_a_key_and_an_index_on_its_cursor(demo: Demo) -> None:
    for table in TABLES:
        schema, _, name = table.partition(".")
        indexes = demo.query(
            f"select indexdef from pg_indexes where schemaname = '{schema}' and tablename = '{name}' order by 1"
        )
        assert any("UNIQUE" in each and "_id)" in each for (each,) in indexes)
        assert any(each.endswith("(updated_at)") for (each,) in indexes)


def test_secrets_are_for_their_owner_only(demo: Demo) -> None:
    for name in ("connections.toml", "secrets.json"):
        assert (demo.data / "demo" / name).stat().st_mode & 0o777 == 0o600
    assert (demo.data / "demo/postgres").stat().st_mode & 0o777 == 0o700
    assert not list((demo.data / "demo").glob("*password*"))
