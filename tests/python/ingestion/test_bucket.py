"""A lake in a bucket of a real store: locks and records by writes on a condition, keys, and a store that fails or is away.

Loads that die on their way into a bucket are in test_crash_matrix.py, with those into a folder of the disk.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from cases import SOURCE_ROWS, Case, cases
from conftest import Instance
from faults import ingest
from stores import BUCKET, FAULTS, READER, WRITER, InBucket, Store, env_of, failing, keys_in, rclone, use

from ingestion.core import bucket, storage
from ingestion.core.errors import IngestionError, Taken
from ingestion.core.storage import Location
from ingestion.lake import loads as lake
from ingestion.lake import visible
from ingestion.privacy import forgotten
from ingestion.privacy.restricted import Restricted

_PROCESSES = multiprocessing.get_context("spawn")


@pytest.fixture
def folder(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Location:
    """A folder of a bucket with nothing in it."""
    use(monkeypatch, store)
    return storage.location(f"s3://{BUCKET}{tmp_path}")


@pytest.fixture(scope="module")
def case(
    retailer: Instance, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Case]]:
    with pytest.MonkeyPatch.context() as patched:
        use(patched, store)
        yield cases(retailer, tmp_path_factory, InBucket())


# Patterns


def test_a_bucket_finds_what_a_disk_finds(folder: Location, tmp_path: Path) -> None:
    names = [
        "init",
        "_loads/1.csv",
        "_loads/2.csv",
        "_loads/.3",
        "tx/1.5.a.parquet",
        "tx/b/c.parquet",
        "[odd]/x y.parquet",
    ]
    for name in names:
        storage.write(folder / name, name)
        storage.write(tmp_path / name, name)
    made_by_a_console = f"{folder.path.partition('/')[2]}/tx/"
    folder.fs.call_s3("put_object", Bucket=BUCKET, Key=made_by_a_console, Body=b"")
    for pattern in (
        "*",
        "*/*",
        "[!_]*/",
        "_loads/*.csv",
        "*/*.parquet",
        "*/.*",
        "init",
        "no/*",
        "*/*/*.parquet",
    ):
        of_disk = [str(path.relative_to(tmp_path)) for path in storage.found(tmp_path, pattern)]
        of_bucket = [str(path)[len(str(folder)) + 1 :] for path in storage.found(folder, pattern)]
        assert of_bucket == of_disk, pattern


def test_more_names_than_one_answer_has(folder: Location) -> None:
    for number in range(1_050):
        folder.fs.pipe_file((folder / f"{number:05}.csv").path, b"")
    assert len(storage.found(folder, "*.csv")) == 1_050


@pytest.mark.parametrize("content", ["", "PAR1 and no more"])
def test_a_damaged_parquet_file_is_named(folder: Location, tmp_path: Path, content: str) -> None:
    for place in (folder, tmp_path):
        storage.write(place / "x.parquet", content)
        for read in (storage.table, storage.schema, storage.row_count):
            with pytest.raises(IngestionError, match=r"x\.parquet is damaged"):
                read(place / "x.parquet")


# Locks


def hold(env: dict[str, str], place: str, taken: str) -> None:
    """A process that takes a lock, says so, and keeps it."""
    os.environ.update(env)
    with storage.exclusive(storage.location(place)):
        Path(taken).touch()
        time.sleep(600)


def count(env: dict[str, str], place: str, times: int, start: Barrier) -> None:
    """A process that counts on a number that others count on as well, from the same moment on."""
    os.environ.update(env)
    file = storage.location(place) / "number"
    start.wait()
    for _ in range(times):
        with storage.exclusive(storage.location(place)):
            found = int(storage.read(file)) if file.exists() else 0
            storage.write(file, str(found + 1))


def test_what_several_processes_count_under_a_lock_is_not_lost(folder: Location, store: Store) -> None:
    start = _PROCESSES.Barrier(6)
    workers = [_PROCESSES.Process(target=count, args=(store.env, str(folder), 4, start)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert storage.read(folder / "number") == b"24"


def test_the_lock_of_a_process_that_is_killed_is_free_at_once(
    folder: Location, store: Store, tmp_path: Path
) -> None:
    holder = _PROCESSES.Process(target=hold, args=(store.env, str(folder), str(tmp_path / "taken")))
    holder.start()
    while not (tmp_path / "taken").exists():
        time.sleep(0.05)
    with (
        pytest.raises(Taken, match=f"is locked by process {holder.pid}"),
        bucket.lock(folder / storage.LOCKS / "exclusive.json", waits=False),
    ):
        pass
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    begun = time.monotonic()
    with storage.exclusive(folder):
        assert time.monotonic() - begun < 5


def of_another_machine(file: Location, number: int) -> None:
    """What a holder on another machine writes."""
    said = {"pid": 1, "host": "elsewhere", "since": "then", "machine": "another", "started": "1"}
    storage.write(file, json.dumps({**said, "renewals": number}))


def test_a_lock_of_another_machine_is_taken_over_when_nobody_renews_it(
    folder: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "LEASE", 3.0)
    file = folder / storage.LOCKS / "exclusive.json"
    of_another_machine(file, 1)
    begun = time.monotonic()
    with storage.exclusive(folder):
        assert time.monotonic() - begun > 3
        assert json.loads(storage.read(file))["pid"] == os.getpid()


def test_a_lock_of_another_machine_that_is_renewed_is_not(
    folder: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "LEASE", 2.0)
    file, done = folder / storage.LOCKS / "load.json", threading.Event()
    of_another_machine(file, 0)

    def renew() -> None:
        number = 1
        while not done.wait(0.4):
            of_another_machine(file, number)
            number += 1

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(Taken, match="elsewhere"), storage.claimed(folder):
            pass
    finally:
        done.set()
        thread.join()


def test_a_lock_is_renewed_while_it_is_held(folder: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "LEASE", 1.0)
    file = folder / storage.LOCKS / "exclusive.json"
    with storage.exclusive(folder):
        first = json.loads(storage.read(file))["renewals"]
        time.sleep(1.5)
        storage.write(folder / "written", "still ours")
        assert json.loads(storage.read(file))["renewals"] > first
    assert storage.read(file) == b""


def test_who_has_lost_a_lock_writes_nothing_more(folder: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a machine has slept: another one has taken over, and has maybe swept what we had written."""
    monkeypatch.setattr(bucket, "LEASE", 1.0)
    with pytest.raises(IngestionError, match="was lost"), storage.exclusive(folder):
        of_another_machine(folder / storage.LOCKS / "exclusive.json", 7)
        time.sleep(1)
        with pytest.raises(IngestionError, match="was lost"):
            storage.write(folder / "late", "")
    assert not (folder / "late").exists()
    storage.write(folder / "later", "")


def test_a_record_that_somebody_else_has_written_is_not_replaced(folder: Location) -> None:
    file = folder / "record"
    storage.replace(file, None, "one")
    storage.replace(file, b"one", "two")
    for before in (None, b"one"):
        with pytest.raises(IngestionError, match="written by another process"):
            storage.replace(file, before, "three")
    assert storage.read(file) == b"two"


def test_a_load_that_another_process_has_logged_meanwhile_keeps_its_position(
    case: Callable[[str], Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = case("promotions")
    mine.room(tmp_path)
    dataset = mine.lake(tmp_path) / "raw/promotions"
    segment = lake.segments(dataset)[0]
    known = lake.segment_loads

    def slow(file: Location) -> list[tuple[str, str]]:
        found = known(file)
        monkeypatch.setattr(lake, "segment_loads", known)
        line = f"{len(found) + 1},9999999999.5,2026-01-01 00:00:00.000000\n"
        storage.write(segment, storage.read(segment).decode() + line)
        return found

    storage.write(dataset / lake.LOADS / "promotions__9999999999.7.jsonl", "{}")
    monkeypatch.setattr(lake, "require_log", lambda _: None)
    monkeypatch.setattr(lake, "segment_loads", slow)
    with pytest.raises(IngestionError, match="written by another process"):
        visible.refresh(dataset)
    assert "9999999999.5" in storage.read(segment).decode()


def test_a_machine_whose_clock_is_behind_the_last_load_loads_nothing(
    case: Callable[[str], Case], tmp_path: Path
) -> None:
    """Of two loads the later one counts: what it loads would count as older than what is there."""
    mine = case("promotions")
    mine.room(tmp_path)
    dataset = mine.lake(tmp_path) / "raw/promotions"
    storage.write(dataset / lake.LOADS / "promotions__9999999999.5.jsonl", "{}")
    loads = lake.recorded_loads(dataset)
    assert mine.ingest(tmp_path) == 1
    assert lake.recorded_loads(dataset) == loads


# People


def test_while_an_erasure_of_one_machine_is_under_way_no_other_begins_or_loads(
    folder: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(machine: str) -> None:
        monkeypatch.setenv("LARDER_RESTRICTED", str(tmp_path / machine))

    on("one")
    forgotten.begin(folder, {"rows": 1})
    on("other")
    forgotten.end(folder)
    for act in (lambda: forgotten.begin(folder, {}), lambda: forgotten.require_none(folder)):
        with pytest.raises(IngestionError, match="an erasure was interrupted on"):
            act()
    on("one")
    forgotten.begin(folder, {"is_lake_done": True})
    on("other")
    forgotten.begin(folder, {"rows": 2})
    on("one")
    forgotten.end(folder)
    assert not forgotten.is_marked(folder)
    on("other")
    forgotten.journal_file(folder).unlink()  # as after a kill before it is there
    forgotten.require_none(folder)
    assert forgotten.is_marked(folder)


def test_who_households_are_is_asked_for_on_the_machine_that_knows(
    case: Callable[[str], Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = case("loyalty")
    mine.room(tmp_path)
    monkeypatch.setenv("LARDER_RESTRICTED", str(tmp_path / "restricted"))
    assert mine.ingest(tmp_path) == 0
    Restricted(mine.lake(tmp_path), "loyalty").require_here()
    monkeypatch.setenv("LARDER_RESTRICTED", str(tmp_path / "elsewhere"))
    with pytest.raises(IngestionError, match="loyalty was loaded on another machine"):
        Restricted(mine.lake(tmp_path), "loyalty").require_here()
    Restricted(mine.lake(tmp_path), "pos").require_here()


# Stores


def test_a_store_without_conditions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rclone(tmp_path / "rclone") as other:
        use(monkeypatch, other)
        place = storage.location(f"s3://{BUCKET}/of-rclone/lake")
        monkeypatch.setattr(bucket, "_CONDITIONAL", set())
        with pytest.raises(IngestionError, match="knows no writes on a condition"), storage.exclusive(place):
            pass
        monkeypatch.setenv(bucket.ONE_WRITER, "one")
        with storage.exclusive(place), storage.claimed(place):
            storage.replace(place / "record", None, "one")
        assert storage.read(place / "record") == b"one"


def test_a_load_into_a_store_without_conditions_by_one_writer(
    retailer: Instance,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with rclone(tmp_path / "rclone") as other:
        use(monkeypatch, other)
        monkeypatch.setenv(bucket.ONE_WRITER, "one")
        mine = cases(retailer, tmp_path_factory, InBucket())("promotions")
        mine.room(tmp_path / "data")
        mine.check(tmp_path / "data")


def test_wrong_and_missing_keys_are_told(
    folder: Location, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write(folder / "there", "x")
    for keys in ((WRITER[0], "wrong"), ("nobody", WRITER[1])):
        for name, value in env_of(store.url, keys).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(IngestionError, match="refuses access to bucket lake") as raised:
            storage.found(storage.location(str(folder)), "*")
        assert keys[1] not in str(raised.value)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(IngestionError, match="AWS_SECRET_ACCESS_KEY is not set"):
        storage.location(str(folder))


def test_who_may_only_read_reads_and_writes_nothing(
    folder: Location, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write(folder / "there", "x")
    for name, value in env_of(store.url, READER).items():
        monkeypatch.setenv(name, value)
    mine = storage.location(str(folder))
    assert storage.read(mine / "there") == b"x"
    for write in (
        lambda: storage.write(mine / "new", "x"),
        lambda: storage.remove(mine / "there"),
        lambda: storage.replace(mine / "there", b"x", "y"),
        lambda: storage.exclusive(mine).__enter__(),
    ):
        with pytest.raises((IngestionError, OSError)):
            write()
    assert storage.read(mine / "there") == b"x"
    assert [path.name for path in storage.found(mine, "*")] == ["there"]


def test_a_server_that_is_no_store_is_told(
    folder: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(IngestionError, match="knows no bucket"):
            storage.found(storage.location(str(folder)), "*")
        server.shutdown()


def test_a_store_that_is_away_is_told_within_a_minute(
    folder: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(IngestionError, match="does not answer"):
        storage.found(storage.location(str(folder)), "*")
    assert time.monotonic() - begun < 60


def test_no_file_of_the_machine_has_a_key(case: Callable[[str], Case], tmp_path: Path) -> None:
    mine = case("promotions")
    mine.room(tmp_path)
    mine.check(tmp_path)
    assert not keys_in(tmp_path)


# A network that fails


def load_over_a_failing_network(mine: Case, store: Store, data: Path, every: int) -> list[str]:
    """Load until one run comes to its end; then what must hold. Returns the faults."""
    mine.room(data)
    with failing(store, every) as (broken, state):
        env = {**mine.env, **mine.lakes.env(data), **broken.env}
        for _ in range(3):
            if ingest(mine.source, data, env, lake=str(mine.lake(data))) == 0:
                break
    mine.check(data)
    return state.faults


def test_a_load_over_a_network_that_breaks_every_seventh_request(
    case: Callable[[str], Case], store: Store, tmp_path: Path
) -> None:
    assert set(load_over_a_failing_network(case("promotions"), store, tmp_path, 7)) == set(FAULTS)


@pytest.mark.nightly
@pytest.mark.parametrize("every", [2, 3, 5, 11])
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_load_over_a_network_that_fails(
    case: Callable[[str], Case], store: Store, tmp_path: Path, source: str, every: int
) -> None:
    assert len(load_over_a_failing_network(case(source), store, tmp_path, every)) > 5


def test_what_duckdb_reads_over_a_network_that_fails_is_whole_or_an_error(
    folder: Location, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write(folder / "lines.csv", "".join(f"{number},x\n" for number in range(20_000)))
    with storage.connect(folder) as writer:
        writer.execute(f"copy (from range(200000)) to '{folder}/rows.parquet' (row_group_size 20000)")
    with failing(store, 3) as (broken, state):
        use(monkeypatch, broken)
        right = 0
        for _ in range(8):
            with storage.connect(storage.location(str(folder))) as reader:
                for query, rows in (
                    (f"select count(*) from read_csv('{folder}/*.csv')", 20_000),
                    (f"select count(distinct range) from read_parquet('{folder}/rows.parquet')", 200_000),
                ):
                    try:
                        found = reader.execute(query).fetchone()
                    except Exception as error:
                        assert "HTTP" in str(error) or "connection" in str(error).lower(), error
                    else:
                        assert found == (rows,)
                        right += 1
    assert set(state.faults) == set(FAULTS)
    assert right > 8
