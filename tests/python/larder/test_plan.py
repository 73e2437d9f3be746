"""A corpus of edits to a copy of the project: the plan names exactly what must be built, and the build does just that."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Instance, copy_of

from larder.build import plan, plan_report
from larder.build.plan import Step
from larder.core.errors import LarderError
from larder.project import fingerprint
from larder.project.fingerprint import Fingerprint
from larder.project.manifest import edited_files

PARTS = (
    "dbt_project.yml",
    "profiles.yml",
    "pyproject.toml",
    "requirements",
    ".dlt",
    "macros",
    "models",
    "seeds",
    "tests",
    "larder",
    "governance",
)
LINES = "models/intermediate/core/int_basket_lines_priced.sql"


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that may be edited, and an instance that was built from it unedited."""

    root: Path
    instance: Instance

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**self.instance.env, "PYTHONPATH": str(self.root)}
        return subprocess.run(
            [sys.executable, "-m", "larder", *arguments],
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
        )

    def plan(self) -> dict[str, Any]:
        done = self.run("plan", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))


def built(plan: dict[str, Any], *kinds: str) -> set[str]:
    steps = [
        s for s in plan["steps"] if s["action"] == "build" and (not kinds or s["node"].split(".")[0] in kinds)
    ]
    return {step["node"].split(".")[2] for step in steps}


def reasons(plan: dict[str, Any]) -> dict[str, str]:
    """Why each model, seed and data test is built, by its name."""
    steps = [s for s in plan["steps"] if s["action"] == "build" and not s["node"].startswith("unit_test.")]
    return {step["node"].split(".")[2]: step["reason"] for step in steps}


@pytest.fixture(scope="module")
def original(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root = tmp_path_factory.mktemp("checkout")
    for part in (*PARTS, "ingestion", "demo"):
        source = PROJECT / part
        shutil.copytree(
            source, root / part, ignore=shutil.ignore_patterns("__pycache__")
        ) if source.is_dir() else shutil.copy(source, root / part)
    made = Checkout(root, Instance(tmp_path_factory.mktemp("plan")))
    copy_of(published, made.instance.data)
    made.instance.larder("demo", "start", "--to", "2017-01-04")
    yield made
    made.instance.larder("demo", "stop")


@pytest.fixture
def checkout(original: Checkout) -> Iterator[Checkout]:
    """The copy; whatever a test edits or publishes is put back."""
    kept = {
        path: path.read_bytes()
        for path in original.root.rglob("*")
        if path.suffix in {".sql", ".yml", ".csv"}
    }
    published = json.loads(original.run("generations", "--json").stdout)
    current = next(generation["id"] for generation in published if generation["current"])
    yield original
    original.run("rollback", current)
    for path in list(original.root.rglob("*")):
        if path.suffix in {".sql", ".yml", ".csv"} and path not in kept and "target" not in path.parts:
            path.unlink()
    for path, content in kept.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


def descendants(checkout: Checkout, *models: str) -> set[str]:
    """Models that are fed by `models`, themselves included, as dbt itself tells."""
    artifacts = checkout.instance.data / "history/dbt/plan/manifest.json"
    children = json.loads(artifacts.read_text())["child_map"]
    found: set[str] = set()
    todo = [
        name for name in children if name.split(".")[0] in {"model", "seed"} and name.split(".")[2] in models
    ]
    while todo:
        name = todo.pop()
        if name.split(".")[0] in {"model", "seed"} and name not in found:
            found.add(name)
            todo += children[name]
    return {name.split(".")[2] for name in found if name.startswith("model.")}


@pytest.mark.nightly
def test_what_does_not_change_a_table_builds_nothing(checkout: Checkout) -> None:
    """Layout, comments, a macro that nobody uses, a description, a variable in a comment."""
    assert built(checkout.plan()) == set()
    checkout.edit(LINES, "from transactions", "  FROM   transactions -- {{ var('depth', 1) }}")
    checkout.edit("models/marts/core/fct_basket_lines.sql", "final as (", "/* the end */\nfinal   as (")
    checkout.edit(
        "models/marts/core/dim_stores.yml", "doc('till_system') }}", "doc('till_system') }} So be it."
    )
    (checkout.root / "macros/unused.sql").write_text("{% macro unused() %} select 1 {% endmacro %}")
    assert built(checkout.plan()) == set()


def test_each_change_builds_its_node_and_what_it_feeds_and_says_why(checkout: Checkout) -> None:
    """A macro in use, a seed row, SQL, the branch of an incremental model, a test's severity, a new model, a metric."""
    checkout.edit("macros/money/money_per_unit.sql", "a whole number')", "a count')")
    append(checkout, "seeds/age_bands.csv", "99+,99\n")
    checkout.edit("models/semantic/_metrics.yml", "Items sold.", "Items that were sold.")
    replace_all(checkout, "models/marts/core/fct_promotions.sql", "affected_weeks", "weeks_to_build")
    checkout.edit(
        "models/marts/core/fct_coupon_redemptions.sql",
        "select * from final",
        "select * from final where true",
    )
    test = checkout.root / "tests/reconciliation/baskets_match_basket_lines.sql"
    test.write_text("{{ config(severity = 'warn') }}\n" + test.read_text())
    (checkout.root / "models/intermediate/core/int_new.sql").write_text("-- grain: one row\nselect 1 as one")

    plan = checkout.plan()
    why = reasons(plan)
    assert why["int_basket_lines_priced"] == "its SQL changed"
    assert why["fct_basket_lines"] == "upstream of it changed: int_basket_lines_priced"
    assert why["age_bands"] == "its rows changed"
    assert why["fct_promotions"] == "its incremental logic changed"
    assert why["fct_coupon_redemptions"] == "its SQL changed"
    assert why["baskets_match_basket_lines"] == "its configuration changed"
    assert why["int_new"] == "new"
    assert why["sales_by_week"] == "its metrics changed"
    changed = ("int_basket_lines_priced", "age_bands", "fct_promotions", "fct_coupon_redemptions", "int_new")
    views = {"stg_platform__events", "stg_platform__relations"}
    own = descendants(checkout, *views) - views  # what the run before did goes along
    assert built(plan, "model") == descendants(checkout, *changed) | own
    assert built(plan, "seed") == {"age_bands"}
    assert {"model.larder.fct_promotions", "model.larder.fct_basket_lines"} <= set(plan["backfills"])


@pytest.mark.nightly
def test_a_macro_of_the_branch_that_dbt_does_not_take_counts(checkout: Checkout) -> None:
    checkout.edit(
        "macros/incremental/missing_partitions.sql",
        "built.partition_key is null",
        "coalesce(built.partition_key, '') = ''",
    )
    assert reasons(checkout.plan())["fct_basket_anatomy"] == "its incremental logic changed"


@pytest.mark.nightly
def test_macros_in_the_hooks_of_a_table_and_of_the_run_count(checkout: Checkout) -> None:
    """dbt names neither in the compiled SQL of the nodes that rest on them. So do macros in place of dbt's own."""
    checkout.plan()
    manifest = json.loads((checkout.instance.data / "warehouse/current/dbt/manifest.json").read_text())
    stores, lines, test = (
        "model.larder.dim_stores",
        "model.larder.stg_pos__transactions",
        "test.larder.baskets_match_basket_lines",
    )
    for name, calls in (("planted_hook", ["macro.larder.planted"]), ("planted", [])):
        manifest["macros"][f"macro.larder.{name}"] = {
            "name": name,
            "package_name": "larder",
            "macro_sql": name,
            "depends_on": {"macros": calls},
        }
    manifest["nodes"][stores]["config"]["post-hook"] = [{"sql": "{{ planted_hook() }}"}]
    before = fingerprint.nodes(manifest)

    def changed(node: str) -> list[str]:
        now = fingerprint.nodes(manifest)[node].parts
        return [part for part in now if now[part] != before[node].parts.get(part)]

    manifest["macros"]["macro.larder.planted"]["macro_sql"] = "two"
    assert changed(stores) == ["hooks"] and changed(lines) == changed(test) == []
    manifest["macros"]["macro.larder.create_raw_views"]["macro_sql"] += "{{ log('') }}"
    assert changed(stores) == ["hooks", "hooks of the run"]
    assert changed(lines) == changed(test) == ["hooks of the run"]
    manifest["macros"]["macro.larder.duckdb__create_view_as"] = {
        **manifest["macros"]["macro.larder.planted"],
        "name": "duckdb__create_view_as",
    }
    assert changed(lines) == ["hooks of the run", "macros in place of dbt's"]


def test_what_shows_in_no_compiled_sql_counts(checkout: Checkout) -> None:
    """A seed's name, delimiter and hooks, the rows of one too large for dbt's checksum, a header; variables of a hook."""
    manifest = json.loads((checkout.instance.data / "warehouse/current/dbt/manifest.json").read_text())
    seed, model = manifest["nodes"]["seed.larder.age_bands"], manifest["nodes"]["model.larder.dim_stores"]
    before = fingerprint.nodes(manifest)

    def changed(node: str) -> list[str]:
        now = fingerprint.nodes(manifest)[node].parts
        return [part for part in now if now[part] != before[node].parts.get(part)]

    seed["alias"] = "bands"
    seed["config"]["delimiter"] = ";"
    seed["config"]["post-hook"] = [{"sql": "select 1"}]
    seed["checksum"] = {"name": "path", "checksum": seed["original_file_path"]}
    assert changed("seed.larder.age_bands") == ["name", "rows", "configuration", "hooks"]
    model["config"]["sql_header"] = "set x = 1;"
    assert changed("model.larder.dim_stores") == ["configuration"]


@pytest.mark.nightly
def test_a_seed_that_is_renamed_stays_in_the_warehouse(checkout: Checkout) -> None:
    checkout.edit("seeds/closed_days.yml", "config: {", "config: {alias: days_off, ")
    assert built(checkout.plan(), "seed") == {"closed_days"}
    done = checkout.run("build")
    assert done.returncode == 0, done.stderr
    assert checkout.run("publish").returncode == 0
    found = checkout.instance.query(
        "select table_name from information_schema.tables where table_name in ('days_off', 'closed_days')"
    )
    assert found == [("days_off",)]


@pytest.mark.nightly
def test_a_relation_of_the_same_name_in_another_schema_costs_no_mart(checkout: Checkout) -> None:
    model = checkout.root / "models/intermediate/core/int_stores_listed.sql"
    model.write_text(
        "-- grain: one row per store\n{{ config(alias = 'dim_stores', materialized = 'table') }}\n"
        "select store_id from {{ ref('dim_stores') }}"
    )
    model.with_suffix(".yml").write_text(
        "models: [{name: int_stores_listed, columns: [{name: store_id, config: {meta: {classification: public}}}]}]"
    )
    assert built(checkout.plan(), "model") == {"int_stores_listed"}
    before = checkout.instance.marts()
    done = checkout.run("build")
    assert done.returncode == 0, done.stderr
    assert checkout.run("publish").returncode == 0
    assert checkout.instance.marts() == before
    assert checkout.instance.query("select count(*) from intermediate.dim_stores") == [(457,)]
    model.unlink()
    model.with_suffix(".yml").unlink()
    assert checkout.run("build").returncode == 0 and checkout.run("publish").returncode == 0
    assert checkout.instance.marts() == before
    assert checkout.instance.query(
        "select table_schema from information_schema.tables where table_name = 'dim_stores'"
    ) == [("marts",)]


@pytest.mark.nightly
def test_a_changed_check_builds_its_table_from_all_loads_and_a_lost_column_names_its_readers(
    checkout: Checkout,
) -> None:
    """An existing table would not get a check. One of a row, one of a column, each of a model that nothing else changes."""
    checkout.edit("models/marts/sales/agg_sales_daily_department.yml", "lines > 0", "lines > 1")
    checkout.edit("models/marts/sales/agg_sales_daily_department.yml", "units >= 0", "units  >=  0")
    checkout.edit("models/marts/core/dim_dates.yml", "(1, 2, 3, 4, 5, 6, 7)", "(1, 2, 3, 4, 5, 6)")
    path = checkout.root / "models/marts/core/dim_stores.yml"
    text = path.read_text()
    start = text.index("      - {name: till_system")
    path.write_text(text[:start] + text[text.index("      - {name:", start + 10) :])
    plan = checkout.plan()
    why = reasons(plan)
    assert why["agg_sales_daily_department"] == why["dim_dates"] == "its contract changed"
    assert "model.larder.agg_sales_daily_department" in plan["backfills"]
    (violation,) = plan["breaks"]
    assert (
        violation.startswith("marts.dim_stores.till_system")
        and "goes away" in violation
        and "question_costs_and_operations" in violation
    )


@pytest.mark.nightly
def test_a_full_build_gives_the_same(checkout: Checkout) -> None:
    checkout.instance.larder("demo", "advance", "--to", "2017-01-05")
    for verb in (["ingest"], ["build"], ["publish"]):
        assert checkout.run(*verb).returncode == 0
    before = checkout.instance.marts()
    assert checkout.run("build", "--all").returncode == 0 and checkout.run("publish").returncode == 0
    assert checkout.instance.marts() == before


@pytest.mark.nightly
def test_an_edited_incremental_model_alone_is_built_from_all_loads(checkout: Checkout) -> None:
    """Others that have new loads at the same time take in those loads only."""
    checkout.instance.larder("demo", "advance", "--to", "2017-01-06")
    assert checkout.run("ingest").returncode == 0
    checkout.edit("models/marts/sales/agg_sales_daily_department.yml", "lines > 0", "lines >= 1")
    assert checkout.plan()["backfills"] == ["model.larder.agg_sales_daily_department"]
    assert checkout.run("build").returncode == 0
    run = checkout.instance.data / "history/dbt/candidate/run/larder/models/marts"
    whole = (run / "sales/agg_sales_daily_department.sql").read_text()
    partly = (run / "core/fct_basket_lines.sql").read_text()
    assert "create  table" in whole.lower()
    assert "insert into" in partly.lower() or "delete from" in partly.lower()
    assert checkout.run("publish").returncode == 0
    before = checkout.instance.marts()
    assert checkout.run("build", "--all").returncode == 0 and checkout.run("publish").returncode == 0
    assert checkout.instance.marts() == before


def made(node: str, relation: str, **columns: str) -> Fingerprint:
    return Fingerprint(node, relation, {"SQL": "x"}, "x", [], [], columns, incremental=False, reads_data=True)


def test_when_the_latest_version_moves_the_plan_says_what_its_readers_lose() -> None:
    """The bare name passes from one version to the next: nothing is dropped, and the column that goes is named."""
    before = [made("model.larder.agg_x", "marts.agg_x", day="date", people="bigint")]
    first = made("model.larder.agg_x.v1", "marts.agg_x_v1", day="date", people="bigint")
    latest = made("model.larder.agg_x.v2", "marts.agg_x", day="date")
    report = replace(made("exposure.larder.report", ""), parents=[latest.node])
    now = [first, latest, report]
    moved = plan.make({n.node: n for n in now}, {}, {n.node: n for n in before}, {})
    assert moved.nodes("drop") == []
    assert moved.breaks == ["marts.agg_x.people (bigint) goes away; read by report"]
    assert plan.explain(moved, "agg_x.v1").action == "build"
    with pytest.raises(LarderError, match=r"near it: agg_x\.v2, agg_x\.v1|near it: agg_x\.v1, agg_x\.v2"):
        plan.explain(moved, "agg_x")
    gone = plan.make({n.node: n for n in (latest, report)}, {}, {n.node: n for n in now}, {})
    assert gone.nodes("drop") == ["model.larder.agg_x.v1"]
    assert len(gone.breaks) == 2
    assert moved.unversioned == []  # version 1 keeps it
    assert gone.unversioned == gone.breaks
    over = {**{n.node: n for n in now}, first.node: replace(first, until="2017-06-30")}
    assert plan.make({n.node: n for n in (latest, report)}, {}, over, {}).unversioned == []


@pytest.mark.parametrize(
    ("now", "breaks", "unversioned"),
    [
        ({"day": "date", "people": "integer"}, 1, 1),  # another type
        ({"day": "date"}, 1, 1),  # gone
        ({"day": "date", "people": "bigint"}, 1, 0),  # may be null now: said, and no other version
        ({"day": "date", "people": "bigint not_null unique", "more": "date"}, 0, 0),  # promises more
    ],
)
def test_a_public_column_that_breaks_without_a_version_is_refused(
    now: dict[str, str], breaks: int, unversioned: int
) -> None:
    before = made("model.larder.agg_x", "marts.agg_x", day="date", people="bigint not_null")
    found = plan.make({before.node: replace(before, columns=now)}, {}, {before.node: before}, {})
    assert (len(found.breaks), len(found.unversioned)) == (breaks, unversioned)
    protected = replace(before, relation="staging.agg_x")
    found = plan.make({before.node: replace(protected, columns=now)}, {}, {before.node: protected}, {})
    assert (len(found.breaks), len(found.unversioned)) == (breaks, 0)


def test_a_plan_for_people_is_short_and_says_first_what_it_amounts_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One edited seed row that hundreds of nodes follow."""
    follows = [
        Step(f"test.larder.t{number}.x", "build", "upstream of it changed: bands") for number in range(300)
    ]
    seed = Step("seed.larder.bands", "build", "its rows changed", ["seeds/bands.csv"])
    todo = plan.Plan([seed, *follows], ["marts.a.b (date) goes away; read by c"], seconds=65)
    plan_report.render(replace(todo, unversioned=todo.breaks), everything=False)
    shown = capsys.readouterr().out.splitlines()
    assert (
        shown[0] == "build 0 of 0 models, 1 of 1 seeds, 300 of 300 tests, about 65 s by the last run's times"
    )
    assert shown[1] == (
        "breaks a consumer: refused, without a new version: marts.a.b (date) goes away; read by c"
    )
    assert any(line.split() == ["bands", "its", "rows", "changed", "seeds/bands.csv"] for line in shown)
    assert any("upstream of it changed: bands" in line and "300 tests" in line for line in shown)
    assert len(shown) < 15
    plan_report.render(todo, everything=True)
    assert len(capsys.readouterr().out.splitlines()) > 300


def test_the_file_or_macro_that_was_edited_is_named() -> None:
    macro = {"macro_sql": "one", "original_file_path": "macros/m.sql", "depends_on": {"macros": []}}
    outer = {**macro, "depends_on": {"macros": ["m"]}, "original_file_path": "macros/o.sql"}
    model = {
        "raw_code": "select 1",
        "original_file_path": "models/a.sql",
        "patch_path": "larder://models/a.yml",
        "columns": {},
        "depends_on": {"macros": ["o"]},
    }
    before = {"nodes": {"a": model}, "macros": {"m": macro, "o": outer}}
    edits = {
        "macros/m.sql": {**before, "macros": {"m": {**macro, "macro_sql": "two"}, "o": outer}},
        "models/a.sql": {**before, "nodes": {"a": {**model, "raw_code": "select 2"}}},
        "models/a.yml": {**before, "nodes": {"a": {**model, "columns": {"x": {}}}}},
    }
    for file, now in edits.items():
        assert edited_files("a", before, now) == [file]
    assert edited_files("a", before, before) == []
    assert edited_files("a", {"macros": {}}, before) == ["models/a.sql"]


def append(checkout: Checkout, file: str, text: str) -> None:
    path = checkout.root / file
    path.write_text(path.read_text().rstrip("\n") + "\n" + text)


def replace_all(checkout: Checkout, file: str, old: str, new: str) -> None:
    path = checkout.root / file
    path.write_text(path.read_text().replace(old, new))


def test_the_engine_is_that_of_the_files_it_is_asked_of(tmp_path: Path) -> None:
    """The base of a review has its own profile, whatever the change makes of it."""
    for file in ("profiles.yml", "dbt_project.yml", "requirements/run.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(
            (PROJECT / file).read_text().replace("TimeZone: UTC", "TimeZone: Asia/Tokyo")
        )
    nothing: dict[str, Any] = {"nodes": {}, "macros": {}}
    engines = [fingerprint.counts_everywhere(nothing, root)["engine"] for root in (PROJECT, tmp_path)]
    assert engines[0] != engines[1] and "Asia/Tokyo" in str(engines[1])


def follower(node: str, *parents: str, live: bool = False, is_view: bool = False) -> Fingerprint:
    """A node that the stream reaches."""
    return replace(
        made(node, node), parents=[*parents], sources=["pos_stream"], live=live, reads_data=not is_view
    )


def test_a_live_build_takes_the_live_models_what_they_are_made_of_and_the_tests_of_these_alone() -> None:
    now = {
        node.node: node
        for node in (
            follower("model.larder.lines"),
            follower("model.larder.view", "model.larder.lines", is_view=True),
            follower("model.larder.daily", "model.larder.view", live=True),
            follower("model.larder.weekly", "model.larder.view"),
            follower("model.larder.over_weekly", "model.larder.weekly", is_view=True),
            follower("test.larder.of_daily", "model.larder.daily", "model.larder.lines"),
            follower("test.larder.of_both", "model.larder.daily", "model.larder.over_weekly"),
            replace(follower("test.larder.of_all", "model.larder.weekly"), always=True),
        )
    }
    old, new = {"pos_stream": {"position": 1}}, {"pos_stream": {"position": 2}}
    found = plan.live(plan.make(now, new, now, old), now)
    tested = ["test.larder.of_daily", "test.larder.of_all"]
    assert found.nodes("build") == ["model.larder.lines", "model.larder.daily", *tested]
    assert {step.node: step.reason for step in found.steps}["test.larder.of_both"] == plan.BEHIND
    assert not {"model.larder.lines", "model.larder.view", "test.larder.of_daily"} & {*found.behind}

    whole = plan.make(now, new, now, new, behind=found.behind)
    assert {*whole.nodes("build")} == {
        "model.larder.weekly",
        "test.larder.of_both",
        "test.larder.of_all",
    }, "the next full build does what was left, and nothing else"
    assert not any(map(plan.is_changed, whole.steps))
