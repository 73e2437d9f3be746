"""What a generation takes of Spark's tables, and which of their files are kept. Spark itself is in tests/python/spark."""

import json
import socket
from pathlib import Path

import duckdb
import pytest

from ingestion.core.errors import IngestionError
from ingestion.lake import visible
from larder.build import on_spark
from larder.build.plan import Plan
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, spark
from larder.project.spark import TABLES
from larder.warehouse import tables
from larder.warehouse.store import Store


def parquet(file: Path, query: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"copy ({query}) to '{file}'")
    return str(file)


def note(record: Path, *lines: dict[str, str]) -> None:
    (record / "tables").mkdir(parents=True, exist_ok=True)
    (record / "tables/part-0.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_tables_have_the_declared_types(tmp_path: Path) -> None:
    """Of several files, one of which lacks a column; a fingerprint is the same 64 bits without a sign; a table may be empty."""
    one = parquet(
        tmp_path / "1.parquet",
        "select 1::bigint as id, -1::bigint as fingerprint, 1.5::decimal(20, 2) as paid_usd",
    )
    two = parquet(tmp_path / "2.parquet", "select 2::bigint as id, 7::bigint as fingerprint")
    files = {"marts.a": [one, two], "marts.b": []}
    declared = {"id": "bigint", "fingerprint": "ubigint", "paid_usd": "decimal(18, 2)"}
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create view marts.a as select 1 as old")
        tables.take(connection, files, {"marts.a": declared, "marts.b": declared})
        assert connection.execute(
            "select id, fingerprint, paid_usd::varchar from marts.a order by id"
        ).fetchall() == [
            (1, 2**64 - 1, "1.50"),
            (2, 7, None),
        ]
        types = dict(connection.execute("select column_name, column_type from (describe marts.b)").fetchall())
    assert types == {"id": "BIGINT", "fingerprint": "UBIGINT", "paid_usd": "DECIMAL(18,2)"}


def test_a_table_that_declares_nothing_is_named(tmp_path: Path) -> None:
    with duckdb.connect() as connection, pytest.raises(LarderError, match="declares no columns"):
        tables.take(connection, {"marts.a": []}, {})


def test_the_record_names_tables_and_all_their_files(tmp_path: Path) -> None:
    begin = {"schema_name": "marts", "relation_name": "a"}
    note(
        tmp_path,
        begin,
        {**begin, "data_path": "file:/t/1.parquet"},
        {**begin, "metadata_path": "file:/t/m.avro"},
    )
    assert tables.files_of(tmp_path) == {"marts.a": ["/t/1.parquet"]}
    assert tables.all_files(tmp_path) == {Path("/t/1.parquet"), Path("/t/m.avro")}


def test_files_that_no_generation_names_go_unless_one_is_being_built(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept, left = tmp_path / TABLES / "marts.db/a/1.parquet", tmp_path / TABLES / "marts.db/a/2.parquet"
    for file in (kept, left):
        parquet(file, "select 1 as id")
    first = store.begin(fresh=True)
    note(store.record(first), {"schema_name": "marts", "relation_name": "a", "data_path": f"file:{kept}"})
    assert store.remove_unnamed_tables() == 0 and left.exists()
    store.failed(first)
    view = tmp_path / TABLES / "staging.db/v/metadata/00000-1.gz.metadata.json"
    view.parent.mkdir(parents=True)
    view.touch()
    assert store.remove_unnamed_tables() == 1
    assert kept.exists() and view.exists() and not left.exists()


@pytest.mark.parametrize(
    ("data", "lake"), [("it's", "lake"), ("data", "a;b"), ("a,b", "lake"), ("data", "a:b")]
)
def test_a_place_that_spark_cannot_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, lake: str
) -> None:
    monkeypatch.setenv("LARDER_LAKE", str(tmp_path / lake))
    paths = Paths(tmp_path / data)
    store = Store(paths.warehouse)
    with pytest.raises(LarderError, match="Spark cannot"):
        on_spark.build(paths, store, store.begin(fresh=True), Plan([]), pytest.fail)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LARDER_SPARK_MEMORY", "abc", "cannot be"),
        ("LARDER_SPARK_PARTITIONS", "0", "cannot be"),
        ("LARDER_SPARK_MASTER", "yarn", "cannot be"),
        ("LARDER_SPARK_MASTER", "spark://127.0.0.1:1", "does not answer"),
    ],
)
def test_a_setting_that_cannot_be_is_told_before_spark_starts(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(LarderError, match=f"{name}={value} {message}"):
        spark.require_settings()


def test_one_master_of_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as master:
        port = master.getsockname()[1]
        monkeypatch.setenv("LARDER_SPARK_MASTER", f"spark://127.0.0.1:1,127.0.0.1:{port}")
        spark.require_settings()


def test_a_store_that_went_away_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    for name, value in (
        ("LARDER_LAKE", "s3://bucket/lake"),
        ("AWS_ACCESS_KEY_ID", "one"),
        ("AWS_SECRET_ACCESS_KEY", "another"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ):
        monkeypatch.setenv(name, value)
    told = on_spark.asking(Paths(tmp_path), said.append)
    told("1 of 2")
    assert said == ["1 of 2"], "it is not asked at each node"
    monkeypatch.setattr(on_spark, "PATIENCE", 0)
    with pytest.raises(IngestionError, match="does not answer"):
        told("2 of 2")


def test_a_file_that_went_is_named(tmp_path: Path) -> None:
    """The others are found, and so are those that came since."""
    raw, record = tmp_path / "lake/raw", tmp_path / "record"
    kept = parquet(raw / "pos/lines/1.parquet", "select 1 as a")
    went = Path(parquet(raw / "pos/lines/2.parquet", "select 2 as a"))
    record.mkdir()
    (record / "files.jsonl").write_text(
        "".join(
            json.dumps({"source": "pos", "table_name": "lines", "file": f"lines/{Path(file).name}"}) + "\n"
            for file in (kept, went)
        )
    )
    assert visible.gone(tmp_path / "lake", record) == []
    went.rename(raw / "pos/lines/3.parquet")
    assert visible.gone(tmp_path / "lake", record) == ["pos/lines/2.parquet"]


def test_java_that_has_gone_is_no_fault_of_a_node(tmp_path: Path) -> None:
    def outcome(message: str) -> dbt.Outcome:
        return dbt.Outcome([dbt.Node("model.larder.a", "error", 0, message, 1.0)], tmp_path, 1)

    on_spark.require_alive(outcome("[CAST_INVALID_INPUT] ***"))
    with pytest.raises(LarderError, match="Java ended"):
        on_spark.require_alive(outcome("Runtime Error in model a\n  [Errno 111] Connection refused"))


def test_what_another_place_has_is_not_taken_over(tmp_path: Path) -> None:
    """Spark's catalog names files by their full paths."""
    assert spark.version(Paths(tmp_path / "one")) != spark.version(Paths(tmp_path / "other"))
