"""Pages as code: what is a page, what its queries may read, what its words and files say."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, known, page
from hypothesis import given, settings
from hypothesis import strategies as st

from larder.core.errors import LarderError
from larder.site import charts
from larder.site.reports import blocks, data, formats, write
from larder.site.reports import page as pages

ONE = "```sql one\nselect 1234.5::decimal(18, 2) as sales_usd, 3 as baskets, 0.031 as change, 'gin & <b>' as name\n```\n\n"
MANY = (
    "```sql many\nselect week, week * 10.1 as sales_usd from range(3) as weeks (week) order by week\n```\n\n"
)
NONE = "```sql nothing\nselect 1 as week, 2 as sales_usd where false\n```\n\n"
BAR = "mark: bar\nencoding: {x: {field: week, type: ordinal}, y: {field: sales_usd, type: quantitative}}\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    room = tmp_path_factory.mktemp("desk")
    made = Desk(room, known(room / "base"))
    made.share({"orders": "select 1 as store, 'a' as name, 10.00::decimal(18, 2) as sales_usd"})
    made.share({"households": "select 42 as household_id"}, "marketing")
    return made


@pytest.fixture
def own(desk: Desk, tmp_path: Path) -> Desk:
    """One that a test has for itself."""
    made = Desk(tmp_path, desk.facts)
    made.share({"orders": "select 10.00::decimal(18, 2) as sales_usd"})
    return made


def text(html: str) -> str:
    """What a reader sees of the story of a page."""
    story = html.split('<article class="story">')[1].split("</article>")[0]
    return " ".join(unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", story, flags=re.DOTALL)).split())


def shards(desk: Desk) -> dict[str, dict[str, Any]]:
    """The states of the blocks of the page, as the browser gets them."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((desk.folder / "shop.data").glob("*.js")):
        _, _, states = file.read_text().removesuffix(");\n").partition(",")
        for block, of in json.loads(states).items():
            found.setdefault(block, {}).update(of)
    return found


@pytest.mark.parametrize(
    ("wrong", "line", "reason"),
    [
        ("# No front matter", 1, "begins with front matter"),
        (page("# Hello", size="big"), 1, "size is unknown"),
        (page("# Hello", owner=None), 1, "owner is missing"),
        (page("# Hello", title=["a"]), 1, "title cannot be ['a']"),
        (page("# Hello", order="first"), 1, "order cannot be 'first'"),
        (page("# Hello", audience="../x"), 1, "'../x' is no name"),
        (page("# Hello", filters=[3]), 1, "3 is no mapping"),
        (page("# Hello", filters=[{"name": "a"}]), 1, "label is missing"),
        (
            page("# Hello", filters=[{"name": "a", "label": "A", "query": "q"}]),
            1,
            "no query q for the filter a",
        ),
        ("---\ntitle: a: b\n---\n# Hello", 2, "no YAML"),
        ("---\n- a\n---\n# Hello", 1, "a dict of YAML is expected"),
        (page(ONE), 1, "it shows nothing"),
        (page("```sql\nselect 1\n```"), 8, "needs a name of its own, not ''"),
        (page("```sql Big Name\nselect 1\n```"), 8, "needs a name of its own"),
        (page(ONE + ONE), 12, "needs a name of its own, not 'one'"),
        (page("# Hello\n\nThere\n\nare 5 % more"), 12, "a figure is typed"),
        (page("Hello\n\n{{ one.sales_usd }"), 10, "unexpected '}'"),
        (page("Hello\n\n{{ one | magic }}"), 10, "No filter named 'magic'"),
        (page("```chart\nquery: gone\ntitle: A\nmark: bar\n```"), 8, "there is no query gone"),
        (page(ONE + "```chart\nquery: one\nmark: bar\n```"), 12, "a chart needs title"),
        (page(ONE + "```chart\nquery: one\ntitle: A\n```"), 12, "a chart needs mark or layer"),
        (page(ONE + "```chart\nquery: [one]\ntitle: A\nmark: bar\n```"), 12, "query cannot be ['one']"),
        (page(ONE + "```chart\nquery: one\ntitle: A 5\nmark: bar\n```"), 12, "a figure is typed in 'A 5'"),
        (page(ONE + "```chart\nquery: one\ntitle: A\nalt: The 5\nmark: bar\n```"), 12, "a figure is typed"),
        (page(ONE + "```table\nquery: one\ntitle: A\nwidth: all\n```"), 12, "width is unknown"),
        (page(ONE + "```table\nquery: one\ntitle: A\nrows: many\n```"), 12, "rows cannot be 'many'"),
        (page(ONE + "```table\nquery: one\ntitle: {{ a }}\n```"), 14, "no YAML"),
        (page("```figures\n- {label: A, value: 5}\n```"), 8, "a figure is typed in '5'"),
        (page("```figures\n- {label: A}\n```"), 8, "value is missing"),
        (page("```figures\n- {label: A, value: B, metric: ../x}\n```"), 8, "'../x' is no name of a metric"),
        ("---\ntitle: &a [x]\nabout: *a\n---\n# Hello", 1, "an alias of YAML"),
        ("---\ntitle: 2026-13-45\n---\n# Hello", 2, "month must be in 1..12"),
        (page("# Hello", title="\0"), 1, "a character that no page can show"),
        (page("# Hello", audience="a" * 99), 1, "is no name"),
        (page(ONE, filters=[{"name": "a", "label": "A", "query": "one"}] * 2), 1, "two filters"),
        (page("{{ " + "(" * 9999 + " }}"), 8, "recursion"),
        (page("# Hello" + " there" * 20_000), 1, "100,000 bytes at most"),
        (page("```figures\nlabel: A\n```"), 8, "a list of YAML is expected"),
        (page("# Hello\n\n```chrt\nquery: one\n```"), 10, "chrt is no part of a page"),
    ],
)
def test_what_is_no_page_is_told_with_file_and_line(
    tmp_path: Path, wrong: str, line: int, reason: str
) -> None:
    file = tmp_path / "shop.md"
    file.write_text(wrong)
    with pytest.raises(LarderError, match=re.escape(reason)) as error:
        pages.read(file, "shop")
    assert str(error.value).startswith(f"{file}, line {line}: ")
    assert error.value.next_step


def test_what_its_author_does_not_claim_may_have_digits(desk: Desk) -> None:
    said = "# `fct_2` and [that](https://example.com/2017) of {{ '90 %' }}{# 5 #}{% if 1 %} always{% endif %}\n\n```\n5\n```\n"
    assert "fct_2 and that of 90 % always" in text(desk.written(page(said)))


def test_files_that_are_no_pages(tmp_path: Path) -> None:
    (tmp_path / "reports/folder.md").mkdir(parents=True)
    (tmp_path / "reports/bytes.md").write_bytes(b"---\n\xff")
    (tmp_path / "reports/Odd name.md").write_text(page("# Hello"))
    (tmp_path / "reports/good.md").write_text(page("# Hello"))
    found, wrong = write.read(tmp_path)
    assert [one.name for one in found] == ["good"]
    assert wrong.keys() == {"folder", "bytes", "Odd name"}


def test_links_and_two_pages_of_a_name_are_no_pages(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(page("# Secret"))
    (tmp_path / "reports/a").mkdir(parents=True)
    (tmp_path / "reports/link.md").symlink_to(tmp_path / "secret")
    for name in ("a/b", "a_b"):
        (tmp_path / f"reports/{name}.md").write_text(page("# Hello"))
    found, wrong = write.read(tmp_path)
    assert [one.name for one in found] == ["a_b"]
    assert "and no link" in str(wrong["link"])
    assert "has the same name, a_b" in str(wrong["a_b"])


PIECES = st.sampled_from(
    [
        *(
            "---\n",
            "title: A\n",
            "audience: staff\n",
            "owner: sales\n",
            "about: b\n",
            "order: x\n",
            "filters: [",
            "]\n",
        ),
        *(
            "{name: a, label: A, query: q}",
            "```",
            "sql q\n",
            "chart\n",
            "table\n",
            "figures\n",
            "\n```\n",
            "select 1\n",
        ),
        *(
            "query: q\n",
            "title: [A]\n",
            "mark: bar\n",
            "columns: 3\n",
            "{{ q.a ",
            "}}",
            "{% if ",
            "%}",
            "# A\n",
            "- ",
            ": ",
        ),
    ]
)


@settings(deadline=None, max_examples=150)
@given(st.booleans(), st.lists(PIECES | st.text(max_size=8), max_size=14))
def test_any_text_is_a_page_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, begun: bool, some: list[str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.md"
    file.write_text((page("") if begun else "") + "".join(some), encoding="utf-8", errors="surrogatepass")
    try:
        assert pages.read(file, "any").blocks
    except LarderError as error:
        assert str(error).startswith(f"{file}, line ")


REFUSED = [
    ("from main.orders", "main.orders is not served"),
    ("from own.marts.orders", "own.marts.orders is not served"),
    ("from information_schema.tables", "is not served"),
    ("from read_csv('/etc/passwd')", "the function read_csv is not answered"),
    ("from '/etc/passwd'", "/etc/passwd is not served"),
    ("select getenv('HOME')", "the function getenv is not answered"),
    ("select current_setting('threads')", "the function current_setting is not answered"),
    ("set threads = 1", "only one SELECT"),
    ("attach '/tmp/x.db' as x", "only one SELECT"),
    ("create table x as select 1", "only one SELECT"),
    ("select 1; select 2", "only one SELECT"),
    ("with duckdb_tables as (select 1) select 2", "a name of the engine's own"),
    ("describe marts.orders", "not answered"),
    ("from marts.households", "households"),
    ("select gone from marts.orders", "gone"),
    ("select from", "syntax error"),
]


def test_a_query_reads_the_share_of_its_audience_and_nothing_else(desk: Desk) -> None:
    asked = {
        f"p{place}": page(f"```sql q\n{query}\n```\n\n# {{{{ q | length }}}} rows")
        for place, (query, _) in enumerate(REFUSED)
    }
    wrong = desk.write(asked)
    for place, (_, reason) in enumerate(REFUSED):
        said = str(wrong[f"p{place}"])
        assert f"p{place}.md, line 8: the query q: " in said, said
        assert reason in said


def test_a_query_that_is_too_long_is_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SECONDS", 0.5)
    endless = "select count(*) as n from range(1000000000) as a (i), range(1000000000) as b (j) where (i * j) % 7 = 3"
    said = desk.refused(page(f"```sql q\n{endless}\n```\n\n# {{{{ q.n }}}}"))
    assert "line 8: the query q took more than 0.5 seconds" in said
    assert "Hello" in desk.written(page("# Hello"))


def test_a_query_has_a_limit_of_rows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_ROWS", 3)
    asked = "```sql q\nselect i from range({}) as rows (i)\n```\n\n# {{{{ q | length }}}} rows"
    assert "3 rows" in text(desk.written(page(asked.format(3))))
    assert "the query q has more than 3 rows" in desk.refused(page(asked.format(4)))


def test_queries_read_those_before_them(desk: Desk) -> None:
    asked = "```sql first\nfrom marts.orders\n```\n\n```sql second\nselect name from first\n```\n\n```table\nquery: second\ntitle: A\n```"
    assert ">marts.orders</" in re.sub(r"<span>From ([\w.]+)", r">\1</", desk.written(page(asked)))
    turned = asked.replace("sql first", "sql third")
    assert "the query second: first is not served" in desk.refused(page(turned))


def test_an_audience_without_a_share_has_no_page(own: Desk) -> None:
    with pytest.raises(LarderError, match="the audience marketing has no share"):
        own.write({"offers": page("# Hello", audience="marketing")}, "marketing")


def test_what_shares_and_registers_say(own: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    own.share({"people": "select 1 as id"}, "marketing")
    (own.paths.data / "audit").mkdir()
    (own.paths.data / "audit/erasures.jsonl").write_text('{"at": "2026-01-01T23:30:00-05:00", "who": "me"}\n')
    (own.paths.data / "science").mkdir()
    (own.paths.data / "science/model.md").write_text("# Card\n\n<b>bold</b> [x](javascript:alert(1))")
    body = (
        "```sql about\nselect audience, table_name from share.about order by all\n```\n\n"
        "```sql records\nselect * from share.records\n```\n\n```sql cards\nselect name, content from share.cards\n```\n\n"
        "# {% for row in about %}{{ row.audience }} {{ row.table_name }}, {% endfor %}\n\n"
        "{{ records.register }} {{ records.recorded_at }}\n\n{{ cards.name }}\n\n{{ cards.content | markdown }}\n"
    )
    html = own.written(page(body))
    assert "marketing marts.people, staff marts.orders" in text(html)
    assert "erasures 2026-01-02 04:30:00 model" in text(html)
    assert "<h3>Card</h3>" in html
    assert "<b>bold" not in html and 'href="javascript' not in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (formats.usd(Decimal("1234.5")), "$1,234.50"),
        (formats.usd(Decimal("-0.005"), 0), "$0"),
        (formats.usd(Decimal("-1234.5"), 0), "−$1,235"),
        (formats.usd(None), "–"),
        (formats.number(1234), "1,234"),
        (formats.number(Decimal("-1234.56"), 1), "−1,234.6"),
        (formats.percent(0.031), "3.1 %"),
        (formats.percent(-0.00049), "0.0 %"),
        (formats.percent(None), "–"),
        (formats.signed("3.1 %"), "+3.1 %"),
        (formats.signed("−3.1 %"), "−3.1 %"),
        (formats.signed("0.0 %"), "0.0 %"),
        (formats.signed("–"), "–"),
        (formats.rose(0.031), "rose by 3.1 %"),
        (formats.rose(Decimal("-0.031")), "fell by 3.1 %"),
        (formats.rose(0.0004), "stayed the same"),
        (formats.rose(None), "cannot be compared"),
        (formats.day(date(2017, 12, 31)), "31 Dec 2017"),
        (formats.day(None), "–"),
        (formats.things(1, "household"), "1 household"),
        (formats.things(2000, "household"), "2,000 households"),
        (formats.things(0, "category", "categories"), "0 categories"),
        (formats.phrase([]), ""),
        (formats.phrase(["a"]), "a"),
        (formats.phrase(["a", "b", 3]), "a, b and 3"),
        (formats.cell("sales_usd", Decimal("-5")), "−$5.00"),
        (formats.cell("household_id", 7000000000001), "7000000000001"),
        (formats.cell("week_number", 1234), "1234"),
        (formats.cell("baskets", 1234), "1,234"),
        (formats.cell("rank", Decimal("1.5000")), "1.50"),
        (formats.cell("rank", 1.25), "1.25"),
        (formats.cell("discount_rate", 0.5), "50.0 %"),
        (formats.cell("is_new", False), "no"),
        (formats.cell("sales_usd", None), "–"),
        (formats.cell("seen_at", datetime(2017, 1, 2, 3, 4)), "2017-01-02 03:04 UTC"),
        (formats.cell("names", ["a", "b"]), "a and b"),
    ],
)
def test_how_a_value_reads(value: str, shown: str) -> None:
    assert value == shown


def test_the_only_row_and_several(desk: Desk) -> None:
    shown = text(
        desk.written(
            page(
                ONE
                + MANY
                + "# {{ one.sales_usd | usd }}\n\n{{ many[1].sales_usd }} of {{ many[:2] | length }}"
            )
        )
    )
    assert "$1,234.50 As" in shown and shown.endswith("10.1 of 2")
    assert "the query many has 3 rows, week is of one: many[0].week" in desk.refused(
        page(MANY + "# {{ many.week }}")
    )
    for asked in ("one.gone", "one[0].gone", "one | map(attribute='gone') | first"):
        said = desk.refused(page(ONE + f"# {{{{ {asked} }}}}"))
        assert "the query one has no column gone, but sales_usd" in said, said
    assert "cannot be written" in desk.refused(page(ONE + "# {{ one.name | day }}"))
    assert "line 12: this prose cannot be written" in desk.refused(page(ONE + "# {{ one.name | usd }}"))


def test_before_there_is_data_each_block_says_so(desk: Desk) -> None:
    shown = text(
        desk.written(
            page(
                NONE
                + "# Week {{ nothing.week }}\n\n```figures\n- {label: A, value: '{{ nothing.week }}'}\n```\n\n"
                + f"```chart\nquery: nothing\ntitle: A\n{BAR}```\n\n```table\nquery: nothing\ntitle: A\n```\n\n"
                + "{% for row in nothing %}{{ row.week }}{% else %}No week.{% endfor %}\n",
                filters=[{"name": "week", "label": "Week", "query": "nothing"}],
            )
        )
    )
    assert shown.count("Nothing to show yet: there are no rows of nothing.") == 4
    assert "No week." in shown and "Week: nothing yet." in shown


def test_what_was_divided_by_nothing_is_no_figure(desk: Desk) -> None:
    asked = "```sql q\nselect 1::double / 0 as change, 'nan'::double as part\n```\n\n"
    body = "# Sales {{ q.change | rose }}, {{ q.part | percent }}\n\n```table\nquery: q\ntitle: A\n```\n"
    assert "Sales cannot be compared, –" in text(desk.written(page(asked + body)))


ODD = [
    "a",
    "b|c",
    "a|b",
    "c",
    'say "x"',
    "<script>alert(1)</script>",
    "**bold** _x_",
    "né 漢 🥦",
    "1. list",
    "'",
]


def test_states_of_two_filters_are_those_of_sql(desk: Desk) -> None:
    values = ", ".join(
        f"({place}, '{value.replace(chr(39), chr(39) * 2)}')" for place, value in enumerate(ODD)
    )
    pairs = (
        f"```sql stores\nselect value as store, place from (values {values}) as odd (place, value) order by place\n```\n\n"
        "```sql departments\nselect value as department from (values ('c'), ('b|c'), ('d')) as odd (value)\n```\n\n"
        "```sql sales\nselect store, department, place * 1000.005::decimal(18, 3) as sales_usd from stores cross join departments\n"
        "where department <> 'd' or store = 'a'\n```\n\n"
    )
    body = "# {{ sales.sales_usd | usd }} in {{ sales.store }}\n\n{{ stores.store }} alone\n\n```table\nquery: sales\ntitle: '{{ sales.store }}'\n```\n"
    filters = [{"name": n, "label": n, "query": f"{n}s"} for n in ("store", "department")]
    html = desk.written(page(pairs + body, filters=filters))
    assert html.count("<script>alert") == 0
    found = shards(desk)
    assert found["b0"].keys() == found["b1"].keys()
    assert len(found["b0"]) == 2 * len(ODD) + 1
    for place, store in enumerate(ODD):
        state = found["b0"][json.dumps([store, "c"], ensure_ascii=False, separators=(",", ":"))]["html"]
        amount = formats.usd(place * Decimal("1000.005"))
        shown = unescape(re.sub("<[^>]+>", "", state))
        assert shown.startswith(f"{amount} in {store}"), shown
        assert f"{store} alone" in shown
        assert "<script" not in state


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{{ {}.popitem() }}", "dictionary is empty"),
        ("{{ 'a'.encode('b') }}", "unknown encoding"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "recursion"),
        ("{% for a in 'a' %}" * 30 + "{% endfor %}" * 30, "nested blocks"),
        ("{{ 'x' * 10000000000000000 }}", "MemoryError"),
    ],
)
def test_a_template_that_fails_is_told(desk: Desk, said: str, reason: str) -> None:
    assert re.search(f"line 8: this prose cannot be written: .*{reason}", desk.refused(page(f"# A {said}")))


def test_blocks_have_a_limit_of_choices(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_STATES", 8)
    lists = "".join(f"```sql {one}\nselect {one} from range(3) as q ({one})\n```\n\n" for one in "ab")
    filters = [{"name": one, "label": one, "query": one} for one in "ab"]
    said = desk.refused(page(f"{lists}{{{{ a.a }}}} of {{{{ b.b }}}}", filters=filters))
    assert "line 17: this prose has more than 8 choices" in said


def test_a_query_has_a_limit_of_bytes(desk: Desk) -> None:
    said = desk.refused(
        page("```sql one\nselect repeat('x', 60000) as a from range(2000)\n```\n\n{{ one[0].a }}")
    )
    assert "the query one gives more than 100,000,000 bytes" in said


def test_what_no_chart_draws_is_told_for_every_choice(desk: Desk) -> None:
    query = "```sql q\nselect n, if(n > 0, to_days(1), null) as a from range(2) as q (n)\n```\n\n"
    chart = "```chart\nquery: q\ntitle: A\nmark: bar\nencoding: {x: {field: a, type: nominal}}\n```"
    filters = [{"name": "n", "label": "N", "query": "q"}]
    assert "cannot draw a value of type timedelta" in desk.refused(page(query + chart, filters=filters))


def test_a_filter_needs_its_column(desk: Desk) -> None:
    said = desk.refused(
        page(ONE + "# {{ one.name }}", filters=[{"name": "week", "label": "Week", "query": "one"}])
    )
    assert "line 1: the query one has no column week" in said
    assert "has no column gone" in desk.refused(
        page(ONE + "```table\nquery: one\ntitle: A\ncolumns: {gone: Gone}\n```")
    )


def test_sections_and_sources_of_a_page(desk: Desk) -> None:
    html = desk.written(
        page(
            "```sql q\nfrom marts.orders\n```\n\n# A\n\n## Sales & `fct_orders`\n\nB\n\n## C\n\n```table\nquery: q\ntitle: D\n```"
        )
    )
    nav = html.split('<nav class="sections"')[1].split("</nav>")[0]
    assert re.findall(r'<a href="#([^"]+)">([^<]*)</a>', nav) == [
        (place, name)
        for place, name in zip(
            re.findall(r'<h2 id="([^"]+)"', html), ["Sales &amp; fct_orders", "C"], strict=True
        )
    ]
    assert 'href="../catalog/model/marts.fct_orders.html"' in html
    assert 'href="shop.data/q.csv"' in html


def test_cards_say_the_direction_and_whether_it_is_good(desk: Desk) -> None:
    cards = "".join(
        f'- {{label: L, value: V, change: "{{{{ {value} | {use} }}}}", good: {good}}}\n'
        for value, use, good in (
            ("0.1", "percent | signed", "up"),
            ("-0.1", "rose", "up"),
            ("-0.1", "percent | signed", "down"),
            ("0", "rose", "down"),
            ("none", "rose", "up"),
        )
    )
    html = desk.written(page(f"```figures\n{cards}- {{label: L, value: V, metric: net_sales}}\n```"))
    assert re.findall(r'<p class="change (\w*)">(?:<span aria-hidden="true">(.)</span>)?', html) == [
        ("good", "▲"), ("bad", "▼"), ("good", "▼"), ("", ""), ("", ""),
    ]  # fmt: skip
    assert '<a href="../catalog/metric/net_sales.html">L</a>' in html


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "# big\n\n- a",
    ' x version="',
    ' id="url(#',
]


def test_texts_of_the_data_stay_texts(desk: Desk) -> None:
    rows = ", ".join(f"('{one}', {place})" for place, one in enumerate(HOSTILE))
    asked = f"```sql q\nselect name as week, place as sales_usd from (values {rows}) as odd (name, place)\n```\n\n"
    body = (
        "# {{ q[0].week }}\n\n{% for row in q %}{{ row.week }}\n\n{% endfor %}\n\n"
        "```figures\n- {label: '{{ q[0].week }}', value: '{{ q[0].week }}', change: '{{ q[0].week }}'}\n```\n\n"
        f"```chart\nquery: q\ntitle: '{{{{ q[0].week }}}}'\nalt: '{{{{ q[0].week }}}}'\n{BAR}```\n"
    )
    html = desk.written(
        page(asked + body, title="A <b>", filters=[{"name": "week", "label": "<i>W", "query": "q"}])
    )
    assert html.count("</text>") == html.count("<text ")
    for wrong in ("<script>alert", "<img", 'href="javascript:', "<b>", "<i>W", "<h1>big"):
        assert wrong not in html, wrong
    for file in (desk.folder / "shop.data").glob("*.js"):
        states = json.loads(file.read_text().removesuffix(");\n").partition(",")[2])
        assert not [
            one
            for of in states.values()
            for state in of.values()
            for one in ("<script", "<img")
            if one in state["html"]
        ]


def test_characters_that_would_end_the_drawing_are_replaced(desk: Desk) -> None:
    asked = "```sql q\nselect 'a' || chr(0) as week, [chr(27)] as b, map {chr(1): 2} as a\n```\n\n"
    html = desk.written(
        page(
            f"{asked}```chart\nquery: q\ntitle: A\nmark: bar\nencoding: {{x: {{field: week, type: nominal}}}}\n```\n"
        )
    )
    assert "a\ufffd" in html
    assert not formats.UNSHOWN.search(html)


def test_a_spreadsheet_takes_no_text_for_a_formula(desk: Desk) -> None:
    desk.written(
        page(
            "```sql q\nselect unnest(['=1+1', '+1', '-1', '@x', 'a,\"b\"', null, '']) as name, -5 as n\n```\n\n"
            "```table\nquery: q\ntitle: A\nrows: 2\n```"
        )
    )
    lines = (desk.folder / "shop.data/q.csv").read_text().splitlines()
    assert lines == ["name,n", "'=1+1,-5", "'+1,-5", "'-1,-5", "'@x,-5", '"a,""b""",-5', ",-5", ",-5"]
    assert "5 more rows in the file." in (desk.folder / "shop.html").read_text()


NO_CHARTS = [
    ("mark: 5", "TypeError"),
    ("mark: bar\nencoding: 3", "no attribute"),
    ("mark: bar\nencoding: {x: {field: week, type: ordinal}, facet: {field: week, columns: 0}}", "zero"),
    ("layer: 3", "not a function"),
    ("mark: bar\ntransform: [{calculate: '((', as: q}]", "Unexpected end"),
    ("mark: image\nencoding: {url: {value: 'https://example.com/x.png'}}", "loads nothing: leave out url"),
    ("mark: bar\nencoding: {href: {field: week}}", "leave out href"),
    ("layer: [{mark: bar, data: {url: 'file:///etc/passwd'}}]", "leave out data"),
    ("layer: [{mark: bar, data: {values: [{week: 5}]}}]", "leave out data"),
    (
        "mark: bar\ntransform: [{lookup: week, from: {data: {url: x.csv}, key: a, fields: [b]}}]",
        "leave out data",
    ),
]


@pytest.mark.parametrize(
    ("query", "filters"), [("many", []), ("nothing", [{"name": "week", "label": "W", "query": "nothing"}])]
)
def test_what_is_no_chart_is_told_with_file_and_line(
    desk: Desk, query: str, filters: list[dict[str, str]]
) -> None:
    before = page({"many": MANY, "nothing": NONE}[query], filters=filters)
    asked = {
        f"p{place}": f"{before}```chart\nquery: {query}\ntitle: A\n{chart}\n```"
        for place, (chart, _) in enumerate(NO_CHARTS)
    }
    wrong = desk.write(asked)
    for place, (_, reason) in enumerate(NO_CHARTS):
        said = str(wrong[f"p{place}"])
        assert f"p{place}.md, line 13: this chart cannot be written: " in said, said
        assert reason in said


SPEC = {
    "mark": "bar",
    "encoding": {"x": {"field": "day", "type": "temporal"}, "y": {"field": "sales_usd", "type": "quantitative"},
        "color": {"field": "sales_usd", "type": "quantitative"}},
}  # fmt: skip


def test_a_drawing_repeats_and_has_ids_of_its_own() -> None:
    rows = [
        {"day": date(2017, 1, 1), "sales_usd": Decimal("10.25")},
        {"day": datetime(2017, 1, 2, 23, 30), "sales_usd": None},
    ]
    spec = charts.specification(SPEC, 720)
    one, other = charts.svg(spec, rows), charts.svg(spec, [*rows, rows[0] | {"day": date(2017, 2, 1)}])
    assert one == charts.svg(charts.specification(SPEC, 720), rows)
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b", one)
    assert "10.25" in one and "2017" in one
    ids = [*re.findall(r' id="([^"]+)"', one), *re.findall(r' id="([^"]+)"', other)]
    assert len(ids) == len(set(ids)) > 0
    assert set(re.findall(r"url\(#([^)]+)\)", one)) <= set(ids)
    scales = {scale["name"]: scale["type"] for scale in spec["scales"]}
    assert scales["x"] == "utc" and scales["color"] == "quantize"
    with pytest.raises(TypeError, match="of type set"):
        charts.svg(spec, [{"day": {1}}])


@pytest.fixture
def aged(own: Desk) -> Iterator[Desk]:
    own.write({"a": page(ONE + "# {{ one.baskets }} baskets"), "b": page("# Hello")})
    yield own


def inodes(desk: Desk, *names: str) -> list[int]:
    return [(desk.folder / f"{name}.html").stat().st_ino for name in names]


def test_a_page_whose_file_was_removed_is_written_again(aged: Desk) -> None:
    (aged.folder / "b.html").unlink()
    assert not aged.write({"a": (aged.project / "reports/a.md").read_text(), "b": page("# Hello")})
    assert (aged.folder / "b.html").exists()


def test_what_has_not_changed_is_linked(aged: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = inodes(aged, "a", "b")
    a, b = page(ONE + "# {{ one.baskets }} baskets"), page("# Hello")
    aged.write({"a": a, "b": b})
    assert inodes(aged, "a", "b") == first
    aged.write({"a": a.replace("baskets }}", "sales_usd }}"), "b": b})
    assert [now == then for now, then in zip(inodes(aged, "a", "b"), first, strict=True)] == [False, True]
    assert "1234.50 baskets" in (aged.folder / "a.html").read_text()


@pytest.mark.parametrize("change", ["share", "code", "bundle", "list", "records", "cards"])
def test_what_a_page_depends_on_writes_it_again(
    aged: Desk, change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, pages_ = inodes(aged, "a"), {"a": page(ONE + "# {{ one.baskets }} baskets"), "b": page("# Hello")}
    if change == "share":
        aged.share({"orders": "select 5 as sales_usd"})
    elif change == "code":
        (tmp_path / "site/reports").mkdir(parents=True)
        (tmp_path / "site/reports/compiled.pyc").write_bytes(b"\xff\xfe")
        (tmp_path / "site/new.sql").write_text("select 1")
        monkeypatch.setattr(write, "__file__", str(tmp_path / "site/reports/write.py"))
    elif change == "bundle":
        monkeypatch.setattr(charts, "BUNDLE", "vega-next.js")
    elif change == "list":
        pages_["c"] = page("# Hello", title="C")
    else:
        folder = aged.paths.data / {"records": "audit", "cards": "science"}[change]
        folder.mkdir()
        (folder / "a.jsonl").write_text('{"at": "2026-01-01T00:00:00+00:00"}\n')
        (folder / "a.md").write_text("# Card")
    assert aged.write(pages_) == {}
    assert inodes(aged, "a") != first


def test_a_wrong_page_leaves_the_others_and_is_not_shown(aged: Desk) -> None:
    wrong = aged.write(
        {
            "a": page("# {{ 5 | magic }}"),
            "b": page("# Hello"),
            "c": page("```sql q\nfrom gone.x\n```\n\n# {{ q.x }}"),
        }
    )
    assert wrong.keys() == {"a", "c"}
    assert sorted(file.name for file in aged.folder.glob("*.html")) == ["b.html"]


UP = "select * from (values (1, 100.00::decimal(18, 2)), (2, 110.00)) as sales (week, sales_usd)"


def test_claims_follow_the_data(own: Desk) -> None:
    asked = (
        "```sql change\nselect max(sales_usd) filter (week = 2) / max(sales_usd) filter (week = 1) - 1 as change from marts.sales\n```\n\n"
        "# Sales {{ change.change | rose }}\n\n{% if change.change > 0 %}More{% else %}Less{% endif %} than before.\n\n"
        '```figures\n- {label: Change, value: "{{ change.change | percent | signed }}"}\n```\n'
    )
    own.share({"sales": UP})
    assert text(own.written(page(asked))).startswith("Shop Sales rose by 10.0 % More than before.")
    own.share({"sales": UP.replace("110", "090")})
    fallen = text(own.written(page(asked)))
    assert fallen.startswith("Shop Sales fell by 10.0 % Less than before.")
    assert fallen.endswith("Change −10.0 %")
