"""Instances of Larder with separate data roots, driven by the real command, as a user would."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from stores import Store, seaweed

from demo.credentials import PSEUDONYM_KEY as KEY
from ingestion.privacy.pseudonyms import KEYS, pseudonym
from larder.build.compiled import Compiled
from larder.build.compiled import compiled as compile_project
from larder.core.settings import Paths

# A shell that starts a job in the background has it ignore Ctrl-C, and so all that the job starts: the tests of
# interruptions need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).resolve().parents[2]

os.environ[KEYS] = KEY


def household(number: int) -> int:
    """What the tests' lakes and warehouses call a household of this number."""
    return pseudonym(number, (KEY,))


FIRST = [
    "test_plan.py",
    "test_audit.py",
    "test_demo_processes.py",
    "test_fuzz.py",
    "test_kills.py",
    "test_crash_matrix.py",
    "test_any_file.py",
    "test_database_records.py",
    "test_odd_answers.py",
    "test_end_to_end.py",
    "test_reports.py",
    "test_export.py",
    "test_pages.py",
]
"""Files that take long, in the order in which they begin: one worker would still be busy with them when the others have ended.

The first makes `published`, on which the others would wait: those that do without it come next.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(FIRST)))


@dataclass(frozen=True)
class Instance:
    """One data root, and the commands that work on it: those of this repository, or of a copy (`copy_of_project`)."""

    data: Path
    project: Path = PROJECT

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "LARDER_DATA": str(self.data)}

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse" / "current" / "larder.duckdb"

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "larder", *arguments],
            cwd=self.project,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def larder(self, *arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **env)
        out, err = process.communicate()
        assert process.returncode == code, f"larder {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def lake_rows(self, source: str, table: str) -> int:
        """Rows of the completed loads, as `larder status` counts them."""
        import json

        found = json.loads(self.larder("status", "--json").stdout)["sources"]
        return next((item["rows"] for item in found if (item["source"], item["table"]) == (source, table)), 0)

    def marts(self) -> dict[str, tuple[Any, ...]]:
        """For each mart its row count and two order-free hashes over all columns. What runs did is another thing in each instance."""
        names = self.query(
            "select table_name from information_schema.tables"
            " where table_schema = 'marts' and not contains(table_name, '_platform_') order by 1"
        )
        return {
            name: self.query(
                f"select count(*), bit_xor(hash(t)), sum(hash(t)::hugeint) from marts.{name} as t"
            )[0]
            for (name,) in names
        }


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An empty data root. A demo that it starts is stopped at the end."""
    made = Instance(tmp_path / "data")
    yield made
    made.larder("demo", "stop")


@pytest.fixture(scope="session")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A demo retailer whose year has come to 8 January. Tests may read its systems, not change them."""
    made = Instance(tmp_path_factory.mktemp("retailer"))
    made.larder("demo", "start", "--to", "2017-01-08")
    yield made
    made.larder("demo", "stop")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """An instance that `larder run` has brought to 4 January; its demo is stopped. Nobody changes it: see `copy_of`.

    It is made once for all processes of a test run, by whoever comes first.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, whole = Instance(shared / "published"), shared / "published.whole"
    with (shared / "published.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            keep_what_is_compiled(made)
            made.larder("demo", "start", "--to", "2017-01-04")
            made.larder("run")
            made.larder("demo", "stop")
            whole.touch()
    return made


def keep_what_is_compiled(made: Instance) -> None:
    """What `make lint` has compiled serves the build as well, as long as no file has changed since."""
    kept = Path("history/compiled.json")
    found = Path(os.environ.get("LARDER_DATA", PROJECT / "data")) / kept
    if found.exists():
        before = os.umask(0o077)  # as the build writes it
        (made.data / kept).parent.mkdir(parents=True)
        shutil.copyfile(found, made.data / kept)
        os.umask(before)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a bucket, which the environment names while a test has it."""
    with seaweed(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="session")
def compiled(published: Instance) -> Compiled:
    """The project as it is, compiled once by the build of `published`."""
    return compile_project(Paths(published.data))


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """An instance with the demo's whole year, built by two threads and published; its demo is stopped. For the night."""
    made = Instance(tmp_path_factory.mktemp("year"))
    made.larder("demo", "start")
    made.larder("ingest")
    made.larder("demo", "stop")
    made.larder("build", LARDER_THREADS="2")
    made.larder("publish")
    return made


def copy_of(published: Instance, data: Path) -> None:
    """A data root with what another has loaded, built and published, and its broker's stream; no other system."""
    for part in ("lake", "warehouse", "history", "site", "shares", "demo/broker"):
        shutil.copytree(published.data / part, data / part, symlinks=True)


def own_warehouse(published: Instance, instance: Instance) -> Path:
    """A developer's warehouse for plain dbt, which begins as a copy of what another instance has published."""
    warehouse = instance.data / "warehouse/dev/larder.duckdb"
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    warehouse.write_bytes(published.warehouse.read_bytes())
    return warehouse


def dbt_run(instance: Instance, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`dbt run` in an instance's own warehouse. It parses once for an instance: what is parsed stays with it."""
    target = ["--target-path", str(instance.data / "target")]
    return subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--quiet", "run", *arguments, *target],
        cwd=PROJECT,
        env={**instance.env, **env},
        capture_output=True,
        text=True,
    )


def connections(instance: Instance) -> dict[str, str]:
    """The environment that leads dlt to an instance's demo systems."""
    import tomllib

    return {
        name: str(value)
        for name, value in tomllib.loads((instance.data / "demo/connections.toml").read_text()).items()
    }
