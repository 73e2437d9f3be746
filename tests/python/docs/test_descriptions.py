"""A model belongs to whoever clones the repository: none of its texts states a figure of the demo's data."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT

FIGURE = re.compile(
    r"\b[1-9][\d,]*\d\d\b|\d ?%|\d million\b|\b\d+ of (?:the )?\d+"
    r"|\b(?:a|two|three|four|about|nearly) (?:half|third|quarter|fifth)s? of\b"
)
"""A number of three digits or more, the demo's year among them, a share, or N of M."""

DEFINITIONS = [
    "95 % interval",
    "90 % interval",
    "interval (90 %)",
    "9 of 10 were promised",
    "promises 90 %",
    "at least 90 % are inside",
    "1.645 times",
    "128 bits",
    "2017-W10, 2017-03 or 2017-Q1",
    "interval (95 %)",
    "make 80 % of",
    "make 95 % of",
    "less than 95 % come before it",
    "2 % dearer",
    "the best 1, 10, 20 and 50 %",
    "1,000 of what is counted",
    "1,000 of a product that is counted",
    "119 days",
    "364 days",
    "weeks 55 to 108",
    "at least 200 redeemed offers",
    "in one of 500",
    "50 or 100 and more",
    "750 ML",
    "ISO 8601",
    "year 9999",
    "1900-01-01",
    "9999-12-31",
    "2027-06-30",
]
"""What looks like a figure of the data and is a limit, a convention, an example or a day that somebody has set."""


def descriptions(node: Any) -> Iterator[str]:
    """The descriptions below a node, but for those of unit tests, which explain their inputs."""
    if isinstance(node, dict):
        for key, below in node.items():
            if key in ("description", "text") and isinstance(below, str):
                yield below
            elif key != "unit_tests":
                yield from descriptions(below)
    elif isinstance(node, list):
        for below in node:
            yield from descriptions(below)


def texts(file: Path) -> list[str]:
    """What a file tells its readers: descriptions, doc blocks, or comments."""
    content = file.read_text()
    if file.suffix == ".yml":
        return list(descriptions(yaml.safe_load(content)))
    return [content] if file.suffix == ".md" else re.findall(r"(?s:\{#.*?#\})|--.*", content)


def figures(text: str) -> list[str]:
    """The figures that a text states, each with the words around it; code is none of it."""
    prose = " ".join(re.sub(r"(?s)```.*?```|`[^`]*`", "", text).split())
    for definition in DEFINITIONS:
        prose = prose.replace(definition, "")
    return [prose[max(0, at.start() - 40) : at.end() + 20] for at in FIGURE.finditer(prose)]


@pytest.mark.parametrize("folder", ["governance", "macros", "models", "seeds"])
def test_a_text_names_the_mart_that_counts_and_not_the_count(folder: str) -> None:
    files = [file for file in (PROJECT / folder).rglob("*") if file.suffix in {".md", ".sql", ".yml"}]
    assert files
    stated = [
        f"{file.relative_to(PROJECT)}: … {figure} …"
        for file in files
        for text in texts(file)
        for figure in figures(text)
    ]
    assert not stated, "say it without the figure, or name the mart that counts it:\n" + "\n".join(stated)


@pytest.mark.parametrize(
    "text",
    [
        "801 of 2,469",
        "in 2017",
        "55 % of the lapsed",
        "20.9 million",
        "112 stores",
        "a third of the households",
    ],
)
def test_a_figure_is_recognised(text: str) -> None:
    assert figures(text)
