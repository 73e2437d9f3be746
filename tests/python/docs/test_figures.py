"""What the pages say of the demo's data is what the data say: each sentence of docs/figures.yml, by its query.

After a change of definitions, with a warehouse of the whole year, from tests/python/docs:
`python -c "from test_figures import *; print(*wrong_figures(Path('…/larder.duckdb')), sep='\n')"`.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import PROJECT, Instance

NUMBER = re.compile(r"\d{4}-\d\d-\d\d|(?<!\w)-?\d+(?:,\d{3})*(?:\.\d+)?")
FIGURES: list[dict[str, str]] = yaml.safe_load((PROJECT / "docs/figures.yml").read_text())
"""Page, sentence (`says`) and query (`sql`) of each figure."""


def as_said(value: date | Decimal | float | None, said: str) -> str:
    """What a page has to say in place of a number or day: the value with as many digits."""
    if value is None or isinstance(value, date):
        return str(value)
    digits = Decimal(said.replace(",", ""))
    return format(Decimal(value).quantize(digits, ROUND_HALF_UP), "," if "," in said else "")


def wrong_figures(warehouse: Path) -> list[str]:
    """The figures that are not what a warehouse of the demo's whole year gives: page, sentence and right values."""
    wrong = []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for figure in FIGURES:
            said = NUMBER.findall(figure["says"])
            values = connection.execute(figure["sql"]).fetchone() or [None] * len(said)
            right = [as_said(value, number) for value, number in zip(values, said, strict=True)]
            if right != said:
                wrong.append(f"{figure['page']}: {figure['says']!r} has to say {', '.join(right)}")
    return wrong


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that the contracts promise, without a row."""
    with duckdb.connect() as connection:
        for schema in ("marts", "observe"):
            connection.execute(f"create schema {schema}")
            for file in (PROJECT / "models" / schema).rglob("*.yml"):
                for model in yaml.safe_load(file.read_text()).get("models", ()):
                    columns = ", ".join(f"{one['name']} {one['data_type']}" for one in model["columns"])
                    connection.execute(f"create table {schema}.{model['name']} ({columns})")
        yield connection


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: f"{figure['page']}: {figure['says'][:40]}")
def test_a_figure_is_on_its_page_and_its_query_fits_the_marts(
    figure: dict[str, str], empty: duckdb.DuckDBPyConnection
) -> None:
    page = " ".join((PROJECT / figure["page"]).read_text().split())
    assert figure["says"] in page, "the page says it in other words, or with other figures"
    columns = empty.execute(figure["sql"]).description
    assert len(columns) == len(NUMBER.findall(figure["says"])), "a column for each number, in their order"


@pytest.mark.nightly
def test_the_data_give_what_the_pages_say(year: Instance) -> None:
    assert not (wrong := wrong_figures(year.warehouse)), "\n".join(wrong)
