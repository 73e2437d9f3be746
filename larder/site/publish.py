"""`larder site`: the pages of what is published: reports, the catalog and dbt's docs, as static files in one folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ingestion.core.files import open_to_all, write_atomically
from larder.catalog import docs, formats, metadata
from larder.core import console, events
from larder.core.errors import LarderError
from larder.core.settings import EVERYBODY, Paths
from larder.governance import shares
from larder.site import catalog, facts, render
from larder.site.facts import Facts
from larder.site.reports import write
from larder.warehouse import mirror
from larder.warehouse.locks import lock
from larder.warehouse.store import Store

ENTRY = '<!doctype html><meta charset="utf-8"><title>Larder</title><meta http-equiv="refresh" content="0; url={0}"><a href="{0}">Larder</a>\n'


def run(paths: Paths) -> None:
    """Write the whole site; who reads a part of it sees the old or the new one.

    Raises LarderError for a generation without metadata, or with those of an earlier version, and at the end for pages that are wrong.
    """
    with _facts(paths) as found, lock(paths.locks, "catalog"), render.replaced(paths.catalog) as fresh:
        catalog.write(found, fresh, write.read(paths.project)[0])
        formats.write(found.base, fresh / "data")
        open_to_all(fresh, paths.site)
    console.done(f"catalog of generation {Store(paths.warehouse).require_published().id}")
    docs.run(paths)
    reports(paths)


def reports(paths: Paths) -> None:
    """Write the reports that are not as they would be written now. Raises LarderError for pages that are wrong; the others are there."""
    found, wrong = write.read(paths.project)
    audiences = sorted({EVERYBODY, *(report.audience for report in found)})
    with _facts(paths) as base, lock(paths.locks, "reports"):
        for audience in audiences:
            target = paths.reports(audience)
            try:
                with render.replaced(target) as fresh:
                    wrong |= write.write(paths, base, found, audience, fresh, target)
                    _open(paths, base, audience, fresh)
            except LarderError as error:
                render.remove(target)  # what was made from a share must not outlive it
                files = [str(report.file) for report in found if report.audience == audience]
                wrong[audience] = LarderError(": ".join([*files[:1], str(error)]), error.next_step)
        for left in paths.pages.glob("[!.]*"):
            if left.name not in audiences:
                render.remove(left)
    write_atomically(paths.site / "index.html", ENTRY.format("reports/index.html"))
    (paths.site / "index.html").chmod(0o644)
    _mirror(paths)
    for reason in wrong.values():
        console.failed(str(reason), reason.next_step)
    if wrong:
        raise LarderError(
            f"{len(wrong)} of {len({*wrong, *(one.name for one in found)})} pages could not be written",
            "The others are there.",
        )
    events.emit("site_written", Store(paths.warehouse).require_published().id)
    console.done(f"{len(found)} reports: {paths.site / 'index.html'}")


def _mirror(paths: Paths) -> None:
    """Show the site, without the pages of single audiences, in a bucket as well, where one is named."""
    if target := paths.bucket("site"):
        parts = [path for path in paths.site.glob("[!.]*") if path.is_dir()]
        files = {"index.html": paths.site / "index.html"}
        for part in parts:
            files |= mirror.files_of(part.resolve(), f"{part.name}/")
        mirror.show(target, "site", files, ENTRY.format("{0}/reports/index.html"))


def _open(paths: Paths, found: Facts, audience: str, folder: Path) -> None:
    """Let everybody read the pages of the site, and those of another audience its group alone."""
    if audience == EVERYBODY:
        open_to_all(folder, paths.site)
    else:
        [group] = found.base.execute(
            "select os_group from larder.audiences where audience = ?", [audience]
        ).fetchone() or [None]
        shares.give(folder, group)
        shares.let_pass(paths.pages, paths.data)


@contextmanager
def _facts(paths: Paths) -> Iterator[Facts]:
    store = Store(paths.warehouse)
    published = store.require_published()
    folder = store.metadata(published)
    try:
        with metadata.open_base(folder) as base:
            yield facts.read(base)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise LarderError(
            f"no site: generation {published.id} was built by an earlier version of Larder, {folder} has not all that the pages show",
            "Build it again: larder build --all, then larder publish",
        ) from error
