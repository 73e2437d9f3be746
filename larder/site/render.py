"""Pages into files: one style, one script, one set that a reader sees whole."""

import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from larder.site import text
from larder.site.pages import Page
from larder.site.reports.formats import day

HERE = Path(__file__).parent
ASSETS = ("style.css", "site.js")


def environment(shared: Mapping[str, Any]) -> Environment:
    """The templates, with what all of them may use. What they show is escaped."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    for use in (
        text.number,
        text.size,
        text.seconds,
        text.moment,
        text.words,
        text.bars,
        text.sparkline,
        day,
    ):
        made.filters[use.__name__] = use
    made.globals.update(shared, share=text.share)
    return made


def write(pages: Iterable[Page], templates: Environment, folder: Path) -> None:
    """Write each page, and what all of them load."""
    for page in pages:
        file = folder / page.path
        file.parent.mkdir(parents=True, exist_ok=True)
        root = "../" * page.path.count("/")
        content = templates.get_template(page.template).render(page.context, root=root, path=page.path)
        file.write_text(content, encoding="utf-8")
    for asset in ASSETS:
        shutil.copyfile(HERE / "static" / asset, folder / asset)


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `target` in one step at the end, unless an error is raised.

    `target` is a symbolic link to it: no system that we run on replaces a folder that has files in one step. What it led to stays
    until the next time, for whoever is reading it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clean(target)
    fresh = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    link = fresh.with_suffix(".link")
    fresh.mkdir()
    try:
        yield fresh
    except BaseException:
        shutil.rmtree(fresh)
        raise
    link.symlink_to(fresh.name)
    link.replace(target)


def remove(target: Path) -> None:
    """Take away what `replaced` gave."""
    target.unlink(missing_ok=True)
    _clean(target)


def _clean(target: Path) -> None:
    """Remove the folders that `target` does not lead to."""
    current = target.readlink().name if target.is_symlink() else None
    for left in target.parent.glob(f".{target.name}-*"):
        if left.name != current:
            left.unlink() if left.is_symlink() else shutil.rmtree(left)
