"""Fit the weights of the personal offers on what was redeemed before a day, and write them as the seed `offer_weights`.

A conditional logit: of the coupons that a household could redeem in a campaign, how likely is it that it takes this
one? The signals are those of `marts.agg_offer_candidates` on the day before each campaign, so the weights in use have no part
in them. Campaigns that began on the day or later are not seen: `agg_offer_backtest_summary` judges by them.
"""

import argparse
import csv
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from larder.core.settings import PROJECT
from science.warehouse import open_warehouse

SEED = PROJECT / "seeds" / "offer_weights.csv"
FITTED_BEFORE = date(2017, 8, 1)
PENALTY = 1.0
"""Ridge on the weights of signals that are scaled to a standard deviation of 1."""

SIGNALS = {
    "own purchases": "ln(1 + supporting_baskets)",
    "own purchases of what everyone buys": "ln(1 + supporting_baskets) * coalesce(buying_households / nullif(known_households, 0), 0)",
    "purchases of the kind": "ln(1 + kind_purchases)",
    "due": "is_due::int",
    "affinity": "ln(1 + coalesce(affinity_lift, 0))",
}

CANDIDATES = """
with redeemed as (
    -- distinct: a household may redeem a coupon twice
    select distinct campaign_id, household_id, coupon_upc
    from marts.fct_coupon_redemptions
    where redemption_date < $before
),

candidates as (
    select candidates.*
    from marts.agg_offer_candidates as candidates
    inner join marts.dim_campaigns as campaigns
        on candidates.campaign_id = campaigns.campaign_id and candidates.before_date = campaigns.start_date
    semi join redeemed
        on candidates.campaign_id = redeemed.campaign_id and candidates.household_id = redeemed.household_id
    where candidates.before_date < $before and candidates.known_households > 0
)

select
    dense_rank() over (order by campaign_id, household_id) - 1 as household,
    (redeemed.coupon_upc is not null)::int as is_redeemed,
    {signals}
from candidates
left join redeemed using (campaign_id, household_id, coupon_upc)
order by campaign_id, household_id, coupon_upc
"""

Vector = npt.NDArray[np.float64]


def fit(connection: duckdb.DuckDBPyConnection, before: date) -> dict[str, float]:
    """The weight of each signal, to 2 decimals, from the redemptions before a day."""
    query = CANDIDATES.format(signals=", ".join(f'{sql} as "{name}"' for name, sql in SIGNALS.items()))
    found = connection.execute(query, {"before": before}).fetchnumpy()
    signals = np.column_stack([np.asarray(found[name], dtype=np.float64) for name in SIGNALS])
    spread = signals.std(axis=0)
    weights = conditional_logit(
        signals / spread, np.asarray(found["household"]), np.asarray(found["is_redeemed"])
    )
    return {name: round(float(weight), 2) for name, weight in zip(SIGNALS, weights / spread, strict=True)}


def conditional_logit(signals: Vector, groups: npt.NDArray[np.int64], taken: npt.NDArray[np.int64]) -> Vector:
    """Weights under which what was taken is likeliest among the rows of its group, with a ridge penalty."""
    taken_of_group = np.bincount(groups, taken)

    def loss(weights: Vector) -> tuple[float, Vector]:
        scores = signals @ weights
        highest = np.full(groups.max() + 1, -np.inf)
        np.maximum.at(highest, groups, scores)
        raised = np.exp(scores - highest[groups])
        total = np.bincount(groups, raised)
        likelihood = taken @ scores - taken_of_group @ (np.log(total) + highest)
        expected = raised / total[groups] * taken_of_group[groups]
        slope = signals.T @ (taken - expected) - 2 * PENALTY * weights
        return -likelihood + PENALTY * (weights @ weights), -slope

    found: Vector = minimize(loss, np.zeros(signals.shape[1]), jac=True, method="L-BFGS-B").x
    return found


def write(weights: dict[str, float], before: date, seed: Path) -> None:
    """Write the weights as the seed that the marts read."""
    with seed.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["signal", "weight", "fitted_before"])
        rows.writerows([name, weight, before] for name, weight in weights.items())


def main() -> None:
    """Fit and write. Build the marts afterwards: `larder build` sees the new seed."""
    options = argparse.ArgumentParser(prog="python -m science.offer_weights", description=__doc__)
    options.add_argument(
        "--before", type=date.fromisoformat, default=FITTED_BEFORE, help="default %(default)s"
    )
    options.add_argument("--warehouse", type=Path, help="a DuckDB file; what is published when none is named")
    options.add_argument("--seed", type=Path, default=SEED, help="where the weights go")
    given = options.parse_args()
    with open_warehouse(given.warehouse) as connection:
        weights = fit(connection, given.before)
    write(weights, given.before, given.seed)


if __name__ == "__main__":
    main()
