"""A column is at least of the class of what its value comes from, whatever way the SQL takes; a reviewed declassifier makes it less."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from larder.catalog import metadata
from larder.project.lineage import project
from larder.project.lineage.turns import turns

PEOPLE = {
    "household_id": ("bigint", "pseudonym"),
    "email": ("varchar", "direct_identifier"),
    "birth_date": ("date", "direct_identifier"),
    "income": ("varchar", "sensitive"),
    "sold_at": ("timestamp", "quasi_identifier"),
    "registered_date": ("date", "quasi_identifier"),
    "tags": ("varchar[]", "sensitive"),
    "contact": ("struct(mail varchar)", "direct_identifier"),
    "nobody_knows": ("varchar", None),
    "units": ("bigint", "internal"),
    "store_id": ("bigint", "public"),
}

TAINTED = """
select nobody_knows as x from people
select email as x from people
select lower(email) as x from people
select md5(email) as x from people
select sha256(email || 'salt') as x from people
select email[2:4] as x from people
select left(email, 3) as x from people
select length(email) as x from people
select birth_date as x from people
select year(birth_date) as x from people
select date_trunc('month', birth_date) as x from people
select cast(birth_date as date) as x from people
select count(email) as x from people
select count(distinct email) as x from people
select max(email) as x from people
select any_value(email order by units) as x from people
select arg_max(email, units) as x from people
select arg_min(units, email) as x from people
select string_agg(email, ',') as x from people
select list(email) as x from people
select list(household_id)[1] as x from people
select mode(income) as x from people
select first(household_id) as x from people
select histogram(income) as x from people
select approx_top_k(income, 3) as x from people
select min_by(income, units) as x from people
select household_id + 0 as x from people
select household_id::varchar as x from people
select hash(household_id) as x from people
select bit_xor(hash(household_id)) as x from people
select sum(household_id) as x from people
select sum(distinct household_id) as x from people
select avg(household_id) as x from people
select coalesce(count(*), max(household_id)) as x from people
select count(*) + max(household_id) as x from people
select count(*) || max(income) as x from people
select case when units > 1 then income else '' end as x from people
select case when income = 'High' then 1 else 0 end as x from people
select sum(case when units > 1 then household_id else 0 end) as x from people
select if(units > 1, income, null) as x from people
select coalesce(null, income) as x from people
select nullif(income, '') as x from people
select greatest(income, 'a') as x from people
select income = 'High' as x from people
select income in ('High', 'Low') as x from people
select income like 'H%' as x from people
select income is distinct from 'x' as x from people
select [income] as x from people
select {'a': income} as x from people
select row(income, units) as x from people
select map([income], [units]) as x from people
select to_json(people) as x from people
select p::varchar as x from people as p
select p as x from people as p
select struct_pack(a := income) as x from people
select unnest(tags) as x from people
select list_transform(tags, lambda t: upper(t)) as x from people
select list_filter(tags, lambda t: t = income) as x from people
select [t for t in tags if t <> ''] as x from people
select contact.mail as x from people
select contact['mail'] as x from people
select struct_extract(contact, 'mail') as x from people
select printf('%s', income) as x from people
select format('{}', income) as x from people
select concat_ws('-', store_id, income) as x from people
select regexp_replace(income, 'a', 'b') as x from people
select split_part(email, '@', 2) as x from people
select ascii(income) as x from people
select base64(encode(income)) as x from people
select reverse(income) as x from people
select translate(income, 'a', 'b') as x from people
select sold_at as x from people
select sold_at + interval 1 day as x from people
select epoch(sold_at) as x from people
select cast(sold_at as timestamp) as x from people
select strftime(sold_at, '%H:%M') as x from people
select date_trunc('hour', sold_at) as x from people
select date_trunc('day', registered_date) as x from people
select registered_date as x from people
select cast(registered_date as date) as x from people
select lag(income) over (order by units) as x from people
select first_value(income) over (order by units) as x from people
select max(household_id) over (partition by store_id) as x from people
select max(household_id) filter (units > 1) as x from people
select (select max(income) from people) as x
select (select income from people as q where q.units = p.units limit 1) as x from people as p
select x from (select income as x from people)
with a as (select income as y from people), b as (select y as z from a) select z as x from b
select q.i as x from people as p cross join lateral (select p.income as i) as q
select x from (select units as a, income as x from people) union all select 'b' as x
select 'b' as x union select income from people
select income as x from people except select 'b'
select x from (values ('a')) as v(x) union all select income from people
select t.a as x from (select income as a from people) as t(a)
select * rename (income as x) from (select income from people)
select * replace (upper(income) as income) from (select income as x, income from people)
select columns('inc.*') as x from people
select x from (from people select income as x)
from people select income as x
select value as x from (unpivot (select income, email from people) on income, email into name n value value)
select high as x from (pivot (select income, units from people) on income in ('high') using max(income))
select x from query('select income as x from people')
select x from query_table('people') as t(x)
select list_aggregate(tags, 'max') as x from people
select array_to_string(tags, ',') as x from people
with recursive r as (select income as x from people union all select x || 'a' from r where length(x) < 3) select x from r
select a.income as x from people as a join people as b using (household_id)
select household_id as x from people as a natural join people as b
select case a.income when 'High' then 'H' else 'L' end as x from people as a
select try_cast(income as integer) as x from people
select income collate nocase as x from people
select lower(income) as i, i as x from people
select distinct on (units) income as x from people
select count(*) filter (income = 'a') * household_id as x from people
select row_number() over (order by household_id) + household_id as x from people
select sha256(cast(household_id as varchar)) as x from people
select to_base64(encode(email)) as x from people
select last(income order by sold_at) as x from people
select quantile_disc(household_id, 0.5) as x from people
select median(household_id) as x from people
select product(household_id) as x from people
select bit_or(household_id) as x from people
select list_sort(list(household_id)) as x from people
select date_diff('day', birth_date, date '2017-01-01') as x from people
select age(birth_date) as x from people
select md5_number(email) as x from people
select strip_accents(email) as x from people
select json_object('a', income) as x from people
select json_group_array(income) as x from people
select entropy(income) as x from people
"""

# Each of these went through once: a value beside one of which only a count, a day or its presence is left; days and presence of what was
# computed before; a text that looks like a step; what decides about rows, where that is the value.
TAINTED += """
with a as (select count(household_id) as n, max(household_id) as m from people) select n + m as x from a
with a as (select count(household_id) as n, max(household_id) as m from people) select [n, m] as x from a
with a as (select count(household_id) as n, max(household_id) as m from people) select a as x from a
with a as (select cast(sold_at as date) as d, sold_at + interval 1 hour as t from people) select d || t as x from a
with a as (select count(household_id) as n from people) select x from (select n as x from a union all select household_id from people)
select count(household_id) as x from people union all select max(household_id) from people
select cast(sold_at as date) as x from people union all select sold_at + interval 1 second from people
select x from (select count(household_id) as x from people) a full join (select max(household_id) as x from people) b using (x)
select household_id || ' → count(household_id) → ' as x from people
select cast(date '1970-01-01' + to_days(cast(epoch(sold_at) as integer)) as date) as x from people
with a as (select timestamp '1970-01-01' + to_days(minute(sold_at)::int) as d from people) select cast(d as date) as x from a
select date_trunc('year', sold_at + to_years(minute(sold_at)::integer)) as x from people
select nullif(household_id & 1, 1) is not null as x from people
select (case when sold_at > timestamp '2017-01-01' then 1 end) is null as x from people
select sum(case income when 'High' then 3 when 'Low' then 2 else 1 end) as x from people
select sum(case when income = 'High' then 1 else 0 end) over (partition by household_id) as x from people
select count(*) filter (income = 'High') over (partition by household_id) as x from people
select max(1) filter (income = 'High') as x from people group by household_id
select dense_rank() over (order by household_id) as x from people
select row_number() over w as x from people window w as (order by income)
select exists (from people as q where q.units = p.units and q.income = 'High') as x from people as p
select (select 1 from people as q where q.income = 'High' and q.units = p.units limit 1) is null as x from people as p
select (select count(*) from range(p.household_id)) as x from people as p
"""

CLEAN = """
select units as x from people
select store_id as x from people
select 1 as x
select 'a' as x from people
select count(*) as x from people
select count(household_id) as x from people
select count(distinct household_id) as x from people
select count(distinct case when units > 1 then household_id end) as x from people
select coalesce(count(distinct household_id), 0) as x from people
select sum(case when income = 'High' then 1 else 0 end) as x from people
select count_if(income = 'High') as x from people
select count(*) filter (income = 'High') as x from people
select household_id is null as x from people
select not household_id is null as x from people
select cast(sold_at as date) as x from people
select date_trunc('week', registered_date) as x from people
select date_trunc('month', cast(sold_at as date)) as x from people
select count(distinct household_id) * 1.0 / count(*) as x from people
select units as x from people where income = 'High'
select units as x from people order by income
select sum(units) as x from people group by household_id
select max(units) over (partition by household_id) as x from people
"""


def qualified(sql: str) -> str:
    """With the table's name as dbt compiles it."""
    return re.sub(r"\b(from|join) people\b", r"\1 main.people", sql)


def _people() -> str:
    return "select " + ", ".join(f"cast(null as {kind}) as {column}" for column, (kind, _) in PEOPLE.items())


def _models(queries: str) -> list[str]:
    return [line for line in queries.strip().splitlines() if line]


def _node(
    name: str, sql: str, columns: dict[str, tuple[str, str | None]], parents: list[str]
) -> dict[str, Any]:
    said = {
        column: {
            "name": column,
            "data_type": kind,
            "description": "",
            "config": {"meta": {"classification": class_}},
        }
        for column, (kind, class_) in columns.items()
    }
    return {
        **dict.fromkeys(("name", "alias", "unique_id"), name),
        **{"resource_type": "model", "schema": "main", "database": "memory", "package_name": "larder"},
        **{"columns": said, "config": {"materialized": "table", "meta": {}}, "language": "sql"},
        **{"depends_on": {"nodes": parents}, "compiled_code": sql, "access": "public"},
    }


def base_of(folder: Path, *models: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """The metadata base of models alone."""
    owner = {
        "unique_id": "customers",
        "name": "customers",
        "resource_type": "group",
        "package_name": "larder",
        "owner": {},
    }
    manifest = {
        **{kind: {} for kind in metadata.KINDS},
        "metadata": {"project_name": "larder"},
        "nodes": {model["unique_id"]: model for model in models},
        "groups": {"customers": owner},
        "parent_map": {},
    }
    types = {
        f"main.{model['name']}": {column: said["data_type"] for column, said in model["columns"].items()}
        for model in models
    }
    return metadata.begin(manifest, project.of_manifest(manifest, {}, folder / "lineage.json"), types, "")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """The queries of which the gate refuses that their column is internal."""
    queries = [*_models(TAINTED), *_models(CLEAN)]
    columns = {"x": ("varchar", "internal")}
    models = [_node(f"m{i}", qualified(sql), columns, ["people"]) for i, sql in enumerate(queries)]
    people = _node("people", _people(), PEOPLE, [])
    with base_of(tmp_path_factory.mktemp("classes"), people, *models) as base:
        found = base.execute("select distinct node_unique_id from larder.class_violations").fetchall()
    yield {queries[int(name[1:])] for (name,) in found if name != "people"}


def test_a_count_in_a_row_about_one_household_tells_what_it_has(tmp_path: Path) -> None:
    people = _node("people", _people(), PEOPLE, [])
    key = {"household_id": ("bigint", "pseudonym")}
    own = {**key, "high": ("bigint", "internal"), "baskets": ("bigint", "internal")}
    counted = "count_if(income = 'High') as high, count(household_id) as baskets"
    told = _node("told", qualified(f"select household_id, {counted} from people group by 1"), own, ["people"])
    totals = {name: said for name, said in own.items() if name != "household_id"}
    total = _node("total", qualified(f"select {counted} from people"), totals, ["people"])
    with base_of(tmp_path, people, told, total) as base:
        violations = "from larder.class_violations where node_unique_id <> 'people'"
        found = base.execute(f"select node_unique_id, column_name {violations}").fetchall()
    assert found == [("told", "high")]


@pytest.mark.parametrize("sql", _models(TAINTED))
def test_a_value_of_a_person_taints(sql: str, refused: set[str]) -> None:
    assert sql in refused


@pytest.mark.parametrize("sql", _models(CLEAN))
def test_what_is_none_does_not(sql: str, refused: set[str]) -> None:
    assert sql not in refused


@pytest.mark.parametrize("sql", _models(TAINTED) + _models(CLEAN))
def test_the_shapes_are_sql(sql: str) -> None:
    """What nobody can run proves nothing."""
    duckdb.extract_statements(sql)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("COUNT(DISTINCT a)", ["count"]),
        ("COALESCE(COUNT(a), b)", []),
        ("COUNT(a) → x + 1", ["count"]),
        ("COUNT(a) OVER (PARTITION BY b)", []),
        ("COUNT(a) FILTER(WHERE b) OVER (PARTITION BY b)", []),
        ("COUNT(*) FILTER(WHERE a)", ["count"]),
        ("SUM(CASE WHEN a THEN 2 ELSE 1 END)", []),
        ("NULLIF(a, 1) IS NULL", []),
        ("CAST(TIMEZONE('UTC', a) AS DATE)", ["day"]),
        ("CAST(CASE WHEN a THEN b END AS DATE)", []),
        ("a + INTERVAL '1' DAY → CAST(b AS DATE)", []),
        ("CAST(a AS DATE) → DATE_TRUNC('year', b)", ["day", "period"]),
        ("a IS NULL || (SELECT * FROM b)", []),
        ("a.hash() || b IS NULL", []),
        ("SUM(CASE WHEN a THEN 1 ELSE b END)", []),
        ("a IS NULL", ["presence"]),
        ("a IS TRUE", []),
        ("CAST(DATE_TRUNC('week', a) AS DATE)", ["day", "period"]),
        ("DATE_TRUNC('hour', a)", []),
        ("DATE_TRUNC(a, b)", []),
        ("not sql at (all", []),
        ("", []),
    ],
)
def test_what_a_step_makes_of_what_it_reads(expression: str, named: list[str]) -> None:
    assert turns(expression) == named
