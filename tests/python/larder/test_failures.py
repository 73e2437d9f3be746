"""What a failed node's user reads: the rule that was broken, and a query that finds the rows."""

from pathlib import Path

import duckdb
import pytest

from larder.build import failures
from larder.project.dbt import Node

MODEL = "select * from (values ('Fuel', 0), ('Fuel', 3), (null, 1)) as line (brand, units)"


def failed(message: str, unique_id: str = "model.larder.agg_x", failures: int = 0) -> Node:
    return Node(unique_id, "error", failures, message, 0.0, MODEL)


def said_by_duckdb(contract: str) -> str:
    """What dbt reports when the model's rows do not keep the contract."""
    with duckdb.connect() as connection, pytest.raises(duckdb.ConstraintException) as caught:
        connection.execute(f"create table agg_x__dbt_tmp ({contract})")
        connection.execute(f"insert into agg_x__dbt_tmp {MODEL}")
    return f"Runtime Error in model agg_x (models/marts/sales/agg_x.yml)\n  {caught.value}"


@pytest.mark.parametrize(
    ("contract", "rule", "row"),
    [
        (
            "brand varchar, units int, check (brand <> 'Fuel' or units = 0)",
            "((brand != 'Fuel') OR (units = 0))",
            ("Fuel", 3),
        ),
        ("brand varchar, units int check (units in (0, 3))", "(units IN (0, 3))", (None, 1)),
        ("brand varchar not null, units int", "(brand IS NOT NULL)", (None, 1)),
    ],
)
def test_a_broken_contract_names_its_rule_and_finds_the_rows(
    contract: str, rule: str, row: tuple[str | None, int], tmp_path: Path
) -> None:
    node = failed(said_by_duckdb(contract))
    assert failures.reason(node) == f"breaks a rule of its contract: {rule}"
    file = failures.rows(node, tmp_path)
    assert file and duckdb.connect().execute(file.read_text()).fetchall() == [row]


def test_any_other_failure_is_told_in_dbts_words(tmp_path: Path) -> None:
    error = failed(
        "Runtime Error in model agg_x (models/agg_x.sql)\n  Binder Error: no such column\n  LINE 1"
    )
    test = failed("Got 3 results, configured to fail if != 0", "test.larder.adds_up", 3)
    assert failures.reason(error) == "Binder Error: no such column"
    assert failures.reason(test) == "3 rows. Got 3 results, configured to fail if != 0"
    assert failures.reason(failed("")) == "error"
    assert failures.rows(error, tmp_path) is None and failures.rows(test, tmp_path) is None
