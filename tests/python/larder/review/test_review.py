"""`larder review` on a published instance, in a git checkout of the project that the tests edit."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, begin, put_back
from conftest import Instance

pytestmark = pytest.mark.nightly

STORES = "models/marts/sales/agg_sales_weekly_store.sql"


@pytest.fixture(scope="module")
def shop(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return begin(published, tmp_path_factory.mktemp("review"))


@pytest.fixture
def checkout(shop: Checkout) -> Iterator[Checkout]:
    yield shop
    put_back(shop)


def test_no_change_and_a_comment_change_nothing(checkout: Checkout) -> None:
    found, _, code = checkout.review()
    assert (found["verdict"], code) == ("review: nothing that dbt builds changes: passed", 0)
    checkout.edit(STORES, "from baskets\n", "from   baskets -- of every store\n")
    assert checkout.review()[0]["change"]["build"] == []


def test_a_change_of_some_rows_is_told_with_its_slice_and_no_other_table_is_built(checkout: Checkout) -> None:
    """Not committed, on a detached HEAD."""
    checkout.git("checkout", "--detach")
    checkout.edit(
        STORES,
        "        households,\n",
        "        households - (store_id = 367 and households > 1)::int as households,\n",
    )
    found, _, code = checkout.review()
    [table] = found["tables"]
    assert (table["relation"], list(table["rows"]["columns"])) == (
        "marts.agg_sales_weekly_store",
        ["households"],
    )
    assert table["rows"]["how"] == "by key (week_number, store_id)"
    assert ([one["node"] for one in found["findings"]], code) == (["question_sales_weekly_store_adds_up"], 1)
    assert "367" in (checkout.data / "review/review.md").read_text()


def test_a_refactor_is_built_and_differs_in_nothing(checkout: Checkout) -> None:
    checkout.edit(STORES, "count(*) as baskets", "count(basket_id) as baskets")
    found, _, code = checkout.review()
    assert [table["rows"]["changed"] for table in found["tables"]] == [0]
    assert (found["verdict"], code) == ("review: no data change: passed", 0)


def test_a_model_that_fails_and_one_that_comes_are_told(checkout: Checkout) -> None:
    checkout.edit(STORES, "cast(units as bigint) as units", "-cast(units as bigint) as units")
    (checkout.project / "models/marts/sales/agg_new.sql").write_text(
        "-- grain: one row per store\nselect store_id, count(*) as weeks from {{ ref('agg_sales_weekly_store') }} group by store_id"
    )
    found, _, code = checkout.review()
    notes = {table["relation"]: table["note"] for table in found["tables"]}
    assert notes["marts.agg_sales_weekly_store"] == "not built: it failed"
    assert found["state"] == "FAILED" and code == 1
    assert "breaks a rule of its contract" in found["findings"][0]["what"]


def test_a_test_that_alone_is_new_is_run(checkout: Checkout) -> None:
    (checkout.project / "tests/reconciliation/no_stores.sql").write_text(
        "select store_id from {{ ref('dim_stores') }}"
    )
    found, _, code = checkout.review()
    assert ([one["node"] for one in found["findings"]], code) == (["no_stores"], 1)


def test_a_view_that_cannot_be_read_fails_and_shows_no_name(checkout: Checkout) -> None:
    checkout.edit(
        "models/staging/loyalty/stg_loyalty__households.sql",
        "        postal_code,\n",
        "        if(registered_on is null, postal_code, ('P' || postal_code)::integer::varchar) as postal_code,\n",
    )
    found, _, code = checkout.review()
    assert [one["what"] for one in found["findings"]] == [
        "cannot be read: Conversion Error: Could not convert string … (cut: it may quote a value)"
    ]
    assert code == 1


def test_a_metric_that_cannot_be_answered_fails(checkout: Checkout) -> None:
    old = "{name: gift_card_usd, agg: sum}"
    checkout.edit(
        "models/semantic/_semantic_models.yml", old, "{name: gift_card_usd, agg: sum, expr: no_such_column}"
    )
    found, _, code = checkout.review()
    assert ([one["node"] for one in found["findings"]], code) == (["gift_card_sales"], 1)


def test_only_the_change_is_left_where_the_generation_is_older_than_the_base(checkout: Checkout) -> None:
    checkout.edit(STORES, "        households,\n", "        greatest(households - 1, 1) as households,\n")
    checkout.git("commit", "-am", "Change the base")
    checkout.git("branch", "-f", "newer")
    checkout.edit(STORES, "count(*) as baskets", "count(basket_id) as baskets")
    found, said, code = checkout.review("--base", "newer")
    assert "differs from the base in" in said
    assert [table["rows"]["changed"] for table in found["tables"]] == [0]
    assert code == 1  # the test that compares households fails at the base as well


def test_what_cannot_be_reviewed_is_said(checkout: Checkout, tmp_path: Path) -> None:
    assert "no branch or commit nonsense" in checkout.review("--base", "nonsense")[1]
    checkout.edit(STORES, "count(*) as baskets", "count(basket_id) as baskets")
    nothing = Checkout(tmp_path, checkout.project)
    found, _, code = nothing.review()
    assert (found["state"], code) == ("NOT VERIFIABLE", 1)
    with (checkout.data / "history/locks/review.lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "review is locked" in checkout.review()[1]
