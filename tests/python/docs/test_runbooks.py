"""Each page of docs/runbooks is followed to the letter; by day, what it calls is there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from larder.cli.main import app
from larder.ops.problems import RUNBOOKS
from tests.python.conftest import PROJECT, Instance, connections

FOLDER = PROJECT / "docs/runbooks"
PAGES = sorted(path.stem for path in FOLDER.glob("[!R]*.md"))


def script(page: str) -> str:
    """The commands of a page, in their order."""
    text = re.sub(r"^ {3}", "", (FOLDER / f"{page}.md").read_text(), flags=re.MULTILINE)
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_calls_is_there(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text()
    called = re.findall(r"\blarder ((?:[a-z-]+ ?)+)([^`\n]*)", text)
    assert script(page) and called
    for words, rest in called:
        command = typer.main.get_command(app).commands[words.split()[0]]  # type: ignore[attr-defined]
        for word in words.split()[1:]:
            command = getattr(command, "commands", {}).get(word, command)
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {*re.findall(r"(?<=\s)--[a-z-]+", f" {rest.partition('#')[0]}")} <= known, (words, rest)


def test_each_problem_has_a_page_and_each_page_is_listed() -> None:
    assert {*RUNBOOKS.values()} <= {*PAGES}
    listed = re.findall(r"\]\((.*?)\.md\)", (FOLDER / "README.md").read_text())
    assert sorted(page for page in listed if "/" not in page) == PAGES


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = Instance(tmp_path_factory.mktemp("shop") / "data")
    made.larder("demo", "start", "--to", "2017-01-04")
    made.larder("run")
    yield made
    made.larder("demo", "stop")


def follow(page: str, instance: Instance, folder: Path, **env: str) -> str:
    """Run the commands of a page as its reader would, and return what they say."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script(page)],
        cwd=folder,
        env={**instance.env, "PATH": path, "PYTHONPATH": str(PROJECT), **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{page}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("page", ["source-late", "test-failed", "disk-full", "deprecate-a-model", "backfill"])
def test_pages_that_need_no_trouble(page: str, shop: Instance, tmp_path: Path) -> None:
    follow(page, shop, tmp_path)


@pytest.mark.nightly
def test_a_source_that_violates_its_contract(shop: Instance, tmp_path: Path) -> None:
    shop.larder("demo", "advance", "--to", "2017-01-05")
    (file,) = (shop.data / "landing/pos/business_date=2017-01-05").glob("sales_a.parquet")
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    shop.larder("ingest", "pos", code=1)
    file.write_bytes(good)
    assert "published generation" in follow("contract-broken", shop, tmp_path)


@pytest.mark.nightly
def test_a_run_that_was_killed(shop: Instance, tmp_path: Path) -> None:
    shop.larder("demo", "advance", "--to", "2017-01-06")
    killed = shop.start("run")
    time.sleep(20)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert "killed" in shop.larder("status").stderr
    follow("run-missed", shop, tmp_path)
    assert "killed" not in shop.larder("status").stderr


@pytest.mark.nightly
def test_a_bad_publish(shop: Instance, tmp_path: Path) -> None:
    before = shop.marts()
    follow("bad-publish", shop, tmp_path)
    assert shop.marts() == before


@pytest.mark.nightly
def test_a_new_key(shop: Instance, tmp_path: Path) -> None:
    ids = "select min(household_id), count(*) from marts.dim_households"
    follow("key-rotation", shop, tmp_path, HOME=str(tmp_path), **connections(shop))
    new = Instance(shop.data.with_name("data-new"))
    assert new.query(ids)[0][0] != shop.query(ids)[0][0] and new.query(ids)[0][1] == shop.query(ids)[0][1]


@pytest.mark.nightly
def test_an_erasure(shop: Instance, tmp_path: Path) -> None:
    """After the new key, whose folder is loaded from sources that still have the household."""
    follow("erasure-request", shop, tmp_path)


@pytest.mark.nightly
def test_only_the_lake_is_left(shop: Instance, tmp_path: Path) -> None:
    rescued = Instance(tmp_path / "data")
    for part in ("lake", "restricted"):
        shutil.copytree(shop.data / part, rescued.data / part)
    follow("restore-from-the-lake", rescued, tmp_path)
    marts, wanted = rescued.marts(), shop.marts()
    assert {m: marts[m] for m in wanted if "platform" not in m} == {
        m: wanted[m] for m in wanted if "platform" not in m
    }
