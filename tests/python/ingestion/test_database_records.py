"""Records of a real PostgreSQL that change, come late, go and come again: through the real pipeline into a real lake."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import duckdb
import psycopg2
import pyarrow as pa
import pytest
from conftest import Instance, connections
from psycopg2 import sql

from ingestion.connectors import postgres
from ingestion.connectors.postgres import Snapshot
from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.lake.loads import completed_loads, table_files
from ingestion.pipelines import Loaded, ingest
from ingestion.quarantine.accounts import accounts


class Crm:
    """A copy of the retailer's database that a test may write to, and the lake that it is loaded into."""

    def __init__(self, admin: str, root: Path) -> None:
        self.admin, self.root = admin, root

    def run(self, *statements: str) -> int:
        """Run statements in one transaction; returns the rows that the last of them found or changed."""
        with closing(psycopg2.connect(self.admin)) as connection, connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.rowcount

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the CRM itself has."""
        with closing(psycopg2.connect(self.admin)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def load(self, **how: Any) -> Loaded:
        return ingest("loyalty", self.root / "lake", self.root / "dlt", lambda _: None, LoadRequest(**how))

    def visible(self, columns: str, table: str = "households", where: str = "true") -> list[tuple[Any, ...]]:
        """What the completed loads hold."""
        dataset = self.root / "lake/raw/loyalty"
        files = [str(file) for file in table_files(dataset, table, completed_loads(dataset))]
        query = f"select {columns} from read_parquet(?) where {where} order by all"
        return duckdb.execute(query, [files]).fetchall() if files else []


@pytest.fixture
def crm(retailer: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    reader = urlsplit(connections(retailer)["SOURCES__LOYALTY__CREDENTIALS"])
    password = json.loads((retailer.data / "demo/secrets.json").read_text())["admin_password"]
    server = f"postgres:{password}@127.0.0.1:{reader.port}"
    with closing(psycopg2.connect(f"postgresql://{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("drop database if exists crm with (force)")
            cursor.execute("create database crm template retailer")
            monkeypatch.setenv("SOURCES__LOYALTY__CREDENTIALS", urlunsplit(reader._replace(path="/crm")))
            made = Crm(f"postgresql://{server}/crm", tmp_path)
            made.run("grant connect on database crm to larder_reader")
            yield made
            cursor.execute("drop database crm with (force)")


ADDED = """
    insert into loyalty.households
    select {id}, first_name, last_name, email, phone, postal_code, birth_date, registered_on, {at}
    from loyalty.households order by household_id limit 1
"""


def test_an_unchanged_table_is_not_loaded_again_also_without_the_working_directory(crm: Crm) -> None:
    assert crm.load().rows == {"households": 1418, "demographics": 640}
    assert crm.load().rows == {}
    shutil.rmtree(crm.root / "dlt")
    assert crm.load().rows == {}
    for index in (crm.root / "dlt/known_versions").glob("*.duckdb"):
        index.write_bytes(b"no database")
    assert crm.load().rows == {}


def test_another_lake_is_not_mistaken_for_the_one_that_was_read(crm: Crm) -> None:
    crm.load()
    shutil.rmtree(crm.root / "lake")
    assert crm.load().rows == {"households": 1418, "demographics": 640}


def test_rows_come_once_whatever_time_they_bear(crm: Crm) -> None:
    """Late by a year, at the very time of the newest, the newest itself, and changed to an earlier time."""
    crm.load()
    newest = "(select max(updated_at) from loyalty.households)"
    crm.run(
        ADDED.format(id=900_001, at="timestamptz '2016-01-01'"),
        ADDED.format(id=900_002, at=newest),
        ADDED.format(id=900_003, at="timestamptz '2017-02-01'"),
        "update loyalty.households set postal_code = '00000', updated_at = updated_at - interval '1 year' "
        "where household_id = (select min(household_id) from loyalty.households where household_id < 900000)",
    )
    assert crm.load().rows == {"households": 4}
    assert crm.load().rows == {}
    assert len(crm.visible("household_id")) == 1418 + 4


def test_what_is_deleted_is_noticed_and_may_come_again(crm: Crm) -> None:
    crm.load()
    crm.run(
        "create table kept as select * from loyalty.demographics where household_id < 100",
        "delete from loyalty.demographics where household_id < 100",
    )
    (gone,) = crm.load().rows.items()
    assert gone == ("deletions", len(crm.visible("record_key", "deletions", "table_name = 'demographics'")))
    assert crm.load().rows == {}
    crm.run("insert into loyalty.demographics select * from kept")
    assert crm.load().rows == {"demographics": gone[1]}
    assert crm.load().rows == {}


def test_a_table_that_lost_much_is_refused_unless_forced(crm: Crm) -> None:
    crm.load()
    crm.run(
        "delete from loyalty.demographics where household_id in "
        "(select household_id from loyalty.demographics order by 1 limit 200)",
        ADDED.format(id=900_001, at="now()"),
    )
    found = crm.load()
    assert found.rows == {"households": 1}
    assert found.refused == ["loyalty.demographics has only 440 of the 640 records that the lake holds"]
    assert crm.load(force=True).rows == {"deletions": 200}
    assert crm.load().rows == {}


def test_a_full_reload_of_an_emptied_table_leaves_it_as_it_was(crm: Crm) -> None:
    crm.load()
    crm.run("truncate loyalty.demographics")
    found = crm.load(full=True)
    assert found.rows == {"households": 1418}
    assert found.refused == ["loyalty.demographics has only 0 of the 640 records that the lake holds"]


def test_days_are_read_again_by_declaration(crm: Crm) -> None:
    crm.load()
    days = {"first": date(2017, 1, 3), "last": date(2017, 1, 4)}
    in_range = "updated_at >= '2017-01-03' and updated_at < '2017-01-05'"
    expected = len(crm.visible("household_id", where=in_range))
    assert crm.load(**days).rows["households"] == expected
    assert crm.load(**days).rows["households"] == expected
    assert crm.load().rows == {}
    assert set(crm.visible("kind", "deliveries", "kind <> 'new'")) == {("reload",)}
    with pytest.raises(IngestionError, match="loyalty has nothing of 2018-01-01 to 2018-01-31"):
        crm.load(first=date(2018, 1, 1), last=date(2018, 1, 31))


def test_a_record_in_quarantine_is_read_again_when_it_changes(crm: Crm) -> None:
    crm.load()
    crm.run(
        "alter table loyalty.households alter first_name drop not null",
        ADDED.format(id=900_001, at="now()"),
        "update loyalty.households set updated_at = 'infinity' where household_id = 900001",
    )
    assert len(crm.load().quarantined) == 1
    again = crm.load()
    assert (again.rows, again.quarantined) == ({}, [])
    crm.run("update loyalty.households set updated_at = now() where household_id = 900001")
    assert crm.load().rows == {"households": 1}


def test_who_stops_reading_does_not_wait_for_the_server(crm: Crm) -> None:
    """As Ctrl-C does: the server has sent two blocks and would be silent for a minute."""
    columns = pa.schema([("number", pa.int64()), ("text", pa.string())])
    slow = "select n, repeat('x', 200) from generate_series(1, 80000) as n union all select 0, pg_sleep(60)::text"
    with Snapshot(crm.admin) as snapshot:
        rows = snapshot.read(sql.SQL(slow), columns)
        assert next(rows).num_rows > 0
        begun = time.monotonic()
        rows.close()
    assert time.monotonic() - begun < 10


def test_a_connection_that_breaks_in_the_middle_is_one_clear_error(crm: Crm) -> None:
    caught: list[BaseException] = []

    def load() -> None:
        try:
            crm.load()
        except BaseException as error:
            caught.append(error)

    with closing(psycopg2.connect(crm.admin)) as connection, connection.cursor() as cursor:
        cursor.execute("lock table loyalty.demographics in access exclusive mode")
        context = threading.Thread(target=load)
        context.start()
        while not crm.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
        ):
            time.sleep(0.2)
            assert context.is_alive()
        connection.rollback()
        context.join()
    (error,) = caught
    assert isinstance(error, IngestionError)
    assert "broke off" in str(error)
    assert completed_loads(crm.root / "lake/raw/loyalty") == set()
    assert crm.load().rows == {"households": 1418, "demographics": 640}


def test_rows_without_a_key_or_a_time_are_quarantined_and_fixed(crm: Crm) -> None:
    """A key that is no whole number next to one that is, times that no calendar has, a key twice."""
    crm.load()
    times = ["-infinity", "infinity", "4000-01-01 BC", "12000-01-01"]
    crm.run(
        "alter table loyalty.households drop constraint households_pkey cascade",
        "alter table loyalty.households alter household_id type numeric",
        "create table good as select * from loyalty.households",
        ADDED.format(id="household_id + 0.4", at="updated_at"),
        ADDED.format(id="2 ^ 64", at="timestamptz '2016-01-01'"),
        *(ADDED.format(id=900_000 + n, at=f"timestamptz '{time}'") for n, time in enumerate(times)),
        ADDED.format(id="household_id", at="updated_at"),
        "update loyalty.households set first_name = 'Another' where ctid = (select max(ctid) from loyalty.households)",
    )
    found = crm.load()
    assert len(found.quarantined) == 2 + len(times) + 1, found.quarantined
    assert found.blocked and found.rows.keys() <= {
        "households"
    }  # the row whose key came again is there once more
    again = crm.load()
    assert (again.rows, again.quarantined) == ({}, [])
    crm.run(
        "truncate loyalty.households",
        "insert into loyalty.households select * from good",
        *(ADDED.format(id=900_000 + n, at="now()") for n in range(len(times))),
    )
    fixed = crm.load()
    assert not fixed.blocked and fixed.rows["households"] >= len(times)
    assert crm.load().rows == {}
    account = accounts(crm.root / "lake", "loyalty")["households"]
    assert (account.quarantined, account.superseded) == (0, 2 + len(times) + 1)
    assert account.delivered == account.loaded + account.superseded


@pytest.mark.parametrize("name", ["updated_at", "household_id"])
def test_a_column_that_goes_away_and_comes_again(crm: Crm, name: str) -> None:
    crm.load()
    crm.run(f"alter table loyalty.demographics rename {name} to {name}_old")
    found = crm.load()
    assert found.rows == {} and len(found.quarantined) == 640
    again = crm.load()
    assert (again.rows, again.quarantined) == ({}, [])
    crm.run(f"alter table loyalty.demographics rename {name}_old to {name}")
    assert not crm.load().blocked
    assert crm.load().rows == {}


@pytest.mark.parametrize(
    ("column", "type_", "value"),
    [
        ("updated_at", "text", "'gestern'"),
        ("household_id", "text", "'P-7'"),
        ("updated_at", "timestamp", "null"),
    ],
)
def test_a_column_of_another_type_with_a_value_that_is_none(
    crm: Crm, column: str, type_: str, value: str
) -> None:
    crm.load()
    crm.run(
        "alter table loyalty.demographics drop constraint demographics_pkey",
        "alter table loyalty.demographics drop constraint demographics_household_id_fkey",
        f"alter table loyalty.demographics alter {column} drop not null, alter {column} type {type_}",
        f"update loyalty.demographics set {column} = {value} where household_id = "
        "(select min(household_id) from loyalty.demographics)",
    )
    found = crm.load()
    assert len(found.quarantined) == (640 if type_ == "timestamp" else 1) and found.blocked
    assert crm.load().quarantined == []
    assert crm.load(first=date(2017, 1, 3), last=date(2017, 1, 3)).rows or column == "updated_at"


def test_a_table_that_goes_away_is_named_and_the_other_loads(crm: Crm) -> None:
    crm.run("alter table loyalty.demographics rename to demographics_old")
    found = crm.load()
    assert found.rows == {"households": 1418}
    (said,) = found.refused
    assert said.startswith("loyalty.demographics: a table is missing, or was renamed (")
    crm.run(
        "alter table loyalty.demographics_old rename to demographics",
        "revoke select on loyalty.demographics from larder_reader",
    )
    (said,) = crm.load().refused
    assert said.startswith("loyalty.demographics: permission denied (")
    crm.run("grant select on loyalty.demographics to larder_reader")
    assert crm.load().rows == {"demographics": 640}


def test_a_value_that_the_server_cannot_give_is_named(crm: Crm) -> None:
    """In the middle of a table: nothing of the load counts."""
    crm.run(
        "alter table loyalty.demographics drop constraint demographics_household_id_fkey",
        "alter table loyalty.demographics rename to people",
        "create view loyalty.demographics as select household_id, age, income, home_ownership, marital_status,"
        " household_size, household_comp, (1 / (household_id - 100))::text as kids_count, updated_at from loyalty.people",
        "grant select on loyalty.demographics to larder_reader",
        "update loyalty.people set household_id = 100 where household_id = (select max(household_id) from loyalty.people)",
    )
    with pytest.raises(IngestionError, match=r"loyalty: a value cannot be read \(division by zero"):
        crm.load()
    crm.run("delete from loyalty.people where household_id = 100")
    assert crm.load().rows == {"households": 1418, "demographics": 639}


def test_a_database_of_another_encoding_gives_the_same_text(crm: Crm) -> None:
    server = crm.admin.rpartition("/")[0]
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("drop database if exists latin with (force)")
            cursor.execute("create database latin template template0 encoding 'LATIN1' locale 'C'")
            with Snapshot(f"{server}/latin") as snapshot:
                (table,) = snapshot.read(
                    sql.SQL("select chr(233) as text"), pa.schema([("text", pa.string())])
                )
            assert table["text"].to_pylist() == ["é"]
            cursor.execute("drop database latin with (force)")


def test_an_odd_value_makes_text_of_its_own_column_only(crm: Crm) -> None:
    schema = pa.schema([("is_open", pa.bool_()), ("at", pa.timestamp("us", tz="UTC")), ("n", pa.int64())])
    query = "select true, timestamptz '2017-01-01', 1 union all select null, 'infinity', null union all select null, null, null"
    with Snapshot(crm.admin) as snapshot:
        (table,) = snapshot.read(sql.SQL(query), schema)
    assert table.schema.types == [pa.bool_(), pa.string(), pa.int64()]
    assert table["at"].to_pylist() == ["2017-01-01 00:00:00+00", "infinity", None]


@pytest.mark.parametrize(
    ("statement", "said", "next_step"),
    [
        ("alter database crm connection limit 0", "the server has too many connections", "Run again later"),
        ("revoke connect on database crm from public, larder_reader", "permission denied", "grant"),
        (
            "alter database crm set statement_timeout = 1",
            "the server cancelled the statement",
            "statement_timeout",
        ),
    ],
)
def test_what_a_server_refuses_is_named(
    crm: Crm, monkeypatch: pytest.MonkeyPatch, statement: str, said: str, next_step: str
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    crm.run(
        "insert into loyalty.households select household_id + 1000000 * n, first_name, last_name, email, phone,"
        " postal_code, birth_date, registered_on, updated_at from loyalty.households, generate_series(1, 20) as n",
        statement,
    )
    with pytest.raises(IngestionError, match=said) as raised:
        crm.load()
    assert next_step in raised.value.next_step


def test_a_locked_table_is_named_and_the_other_loads(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SILENT_SECONDS", 6)
    with closing(psycopg2.connect(crm.admin)) as connection, connection.cursor() as cursor:
        cursor.execute("lock table loyalty.demographics in access exclusive mode")
        found = crm.load()
    assert found.rows == {"households": 1418}
    assert found.refused[0].startswith("loyalty.demographics: a table is locked by somebody else (")
