"""`larder docs`: the catalogue of the published generation as one static page."""

import shutil

from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt
from larder.warehouse.store import Store


def run(where: Paths) -> None:
    """Generate dbt's docs from what is published, without writing to it; readers of the page see old or new."""
    published = Store(where.warehouse).published()
    if published is None:
        raise LarderError("nothing is published yet", "Build and publish first: larder run")
    with console.progress("docs") as report:
        outcome = dbt.run(where, "published", ["docs", "generate", "--static"], report)
    page = outcome.artifacts / "static_index.html"
    where.docs.parent.mkdir(parents=True, exist_ok=True)
    fresh = where.docs.with_suffix(".new")
    shutil.copyfile(page, fresh)
    fresh.replace(where.docs)
    console.done(f"docs of generation {published.id}: {where.docs}")
