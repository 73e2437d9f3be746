"""Pairs of queries that can give other values: none may count as of the same meaning."""

import pytest

from larder.review.change.meaning import Meaning, meaning

SCHEMA = {"m.t": ["a", "b", "c", "d"], "m.u": ["a", "x", "y"]}


def of(sql: str) -> Meaning:
    return meaning(sql, SCHEMA, lambda relation: (relation, {}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "select x.b from m.t as x left join m.t as y on x.a = y.c",
            "select y.b from m.t as x left join m.t as y on x.a = y.c",
        ),
        (
            "select x.b from m.t as x inner join m.t as y on x.a < y.a",
            "select x.b from m.t as x inner join m.t as y on y.a < x.a",
        ),
        (
            "with q as (select a, b from m.t), r as (select a, b from m.t) select q.b from q left join r on q.a = r.b",
            "with q as (select a, b from m.t), r as (select a, b from m.t) select r.b from q left join r on q.a = r.b",
        ),
        (
            "select a from m.t as t where b = (select max(s.b) from m.t as s where s.a = t.a)",
            "select a from m.t as t where b = (select max(s.b) from m.t as s where s.a = s.a)",
        ),
        (
            "select sum(b) over v as s from m.t window w as (partition by c), v as (w order by d)",
            "select sum(b) over v as s from m.t window w as (partition by a), v as (w order by d)",
        ),
        (
            "select a, b from m.t order by all limit 3",
            "select b, a from m.t order by all limit 3",
        ),
    ],
)
def test_another_meaning_is_seen(one: str, other: str) -> None:
    assert of(one) != of(other)


def test_names_of_sources_and_windows_mean_nothing() -> None:
    joined = "select {0}.b, sum({1}.b) over {2} as s from m.t as {0} left join m.t as {1} on {0}.a = {1}.c window {2} as (order by {1}.d)"
    assert of(joined.format("x", "y", "w")) == of(joined.format("p", "q", "v"))
