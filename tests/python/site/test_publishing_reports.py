"""The reports of what is published: who may read them, what becomes of those that are gone or wrong, and the server for authors."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from chromium import chromium
from conftest import PROJECT, Instance
from desk import page
from playwright.sync_api import expect

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import shares
from larder.site import charts, publish, watching

SOLD = page(
    "```sql total\nselect sum(sales_usd) as sales_usd from marts.agg_sales_periods\n```\n\n# {{ total.sales_usd | usd }} sold"
)
OWN = page(
    "```sql n\nselect count(*) as n from marts.dim_households\n```\n\n# {{ n.n | things('household') }}",
    audience="marketing",
)


@pytest.fixture
def paths(published: Instance, tmp_path: Path) -> Paths:
    """What is published, and a project of two pages."""
    for audience in ("staff", "marketing"):
        shutil.copytree(published.data / "shares" / audience, tmp_path / "data/shares" / f".{audience}")
        (tmp_path / "data/shares" / audience).symlink_to(f".{audience}")
    (tmp_path / "data/warehouse").symlink_to(published.data / "warehouse")
    (tmp_path / "data/site/.reports-0").mkdir(parents=True)
    (tmp_path / "data/site/reports").symlink_to(".reports-0")
    shutil.copy(
        published.data / "site/reports" / charts.BUNDLE, tmp_path / "data/site/reports"
    )  # it takes seconds
    made = Paths(tmp_path / "data", tmp_path / "project")
    (made.project / "reports").mkdir(parents=True)
    put(made, "index", SOLD)
    put(made, "offers", OWN)
    publish.reports(made)
    return made


def put(paths: Paths, name: str, text: str) -> None:
    (paths.project / f"reports/{name}.md").write_text(text)


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (folder.resolve(), *folder.resolve().rglob("*"))}


def test_who_may_read_which_pages(paths: Paths) -> None:
    with duckdb.connect(str(paths.shares / "staff/larder.duckdb"), read_only=True) as share:
        [(sold,)] = share.execute("select sum(sales_usd) from marts.agg_sales_periods").fetchall()
    assert f"${sold:,} sold" in (paths.site / "reports/index.html").read_text()
    assert "households" in (paths.pages / "marketing/offers.html").read_text()
    assert not (paths.site / "reports/offers.html").exists()
    assert "offers.html" not in (paths.site / "reports/index.html").read_text()
    assert modes(paths.site / "reports") <= {0o755, 0o644}
    assert not any(mode & 0o007 for mode in modes(paths.pages / "marketing"))
    assert 'url=reports/index.html"' in (paths.site / "index.html").read_text()
    assert (paths.site / "index.html").stat().st_mode & 0o777 == 0o644


def test_a_share_that_is_gone_takes_its_pages_along(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    (paths.shares / "marketing").unlink()
    with pytest.raises(LarderError, match="1 of 3 pages could not be written"):
        publish.reports(paths)
    assert "the audience marketing has no share" in capsys.readouterr().err
    assert [*paths.pages.glob("*marketing*")] == []
    assert (paths.site / "reports/index.html").exists()


def test_pages_go_at_once_with_a_grant(paths: Paths) -> None:
    publish.reports(paths)  # so that there are earlier ones
    shares.withdraw(paths, [])
    for audience in ("staff", "marketing"):
        pages = paths.reports(audience)
        assert [*pages.parent.glob(pages.name), *pages.parent.glob(f".{pages.name}-*")] == []
    assert paths.site.exists()


def test_pages_are_open_before_they_are_shown(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "open_to_all", lambda folder, site: 1 / 0)
    shown = paths.reports("staff").resolve()
    with pytest.raises(ZeroDivisionError):
        publish.reports(paths)
    assert paths.reports("staff").resolve() == shown


def test_what_is_left_is_removed(paths: Paths) -> None:
    (paths.site / ".reports-killed").mkdir()
    (paths.project / "reports/offers.md").unlink()
    publish.reports(paths)
    publish.reports(paths)
    assert [*paths.pages.glob("*")] == []
    assert len([*paths.site.glob(".reports-*")]) == 2  # what is shown, and what a reader may still have open


def test_wrong_pages_are_all_told(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    put(paths, "wrong", page("# It was 5"))
    put(paths, "offers", OWN.replace("dim_households", "dim_stores"))
    with pytest.raises(LarderError, match="2 of 3 pages could not be written"):
        publish.reports(paths)
    said = capsys.readouterr().err
    assert re.search(r"wrong\.md, line 8: a figure is typed", said)
    assert re.search(r"offers\.md, line 8: the query n: .*dim_stores", said)
    assert sorted(file.name for file in (paths.site / "reports").glob("*.html")) == ["index.html"]


def test_the_site_of_the_project_is_whole(published: Instance) -> None:
    for place in (
        "site/index.html",
        "site/reports/index.html",
        "site/catalog/index.html",
        "site/docs/index.html",
        "pages/marketing",
    ):
        assert (published.data / place).exists(), place
    missing = published.data.parent / "nothing"
    assert "nothing is published" in Instance(missing).larder("site", code=1).stderr


SERVE = "import sys; from pathlib import Path; from larder.core.settings import Paths; from larder.site import watching\n" \
    "watching.run(Paths(Path(sys.argv[1]), Path(sys.argv[2])), int(sys.argv[3]))"  # fmt: skip


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = found.getsockname()[1]
    yield number


@pytest.mark.nightly
def test_an_edit_is_shown_at_once_and_a_wrong_one_told(paths: Paths, port: int) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(paths.data), str(paths.project), str(port)],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr
    try:
        while "Ctrl-C ends it" not in (line := server.stderr.readline()):
            assert line, "it ended by itself"
        with chromium() as browser:
            shown = browser.new_page()
            shown.goto(f"http://127.0.0.1:{port}/site/")
            heading = shown.get_by_role("heading", level=1)
            expect(heading).to_contain_text("sold")
            put(paths, "index", SOLD.replace("sold", "came in"))
            expect(heading).to_contain_text("came in", timeout=20_000)
            put(paths, "index", page("# It was 5"))
            expect(shown.get_by_text("File not found")).to_be_visible(timeout=20_000)
            put(paths, "index", SOLD)
            expect(heading).to_contain_text("sold", timeout=20_000)
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        said = server.stderr.read()
        assert "index.md, line 8: a figure is typed" in said
        assert "Traceback" not in said
    finally:
        server.kill()


def test_a_port_that_is_taken(paths: Paths) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(LarderError, match="is taken"):
            watching.run(paths, other.getsockname()[1])


@pytest.mark.parametrize("rows", ["", pytest.param("limit 1", marks=pytest.mark.nightly)])
def test_pages_of_the_project_on_tables_that_are_empty_or_have_a_row(
    published: Instance, paths: Paths, rows: str
) -> None:
    audiences = {"staff", "marketing", "data_science"}
    for audience in audiences:
        folder = paths.shares / f".{audience}.little"
        folder.mkdir()
        shutil.copy(published.data / "shares" / audience / "share.json", folder)
        with duckdb.connect(str(folder / "larder.duckdb")) as little:
            little.execute(f"attach '{published.data}/shares/{audience}/larder.duckdb' as whole (read_only)")
            for schema, name in little.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'whole'"
            ).fetchall():
                limit = "" if schema == "share" else rows or "limit 0"
                little.execute(
                    f"create schema if not exists {schema}; create table {schema}.{name} as from whole.{schema}.{name} {limit}"
                )
        (paths.shares / audience).unlink(missing_ok=True)
        (paths.shares / audience).symlink_to(folder.name)
    publish.reports(Paths(paths.data))
    assert len([*paths.site.glob("reports/*.html"), *paths.pages.glob("[!.]*/*.html")]) == len(
        [*PROJECT.glob("reports/*.md")]
    )
