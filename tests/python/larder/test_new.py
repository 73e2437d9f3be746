"""`larder new`: what it writes fits the house from the start, rows are masked, and where a name does not fit nothing is written."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT, Instance, copy_of

from ingestion.contracts.contract import parse
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.review.properties import dictionary as yaml_dictionary
from larder.review.properties import fill as yaml_fill
from larder.review.scaffold import rows as scaffold_rows
from larder.review.scaffold import skeletons as scaffold
from larder.review.scaffold import source as scaffold_source

PARTS = ("models", "seeds", "tests", "governance", "ingestion")
MONTHLY = "models/marts/sales/agg_sales_monthly_store"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that skeletons are written to; they are compared with the project as it was compiled."""
    copied = tmp_path / "project"
    for part in PARTS:
        shutil.copytree(PROJECT / part, copied / part, ignore=shutil.ignore_patterns("python", "__pycache__"))
    shutil.copy(PROJECT / "dbt_project.yml", copied)
    for module in (scaffold, scaffold_rows, scaffold_source):
        monkeypatch.setattr(module, "PROJECT", copied)
    return copied


@pytest.fixture
def paths(published: Instance) -> Paths:
    """What is published has the compiled project with it, so that nothing is compiled again."""
    return Paths(published.data)


def files(project: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}


def written(project: Path, file: str) -> Any:
    return yaml.safe_load((project / file).read_text())


def lint(project: Path, file: str) -> None:
    """The linter's verdict on a file as if it lay in the project, whose rules it finds by the place."""
    command = [Path(sys.executable).with_name("sqlfluff"), "lint", "-", "--stdin-filename", file]
    done = subprocess.run(
        command, cwd=PROJECT, input=(project / file).read_text(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_a_model_adds_up_what_adds_up_and_describes_its_columns(paths: Paths, project: Path) -> None:
    scaffold.model(paths, "agg_sales_monthly_store", ["fct_baskets"], ["store_id", "business_date"], "")
    sql = (project / f"{MONTHLY}.sql").read_text()
    assert sql.startswith("-- grain: one row per store and business date\nwith baskets as (\n")
    assert "cast(sum(sales_usd) as decimal(18, 2)) as sales_usd" in sql and "count(*) as baskets" in sql
    assert "sum(products)" not in sql and "would mean nothing: products." in sql
    (model,) = written(project, f"{MONTHLY}.yml")["models"]
    assert model["config"] == {"meta": {"grain": ["store_id", "business_date"]}}  # the folder gives the rest
    assert "TODO:" in model["description"] and "One row per store and business date" in model["description"]
    columns = {column["name"]: column for column in model["columns"]}
    assert columns["units"]["config"]["meta"] == {"classification": "internal", "unit": "items"}
    assert columns["business_date"]["data_tests"] == [
        {"relationships": {"arguments": {"to": "ref('dim_dates')", "field": "calendar_date"}}}
    ]
    lint(project, f"{MONTHLY}.sql")


def test_what_is_written_is_what_larder_yaml_would_write(paths: Paths, project: Path) -> None:
    scaffold.model(paths, "fct_lines", ["fct_basket_lines", "dim_products"], [], "core")
    (model,) = written(project, "models/marts/core/fct_lines.yml")["models"]
    assert model["config"]["group"] == model["config"]["meta"]["owner"] == "sales"
    columns = {column["name"]: column["data_type"] for column in model["columns"]}
    assert {"basket_id", "product_id", "department"} <= set(columns)
    report = yaml_fill.compare(
        project, yaml_dictionary.load(project), {"fct_lines": ("models/marts/core", columns)}, ["fct_lines"]
    )
    assert (report.files, report.problems) == ({}, [])
    lint(project, "models/marts/core/fct_lines.sql")


def test_a_staging_model_takes_the_columns_of_its_source(paths: Paths, project: Path) -> None:
    scaffold.model(paths, "stg_loyalty__people", ["loyalty.households"], [], "")
    staging = (project / "models/staging/loyalty/stg_loyalty__people.sql").read_text()
    assert "postal_code" in staging and "_dlt_load_id as load_id" in staging


@pytest.mark.parametrize(
    ("name", "parents", "grain", "domain", "said"),
    [
        ("agg_x", ["fct_basket"], [], "", r"no model, seed or source table fct_basket .*fct_baskets"),
        ("agg_x", ["fct_baskets"], ["store"], "", r"no column store .*store_id"),
        ("agg_x", ["fct_baskets"], [], "sale", r"no domain sale .*sales"),
        ("agg_x", ["dim_products"], [], "", r"no domain merchandising .*--domain"),
        ("agg_x", ["promotions.placements"], [], "", r"may not read placements, a source"),
        ("sales_x", ["fct_baskets"], [], "", r"sales_x says no layer .*agg_"),
        ("stg_pos__x", ["promotions.placements"], [], "", r"reads source promotions .*stg_promotions__"),
        ("fct_baskets", ["fct_basket_lines"], [], "", r"taken: models/marts/core/fct_baskets"),
        ("agg_X; drop", ["fct_baskets"], [], "", r"is no name"),
        ("agg_x", ["dim_stores", "fct_baskets"], [], "sales", r"cannot be joined: its grain is basket_id"),
    ],
)
def test_a_name_that_does_not_fit_is_said_and_nothing_is_written(
    name: str, parents: list[str], grain: list[str], domain: str, said: str, paths: Paths, project: Path
) -> None:
    before = files(project)
    with pytest.raises(LarderError) as refused:
        scaffold.model(paths, name, parents, grain, domain)
    assert re.search(said, f"{refused.value} {refused.value.next_step}")
    assert files(project) == before


def test_an_interrupted_command_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, left = files(project), iter([None])

    def interrupted(file: Path, content: str) -> None:
        if file.name == "second.sql" and next(left, "over") is None:
            raise KeyboardInterrupt
        file.write_text(content)

    monkeypatch.setattr(scaffold, "write_atomically", interrupted)
    entry, first, second = Path("dbt_project.yml"), Path("models/first.sql"), Path("models/second.sql")
    with pytest.raises(KeyboardInterrupt):
        scaffold.write({entry: "changed", first: "1", second: "2"}, "")
    assert files(project) == before


def test_a_data_test_compares_what_both_models_have(paths: Paths, project: Path) -> None:
    scaffold.test(paths, "stores_match", ["fct_baskets", "agg_sales_weekly_store"], "reconciliation")
    sql = (project / "tests/reconciliation/stores_match.sql").read_text()
    assert sql.startswith("{#\n  TODO: ") and "Fails? TODO: " in sql
    assert "sums=['lines', 'units', 'sales_usd'" in sql and "totals_agree(" in sql
    entries = written(project, "tests/reconciliation/_core.yml")["data_tests"]
    assert entries[-1]["name"] == "stores_match" and entries[-1]["config"]["meta"]["owner"] == "sales"
    scaffold.test(paths, "stores_have_ids", ["dim_stores"], "observe")
    lint(project, "tests/reconciliation/stores_match.sql")
    lint(project, "tests/observe/stores_have_ids.sql")
    with pytest.raises(LarderError, match="no purpose privat"):
        scaffold.test(paths, "another", ["dim_stores"], "privat")


def unit_test(project: Path, paths: Paths, model: str, file: str) -> dict[str, Any]:
    scaffold_rows.unit_test(paths, model)
    found: dict[str, Any] = written(project, file)["unit_tests"][-1]
    return found


def test_rows_of_a_unit_test_are_masked_alike_in_all_inputs(
    paths: Paths, project: Path, published: Instance
) -> None:
    file = "models/marts/operations/agg_assortment_products.yml"
    before = written(project, file)["unit_tests"]
    found = unit_test(project, paths, "agg_assortment_products", file)
    assert written(project, file)["unit_tests"][:-1] == before
    given = {one["input"]: one["rows"] for one in found["given"]}
    lines, baskets = given["ref('fct_basket_lines')"], given["ref('fct_baskets')"]
    assert 0 < len(lines) <= scaffold_rows.MOST
    assert {row["basket_id"] for row in lines} == {row["basket_id"] for row in baskets}
    assert {row["household_id"] for row in lines} <= {1, 2, 3, 4, 5}
    assert "sold_at" not in lines[0]  # the model does not read it
    assert found["expect"]["rows"] and "TODO:" in found["description"]
    products = {row["product_id"] for row in lines}  # of no person
    known = published.query("select product_id from marts.fct_basket_lines")
    assert products <= {product for (product,) in known}


def test_what_is_personal_is_the_most_frequent_value_or_nothing(
    paths: Paths, project: Path, published: Instance
) -> None:
    found = unit_test(project, paths, "dim_households", "models/marts/core/dim_households.yml")
    assert "email" not in str(found) and "@" not in str(found)
    rows = {one["input"]: one["rows"] for one in found["given"]}["ref('stg_loyalty__demographics')"]
    assert rows
    for column in ("age_band", "income_band", "home_ownership", "marital_status", "household_composition"):
        counted = (
            f"select {column} from staging.stg_loyalty__demographics group by 1 order by count(*) desc, 1"
        )
        assert {row[column] for row in rows} == {published.query(counted)[0][0]}


def test_without_a_generation_a_unit_test_has_no_rows(paths: Paths, project: Path, tmp_path: Path) -> None:
    empty = Paths(tmp_path / "data")
    empty.history.mkdir(parents=True)
    shutil.copyfile(paths.history / "compiled.json", empty.history / "compiled.json")
    file = "models/marts/sales/agg_sales_weekly_store.yml"
    found = unit_test(project, empty, "agg_sales_weekly_store", file)
    assert found["given"] == [{"input": "ref('fct_baskets')", "rows": []}]
    assert found["expect"] == {"rows": []}


def test_a_source_has_all_that_a_source_needs(paths: Paths, project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "orders.csv"
    sample.write_text("order_id,store_id,supplier,ordered_at,amount\n1,299,ACME,2017-01-02 10:00:00,12.50\n")
    scaffold_source.source(paths, "suppliers", "orders", sample, "merchandising")
    contract = parse("suppliers", (project / "ingestion/contracts/suppliers.yml").read_text())["orders"]
    assert [(c.name, c.type) for c in contract.columns][-2:] == [
        ("ordered_at", "timestamp_utc"),
        ("amount", "decimal(18,2)"),
    ]
    assert contract.personal == {"supplier", "ordered_at", "amount"}
    ast.parse((project / "ingestion/sources/suppliers.py").read_text())
    (table,) = written(project, "models/staging/suppliers/_suppliers__sources.yml")["sources"][0]["tables"]
    types = {column["name"]: column["data_type"] for column in table["columns"]}
    assert types["ordered_at"] == "timestamp with time zone" and types["_dlt_load_id"] == "varchar"
    dictionary = yaml_dictionary.load(project)
    assert dictionary.problems == [] and dictionary.columns["supplier"].facts["class"] == "sensitive"
    lint(project, "models/staging/suppliers/stg_suppliers__orders.sql")
    before = files(project)
    for name, file, said in [
        ("suppliers", sample, "taken"),
        ("promotions", sample, "taken"),
        ("others", tmp_path / "none.csv", "cannot be read"),
    ]:
        with pytest.raises(LarderError, match=said):
            scaffold_source.source(paths, name, "orders", file, "merchandising")
    with pytest.raises(LarderError, match="no group buyers"):
        scaffold_source.source(paths, "others", "orders", sample, "buyers")
    assert files(project) == before


@pytest.mark.nightly
def test_skeletons_build_and_pass_at_once(published: Instance, tmp_path: Path) -> None:
    copied = tmp_path / "project"
    hidden = shutil.ignore_patterns("data", "target", "logs", ".git", ".venv", "*.egg-info", "__pycache__")
    shutil.copytree(PROJECT, copied, ignore=hidden)
    copy_of(published, tmp_path / "data")

    def larder(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "larder", *arguments],
            cwd=copied,
            env={**Instance(tmp_path / "data").env, "PYTHONPATH": str(copied)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    larder(
        "new", "model", "agg_sales_daily_store", "--from", "fct_baskets", "--grain", "store_id,business_date"
    )
    larder("new", "test", "stores_match", "--from", "fct_baskets", "--from", "agg_sales_daily_store")
    for model in ("agg_sales_daily_store", "agg_assortment_products", "fct_baskets"):
        larder("new", "unit-test", model)
    assert "1 models built" in larder("dev")
