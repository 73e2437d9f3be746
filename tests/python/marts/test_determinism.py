"""The same loads give the same marts: in any order of files and rows, whichever thread is faster."""

import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import Instance

THREADS = ["1", "4"]
"""DuckDB's, of the builds whose files and rows come in another order than those of the year."""


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


@pytest.mark.nightly
def test_threads_and_the_order_of_files_do_not_show_in_any_mart(year: Instance, tmp_path: Path) -> None:
    first = year.marts()
    for threads in THREADS:
        made = Instance(tmp_path / threads)
        shutil.copytree(year.data / "lake", made.data / "lake")
        shuffle(made.data / "lake")
        made.larder("build", LARDER_THREADS=threads)
        made.larder("publish")
        other = made.marts()
        different = {mart for mart in first.keys() | other.keys() if first.get(mart) != other.get(mart)}
        assert not different
        shutil.rmtree(made.data)
