"""What a failed node's user reads: the rule that was broken, and a query that finds the rows."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from larder.build import failures
from larder.core.errors import LarderError
from larder.project import complaints, fingerprint
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


def test_an_error_of_duckdb_is_told_whole_with_the_authors_line(tmp_path: Path) -> None:
    message = (
        "Runtime Error in model agg_sales_daily (models/marts/sales/agg_sales_daily.sql)\n"
        '  Binder Error: Referenced column "unitz" not found in FROM clause!\n'
        '  Candidate bindings: "units"\n  \n  LINE 13:         cast(sum(units) as bigint) as units,\n'
        "                  ^\n  compiled code at target/run/x.sql"
    )
    node = failed(message)
    described = {"original_file_path": "models/marts/sales/agg_sales_daily.sql"}
    assert failures.location(node, described) == "models/marts/sales/agg_sales_daily.sql:13"
    assert failures.reason(node).startswith("Binder Error: ")
    assert 'Candidate bindings: "units"' in failures.reason(node) and "compiled code" not in failures.reason(
        node
    )
    assert failures.rows(node, tmp_path) is None
    assert failures.reason(failed("")) == "error"


def test_a_model_that_is_not_its_contract_is_told_what_to_paste() -> None:
    message = (
        "Compilation Error in model agg_x (models/agg_x.sql)\n  This model has an enforced contract that failed.\n"
        "  | column_name | definition_type | contract_type | mismatch_reason       |\n"
        "  | ----------- | --------------- | ------------- | --------------------- |\n"
        "  | extra       | DECIMAL(18,2)   |               | missing in contract   |\n"
        "  | gone        |                 | BIGINT        | missing in definition |\n"
        "  | units       | INTEGER         | BIGINT        | data type mismatch    |\n"
    )
    told = failures.reason(failed(message))
    assert told.splitlines() == [
        "its SQL and its YAML differ:",
        "  extra (decimal(18,2)) is not in the YAML; add it: larder yaml agg_x",
        "  gone is not in the SQL (is the comma before it missing?); select it, or: larder yaml agg_x",
        "  units is integer in the SQL, bigint in the YAML; cast it, or, if it is meant: larder yaml agg_x",
    ]


def test_the_rows_of_a_data_test_are_a_query_and_its_header_is_advice(tmp_path: Path) -> None:
    test = failed("Got 2 results, configured to fail if != 0", "test.larder.adds_up", 2)
    assert failures.reason(test) == "2 rows that should not be"
    file = failures.rows(test, tmp_path)
    assert file and len(duckdb.connect().execute(file.read_text()).fetchall()) == 3
    advice = failures.advice({"raw_code": "{# It adds up.\n  Fails? Look there,\n  then here.\n#}\nselect 1"})
    assert advice == "Look there, then here."


def test_a_name_that_dbt_does_not_find_has_its_line_and_a_suggestion() -> None:
    complaint = (
        "Compilation Error\n  Model 'model.larder.agg_sales_weekly_store' (models/marts/sales/agg_sales_weekly_store.sql)"
        " depends on a node named 'fct_baskts' which was not found"
    )
    assert complaints.plain(complaint) == (
        "models/marts/sales/agg_sales_weekly_store.sql: there is no model, seed or source named fct_baskts;"
        " did you mean fct_baskets?"
    )
    assert complaints.plain("Traceback (most recent call last):\n  File x\nRecursionError: deep") == (
        "RecursionError: deep"
    )


def test_a_check_that_is_wrong_in_itself_is_found_in_the_yaml() -> None:
    yaml = "models/marts/sales/agg_sales_weekly_store.yml"
    described = {"original_file_path": yaml.replace("yml", "sql"), "patch_path": f"larder://{yaml}"}
    by_name = failed(
        "Binder Error: Table does not contain column selling_days referenced in check constraint!"
    )
    assert failures.location(by_name, described) == yaml  # the name comes more than once
    whole = failed(
        'Parser Error: syntax error at or near ","\n\nLINE 28:     check (baskets <= lines),\n       ^'
    )
    assert failures.location(whole, described) == f"{yaml}:30"


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        (
            "Compilation Error\n  [WARNING][CustomTopLevelKeyDeprecation]: Deprecated functionality\n"
            "  Unexpected top-level key model in file\n  `models/x.yml`",
            "models/x.yml: dbt knows no key model here, and would not read it; did you mean models?",
        ),
        (
            "Encountered an error:\nParsing Error\n  Invalid constraint type on model agg_sales_weekly_store: Type must be one of ['check']",
            "models/marts/sales/agg_sales_weekly_store.yml:2: Invalid constraint type: Type must be one of ['check']",
        ),
        (
            "Parsing Error\n  Invalid exposures config given in FilePath(searched_path='models', relative_path="
            "'semantic/question_decisions.yml', x=1) @ exposures: {'name': 'question_decisions', 'label': 'What?'}"
            " - at path []: 'owner' is a required property",
            "models/semantic/question_decisions.yml:2: question_decisions: 'owner' is a required property",
        ),
    ],
)
def test_a_complaint_without_a_place_is_given_one(complaint: str, said: str) -> None:
    assert complaints.plain(complaint) == said


def test_blocks_that_do_not_match_are_found_in_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaints, "PROJECT", tmp_path)
    for folder in ("macros", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models/columns.md").write_text("{% docs a %}\nx\n")
    complaint = "Compilation Error\n  Reached EOF without finding a close tag for docs (searched from 1)"
    assert complaints.plain(complaint).startswith("models/columns.md: a block {% docs … %} is not ended")
    (tmp_path / "macros/x.sql").write_text("{% macro x() %}\n1\n{% endmacr %}\n")
    assert complaints.plain(complaint).startswith("macros/x.sql:3: Encountered unknown tag 'endmacr'")


def test_a_source_is_meant_where_a_source_is_misspelt() -> None:
    complaint = (
        "Compilation Error\n  Model 'model.larder.x' (models/staging/promotions/stg_promotions__placements.sql)"
        " depends on a source named 'promotions.placement' which was not found"
    )
    assert complaints.plain(complaint).endswith(
        "no model, seed or source named promotions.placement; did you mean promotions.placements?"
    )


def test_a_model_without_sql_is_refused() -> None:
    node = {
        "resource_type": "model",
        "original_file_path": "models/x.sql",
        "raw_code": "\n",
        "depends_on": {},
    }
    kinds: dict[str, Any] = {kind: {} for kind in ("unit_tests", "saved_queries", "exposures", "macros")}
    with pytest.raises(LarderError, match="is empty"):
        fingerprint.nodes({"nodes": {"model.larder.x": node}, **kinds})


def test_a_check_without_an_expression_is_refused() -> None:
    node = {"name": "x", "patch_path": "larder://models/x.yml", "columns": {}}
    with pytest.raises(LarderError, match="a check has no expression"):
        fingerprint._checks({**node, "constraints": [{"type": "check", "expression": None}]})
