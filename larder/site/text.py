"""How values and texts look on a page."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

WORD = re.compile(r"(?:[a-z][a-z0-9_]*\.){0,2}[a-z][a-z0-9_]*_[a-z0-9_]+")
"""What may be the name of a table, column or metric in a text: with an underscore, as other words mean other things too."""


class Descriptions:
    """Markdown as HTML: no HTML of the author's, no image, and names of tables lead to their pages."""

    def __init__(self, page_of: Callable[[str], str | None]) -> None:
        self._page_of = page_of
        markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Linking)
        self._markdown = markdown.enable("table").disable("image")

    def html(self, text: str | None, root: str, here: str = "") -> Markup:
        """A text on a page that is `root` away from the top; the name of the page itself is no link."""

        def link(name: str, shown: str) -> str:
            page = self._page_of(name)
            return f'<a href="{root}{page}">{shown}</a>' if page and page != here else shown

        return Markup(self._markdown.render(text or "", {"link": link}))  # noqa: S704, it escapes


class _Linking(RendererHTML):
    """Asks `link` of the environment about every word that may be a name. Code that is too wide is scrolled by keyboard, too."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return super().fence(tokens, idx, options, env).replace("<pre>", '<pre tabindex="0">', 1)

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        shown = super().text(tokens, idx, options, env)
        within_link = sum(token.nesting for token in tokens[:idx] if token.type.startswith("link_"))
        return shown if within_link else WORD.sub(lambda found: env["link"](found[0], found[0]), shown)

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        shown: str = env["link"](tokens[idx].content, super().code_inline(tokens, idx, options, env))
        return shown


def number(value: Any) -> str:
    """A count with its thousands apart."""
    return "–" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Bytes as people say them."""
    if value is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:,.1f} {unit}"
    return f"{value} bytes"


def seconds(value: float | None) -> str:
    """A time that something took."""
    if value is None:
        return "–"
    return f"{value // 60:.0f} min {value % 60:.0f} s" if value >= 60 else f"{value:.2g} s"


def share(part: int | None, whole: int | None) -> str:
    """A part in percent; only what is nothing is 0 %, and only the whole is 100 %."""
    if part is None or not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    return ">99.9 %" if 99.9 < percent < 100 else f"{percent:.1f} %".replace(".0 ", " ")


def moment(value: datetime | None) -> str:
    """A point of time, to the minute."""
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def words(name: str) -> str:
    """A name in snake case as a phrase."""
    return name.replace("__", " ").replace("_", " ").strip()


def bars(values: Sequence[int]) -> list[float]:
    """The heights of a histogram's bars, of 1; what is there at all is seen."""
    highest = max(values, default=0) or 1
    return [max(value / highest, 0.04) if value else 0.0 for value in values]


def sparkline(values: Sequence[float], width: int = 72, height: int = 20) -> str:
    """The points of a line through values, for an SVG of this size."""
    highest, step = max(values) or 1, width / max(len(values) - 1, 1)
    return " ".join(
        f"{place * step:.1f},{height - 2 - (height - 4) * value / highest:.1f}"
        for place, value in enumerate(values)
    )
