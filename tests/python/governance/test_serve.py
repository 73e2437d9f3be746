"""Shares in a real PostgreSQL: what each audience may do there, and what it may not. The shares are small, and made by hand."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import serve
from larder.governance.grants import Audience, Column, Table

Row = tuple[Any, ...]

PRODUCTS = "select * from (values (1, 1143, 'Soap', null), (2, 1143, '', 'b'), (3, 7, 'Beer', 'c')) t(product_id, manufacturer_id, brand, package)"
LINES = "select i as line_id, 1 + i % 3 as product_id, i * 0.01::decimal(9, 2) as usd, date '2017-01-01' as day, {'a': i} as more from range(30) r(i)"
BUILT = {
    "nodes": {
        "model.larder.fct_lines": {
            "schema": "marts",
            "name": "fct_lines",
            "alias": "fct_lines",
            "config": {"meta": {"grain": ["line_id"]}},
        }
    }
}


def rule(*listed: str) -> list[dict[str, Any]]:
    return [
        {
            "schema_name": "marts",
            "dimension": "dim_products",
            "key_column": "product_id",
            "column_name": "manufacturer_id",
            "listed": list(listed),
        }
    ]


def table(relation: str, columns: list[str], rules: list[dict[str, Any]]) -> Table:
    given = [Column(name, "INTEGER", "public", "as is", None) for name in columns]
    return Table(relation, given, rules, None, 1, None, {})


def audience(name: str, *listed: str) -> Audience:
    rules = rule(*listed) if listed else []
    return Audience(
        name,
        "to test",
        None,
        [
            table("marts.dim_products", ["product_id", "manufacturer_id", "brand", "package"], rules),
            table("marts.fct_lines", ["line_id", "product_id", "usd", "day", "more"], rules),
        ],
    )


ALL = [audience("analyst"), audience("supplier_2", "1143"), audience("supplier_7", "7")]


def write_share(paths: Paths, one: Audience, version: str = "1", **queries: str) -> None:
    """A share's file by hand: what the policy grants, or more where a test says so."""
    folder = paths.shares / one.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = ", ".join(one.tables[0].row_rules[0]["listed"]) if one.tables[0].row_rules else ""
    where = f" where manufacturer_id in ({listed})" if listed else ""
    with duckdb.connect(str(folder / "larder.duckdb")) as file:
        file.execute(
            "create schema marts; create schema share; create table share.about as select map {'a': 1} as left_out"
        )
        for name, query in {"dim_products": PRODUCTS + where, "fct_lines": LINES, **queries}.items():
            file.execute(f"create table marts.{name} as {query}")
        if where:
            file.execute(
                "delete from marts.fct_lines where product_id not in (select product_id from marts.dim_products)"
            )
    tables = {one.relation: {"signature": version} for one in one.tables}
    (folder / "share.json").write_text(json.dumps({"written_at": version, "tables": tables}))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    made = Paths(tmp_path_factory.mktemp("served"))
    made.warehouse.mkdir()
    for one in ALL:
        write_share(made, one)
    mask = os.umask(0o077)  # as the command does
    try:
        serve.run(made, ALL, BUILT, None)
        yield made
    finally:
        os.umask(mask)
        serve.stop(made)


def address(paths: Paths, name: str) -> str:
    host, port, database, user, password = (paths.serving / f"{name}.pgpass").read_text().strip().split(":")
    return f"postgresql://{user}:{password}@{host}:{port}/{database}"


def asked(url: str, query: str) -> list[Row]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def admin(paths: Paths, name: str, query: str) -> list[Row]:
    url = (paths.serving / "admin").read_text().rpartition("/")[0]
    return asked(f"{url}/{name}?options=-c%20default_transaction_read_only%3Doff", query)


def test_it_holds_what_the_share_holds(paths: Paths) -> None:
    url = address(paths, "analyst")
    assert asked(url, "select * from dim_products order by 1") == [
        (1, 1143, "Soap", None),
        (2, 1143, "", "b"),
        (3, 7, "Beer", "c"),
    ]
    assert asked(url, "select count(*), sum(usd)::text, max(more ->> 'a') from fct_lines") == [
        (30, "4.35", "9")
    ]
    assert asked(url, "select left_out from share.about") == [({"a": 1},)]
    assert asked(url, "select indexdef like '%(line_id)' from pg_indexes where tablename = 'fct_lines'") == [
        (True,)
    ]


# ---- what a role may not


DENIED = "permission denied|must be (owner|superuser)|Only roles|not available|No such file|is not a valid|is not allowed"

REACHING = {
    "the table of statistics": "select * from pg_statistic",
    "passwords": "select * from pg_authid",
    "a file": "copy marts.fct_lines from '/etc/passwd'",
    "a file to write": "copy marts.fct_lines to '/tmp/stolen.csv'",
    "a program": "copy (select 1) to program 'id > /tmp/stolen.csv'",
    "a program to read": "create temp table t(a text); copy t from program 'id'",
    "pg_read_file": "select pg_read_file('/etc/passwd')",
    "pg_read_binary_file": "select pg_read_binary_file('postgresql.auto.conf')",
    "pg_ls_dir": "select pg_ls_dir('.')",
    "pg_stat_file": "select pg_stat_file('/etc/passwd')",
    "the log": "select pg_current_logfile()",
    "the host rules": "select * from pg_hba_file_rules",
    "a setting of the server": "select * from pg_file_settings",
    "lo_import": "select lo_import('/etc/passwd')",
    "lo_export": "select lo_export(1, '/tmp/stolen.csv')",
    "a large object": "select lo_creat(-1)",
    "a large object by its number": "select lo_create(4711)",
    "a large object with a text": "select lo_from_bytea(0, 'x')",
    "dblink": "create extension dblink",
    "a foreign server": "create extension postgres_fdw",
    "an extension that is trusted": "create extension pgcrypto",
    "a library": "load '/tmp/x.so'",
    "the superuser": "set role postgres",
    "another session's user": "set session authorization postgres",
    "a group that reads files": "grant pg_read_server_files to {role}",
    "a higher role": "alter role {role} createdb",
    "no more limit": "alter role {role} connection limit -1",
    "no limit to its life": "alter role {role} bypassrls",
    "another role": "create role mine",
    "another database": "create database mine",
    "a schema": "create schema mine",
    "a table in public": "create table public.mine (a int)",
    "a table in marts": "create table marts.mine (a int)",
    "a view in marts": "create view marts.mine as select 1",
    "a temporary table": "create temp table mine (a int)",
    "a temporary view": "create temp view mine as select 1",
    "a function": "create function marts.f() returns int language sql as 'select 1'",
    "a function in public": "create function public.f() returns int language sql as 'select 1'",
    "a function for the session": "create function pg_temp.f() returns int language sql as 'select 1'",
    "an operator before the engine's": "create operator marts.= (leftarg = int, rightarg = int, function = int4eq)",
    "a block": "do $$ begin raise notice 'hello'; end $$",
    "a language": "create language plpython3u",
    "a row": "insert into marts.dim_products values (9, 9, '', '')",
    "a change": "update marts.dim_products set brand = ''",
    "a deletion": "delete from marts.fct_lines",
    "truncate": "truncate marts.fct_lines",
    "a rule without rows": "alter table marts.fct_lines disable row level security",
    "a policy of its own": "create policy mine on marts.fct_lines using (true)",
    "an index": "create index on marts.fct_lines (usd)",
    "a trigger": "create trigger t before insert on marts.fct_lines execute function pg_catalog.suppress_redundant_updates_trigger()",
    "its owner": "alter table marts.fct_lines owner to {role}",
    "a comment": "comment on table marts.fct_lines is 'x'",
    "a lock": "begin; lock table marts.fct_lines in access exclusive mode",
    "everybody's settings": "alter system set log_statement = 'all'",
    "its database's settings": "alter database {role} set statement_timeout = 0",
    "its database's name": "alter database {role} rename to mine",
    "others' statements": "select * from pg_stat_activity",
    "others' statements by number": "select pg_stat_get_activity(null)",
    "how much others have": "select * from pg_stat_database",
    "how much others have, by the function": "select pg_stat_get_db_tuples_inserted(oid) from pg_database",
    "how large others are": "select pg_database_size(datname) from pg_database where datname like 'larder%' and datname <> '{role}'",
    "the reset of counters": "select pg_stat_reset()",
    "the write-ahead log": "select pg_switch_wal()",
    "a backup": "select pg_backup_start('x')",
    "the end of the server": "select pg_reload_conf()",
    "a session of the owner": "select pg_terminate_backend((select pid from pg_locks limit 1))",
    "a security definer": "select query_to_xml('select * from pg_authid', true, true, '')",
    "a subscription": "create subscription s connection '' publication p",
    "replication": "select pg_create_logical_replication_slot('s', 'pgoutput')",
}


@pytest.fixture(scope="module", params=[pytest.param("analyst", marks=pytest.mark.nightly), "supplier_2"])
def reader(paths: Paths, request: pytest.FixtureRequest) -> Iterator[Cursor]:
    with closing(psycopg2.connect(address(paths, request.param))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("set default_transaction_read_only = off")  # which anybody may do
        yield cursor


@pytest.mark.parametrize("query", REACHING.values(), ids=REACHING)
def test_a_role_reaches_nothing_else(reader: Cursor, query: str) -> None:
    try:
        with pytest.raises(psycopg2.Error, match=DENIED):
            reader.execute(query.replace("{role}", reader.connection.info.user))
    finally:
        reader.execute("rollback")
    assert not Path("/tmp/stolen.csv").exists()


def test_a_role_gives_nothing_on(reader: Cursor) -> None:
    reader.execute("grant select on marts.fct_lines to public, pg_monitor")  # a warning, in PostgreSQL
    reader.execute("alter default privileges grant select on tables to public")
    reader.execute("select has_table_privilege('pg_monitor', 'marts.fct_lines', 'select')")
    assert reader.fetchone() == (False,)


@pytest.mark.parametrize("database", ["postgres", "template1", "larder_supplier_7", "larder_analyst"])
def test_another_database_is_closed(paths: Paths, database: str) -> None:
    url = address(paths, "supplier_2").rpartition("/")[0]
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        asked(f"{url}/{database}", "select 1")
    assert admin(paths, database, "select 1") == [(1,)]


def test_names_and_numbers_of_others_are_not_in_the_catalogs(paths: Paths) -> None:
    url = address(paths, "supplier_2")
    schemas = "('pg_catalog', 'information_schema', 'pg_toast')"
    there = asked(
        url,
        f"select nspname || '.' || relname, reltuples from pg_class inner join pg_namespace n on relnamespace = n.oid where relkind = 'r' and nspname not in {schemas} order by 1",
    )
    assert there == [("marts.dim_products", 2), ("marts.fct_lines", 20), ("share.about", 1)]
    assert asked(
        url, f"select count(*) from information_schema.tables where table_schema not in {schemas}"
    ) == [(3,)]
    policies = asked(
        url,
        "select polname, pg_get_expr(polqual, polrelid) from pg_policy order by all".replace(
            " order by all", ""
        ),
    )
    assert policies and not any("'7'" in text for _, text in policies)
    assert asked(
        url, "select count(*) from pg_views where schemaname not in ('pg_catalog', 'information_schema')"
    ) == [(0,)]
    assert asked(
        url, "select count(*) from pg_proc where prosecdef and pronamespace = 'pg_catalog'::regnamespace"
    ) == [(0,)]
    assert asked(
        url,
        "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls, rolconnlimit from pg_roles where rolname = current_user",
    ) == [(False, 8)]
    assert asked(url, "select count(*) from pg_auth_members where member = current_user::regrole") == [(0,)]


def test_nothing_of_a_session_is_left_to_the_next(paths: Paths) -> None:
    url = address(paths, "analyst")
    asked(url, "prepare mine as select * from marts.dim_products; set search_path = mine")
    with pytest.raises(psycopg2.Error, match="does not exist"):
        asked(url, "execute mine")
    assert asked(url, "show search_path") == [("pg_catalog, marts, observe",)]


def test_a_query_and_a_login_have_limits(paths: Paths) -> None:
    url = address(paths, "analyst")
    assert asked(url, "show statement_timeout") == [("1min",)]
    with pytest.raises(psycopg2.errors.QueryCanceled):
        asked(url, "set statement_timeout = 50; select pg_sleep(5)")
    held = [psycopg2.connect(url) for _ in range(8)]
    with pytest.raises(psycopg2.OperationalError, match="too many connections"):
        psycopg2.connect(url)
    for one in held:
        one.close()


# ---- the second wall: rows that a share should not have


@pytest.fixture(scope="module")
def spoilt(paths: Paths) -> str:
    """A share of a supplier whose file has all rows, by mistake: the address of its database."""
    one = audience("supplier_9", "1143")
    write_share(paths, one, "spoilt", fct_lines=LINES)
    with duckdb.connect(str(paths.shares / "supplier_9/larder.duckdb")) as file:
        file.execute(f"create or replace table marts.dim_products as {PRODUCTS}")
        file.execute(f"create or replace table marts.fct_lines as {LINES}")
    serve.run(paths, [*ALL, one], BUILT, None)
    return address(paths, "supplier_9")


SEEN = {
    "select product_id from marts.dim_products": [(1,), (2,)],
    "select count(*), sum(usd)::text from marts.fct_lines": [(20, "2.80")],
    "select distinct product_id from marts.fct_lines join marts.dim_products using (product_id) order by 1": [
        (1,),
        (2,),
    ],
    "select distinct l.product_id from marts.dim_products p right join marts.fct_lines l using (product_id) order by 1": [
        (1,),
        (2,),
    ],
    "select exists (from marts.dim_products where manufacturer_id = 7)".replace("(from", "(select from"): [
        (False,)
    ],
    "select exists (select from marts.fct_lines where product_id = 3)": [(False,)],
    "select count(*) from marts.fct_lines where not product_id in (select product_id from marts.dim_products)": [
        (0,)
    ],
    "table marts.dim_products except select * from marts.dim_products where manufacturer_id = 1143": [],
    "select count(*) from marts.dim_products tablesample bernoulli (100)": [(2,)],
    "select max(line_id) from marts.fct_lines where line_id % 3 = 2": [(None,)],
    "set enable_seqscan = off; select count(*) from marts.fct_lines where line_id = 2": [(0,)],
    "set row_security = on; select count(*) from marts.dim_products": [(2,)],
    # Conditions that fail, or speak, on the rows that are hidden: they are asked only of those that are not.
    "select count(*) from marts.dim_products where 1 / (manufacturer_id - 7) is not null": [(2,)],
    "select count(*) from marts.dim_products where case when manufacturer_id = 7 then brand::int = 1 else true end": [
        (2,)
    ],
    "select count(*) from marts.dim_products where pg_catalog.set_config('my.seen', brand, false) = 'Beer'": [
        (0,)
    ],
    "select count(*) from marts.dim_products where brand::int >= 0": None,
}


@pytest.mark.parametrize("query", SEEN)
def test_rows_of_others_are_hidden_even_where_the_share_has_them(spoilt: str, query: str) -> None:
    if SEEN[query] is not None:
        assert asked(spoilt, query) == SEEN[query]
        return
    with pytest.raises(psycopg2.Error) as told:
        asked(spoilt, query)
    assert "Beer" not in str(told.value)


def test_the_rule_cannot_be_put_off(spoilt: str) -> None:
    with pytest.raises(psycopg2.Error, match="would be affected by row-level security"):
        asked(spoilt, "set row_security = off; select * from marts.dim_products")
    assert asked(spoilt, "select most_common_vals from pg_stats where tablename = 'dim_products'") == []


def test_the_wall_is_what_hides_them(spoilt: str, paths: Paths) -> None:
    """Without the rule the same rows are there: what is tested above would be seen to fail."""
    admin(paths, "larder_supplier_9", "alter table marts.dim_products disable row level security")
    assert asked(spoilt, "select count(*) from marts.dim_products") == [(3,)]
    serve.run(paths, [*ALL, audience("supplier_9", "1143")], BUILT, None)
    assert asked(spoilt, "select count(*) from marts.dim_products") == [(2,)]


# ---- what follows the shares


def test_what_did_not_change_is_not_loaded_again(paths: Paths) -> None:
    def files() -> list[Row]:
        return admin(
            paths,
            "larder_analyst",
            "select relname, relfilenode from pg_class where relname in ('dim_products', 'fct_lines') order by 1",
        )

    before = files()
    serve.run(paths, ALL, BUILT, None)
    assert files() == before
    write_share(paths, ALL[0], "2")
    serve.run(paths, ALL, BUILT, None)
    assert not {*files()} & {*before}


def test_what_somebody_has_given_is_taken_back(paths: Paths) -> None:
    role, database = "larder_supplier_7", "larder_supplier_7"
    for query in (
        f"alter role {role} createdb bypassrls",
        f"grant pg_read_server_files to {role}",
        f"alter role {role} set statement_timeout = 0",
        f"grant temporary on database {database} to public",
        f"alter role {role} password 'other'",
    ):
        admin(paths, "postgres", query)
    admin(
        paths, database, "create table marts.planted as select 1; grant insert on marts.fct_lines to public"
    )
    serve.run(paths, ALL, BUILT, None)
    url = address(paths, "supplier_7")
    assert asked(
        url,
        "select rolcreatedb or rolbypassrls, has_database_privilege(current_database(), 'temp') from pg_roles where rolname = current_user",
    ) == [(False, False)]
    assert asked(
        url, "select has_table_privilege('marts.fct_lines', 'insert'), to_regclass('marts.planted')"
    ) == [(False, None)]
    assert asked(url, "select count(*) from pg_auth_members where member = current_user::regrole") == [(0,)]
    assert asked(url, "show statement_timeout") == [("1min",)]


def test_what_the_policy_says_no_more_is_gone(paths: Paths) -> None:
    """A table, a rule that has changed, the share, the audience: each time nobody sees it any more, though somebody has it open."""
    one = audience("brief", "1143")
    write_share(paths, one)
    serve.run(paths, [*ALL, one], BUILT, None)
    url = address(paths, "brief")
    with closing(psycopg2.connect(url)) as reader, reader.cursor() as cursor:
        cursor.execute("select count(*) from marts.fct_lines")
        less = Audience("brief", "", None, one.tables[:1])
        write_share(paths, less)
        (paths.shares / "brief/share.json").write_text(
            json.dumps({"written_at": "1", "tables": {"marts.dim_products": {"signature": "1"}}})
        )
        serve.run(paths, [*ALL, less], BUILT, None)
    with pytest.raises(psycopg2.errors.UndefinedTable):
        asked(url, "select * from marts.fct_lines")
    assert asked(url, "select count(*) from marts.dim_products") == [(2,)]
    shutil.rmtree(paths.shares / "brief")
    with pytest.raises(LarderError, match="brief: it has no share"):
        serve.run(paths, [*ALL, less], BUILT, None)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        asked(url, "select 1")
    serve.run(paths, ALL, BUILT, None)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        asked(url, "select 1")


@pytest.mark.nightly
def test_a_table_that_cannot_be_loaded_leaves_nothing(paths: Paths) -> None:
    one = audience("odd")
    write_share(
        paths,
        one,
        dim_products="select 1 as product_id, 1 as manufacturer_id, chr(0) as brand, '' as package",
    )
    with pytest.raises(LarderError, match="odd: "):
        serve.run(paths, [*ALL, one], BUILT, None)
    assert admin(paths, "postgres", "select count(*) from pg_database where datname = 'larder_odd'") == [(0,)]


@pytest.mark.nightly
def test_what_is_not_ours_is_left_alone(paths: Paths) -> None:
    admin(paths, "postgres", "create role larder_theirs")
    admin(paths, "postgres", "create database larder_theirs")
    one = audience("theirs")
    write_share(paths, one)
    with pytest.raises(LarderError, match="is not ours"):
        serve.run(paths, [*ALL, one], BUILT, None)
    assert admin(paths, "larder_theirs", "select 1") == [(1,)]
    for kind in ("database", "role"):
        admin(paths, "postgres", f"drop {kind} larder_theirs")


@pytest.mark.nightly
def test_an_existing_server_needs_no_superuser(
    paths: Paths, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = Paths(tmp_path)
    other.warehouse.mkdir()
    one = audience("outside", "7")
    write_share(other, one)
    for query in ("create role loader login password 'x'", "grant connect on database postgres to loader"):
        admin(paths, "postgres", query)
    url = (paths.serving / "admin").read_text()
    own = "postgresql://loader:x@" + url.partition("@")[2]
    with pytest.raises(LarderError, match="may not make databases"):
        serve.run(other, [one], BUILT, own)
    admin(paths, "postgres", "alter role loader createdb createrole")
    serve.run(other, [one], BUILT, own)
    assert "everybody.sql" in capfd.readouterr().err
    assert asked(address(other, "outside"), "select product_id from marts.dim_products") == [(3,)]
    admin(paths, "larder_outside", (serve.SCRIPTS / "everybody.sql").read_text())
    less = Audience("outside", "", None, [table("marts.dim_products", ["product_id"], rule("7"))])
    with closing(psycopg2.connect(address(other, "outside"))) as held, held.cursor() as cursor:
        cursor.execute("select * from marts.dim_products")
        write_share(other, less, "2")
        serve.run(other, [less], BUILT, own)
    assert asked(address(other, "outside"), "select product_id from marts.dim_products") == [(3,)]
    serve.run(other, [], BUILT, own)
    assert not [
        row
        for row in admin(paths, "postgres", "select datname from pg_database")
        if row == ("larder_outside",)
    ]
    with pytest.raises(LarderError, match="cannot be reached"):
        serve.run(other, [one], BUILT, own.replace(":x@", ":secret@"))


def test_passwords_are_the_owners_alone_and_in_no_log(paths: Paths) -> None:
    for file in (*paths.serving.glob("*.pgpass"), paths.serving / "admin", paths.serving / "postgres.log"):
        assert file.stat().st_mode & 0o077 == 0, file
    with pytest.raises(psycopg2.Error):
        asked(address(paths, "analyst"), "select brand::int from marts.dim_products where product_id = 3")
    log = (paths.serving / "postgres.log").read_text()
    assert "Beer" not in log
    assert not any(
        file.read_text().strip().rpartition(":")[2] in log for file in paths.serving.glob("*.pgpass")
    )


@pytest.mark.nightly
def test_after_an_erasure_the_server_has_nothing_of_before(paths: Paths) -> None:
    """Not in the files of tables that are dropped, nor in its log of writing, nor in its statistics."""
    marked = "select 1 as product_id, 1 as manufacturer_id, 'cAnArY' || i as brand, '' as package from range(5000) r(i)"
    write_share(paths, ALL[0], "canary", dim_products=marked)
    serve.run(paths, ALL, BUILT, None)
    assert asked(
        address(paths, "analyst"), "select count(*) from dim_products where brand like 'cAnArY%'"
    ) == [(5000,)]
    write_share(paths, ALL[0], "clean")
    serve.reload(paths, ALL, BUILT, afresh=True)
    admin(paths, "postgres", "checkpoint")
    held = [
        path
        for path in (paths.serving / "postgres").rglob("*")
        if path.is_file() and b"cAnArY" in path.read_bytes()
    ]
    assert held == []
    assert asked(address(paths, "analyst"), "select count(*) from dim_products") == [(3,)]


@pytest.mark.nightly
def test_a_server_that_does_not_run_keeps_nothing_of_before(paths: Paths) -> None:
    serve.stop(paths)
    serve.reload(paths, ALL, BUILT)
    assert not (paths.serving / "postgres").exists()
    serve.run(paths, ALL, BUILT, None)
    assert asked(address(paths, "analyst"), "select count(*) from fct_lines") == [(30,)]
    serve.reload(paths, ALL[1:], BUILT)
    with pytest.raises(psycopg2.OperationalError):
        asked(address(paths, "analyst"), "select 1")
