"""Each question of docs/metadata.md is answered by the command line of DuckDB, on the base of a real generation."""

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT, Instance

PAGE = (PROJECT / "docs/metadata.md").read_text()
QUESTIONS = re.findall(r"^```sql\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def answered(published: Instance, sql: str) -> list[dict[str, str]]:
    """By the one line that the page names, in the folder of the base."""
    command = [Path(sys.executable).with_name("duckdb"), "-csv", "-cmd", ".read views.sql", "-c", sql]
    folder = published.warehouse.with_name("metadata")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_the_page_asks_five_questions() -> None:
    assert len(QUESTIONS) == 5
    assert '-cmd ".read views.sql"' in PAGE


def test_what_nobody_reads_is_read_by_nobody(published: Instance) -> None:
    unread = answered(published, QUESTIONS[0])
    assert unread
    assert "model.larder.stg_pos__transactions" not in {
        row["node_unique_id"] for row in unread if row["column_name"] == "sales_usd"
    }


def test_every_mart_has_an_owner(published: Instance) -> None:
    assert answered(published, QUESTIONS[1]) == []
    assert len(answered(published, QUESTIONS[1].replace("is null", "is not null"))) > 60


def test_household_id_is_followed_to_the_last_mart(published: Instance) -> None:
    steps = {(row["node"], row["name"]): int(row["steps"]) for row in answered(published, QUESTIONS[2])}
    assert steps["source.larder.pos.transactions", "household_id"] == 0
    assert (
        0
        < steps["model.larder.fct_basket_lines", "household_id"]
        < steps["model.larder.fct_baskets", "household_id"]
    )
    assert steps["metric.larder.active_households", "active_households"] > 0


def test_the_slowest_come_first_with_their_rows(published: Instance) -> None:
    slowest = answered(published, QUESTIONS[3])
    seconds = [float(row["seconds"]) for row in slowest]
    assert len(slowest) == 10 and seconds == sorted(seconds, reverse=True)
    assert any(row["row_count"] for row in slowest)


def test_a_key_without_a_test_is_found(published: Instance) -> None:
    untested = {(row["node_unique_id"], row["column_name"]) for row in answered(published, QUESTIONS[4])}
    assert ("model.larder.fct_baskets", "store_id") not in untested
    without = QUESTIONS[4].replace("tests.test_name = 'relationships'", "false")
    assert ("model.larder.fct_baskets", "store_id") in {
        (row["node_unique_id"], row["column_name"]) for row in answered(published, without)
    }
