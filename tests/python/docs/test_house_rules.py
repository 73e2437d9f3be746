"""Each planted mistake is found by its rule, with the tools as `make lint` runs them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT

BIN = Path(sys.executable).parent
PARTS = [
    ".ci",
    ".sqlfluff",
    "dbt-bouncer.yml",
    "dbt_project.yml",
    "profiles.yml",
    "requirements",
    "governance",
    "ingestion",
    "larder",
    "macros",
    "models",
    "seeds",
    "tests",
]

CORE = "models/marts/core"
MISTAKES = [
    ("check_model_code_does_not_contain_regexp_pattern", f"{CORE}/dim_stores.sql", "-- grain: ", "-- "),
    (
        "check_lineage_source_cannot_be_used",
        f"{CORE}/dim_campaigns.sql",
        "{{ ref('stg_campaigns__campaigns') }}",
        "{{ ref('stg_campaigns__campaigns') }} -- not {{ source('campaigns', 'campaigns') }}",
    ),
    (
        "check_model_grain_is_tested",
        f"{CORE}/fct_baskets.yml",
        "grain: [basket_id]",
        "grain: [household_id]",
    ),
    (
        "check_model_column_name_complies_to_column_type",
        f"{CORE}/fct_basket_lines.yml",
        "decimal(18, 2)",
        "double",
    ),
    (
        "check_model_access",
        f"{CORE}/fct_promotions.yml",
        "group: promotions",
        "group: promotions\n      access: protected",
    ),
    (
        "check_model_columns_have_relationship_tests",
        f"{CORE}/fct_campaign_targets.yml",
        "ref('dim_households')",
        "ref('fct_baskets')",
    ),
    (
        "check_model_rules_are_in_its_contract",
        "models/marts/sales/agg_sales_weekly_store.yml",
        "data_tests: [",
        "data_tests: [{expression_is_true: {arguments: {expression: units >= 0}}}, ",
    ),
    (
        "check_model_checks_are_never_null",
        "models/marts/promotions/agg_promotion_lift.yml",
        "coalesce(finding <> 'sells more' or lift_from >= 1, false)",
        "finding <> 'sells more' or lift_from >= 1",
    ),
]
"""The rule that must fail, the file, and what is written there instead of what; each file is of another model."""

QUERIES = [
    (
        "No model, source or seed has a direct identifier",
        f"{CORE}/dim_households.yml",
        "classification: quasi_identifier",
        "classification: direct_identifier",
    ),
    (
        "Every column of a model, source or seed has one of the classes",
        f"{CORE}/dim_dates.yml",
        "classification: public",
        "classification: unknown",
    ),
    (
        "A column is at least of the class of what its value comes from",
        f"{CORE}/dim_households_history.yml",
        "classification: sensitive",
        "classification: internal",
    ),
    (
        "meta.owner of a model names its group",
        f"{CORE}/dim_products.yml",
        "owner: merchandising",
        "owner: nobody",
    ),
    (
        "its tier is a known one",
        f"{CORE}/fct_coupon_redemptions.yml",
        "owner: promotions",
        "owner: promotions, tier: gold",
    ),
    ("one row of it is", f"{CORE}/bridge_coupon_products.yml", "One row per", "Rows by"),
    (
        "What counts or measures has a unit",
        "models/marts/customers/agg_household_value.yml",
        ", unit: ratio",
        "",
    ),
    ("shows one query of itself", "models/marts/sales/agg_sales_weekly_category.yml", "```sql", "```"),
    ("can open the report", "models/semantic/report_index.yml", "    url: ", "    # "),
    ("A metric has a unit", "models/semantic/_metrics.yml", "unit: USD by basket", "since: 2017"),
    (
        "long enough",
        "models/semantic/_saved_queries.yml",
        "How the retailer is doing, week by week.",
        "By week.",
    ),
]
"""The same for rules that are queries over the metadata base: what the rule says, and the model that it names."""

NAMES = {"_metrics": "basket_value", "_saved_queries": "sales_by_week"}
"""What is spoilt in files that have several things in them."""

REPEATED = (f"{CORE}/dim_campaigns.yml", "{{ doc('campaign_type') }}", "The type of the campaign.")
"""A text that says no more than the name of its column."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project's rules and models without anything else; nothing is built."""
    room = tmp_path_factory.mktemp("rules")
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, room / part, ignore=shutil.ignore_patterns("__pycache__", "python"))
        else:
            shutil.copy2(source, room / part)
    yield room


def hook(name: str) -> list[str]:
    """The command of a pre-commit hook, with the tools of this installation."""
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entry = next(one["entry"] for one in hooks if one["id"] == name)
    tool, *arguments = shlex.split(entry)
    return [str(BIN / Path(tool).name), *arguments]


def run(command: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in the copy, of which `python -m larder` takes the package as well."""
    own = {**os.environ, "PYTHONPATH": str(where), "LARDER_DATA": str(where / "data")}
    return subprocess.run(
        command, cwd=where, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=own
    )


@pytest.fixture(scope="module")
def spoilt(copy: Path) -> Path:
    """The project with every planted mistake, parsed, with its metadata base."""
    for _, file, right, wrong in [*MISTAKES, *QUERIES, ("", *REPEATED)]:
        text = (copy / file).read_text()
        assert right in text, f"{file} has no {right!r} that could be spoilt"
        (copy / file).write_text(text.replace(right, wrong, 1))
    (copy / CORE / "store_list.sql").write_text(
        "-- grain: one row per store\nselect * from {{ ref('dim_stores') }}\n"
    )
    parsed = run(hook("dbt-parse"), copy)
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
    described = run([sys.executable, "-m", "larder", *hook("larder-metadata")[1:]], copy)
    assert described.returncode == 0, described.stdout + described.stderr
    return copy


@pytest.mark.nightly
def test_what_is_described_may_only_rise(spoilt: Path) -> None:
    """A text that only repeats the name of its column is none, and the floor follows what is described."""
    floor, command = spoilt / ".ci/described.yml", hook("described")
    whole = floor.read_text()
    below = run(command, spoilt)
    assert (below.returncode, below.stdout.count("\n")) == (1, 3)
    assert "describe model.larder.dim_campaigns.campaign_type, model.larder.store_list." in below.stdout
    assert "describe model.larder.store_list\n" in below.stdout
    assert "describe saved_query.larder.sales_by_week\n" in below.stdout
    assert run([*command, "--raise"], spoilt).returncode == 1
    assert floor.read_text() == whole
    floor.write_text(re.sub(r"(?m)^(column|model|saved_query): 1.0", r"\1: 0.5", whole))
    above = run(command, spoilt)
    assert above.returncode == 1
    assert above.stdout.startswith("column, model, saved_query: more is described")
    assert run([*command, "--raise"], spoilt).returncode == 0
    assert 0.99 < yaml.safe_load(floor.read_text())["column"] < 1
    assert run(command, spoilt).returncode == 0


@pytest.mark.nightly
def test_bouncer_finds_every_planted_mistake(spoilt: Path) -> None:
    found = run(hook("dbt-bouncer"), spoilt)
    assert found.returncode == 1, found.stdout + found.stderr
    said = found.stdout.splitlines()
    unnamed = (
        ("check_model_names", f"{CORE}/store_list.sql"),
        ("check_model_has_properties_file", f"{CORE}/store_list.sql"),
    )
    for rule, file, *_ in (*MISTAKES, *unnamed):
        stem = file.rpartition(".")[0]
        assert any(line.startswith(f"{stem}.") and line.endswith(f"({rule})") for line in said), (rule, said)
    for rule, file, *_ in QUERIES:
        name = NAMES.get(Path(file).stem, Path(file).stem)
        assert any(rule in line and re.search(rf":\d+: {name}\b", line) for line in said), (rule, said)

    tolerated = spoilt / ".ci/tolerated.txt"
    tolerated.write_text("".join(re.sub(r":\d+: ", ": ", line, count=1) + "\n" for line in said))
    assert run(hook("dbt-bouncer"), spoilt).returncode == 0
    with tolerated.open("a") as file:
        file.write("models/x.sql: another failure (check_x)\n")
    grown = run(hook("dbt-bouncer"), spoilt)
    assert (grown.returncode, grown.stdout.count("\n")) == (1, 1) and "models/x.sql" in grown.stdout


@pytest.mark.nightly
def test_the_quick_templater_judges_as_dbts_own(copy: Path) -> None:
    """On all models and tests, and on three with mistakes in them."""
    for name, wrong in {"dim_stores": "limit 10", "fct_baskets": "order by 1", "dim_dates": ";;"}.items():
        with (copy / CORE / f"{name}.sql").open("a") as file:
            file.write(wrong)
    verdicts = []
    for templater in ("jinja", "dbt"):
        command = [*hook("sqlfluff"), "--templater", templater, "--format", "json", "models", "tests"]
        said = json.loads(run(command, copy).stdout.partition("[")[2].join(["[", ""]))
        verdicts.append({(one["filepath"], v["code"]) for one in said for v in one["violations"]})
    assert verdicts[0] == verdicts[1]
    assert {Path(file).stem for file, _ in verdicts[0]} == {"dim_stores", "fct_baskets", "dim_dates"}


def test_sqlfluff_finds_every_planted_mistake(copy: Path) -> None:
    (copy / "models/bad.sql").write_text(
        "WITH stores AS (SELECT * FROM {{ ref('dim_stores') }}),\n\n"
        'final as (\n  select s.store_id::int store, ifnull(s.till_system, "x") as till_system\n'
        "  from stores s\n  join {{ ref('dim_dates') }} d on d.week_number != s.store_id\n)\n\n"
        "select store, till_system from final order by 1\n"
    )
    found = run([*hook("sqlfluff"), "--format", "json", "models/bad.sql"], copy)
    assert found.returncode == 1, found.stdout + found.stderr
    rules = {violation["code"] for violation in json.loads(found.stdout)[0]["violations"]}
    assert {"AL01", "AL02", "AM05", "CP01", "CV01", "CV02", "CV11", "CV13", "LT02", "ST09"} <= rules


@pytest.mark.nightly
def test_dbt_parse_refuses_what_dbt_would_only_warn_of(copy: Path) -> None:
    path = copy / CORE / "dim_stores.yml"
    path.write_text(path.read_text().replace("name: dim_stores", "name: dim_shops", 1))
    assert run(hook("dbt-parse"), copy).returncode != 0


def test_privacy_tests_may_only_become_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(PROJECT / ".ci")
    import house_rules

    folder = tmp_path / "tests/privacy"
    folder.mkdir(parents=True)
    for name in ("one.sql", "two.sql", "_privacy.yml"):
        (folder / name).write_text("select 1\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    assert house_rules.fewer() == []
    (folder / "two.sql").rename(folder / "renamed.sql")
    assert house_rules.fewer() == []
    (folder / "renamed.sql").unlink()
    assert house_rules.fewer() == [
        "tests/privacy:1: 1 privacy tests fewer than on main: tests/privacy/two.sql"
    ]
