"""`larder mcp` as agents meet it: a real process on a published generation, asked by the SDK's own client."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest
from anyio.from_thread import start_blocking_portal
from conftest import PROJECT, Instance, copy_of
from mcp import Client, StdioServerParameters

from larder.agents import lookup
from larder.agents.guard import SECONDS, Guard
from larder.core.settings import Paths

Ask = Callable[..., Any]
PAGE = PROJECT / "docs/agents.md"


@contextmanager
def serving(instance: Instance) -> Iterator[tuple[Any, Ask]]:
    """The client, and a call of a tool: its text when it fails, what it gives else."""
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "larder", "mcp"], cwd=PROJECT, env=instance.env
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(command)) as client:

        def ask(tool: str, **arguments: Any) -> Any:
            found = portal.call(partial(client.call_tool, tool, arguments))
            return found.content[0].text if found.is_error else found.structured_content

        yield portal.call(client.list_tools), ask


@pytest.fixture(scope="module")
def served(published: Instance) -> Iterator[tuple[Any, Ask]]:
    with serving(published) as found:
        yield found


@pytest.fixture
def ask(served: tuple[Any, Ask]) -> Ask:
    return served[1]


def test_there_are_five_tools_and_none_writes(served: tuple[Any, Ask]) -> None:
    tools = {tool.name: tool for tool in served[0].tools}
    assert list(tools) == ["search", "describe", "lineage", "metric", "query"]
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())
    assert tools["query"].input_schema["properties"]["limit"]["maximum"] == 1000


# ---- the catalog


def test_search_finds_what_the_words_say(ask: Ask) -> None:
    found = ask("search", text="net sales")["found"]
    assert found[0]["id"] == "metric.larder.net_sales"
    assert "model.larder.dim_households" in {
        one["id"] for one in ask("search", text="dim household")["found"]
    }
    assert ask("search", text="no such words")["found"] == []
    assert "Give words" in ask("search", text=" - ")


def test_a_search_is_short(ask: Ask) -> None:
    assert "may have 200 characters" in ask("search", text="sales " * 40)


def test_a_column_is_found_however_it_is_written(published: Instance) -> None:
    with lookup.open_base(published.warehouse.with_name("metadata")) as base:
        base.execute("update dbt.node_columns set column_name = 'Units' where column_name = 'units'")
        assert lookup.describe(base, "fct_baskets.UNITS", {})["name"] == "Units"
        assert lookup.lineage(base, "fct_baskets.units", True)["column"] == "Units"


def test_describe_says_what_a_row_and_a_column_are(ask: Ask) -> None:
    table = ask("describe", name="fct_baskets")
    assert (table["name"], table["grain"], table["owner"]) == ("marts.fct_baskets", ["basket_id"], "sales")
    columns = {column["name"]: column for column in table["columns"]}
    assert columns["units"]["unit"] == "items" and columns["units"]["is_served"]
    assert ask("describe", name="marts.fct_baskets.units") == {
        "table": "marts.fct_baskets",
        **columns["units"],
    }
    hidden = ask("describe", name="dim_households.income_band")
    assert (hidden["class"], hidden["is_served"]) == ("sensitive", False)
    metric = ask("describe", name="net_sales")
    assert metric["unit"] == "USD" and "department" in metric["dimensions"]
    assert "income_band" not in metric["dimensions"]
    assert ask("describe", name="question_customers")["reads"]
    assert "Did you mean fct_baskets" in ask("describe", name="fct_basket")
    assert "source.larder.pos.transactions" in ask("describe", name="raw.pos__transactions")["id"]


def test_lineage_reaches_the_source_and_back(ask: Ask) -> None:
    up = ask("lineage", name="fct_baskets.sales_usd")
    step = next(one for one in up["next"] if one["how"] == "mod")
    assert (step["node"], step["column"]) == ("model.larder.fct_basket_lines", "sales_usd")
    assert "SUM(sales_usd)" in step["expression"]
    reached = {(one["node"], one["column"]) for one in up["values"]}
    assert ("source.larder.pos.transactions", "sales_value") in reached
    down = ask("lineage", name="source.larder.pos.transactions.sales_value", direction="downstream")
    assert ("metric.larder.net_sales", "net_sales") in {
        (one["node"], one["column"]) for one in down["values"]
    }
    assert ask("lineage", name="net_sales")["next"][0]["expression"] == "sum(sales_usd)"
    nodes = {one["node"]: one["steps"] for one in ask("lineage", name="fct_baskets")["nodes"]}
    assert nodes["model.larder.fct_basket_lines"] == 1 and "source.larder.pos.transactions" in nodes


@pytest.mark.parametrize(
    "call", re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
)
def test_the_calls_of_the_page_are_answered(ask: Ask, call: str) -> None:
    asked = json.loads(call)
    found = ask(asked["tool"], **asked["arguments"])
    assert not isinstance(found, str), found
    assert any(found.values())


# ---- figures


def test_a_metric_is_what_the_command_says(published: Instance, ask: Ask) -> None:
    shown = json.loads(published.larder("metric", "net_sales", "units", "--by", "week", "--json").stdout)
    found = ask("metric", names=["net_sales", "units"], by=["week"])
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    assert (found["generation"], rows) == (shown["generation"], shown["rows"])
    grocery = {
        "names": ["net_sales"],
        "where": ["department = 'GROCERY'"],
        "since": "2017-01-02",
        "until": "2017-01-02",
    }
    [[sales]] = ask("metric", **grocery)["rows"]
    asked = "select sum(sales_usd) from marts.fct_basket_lines join marts.dim_products using (product_id)"
    assert published.query(f"{asked} where department = 'GROCERY' and business_date = '2017-01-02'")[0][
        0
    ] == (Decimal(sales))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"names": []}, "no metric is named. Name one or more"),
        ({"names": ["sales"]}, "there is no metric named sales"),
        ({"names": ["net_sales"], "by": ["colour"]}, "there is no dimension of net_sales named colour"),
        ({"names": ["net_sales"], "by": ["income_band"]}, "income_band: not served here"),
        ({"names": ["net_sales"], "where": ["income_band = '35-49K'"]}, "income_band: not served here"),
        ({"names": ["net_sales"], "by": ["store", "product"]}, "more than 1000 rows"),
        ({"names": ["net_sales"], "by": ["household"]}, "no metric is answered by household"),
        (
            {"names": ["net_sales"], "by": ["store"], "where": ["household = 7"]},
            "no metric is answered by household",
        ),
        ({"names": ["net_sales"], "where": ['"Household" < 7']}, "no metric is answered by household"),
        (
            {"names": ["net_sales"], "where": ["department = current_setting('temp_directory')"]},
            "is not answered",
        ),
        ({"names": ["net_sales"], "where": ["department = (select 'GROCERY')"]}, "more than a condition"),
        ({"names": ["net_sales"], "since": "2020-01-01"}, "there are no data for this period"),
    ],
)
def test_a_question_that_has_no_answer_says_why(ask: Ask, question: dict[str, Any], said: str) -> None:
    assert said in ask("metric", **question)


# ---- SQL


def test_a_query_is_answered_with_its_types(published: Instance, ask: Ask) -> None:
    sql = "select business_date, sum(sales_usd) as usd, count(*) as n, true as t, null as z from marts.fct_baskets group by 1 order by 1 desc"
    found = ask("query", sql=sql)
    assert found["columns"] == ["business_date", "usd", "n", "t", "z"]
    assert found["rows"] == [[str(day), str(usd), n, t, z] for day, usd, n, t, z in published.query(sql)]
    assert not found["is_cut"]
    assert ask("query", sql="with columns as (select 1 as a) from columns")["rows"] == [[1]]


def test_a_long_answer_is_cut(ask: Ask) -> None:
    found = ask("query", sql="select * from range(1_000_000_000) order by 1")
    assert (len(found["rows"]), found["is_cut"], found["rows"][199]) == (200, True, [199])
    assert len(ask("query", sql="from range(5_000)", limit=1000)["rows"]) == 1000
    assert "less than or equal to 1000" in ask("query", sql="from range(5_000)", limit=1001)
    long = ask("query", sql="select repeat('x', 100_000_000) from range(200)", limit=3)
    assert [len(row[0]) for row in long["rows"]] == [2000] * 3


def test_an_answer_has_limits_as_a_whole(ask: Ask) -> None:
    wide = ", ".join(["repeat('x', 2000)"] * 200)
    assert "more than 1000000 characters. Ask for fewer rows" in ask(
        "query", sql=f"select {wide} from range(9)"
    )
    assert len(ask("query", sql=f"select {wide}")["rows"][0]) == 200
    assert "more than 200 columns. Name those" in ask("query", sql=f"select {wide}, 1")


@pytest.mark.parametrize(
    "sql",
    [
        "with recursive a as (select 1 as x union all select x + 1 from a) select count(*) from a",
        *(
            pytest.param(sql, marks=pytest.mark.nightly)
            for sql in (
                "select count(*) from range(levenshtein(repeat('a', 36000), repeat('b', 36000)) + 1_000_000_000_000)",
                "select contains(repeat('a', 100_000_000), repeat('a', 50_000_000) || 'b')",
            )
        ),
    ],
)
def test_a_query_without_end_is_stopped(ask: Ask, sql: str) -> None:
    begun = time.monotonic()
    assert f"more than {SECONDS} seconds" in ask("query", sql=sql)
    assert time.monotonic() - begun < SECONDS + 5
    assert ask("query", sql="select 1")["rows"] == [[1]]


REFUSED = [
    "attach '{data}/warehouse/current/larder.duckdb' as other",
    "copy marts.dim_stores to '/tmp/stolen.csv'",
    "copy (select 1) to '/tmp/stolen.csv'",
    "export database '/tmp/stolen'",
    "create table mine as select 1",
    "insert into marts.dim_stores values (1)",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "pragma database_list",
    "call pragma_database_list()",
    "explain select 1",
    "select 1; select 2",
    "select 1; drop schema marts cascade",
    "",
    "selec",
    "from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "from '/etc/passwd'",
    "from '{data}/lake/raw/loyalty/households/*.parquet'",
    "from '{data}/restricted/loyalty/households/*.parquet'",
    "from glob('/*')",
    "select (select content from read_text('/etc/passwd'))",
    "select * from (with \"/tmp/x.csv\" as (select 1) select 2), '/tmp/x.csv'",
    "from duckdb_settings()",
    "from duckdb_databases()",
    "from duckdb_views()",
    "from information_schema.columns",
    "from pg_catalog.pg_class",
    "from sqlite_master",
    "select current_setting('temp_directory')",
    "select getenv('HOME')",
    "show tables",
    "show all tables",
    "describe marts.dim_households",
    "summarize marts.dim_households",
    "from query('select 1')",
    "from query_table('larder.staging.stg_loyalty__households')",
    "from staging.stg_loyalty__households",
    "from larder.marts.dim_households",
    "from memory.marts.dim_households",
    "from raw.loyalty__households",
    "from seeds.stores",
    "from share.about",
    "from semantic.sem_household_months",
    "from dim_stores",
    "from sys",
    "select * from duckdb_columns, (with duckdb_columns as (select 1) select 1) z",
    "select * from DUCKDB_VIEWS, (with duckdb_views as (select 1) select 1) z",
    "select * from sqlite_master, (with sqlite_master as (select 1) select 1) z",
    "select * from pg_settings, (with pg_settings as (select 1) select 1) z",
    "select pg_get_viewdef(i) from range(20000, 26000) t(i)",
    "select pg_catalog.PG_GET_VIEWDEF(1)",
    "select obj_description(1)",
    "select has_table_privilege('marts.dim_households', 'select')",
    "select in_search_path('memory', 'marts')",
    "select sleep_ms(100)",
    "select * from columns, (with columns as (select 1) select 1) z",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_reaches_out_is_refused_in_a_sentence(published: Instance, ask: Ask, sql: str) -> None:
    said = ask("query", sql=sql.replace("{data}", str(published.data)))
    assert isinstance(said, str) and said.startswith("Error executing tool query: ")
    assert "Traceback" not in said and "root:" not in said and "\n" not in said
    assert "spill" not in said
    assert not Path("/tmp/stolen.csv").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "from read_text('/etc/passwd')",
        "from '/etc/passwd.csv'",
        "from glob('/etc/*')",
        "copy marts.dim_stores to '/tmp/stolen.csv'",
        "attach '/tmp/stolen.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "set memory_limit = '8GB'",
        "set python_enable_replacements = true",
        "create table larder.marts.mine as select 1",
        "delete from larder.marts.dim_stores",
        "from planted",
    ],
)
def test_the_engine_refuses_it_as_well(published: Instance, sql: str) -> None:
    """The second wall, without the first: nothing of what is refused by its form would work."""
    planted = pyarrow.table({"x": [1]})
    with Guard(Paths(published.data)).connect() as connection, pytest.raises(duckdb.Error):
        connection.execute(sql)
    assert planted and not Path("/tmp/stolen.csv").exists()


PERSONAL = [
    "select income_band as harmless from marts.dim_households",
    "with a as (from marts.dim_households) select a.income_band from a",
    "select columns('income.*') from marts.dim_households",
    "select max(income_band) from marts.dim_households",
    "select count(*) from marts.dim_households where income_band = '35-49K'",
    "select count(*) from marts.dim_households group by income_band",
    "select household_id from marts.dim_households order by income_band",
    "select h.income_band from marts.dim_households as h",
    "select struct_extract(h, 'income_band') from marts.dim_households as h",
    "unpivot marts.dim_households on income_band",
    "select 1 from marts.fct_baskets join marts.dim_households using (household_id, income_band)",
    "select segment from marts.agg_household_profile",
    'select "Income_Band" from marts.dim_households',
    "select email from marts.dim_households",
]


@pytest.mark.parametrize("sql", PERSONAL)
def test_personal_values_are_served_by_no_name(ask: Ask, sql: str) -> None:
    assert isinstance(ask("query", sql=sql), str)


def test_all_that_is_served_is_the_share_of_analysts(published: Instance) -> None:
    query = (
        "select schema_name, table_name, list(column_name order by column_index) from duckdb_columns()"
        " where not internal and schema_name in ('marts', 'observe') and database_name = {} group by all order by all"
    )
    with duckdb.connect(str(published.data / "shares/analyst/larder.duckdb"), read_only=True) as share:
        stated = share.execute(query.format("current_database()")).fetchall()
    with Guard(Paths(published.data)).connect() as connection:
        assert connection.execute(query.format("'memory'")).fetchall() == stated
        databases = connection.execute("select database_name from duckdb_databases() where not internal")
        assert {*databases.fetchall()} == {("larder",), ("memory",)}
        shared = connection.execute(
            "select count(*) from marts.fct_baskets where household_id in (from known)".replace(
                "(from known)", "(select household_id from larder.marts.dim_households)"
            )
        ).fetchall()
    assert len(stated) > 50 and shared != [(0,)]


def test_an_agent_gets_no_pseudonym_of_the_warehouse(published: Instance, ask: Ask) -> None:
    known = {
        number
        for (number,) in published.query(
            "select household_id from marts.dim_households where household_id > 2147483648"
        )
    }
    found = ask(
        "query",
        sql="select household_id from marts.dim_households where household_id > 2147483648",
        limit=1000,
    )
    assert known and found["rows"]
    assert not known & {number for (number,) in found["rows"]}


# ---- the process


def test_a_publish_in_between_is_seen(published: Instance, tmp_path: Path) -> None:
    own = Instance(tmp_path / "data")
    copy_of(published, own.data)
    with serving(own) as (_, ask):
        before = ask("query", sql="select 1")["generation"]
        generations = own.data / "warehouse/generations"
        shutil.copytree(generations / before, generations / "20991231T000000000Z")
        manifest = generations / "20991231T000000000Z/manifest.json"
        manifest.write_text(manifest.read_text().replace(before, "20991231T000000000Z"))
        (own.data / "warehouse/next").symlink_to("generations/20991231T000000000Z")
        (own.data / "warehouse/next").rename(own.data / "warehouse/current")
        share = own.data / "shares/analyst/share.json"
        share.write_text(share.read_text().replace(before, "20991231T000000000Z"))
        assert ask("query", sql="select 1")["generation"] == "20991231T000000000Z"
        assert ask("metric", names=["units"])["generation"] == "20991231T000000000Z"


@pytest.mark.nightly
def test_what_is_missing_is_said(published: Instance, tmp_path: Path) -> None:
    with serving(Instance(tmp_path / "empty")) as (_, ask):
        assert "nothing is published yet" in ask("search", text="sales")
    own = Instance(tmp_path / "data")
    copy_of(published, own.data)
    shutil.rmtree(own.warehouse.with_name("metadata"))
    with serving(own) as (_, ask):
        assert "has no metadata base" in ask("query", sql="select 1")
    shutil.copytree(published.warehouse.with_name("metadata"), own.warehouse.with_name("metadata"))
    (own.data / "shares/analyst").unlink()
    with serving(own) as (_, ask):
        assert "share of the audience analyst, and there is none. Write it: larder shares" in ask(
            "query", sql="select 1"
        )


def test_a_generation_of_an_earlier_version_says_so(published: Instance, tmp_path: Path) -> None:
    own = Instance(tmp_path / "data")
    copy_of(published, own.data)
    file = own.warehouse.with_name("metadata") / "dbt.node_columns.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table a as select * exclude (classification) from '{file}'")
        connection.execute(f"copy a to '{file}'")
    calls = [("search", {"text": "sales"}), ("metric", {"names": ["units"]}), ("query", {"sql": "select 1"})]
    calls += [(tool, {"name": "fct_baskets"}) for tool in ("describe", "lineage")]
    with serving(own) as (_, ask):
        for tool, arguments in calls:
            said = ask(tool, **arguments)
            assert "built by an earlier version of Larder" in said and "Build it again" in said, tool


def test_without_the_sdk_it_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['mcp'] = None; sys.argv = ['larder', 'mcp']; from larder.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'mcp" in done.stderr and "Traceback" not in done.stderr


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


def started(instance: Instance, *messages: Any) -> "subprocess.Popen[str]":
    """The process, to which these messages are written."""
    process = subprocess.Popen(
        [sys.executable, "-m", "larder", "mcp"],
        cwd=PROJECT,
        env={**os.environ, **instance.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    for message in (HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}, *messages):
        process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    return process


def test_it_ends_quietly_when_the_client_has_left(published: Instance) -> None:
    process = started(published)
    assert process.stdin and process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}) + "\n")
    process.stdin.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == ""


def test_standard_output_has_the_protocol_alone_and_ctrl_c_ends_it_quietly(published: Instance) -> None:
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "query", "arguments": {"sql": "from duckdb_settings()"}},
    }
    process = started(published, call)
    assert process.stdout
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [one["id"] for one in answers] == [1, 2] and answers[1]["result"]["isError"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (-signal.SIGINT, "", "")
