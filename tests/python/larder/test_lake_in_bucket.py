"""The commands on a lake in a bucket: they load, build and show what they do with one on the disk."""

import json
from pathlib import Path

import pytest
from conftest import Instance, connections
from stores import BUCKET, Store, env_of, keys_in, use

from ingestion.core import storage
from larder.build import workspace
from larder.core.settings import Paths
from larder.project import dbt


@pytest.fixture
def loaded(retailer: Instance, store: Store, tmp_path: Path) -> tuple[Instance, dict[str, str]]:
    """An instance with the plans of promotions in a bucket, and what its environment has to name."""
    env = {**store.env, **connections(retailer), "LARDER_LAKE": f"s3://{BUCKET}{tmp_path}/lake"}
    instance = Instance(tmp_path / "data")
    instance.larder("ingest", "promotions", **env)
    return instance, env


def test_a_source_in_a_bucket_is_loaded_once_and_dbt_reads_it(
    loaded: tuple[Instance, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, env = loaded
    assert "nothing new" in instance.larder("ingest", "promotions", **env).stderr
    said = json.loads(instance.larder("status", "--json", **env).stdout)["sources"]
    assert [(one["table"], one["rows"]) for one in said] == [("placements", said[0]["delivered"])]
    assert said[0]["rows"] > 100_000
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    outcome = dbt.run(
        Paths(instance.data), "dev", ["run", "--select", "stg_promotions__placements"], lambda _: None
    )
    assert not outcome.broken
    with storage.connect(storage.location(env["LARDER_LAKE"])) as connection:
        connection.execute(
            f"attach '{instance.data}/warehouse/dev/larder.duckdb' as dev (read_only); use dev"
        )
        counted = connection.execute("select count(*) from raw.promotions__placements").fetchone()
    assert counted == (said[0]["rows"],)
    assert not keys_in(instance.data)


def test_a_view_over_the_lake_is_shown_in_a_workspace(
    loaded: tuple[Instance, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    instance, env = loaded
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    paths, files = Paths(instance.data), f"{env['LARDER_LAKE']}/raw/promotions/placements/*.parquet"
    opener = paths.warehouse / "workspace/open.sql"
    for file, content in (
        (paths.warehouse / "dev/workspace.duckdb", ""),
        (opener, f"create view placements as from read_parquet('{files}')"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    workspace.show(paths, "placements")
    assert "display_location" in capsys.readouterr().out


def test_two_machines_do_not_load_a_source_at_once(
    loaded: tuple[Instance, dict[str, str]], tmp_path: Path
) -> None:
    """Two data folders on one lake are as two machines are."""
    _, env = loaded
    with pytest.MonkeyPatch.context() as patched:
        for name, value in env.items():
            patched.setenv(name, value)
        other = Instance(tmp_path / "other")
        with storage.claimed(storage.location(env["LARDER_LAKE"]) / "raw/promotions"):
            refused = other.larder("ingest", "promotions", code=1, **env)
    assert "promotions is locked by process" in refused.stderr
    assert "nothing new" in other.larder("ingest", "promotions", **env).stderr


def test_a_wrong_key_is_one_plain_message(loaded: tuple[Instance, dict[str, str]], store: Store) -> None:
    instance, env = loaded
    wrong = {**env, **env_of(store.url, ("writer", "not-the-secret-of-it"))}
    said = instance.larder("ingest", "promotions", code=1, **wrong).stderr
    assert "refuses access to bucket lake" in said
    assert "AWS_SECRET_ACCESS_KEY" in said
    assert "not-the-secret-of-it" not in said


@pytest.mark.nightly
def test_a_generation_built_from_a_bucket_is_the_one_built_from_the_disk(
    published: Instance, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, store)
    instance = Instance(tmp_path / "data")
    lake = storage.location(f"s3://{BUCKET}{tmp_path}/lake")
    lake.fs.put(f"{published.data}/lake", lake.path, recursive=True)
    env = {**store.env, "LARDER_LAKE": str(lake)}
    instance.larder("build", **env)
    instance.larder("publish", **env)
    assert instance.marts() == published.marts()
    assert not keys_in(instance.data)
