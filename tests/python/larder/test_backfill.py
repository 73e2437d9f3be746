"""A backfill runs its steps once each, goes on where it stopped, and says what is wrong with its file."""

from datetime import date
from pathlib import Path

import pytest

from ingestion.core.request import LoadRequest
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.ops import backfill

FILE = (
    "first: 2017-01-01\nlast: 2017-01-05\nreason: the tills sent wrong prices\nowner: sales\nstep_days: 2\n"
)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[date, date]]:
    """The days of the runs; what a run does with them, tests of `larder run` show."""
    found: list[tuple[date, date]] = []
    monkeypatch.setattr("larder.ops.run.run", lambda _, request: found.append((request.first, request.last)))
    return found


def test_steps_are_bounded_and_done_once(tmp_path: Path, runs: list[tuple[date, date]]) -> None:
    file = tmp_path / "prices.yml"
    file.write_text(FILE)
    backfill.start(Paths(tmp_path), file)
    assert [(first.day, last.day) for first, last in runs] == [(1, 2), (3, 4), (5, 5)]
    backfill.start(Paths(tmp_path), file)
    assert len(runs) == 3


def test_a_step_that_fails_is_the_next_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[tuple[date, date]]
) -> None:
    file = tmp_path / "prices.yml"
    file.write_text(FILE)

    def fails(_: Paths, request: LoadRequest) -> None:
        runs.append((request.first, request.last))
        if len(runs) == 2:
            raise LarderError("the disk is full", "Free space.")

    monkeypatch.setattr("larder.ops.run.run", fails)
    with pytest.raises(LarderError, match="the disk is full"):
        backfill.start(Paths(tmp_path), file)
    backfill.start(Paths(tmp_path), file)
    assert [first.day for first, _ in runs] == [1, 3, 3, 5]


def test_a_file_that_changes_under_way_is_refused(tmp_path: Path, runs: list[tuple[date, date]]) -> None:
    file = tmp_path / "prices.yml"
    file.write_text(FILE)
    backfill.start(Paths(tmp_path), file)
    file.write_text(FILE.replace("01-05", "01-06"))
    with pytest.raises(LarderError, match="has changed since it began"):
        backfill.start(Paths(tmp_path), file)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "its keys must be"),
        ("- 1", "its keys must be"),
        ("first: [", "while parsing"),
        (FILE.replace("owner: sales\n", ""), "its keys must be"),
        (FILE + "sources: pos\n", "its keys must be"),
        (FILE.replace("2017-01-01", "January"), "first is 'January', which is no date"),
        (FILE.replace("the tills sent wrong prices", "''"), "reason is '', which is no str"),
        (FILE + "last: 2017-01-06\n", "a key stands twice"),
        (FILE.replace("2017-01-05", "2016-12-05"), "first must not be after last"),
        (FILE.replace("step_days: 2", "step_days: 400"), "step_days must be 1 to 31"),
        (FILE.replace("step_days: 2", "step_days: true"), "step_days is 'True', which is no int"),
        (FILE.replace("2017-01-01", "2017-01-01 10:00:00"), "which is no date"),
        (FILE.replace("2017-01-01", "2017-02-30"), "day is out of range"),
        (FILE.replace("2017-01-01", "0001-01-01"), "nor more than 10 years"),
        (FILE.replace("the tills sent wrong prices", "' '"), "reason is ' '"),
        (
            FILE.replace("owner: sales", "owner: nobody"),
            "owner is 'nobody', and models/_groups.yml has: .*sales",
        ),
        ("[" * 3000, "prices.yml: "),
    ],
)
def test_a_file_says_what_is_wrong_with_it(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "prices.yml").write_text(text)
    with pytest.raises(LarderError, match=wrong):
        backfill.start(Paths(tmp_path), tmp_path / "prices.yml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LarderError, match="No such file"):
        backfill.start(Paths(tmp_path), tmp_path / "prices.yml")
