"""Dagster around Larder, in the environment that its lock makes: what it loads, a failing source, a run and a daemon that are killed."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PROJECT, Instance, copy_of

pytestmark = pytest.mark.nightly

LOADED = """
import json
from orchestration.definitions import GRAPH, defs
print(json.dumps({
    "assets": sorted("/".join(spec.key.path) for spec in GRAPH.specs),
    "checks": len(GRAPH.checks),
    "jobs": [job.name for job in defs.get_repository_def().get_all_jobs()],
    "unreachable": [str(spec.key) for spec in GRAPH.specs if not {one.asset_key for one in spec.deps} <= {s.key for s in GRAPH.specs}],
}))
"""

MATERIALIZED = """
import json, dagster as dg
from orchestration import runs
runs.RETRY = dg.RetryPolicy(max_retries=1, delay=1)
from orchestration.definitions import larder_run
with dg.DagsterInstance.ephemeral() as instance:
    done = dg.materialize([larder_run], instance=instance, raise_on_error=False)
    print(json.dumps({
        "success": done.success,
        "retries": sum(event.event_type_value == "STEP_UP_FOR_RETRY" for event in done.all_events),
        "materialized": ["/".join(one.asset_key.path) for one in done.get_asset_materialization_events()],
        "said": {
            "/".join(one.asset_key.path): one.asset_observation_data.asset_observation.description
            for one in done.get_asset_observation_events()
        } | {
            "/".join(one.asset_key.path): one.step_materialization_data.materialization.description
            for one in done.get_asset_materialization_events()
        },
        "checks": [["/".join(one.asset_key.path), one.check_name, one.passed] for one in done.get_asset_check_evaluations()],
    }))
"""

LAUNCH = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {... on LaunchRunSuccess {run {runId}}}}"""
RUNS = "{runsOrError {... on Runs {results {runId status}}}}"
JOB = {
    "repositoryLocationName": "orchestration.definitions",
    "repositoryName": "__repository__",
    "jobName": "larder_run_job",
}


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with what the lock names, and nothing else."""
    made = tmp_path_factory.mktemp("dagster") / "venv"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    lock = PROJECT / "orchestration/requirements.txt"
    uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", lock]
    subprocess.run([*command, "--python", made / "bin/python"], check=True, cwd=made)
    return made / "bin/python"


@pytest.fixture
def shop(published: Instance, instance: Instance) -> Instance:
    """What is published at the end of 4 January, and a retailer who is a day further."""
    copy_of(published, instance.data)
    shutil.copytree(published.data / "restricted", instance.data / "restricted")
    instance.larder("demo", "start", "--to", "2017-01-05")
    return instance


def environment(instance: Instance, **env: str) -> dict[str, str]:
    return {
        **instance.env,
        "LARDER_BIN": str(Path(sys.executable).parent),
        "PYTHONPATH": str(PROJECT),
        **env,
    }


def ask(python: Path, code: str, instance: Instance, **env: str) -> Any:
    """What a script in Dagster's environment says in its last line."""
    done = subprocess.run(
        [python, "-c", code], env=environment(instance, **env), cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_table_share_and_page_is_an_asset_and_every_test_a_check(
    python: Path, published: Instance
) -> None:
    found = ask(python, LOADED, published)
    manifest = json.loads((published.warehouse.parent / "dbt/manifest.json").read_text())
    nodes = manifest["nodes"].values()
    tables = {
        f"{node['schema']}/{node['alias']}" for node in nodes if node["resource_type"] in ("model", "seed")
    }
    raw = {f"{one['schema']}/{one['identifier']}" for one in manifest["sources"].values()}
    shares = {f"shares/{folder.name}" for folder in (published.data / "shares").glob("[!.]*")}
    pages = {f"pages/{page.stem}" for page in (PROJECT / "reports").glob("*.md")}
    assert set(found["assets"]) == tables | raw | shares | pages | {"published/generation"}
    delivered = [one for one in manifest["sources"].values() if one["source_name"] != "lake"]
    tests = [node for node in nodes if node["resource_type"] == "test"]
    assert found["checks"] == len(delivered) + len(tests) + len(manifest["unit_tests"])
    assert found["unreachable"] == []
    assert "larder_run_job" in found["jobs"]


def test_before_anything_is_published_each_source_is_an_asset(python: Path, instance: Instance) -> None:
    found = ask(python, LOADED, instance)
    assert {"raw/pos", "raw/campaigns", "published/generation"} <= set(found["assets"])


def test_a_source_that_is_away_is_shown_and_the_others_go_on(python: Path, shop: Instance) -> None:
    found = ask(python, MATERIALIZED, shop, SOURCES__CAMPAIGNS__BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert not found["success"]
    assert found["retries"] == 1
    away = {asset for asset, check, passed in found["checks"] if check == "delivered" and not passed}
    assert away and all(asset.startswith("raw/campaigns__") for asset in away)
    assert [one for one in found["checks"] if one[1] != "delivered" and not one[2]] == []
    assert {"raw/pos__transactions", "marts/fct_baskets", "published/generation", "pages/sales"} <= set(
        found["materialized"]
    )
    assert not away & set(found["materialized"])
    assert found["said"]["seeds/age_bands"].startswith("skipped: ")
    assert all(found["said"][asset].startswith("not made: ") for asset in away)


def test_what_is_killed_goes_on_and_doubles_nothing(python: Path, shop: Instance) -> None:
    with server(python, shop) as (port, killed):
        launched = graphql(port, LAUNCH, p={"selector": JOB})["launchRun"]["run"]["runId"]
        worker = wait(lambda: process(launched))
        command = wait(lambda: next((one for one in worker.children(True) if "run" in one.cmdline()), None))
        wait(lambda: (shop.data / "warehouse/building").exists())
        worker.kill()
        command.wait(60)  # it goes with its listener
        again = wait(lambda: next((one["runId"] for one in runs(port) if one["runId"] != launched), None))
        wait(lambda: process(again))
        killed()
    with server(python, shop) as (port, _):
        wait(lambda: all(one["status"] in ("SUCCESS", "FAILURE") for one in runs(port)))
        assert {one["runId"]: one["status"] for one in runs(port)} == {launched: "FAILURE", again: "SUCCESS"}
    off = """
        select count(*) from seeds.control_totals_daily as t full join
            (select business_date, count(*) as lines from marts.fct_basket_lines group by business_date) as m using (business_date)
        where business_date <= date '2017-01-05' and t.lines is distinct from m.lines
    """
    assert shop.query(off) == [(0,)]
    assert "nothing has changed" in shop.larder("run").stderr


def process(run: str) -> psutil.Process | None:
    """The process of a run of Dagster."""
    found = psutil.process_iter(["cmdline"])
    return next(
        (one for one in found if "execute_run" in (cmd := one.info["cmdline"] or []) and run in cmd[-1]), None
    )


def runs(port: int) -> list[dict[str, str]]:
    return graphql(port, RUNS)["runsOrError"]["results"]


def graphql(port: int, query: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}
    )
    return json.load(urllib.request.urlopen(request))["data"]


def wait(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, psutil.NoSuchProcess):
            if found := look():
                return found
        time.sleep(0.5)
    raise TimeoutError(look)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(python: Path, shop: Instance) -> Iterator[tuple[int, Callable[[], None]]]:
    """What `make dagster` starts, as its port, and a way to kill all of it but the runs."""
    port = free_port()
    log = (shop.data / "dagster.log").open("ab")
    command = [str(python), "-m", "orchestration"]
    main = psutil.Popen(command, env=environment(shop, PORT=str(port)), cwd=PROJECT, stdout=log, stderr=log)
    try:
        wait(lambda: graphql(port, "{version}"))
        yield port, lambda: kill(main)
    finally:
        if main.is_running():
            main.send_signal(signal.SIGINT)
            main.wait(90)
        log.close()


def kill(main: psutil.Popen) -> None:
    for one in [main, *main.children(recursive=True)]:
        if "execute_run" not in one.cmdline() and "larder" not in one.cmdline():
            one.kill()
