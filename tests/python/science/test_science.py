"""What is learned: that a known rule is found again, that time is kept apart, and that a card is a function of its rows."""

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from larder.core.errors import LarderError
from science import lapse, offer_weights


def test_a_conditional_logit_finds_the_weights_that_made_the_choices() -> None:
    """2,000 households each take one of 20 coupons, by chance and by known weights; what differs between households cancels."""
    draw = np.random.default_rng(1)
    groups = np.repeat(np.arange(2000), 20)
    signals = draw.normal(size=(40_000, 3)) + np.repeat(draw.normal(size=2000), 20)[:, None]
    utility = signals @ np.array([1.5, -0.5, 0.0]) + draw.gumbel(size=40_000)
    taken = np.zeros(40_000, dtype=np.int64)
    taken[utility.reshape(2000, 20).argmax(axis=1) + 20 * np.arange(2000)] = 1
    assert offer_weights.conditional_logit(signals, groups, taken) == pytest.approx(
        [1.5, -0.5, 0.0], abs=0.08
    )


def test_the_signals_are_those_of_the_seed() -> None:
    header, *rows = offer_weights.SEED.read_text().splitlines()
    assert header == "signal,weight,fitted_before"
    assert [row.split(",")[0] for row in rows] == list(offer_weights.SIGNALS)
    assert {row.split(",")[2] for row in rows} == {str(offer_weights.FITTED_BEFORE)}


def households(dates: list[str]) -> lapse.Rows:
    """1,000 households on each date, of which those with long absences are likelier to lapse."""
    draw = np.random.default_rng(2)
    size = 1000 * len(dates)
    signals = draw.normal(size=(size, len(lapse.FEATURES)))
    lapsed = (signals[:, 0] + signals[:, 3] + draw.logistic(size=size) > 2.5).astype(np.int64)
    return lapse.Rows(
        np.tile(np.arange(1000), len(dates)),
        np.repeat(np.array(dates, "datetime64[D]"), 1000),
        lapsed,
        signals,
    )


DATES = ["2017-05-22", "2017-05-23", "2017-07-16", "2017-07-17", "2017-08-14"]


def test_no_answer_that_is_learned_reaches_a_tested_date() -> None:
    learned, tested = lapse.split(households(DATES), date(2017, 7, 17))
    assert set(learned.dates.astype(str)) == {"2017-05-22"}
    assert set(tested.dates.astype(str)) == {"2017-07-17", "2017-08-14"}


def test_too_little_to_tell_is_said() -> None:
    with pytest.raises(LarderError, match="learn from"):
        lapse.split(households(DATES[1:]), date(2017, 7, 17))
    with pytest.raises(LarderError, match="judge by"):
        lapse.split(households(DATES[:3]), date(2017, 7, 17))


def test_a_card_tells_the_same_of_the_same_rows_and_beats_its_baseline() -> None:
    learned, tested = lapse.split(households(DATES), date(2017, 7, 17))
    assert lapse.card(learned, tested) == lapse.card(learned, tested)
    everything = list(lapse.FEATURES)
    scores = lapse.score(lapse.fit(learned, everything), tested, everything)
    plain = lapse.score(lapse.fit(learned, lapse.BASELINE), tested, lapse.BASELINE)
    assert lapse.judge(tested, scores).auc > lapse.judge(tested, plain).auc + 0.05
    assert sum(size for size, *_ in lapse.by_tenths(tested, scores)) == len(tested.lapsed)
    assert sum(lapsed for *_, lapsed in lapse.by_tenths(tested, scores)) == tested.lapsed.sum()


def test_scores_of_households_do_not_go_into_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARDER_DATA", str(tmp_path / "data"))
    assert not lapse.default_folder().is_relative_to(tmp_path / "data/site")
    with pytest.raises(LarderError, match="part of the published site"):
        lapse.run(None, date(2017, 7, 17), tmp_path / "data/site/models")


def test_scores_can_be_read_by_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lapse, "open_warehouse", lambda _: duckdb.connect())
    monkeypatch.setattr(lapse, "read", lambda _: households(DATES))
    folder = tmp_path / "science"
    lapse.run(tmp_path / "any.duckdb", date(2017, 7, 17), folder)
    assert (folder / "lapse-scores.csv").read_text().count("\n") == 1001
    assert folder.stat().st_mode & 0o077 == 0
