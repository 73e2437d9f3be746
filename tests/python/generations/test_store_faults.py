"""What a store must survive that no test of its single steps shows."""

import json
from pathlib import Path

import duckdb

from larder.warehouse.store import Manifest, Store


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
