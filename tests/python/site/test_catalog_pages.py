"""The pages of the catalog: what is on them, that their links lead somewhere, and that no text of the data gets out of hand."""

import html
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from urllib.parse import unquote, urldefrag

import bases
import pytest
from conftest import Instance, copy_of
from hypothesis import given, settings
from hypothesis import strategies as st

from larder.catalog import metadata
from larder.site import drawing, facts, render, text
from larder.site.drawing import BETWEEN_BOXES, Box, Edge
from larder.site.pages import place_of

TARGET = re.compile(r'(?:href|src)="([^"]*)"')
OUTSIDE = ("mailto:", "data:", "http://", "https://")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("shop")
    return bases.written(bases.shop(room / "base"), room / "catalog")


@pytest.fixture(scope="module")
def real(published: Instance) -> Path:
    """The catalog that `larder run` has written of the real project."""
    return published.data / "site/catalog"


def links(folder: Path) -> Iterator[tuple[Path, str]]:
    for page in folder.rglob("*.html"):
        for link in TARGET.findall(page.read_text()):
            yield page, html.unescape(link)


def column(page: Path, name: str) -> str:
    """The part of a page that is about a column."""
    return page.read_text().split(f'id="column-{name}"')[1].split("</article>")[0]


@pytest.mark.parametrize("site", ["shop", "real"])
def test_every_link_leads_to_a_page_and_a_place_on_it(site: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(site)
    ids: dict[Path, set[str]] = {}
    dead = []
    for page, link in links(folder):
        if link.startswith(OUTSIDE) or "docs/index.html" in link:
            continue
        name, place = urldefrag(link)
        target = (page.parent / unquote(name)).resolve() if name else page.resolve()
        if site == "shop" and not target.is_relative_to(
            folder.resolve()
        ):  # the rest of a site, which is not written here
            continue
        if not target.is_file():
            dead.append((page.name, link))
        elif place:
            if target not in ids:
                ids[target] = set(re.findall(r'id="([^"]*)"', target.read_text()))
            if unquote(place) not in ids[target]:
                dead.append((page.name, link))
    assert dead == []


def test_texts_of_the_data_stay_texts(shop: Path) -> None:
    for page in shop.rglob("*.html"):
        content = page.read_text()
        assert "<script>alert" not in content, page
        assert 'href="javascript:' not in content, page
        assert "<img" not in content, page
    source = next(shop.glob("source/*.html")).read_text()
    assert "&lt;script&gt;alert" in source


def test_no_value_of_a_personal_column_is_shown(shop: Path) -> None:
    page = shop / "model/marts.fct_orders.html"
    assert "value of sales_usd" in column(page, "sales_usd")
    everything = "".join(file.read_text() for file in shop.rglob("*") if file.is_file())
    assert "least of note" not in everything
    assert "value of note" not in everything
    assert "secret" not in everything
    assert "personal: no values" in column(page, "note")
    assert "one of 1 values" in page.read_text()


def test_a_column_leads_to_its_origin_and_to_all_that_it_reaches(shop: Path) -> None:
    end = column(shop / "model/marts.fct_orders.html", "sales_usd")
    assert re.search(r'href="\.\./source/[^"]*#column-paid"', end)
    begin = column(next(shop.glob("source/*.html")), "paid")
    for place in (
        "model/staging.stg_orders.html#column-paid_usd",
        "model/marts.fct_orders.html#column-sales_usd",
    ):
        assert f'href="../{place}"' in begin
    assert 'href="../metric/net_sales.html"' in begin
    assert 'href="../exposure/review.html"' in begin
    assert 'href="../model/marts.fct_orders.html"' in column(
        shop / "model/staging.stg_orders.html", "is_valid"
    )
    assert "paid / 100" in column(shop / "model/staging.stg_orders.html", "paid_usd")
    assert "lineage unresolved" in column(shop / "model/marts.fct_orders.html", "odd")


def test_from_a_mart_of_the_real_project_to_the_tills_and_back(real: Path) -> None:
    assert "raw.pos__transactions.html#column-sales_value" in column(
        real / "model/marts.fct_baskets.html", "sales_usd"
    )
    reached = column(real / "model/staging.stg_pos__transactions.html", "sales_usd")
    for place in ("marts.fct_baskets.html#column-sales_usd", "marts.agg_sales_daily.html#column-sales_usd"):
        assert place in reached
    assert "metric/net_sales.html" in reached
    assert "exposure/question_decisions.html" in reached


def test_two_clicks_lead_to_what_a_coupon_costs(real: Path) -> None:
    def clicks(page: Path) -> set[Path]:
        found = (urldefrag(link)[0] for link in TARGET.findall(page.read_text()))
        return {(page.parent / link).resolve() for link in found if link.endswith(".html")}

    first = {page for page in clicks(real / "index.html") if page.is_relative_to(real.resolve())}
    second = set().union(*map(clicks, first))
    [answer] = [page for page in second if page.name == "marts.agg_discounts_weekly_category.html"]
    assert "What do loyalty discounts, coupons and their match cost" in html.unescape(answer.read_text())


def test_every_node_of_the_real_project_has_a_page(real: Path, published: Instance) -> None:
    base = metadata.open_base(published.warehouse.parent / "metadata")
    [(nodes,)] = base.execute(
        "select count(*) from dbt.dag_nodes where resource_type in ('model', 'seed', 'source', 'metric', 'exposure')"
    ).fetchall()
    folders = ("model", "seed", "source", "metric", "exposure")
    assert nodes == sum(1 for folder in folders for _ in (real / folder).glob("*.html"))


def test_what_the_glossary_points_to_exists(real: Path, published: Instance) -> None:
    found = facts.read(metadata.open_base(published.warehouse.parent / "metadata"))
    terms = found.rows("from larder.glossary")
    assert 25 <= len(terms) <= 50
    assert [(term["term"], name) for term in terms for name in term["see"] if not place_of(found, name)] == []
    assert (real / "glossary.html").read_text().count("<dt>") == len(terms)


def test_the_overview_tells_what_is_new(shop: Path) -> None:
    news = (shop / "index.html").read_text().split('id="news"')[1].split("</section>")[0]
    assert "new column</span>" in news and "sales_usd" in news
    assert "column gone</span>" in news and "gone</p>" in news
    assert "order_id" not in news
    history = (shop / "model/marts.fct_orders.html").read_text().split('id="history"')[1]
    assert "gone" in history.split("</section>")[0]


def test_build_times_and_results_have_a_history(shop: Path) -> None:
    page = (shop / "model/marts.fct_orders.html").read_text()
    assert "Build times of the last 2 builds" in page
    assert "order_id: unique and never null" in page
    assert "2 of 2" in page


def test_the_same_base_gives_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    again = bases.written(bases.shop(tmp_path / "base"), tmp_path / "catalog")
    assert {file.relative_to(again): file.read_bytes() for file in again.rglob("*.*")} == {
        file.relative_to(shop): file.read_bytes() for file in shop.rglob("*.*")
    }


def test_a_project_that_is_only_compiled_has_pages_too(tmp_path: Path) -> None:
    base = bases.empty(tmp_path / "base")
    bases.relation(base, "model", "dim_stores", "marts", {"store_id": "internal"})
    folder = bases.written(base, tmp_path / "catalog")
    assert "not built yet" in (folder / "index.html").read_text()
    assert "store_id" in (folder / "model/marts.dim_stores.html").read_text()


def test_an_error_leaves_the_old_set_and_leftovers_go(tmp_path: Path) -> None:
    target = tmp_path / "site/catalog"
    with render.replaced(target) as fresh:
        (fresh / "old.html").write_text("old")
    with pytest.raises(ZeroDivisionError), render.replaced(target) as fresh:
        (fresh / "new.html").write_text("new")
        assert [file.name for file in target.iterdir()] == ["old.html"]
        raise ZeroDivisionError
    assert [file.name for file in target.iterdir()] == ["old.html"]
    assert len([*(tmp_path / "site").iterdir()]) == 2  # the link and what it leads to
    (tmp_path / "site/.catalog-killed").mkdir()
    with render.replaced(target) as fresh:
        (fresh / "new.html").write_text("new")
    assert [file.name for file in target.iterdir()] == ["new.html"]
    assert len([*(tmp_path / "site").iterdir()]) == 3


def test_readers_find_a_set_at_any_time(tmp_path: Path) -> None:
    target = tmp_path / "catalog"

    def write(number: int) -> None:
        with render.replaced(target) as fresh:
            (fresh / "index.html").write_text(str(number))

    write(0)
    with ThreadPoolExecutor(1) as other:
        writing = other.submit(lambda: [write(number) for number in range(200)])
        seen = [int((target / "index.html").read_text())]
        while not writing.done():
            seen.append(int((target / "index.html").read_text()))
        writing.result()
    assert seen == sorted(seen)


@pytest.mark.parametrize("missing", ["metadata", "metadata/larder.glossary.parquet"])
def test_a_generation_of_an_earlier_version_says_what_to_do(
    missing: str, published: Instance, tmp_path: Path
) -> None:
    instance = Instance(tmp_path / "data")
    copy_of(published, instance.data)
    gone = instance.warehouse.parent / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    said = instance.larder("site", code=1).stderr
    assert "was built by an earlier version of Larder" in said
    assert "larder build --all" in said
    assert (instance.data / "site/catalog/index.html").exists()  # the last one stays


def test_names_in_a_text_are_links_and_nothing_else_is() -> None:
    known = {
        "fct_orders": "model/a.html",
        "fct_orders.paid_usd": "model/a.html#column-paid_usd",
        "sales": "x",
    }
    described = text.Descriptions(known.get).html
    shown = described("fct_orders.paid_usd of `fct_orders`, of [fct_orders](b.html), and sales", "../")
    assert '<a href="../model/a.html#column-paid_usd">fct_orders.paid_usd</a>' in shown
    assert '<a href="../model/a.html"><code>fct_orders</code></a>' in shown
    assert '<a href="b.html">fct_orders</a>' in shown
    assert shown.endswith("and sales</p>\n")
    assert described("fct_orders", "../", "model/a.html") == "<p>fct_orders</p>\n"


def test_only_nothing_is_0_percent_and_only_all_is_100() -> None:
    shares = [text.share(part, 1_000_000) for part in (0, 1, 500_000, 999_999, 1_000_000)]
    assert shares == ["0 %", "<0.1 %", "50 %", ">99.9 %", "100 %"]
    assert (text.share(0, 0), text.share(None, 1)) == ("–", "–")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_no_box_lies_over_another_and_lines_go_forward(pairs: list[tuple[int, int]]) -> None:
    edges = [Edge(str(a), str(b)) for a, b in pairs if a < b]
    boxes = [Box(str(n), [str(n)], 40 + n, 20 + 9 * (n % 3)) for n in range(13)]
    ranks = drawing.ranked(edges, [box.key for box in boxes])
    found = drawing.draw(boxes, edges, ranks)
    for one, other in combinations(found.boxes, 2):
        apart = abs(one.middle - other.middle) - (one.height + other.height) / 2
        assert one.x != other.x or apart >= BETWEEN_BOXES - 1
    assert all(ranks[edge.start] < ranks[edge.end] for edge in edges)
    assert all(box.y >= 0 and box.y + box.height <= found.height for box in found.boxes)


def test_a_circle_of_keys_is_drawn_all_the_same() -> None:
    edges = [Edge("a", "b"), Edge("b", "a")]
    boxes = [Box(name, [name], 50, 30) for name in "ab"]
    assert len(drawing.draw(boxes, edges, drawing.ranked(edges, "ab")).lines) == 2
