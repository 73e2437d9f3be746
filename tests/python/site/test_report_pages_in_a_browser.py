"""Reports in a browser: what a reader chooses, by pointer and keyboard, from disk, and when something is missing."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from conftest import PROJECT, Instance
from desk import Desk, known, page
from playwright.sync_api import Browser, Page, expect
from test_catalog_browser import serious

from larder.site.reports import formats

SALES = """
select week, store, day, department, (week * 1000 + store * 100 + strlen(department) + 0.25)::decimal(18, 2) as sales_usd
from range(1, 4) as weeks (week), range(1, 131) as stores (store),
    (values ('bread'), ('pie'), ('x<y> & "z"')) as departments (department), (values (date '2017-03-01' + week::int)) as days (day)
where week < 3 or store <> 2
"""

QUERIES = """
```sql weeks
select week, 'week ' || week as label from (select distinct week from marts.sales) order by week
```

```sql stores
select distinct store from marts.sales order by store
```

```sql total
select week, store, sum(sales_usd) as sales_usd from marts.sales where store < 4 or store > 128 group by week, store order by week, store
```

```sql departments
select week, store, department, sales_usd from marts.sales where store < 4 or store > 128
order by week, store, if(week = 2, -sales_usd, sales_usd), department
```

```sql daily
select week, day, sum(sales_usd) as sales_usd from marts.sales group by week, day order by week, day
```
"""

BODY = (
    QUERIES
    + """
# {{ total.sales_usd | usd }} in {{ weeks.label }}

What store {{ stores.store }} sold, by fct_orders.

```figures
- {label: Net sales, value: "{{ total.sales_usd | usd }}"}
```

## Departments

```chart
query: departments
title: "{{ departments[0].department }} first"
alt: "{{ departments[0].department }} in a picture"
mark: bar
encoding:
  y: {field: department, type: nominal, sort: null}
  x: {field: sales_usd, type: quantitative}
```

```table
query: departments
title: "Departments of store {{ stores.store }}"
rows: 2
```

## Days

```chart
query: daily
title: Days
mark: line
encoding:
  x: {field: day, type: temporal}
  y: {field: sales_usd, type: quantitative}
```

"""
)

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "a|b",
]

ODD = """
```sql q
select name, n, name as shown from marts.odd order by n
```

# {{ q.shown }}

```figures
- {label: "{{ q.shown }}", value: "{{ q.shown }}"}
```

```chart
query: q
title: "{{ q.shown }}"
mark: bar
encoding:
  y: {field: shown, type: nominal}
  x: {field: n, type: quantitative}
  color: {field: shown, type: nominal}
```
"""

FILTERS = [
    {"name": "week", "label": "Week", "query": "weeks"},
    {"name": "store", "label": "Store", "query": "stores"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A site of two pages: one has two filters, of three choices and of 130, the other odd texts."""
    room = tmp_path_factory.mktemp("desk")
    made = Desk(room, known(room / "base"))
    odd = ", ".join(f"('{one}', {place}.5)" for place, one in enumerate(HOSTILE))
    made.share({"sales": SALES, "odd": f"select * from (values {odd}) as odd (name, n)"})
    made.with_catalog()
    names = [{"name": "name", "label": "Name", "query": "q"}]
    assert made.write({"shop": page(BODY, filters=FILTERS), "odd": page(ODD, filters=names)}) == {}
    return made


class Seen:
    """A page that is open, and what is odd about it: requests outside the site, complaints, dialogs."""

    def __init__(
        self, browser: Browser, folder: Path, name: str = "shop.html", zone: str = "UTC", **options: Any
    ) -> None:
        self.context = browser.new_context(
            timezone_id=zone, **{"viewport": {"width": 1400, "height": 900}} | options
        )
        self.page, self.odd = self.context.new_page(), list[str]()
        self.page.on(
            "request",
            lambda asked: self._note(
                asked.url,
                asked.url.startswith(
                    (f"file://{folder.resolve().parent}/", f"file://{folder.parents[1]}/", "data:")
                ),
            ),
        )
        self.page.on("console", lambda message: self._note(message.text))
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("dialog", lambda dialog: (self._note(dialog.message), dialog.dismiss()))  # type: ignore[func-returns-value]
        self.address = f"file://{folder}/{name}"
        self.page.goto(self.address)

    def _note(self, text: str, is_fine: bool = False) -> None:
        if not is_fine:
            self.odd.append(text)

    def choose(self, week: int | None = None, store: object = None) -> None:
        if week is not None:
            self.page.get_by_label("Week").select_option(str(week))
        if store is not None:
            self.page.locator("[name=store]").fill(str(store))
            self.page.keyboard.press("Tab")


@pytest.fixture
def seen(browser: Browser, desk: Desk) -> Iterator[Seen]:
    found = Seen(browser, desk.folder)
    yield found
    found.context.close()


def title(page: Page) -> Any:
    return page.get_by_role("heading", level=1)


def expect_shown(page: Page, week: int, store: int) -> None:
    """Heading, card and table have the figures of SQL, to the cent."""
    of = [week * 1000 + store * 100 + n + 0.25 for n in (5, 3, 10)]
    expect(title(page)).to_have_text(f"{formats.usd(sum(of))} in week {week}")
    expect(page.locator(".kpis .value")).to_have_text(formats.usd(sum(of)))
    rows = page.locator("figure.chart:has(> .scroll) tbody tr")
    expect(rows.locator("td").last).to_have_text(formats.usd(sorted(of, reverse=week == 2)[1]))
    assert "1 more row in the file." in page.locator("figure:has(> .scroll)").inner_text()


def test_choices_show_the_figures_of_sql_and_stay_in_the_address(seen: Seen, desk: Desk) -> None:
    page = seen.page
    first = page.locator("#b3 .fragment").inner_html()
    expect_shown(page, 1, 1)
    seen.choose(week=2)
    expect_shown(page, 2, 1)
    seen.choose(store=130)
    expect_shown(page, 2, 130)
    assert page.url.endswith("#week=2&store=130")
    expect(page.get_by_role("status")).to_have_text("Week: week 2; Store: 130.")
    page.goto("about:blank")
    page.goto(f"{seen.address}#week=3&store=129")
    expect_shown(page, 3, 129)
    page.evaluate("location.hash = '#week=99&store=1&other=<b>'")
    expect_shown(page, 1, 1)
    seen.choose(week=2, store=3)
    expect_shown(page, 2, 3)
    seen.choose(week=1, store=1)
    expect_shown(page, 1, 1)
    assert "#" not in page.url
    assert page.locator("#b3 .fragment").inner_html() == first
    assert (
        page.evaluate("new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size")
        == page.locator("[id]").count()
    )
    assert seen.odd == []


def test_only_the_last_of_quick_choices_is_shown(seen: Seen) -> None:
    seen.page.evaluate("""() => {
        const [week, store] = ["week", "store"].map((name) => document.querySelector(`[name=${name}]`));
        for (const [at, value] of [[week, 2], [week, 3], [store, 2], [store, 3], [week, 2]]) {
            at.value = value; at.dispatchEvent(new Event("change", {bubbles: true}));
        }
    }""")
    expect_shown(seen.page, 2, 3)
    expect(seen.page.locator("#b3 h3")).to_have_text('x<y> & "z" first')
    seen.page.evaluate("""() => {
        const week = document.querySelector("[name=week]");
        for (const value of [3, 2]) { week.value = value; week.dispatchEvent(new Event("change", {bubbles: true})); }
    }""")
    seen.page.wait_for_timeout(300)
    expect_shown(seen.page, 2, 3)
    assert seen.odd == []


def test_a_choice_that_is_none_and_one_without_rows(seen: Seen) -> None:
    seen.choose(store="999")
    expect(seen.page.locator("[name=store]")).to_have_value("1")
    expect_shown(seen.page, 1, 1)
    seen.choose(week=3, store=2)
    expect(title(seen.page)).to_have_text("Shop")
    expect(seen.page.locator("#b1")).to_contain_text("Nothing to show for this choice.")
    expect(seen.page.locator("#b3")).to_contain_text("Nothing to show for this choice.")
    seen.choose(store=3)
    expect_shown(seen.page, 3, 3)
    assert seen.odd == []


LABELS = "[...document.querySelectorAll('#b3 .plot .role-mark [aria-label]')].filter((mark) => mark.getClientRects().length).map((mark) => mark.ariaLabel)"
DAYS = LABELS.replace("#b3", "#b6")


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_what_the_browser_draws_says_what_the_page_said(browser: Browser, desk: Desk, zone: str) -> None:
    seen = Seen(browser, desk.folder, zone=zone)
    first, days = seen.page.evaluate(LABELS), seen.page.evaluate(DAYS)
    assert [label.split("department: ")[1].split(";")[0] for label in first] == ["pie", "bread", 'x<y> & "z"']
    assert "2 Mar 2017" in str(days)
    seen.choose(week=2)
    expect_shown(seen.page, 2, 1)
    drawn = seen.page.evaluate(LABELS)
    assert [label.split("department: ")[1].split(";")[0] for label in drawn] == ['x<y> & "z"', "bread", "pie"]
    assert "3 Mar 2017" in str(seen.page.evaluate(DAYS))
    # The first state, drawn by the browser, is that of the build.
    redrawn = seen.page.evaluate("""async () => {
        const block = document.getElementById("b3"), spec = JSON.parse(block.querySelector(".spec").textContent).wide;
        const rows = [{department: "pie", sales_usd: 1103.25}, {department: "bread", sales_usd: 1105.25}, {department: 'x<y> & "z"', sales_usd: 1110.25}];
        const [one, ...others] = spec.data, room = document.createElement("div");
        await vegaEmbed(room, {...spec, data: [{...one, values: rows}, ...others]}, {mode: "vega", renderer: "svg", actions: false});
        return [...room.querySelectorAll(".role-mark [aria-label]")].map((mark) => mark.getAttribute("aria-label"));
    }""")
    assert redrawn == first
    assert seen.odd == []
    seen.context.close()


def test_focus_and_open_parts_survive_and_marks_speak_to_the_keyboard(seen: Seen) -> None:
    page = seen.page
    page.locator("#b3 .rows summary").click()
    page.locator("#b3 .rows summary").focus()
    page.evaluate("""() => { const week = document.querySelector("[name=week]");
        week.value = 2; week.dispatchEvent(new Event("change", {bubbles: true})); }""")
    expect_shown(page, 2, 1)
    expect(page.locator("#b3 .rows")).to_have_attribute("open", "")
    expect(page.locator("#b3 .rows summary")).to_be_focused()
    page.locator("#b3 .plot").focus()
    tip = page.locator(".tip")
    for key, said in (
        ("ArrowRight", "x<y>"),
        ("ArrowDown", "bread"),
        ("ArrowLeft", "x<y>"),
        ("ArrowUp", "pie"),
    ):
        page.keyboard.press(key)
        expect(tip).to_contain_text(said)
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.locator("#b3 .role-mark [aria-label]:visible").first.hover()
    expect(tip).to_contain_text("sales_usd")
    assert seen.odd == []


def test_a_script_that_is_missing_is_told_and_asked_for_again(browser: Browser, desk: Desk) -> None:
    shard = desk.folder / "shop.data/week-0.js"
    away = shard.rename(shard.with_suffix(".away"))
    try:
        seen = Seen(browser, desk.folder)
        seen.choose(week=2)
        status = seen.page.get_by_role("status")
        expect(status).to_contain_text("could not be loaded. What you see is of the choice before.")
        expect_shown(seen.page, 1, 1)
        seen.choose(week=1)
        expect(status).to_have_text("Week: week 1; Store: 1.")
        seen.choose(week=3)
        expect(status).to_contain_text("could not be loaded")
    finally:
        away.rename(shard)
    seen.choose(week=2)
    expect_shown(seen.page, 2, 1)
    expect(status).to_have_text("Week: week 2; Store: 1.")
    seen.context.close()


def test_a_page_that_was_written_again_shows_no_figure_of_the_new_one(browser: Browser, desk: Desk) -> None:
    shard = desk.folder / "shop.data/week-0.js"
    text = shard.read_text()
    shard.write_text(re.sub(r"of \w+", "of another", text, count=1))
    try:
        seen = Seen(browser, desk.folder)
        seen.choose(week=2)
        expect(seen.page.get_by_role("status")).to_contain_text("This page was written again: reload it")
        expect_shown(seen.page, 1, 1)
        seen.context.close()
    finally:
        shard.write_text(text)


def test_a_filter_may_have_any_name(browser: Browser, desk: Desk) -> None:
    asked = "```sql q\nselect 'n' || item as item from range(2) as q (item) order by item\n```\n\n# It is {{ q.item }}\n"
    made = Desk(desk.room / "item", desk.facts)
    made.share({"sales": "select 1 as n"})
    made.with_catalog()
    assert made.write({"shop": page(asked, filters=[{"name": "item", "label": "Item", "query": "q"}])}) == {}
    seen = Seen(browser, made.folder)
    seen.page.get_by_label("Item").select_option("n1")
    expect(seen.page.get_by_role("heading", level=1)).to_have_text("It is n1")
    seen.context.close()


def test_print_and_no_script(browser: Browser, desk: Desk, seen: Seen) -> None:
    seen.choose(week=2)
    seen.page.emulate_media(media="print")
    expect(seen.page.locator(".filters")).to_be_hidden()
    expect(seen.page.locator(".chosen")).to_be_visible()
    plain = Seen(browser, desk.folder, java_script_enabled=False)
    expect(plain.page.locator(".filters")).to_be_hidden()
    expect(title(plain.page)).to_contain_text("in week 1")
    expect(plain.page.locator("#b3 .plot svg").first).to_be_visible()
    plain.context.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_a_changed_page_fits_and_is_accessible(browser: Browser, desk: Desk, width: int) -> None:
    seen = Seen(browser, desk.folder, viewport={"width": width, "height": 800})
    seen.choose(week=2)
    expect_shown(seen.page, 2, 1)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.odd == []  # what axe loads comes after
    for scheme in ("light", "dark"):
        seen.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert serious(seen.page) == [], scheme
    seen.context.close()


def test_texts_of_the_data_do_nothing(browser: Browser, desk: Desk) -> None:
    seen = Seen(browser, desk.folder, "odd.html")
    for one in HOSTILE:
        seen.page.get_by_label("Name").select_option(one)
        expect(title(seen.page)).to_have_text(one)
        seen.page.locator("#b2 .role-mark [aria-label]:visible").first.hover()
        expect(seen.page.locator(".tip")).to_contain_text(one[:5])
    assert seen.page.locator("img").count() == 0
    assert seen.odd == []
    seen.context.close()


WIRE = 1_500_000
"""Bytes of a page as a web server sends it: with its scripts and the largest part of each filter's states."""


def real_pages(published: Instance) -> list[Path]:
    return sorted(
        page for folder in ("site/reports", "pages/[!.]*") for page in published.data.glob(f"{folder}/*.html")
    )


@pytest.mark.parametrize(
    "names", [["index", "sales", "offers"], pytest.param([], id="all", marks=pytest.mark.nightly)]
)
def test_pages_of_the_project_on_a_few_days(names: list[str], published: Instance, browser: Browser) -> None:
    found = real_pages(published)
    assert len(found) == len([*PROJECT.glob("reports/*.md")])
    for file in [one for one in found if not names or one.stem in names]:
        for width in (390, 1400):
            seen = Seen(browser, file.parent, file.name, viewport={"width": width, "height": 900})
            for control in seen.page.locator(".filters select").all():
                if (last := control.locator("option").last).count():
                    control.select_option(last.get_attribute("value"))
            seen.page.wait_for_load_state("networkidle")
            expect(title(seen.page)).to_have_count(1)
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, (file.name, width)
            assert seen.odd == [], (file.name, width)
            seen.context.close()


def test_pages_are_light(published: Instance) -> None:
    for file in real_pages(published):
        states: dict[str, int] = {}
        for shard in file.with_suffix(".data").glob("*.js"):
            name = shard.stem.rpartition("-")[0]
            states[name] = max(states.get(name, 0), sent(shard))
        scripts = sum(sent(script) for script in (published.data / "site/reports").glob("*.js"))
        style = sum(sent(published.data / "site/catalog" / name) for name in ("style.css", "site.js"))
        assert sent(file) + sum(states.values()) + scripts + style < WIRE, file.name


def sent(file: Path) -> int:
    return len(gzip.compress(file.read_bytes()))


@pytest.mark.nightly
@pytest.mark.parametrize("width", [390, 1400])
def test_every_page_of_the_project_is_accessible(published: Instance, browser: Browser, width: int) -> None:
    for file in real_pages(published):
        seen = Seen(browser, file.parent, file.name, viewport={"width": width, "height": 900})
        for scheme in ("light", "dark"):
            seen.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert serious(seen.page) == [], (file.name, scheme)
        seen.context.close()
