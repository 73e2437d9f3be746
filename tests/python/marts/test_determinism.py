"""The same loads give the same marts: in any order of files and rows, whichever thread is faster."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import Instance

BUILDS = [("2", False), ("1", True), ("4", True)]
"""DuckDB's threads, and whether files and rows come in another order."""


def shuffle(lake: Path) -> None:
    """Split the rows of every load into two files, in an order that is independent of their content."""
    for file in lake.glob("raw/*/[!_]*/*.parquet"):
        load = ".".join(file.name.split(".")[:2])
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            for half in (0, 1):
                connection.execute(
                    f"copy (select * exclude (file_row_number) from read_parquet('{file}', file_row_number = true)"
                    f" where md5_number_lower(file_row_number::varchar) % 2 = {half}"
                    f" order by md5(file_row_number::varchar)) to '{file.with_name(f'{load}.{half}.parquet')}' (format parquet)"
                )
        file.unlink()


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The whole year, ingested and not yet built."""
    made = Instance(tmp_path_factory.mktemp("year"))
    made.larder("demo", "start")
    made.larder("ingest")
    made.larder("demo", "stop")
    yield made


@pytest.mark.nightly
def test_threads_and_the_order_of_files_do_not_show_in_any_mart(year: Instance, tmp_path: Path) -> None:
    found = []
    for number, (threads, is_shuffled) in enumerate(BUILDS):
        made = Instance(tmp_path / str(number))
        shutil.copytree(year.data / "lake", made.data / "lake")
        if is_shuffled:
            shuffle(made.data / "lake")
        made.larder("build", LARDER_THREADS=threads)
        made.larder("publish")
        found.append(made.marts())
        shutil.rmtree(made.data)
    first, *others = found
    different = {
        mart for other in others for mart in first.keys() | other.keys() if first.get(mart) != other.get(mart)
    }
    assert not different
