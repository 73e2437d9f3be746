"""What is published, shown in a bucket of a real store as well: whole, old or new, whatever happens on the way."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Instance, copy_of
from stores import BUCKET, Store, env_of, use

from ingestion.core import bucket, storage
from ingestion.core.errors import IngestionError
from ingestion.core.storage import Location
from larder.core.settings import Paths
from larder.governance import shares
from larder.warehouse import mirror


class Died(Exception):
    """As a process does: nothing catches it."""


@pytest.fixture
def target(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Location:
    use(monkeypatch, store)
    return storage.location(f"s3://{BUCKET}{tmp_path}/shown")


def version(folder: Path, number: int) -> dict[str, Path]:
    """Three files, of which one is the same in every version."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in (("same.txt", "same"), ("a/new.txt", f"{number}"), ("b/new.txt", f"{number}")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return mirror.files_of(folder)


def seen(target: Location) -> list[str]:
    """What somebody reads who follows the pointer."""
    said = mirror.shown(target)
    return [storage.read(target / said["folder"] / path).decode() for path in said["files"]]


def versions(target: Location) -> set[str]:
    return {file.parent.parent.name for file in storage.found(target, "*/*/*")}


def test_who_follows_the_pointer_sees_one_version_whole(target: Location, tmp_path: Path) -> None:
    folders = []
    for number in range(4):
        mirror.show(target, "v", version(tmp_path / "files", number), "see {0}", number=number)
        assert seen(target) == [f"{number}", f"{number}", "same"]
        folders.append(mirror.shown(target)["folder"])
        assert storage.read(target / "index.html").decode() == f"see {folders[-1]}"
    assert versions(target) == {*folders[-2:]}  # who reads the one that was replaced goes on


def test_what_is_shown_already_is_not_written_again(
    target: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = version(tmp_path / "files", 1)
    mirror.show(target, "v", files)
    monkeypatch.setattr(storage, "put", lambda *_: pytest.fail("written again"))
    mirror.show(target, "v", files)
    mirror.show(target, "v", files, generation="a later one of the same content")
    assert mirror.shown(target)["generation"]


def test_a_death_at_every_write_leaves_one_version_whole(
    target: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.show(target, "v", version(tmp_path / "files", 1))
    mirror.show(target, "v", version(tmp_path / "files", 2))
    call, deaths = bucket.Store._call_s3, 0
    while True:
        written = 0

        async def dying(self: Any, method: str, *arguments: Any, last: int = deaths, **named: Any) -> Any:
            nonlocal written
            written += method in bucket.WRITES
            if written > last and method in bucket.WRITES:
                raise Died
            return await call(self, method, *arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(bucket.Store, "_call_s3", dying)
            try:
                mirror.show(target, "v", version(tmp_path / "files", 3))
                break
            except Died:
                deaths += 1
        assert seen(target) in (["2", "2", "same"], ["3", "3", "same"])
    assert deaths > 4
    assert seen(target) == ["3", "3", "same"]
    mirror.show(target, "v", version(tmp_path / "files", 4))
    assert len(versions(target)) == 2


def test_what_a_death_has_left_of_another_version_goes_when_nothing_is_new(
    target: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a share with a grant that was taken back before it was shown."""
    for number in (1, 2):
        mirror.show(target, "v", version(tmp_path / "files", number))
    mirror.show(target, "v", version(tmp_path / "files", 2), granted="more")
    whole = versions(target)
    with monkeypatch.context() as patched:
        patched.setattr(storage, "write", lambda *_: pytest.fail("died"))
        with pytest.raises(pytest.fail.Exception):
            mirror.show(target, "v", version(tmp_path / "files", 3))
    assert len(versions(target)) == 3
    mirror.show(target, "v", version(tmp_path / "files", 2), granted="more")
    assert versions(target) == whole
    assert len(whole) == 2


def test_what_else_lies_in_the_folder_stays(target: Location, tmp_path: Path) -> None:
    others = {target / name for name in ("lake/raw/x.parquet", "photos-2016/index.html", "notes.txt")}
    for other in others:
        storage.write(other, "not of Larder")
    for number in range(3):
        mirror.show(target, "v", version(tmp_path / "files", number), "see {0}")
    mirror.withdraw(target)
    mirror.withdraw(target / "photos-2016")
    left = {path for path in target.rglob("*") if path.is_file()}
    assert {path for path in left if path.parent.name != storage.LOCKS} == others


def test_a_bucket_that_is_away_is_told_and_shows_what_it_did(
    target: Location, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.show(target, "v", version(tmp_path / "files", 1))
    with monkeypatch.context() as patched:
        for name, value in env_of("http://127.0.0.1:9").items():
            patched.setenv(name, value)
        with pytest.raises(IngestionError, match="does not answer"):
            mirror.show(storage.location(str(target)), "v", version(tmp_path / "files", 2))
    assert seen(target) == ["1", "1", "same"]


def test_export_and_shares_come_into_the_bucket_and_a_share_that_lost_its_grant_goes(
    published: Instance, target: Location, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(tmp_path / "data")
    copy_of(published, instance.data)
    env = {"LARDER_EXPORT": f"{target}/export", "LARDER_SHARES": f"{target}/shares"}
    instance.larder("export", **store.env, **env)
    instance.larder("shares", **store.env, **env)
    said = mirror.shown(target / "export")
    manifest = json.loads(storage.read(target / "export" / said["folder"] / "manifest.json"))
    for mart in manifest["marts"].values():
        assert all(said["files"][file["path"]] == file["sha256"] for file in mart["files"])
    with storage.connect(target) as reader:
        folder = f"{target}/shares/staff/{mirror.shown(target / 'shares/staff')['folder']}"
        reader.execute(f"attach '{folder}/larder.duckdb' as share (read_only)")
        assert reader.execute("select count(*) from share.share.about").fetchone() != (0,)
    monkeypatch.setenv("LARDER_SHARES", env["LARDER_SHARES"])
    shares.withdraw(Paths(instance.data), [])
    left = [path for path in (target / "shares").rglob("*") if path.is_file()]
    assert {path.parent.name for path in left} <= {storage.LOCKS}
