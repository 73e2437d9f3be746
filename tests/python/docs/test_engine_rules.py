"""What DuckDB and Spark do differently and silently is refused in SQL, each by an example of it."""

import importlib.util

import duckdb
import pytest
import yaml
from conftest import PROJECT

FILE = PROJECT / ".ci/house_rules/manifest/check_engines.py"
SPEC = importlib.util.spec_from_file_location("check_engines", FILE)
assert SPEC and SPEC.loader
RULES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(RULES)

WRONG = {
    "whole division": "select a // b from t",
    "cast of a quotient to a whole number": "select cast(sales_usd / 7 as integer) from t",
    "cast of 2.7 to a whole number": "select cast(2.7 as bigint) from t",
    "regexp_replace": "select regexp_replace(name, 'a', 'b') from t",
    "a part of a text from place 0": "select substr(name, 0, 2) from t",
    "day of the week": "select dayofweek(sold_at) from t",
    "day of the week, extracted": "select extract(dow from sold_at) from t",
    "list of values": "select array_agg(product_id) from t",
    "text of values": "select string_agg(name, ',') from t",
    "hash": "select hash(product_id) from t",
    "quotient of decimals": "select 1.0 * sales_usd / units from t",
    "logarithm of 0": "select ln(0) from t",
    "another logarithm": "select log(sales_usd) from t",
    "division by 0": "select 1 / 0 from t",
    "date and interval": "select business_date + interval 1 day from t",
    "collation": "select name from t order by name collate nocase",
    "quantile": "select quantile_cont(sales_usd, 0.9) from t",
    "any value": "select any_value(name) from t",
    "a part of a text from its end": "select left(name, -1) from t",
    "cast by colons": "select sales_usd::bigint from t",
}

RIGHT = [
    "select cast(floor(sales_usd / 7) as integer) from t",
    "select cast(count(*) as bigint), cast(null as integer) from t",
    "select {{ ratio('sales_usd', 'units') }}, cast(units as double) / nullif(lines, 0) from t -- not a // b",
    "select ln(cast(later as double) / earlier), substr(name, 1, 2), 'hash(x) // 1 / 0' from t",
    "{# array_agg(x) #} select {{ dbt.dateadd('day', 1, 'business_date') }}, median(units) from t",
]


@pytest.mark.parametrize("sql", WRONG.values(), ids=WRONG)
def test_what_differs_is_refused(sql: str) -> None:
    assert RULES.differing(sql)


@pytest.mark.parametrize("sql", RIGHT)
def test_what_is_the_same_is_not(sql: str) -> None:
    assert RULES.differing(sql) == []


def test_every_rule_has_an_example() -> None:
    found = {why for sql in WRONG.values() for why in RULES.differing(sql)}
    assert {why for pattern, why in RULES.DIFFERS.items() if not any(why in one for one in found)} == set()


def test_nulls_come_where_spark_has_them() -> None:
    """A setting, as no text tells which columns may be null."""
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text())["larder"]["outputs"]
    connection = duckdb.connect()
    for name, value in profile["candidate"]["settings"].items():
        connection.execute(f"set {name} = '{value}'")

    def ordered(how: str) -> list[int | None]:
        return [
            row[0]
            for row in connection.execute(
                f"from (values (2), (null), (1)) as t(a) order by a {how}"
            ).fetchall()
        ]

    assert (ordered("asc"), ordered("desc")) == ([None, 1, 2], [2, 1, None])
