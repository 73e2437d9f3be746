"""The exposures that `larder yaml` writes of pages: what they read, whose they are, and what is left of pages that are gone."""

import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from larder.core.errors import LarderError
from larder.review.effect import pages
from larder.review.properties import exposures

PAGE = """---
title: "Shop: \\"one\\""
audience: {audience}
owner: {owner}
about: What was sold.
---

```sql sold
select sales_usd from marts.fct_orders
```

```sql again
select sales_usd from sold cross join dbt.models cross join observe.runs
```

# Sold

```figures
- {{label: Net sales, value: "{{{{ sold.sales_usd }}}}", metric: net_sales}}
```
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("reports", "models/semantic", "governance"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models/_groups.yml").write_text(
        "groups: [{name: sales, owner: {name: Sales, email: s@example.com}}]"
    )
    (tmp_path / "governance/audiences.yml").write_text(
        "audiences: {marketing: {tables: [fct_orders, runs]}, staff: {tables: [fct_orders, runs]}, public: {tables: [fct_orders]}}"
    )
    (tmp_path / "reports/shop.md").write_text(PAGE.format(audience="marketing", owner="sales"))
    return tmp_path


def test_an_exposure_has_the_tables_and_metrics_of_its_page(project: Path) -> None:
    [(path, text)] = exposures.files(project).items()
    assert path == project / "models/semantic/report_shop.yml"
    [found] = yaml.safe_load(text)["exposures"]
    assert found["depends_on"] == ["ref('fct_orders')", "ref('runs')", "metric('net_sales')"]
    assert found["label"] == 'Shop: "one"'
    assert found["owner"] == {"name": "Sales", "email": "s@example.com"}
    assert found["url"].endswith("/pages/marketing/shop.html")
    assert found["description"].strip() == "What was sold."


def test_a_page_that_is_gone_leaves_a_file_to_remove(project: Path) -> None:
    (project / "models/semantic/report_gone.yml").write_text("exposures: []")
    assert exposures.left_over(project, exposures.files(project)) == [
        "models/semantic/report_gone.yml: there is no such page in reports/; remove the file"
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PAGE.format(audience="staff", owner="nobody"), "line 1: the owner nobody is none of the groups"),
        (PAGE.format(audience="staff", owner="sales").replace("marts.", "raw."), "line 8: the query sold: raw.fct_orders"),
        ("# No page", "line 1: a page begins with front matter"),
    ],
)  # fmt: skip
def test_a_page_that_is_wrong_has_no_exposure(project: Path, text: str, reason: str) -> None:
    (project / "reports/shop.md").write_text(text)
    with pytest.raises(LarderError, match=reason):
        exposures.files(project)


@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        ("public", "line 12: the query again reads runs, which the audience public is not given"),
        ("nobody", "line 1: there is no audience nobody"),
    ],
)
def test_a_page_reads_what_its_audience_is_given(project: Path, audience: str, reason: str) -> None:
    (project / "reports/shop.md").write_text(PAGE.format(audience=audience, owner="sales"))
    with pytest.raises(LarderError, match=reason):
        exposures.files(project)


def test_a_review_tells_a_page_that_breaks_and_shows_no_other(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = tmp_path_factory.mktemp("before") / "project"
    text = PAGE.format(audience="staff", owner="sales").replace(
        " cross join dbt.models cross join observe.runs", ""
    )
    (project / "reports/shop.md").write_text(text)
    shutil.copytree(project, before)
    assert [one.note for one in pages.find(before, project)] == [""]
    (project / "reports/shop.md").write_text(text.replace("marts.fct_orders", "marts.dim_households"))
    (project / "reports/other.md").write_text(text.replace("marts.fct_orders", "'/etc/passwd'"))
    with duckdb.connect() as empty:
        notes = {one.name: one.note for one in pages.compare(pages.find(before, project), [], empty, empty)}
    assert "reads dim_households, which the audience staff is not given" in notes["shop"]
    assert "line 8: the query sold: /etc/passwd is not served" in notes["other"]
