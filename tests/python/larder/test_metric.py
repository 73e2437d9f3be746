"""Every metric against SQL that is written by hand over the source's own files of the whole year, to the last digit.

The tables that metrics read hold here what the marts are held to by their own tests; they are made without dbt, so that a
fault which the marts and the metrics share would show.
"""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Instance

from demo.year import open_year
from larder.build.compiled import Compiled
from larder.build.preview import Preview
from larder.cli.options import only_one
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.queries import metric
from larder.queries.metric import Published
from larder.queries.semantics import Question, Semantics
from larder.warehouse.locks import lock
from larder.warehouse.store import Store

MARTS = """
create schema larder.marts; create schema larder.semantic;
create table larder.marts.fct_basket_lines as
    select basket_id::bigint as basket_id, product_id::bigint as product_id, household_id::bigint as household_id,
        store_id::bigint as store_id, business_date, quantity::bigint as units,
        if(product_type like '%GIFT CARD%', 'gift_card', if(quantity = 0, 'no_quantity', 'item')) as line_kind,
        if(line_kind = 'gift_card', 0, sales_value)::decimal(18, 2) as sales_usd,
        if(line_kind = 'gift_card', sales_value, 0)::decimal(18, 2) as gift_card_usd, retail_disc::decimal(18, 2) as loyalty_discount_usd,
        coupon_match_disc::decimal(18, 2) as coupon_match_discount_usd
    from sales left join products using (product_id);
create table larder.marts.fct_baskets as
    select distinct basket_id, household_id, store_id, business_date from larder.marts.fct_basket_lines;
create table larder.marts.dim_products as
    select product_id::bigint as product_id, department,
        case when product_type like 'GASOLINE%' then 'Fuel' when product_type like '%GIFT CARD%' then 'Gift card'
            when brand = 'Private' then 'Private label' else brand end as brand_class, product_category, product_type
    from products
    union all
    select distinct product_id, 'Unknown', 'Unknown', null, null from larder.marts.fct_basket_lines
    where product_id not in (select product_id::bigint from products);
create table larder.marts.dim_stores as
    select distinct store_id, if(store_id % 2 = 0, 'A', 'B') as till_system, true as has_promotion_data
    from larder.marts.fct_basket_lines;
create table larder.marts.dim_households as
    select distinct lines.household_id, coalesce(d.age::varchar, 'Unknown') as age_band,
        d.income as income_band, d.home_ownership, d.marital_status, d.household_size,
        d.household_comp as household_composition, d.kids_count, d.household_id is not null as has_demographics
    from larder.marts.fct_basket_lines as lines left join demographics as d on d.household_id::bigint = lines.household_id;
create table larder.marts.dim_dates as
    select day::date as calendar_date, date_diff('day', date '2016-12-26', day::date) // 7 + 1 as week_number,
        dayname(day) as day_name, dayofweek(day) in (0, 6) as is_weekend
    from generate_series(date '2016-11-01', date '2018-03-31', interval 1 day) as days (day);
create table larder.marts.dim_campaigns as
    select campaign_id::bigint as campaign_id, campaign_type, campaign_type = 'A' as is_personalised,
        start_date::date as start_date, count(distinct coupon_upc) as coupons
    from campaign_descriptions inner join coupons using (campaign_id) group by all;
create table larder.marts.fct_campaign_targets as
    select campaign_id::bigint as campaign_id, household_id::bigint as household_id from campaigns;
create table larder.marts.fct_coupon_redemptions as
    select campaign_id::bigint as campaign_id, household_id::bigint as household_id from coupon_redemptions;
"""

GIFT = "product_id in (select product_id from products where product_type like '%GIFT CARD%')"
MONEY = f"sum(if({GIFT}, 0, sales_value)::decimal(18, 2))"
CARDS = f"sum(if({GIFT}, sales_value, 0)::decimal(18, 2))"
BOUGHT = f"quantity > 0 and not {GIFT}"
BRAND = (
    "case when product_type like 'GASOLINE%' then 'Fuel' when product_type like '%GIFT CARD%' then 'Gift card'"
    " when p.brand = 'Private' then 'Private label' else coalesce(p.brand, 'Unknown') end"
)
GIVEN = "sum(retail_disc::decimal(18, 2) + coupon_match_disc::decimal(18, 2))"
BUYERS = "count(distinct case when p.department = 'MEAT' and quantity > 0 then household_id end)"
SHOPPERS = "count(distinct household_id)"
DEPARTMENT = "coalesce(p.department, 'Unknown')"
LINES = "sales as s left join products as p using (product_id)"


def rate(part: str, whole: str, decimals: int = 6) -> str:
    """Whole numbers divided by hand, half up: in hundredths of a cent, or in millionths."""
    return f"((2 * ({part})::hugeint * {10**decimals} + ({whole})::hugeint) // (2 * ({whole})::hugeint))"


CASES: list[tuple[str, Question, str]] = [
    ("net sales", Question(["net_sales"]), f"select {MONEY} from sales"),
    (
        "gift cards are no sales and part of the takings",
        Question(["gift_card_sales", "takings"], ["brand_class"]),
        f"select {BRAND}, {CARDS}, sum(sales_value::decimal(18, 2)) from {LINES} group by 1",
    ),
    (
        "net sales by department",
        Question(["net_sales"], ["department"]),
        f"select {DEPARTMENT}, {MONEY} from {LINES} group by 1",
    ),
    (
        "net sales, units and baskets by week",
        Question(["net_sales", "units", "baskets"], ["week"]),
        f"select date_trunc('week', business_date)::date, {MONEY}, sum(quantity), count(distinct basket_id)"
        " from sales group by 1",
    ),
    (
        "the retailer's weeks are those of the calendar",
        Question(["net_sales", "retailer_discount"], ["week_number"]),
        f"select week, {MONEY}, {GIVEN} from sales group by 1",
    ),
    (
        "basket value by store and quarter",
        Question(["basket_value"], ["store", "quarter"]),
        f"select store_id::bigint, date_trunc('quarter', business_date)::date,"
        f" {rate(f'100 * {MONEY}', '100 * count(distinct basket_id)', 4)} * 0.0001 from sales group by 1, 2",
    ),
    (
        "active households by month and class of brand, of some days",
        Question(
            ["active_households"], ["month", "brand_class"], since=date(2017, 2, 14), until=date(2017, 5, 1)
        ),
        f"select date_trunc('month', business_date)::date, {BRAND}, count(distinct household_id)"
        f" from {LINES} where business_date between '2017-02-14' and '2017-05-01' group by 1, 2",
    ),
    (
        "discount rate by category, of weekends in two departments",
        Question(
            ["discount_rate"],
            ["product_category"],
            ["department in ('GROCERY', 'PRODUCE')", "is_weekend"],
        ),
        f"select p.product_category, {rate(f'100 * {GIVEN}', f'100 * ({MONEY} + {GIVEN})')} * 0.000001 from {LINES}"
        f" where {DEPARTMENT} in ('GROCERY', 'PRODUCE') and dayname(business_date) in ('Saturday', 'Sunday') group by 1"
        f" having {MONEY} + {GIVEN} > 0",
    ),
    (
        "penetration by department and month",
        Question(["penetration"], ["department", "month"]),
        f"with buyers as (select {DEPARTMENT} as department, date_trunc('month', business_date)::date as month,"
        f" count(distinct household_id) as households from {LINES} where {BOUGHT} group by 1, 2), shoppers as ("
        " select date_trunc('month', business_date)::date as month, count(distinct household_id) as households"
        " from sales group by 1), departments as (select distinct department from buyers union"
        " select distinct department from products)"
        f" select department, month, {rate('coalesce(buyers.households, 0)', 'shoppers.households')} * 0.000001"
        " from departments cross join shoppers left join buyers using (department, month)",
    ),
    (
        "penetration of one department by age",
        Question(
            ["buying_households", "shopping_households", "penetration"], ["age_band"], ["department = 'MEAT'"]
        ),
        f"select coalesce(d.age::varchar, 'Unknown'), {BUYERS}, {SHOPPERS}, {rate(BUYERS, SHOPPERS)} * 0.000001"
        f" from {LINES} left join demographics as d using (household_id) group by 1",
    ),
    (
        "retention by month",
        Question(["returning_chances", "returns", "retention"], ["month"]),
        "with m as (select distinct household_id, month(business_date) as m from sales)"
        f" select make_date(2017, (a.m + 1)::integer, 1), count(*), count(b.household_id), {rate('count(b.household_id)', 'count(*)')} * 0.000001"
        " from m as a left join m as b on a.household_id = b.household_id and b.m = a.m + 1 where a.m < 12 group by 1",
    ),
    (
        "answers by campaign type",
        Question(
            ["targets", "responses", "response_rate", "offered_coupons", "redemptions", "redemption_rate"],
            ["campaign_type"],
        ),
        "with c as (select campaign_id, campaign_type, if(campaign_type = 'A', 16, count(distinct coupon_upc)) as coupons"
        " from campaign_descriptions join coupons using (campaign_id) group by 1, 2), r as (select campaign_id, household_id,"
        " count(*) as n from coupon_redemptions group by 1, 2)"
        f" select campaign_type, count(*), count(n), {rate('count(n)', 'count(*)')} * 0.000001, sum(coupons), sum(n),"
        f" {rate('sum(n)', 'sum(coupons)')} * 0.000001"
        " from campaigns join c using (campaign_id) left join r using (campaign_id, household_id) group by 1",
    ),
]


@dataclass(frozen=True)
class Year:
    """The source's own files, open for SQL by hand, and a published generation that was made of them."""

    source: duckdb.DuckDBPyConnection
    where: Paths


@pytest.fixture(scope="module")
def year(published: Instance, compiled: Compiled, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    where, manifest = Paths(tmp_path_factory.mktemp("year")), compiled.manifest
    where.dbt.mkdir(parents=True)
    shutil.copyfile(published.data / "history/compiled.json", where.history / "compiled.json")
    store = Store(where.warehouse)
    generation = store.begin(fresh=True)
    with open_year(where.data / "scratch") as source:
        source.execute(f"attach '{store.address(generation)}' as larder")
        source.execute(MARTS)
        for node in manifest["nodes"].values():
            if node["schema"] == "semantic":
                source.execute(f"create view larder.semantic.{node['alias']} as {node['compiled_code']}")
        source.execute("detach larder")
        store.keep_artifacts(generation, published.warehouse.parent / "dbt")
        store.audited(generation)
        store.publish(generation)
        yield Year(source, where)


@pytest.mark.parametrize(
    ("question", "by_hand"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_metric_is_what_sql_by_hand_says(year: Year, question: Question, by_hand: str) -> None:
    found = metric.answer(Published(year.where), question)
    answer = [row[: len(question.by) + len(question.metrics)] for row in found.rows]
    expected = [list(row) for row in year.source.execute(by_hand).fetchall()]
    assert expected
    assert sorted(answer, key=str) == sorted(expected, key=str)
    assert not [cell for row in answer for cell in row if isinstance(cell, float)]


def test_a_day_without_data_is_zero_or_null(year: Year) -> None:
    metrics = ["net_sales", "units", "baskets", "active_households", "basket_value", "discount_rate"]
    closed = date(2017, 12, 25)
    nothing = [0, 0, 0, 0, None, None]
    published = Published(year.where)
    assert metric.answer(published, Question(metrics, since=closed, until=closed)).rows == [nothing]
    days = Question(metrics, ["day"], since=date(2017, 12, 24), until=date(2018, 1, 5))
    found = metric.answer(published, days)
    assert [row[0] for row in found.rows] == [date(2017, 12, day) for day in range(24, 32)]
    assert found.rows[1] == [closed, *nothing]


@pytest.mark.parametrize(
    ("condition", "by", "periods"),
    [
        ("day = '2017-12-24'", "day", [date(2017, 12, 24)]),
        ("month = '2017-11-01'", "month", [date(2017, 11, 1)]),
        ("is_weekend and department = 'NONE'", "quarter", []),
        ("week_number = 52 or day_name = 'Nonday'", "week", [date(2017, 12, 18)]),
        ("department = 'NONE'", "quarter", [date(2017, 10, 1)]),
    ],
)
def test_no_period_is_added_to_those_that_a_condition_picks(
    year: Year, condition: str, by: str, periods: list[date]
) -> None:
    question = Question(["units"], [by], [condition], since=date(2017, 10, 1))
    found = metric.answer(Published(year.where), question)
    assert [row[0] for row in found.rows] == periods


def test_money_that_is_not_there_is_money(year: Year) -> None:
    closed = date(2017, 12, 25)
    question = Question(["net_sales", "units", "basket_value"], ["day"], since=closed, until=closed)
    assert [*map(str, metric.answer(Published(year.where), question).rows[0][1:])] == ["0.00", "0", "None"]


def test_sales_before_the_first_delivery_are_partial_beside_plans(year: Year) -> None:
    found = metric.answer(Published(year.where), Question(["net_sales", "targets"], ["month"]))
    assert [row[0] for row in found.rows if row[-1]] == [date(2016, 11, 1), date(2016, 12, 1)]


@pytest.mark.parametrize(
    ("question", "partial"),
    [
        (Question(["units"], ["week"]), [date(2016, 12, 26)]),
        (Question(["units"], ["week_number"]), [1]),
        (Question(["units"], ["week_number"], until=date(2017, 2, 1)), [1, 6]),
        (Question(["units"], ["month"]), []),
        (Question(["units"], ["year"], since=date(2017, 1, 2)), [date(2017, 1, 1)]),
        (
            Question(["units"], ["month", "department"], ["department = 'MEAT'"], until=date(2017, 2, 27)),
            [date(2017, 2, 1)],
        ),
        (Question(["retention"], ["quarter"], until=date(2017, 9, 30)), [date(2017, 1, 1)]),
        (Question(["targets"], ["month"]), []),
        (Question(["targets"], ["month"], until=date(2017, 2, 27)), [date(2017, 2, 1)]),
    ],
)
def test_a_period_of_which_days_are_missing_is_partial(
    year: Year, question: Question, partial: list[Any]
) -> None:
    found = metric.answer(Published(year.where), question)
    assert found.columns[-1] == "is_partial"
    assert [row[0] for row in found.rows if row[-1]] == partial


def test_every_metric_is_checked_and_says_what_it_is(year: Year) -> None:
    metrics = Published(year.where).semantics.metrics()
    assert {metric.name for metric in metrics} == {
        name for _, question, _ in CASES for name in question.metrics
    }
    assert all(
        metric.description and metric.unit and metric.owner and metric.dimensions for metric in metrics
    )


def test_saved_questions_are_asked_like_any_other(year: Year) -> None:
    semantics = Published(year.where).semantics
    assert semantics.saved_question("campaigns_by_type") == CASES[-1][1]
    for name in semantics.saved():
        assert semantics.sql(semantics.saved_question(name)).startswith(("--", "WITH"))


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(["net_sale"]), "did you mean net_sales"),
        (
            Question(["net_sales"], ["departmnt"]),
            "did you mean department",
        ),
        (Question(["penetration"], ["brand_class"]), "no dimension of penetration named brand_class"),
        (Question(["retention"], ["week"]), "no dimension of retention named week"),
        (
            Question(["net_sales", "penetration"], ["department"]),
            "no dimension of net_sales and penetration named",
        ),
        (Question(["net_sales"], where=["sales_usd > 1"]), "no dimension of net_sales named sales_usd"),
        (Question(["net_sales"], where=["1 = 1; drop table x"]), "is no condition"),
        (Question(["net_sales"], where=["store in (select 1)"]), "more than a condition"),
        (Question(["net_sales"], where=["brand_class = '{{ target }}'"]), "more than a condition"),
        (Question(["nope"]), "there is no metric named nope; there are: net_sales, "),
        (Question(["Net_Sales"]), "did you mean net_sales"),
        (Question(["net_sales"], where=["department = GROCERY"]), "it needs single quotes"),
        (Question(["net_sales"], where=['"GROCERY" = department']), "it needs single quotes"),
        (Question(["net_sales"], where=["department in (MEAT, 'DELI')"]), "MEAT in --where is no dimension"),
        (Question(["net_sales"], since=date(2031, 1, 1)), "they reach from 2017-01-01 to 2017-12-31"),
        (Question(["units"], ["month"], until=date(2016, 1, 1)), "they reach from 2017-01-01 to 2017-12-31"),
        (Question(["retention"], since=date(2031, 1, 1)), "there are no data for this period"),
        (Question(["retention"], ["month"], since=date(2017, 12, 25)), "there are no data for this period"),
        (Question(["net_sales"], ["brand"]), "did you mean brand_class"),
        (Question(["units"], since=date(2017, 3, 2), until=date(2017, 3, 1)), "is after --to 2017-03-01"),
        (Question(["net_sales"], where=["age_band > 3"]), "DuckDB cannot answer this"),
    ],
)
def test_what_cannot_be_answered_says_why(year: Year, question: Question, message: str) -> None:
    with pytest.raises(LarderError, match=re.escape(message)):
        metric.answer(Published(year.where), question)


def test_the_command_reads_beside_a_build_and_leaves_no_trace(year: Year) -> None:
    instance = Instance(year.where.data)
    folder = instance.warehouse.parent.resolve()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    asked = ["metric", "net_sales", "--by", "department", "--where", "brand_class <> 'National'"]
    with lock(year.where.locks, "build"):
        table, text = instance.larder(*asked).stdout, instance.larder(*asked, "--csv").stdout
        found = json.loads(instance.larder(*asked, "--json").stdout)
        sql = instance.larder(*asked, "--sql").stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    rows = [[row["department"], row["net_sales"]] for row in csv.DictReader(io.StringIO(text))]
    assert rows == [[row[0], str(row[1])] for row in instance.query(sql)]
    assert [[row["department"], row["net_sales"]] for row in found["rows"]] == rows
    assert all(f"{Decimal(money):,}" in table for _, money in rows)


@pytest.mark.parametrize("form", ["table", "csv", "json", "sql"])
def test_an_unknown_metric_is_named_in_every_form(year: Year, form: str) -> None:
    with pytest.raises(LarderError, match="there is no metric named nope; there are: net_sales"):
        metric.run(Published(year.where), Question(["nope"]), None, form)


def test_money_in_json_is_text_with_all_of_its_digits(
    year: Year, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    large = Decimal("12345678901234567.89")
    answer = metric.Answer(["department", "net_sales"], [["MEAT", large]])
    monkeypatch.setattr(metric, "answer", lambda *_: answer)
    metric.run(Published(year.where), Question(["net_sales"], ["department"]), None, "json")
    assert json.loads(capsys.readouterr().out)["rows"] == [{"department": "MEAT", "net_sales": str(large)}]


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("measures", "units", "unitz"),
        ("dimensions", "department", "departmnt"),
    ],
)
def test_a_metric_or_dimension_that_cannot_be_answered_is_not_published(
    year: Year, tmp_path: Path, part: str, old: str, new: str
) -> None:
    """`dbt build` does not notice: no node of it reads the definitions."""
    published = Published(year.where)
    with published.connect() as connection:
        metric.require_answers(published.semantics, connection)
        file = year.where.warehouse / "current/dbt/semantic_manifest.json"
        manifest = json.loads(file.read_text())
        found = [one for model in manifest["semantic_models"] for one in model[part] if one["name"] == old]
        assert found
        for one in found:
            one["expr"] = new
        (tmp_path / file.name).write_text(json.dumps(manifest))
        with pytest.raises(LarderError, match=rf"the metric \w+ cannot be answered: .*{new}"):
            metric.require_answers(Semantics.of(tmp_path), connection)


def test_a_workspace_answers_before_its_generation_and_by_the_project(year: Year, tmp_path: Path) -> None:
    shutil.copytree(year.where.data, tmp_path, symlinks=True, dirs_exist_ok=True)
    where = Paths(tmp_path)
    own = where.warehouse / "dev/workspace.duckdb"
    own.parent.mkdir()
    with duckdb.connect(str(own)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.fct_basket_lines as select 1 as basket_id, 1 as product_id, 1 as household_id,"
            " 1 as store_id, date '2017-01-01' as business_date, 3 as units, 7.25::decimal(18, 2) as sales_usd"
        )
    preview = Preview(where)
    assert preview.semantics.metrics() == Published(where).semantics.metrics()
    assert metric.answer(preview, Question(["net_sales"])).rows == [[Decimal("7.25")]]
    assert metric.answer(preview, Question(["targets"])) == metric.answer(
        Published(where), Question(["targets"])
    )
    with preview.connect() as connection, pytest.raises(duckdb.PermissionException):
        connection.execute("select * from read_text('/etc/passwd')")


def test_forms_of_an_answer_exclude_each_other() -> None:
    assert only_one({"json": True, "csv": False}) == "json"
    with pytest.raises(LarderError, match="--json and --csv exclude each other"):
        only_one({"json": True, "csv": True, "sql": False})


def test_no_text_in_csv_is_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["=1+1", Decimal("-1.50")], ["@x", None], ['a "b", c', Decimal("2.00")]]
    metric.as_csv(metric.Answer(["brand_class", "net_sales"], rows))
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["brand_class", "net_sales"],
        ["'=1+1", "-1.50"],
        ["'@x", ""],
        ['a "b", c', "2.00"],
    ]
