"""What points at a person stays in the restricted zone, also under another name or another form: sought by its values."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import Instance

FORMS = {
    "as it is": "{}",
    "in lower case": "lower({})",
    "in upper case": "upper({})",
    "digits alone": "regexp_replace({}, '[^0-9]', '', 'g')",
    "without the domain": "split_part({}, '@', 1)",
    "md5": "md5({})",
    "sha1": "sha1({})",
    "sha256": "sha256({})",
    "base64": "to_base64(encode({}))",
    "reversed": "reverse({})",
}
"""Ways to write a value that leave it, or a number for it, in one's hands."""

IDENTIFIERS = ("email", "phone", "first_name || ' ' || last_name", "last_name || ', ' || first_name")


def sought(connection: duckdb.DuckDBPyConnection) -> None:
    """Each identifier of each household in each form, as the table `sought`; forms that are too short to identify anybody are left out."""
    values = " union all ".join(f"select {identifier} as value from people" for identifier in IDENTIFIERS)
    forms = " union ".join(
        f"select '{form}' as form, {sql.format('value')} as value from ({values})"
        for form, sql in FORMS.items()
    )
    connection.execute(
        f"create or replace temp table sought as select distinct form, value from ({forms}) where length(value) >= 7"
    )


def leaks(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The columns in which a value of a person occurs, alone or within a longer text."""
    sought(connection)
    columns = connection.execute(
        "select table_schema, table_name, column_name, data_type from information_schema.columns"
        " where table_catalog = current_database()"
    ).fetchall()
    found = set()
    for schema, table, column, kind in columns:
        if kind in ("DATE", "BOOLEAN", "DOUBLE") or kind.startswith(("DECIMAL", "TIMESTAMP")):
            continue  # cannot contain one
        values = f'select distinct cast("{column}" as varchar) as value from {schema}."{table}"'
        tokens = f"select unnest(list_prepend(value, string_split_regex(value, '[^\\w@.+-]+'))) as value from ({values})"
        hit = connection.execute(f"select count(*) from ({tokens}) semi join sought using (value)").fetchone()
        if hit and hit[0]:
            found.add(f"{schema}.{table}.{column}")
    return found


@pytest.fixture
def warehouse(published: Instance, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of a published generation that may be written to; who its households are is in the temporary table `people`."""
    file = tmp_path / "larder.duckdb"
    shutil.copyfile(published.warehouse, file)
    file.chmod(0o600)
    with duckdb.connect(str(file)) as connection:
        people = str(published.data / "restricted/loyalty/households/*.parquet")
        connection.execute("create temp table people as from read_parquet($1)", [people])
        yield connection


def test_no_value_of_a_person_leaves_the_restricted_zone(warehouse: duckdb.DuckDBPyConnection) -> None:
    sought(warehouse)
    known = warehouse.execute("select count(*) from sought").fetchone()
    assert known and known[0] > 1000
    assert leaks(warehouse) == set()


def test_no_relation_has_the_number_of_a_household(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Whatever is called so has pseudonyms, in raw views and staging as well, of which each is known where the CRM knows it."""
    found = warehouse.execute(
        "select table_schema, table_name from information_schema.columns"
        " where table_catalog = current_database() and column_name = 'household_id'"
    ).fetchall()
    assert {schema for schema, _ in found} >= {"raw", "staging", "intermediate", "marts"}
    for schema, table in found:
        numbers = warehouse.execute(
            f'select count(*) from {schema}."{table}" where household_id in (select source_number from people)'
        ).fetchone()
        assert numbers == (0,), f"{schema}.{table}"
    known = warehouse.execute(
        "select count(*) from marts.dim_households semi join people using (household_id)"
    )
    assert known.fetchone() == warehouse.execute("select count(*) from people").fetchone()


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("lower(email) as contact_ref", marks=pytest.mark.nightly),
        "md5(email) as household_key",
        pytest.param(
            "'tel. ' || regexp_replace(phone, '[^0-9]', '', 'g') as note", marks=pytest.mark.nightly
        ),
        pytest.param(
            "cast(regexp_replace(phone, '[^0-9]', '', 'g') as bigint) as call_number",
            marks=pytest.mark.nightly,
        ),
        pytest.param("first_name || ' ' || last_name as display", marks=pytest.mark.nightly),
        "struct_pack(contact := email) as profile",
    ],
)
def test_a_planted_identifier_is_found_under_any_name(
    warehouse: duckdb.DuckDBPyConnection, expression: str
) -> None:
    name = expression.rpartition(" as ")[2]
    warehouse.execute(
        f"create table marts.agg_planted as select household_id, {expression} from people limit 50"
    )
    assert leaks(warehouse) == {f"marts.agg_planted.{name}"}
