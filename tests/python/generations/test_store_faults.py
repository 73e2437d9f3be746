"""What a store must survive that no test of its single steps shows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from larder.core.errors import Busy, LarderError
from larder.warehouse.connection import BUILD, DIFF, LOOK, QUERY, connect
from larder.warehouse.store import FORMAT, Manifest, Store


def publish(store: Store, value: int) -> Manifest:
    manifest = store.begin(fresh=False)
    with duckdb.connect(str(store.address(manifest))) as connection:
        connection.execute(f"create or replace table answer as select {value} as n")
    store.audited(manifest)
    store.publish(manifest)
    return manifest


def read(store: Store) -> int:
    with duckdb.connect(str(store.reader_address()), read_only=True) as connection:
        found = connection.execute("select n from answer").fetchone()
    assert found
    return int(found[0])


def change(store: Store, manifest: Manifest, **values: object) -> None:
    """Make a manifest what another version of Larder would have written."""
    path = store.address(manifest).with_name("manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_manifest_of_a_later_version_costs_no_generation(tmp_path: Path) -> None:
    """Going back to an older checkout and building there once removed everything that was published."""
    store = Store(tmp_path)
    publish(store, 1)
    change(store, publish(store, 2), invented="later", nodes={"model.larder.a": {"invented": "later"}})
    candidate = store.begin(fresh=False)
    assert read(store) == 2
    assert candidate.parent == store.all()[1].id
    store.discard(candidate)
    store.clean()
    assert len(store.all()) == 2


def test_a_manifest_that_cannot_be_read_costs_no_generation(tmp_path: Path) -> None:
    store = Store(tmp_path)
    published = publish(store, 1)
    store.address(published).with_name("manifest.json").write_text("")
    store.clean()
    assert read(store) == 1


def test_going_back_after_a_correction_does_not_show_the_mistake_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    publish(store, 2)  # the mistake
    store.rollback(None)
    publish(store, 3)  # built on 1
    store.rollback(None)
    assert read(store) == 1


def test_a_publish_that_died_right_after_its_one_step_counts_as_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    second = publish(store, 2)
    change(store, second, state="audited", published_at=None, published_by=None)
    assert store.candidate() is None
    assert [m.state for m in store.all()] == ["published", "published"]
    third = publish(store, 3)
    assert third.parent == second.id
    assert store.rollback(None).id == second.id


def test_what_is_no_generation_is_left_alone(tmp_path: Path) -> None:
    """A stray file stopped every build, and a stray folder was removed."""
    store = Store(tmp_path)
    publish(store, 1)
    root = tmp_path / "generations"
    (root / ".DS_Store").write_text("x")
    (root / "notes").mkdir()
    (root / "notes" / "why.md").write_text("x")
    (root / "20170101T000000000Z").write_text("a file of that name")
    publish(store, 2)
    store.clean()
    assert read(store) == 2
    assert len(store.all()) == 2
    assert {path.name for path in root.iterdir()} >= {".DS_Store", "notes", "20170101T000000000Z"}


@pytest.mark.parametrize("name", ["o'brien", 'a "quote"', "{braces} {{ jinja }}", "semi; colon % s"])
def test_a_data_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / name)
    first = publish(store, 1)
    second = store.begin(fresh=False)
    with store.open(second, BUILD) as connection:
        connection.execute("create table large as select range as n, hash(range) as h from range(3000000)")
        connection.execute("checkpoint")
        connection.execute("drop table large")
    store.audited(second)  # compacts: most of the file is empty room
    store.publish(second)
    with store.open_together({"before": first, "after": second}, DIFF) as connection:
        assert connection.execute("select count(*) from before.answer, after.answer").fetchone() == (1,)
    assert read(store) == 1


def test_a_manifest_of_an_earlier_form_counts_as_unknown(tmp_path: Path) -> None:
    """Its fingerprints name relations without their schema: nothing may be compared with them, or dropped by them."""
    store = Store(tmp_path)
    old = publish(store, 1)
    path = store.address(old).with_name("manifest.json")
    content = json.loads(path.read_text())
    del content["format"]
    path.write_text(json.dumps({**content, "project": "x", "marts": {"a": {"rows": 1, "hash": "x"}}}))
    found = store.require_published()
    assert (found.project, found.nodes, found.marts, found.format) == ("", {}, {}, FORMAT)


def test_a_connection_has_its_limits_and_reaches_no_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    published = publish(store, 1)
    with store.open(published, QUERY) as connection:
        with pytest.raises(duckdb.PermissionException):
            connection.execute("select * from read_text('/etc/hostname')")
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("create table x as select 1")
        limits = "select current_setting('memory_limit'), current_setting('temp_directory')"
        memory, spill = connection.execute(limits).fetchone() or ("", "")
        assert memory and spill.startswith(str(tmp_path / "spill-query-"))


def test_a_warehouse_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_text("no warehouse" * 1000)
    with pytest.raises(LarderError, match="cannot be opened"):
        connect(tmp_path / "x.duckdb", LOOK, tmp_path)
    store = Store(tmp_path)
    with pytest.raises(LarderError, match="nothing is published yet"):
        store.require_published()
    candidate = store.begin(fresh=True)
    code = f"import duckdb; held = duckdb.connect({str(store.address(candidate))!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout and writer.stdout.readline() == "held\n"
        with pytest.raises(Busy, match="another program has"):
            store.open(candidate, LOOK)
        writer.communicate("\n")


def test_a_generation_whose_file_is_gone_is_not_published_again_and_stops_no_publish(tmp_path: Path) -> None:
    store = Store(tmp_path)
    generations = [publish(store, value) for value in range(6)]
    lost = generations[3]
    store.address(lost).unlink()
    with pytest.raises(LarderError, match="no published generation"):
        store.rollback(lost.id)
    publish(store, 6)
    publish(store, 7)
    assert read(store) == 7


def test_a_copy_of_a_generation_under_another_name_does_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = publish(store, 1)
    shutil.copytree(store.address(first).parent, tmp_path / "generations/20200101T000000000Z")
    publish(store, 2)
    assert len(store.all()) == 2 and store.address(first).exists()


def test_a_published_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.address(publish(store, 1)).with_name("manifest.json").write_text("{")
    with pytest.raises(LarderError, match="cannot be read"):
        store.require_published()


def test_spill_folders_of_dead_processes_go_and_others_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    for name in ("spill-build-999999999", "spill-build-abc", f"spill-query-{os.getpid()}"):
        (tmp_path / name).mkdir()
    (tmp_path / "spill-look-999999998").write_text("a file")
    store.clean()
    assert {path.name for path in tmp_path.glob("spill-*")} == {
        "spill-build-abc",
        f"spill-query-{os.getpid()}",
        "spill-look-999999998",
    }
