"""How many injected faults the anomaly checks find, and how often they are wrong. Writes RESULTS.md next to this file.

    python -m venv stl && stl/bin/pip install statsmodels
    git clone https://github.com/numenta/NAB
    .venv/bin/python -m benchmarks.anomalies --stl stl/bin/python --nab NAB

Reads the whole year that LARDER_DATA has published. Each round takes its lines, puts faults into them (faults.py), and runs
the models' own SQL as dbt compiles it; a plain z-score and the STL oracle judge the same series by the same rules. Some minutes.
"""

import argparse
import bisect
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.anomalies import faults
from benchmarks.anomalies.faults import Fault
from larder.core import console
from larder.core.settings import current_paths

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
MODELS = ("anomaly_series", "anomalies")
OURS, Z, STL = "Larder", "z-score", "STL"
WHOLE_YEAR = json.dumps({"anomaly_listed_days": 400})
KEY = "relation_name, measure, member"
KINDS = "alert_tier || ' ' || split_part(measure, '(', 1)"
GOAL = "recall 0.9 at 1 false alert in 100 model-days"

Alert = tuple[str, str, str, date]


@dataclass
class Tally:
    """What one method said in all rounds: which faults it found, after how many days, and its days of alerts."""

    found: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    right: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        """Of all faults."""
        return _mean([found for kind in self.found.values() for found in kind])

    @property
    def precision(self) -> float:
        """Of the days with alerts, those on which something was wrong."""
        return self.right / (self.right + self.wrong)


@dataclass(frozen=True, eq=False)
class Method:
    """A method, and from which score on a day of each tier and kind of measure is an anomaly; ours has that in the project."""

    name: str
    title: str = ""
    least: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure, and write the page."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--stl", type=Path, required=True, help="the Python of an environment with statsmodels"
    )
    options.add_argument("--nab", type=Path, required=True, help="a clone of numenta/NAB")
    options.add_argument("--rounds", type=int, default=10, help="how often each kind of fault is injected")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--into", type=Path, default=HERE / "RESULTS.md")
    asked = options.parse_args()
    published = current_paths().data / "warehouse/current/larder.duckdb"
    with tempfile.TemporaryDirectory(prefix="larder-benchmark-") as folder:
        page = measure(Path(folder), published, asked.stl, asked.nab, asked.rounds, asked.seed)
    asked.into.write_text(page)
    console.done(f"written: {asked.into}")


def measure(folder: Path, published: Path, stl: Path, nab: Path, rounds: int, seed: int) -> str:
    """The clean year first, by which the others' thresholds are set; then the years with faults; then NAB."""
    with duckdb.connect(str(folder / "larder.duckdb")) as connection:
        stores, departments = prepare(connection, published)
        queries = compiled(folder)
        clean = judge(connection, queries, stl)
        judged = connection.execute(
            "select count(distinct (relation_name, at_date)) from all_scores where not is_in_grace"
        )
        (model_days,) = judged.fetchone() or (0,)
        kinds = connection.execute(f"""
            select {KINDS}, count(*) filter (is_alert) from observe.anomalies group by 1 order by 1
        """).fetchall()
        methods = [
            Method(OURS, OURS),
            Method(Z, f"{Z}, from 3", {kind: 3 for kind, _ in kinds}),
            *(Method(name, f"{name}, as quiet", as_quiet(clean, name, kinds)) for name in (Z, STL)),
        ]
        quiet = {method: clean(method) for method in methods}
        tallies = {method: Tally() for method in methods}
        chance = random.Random(seed)  # noqa: S311
        for _ in range(rounds):
            for chosen in faults.of_two_rounds(chance, stores, departments):
                reset(connection)
                faults.inject(connection, chosen)
                alerts = judge(connection, queries, stl)
                for method, tally in tallies.items():
                    count(tally, chosen, alerts(method), quiet[method])
        series = on_nab(connection, queries, stl, nab, methods)
    return report(tallies, quiet, model_days, series, rounds, seed, len(stores))


def prepare(connection: duckdb.DuckDBPyConnection, published: Path) -> tuple[list[int], list[str]]:
    """Copy what the faults and the models need; returns the larger stores and departments, which faults are put into."""
    connection.execute(f"attach '{published}' as published (read_only)")
    for schema in ("marts", "seeds", "observe", "clean"):
        connection.execute(f"create schema {schema}")
    for seed in ("closed_days", "holidays", "incidents", "anomaly_tiers"):
        connection.execute(f"create table seeds.{seed} as from published.seeds.{seed}")
    connection.execute("""
        create table clean.lines as
        select
            lines.basket_id, lines.product_id, lines.household_id, lines.store_id, lines.business_date, lines.units,
            lines.sales_usd, lines.regular_price_usd, lines.is_settled, products.department
        from published.marts.fct_basket_lines as lines
        inner join published.marts.dim_products as products on lines.product_id = products.product_id
    """)
    connection.execute("detach published")
    reset(connection)
    stores = connection.execute("""
        select store_id from clean.lines group by store_id
        having count(distinct basket_id) >= 3 * 364 order by store_id
    """).fetchall()
    departments = connection.execute("""
        select department from clean.lines where department <> 'FUEL' group by department order by count(*) desc, department limit 10
    """).fetchall()
    return [store for (store,) in stores], [department for (department,) in departments]


def reset(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the year as it was."""
    connection.execute("create or replace table marts.fct_basket_lines as from clean.lines")


def compiled(folder: Path) -> dict[str, str]:
    """The SQL of the models over the whole year, as dbt compiles it."""
    target = folder / "target"
    command = [str(Path(sys.executable).with_name("dbt")), "compile", "--quiet", "--target", "published"]
    command += ["--select", *MODELS, "--vars", WHOLE_YEAR, "--no-introspect"]
    command += ["--target-path", str(target), "--log-path", str(target)]
    subprocess.run(command, cwd=PROJECT, env=os.environ, check=True, stdout=subprocess.DEVNULL)
    return {name: (target / f"compiled/larder/models/observe/{name}.sql").read_text() for name in MODELS}


def judge(
    connection: duckdb.DuckDBPyConnection, queries: dict[str, str], stl: Path
) -> Callable[[Method], list[Alert]]:
    """Build the models on the lines as they are, and score the same series by the others."""
    connection.execute("""
        create or replace table marts.fct_baskets as
        select basket_id, store_id, business_date, sum(sales_usd) as sales_usd
        from marts.fct_basket_lines group by basket_id, store_id, business_date
    """)
    connection.execute("""
        create or replace table marts.agg_sales_daily_department as
        select department, business_date, count(*) as lines, coalesce(sum(units), 0) as units, sum(sales_usd) as sales_usd
        from marts.fct_basket_lines group by department, business_date
    """)
    connection.execute(f"create or replace table observe.anomaly_series as {queries['anomaly_series']}")
    return scores(connection, queries, stl)


def scores(
    connection: duckdb.DuckDBPyConnection, queries: dict[str, str], stl: Path
) -> Callable[[Method], list[Alert]]:
    """Score observe.anomaly_series by all methods; what is returned gives the alerts of one."""
    connection.execute(f"create or replace table observe.anomalies as {queries['anomalies']}")
    oracle(connection, stl)
    connection.execute(f"""
        create or replace table all_scores as
        select
            listed.relation_name, listed.measure, listed.member, listed.alert_tier, listed.at_date, listed.is_holiday,
            listed.is_in_grace, {KINDS} as kind, others.z_score, others.stl_score
        from observe.anomalies as listed left join (
            select
                {KEY}, at_date,
                abs(value - avg(value) over before)
                / nullif(greatest(stddev_samp(value) over before, {_floor("avg(value) over before")}), 0) as z_score,
                residual / nullif(greatest(1.4826 * median(residual) over whole, {_floor("avg(value) over whole")}), 0) as stl_score
            from (select *, measured_value::double as value from observe.anomaly_series)
            left join residuals using ({KEY}, at_date)
            window
                before as (partition by {KEY} order by at_date rows between 28 preceding and 1 preceding),
                whole as (partition by {KEY})
        ) as others using ({KEY}, at_date)
    """)
    text = (HERE / "alerts.sql").read_text()

    def alerts(method: Method) -> list[Alert]:
        if method.name == OURS:
            return connection.execute(
                f"select {KEY}, at_date from observe.anomalies where is_alert"
            ).fetchall()
        fill(connection, "thresholds", ["kind", "least_score"], list(method.least.items()))
        column = "z_score" if method.name == Z else "stl_score"
        connection.execute(f"""
            create or replace temp view others as
            select *, {column} / least_score as other_score from all_scores inner join thresholds using (kind)
        """)
        return connection.execute(text).fetchall()

    return alerts


def _floor(mean: str) -> str:
    """The least spread, as anomaly_scores has it: without it, stores of one basket a day are all that the others speak of."""
    return f"""case
        when measure = 'volume' or measure like 'distinct%' then sqrt(greatest({mean}, 1))
        when measure = 'freshness' then 0.75
        when measure like 'mean%' then abs({mean}) * greatest(0.02, coalesce(1 / sqrt(nullif(measured_rows, 0)), 0))
        when measure like 'level%' then 0.02 * abs({mean})
        else 0.002
    end"""


def oracle(connection: duckdb.DuckDBPyConnection, stl: Path) -> None:
    """What STL leaves of each series of three weeks or more; where nothing was measured, the last value before stands."""
    rows = connection.execute(f"""
        select {KEY}, list(at_date order by at_date), list(value order by at_date)
        from (
            select *, last_value(measured_value::double ignore nulls) over (partition by {KEY} order by at_date) as value
            from observe.anomaly_series
        ) where value is not null group by {KEY} having count(*) >= 21 order by {KEY}
    """).fetchall()
    lines = "".join(json.dumps(values) + "\n" for *_, values in rows)
    done = subprocess.run([stl, HERE / "stl.py"], input=lines, text=True, check=True, capture_output=True)
    scored = [
        (*key, day, score)
        for (*key, days, _), line in zip(rows, done.stdout.splitlines(), strict=True)
        for day, score in zip(days, json.loads(line), strict=True)
    ]
    names = [*KEY.split(", "), "at_date", "residual"]
    fill(connection, "residuals", names, scored)


def fill(
    connection: duckdb.DuckDBPyConnection, table: str, names: list[str], rows: Sequence[tuple[object, ...]]
) -> None:
    """Make a table of rows."""
    content = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    connection.register("content", content)
    connection.execute(f"create or replace table {table} as from content")
    connection.unregister("content")


def as_quiet(
    alerts: Callable[[Method], list[Alert]], name: str, kinds: list[tuple[str, int]]
) -> dict[str, float]:
    """Of each kind the least threshold, to a tenth, at which the method gives no more alerts than ours on the clean year."""

    def at(kind: str, tenths: int) -> int:
        return len(alerts(Method(name, least={kind: tenths / 10})))

    return {
        kind: bisect.bisect_left(range(100_000), True, lo=20, key=lambda n: at(kind, n) <= limit) / 10
        for kind, limit in kinds
    }


def count(tally: Tally, injected: list[Fault], alerts: list[Alert], quiet: list[Alert]) -> None:
    """Add a round. An alert that the clean year gives as well finds nothing; the day after a fault is neither right nor wrong."""
    days = {alert[-1] for alert in alerts}
    news = {alert[-1] for alert in set(alerts) - set(quiet)}
    spans = [{fault.first + timedelta(days=n) for n in range(fault.days)} for fault in injected]
    for fault, span in zip(injected, spans, strict=True):
        tally.found[fault.kind].append(bool(span & news))
    faulty = set().union(*spans)
    tally.right += len(days & faulty)
    tally.wrong += len(days - faulty - {fault.last + timedelta(days=1) for fault in injected})


@dataclass
class Series:
    """What the methods did on labelled series of NAB: windows, those that were found, and alerts outside of them."""

    name: str
    windows: int
    found: dict[Method, int]
    wrong: dict[Method, int]
    points: int


def on_nab(
    connection: duckdb.DuckDBPyConnection,
    queries: dict[str, str],
    stl: Path,
    nab: Path,
    methods: list[Method],
) -> list[Series]:
    """All of NAB by the hour, each hour in the place of a day; and the one series of it that has months of days, by the day."""
    windows = json.loads((nab / "labels/combined_windows.json").read_text())
    columns = [*KEY.split(", "), "alert_tier", "at_date", "measured_rows", "measured_value"]
    asked = (
        ("all by the hour", sorted(windows), 3600),
        ("nyc_taxi by the day", ["realKnownCause/nyc_taxi.csv"], 86400),
    )
    done = []
    for label, names, seconds in asked:
        values = {name: _buckets(nab / "data" / name, seconds) for name in names}
        first = {name: min(found) for name, found in values.items()}
        rows = [
            (name, "mean(value)", "all", "gold", _day(n - first[name]), None, value)
            for name, found in values.items()
            for n, value in found.items()
        ]
        fill(connection, "observe.anomaly_series", columns, rows)
        alerts = scores(connection, queries, stl)
        spans = [
            (name, _day(_bucket(begin, seconds) - first[name]), _day(_bucket(end, seconds) - first[name]))
            for name in names
            for begin, end in windows[name]
        ]
        hits, misses = {}, {}
        for method in methods:
            told = [(name, day) for name, *_, day in alerts(method)]
            hits[method] = sum(any(n == name and a <= d <= b for n, d in told) for name, a, b in spans)
            misses[method] = sum(not any(n == name and a <= d <= b for name, a, b in spans) for n, d in told)
        done.append(Series(label, len(spans), hits, misses, len(rows)))
    return done


def _buckets(file: Path, seconds: int) -> dict[int, float]:
    """The mean of each hour or day."""
    values: dict[int, list[float]] = defaultdict(list)
    with file.open() as lines:
        for row in csv.DictReader(lines):
            values[_bucket(row["timestamp"], seconds)].append(float(row["value"]))
    return {bucket: _mean(found) for bucket, found in sorted(values.items())}


def _bucket(text: str, seconds: int) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)) // timedelta(seconds=seconds)


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def report(
    tallies: dict[Method, Tally],
    quiet: dict[Method, list[Alert]],
    model_days: int,
    nab: list[Series],
    rounds: int,
    seed: int,
    stores: int,
) -> str:
    """The page."""
    methods = list(tallies)
    head = f"| | {' | '.join(m.title for m in methods)} |\n|---|{'---:|' * len(methods)}"
    lines = [
        "# How many faults the anomaly checks find",
        "",
        f"{date.today().isoformat()}, by `python -m benchmarks.anomalies`: the demo's real year, {len(faults.KINDS)} kinds of faults, each"
        f" injected {rounds} times on random days (seed {seed}). The aim is {GOAL}.",
        "",
        head,
        _row("recall, all kinds", [f"{tallies[m].recall:.2f}" for m in methods]),
        _row("precision, of days with alerts", [f"{tallies[m].precision:.2f}" for m in methods]),
        _row(
            f"alerts in 100 model-days of the clean year ({model_days:,})",
            [f"{100 * len(quiet[m]) / model_days:.2f}" for m in methods],
        ),
        *[
            _row(f"recall: {kind}", [f"{_mean(tallies[m].found[kind]):.2f}" for m in methods])
            for kind in faults.KINDS
        ],
        "",
        "All three judge the same series by the same rules of grace, holidays, onset and budget, and have our floor of what chance does."
        " The z-score is of the 28 days before. From 3, its usual threshold, it alerts on so many days that it finds most faults by"
        " chance as well. As quiet: for each tier and kind of measure the least threshold at which it gives no more alerts than ours on"
        f" the clean year. That is {len(methods[-1].least)} thresholds set on this year, where ours has one for each tier. STL sees the"
        " days after as well: no method that runs on the day can.",
        "",
        f"A store falls silent for a week, one of the {stores} with three baskets a day or more; departments are of the ten largest."
        " A year has five or six faults, so that precision is of rare faults: alerts of the clean year are counted as wrong each time,"
        " though most are of stores that sent nothing (docs/anomalies.md). Nobody labels a fault as an incident, so each"
        " teaches the days after it. Our thresholds were chosen on this clean year and on faults of seeds 2 and 3: its rate of alerts is no"
        " forecast for another year.",
        "",
        "## NAB",
        "",
        head,
        *[
            row
            for s in nab
            for row in (
                _row(f"{s.name}: windows found, of {s.windows}", [f"{s.found[m]}" for m in methods]),
                _row(
                    f"{s.name}: alerts outside of windows, in {s.points:,} points",
                    [f"{s.wrong[m]}" for m in methods],
                ),
            )
        ],
        "",
        "The labelled series of [NAB](https://github.com/numenta/NAB), with its windows. They are of minutes and mostly two weeks"
        " long; by the hour, an hour stands in the place of a day, so that the week in which the checks believe is none. One has enough days"
        " to be judged as the checks are meant.",
    ]
    return "\n".join(lines) + "\n"


def _row(label: str, values: list[str]) -> str:
    return f"| {label} | {' | '.join(values)} |"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
