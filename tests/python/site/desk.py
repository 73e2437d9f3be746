"""A desk at which pages are written: shares made by hand, pages of a few lines, and the site that they give."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bases
import duckdb
import pyarrow as pa

from larder.core.errors import LarderError
from larder.core.settings import EVERYBODY, Paths
from larder.governance.shares import ABOUT
from larder.site import catalog, render
from larder.site.facts import Facts, read
from larder.site.reports import write

HEAD = {"title": "Shop", "audience": "staff", "owner": "sales", "about": "What was sold."}


def page(body: str, **said: object) -> str:
    """A page's text: front matter, of which a word that is None is left out, and what follows."""
    words = "".join(
        f"{word}: {json.dumps(value)}\n" for word, value in (HEAD | said).items() if value is not None
    )
    return f"---\n{words}---\n\n{body}"


def known(folder: Path) -> Facts:
    """What a metadata base says of a shop."""
    return read(bases.shop(folder))


@dataclass
class Desk:
    """A data root without a warehouse, and a project that has pages alone."""

    room: Path
    facts: Facts

    def __post_init__(self) -> None:
        (self.project / "reports").mkdir(parents=True)

    @property
    def project(self) -> Path:
        return self.room / "project"

    @property
    def paths(self) -> Paths:
        return Paths(self.room / "data", self.project)

    @property
    def folder(self) -> Path:
        return self.paths.reports(EVERYBODY)

    def share(self, tables: Mapping[str, str], audience: str = EVERYBODY) -> None:
        """The share of an audience: marts by what a query gives."""
        number = len([*self.paths.shares.glob(".*")]) if self.paths.shares.exists() else 0
        folder = self.paths.shares / f".{audience}.{number}"
        folder.mkdir(parents=True)
        self.paths.warehouse.mkdir(exist_ok=True)
        about = [
            {"audience": audience, "generation": str(number), "table_name": f"marts.{name}"}
            for name in tables
        ]
        with duckdb.connect(str(folder / "larder.duckdb")) as connection:
            connection.execute("create schema marts; create schema share")
            connection.from_arrow(
                pa.Table.from_pylist([dict.fromkeys(ABOUT.names) | row for row in about], ABOUT)
            ).create("share.about")
            for name, query in tables.items():
                connection.execute(f"create table marts.{name} as {query}")
        (folder / "share.json").write_text("{}")
        link = self.paths.shares / audience
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)

    def write(self, pages: Mapping[str, str], audience: str = EVERYBODY) -> dict[str, LarderError]:
        """Write the site of these pages alone. Returns what is wrong with them."""
        for file in self.project.glob("reports/*.md"):
            file.unlink()
        for name, text in pages.items():
            (self.project / f"reports/{name}.md").write_text(text)
        found, wrong = write.read(self.project)
        target = self.paths.reports(audience)
        with render.replaced(target) as fresh:
            return wrong | write.write(self.paths, self.facts, found, audience, fresh, target)

    def written(self, text: str) -> str:
        """The page that a text gives."""
        wrong = self.write({"shop": text})
        assert not wrong, wrong
        return (self.folder / "shop.html").read_text()

    def refused(self, text: str) -> str:
        """What is said of a page that is wrong."""
        return str(self.write({"shop": text})["shop"])

    def with_catalog(self) -> None:
        """What pages load beside their own files."""
        with render.replaced(self.paths.catalog) as fresh:
            catalog.write_pages(self.facts, [], fresh)
