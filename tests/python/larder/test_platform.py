"""The platform as a source: what runs tell is loaded, whatever is wrong with it, and makes nothing be built by itself."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Instance
from test_plan import made

from ingestion.connectors.jsonl_file import read_jsonl
from ingestion.contracts.contract import contract
from ingestion.quarantine.store import Quarantine
from larder.build import plan, publish
from larder.core import events
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.lake import ingest
from larder.ops import run
from larder.warehouse.locks import lock
from larder.warehouse.store import Store

EVENTS = contract("platform")["events"]
GOOD = {
    "run_id": "a",
    "sequence": 1,
    "at": "2026-11-01T10:00:00Z",
    "event": "run_started",
    "subject": "run",
}
FILE = "20261101T100000000000Z-1.jsonl"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "history/runs").mkdir(parents=True)
    return Paths(tmp_path)


def tell(paths: Paths, *lines: dict[str, Any] | str, file: str = FILE) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (paths.history / "runs" / file).write_text("\n".join(texts))


def loaded(paths: Paths, what: str, order: str = "all") -> list[tuple[Any, ...]]:
    files = str(paths.lake / "raw/platform/events/*.parquet")
    return duckdb.execute(f"select {what} from read_parquet(?) order by {order}", [files]).fetchall()


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ('{"run_id": "a", "sequence": 2, "at": "2026-', "no JSON"),
        ('["run_id"]', "a JSON list"),
        ('{"run_id": {"b": 1}, "sequence": 2}', "a value within a value"),
        ("\udcff", "no JSON"),
        ("", "no JSON"),
    ],
)
def test_a_line_that_is_no_event_is_the_only_one_that_is_refused(line: str, seen: str) -> None:
    content = "\n".join([json.dumps(GOOD), line, json.dumps(GOOD)]).encode(errors="surrogateescape")
    found = read_jsonl(content, EVENTS)
    assert found.table.num_rows == 2 and found.numbers is not None and found.numbers.tolist() == [1, 3]
    assert [(one.number, one.seen.partition(":")[0]) for one in found.malformed] == [(2, seen)]


def test_what_a_run_tells_is_loaded_once_and_again_when_it_went_on(paths: Paths) -> None:
    with events.run(paths.history, "run"), events.step("ingest"):
        events.emit("source_loaded", "pos", rows=3, seconds=0.5)
    tell(paths, GOOD)
    ingest.load_own(paths)
    ingest.load_own(paths)
    assert Counter(name for (name,) in loaded(paths, "event_name")) == {
        "run_started": 2,
        "step_started": 1,
        "source_loaded": 1,
        "step_finished": 1,
        "run_finished": 1,
    }
    assert loaded(paths, "subject, event_rows, seconds::varchar", "event_rows")[0] == ("pos", 3, "0.500")
    tell(paths, GOOD, {**GOOD, "sequence": 2, "event": "run_finished", "status": "success"})
    ingest.load_own(paths)
    assert loaded(paths, "count(*), count(distinct _dlt_load_id)") == [(8, 2)], "the file as a whole"


def test_a_run_that_was_cut_off_keeps_no_other_from_being_seen(paths: Paths) -> None:
    tell(paths, GOOD, '{"run_id": "a", "seq')
    tell(paths, file="20261102T100000000000Z-1.jsonl")  # it has only begun
    ingest.load_own(paths)
    quarantine = Quarantine(paths.lake, "platform")
    assert [entry["row_number"] for entry in quarantine.entries()] == [2]
    assert loaded(paths, "run_id") == [("a",)] and not quarantine.blocked()


@pytest.mark.parametrize("broken", ["lock", "lake", "contract"])
def test_a_broken_sink_never_changes_the_result_of_a_run(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], broken: str
) -> None:
    tell(paths, GOOD)
    if broken == "lake":
        paths.lake.write_text("no folder")
    if broken == "contract":
        monkeypatch.setattr("ingestion.contracts.contract.FOLDER", paths.data)
        contract.cache_clear()
    paths.warehouse.mkdir()
    with lock(paths.locks, "ingest-platform" if broken == "lock" else "other"):
        with run._recorded(paths):
            (paths.warehouse / "current").symlink_to("generations/new")  # it published something
        with pytest.raises(LarderError, match="3 nodes failed"), run._recorded(paths):
            raise LarderError("3 nodes failed", "")
    contract.cache_clear()
    assert capfd.readouterr().err.count("what this run did is not in the lake yet") == 2


def test_a_generation_is_published_though_nobody_can_say_what_it_consists_of(
    paths: Paths, published: Instance, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(published.data / "warehouse")
    (paths.history / "generations").write_text("no folder")
    publish._tell(paths, store, store.require_published())
    assert "consists of is not recorded" in capfd.readouterr().err


def test_its_own_loads_make_nothing_be_built_and_go_along_with_others() -> None:
    nodes = {
        name: replace(made(name, name), sources=[source])
        for name, source in (("model.larder.sales", "pos"), ("model.larder.runs", "platform"))
    }
    before = {"pos": {"load_id": "1"}, "platform": {"load_id": "1"}}
    mine = {**before, "platform": {"load_id": "2"}}
    assert plan.make(nodes, mine, nodes, before, own=["platform"]).is_empty
    both = plan.make(nodes, {**mine, "pos": {"load_id": "2"}}, nodes, before, own=["platform"])
    assert both.nodes("build") == [*nodes]


def test_a_run_leaves_what_it_did_and_published_in_the_lake(published: Instance) -> None:
    assert published.lake_rows("platform", "events") > 500
    assert published.lake_rows("platform", "relations") > 100
    todo = json.loads(published.larder("plan", "--json").stdout)["steps"]
    assert todo and {step["action"] for step in todo} == {"reuse"}
