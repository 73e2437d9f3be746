"""Every mistake of mistakes.toml, planted alone: the command that an analyst would run first says where, what, and what to do."""

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkouts import Checkout, begin, put_back
from conftest import Instance

pytestmark = pytest.mark.nightly

FILE = "models/marts/sales/agg_sales_weekly_store.sql"
MISTAKES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "mistakes.toml").read_text())[
    "mistake"
]
COMMANDS = {"dev": ["dev"], "check": ["check", "--fast"]}


@pytest.fixture(scope="module")
def shop(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return begin(published, tmp_path_factory.mktemp("mistakes"))


@pytest.fixture
def checkout(shop: Checkout) -> Iterator[Checkout]:
    yield shop
    put_back(shop)


def plant(project: Path, mistake: dict[str, Any]) -> None:
    if "move" in mistake:
        old, new = (project / name for name in mistake["move"])
        old.rename(new)
    elif "copy" in mistake:
        shutil.copy(*(project / name for name in mistake["copy"]))
    else:
        file = project / mistake.get("file", FILE)
        text = file.read_text()
        if "cut" in mistake:
            begins, ends = (text.index(mark) for mark in mistake["cut"])
            text = text[:begins] + text[ends:]
        for old, new in [mistake[key] for key in ("replace", "and_replace") if key in mistake]:
            assert old in text
            text = text.replace(old, new, 1)
        file.write_text(text)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["name"])
def test_the_first_command_says_what_is_wrong(checkout: Checkout, mistake: dict[str, Any]) -> None:
    plant(checkout.project, mistake)
    done = checkout.run(*COMMANDS[mistake["by"]])
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert [text for text in mistake["says"] if text not in said] == [], said
    assert "Traceback" not in said
