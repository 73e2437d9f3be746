"""Ways to have dbt test less than all: none of them gets a generation.

A small project takes the place of the retailer's, with a row that breaks one test. Each way is either overruled, so that the
test runs and fails, or refused by the audit. Real dbt runs, in the folder of the small project.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT
from dbt.cli.main import dbtRunner

from larder.build import audit, candidate, plan
from larder.build.compiled import compiled
from larder.build.plan import Plan
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, fingerprint
from larder.project.dbt import Node, Outcome
from larder.warehouse.store import Store

FILES = {
    "dbt_project.yml": "{name: larder, profile: larder, flags: {send_anonymous_usage_stats: false}}",
    "profiles.yml": (
        "larder: {target: candidate, outputs: {candidate: {type: duckdb,"
        " path: \"{{ env_var('LARDER_CANDIDATE', ':memory:') }}\"}}}"
    ),
    "requirements/run.txt": "duckdb==0\n",
    "seeds/numbers.csv": "n\n1\n2\n",
    "seeds/numbers.yml": "seeds: [{name: numbers, columns: [{name: n, config: {meta: {classification: internal}}}]}]",
    "models/doubles.sql": "select n, 2 * n as d from {{ ref('numbers') }}",
    "models/doubles.yml": """
models:
  - name: doubles
    columns:
      - {name: n, config: {meta: {classification: internal}}}
      - {name: d, config: {meta: {classification: internal}},
         data_tests: [not_null, {accepted_values: {arguments: {values: [2, 4], quote: false}}}]}
unit_tests:
  - name: doubles_doubles
    model: doubles
    given: [{input: ref('numbers'), rows: [{n: 3}]}]
    expect: {rows: [{n: 3, d: 6}]}
""",
    "tests/few.sql": "select * from {{ ref('doubles') }} where d > 3",
}
"""The singular test `few` finds a row: whatever gets a generation has not asked it."""

TEST = "tests/few.sql"
PASSING = "select 1 where false"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    for name, text in FILES.items():
        write(root, name, text)
    return root


@pytest.fixture
def project(parsed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    shutil.copytree(parsed, root)
    (tmp_path / "data").mkdir()
    for module in (audit, fingerprint):
        monkeypatch.setattr(module, "PROJECT", root)
    return root


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def build(root: Path) -> None:
    """Build all of the small project, as `larder build` does once it knows the loads."""
    paths = Paths(root.parent / "data", root)
    store = Store(paths.warehouse)
    manifest = store.begin(fresh=True)
    manifest.project = fingerprint.project(root)
    candidate._build(paths, store, manifest, Plan(steps=[]))


def is_built(root: Path) -> bool:
    return Store(root.parent / "data" / "warehouse").candidate() is not None


def put(**values: object) -> Callable[[Path], None]:
    """Settings of dbt_project.yml."""

    def change(root: Path) -> None:
        path = root / "dbt_project.yml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}))

    return change


def file(name: str, text: str) -> Callable[[Path], None]:
    return lambda root: write(root, name, text)


def config(text: str) -> Callable[[Path], None]:
    """Settings of the test, at the test."""
    return file(TEST, f"{{{{ config({text}) }}}}\n{FILES[TEST]}")


def declared(old: str, new: str) -> Callable[[Path], None]:
    """Another word in what is declared of the model."""
    return file("models/doubles.yml", FILES["models/doubles.yml"].replace(old, new))


VARIABLES = {
    "DBT_EXCLUDE_RESOURCE_TYPES": "test",
    "DBT_ENGINE_EXCLUDE_RESOURCE_TYPES": "test unit_test",
    "DBT_RESOURCE_TYPES": "model",
    "DBT_EMPTY": "1",
    "DBT_SAMPLE": "1 day",
    "DBT_EVENT_TIME_START": "2017-01-01",
    "DBT_EVENT_TIME_END": "2017-01-02",
    "DBT_DEFER": "1",
    "DBT_FAVOR_STATE": "1",
    "DBT_STATE": "/nowhere",
    "DBT_FAIL_FAST": "1",
    "DBT_STORE_FAILURES": "1",
    "DBT_WARN_ERROR_OPTIONS": '{"silence": ["NoNodesForSelectionCriteria"]}',
    "DBT_WRITE_JSON": "0",
    "DBT_INDIRECT_SELECTION": "empty",
    "DBT_TARGET": "other",
    "DBT_TARGET_PATH": "/nowhere",
    "DBT_PROJECT_DIR": "/nowhere",
    "DBT_PROFILES_DIR": "/nowhere",
    "DBT_PROFILE": "other",
    "DBT_PARTIAL_PARSE_FILE_PATH": "/nowhere",
    "DBT_SELECT": "doubles",
    "LARDER_BASE": "/nowhere",
    "PYTHONSTARTUP": "/nowhere",
}


def test_no_variable_of_the_environment_reaches_dbt(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once: dbt runs as without, so the test runs, and fails."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LarderError, match=r"1 of 6 nodes failed"):
        build(project)
    kept = dbt._environment(Paths(project.parent / "data", project), {})
    assert not kept.keys() & VARIABLES.keys()
    assert {n for n in kept if not n.startswith(("LARDER_", "DO_NOT_TRACK"))} <= {"HOME", *dbt.ENVIRONMENT}


OVERRULED = {
    "fail_fast in the project's flags": put(flags={"fail_fast": True}),
    "no results in the project's flags": put(flags={"write_json": False}),
    "other indirect selection in the project's flags": put(flags={"indirect_selection": "empty"}),
    "another target path in the project": put(**{"target-path": "elsewhere"}),
}

REFUSED = {
    "a warning for a whole folder": (put(data_tests={"larder": {"+severity": "warn"}}), r"sets \+severity"),
    "a threshold for a whole folder": (put(data_tests={"+error_if": ">9"}), r"sets \+error_if"),
    "a filter for a whole folder": (put(data_tests={"larder": {"+where": "d < 3"}}), r"sets \+where"),
    "all tests of a folder disabled": (put(data_tests={"larder": {"+enabled": False}}), "is disabled"),
    "all unit tests disabled": (put(unit_tests={"larder": {"+enabled": False}}), "is disabled"),
    "a test disabled": (config("enabled=false"), "is disabled"),
    "a limit of none": (config("limit=0"), "hides failures"),
    "a limit below the threshold": (config("limit=1, error_if='>1'"), "hides failures"),
    "a filter that lets nothing pass": (config("where='1 = 0'"), "all rows or none"),
    "a filter that is false": (config("where='false'"), "all rows or none"),
    "a filter by a query that is false": (config("where='(select false)'"), "all rows or none"),
    "a filter by a query of nothing": (config("where='exists (select 1 where false)'"), "all rows or none"),
    "a count of nothing": (config("fail_calc='0'"), "may count no failure"),
    "a count less itself": (config("fail_calc='count(*) - count(*)'"), "may count no failure"),
    "a threshold that is never met": (config("error_if='<0'"), "no count of failures meets"),
    "a threshold with a false condition": (config("error_if='> 0 and 1 = 0'"), "no count of failures meets"),
    "a threshold that asks for null": (config("error_if='+ 0 is null'"), "no count of failures meets"),
    "failures stored among the marts": (config("store_failures=true, severity='warn'"), "publishes the rows"),
    "tests in a folder that is not read": (put(**{"test-paths": ["checks"]}), "does not read the test"),
    "tests as analyses": (
        put(**{"test-paths": ["checks"], "analysis-paths": ["tests"]}),
        "does not read the test",
    ),
    "tests as models": (
        put(**{"test-paths": ["checks"], "model-paths": ["models", "tests"]}),
        "does not read the test",
    ),
    "a change after the tests": (
        put(**{"on-run-end": ["delete from {{ ref('doubles') }}"]}),
        "runs after the tests",
    ),
    "tests below a misspelt key": (declared("data_tests:", "data_test:"), "has the key data_test"),
    "columns below a misspelt key": (declared("columns:", "column:"), "has the key column"),
    "unit tests below a misspelt key": (declared("unit_tests:", "unit_test:"), "has the key unit_test"),
    "an ignore file": (file(".dbtignore", "few.sql\n"), r"\.dbtignore hides"),
    "dbt's materialization of tests replaced": (
        file(
            "macros/m.sql",
            "{% materialization test, default %}{{ return({'relations': []}) }}{% endmaterialization %}",
        ),
        "takes the place of dbt's own",
    ),
    "the SQL of tests replaced by dispatch": (
        file(
            "macros/m.sql",
            "{% macro duckdb__get_test_sql(a, b, c, d, e) %}select 0 as failures, false as should_warn,"
            " false as should_error{% endmacro %}",
        ),
        "takes the place of dbt's own",
    ),
    "a built-in test replaced": (
        file(
            "tests/generic/t.sql",
            "{% test accepted_values(model, column_name, values, quote) %}select 1 where false{% endtest %}",
        ),
        "takes the place of dbt's own",
    ),
    "a reference replaced": (
        file("macros/m.sql", "{% macro ref(name) %}{{ return(builtins.ref(name)) }}{% endmacro %}"),
        "takes the place of dbt's own",
    ),
}

REFUSED_AS_BUILT = {
    "a default selector without a test": (
        file(
            "selectors.yml",
            "selectors: [{name: s, default: true, definition: {union: [{method: fqn, value: '*'},"
            " {exclude: [{method: fqn, value: few}]}]}}]",
        ),
        r"selectors\.yml",  # dbt may not read it
    ),
    "a default selector without a kind": (
        file(
            "selectors.yml",
            "selectors: [{name: s, default: true, definition: {union: [{method: fqn, value: '*'},"
            " {exclude: [{method: resource_type, value: unit_test}]}]}}]",
        ),
        r"selectors\.yml",  # dbt may not read it
    ),
    "a threshold that is never met": (config("error_if='<0'"), "no count of failures meets"),
    "a built-in test replaced": (
        file(
            "tests/generic/t.sql",
            "{% test accepted_values(model, column_name, values, quote) %}select 1 where false{% endtest %}",
        ),
        "takes the place of dbt's own",
    ),
    "tests of a misspelt model": (
        file(
            "models/doubles.yml",
            FILES["models/doubles.yml"].replace("- name: doubles\n", "- name: double\n", 1),
        ),
        "double",
    ),
    "tests under a key that comes twice": (
        declared("quote: false}}}]", "quote: false}}}], data_tests: []"),
        "comes twice",
    ),
    "unit tests under a key that comes twice": (
        file("models/doubles.yml", FILES["models/doubles.yml"] + "unit_tests: []\n"),
        "comes twice",
    ),
    "both configurations of flags": (
        file("profiles.yml", FILES["profiles.yml"] + "\nconfig: {fail_fast: true}"),
        "stopped",
    ),
}
"""What shows only in what ran, and two of those above, to see that a build asks."""


def one_by_day(ways: dict[str, Any], day: str) -> list[Any]:
    """All ways by night, where dbt builds for each; one of them in every run."""
    return [way if way == day else pytest.param(way, marks=pytest.mark.nightly) for way in ways]


@pytest.mark.parametrize("way", one_by_day(OVERRULED, "other indirect selection in the project's flags"))
def test_a_setting_that_dbt_would_follow_is_overruled(way: str, project: Path) -> None:
    OVERRULED[way](project)
    with pytest.raises(LarderError, match=r"1 of 6 nodes failed"):
        build(project)
    assert not is_built(project)


def manifest_of(root: Path) -> dict[str, Any]:
    """dbt's manifest of the small project, parsed in this process: that is enough for what shows in it."""
    folders = [f"--{name}-dir={root}" for name in ("project", "profiles")]
    dbtRunner().invoke(["--quiet", "parse", *folders, f"--target-path={root / 'target'}"])
    found: dict[str, Any] = json.loads((root / "target/manifest.json").read_text())
    return found


def test_the_small_project_is_not_refused(project: Path) -> None:
    audit.require_strict(manifest_of(project))


EACH_RULE = list({message: way for way, (_, message) in REFUSED.items()}.values())
"""One way for each reason to refuse."""


@pytest.mark.parametrize(
    "way", [way if way in EACH_RULE else pytest.param(way, marks=pytest.mark.nightly) for way in REFUSED]
)
def test_a_way_to_test_less_that_shows_in_the_project_is_refused(way: str, project: Path) -> None:
    change, message = REFUSED[way]
    change(project)
    with pytest.raises(LarderError, match=message):
        audit.require_strict(manifest_of(project))


@pytest.mark.parametrize("way", one_by_day(REFUSED_AS_BUILT, "a default selector without a kind"))
def test_a_way_to_run_less_is_refused(way: str, project: Path) -> None:
    change, message = REFUSED_AS_BUILT[way]
    write(project, TEST, PASSING)  # nothing fails: only the audit can refuse it
    change(project)
    with pytest.raises(LarderError, match=message):
        build(project)
    assert not is_built(project)


@pytest.mark.nightly
def test_a_warning_at_its_test_is_a_policy_and_stays_one(project: Path) -> None:
    config("severity='warn'")(project)
    build(project)
    found = Store(project.parent / "data" / "warehouse").candidate()
    assert found and found.results["warnings"] == 1 and found.results["tests_run"] == 4


@pytest.mark.nightly
def test_a_changed_unit_test_runs_although_its_model_stays(project: Path) -> None:
    """`dbt build` leaves it out: it runs the unit tests of the models that it builds."""
    write(project, TEST, PASSING)
    build(project)
    paths = Paths(project.parent / "data", project)
    store = Store(paths.warehouse)
    first = store.candidate()
    assert first
    store.publish(first)
    text = FILES["models/doubles.yml"].replace("d: 6", "d: 7")
    write(project, "models/doubles.yml", text)
    now = fingerprint.nodes(compiled(paths).manifest)
    todo = plan.make(now, {}, first.nodes, {})
    assert todo.nodes("build") == ["unit_test.larder.doubles.doubles_doubles"]
    manifest = store.begin(fresh=False)
    manifest.project, manifest.nodes = fingerprint.project(project), now
    with pytest.raises(LarderError, match=r"1 of 1 nodes failed"):
        candidate._build(paths, store, manifest, todo)
    assert not is_built(project)


WRITER = """
import json, sys
from pathlib import Path
sys.stdin.readline()  # the statements that open the lake
given = json.loads(sys.stdin.readline())
artifacts = Path(given[given.index('--target-path') + 1])
print(json.dumps({'info': {'invocation_id': 'this'}, 'data': {}}), flush=True)
(artifacts / 'run_results.json').write_text(%r)
%s
"""


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ('{"metadata": {"invocation_id": "this"}, "results": [{"uni', 0, "did not finish"),
        ('{"metadata": {"invocation_id": "that"}, "results": []}', 0, "another run"),
        ("[]", 0, "did not finish"),
        ('{"metadata": {"invocation_id": "this"}, "results": []}', -9, "stopped"),
        ('{"metadata": {"invocation_id": "this"}, "results": []}', 2, "stopped"),
    ],
)
def test_results_that_are_not_whole_or_not_of_this_run_are_refused(
    content: str, code: int, message: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = project / "session.py"
    end = f"sys.exit({code})" if code >= 0 else "import os; os.kill(os.getpid(), 9)"
    fake.write_text(WRITER % (content, end))
    monkeypatch.setattr(dbt, "SESSION", fake)
    with pytest.raises(LarderError, match=message):
        dbt.run(Paths(project.parent / "data", project), "candidate", ["build"], lambda _: None)


def outcome(*nodes: tuple[str, str], code: int = 0) -> Outcome:
    return Outcome([Node(name, status, 0, "", 0.0) for name, status in nodes], Path(), code)


MODEL, DATA, UNIT = "model.larder.a", "test.larder.b", "unit_test.larder.a.c"


def test_exactly_what_was_planned_has_run_and_passed() -> None:
    ran = [(MODEL, "success"), (DATA, "warn"), (UNIT, "pass"), ("operation.larder.x", "success")]
    audit.require_complete(outcome(*ran), [MODEL, DATA, UNIT])
    for planned, found, code, message in [
        ([MODEL, DATA, UNIT], ran[:2], 0, "1 of 3 planned nodes did not run"),
        ([MODEL, DATA], ran, 0, "1 nodes ran that were not planned"),
        ([MODEL, DATA, UNIT], ran, 1, "exit code 1"),
        ([MODEL], [(MODEL, "skipped")], 0, "1 of 1 planned nodes did not run"),
        ([MODEL], [(MODEL, "no-op")], 0, "1 of 1 planned nodes did not run"),
        ([MODEL], [(MODEL, "partial success")], 0, "1 of 1 planned nodes did not run"),
        ([UNIT], [(UNIT, "warn")], 0, "1 of 1 planned nodes did not run"),
    ]:
        with pytest.raises(LarderError, match=message):
            audit.require_complete(outcome(*found, code=code), planned)


def test_a_test_of_the_whole_catalogue_is_in_every_build_and_makes_none(project: Path) -> None:
    def node(name: str, logic: str, always: bool = False) -> fingerprint.Fingerprint:
        return fingerprint.Fingerprint(name, "", {"SQL": logic}, logic, [], [], {}, False, False, always)

    before = {MODEL: node(MODEL, "1"), DATA: node(DATA, "1", always=True)}
    assert plan.make(before, {}, before, {}).is_empty
    edited = {**before, MODEL: node(MODEL, "2")}
    assert plan.make(edited, {}, before, {}).nodes("build") == [MODEL, DATA]


def test_the_tests_of_privacy_judge_every_build() -> None:
    declared = yaml.safe_load((PROJECT / "tests/privacy/_privacy.yml").read_text())["data_tests"]
    files = {path.stem for path in (PROJECT / "tests/privacy").glob("*.sql")}
    assert {test["name"] for test in declared if fingerprint.EVERY_BUILD in test["config"]["tags"]} == files
