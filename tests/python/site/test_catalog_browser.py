"""The pages of the catalog in a browser: what leaves the machine, keyboard, small screens, accessibility, speed."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bases
import pytest
from axe_playwright_python.sync_playwright import Axe
from chromium import chromium
from conftest import Instance
from playwright.sync_api import Browser, Page, expect

KINDS = [
    "index.html",
    "tables.html",
    "metrics.html",
    "glossary.html",
    "guide.html",
    "domain/core.html",
    "model/marts.fct_baskets.html",
    "model/staging.stg_loyalty__households.html",
    "source/raw.pos__transactions.html",
    "seed/seeds.age_bands.html",
    "metric/basket_value.html",
    "exposure/question_customers.html",
]
"""A page of each kind."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def folder(published: Instance) -> Path:
    return published.data / "site/catalog"


@pytest.fixture(scope="module")
def disk(folder: Path) -> str:
    return f"file://{folder}/"


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[str]:
    """The site of an instance served below a path, as any web server might."""
    handler = partial(Quiet, directory=str(folder.parents[1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/site/catalog/"
    server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def opened(
    browser: Browser, address: str, width: int = 1280, scheme: str = "light"
) -> tuple[Page, list[str]]:
    """A page, and what it asks for and complains about outside its own folder, as long as it is open."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    odd: list[str] = []
    own = address.split("catalog/")[0] + "catalog/"
    page.on("request", lambda request: request.url.startswith((own, "data:")) or odd.append(request.url))
    page.on("console", lambda message: odd.append(message.text))
    page.on("pageerror", lambda error: odd.append(str(error)))
    page.on("dialog", lambda dialog: (odd.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    return page, odd


def serious(page: Page) -> list[tuple[str, str]]:
    """What axe finds serious or worse: the rule, and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("base", ["disk", "web"])
def test_search_by_keyboard_and_no_request_leaves(
    base: str, browser: Browser, request: pytest.FixtureRequest
) -> None:
    page, odd = opened(browser, request.getfixturevalue(base) + "index.html")
    page.keyboard.press("/")
    page.keyboard.type("what does a coupon cost us")
    found = page.get_by_role("option")
    expect(found.filter(has_text="marts.agg_discounts_weekly_category")).to_be_visible()
    page.get_by_label("Search the site").fill("fct_baskets.sales")
    expect(found.first).to_contain_text("sales_usd")
    page.keyboard.press("ArrowDown")
    expect(found.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/model/marts.fct_baskets.html#column-sales_usd")
    expect(page.locator("#column-sales_usd details")).to_have_attribute("open", "")
    page.keyboard.press("/")
    page.keyboard.type("net sal")
    expect(found.first).to_contain_text("Net sales")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    assert odd == []
    page.close()


def test_the_way_of_a_column_through_the_drawing(browser: Browser, disk: str) -> None:
    page, odd = opened(browser, f"{disk}model/marts.fct_baskets.html")
    page.get_by_label("Follow a column").select_option("sales_usd")
    lit = page.locator(".drawing .box.on")
    lines = page.get_by_role("link", name="marts.fct_basket_lines: One row")
    expect(lines.and_(lit)).to_contain_text("sales_usd")
    expect(page.locator(".drawing .line.on").first).to_be_visible()
    expect(page.locator(".drawing .box:not(.on)").first).to_be_attached()
    page.get_by_label("Follow a column").select_option("")
    expect(lit).to_have_count(0)
    page.locator(".drawing .box").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "fct_baskets" not in address)
    assert odd == []
    page.close()


def test_every_page_reads_without_javascript(browser: Browser, disk: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{disk}index.html")
    page.get_by_role("link", name="agg_discounts_weekly_category").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("marts.agg_discounts_weekly_category")
    expect(page.get_by_role("search")).to_be_hidden()
    context.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_page_fits_a_phone_and_is_accessible(browser: Browser, web: str, kind: str) -> None:
    page, odd = opened(browser, web + kind, width=360)
    page.evaluate("for (const one of [...document.querySelectorAll('details')].slice(-4)) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 800})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert serious(page) == [], scheme
    assert odd == []
    page.close()


def test_search_results_are_accessible(browser: Browser, web: str) -> None:
    page, _ = opened(browser, f"{web}index.html", scheme="dark")
    page.get_by_label("Search the site").fill("household")
    expect(page.get_by_role("option").first).to_be_visible()
    assert serious(page) == []
    page.close()


def test_texts_of_the_data_do_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    folder = bases.written(bases.shop(tmp_path / "base"), tmp_path / "catalog")
    for file in sorted(folder.rglob("*.html")):
        page, odd = opened(browser, f"file://{folder}/{file.relative_to(folder)}")
        page.get_by_label("Search the site").fill("script")
        expect(page.get_by_role("option").first).to_be_visible()
        assert odd == [], file.name
        page.close()


def test_the_first_page_is_quick_and_light(browser: Browser, web: str, folder: Path) -> None:
    page, _ = opened(browser, f"{web}index.html")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 1500
    page.wait_for_function("document.getElementById('search-data')")
    assert (
        sum((folder / name).stat().st_size for name in ("index.html", "style.css", "site.js", "search.js"))
        < 2e6
    )
    page.close()


@pytest.mark.nightly
def test_2000_tables_with_40000_columns(browser: Browser, tmp_path: Path) -> None:
    """Opened and searched at a size that few warehouses have."""
    folder = bases.written_lists(bases.many(tmp_path / "base", 2000, 20), tmp_path / "catalog")
    page, odd = opened(browser, f"file://{folder}/index.html")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 3000
    page.keyboard.press("/")
    page.wait_for_function("document.getElementById('search-data')")
    page.get_by_label("Search the site").fill("measure_1")
    expect(page.get_by_role("option").first).to_be_visible()
    took = page.evaluate("""() => {
        const input = document.getElementById('search'), began = performance.now();
        input.value = 'measure_1234_17';
        input.dispatchEvent(new Event('input'));
        document.getElementById('found').getBoundingClientRect();
        return performance.now() - began;
    }""")
    expect(page.get_by_role("option").first).to_contain_text("measure_1234_17")
    assert took < 300
    assert odd == []
    page.close()
