"""`larder incident label`: what it writes, and what it refuses."""

from datetime import date
from pathlib import Path

import pytest
from conftest import Instance

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.ops import incidents

HEAD = "relation_name,measure,member,first_date,last_date,reason,labelled_by\n"
FIRST, LAST = date(2017, 1, 2), date(2017, 1, 3)


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "incidents.csv"
    file.write_text(HEAD)
    monkeypatch.setattr(incidents, "FILE", file)
    monkeypatch.setenv("USER", "ana")
    return file


def test_the_seed_begins_with_these_columns() -> None:
    assert incidents.FILE.read_text().startswith(HEAD)


def test_an_incident_is_a_row_after_the_others(published: Instance, seed: Path) -> None:
    paths = Paths(published.data)
    incidents.label(paths, "fct_baskets", "all", "all", FIRST, LAST, "New Year, and\nthe day after")
    incidents.label(paths, "fct_basket_lines", "mean(sales_usd)", "all", FIRST, FIRST, "cents")
    assert seed.read_text() == HEAD + (
        'fct_baskets,all,all,2017-01-02,2017-01-03,"New Year, and the day after",ana\n'
        "fct_basket_lines,mean(sales_usd),all,2017-01-02,2017-01-02,cents,ana\n"
    )
    with pytest.raises(LarderError, match="has an incident from 2017-01-02"):
        incidents.label(paths, "fct_baskets", "all", "all", FIRST, FIRST, "again")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"relation": "fct_basket"}, "no relation fct_basket is watched"),
        ({"measure": "mean"}, "no measure mean is watched"),
        ({"measure": "freshness", "member": "store_id=0"}, "no member store_id=0 is watched"),
        ({"last": date(2017, 1, 1)}, "--last 2017-01-01 is before --first 2017-01-02"),
        ({"reason": " "}, "needs a reason"),
        ({"reason": "=1+1"}, "begins with a letter"),
        ({"last": date(2071, 1, 3)}, "more than 92 days"),
    ],
)
def test_what_would_change_nothing_is_refused(
    published: Instance, seed: Path, changed: dict[str, str], message: str
) -> None:
    given = {
        "relation": "fct_baskets",
        "measure": "all",
        "member": "all",
        "first": FIRST,
        "last": LAST,
        "reason": "a fault",
    }
    with pytest.raises(LarderError, match=message):
        incidents.label(Paths(published.data), **{**given, **changed})  # type: ignore[arg-type]
    assert seed.read_text() == HEAD


def test_a_seed_that_cannot_be_read_is_told(published: Instance, seed: Path) -> None:
    seed.write_bytes(b"\xff\xfe")
    with pytest.raises(LarderError, match=r"seeds/incidents.csv cannot be read"):
        incidents.label(Paths(published.data), "fct_baskets", "all", "all", FIRST, LAST, "New Year")
