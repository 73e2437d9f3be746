"""Two real days, published and exported: from the command to the engines that read the files. And compared."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset
import pytest
from conftest import PROJECT, Instance, copy_of

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse import export
from larder.warehouse.store import Store

DAYS = ("2017-01-04", "2017-01-05")

KILLED = """
import os, re, signal, sys

step, path = sys.argv[1:]

def kill(event, arguments):
    if event == step and re.search(path, str(arguments[0])):
        os.kill(os.getpid(), signal.SIGKILL)

sys.argv = ["larder", "export"]
from larder.cli.main import main
sys.addaudithook(kill)
main()
"""
"""`larder export`, killed by the kernel just before Python does `step` to a path that matches `path`."""

STEPS_BEFORE = [
    ("os.mkdir", r"\.partial/agg_"),
    ("os.link", "/dim_stores/"),
    ("os.rename", r"\.partial/fct_basket_lines/"),
    ("os.rename", r"Z-[^/]*\.partial$"),
    ("os.symlink", ""),
    ("os.rename", "current.partial$"),
]
"""What an export does before readers see it; the second rename is that of the whole folder."""


@pytest.fixture(scope="module")
def built(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """One instance that was brought up on both days. Tests only read it."""
    made = Instance(tmp_path_factory.mktemp("two_days"))
    copy_of(published, made.data)
    made.larder("demo", "start", "--to", DAYS[1])
    made.larder("ingest")
    (made.data / "plan.json").write_text(made.larder("plan", "--json").stdout)
    bring_up(made)
    made.larder("demo", "stop")
    return made


@pytest.fixture
def copied(built: Instance, tmp_path: Path) -> Instance:
    """The same, for a test that changes it."""
    data = tmp_path / "data"
    for folder in ("warehouse", "history", "export"):
        shutil.copytree(built.data / folder, data / folder, symlinks=True)
    return Instance(data)


def bring_up(instance: Instance) -> None:
    """What `larder run` does, without the docs."""
    for verb in ("ingest", "build", "publish", "export"):
        instance.larder(verb)


def test_a_build_does_what_the_plan_said(built: Instance) -> None:
    plan = json.loads((built.data / "plan.json").read_text())
    steps = {step["node"]: step for step in plan["steps"]}
    todo = {name for name, step in steps.items() if step["action"] == "build"}
    assert not [name for name in todo if name.startswith(("seed.", "unit_test."))]
    assert "model.larder.fct_promotions" not in todo
    lines = steps["model.larder.fct_basket_lines"]["reason"]
    assert lines.startswith("new loads of ") and "pos" in lines
    results = json.loads((built.data / "history/dbt/candidate/run_results.json").read_text())["results"]
    assert {node["unique_id"] for node in results if not node["unique_id"].startswith("operation.")} == todo
    after = json.loads(built.larder("plan", "--json").stdout)["steps"]
    assert not [step for step in after if step["action"] == "build"]


def current(instance: Instance) -> Path:
    return (instance.data / "export/current").resolve()


def exports(instance: Instance) -> list[str]:
    return sorted(path.name for path in (instance.data / "export").iterdir())


def files(export: Path) -> dict[str, str]:
    """Every Parquet file of an export with its hash, after a look at whether the manifest says the same."""
    found = {
        path.relative_to(export).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in export.glob("*/*.parquet")
    }
    marts: dict[str, Any] = json.loads((export / "manifest.json").read_text())["marts"]
    assert found == {file["path"]: file["sha256"] for mart in marts.values() for file in mart["files"]}
    return found


def export_again(instance: Instance) -> None:
    export.run(Paths(instance.data))


def store(instance: Instance) -> Store:
    return Store(Paths(instance.data).warehouse)


def kill_at(instance: Instance, step: str, path: str) -> None:
    command = [sys.executable, "-c", KILLED, step, path]
    process = subprocess.run(command, cwd=PROJECT, env=instance.env, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, (step, path, process.stderr)


def forget_the_earlier_export(instance: Instance) -> Path:
    """Show readers the first day again, whose export is gone: the next one has to be written. Returns the shown one."""
    shown = current(instance)
    for path in (instance.data / "export").iterdir():
        if path.is_dir() and not path.is_symlink() and path != shown:
            shutil.rmtree(path)
    store(instance).rollback(None)
    return shown


@pytest.mark.nightly
def test_instances_that_were_built_apart_give_the_same_bytes(built: Instance, instance: Instance) -> None:
    """One is fresh, the other one grew by a day and took over from its last export what had not changed."""
    instance.larder("demo", "start", "--to", DAYS[1])
    bring_up(instance)
    assert files(current(built)) == files(current(instance))
    taken_over = {path.parent.name for path in current(built).glob("*/*.parquet") if path.stat().st_nlink > 1}
    assert "dim_dates" in taken_over and "fct_baskets" not in taken_over


def test_engines_read_the_rows_of_the_published_marts(built: Instance) -> None:
    marts = built.marts()
    assert "fct_promotions" in marts
    for name, expected in marts.items():
        folder = current(built) / name
        read = duckdb.sql(
            f"select count(*), bit_xor(hash(t)), sum(hash(t)::hugeint) from '{folder}/*.parquet' as t"
        )
        assert read.fetchall() == [expected], name
        assert pyarrow.dataset.dataset(folder).count_rows() == expected[0], name


def test_large_marts_are_cut_by_time_and_sorted_by_their_key(built: Instance) -> None:
    week = next(current(built).glob("fct_promotions/week_02-*.parquet"))
    assert duckdb.sql(f"select distinct week_number from '{week}'").fetchall() == [(2,)]
    keys = duckdb.sql(f"select product_id, store_id from '{week}'").fetchall()
    assert keys == sorted(keys) and len(keys) > 100_000
    month = list(current(built).glob("fct_basket_lines/*.parquet"))
    assert [path.name.partition("-")[0] for path in month] == ["month_2017"]


def test_a_second_export_writes_nothing(built: Instance) -> None:
    before = {path: path.stat().st_mtime_ns for path in current(built).rglob("*")}
    again = built.larder("export", "--json")
    assert "nothing has changed" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in current(built).rglob("*")} == before
    listed = json.loads(again.stdout)
    ((marts,),) = built.query("select count(*) from information_schema.tables where table_schema = 'marts'")
    assert (Path(listed["folder"]), len(listed["marts"])) == (current(built), marts)


def test_the_export_follows_a_rollback(copied: Instance) -> None:
    newer = files(current(copied))
    store(copied).rollback(None)
    export_again(copied)
    older = files(current(copied))
    generation = copied.warehouse.parent.resolve().name
    assert json.loads((current(copied) / "manifest.json").read_text())["generation"] == generation
    assert older != newer
    # Files are named after their content: a reader who listed one export and opens another one misses files, but
    # never reads the wrong rows.
    assert all(older[path] == newer[path] for path in older.keys() & newer.keys())


def test_an_export_killed_at_any_step_leaves_a_whole_one(copied: Instance) -> None:
    shown = forget_the_earlier_export(copied)
    before = files(shown)
    ancient = shown.with_name("20160101T000000000Z")
    ancient.mkdir()
    for step, path in STEPS_BEFORE:
        kill_at(copied, step, path)
        assert current(copied) == shown and files(shown) == before, step
    kill_at(copied, "shutil.rmtree", ancient.name)
    assert current(copied) != shown
    after = files(current(copied))
    assert after != before
    export_again(copied)
    assert files(current(copied)) == after
    assert exports(copied) == sorted(["current", shown.name, current(copied).name])


def test_a_damaged_file_is_written_anew(copied: Instance) -> None:
    shown = forget_the_earlier_export(copied)
    whole = files(shown)
    damaged = next(shown.glob("dim_dates/*.parquet"))
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    export_again(copied)
    assert current(copied) != shown
    path = damaged.relative_to(shown).as_posix()
    assert files(current(copied))[path] == whole[path]


def test_a_column_without_a_class_that_may_leave_is_refused(copied: Instance) -> None:
    shown = forget_the_earlier_export(copied)
    for classification in ("direct_identifier", None, "whatever"):
        classify(copied.warehouse.with_name("dbt"), copied.warehouse.with_name("dbt"), classification)
        with pytest.raises(LarderError, match=r"warehouse on dim_households\.age_band$"):
            export_again(copied)
        assert exports(copied) == sorted([shown.name, "current"])


def test_a_column_is_refused_that_was_classed_after_the_generation_was_built(copied: Instance) -> None:
    classify(copied.warehouse.with_name("dbt"), copied.data / "history/dbt/compile", "direct_identifier")
    generation = copied.warehouse.with_name("manifest.json")
    manifest = json.loads(generation.read_text())
    generation.write_text(json.dumps({**manifest, "project": "another one"}))
    with pytest.raises(LarderError, match=r"warehouse on dim_households\.age_band$"):
        export_again(copied)


def classify(source: Path, target: Path, classification: str | None) -> None:
    """Write dbt's manifest again with another class of one column."""
    manifest = json.loads((source / "manifest.json").read_text())
    column = manifest["nodes"]["model.larder.dim_households"]["columns"]["age_band"]
    column["config"]["meta"]["classification"] = classification
    target.mkdir(exist_ok=True)
    (target / "manifest.json").write_text(json.dumps(manifest))


def test_nothing_is_exported_where_no_class_is_known(copied: Instance) -> None:
    for manifest in copied.data.rglob("dbt/**/manifest.json"):
        manifest.unlink()
    with pytest.raises(
        LarderError, match=r"warehouse on agg_assortment_categories\.product_category, .* and \d+ more"
    ):
        export_again(copied)


def test_nothing_published_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(LarderError, match="nothing is published yet"):
        export_again(Instance(tmp_path))


def test_the_diff_of_the_two_days_agrees_with_plain_sql(built: Instance) -> None:
    found: dict[str, Any] = json.loads(built.larder("diff", "--json").stdout)
    tables = {table["table"]: table for table in found["tables"]}
    assert tables["marts.fct_basket_lines"]["added"] > 4_000
    assert tables["marts.agg_data_faults"]["changed"] > 0
    assert tables["seeds.age_bands"]["note"] == "same fingerprint, not scanned"
    addresses = [
        built.data / f"warehouse/generations/{found[side]}/larder.duckdb" for side in ("before", "after")
    ]
    with duckdb.connect() as connection:
        for alias, address in zip(("before", "after"), addresses, strict=True):
            connection.execute(f"attach '{address}' as {alias} (read_only)")
        for name, table in tables.items():
            new, gone = (
                connection.execute(
                    f"select count(*) from (from {one}.{name} except from {other}.{name})"
                ).fetchall()
                for one, other in (("after", "before"), ("before", "after"))
            )
            assert new == [(table["added"] + table["changed"],)], name
            assert gone == [(table["removed"] + table["changed"],)], name
    assert {change["table"] for change in found["schema"]} == set()
