"""What SQL of a person reaches through the connections of readers: the tables, and no file, setting or other warehouse."""

from pathlib import Path

import duckdb
import pytest
from conftest import Instance

from larder.core.errors import LarderError
from larder.queries.guard import require_condition
from larder.warehouse import connection as door
from larder.warehouse.connection import Purpose, attach, connect

READERS = [one for one in vars(door).values() if isinstance(one, Purpose) and not one.writes]

REFUSED = [
    "from read_csv('{secret}')",
    "from '{secret}'",
    "from read_text('/etc/hostname')",
    "from glob('/etc/*')",
    "copy (select 1) to '{secret}.parquet'",
    "attach '{secret}.duckdb'",
    "from read_csv('{data}/{folder}/../secret.csv')",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set memory_limit = '20GB'",
    "from secret",
]


@pytest.mark.parametrize("purpose", READERS, ids=[one.name for one in READERS])
@pytest.mark.parametrize("together", [False, True])
def test_a_reader_reaches_no_file_and_no_setting(tmp_path: Path, purpose: Purpose, together: bool) -> None:
    warehouse, secret = tmp_path / "warehouse", tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    file = warehouse / "larder.duckdb"
    file.parent.mkdir()
    with duckdb.connect(str(file)) as made:
        made.execute("create schema marts; create table marts.t as from range(3)")
    opened = (
        attach({"one": file}, purpose, warehouse, ["marts"])
        if together
        else connect(file, purpose, warehouse)
    )
    with opened as connection:
        assert connection.execute(
            "select count(*) from t" if together else "select count(*) from marts.t"
        ).fetchone() == (3,)
        for sql in REFUSED:
            with pytest.raises(duckdb.Error):
                connection.execute(sql.format(secret=secret, data=tmp_path, folder=purpose.folder)).fetchall()
        if purpose.folder:
            inside = tmp_path / purpose.folder / "x.parquet"
            inside.parent.mkdir()
            connection.execute(f"copy (select 1) to '{inside}'")
            assert connection.execute(f"from '{inside}'").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "text",
    [
        "current_setting('temp_directory') = 'x'",
        "getenv('HOME') is not null",
        "getvariable('x') = 1",
        "department = current_query()",
        "error('x')",
        "random() > 0.5",
        "sleep_ms(1000) is null",
        "department in (from duckdb_settings())",
        "write_log('x') is null",
        "sum(1) > 0",
    ],
)
def test_a_condition_calls_plain_functions_alone(text: str) -> None:
    with pytest.raises(LarderError):
        require_condition(text)


@pytest.mark.parametrize(
    "text",
    [
        "department = 'GROCERY'",
        "lower(department) like 'gro%' and not (week_number between 1 and 5 or store_id in (1, 2))",
        "month = '2017-01-01' and date_part('dow', day) + 1 > 2 and coalesce(brand, 'x') || 'y' <> 'z'",
        "regexp_matches(department, '^A') and case when day > date '2017-01-01' then true else false end",
    ],
)
def test_usual_conditions_are_answered(text: str) -> None:
    require_condition(text)


def test_a_metric_does_not_say_settings(published: Instance) -> None:
    where = "department = current_setting('temp_directory')"
    shown = published.larder("metric", "net_sales", "--where", where, code=1)
    assert "the function current_setting is not answered" in shown.stderr
