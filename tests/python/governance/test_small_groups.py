"""The size of groups and the values in them, as an independent tool counts them. It is not installed with Larder: pip install pycanon."""

from pathlib import Path

import duckdb
import pytest
import shop as shops

pytestmark = pytest.mark.nightly


def test_an_independent_tool_counts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anonymity = pytest.importorskip("pycanon.anonymity")
    shop = shops.made(tmp_path, monkeypatch)
    for audience in ("analyst", "science"):
        shop.policy["audiences"][audience]["sees"]["sensitive"] = "as is"
    shop.share()
    for audience, smallest in (("analyst", 28), ("science", 3)):
        rows = f"from '{shop.paths.shares / audience}/marts.dim_people.parquet' where age is not null"
        people = duckdb.sql(f"select age, income {rows}").df()
        assert anonymity.k_anonymity(people, ["age"]) == smallest
        told = shop.query(
            audience, "select fewest_values['income'] from share.about where table_name = 'marts.dim_people'"
        )
        assert told == [(anonymity.l_diversity(people, ["age"], ["income"]),)]
