"""`LARDER_LAKE` moves the lake for Python as it does for dbt."""

import json
from pathlib import Path

import pytest
from conftest import Instance, copy_of

from ingestion.core import storage
from ingestion.core.errors import IngestionError
from larder.core.errors import LarderError
from larder.core.settings import Paths, current_paths


def test_the_lake_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARDER_LAKE", raising=False)
    assert Paths(tmp_path).lake == tmp_path / "lake"
    monkeypatch.setenv("LARDER_LAKE", str(tmp_path / "elsewhere"))
    assert Paths(tmp_path).lake == tmp_path / "elsewhere"


def test_a_lake_that_has_moved_is_read_again(published: Instance, tmp_path: Path) -> None:
    """Views of what is published name its files."""
    moved, elsewhere = Instance(tmp_path / "data"), tmp_path / "elsewhere"
    copy_of(published, moved.data)
    (moved.data / "lake").rename(elsewhere)
    steps = json.loads(moved.larder("plan", "--json", LARDER_LAKE=str(elsewhere)).stdout)["steps"]
    assert {(step["action"], step["reason"]) for step in steps} == {
        ("build", "what is published was built from the lake in the data folder")
    }


@pytest.mark.parametrize(
    "named",
    [
        *("http://bucket/lake", "S3://bucket/lake", "s3://", "s3://bucket", "s3://bucket/", "s3:///lake"),
        *("s3://bucket//lake", "s3://bucket/../lake", "s3://bucket/./lake", "s3:/bucket/lake"),
    ],
)
def test_what_is_no_folder_is_refused(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARDER_LAKE", named)
    with pytest.raises(LarderError, match="is no folder of the disk or of a bucket"):
        _ = Paths(tmp_path).lake


def test_a_folder_of_a_bucket_needs_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARDER_LAKE", "s3://bucket/lake/")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(IngestionError, match="AWS_ACCESS_KEY_ID"):
        _ = Paths(tmp_path).lake
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert str(Paths(tmp_path).lake) == "s3://bucket/lake"


@pytest.mark.parametrize("lake", ["s3://bucket/a", "s3://bucket/a/b/", "s3://bucket/a/b/lake"])
def test_folders_of_a_bucket_that_are_not_apart_are_refused(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("LARDER_LAKE", lake),
        ("LARDER_EXPORT", "s3://bucket/a/b"),
        ("LARDER_SITE", "s3://bucket/a/bc"),
        ("AWS_ACCESS_KEY_ID", "one"),
        ("AWS_SECRET_ACCESS_KEY", "another"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(LarderError, match=r"LARDER_EXPORT=.* and LARDER_LAKE=.* are not apart"):
        Paths(tmp_path).bucket("export")
    monkeypatch.setenv("LARDER_LAKE", "s3://bucket/lake")
    assert str(Paths(tmp_path).bucket("export")) == "s3://bucket/a/b"


@pytest.mark.parametrize("address", ["127.0.0.1:8333", "http://", "s3://host", "http://host:port", "host"])
def test_an_address_of_a_store_that_is_none_is_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("LARDER_LAKE", "s3://bucket/lake"),
        ("AWS_ACCESS_KEY_ID", "one"),
        ("AWS_SECRET_ACCESS_KEY", "another"),
        ("AWS_ENDPOINT_URL", address),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(IngestionError, match="is no address of a store"):
        _ = Paths(tmp_path).lake


def test_spark_is_told_of_a_store_what_duckdb_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("LARDER_LAKE", "s3://bucket/lake"),
        ("AWS_ACCESS_KEY_ID", "one"),
        ("AWS_SECRET_ACCESS_KEY", "another"),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_REGION", ""),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ):
        monkeypatch.setenv(name, value)
    lake = Paths(tmp_path).lake
    assert storage.environment(lake) == {
        "AWS_ACCESS_KEY_ID": "one",
        "AWS_SECRET_ACCESS_KEY": "another",
        "AWS_REGION": "eu-central-1",
    }
    assert "region 'eu-central-1'" in " ".join(storage.statements(lake))
    assert storage.environment(tmp_path) == {}


@pytest.mark.parametrize("odd", ["a&b", "o'clock", "back\\slash", "a*b", "a%20b"])
def test_a_path_that_dlt_and_duckdb_read_in_two_ways_is_refused_in_a_bucket(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `&`, DuckDB lists nothing and says so to nobody: models would be empty."""
    monkeypatch.setenv("LARDER_LAKE", f"s3://bucket/{odd}")
    with pytest.raises(LarderError, match="LARDER_LAKE cannot be"):
        _ = Paths(tmp_path).lake


@pytest.mark.parametrize("odd", ["till [new]", "a%20b", "a*b", "a?b", "a{b,c}d", "two\nlines", "\udcff"])
@pytest.mark.parametrize("name", ["LARDER_DATA", "LARDER_LAKE"])
def test_a_path_that_is_read_as_a_pattern_is_refused_before_anything_is_written(
    name: str, odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARDER_DATA", str(tmp_path))
    monkeypatch.setenv(name, str(tmp_path / odd / "data"))
    with pytest.raises(LarderError, match=f"{name} cannot be"):
        _ = current_paths().lake
    assert list(tmp_path.iterdir()) == []
