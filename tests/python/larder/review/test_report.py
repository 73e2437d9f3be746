"""The verdict of a review, its waivers, and its report for changes of any size."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project.dbt import Node
from larder.review import report, waivers
from larder.review.change import changes
from larder.review.change.changes import Change, ContractBreak, Documented, NodeChange, Reached
from larder.review.effect.metrics import MetricReview
from larder.review.effect.tables import TableReview
from larder.review.review import Review, _failure, _judged
from larder.review.waivers import FILE, Waiver
from larder.warehouse.comparison import Rows
from larder.warehouse.slices import Slice

NODE = "model.larder.agg_sales"
BREAK = ContractBreak(NODE, "marts.agg_sales", "sales_usd", "goes away", was_versioned=False)
CHANGE = Change(
    "a",
    "b",
    nodes=(NodeChange(NODE, "changed", ("SQL",), "columns", ("units",), ("models/agg_sales.sql",)),),
    reached=(Reached("metric.larder.units", "metric", "columns", (), "sales", (NODE,)),),
)
ROWS = Rows(100, 100, 0, 0, 98, "by key (store_id)", ["store_id"], {"units": 98})
TABLE = TableReview(
    NODE, "marts.agg_sales", rows=ROWS, columns=21, slice=Slice("department = 'FUEL'", 96, 98, 4, 100)
)
WAIVER = Waiver("agg_sales", "The column was never right.", "sales", date(2999, 1, 1))


def test_a_pure_refactor_is_said_to_differ_in_no_row() -> None:
    same = replace(TABLE, rows=replace(ROWS, changed=0, columns={}, after=155_848), slice=None)
    review = Review("c0ffee", CHANGE, tables=[same])
    assert review.verdict == "review: no data change: passed"
    assert "0 of 155,848 rows differ in 21 columns, by key (store_id)" in report.markdown(review)


def test_no_change_at_all_is_said() -> None:
    assert Review("c0ffee", Change("a", "a")).verdict == "review: nothing that dbt builds changes: passed"


def test_what_moves_comes_first_and_says_where() -> None:
    by = [
        {
            "dimension": "department",
            "moved": 1,
            "all": 3,
            "segments": [{"value": "FUEL", "before": 2, "after": 3}],
        }
    ]
    review = Review("c0ffee", CHANGE, tables=[TABLE], metrics=[MetricReview("units", "items", 20, 21, by)])
    text = report.markdown(review)
    assert text.startswith("# review: 1 table changes data, 1 metric moves: passed\n")
    assert "98 % of the differing rows are `department = 'FUEL'`, 4 % of all rows" in text
    assert "| `units` `items` | 20 | 21 | +1 (+5.00%) | 1 of 3 by department: `FUEL` +1 (+50.00%) |" in text


@pytest.mark.parametrize(
    "lost",
    [
        replace(CHANGE, breaks=(BREAK,)),
        replace(CHANGE, tests=(changes.TestChange("test.larder.primary_key_agg_sales.1", NODE, "lost"),)),
        replace(
            CHANGE,
            tests=(changes.TestChange("test.larder.x.1", NODE, "changed", "severity", is_weaker=True),),
        ),
        replace(CHANGE, documented=(Documented(NODE, "sales_usd", "description", "What is sold.", ""),)),
    ],
)
def test_what_readers_lose_fails_unless_it_is_waived(lost: Change) -> None:
    assert _judged(Review("c0ffee", lost), []).state == "FAILED"
    waived = _judged(Review("c0ffee", lost), [WAIVER])
    assert (waived.state, len(waived.waived), waived.notes) == ("passed", 1, [])
    ended = _judged(Review("c0ffee", lost), [replace(WAIVER, until=date(2017, 1, 1))])
    assert ended.state == "FAILED" and "ended on 2017-01-01" in ended.notes[0]


def test_a_waiver_covers_what_it_names_and_is_missed_where_it_covers_nothing() -> None:
    other = _judged(Review("c0ffee", replace(CHANGE, breaks=(BREAK,))), [replace(WAIVER, columns=["units"])])
    assert other.state == "FAILED" and other.notes == ["the waiver of agg_sales is not needed by this change"]
    versioned = replace(CHANGE, breaks=(replace(BREAK, was_versioned=True),))
    assert _judged(Review("c0ffee", versioned), []).state == "passed"
    intended = _judged(Review("c0ffee", CHANGE, tables=[TABLE]), [WAIVER])
    assert intended.notes == [] and "Intended: `The column was never right.`" in report.markdown(intended)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("waivers: [{node: a, reason: b, reviewer: c}]", "until"),
        ("waivers: [{node: a, reason: b, reviewer: c, until: soon}]", "until"),
        ("waivers: [{node: a, reason: '', reviewer: c, until: 2999-01-01}]", "reason"),
        ("waivers: [{node: a, reason: b, reviewer: c, until: 2999-01-01, column: [d]}]", "column"),
        ("waivers: [{node: a, reason: b, reviewer: c, until: 2999-01-01, columns: d}]", "columns"),
        ("waivers: [agg_sales]", "waiver 1 .* node, reason, reviewer, until"),
        ("[", "waivers.yml"),
        ("", "no list of waivers"),
        ("waivers: [{node: a, reason: ' ', reviewer: c, until: 2999-01-01}]", "reason"),
        ("waivers: [{node: a, reason: b, reviewer: c, until: 2999-02-30}]", "day is out of range"),
        ("[" * 5000, "waivers.yml"),
    ],
)
def test_a_waiver_that_is_not_complete_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text)
    with pytest.raises(LarderError, match=wrong):
        waivers.read(tmp_path)


def test_a_lost_test_of_no_model_is_waived_by_its_own_name() -> None:
    lost = replace(CHANGE, tests=(changes.TestChange("test.larder.totals_match", "", "lost"),))
    assert _judged(Review("c0ffee", lost), [replace(WAIVER, node="totals_match")]).state == "passed"


@pytest.mark.parametrize(
    "message",
    [
        "Conversion Error: Could not convert string 'Ann O'Neil\n' to INT32 when casting from source column first_name",
        'Constraint Error: Duplicate key "household_id: 4711" violates primary key constraint',
        "Conversion Error: Type INT64 with value 4711 can't be cast",
        "Invalid Input Error: Ann must not be here",
    ],
)
def test_an_error_shows_no_value_of_a_row(message: str) -> None:
    said = _failure(Node("model.larder.dim_people", "error", 0, message, 0.1)).what
    assert "Error: " in said and "may quote a value" in said
    assert not any(value in said for value in ("Ann", "Neil", "4711"))


def test_an_error_of_the_sql_is_told_as_it_is() -> None:
    message = 'Binder Error: Referenced column "naem" not found in FROM clause!'
    assert message in _failure(Node("model.larder.dim_people", "error", 0, message, 0.1)).what


def test_a_table_that_is_not_built_is_not_said_to_be_the_same() -> None:
    missing = replace(TABLE, rows=None, slice=None, is_missing=True, note="not built: it reads what failed")
    text = report.markdown(Review("c0ffee", CHANGE, tables=[missing]))
    assert "Not compared: `marts.agg_sales` not built: it reads what failed." in text
    assert "the same" not in text


def test_the_projects_own_waivers_can_be_read() -> None:
    waivers.read(Paths(Path("/")).project)


def test_a_report_of_any_size_fits_into_a_comment(tmp_path: Path) -> None:
    """With names and texts that mean something to Markdown, HTML or a terminal."""
    odd = "x|y`<script>@everyone\x1b[31m" + "z" * 300
    tables = [replace(TABLE, node=f"model.larder.t{n}", relation=f"marts.{odd}{n}") for n in range(3000)]
    nodes = tuple(NodeChange(one.node, "changed", ("SQL",) * 20, "rows", files=(odd,)) for one in tables)
    reached = tuple(Reached(one.node, "model", "rows", (), odd, (tables[0].node,)) for one in tables)
    metrics = [MetricReview(f"m{n}", odd, 1, 2) for n in range(500)]
    review = _judged(
        Review("c0ffee", replace(CHANGE, nodes=nodes, reached=reached), tables=tables, metrics=metrics), []
    )
    folder = report.write(Paths(tmp_path), review)
    text = (folder / "review.md").read_text()
    assert len(text) < report.MOST_CHARACTERS and text.startswith(
        "# review: 3,000 tables change data, 500 metrics move"
    )
    assert "more tables: they are on the page" in text
    assert "\x1b" not in text and "`<script>" not in text
    page = (folder / "index.html").read_text()
    assert "<script>" not in page and "t2999" in page


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (Decimal(1), 1.5, "+0.5 (+50.00%)"),
        (0, 2.0, "+2"),
        (2, Decimal(1), "-1 (-50.00%)"),
        (date(2017, 1, 1), date(2017, 1, 2), "–"),
        (None, 1, "–"),
    ],
)
def test_a_difference_of_figures_of_any_types(before: Any, after: Any, said: str) -> None:
    assert report.difference(before, after) == said


def test_what_could_not_be_verified_is_no_pass() -> None:
    nothing = Review("c0ffee", CHANGE, not_verified="nothing is published yet, so no data were compared")
    assert (nothing.state, nothing.verdict.count("nothing is published")) == ("NOT VERIFIABLE", 1)
