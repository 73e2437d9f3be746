from pathlib import Path

import duckdb
import pytest

from larder.core.errors import LarderError
from larder.warehouse.store import KEEP, Manifest, Store


def publish(store: Store, value: int, fresh: bool = False, behind: list[str] | None = None) -> Manifest:
    manifest = store.begin(fresh)
    manifest.behind = behind or []
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


def test_readers_see_what_was_published_last(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.published() is None
    publish(store, 1)
    publish(store, 2)
    assert read(store) == 2


def test_a_candidate_starts_as_a_copy_and_leaves_the_published_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    manifest = store.begin(fresh=False)
    with duckdb.connect(str(store.address(manifest))) as connection:
        assert connection.execute("select n from answer").fetchone() == (1,)
        connection.execute("drop table answer")
    assert read(store) == 1


def test_a_reader_keeps_its_generation_while_others_are_published_and_collected(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 0)
    with duckdb.connect(str(store.reader_address()), read_only=True) as reader:
        for value in range(1, KEEP + 2):
            publish(store, value)
            assert reader.execute("select n from answer").fetchone() == (0,)
    assert read(store) == KEEP + 1
    assert len(store.all()) == KEEP


def test_live_generations_do_not_push_out_those_to_go_back_to(tmp_path: Path) -> None:
    store = Store(tmp_path)
    whole = [publish(store, value).id for value in range(KEEP)]
    live = [publish(store, value, behind=["model.larder.late"]).id for value in range(2 * KEEP)]
    assert [m.id for m in reversed(store.all())] == [*whole, live[-1]]
    assert store.rollback(None).id == whole[-1]


def test_a_candidate_of_an_older_parent_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    late = store.begin(fresh=False)
    store.audited(late)
    publish(Store(tmp_path), 1)
    with pytest.raises(LarderError, match="is published now"):
        store.publish(late)
    assert read(store) == 1


def test_a_failed_candidate_is_kept_and_never_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    manifest = store.begin(fresh=False)
    kept = store.failed(manifest)
    assert kept.parent.name.endswith("-failed") and kept.exists()
    assert store.candidate() is None
    assert read(store) == 1


def test_what_a_killed_build_left_is_collected_by_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    dead = store.begin(fresh=False)
    alive = store.begin(fresh=False)
    assert [m.id for m in store.all() if m.state == "building"] == [alive.id]
    assert not store.address(dead).exists()


def test_a_publish_that_collects_leaves_a_build_that_is_running_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for value in range(KEEP):
        publish(store, value)
    waiting = store.begin(fresh=False)
    store.audited(waiting)
    running = store.begin(fresh=False)
    store.publish(waiting)
    assert len([m for m in store.all() if m.published_at]) == KEEP
    assert store.building_address().resolve() == store.address(running)


def test_a_published_file_does_not_grow_by_being_built_again(tmp_path: Path) -> None:
    """Ten builds, each of which replaces every table, leave at most a tenth more than one fresh build."""

    def build(store: Store) -> int:
        manifest = store.begin(fresh=False)
        with duckdb.connect(str(store.address(manifest))) as connection:
            connection.execute(
                "create or replace table numbers as select range as n, hash(range) as h from range(2_000_000)"
            )
        store.audited(manifest)
        store.publish(manifest)
        return store.address(manifest).stat().st_size

    store = Store(tmp_path)
    sizes = [build(store) for _ in range(10)]
    assert sizes[-1] <= 1.1 * sizes[0]


def test_a_candidate_that_waits_does_not_survive_a_rollback(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, 1)
    publish(store, 2)
    waiting = store.begin(fresh=False)
    store.audited(waiting)
    store.rollback(None)
    assert store.candidate() is None and read(store) == 1
