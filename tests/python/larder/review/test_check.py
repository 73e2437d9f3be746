"""What `larder check` chooses for a change, and what becomes of what the tools say."""

import json
import sys
import time
from pathlib import Path

import pytest

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.review import affected_tests, check, mentions, sarif
from larder.review.change.changes import Change, ContractBreak, NodeChange, Reached

NONE = Change("", "")
SALES = Change(
    "",
    "",
    nodes=(NodeChange("model.larder.agg_sales_daily", "changed", ("SQL",), "columns", ("net_sales_usd",)),),
    reached=(Reached("metric.larder.net_sales", "metric", "columns", ("net_sales",), "sales", ()),),
)

SAID = """\
ruff check...............................................................Passed
mypy --strict........................................(no files to check)Skipped
sqlfluff lint............................................................Failed
- hook id: sqlfluff
- exit code: 1

== [models/marts/x.sql] FAIL
L:  39 | P:  71 | CV03 | Trailing comma in select statement forbidden
                       | [convention.select_trailing_comma]

dbt-bouncer (house rules)................................................Failed
- hook id: dbt-bouncer
- exit code: 1

models/marts/x.yml:50: x.sales_usd: Every column has one of the classes.

a tool...................................................................Failed
- hook id: a
- exit code: 1

Executable `.venv/bin/a` not found
"""


def files(changed: list[str], change: Change = NONE) -> set[str]:
    return {Path(name).name for name in affected_tests.find(changed, change)}


def test_a_module_is_tested_by_whoever_imports_it_or_runs_its_command() -> None:
    found = files(["larder/queries/offers.py"])
    assert {"test_agents.py"} <= found
    assert "test_landing_names.py" not in found
    assert "test_odd_answers.py" in files(["ingestion/connectors/api.py"])
    assert "test_odd_answers.py" not in files(["larder/warehouse/diff.py"])


@pytest.mark.parametrize(
    ("changed", "test"),
    [
        ("larder/project/session.py", "test_workspace.py"),  # dbt.py runs it by its name
        ("larder/review/effect/tables.py", "test_review.py"),  # which runs the command as a list of arguments
        ("demo/retailer.py", "test_demo_processes.py"),  # whose helper runs `-m demo`
        ("larder/catalog/metadata.py", "test_catalog_browser.py"),  # whose helper imports it
        ("larder/review/columns.sql", "test_review.py"),  # which a module reads
        ("ingestion/contracts/pos.yml", "test_contracts.py"),
        ("governance/columns.yml", "test_metadata.py"),
    ],
)
def test_what_is_run_or_read_counts_as_imported(changed: str, test: str) -> None:
    assert test in files([changed])
    assert "test_landing_names.py" not in files([changed]) or changed.startswith("ingestion/")


def test_a_model_is_tested_by_whoever_names_it_or_what_it_reaches() -> None:
    found = files(["models/marts/sales/agg_sales_daily.sql"], SALES)
    assert {"test_metric.py", "test_house_rules.py"} <= found
    assert not found & {"test_odd_answers.py", "test_console.py", "test_layers.py"}


def test_what_every_test_stands_on_selects_them_all() -> None:
    every = {path.name for path in affected_tests.FOLDER.rglob("test_*.py")}
    assert files(["tests/python/conftest.py"]) == every
    assert files(["tests/python/larder/test_console.py"]) >= {"test_console.py"}
    assert files(["tests/python/site/bases.py"]) >= {"test_catalog_pages.py"}


def test_what_is_gone_or_judges_others_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    gone = ["larder/gone.py", "models/gone.sql", "README.md"]
    assert check.looked_at(Paths(tmp_path), gone) == ["README.md", "dbt_project.yml", "larder/__init__.py"]
    assert {"larder/__init__.py", "README.md"} <= {*check.looked_at(Paths(tmp_path), [".sqlfluff"])}


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(LarderError, match="cannot be written"):
        check.run(Paths(tmp_path), check.Depth.FAST, "", tmp_path)


def test_what_a_tool_has_started_ends_when_the_check_is_interrupted() -> None:
    tool = "import subprocess as s; one = s.Popen(['sleep', '100']); print(one.pid, flush=True); one.wait()"
    with pytest.raises(KeyboardInterrupt), check.process([sys.executable, "-c", tool]) as started:
        child = int((started.stdout or sys.stdin).readline())
        raise KeyboardInterrupt
    assert started.returncode
    moments = iter(range(1_000))  # it ends a moment after its parent
    while _runs(child) and next(moments, None) is not None:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(process: int) -> bool:
    """Whether a process has not ended: one whose parent never asked for its result stays as a zombie."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_each_hook_is_a_result() -> None:
    results = [*check.hooks(SAID.splitlines(keepends=True), lambda name: None)]
    assert [(one.name, one.state) for one in results] == [
        ("ruff check", "passed"),
        ("sqlfluff lint", "failed"),
        ("dbt-bouncer (house rules)", "failed"),
        ("a tool", "not verifiable"),
    ]
    assert results[2].output == "models/marts/x.yml:50: x.sales_usd: Every column has one of the classes."
    (broken,) = check.hooks(["An error has occurred: InvalidConfigError\n"], lambda name: None)
    assert broken.state == "failed" and "InvalidConfigError" in broken.output


def test_findings_stand_at_their_lines_in_sarif(tmp_path: Path) -> None:
    results = [*check.hooks(SAID.splitlines(keepends=True), lambda name: None)]
    checks = [(one.name, "error", one.output) for one in results if one.state == "failed"]
    sarif.write(tmp_path / "x.sarif", [*checks, ("review", "warning", "a mart loses a column")])
    (run,) = json.loads((tmp_path / "x.sarif").read_text())["runs"]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in places] == [
        ("models/marts/x.sql", 39),
        ("models/marts/x.yml", 50),
        ("dbt_project.yml", 1),
    ]
    assert [one["level"] for one in run["results"]] == ["error", "error", "warning"]


def test_pages_are_found_by_the_column_and_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/sales.md").write_text(
        "Of agg_sales_daily\n\nwe read `net_sales_usd`\nand net_sales_usd_total.\n"
    )
    (tmp_path / "docs/other.md").write_text("Another net_sales_usd, of another table.\n")
    monkeypatch.setattr(mentions, "PROJECT", tmp_path)
    assert mentions.find(SALES) == ["docs/sales.md:3: names net_sales_usd of agg_sales_daily: changes"]
    assert (
        mentions.find(
            Change("", "", nodes=(NodeChange("project", "changed", ("hooks of the run",), "rows"),))
        )
        == []
    )
    gone = ContractBreak(
        "model.larder.agg_sales_daily", "marts.agg_sales_daily", None, "the table is gone", False
    )
    assert mentions.find(Change("", "", breaks=(gone,))) == [
        "docs/sales.md:1: names agg_sales_daily: the table is gone"
    ]
