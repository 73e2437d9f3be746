"""Will this household be lapsed in eight weeks? One model from features to its card, judged on later dates.

It learns from `marts.agg_household_features` and `marts.agg_household_lapses`, opens the warehouse read-only, and writes
to `data/science/`: the scores of every household as of the latest date, and a model card with the figures of this run. Same data,
same card: nothing is drawn.
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ingestion.core.files import write_atomically
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import current_paths
from science.warehouse import open_warehouse

WINDOW = timedelta(days=56)
"""How long a household has to be without a purchase to be lapsed: no date may be learned from whose window reaches a tested one."""

FIRST_TESTED = date(2017, 7, 17)

FEATURES = {
    "days since the last basket": "ln(days_since_last_basket)",
    "usual days between visits": "ln(coalesce(typical_visit_interval_days, 56))",
    "days since the last basket, in usual intervals": "ln(days_since_last_basket / coalesce(typical_visit_interval_days, 56))",
    "longest absence so far, days": "ln(coalesce(longest_visit_interval_days, 56))",
    "has bought on one day only": "(shopping_days_before = 1)::int",
    "shopping days in 4 weeks": "ln(1 + shopping_days_28)",
    "shopping days in 8 weeks": "ln(1 + shopping_days_56)",
    "shopping days in 12 weeks": "ln(1 + shopping_days_84)",
    "sales in 4 weeks": "ln(1 + sales_28_usd)",
    "sales in 12 weeks": "ln(1 + sales_84_usd)",
    "share of loyalty discount": "coalesce(loyalty_discount_84_usd / nullif(sales_84_usd + loyalty_discount_84_usd, 0), 0)",
    "share of private label": "coalesce(private_label_sales_84_usd / nullif(sales_84_usd, 0), 0)",
    "categories in 12 weeks": "ln(1 + categories_84)",
    "stores in 12 weeks": "ln(stores_84)",
    "campaigns so far": "ln(1 + campaigns_before)",
    "coupons redeemed so far": "ln(1 + redemptions_before)",
}
BASELINE = ["days since the last basket"]

ROWS = """
select features.household_id, features.before_date, lapses.has_lapsed, {features}
from marts.agg_household_features as features
left join marts.agg_household_lapses as lapses
    on features.household_id = lapses.household_id and features.before_date = lapses.before_date
where features.shopping_days_56 > 0
order by features.before_date, features.household_id
"""

Vector = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Households on dates. `lapsed` is -1 where nobody knows yet; `signals` has a column for each of FEATURES."""

    households: npt.NDArray[np.int64]
    dates: npt.NDArray[np.datetime64]
    lapsed: npt.NDArray[np.int64]
    signals: Vector

    def __getitem__(self, chosen: Flags) -> "Rows":
        return Rows(self.households[chosen], self.dates[chosen], self.lapsed[chosen], self.signals[chosen])


@dataclass(frozen=True)
class Judgement:
    """How well probabilities told who lapsed."""

    auc: float
    average_precision: float
    brier: float


def read(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Every household and date that can lapse, in the order of dates and households."""
    columns = ", ".join(f'({sql})::double as "{name}"' for name, sql in FEATURES.items())
    found = connection.execute(ROWS.format(features=columns)).fetchnumpy()
    return Rows(
        np.asarray(found["household_id"], dtype=np.int64),
        np.asarray(found["before_date"], dtype="datetime64[D]"),
        np.ma.filled(np.ma.asarray(found["has_lapsed"]).astype(np.int64), -1),
        np.column_stack([np.asarray(found[name], dtype=np.float64) for name in FEATURES]),
    )


def split(rows: Rows, first_tested: date) -> tuple[Rows, Rows]:
    """What to learn from, and what to judge by: between them lies the window that an answer takes.

    Raises LarderError when either is too little to tell.
    """
    known = rows.lapsed >= 0
    learned = rows[known & (rows.dates <= np.datetime64(first_tested - WINDOW))]
    tested = rows[known & (rows.dates >= np.datetime64(first_tested))]
    for part, what in ((learned, "learn from"), (tested, "judge by")):
        if min((part.lapsed == 0).sum(), (part.lapsed == 1).sum()) < 50:
            raise LarderError(
                f"too few households that stayed or lapsed to {what}",
                "It takes the sales of some eight months: larder demo advance, then larder run.",
            )
    return learned, tested


def fit(rows: Rows, names: list[str]) -> Pipeline:
    """A logistic regression on scaled features: few rows lapse, and its weights can be read."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(rows.signals[:, _columns(names)], rows.lapsed)
    return model


def score(model: Pipeline, rows: Rows, names: list[str]) -> Vector:
    """The probability that each household lapses."""
    found: Vector = model.predict_proba(rows.signals[:, _columns(names)])[:, 1]
    return found


def judge(rows: Rows, scores: Vector) -> Judgement:
    """Figures over all tested rows."""
    return Judgement(
        roc_auc_score(rows.lapsed, scores),
        average_precision_score(rows.lapsed, scores),
        brier_score_loss(rows.lapsed, scores),
    )


def by_tenths(rows: Rows, scores: Vector) -> list[tuple[int, float, float, int]]:
    """Calibration, the likeliest tenth first: households, mean probability, share that lapsed, number that lapsed."""
    order = np.lexsort((rows.households, rows.dates, -scores))
    return [
        (len(part), scores[part].mean(), rows.lapsed[part].mean(), int(rows.lapsed[part].sum()))
        for part in np.array_split(order, 10)
    ]


def better_in(rows: Rows, model: Vector, baseline: Vector) -> tuple[float, float]:
    """From where to where the gain in ROC AUC lies in 95 of 100 resamples of households, by a fixed seed."""
    draw = np.random.default_rng(84)
    households, place = np.unique(rows.households, return_inverse=True)
    gains = []
    for _ in range(100):
        weight = np.bincount(draw.integers(len(households), size=len(households)), minlength=len(households))[
            place
        ]
        gains.append(
            roc_auc_score(rows.lapsed, model, sample_weight=weight)
            - roc_auc_score(rows.lapsed, baseline, sample_weight=weight)
        )
    low, high = np.percentile(gains, [2.5, 97.5])
    return float(low), float(high)


def _columns(names: list[str]) -> list[int]:
    return [list(FEATURES).index(name) for name in names]


def card(learned: Rows, tested: Rows) -> str:
    """The model card as Markdown, with the figures of this data."""
    everything = list(FEATURES)
    model, recency = fit(learned, everything), fit(learned, BASELINE)
    scores, plain = score(model, tested, everything), score(recency, tested, BASELINE)
    constant = np.full(len(tested.lapsed), learned.lapsed.mean())
    low, high = better_in(tested, scores, plain)
    weights = sorted(
        zip(everything, model[-1].coef_[0], strict=True), key=lambda pair: (-abs(pair[1]), pair[0])
    )
    figures = [
        ("this model", judge(tested, scores)),
        ("days since the last basket alone", judge(tested, plain)),
        ("the same probability for all", judge(tested, constant)),
    ]
    return CARD.format(
        learned=_span(learned),
        tested=_span(tested),
        figures="\n".join(
            f"| {name} | {found.auc:.3f} | {found.average_precision:.3f} | {found.brier:.4f} |"
            for name, found in figures
        ),
        low=f"{low:+.3f}",
        high=f"{high:+.3f}",
        dates="\n".join(
            f"| {day} | {(tested.dates == day).sum():,} | {tested.lapsed[tested.dates == day].mean():.1%} |"
            f" {roc_auc_score(tested.lapsed[tested.dates == day], scores[tested.dates == day]):.3f} |"
            f" {roc_auc_score(tested.lapsed[tested.dates == day], plain[tested.dates == day]):.3f} |"
            for day in np.unique(tested.dates)
        ),
        tenths="\n".join(
            f"| {place} | {size:,} | {expected:.1%} | {actual:.1%} | {lapsed:,} |"
            for place, (size, expected, actual, lapsed) in enumerate(by_tenths(tested, scores), start=1)
        ),
        weights="\n".join(f"| {name} | {weight:+.2f} |" for name, weight in weights),
    )


def _span(rows: Rows) -> str:
    return (
        f"{rows.dates.min()} to {rows.dates.max()}: {len(np.unique(rows.dates))} dates, {len(rows.lapsed):,} rows of"
        f" {len(np.unique(rows.households)):,} households, {rows.lapsed.mean():.1%} lapsed"
    )


CARD = """# Model card: will this household be lapsed in eight weeks?

Written by `python -m science.lapse`; the figures are those of its run and are not edited by hand.

**Question.** A household that bought in the last eight weeks: will it buy nothing in the next eight? That is when the
lifecycle of the customers' marts calls it lapsed.

**For.** Choosing whom to write to before they are gone. It says who is likely to go, not whether a letter would keep them:
that takes a control group. Not for prices, credit, or any decision about a single person.

**Model.** A logistic regression (scikit-learn) on scaled features of `marts.agg_household_features`, which knows only what
happened before each date. A household is known by its purchases alone; no demographics are used.

**Data.** The Complete Journey 2017, households with a loyalty card.

- learned from {learned}
- judged by {tested}

Between the two lies the window that an answer takes: no household's tested past holds an answer that was learned.

## How well it tells

| | ROC AUC | average precision | Brier |
|---|---|---|---|
{figures}

ROC AUC: how often a household that lapsed has the higher probability than one that stayed (0.5 is chance). Average
precision: how clean the top of the list is (chance is the share that lapsed). Brier: mean square of what the probability was
off (lower is better). Against the days since the last basket alone, the gain in ROC AUC lies between {low} and {high}
(95 of 100 resamples of households).

| date | households | lapsed | ROC AUC | days since the last basket alone |
|---|---|---|---|---|
{dates}

## Whether its probabilities can be believed

Tested rows in tenths, the likeliest first:

| tenth | rows | expected to lapse | lapsed | number |
|---|---|---|---|---|
{tenths}

## What it goes by

Weights on features scaled to a standard deviation of 1; with features that move together, read them together.

| feature | weight |
|---|---|
{weights}

## Limits

- One year: no season is seen twice, and the households were chosen for the data set because they shop often.
- A household is not seen elsewhere: who moved, changed cards or shops at a competitor looks the same.
- The first dates have fewer weeks before them, so that their windows look lower.
- It is never told by whom it will be used: learn it again, and look at the tenths, before each use.
"""


def write_scores(rows: Rows, target: Path) -> int:
    """Learn from every known answer and score the latest date. Returns how many households were scored."""
    model = fit(rows[rows.lapsed >= 0], list(FEATURES))
    latest = rows[rows.dates == rows.dates.max()]
    scores = score(model, latest, list(FEATURES))
    lines = ["household_id,before_date,lapse_probability\n"]
    for household, day, probability in zip(latest.households, latest.dates, scores, strict=True):
        lines.append(f"{household},{day},{probability:.6f}\n")
    write_atomically(target, "".join(lines))
    return len(latest.households)


def run(warehouse: Path | None, first_tested: date, folder: Path) -> None:
    """Learn, judge, and write the card and the scores into a folder that its owner alone can read.

    Raises LarderError for a folder below the site: what is published there has passed the check of its classes.
    """
    if folder.resolve().is_relative_to(current_paths().site):
        raise LarderError(
            f"{folder} is part of the published site, and the scores are of single households",
            f"Choose another folder; the default is {default_folder()}.",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_warehouse(warehouse) as connection:
        rows = read(connection)
    learned, tested = split(rows, first_tested)
    text = card(learned, tested)
    scored = write_scores(rows, folder / "lapse-scores.csv")
    write_atomically(folder / "lapse-card.md", text)
    console.done(f"{scored:,} households scored; card and scores in {folder}")


def default_folder() -> Path:
    """Where the card and the scores go: not into the site, which everybody reads."""
    return current_paths().data / "science"


def main() -> None:
    """Run from the command line; an expected error is one message."""
    options = argparse.ArgumentParser(prog="python -m science.lapse", description=__doc__)
    options.add_argument("--warehouse", type=Path, help="a DuckDB file; what is published when none is named")
    options.add_argument(
        "--test-from", type=date.fromisoformat, default=FIRST_TESTED, help="default %(default)s"
    )
    options.add_argument("--folder", type=Path, default=default_folder(), help="default %(default)s")
    given = options.parse_args()
    try:
        run(given.warehouse, given.test_from, given.folder)
    except LarderError as error:
        console.failed(str(error), error.next_step)
        sys.exit(1)


if __name__ == "__main__":
    main()
