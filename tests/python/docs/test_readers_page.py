"""What docs/readers.md shows is read from the page and run, on a published file with the columns of the contracts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import PROJECT

from larder.warehouse.store import Store

PAGE = (PROJECT / "docs/readers.md").read_text()
MARTS = {"agg_sales_daily": "sales", "dim_stores": "core"}
NOT_HERE = "## Other tools"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root with `data/`, whose marts have the names and types that their contracts promise, and one row."""
    store = Store(tmp_path / "data/warehouse")
    manifest = store.begin(fresh=True)
    with duckdb.connect(str(store.address(manifest))) as connection:
        connection.execute("create schema marts")
        for mart, domain in MARTS.items():
            contract = yaml.safe_load((PROJECT / f"models/marts/{domain}/{mart}.yml").read_text())
            columns = contract["models"][0]["columns"]
            listed = ", ".join(f"{column['name']} {column['data_type']}" for column in columns)
            connection.execute(f"create table marts.{mart} ({listed})")
            connection.execute(f"insert into marts.{mart} ({columns[0]['name']}) values (null)")
    store.audited(manifest)
    store.publish(manifest)
    return tmp_path


def run(command: list[str], checkout: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "LARDER_DATA": str(checkout / "data")}
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_commands_work(checkout: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        out = run(["bash", "-euc", line], checkout)
        assert out or ">" in line, line
    assert (checkout / "sales.csv").read_text().startswith("business_date,")


def test_the_python_works(checkout: Path) -> None:
    for block in blocks("python"):
        run([sys.executable, "-W", "error", "-c", block], checkout)
    assert len(blocks("python")) == 2


def test_the_file_cannot_be_written_by_them(checkout: Path) -> None:
    assert all("read_only=True" in block for block in blocks("python"))
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("duckdb")]
    assert all("-readonly" in line or "(read_only)" in line for line in lines)


def test_what_is_not_run_says_so() -> None:
    run_here, _, others = PAGE.partition(NOT_HERE)
    assert "Not run by the tests" in others and "Not run by the tests" not in run_here
    assert "```" not in others
