"""Values are shown as they are: no mark-up, no emoji, nothing that a terminal obeys."""

import json
from pathlib import Path

import pytest
from conftest import PROJECT
from hypothesis import given
from hypothesis import strategies as st

from larder.cli import main
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse import diff

HOSTILE = {
    "Type [/b]": "Type [/b]",
    "[bold]x[/]": "[bold]x[/]",
    "[link=https://x]y[/link]": "[link=https://x]y[/link]",
    ":fire: 100%": ":fire: 100%",
    "a\x1b[31mred": "a\\u001b[31mred",
    "over\rwritten": "over\\u000dwritten",
    "bell\x07, \x9bcsi": "bell\\u0007, \\u009bcsi",
    "\u202egnp.exe": "\\u202egnp.exe",
    "half \udce9": "half \\udce9",
}


@pytest.mark.parametrize(("value", "shown"), HOSTILE.items())
def test_a_value_is_shown_as_it_is(value: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.table(value, [value], [[value]])
    console.out.print(value)
    console.heading(value, value)
    for say in (console.done, console.note):
        say(value)
    console.failed(value, value)
    captured = capsys.readouterr()
    assert captured.out.count(shown) == 6 and captured.err.count(shown) == 4
    if shown != value:
        assert value not in captured.out + captured.err
    console.as_json({"value": value})
    written = capsys.readouterr().out
    assert json.loads(written) == {"value": value} and console.plain(written) == written


def test_a_line_end_in_a_cell_begins_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("", ["a", "b"], [["one\ntwo\tthree", 1]])
    assert "one\\ntwo\\tthree" in capsys.readouterr().out


@given(st.text())
def test_what_is_shown_is_printable_and_json_stays_the_same_value(text: str) -> None:
    plain = console.plain(text)
    assert all(sign.isprintable() or sign not in "\r\x1b\x07\x9b\u202e" for sign in plain)
    assert json.loads(console.plain(json.dumps({"v": text}, ensure_ascii=False))) == {"v": text}


def test_of_two_unknown_generations_the_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(LarderError, match="there is no generation x to compare"):
        diff.compare(Paths(tmp_path), "x", "y")


@pytest.mark.parametrize("number", sorted(main.NOT_WRITABLE))
def test_a_folder_that_cannot_be_written_ends_in_one_sentence(number: int) -> None:
    message, step = main._explain(OSError(number, "no", "/lake/x"))
    assert message == "not writable: /lake/x" and "LARDER_DATA" in step


def test_an_error_writes_its_trace_into_no_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARDER_DATA", str(tmp_path / "typo"))
    message, step = main._explain(RuntimeError("odd"))
    assert "odd" in message and "unexpected-error.log" in step
    assert not (tmp_path / "typo").exists()


def test_all_that_is_printed_goes_through_the_console() -> None:
    """Nowhere else is mark-up turned on, or a console made."""
    for file in (PROJECT / "larder").rglob("*.py"):
        if file.name != "console.py":
            assert not {"markup=True", "rich.markup", "Console("} & {
                word for word in ("markup=True", "rich.markup", "Console(") if word in file.read_text()
            }, file
