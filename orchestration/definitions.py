"""What Dagster loads: one asset of many parts for the daily run, one by business day, a schedule, and a sensor on deliveries."""

import os
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import dagster as dg

from orchestration.graph import graph
from orchestration.project import DATA, variables
from orchestration.runs import RETRY, Run, Told

GRAPH = graph()
TIME_ZONE = variables()["store_time_zone"]
DAYS = dg.DailyPartitionsDefinition(start_date=variables()["first_week_start"], timezone=TIME_ZONE)
AT = "30 5 * * *"
"""When the stores have delivered the day before; on their clock."""

QUIET_SECONDS = 60
"""A delivery is complete when nothing has come for so long."""


# A test that is reused says nothing, and only of an asset that can be made in part may checks be left out.
@dg.multi_asset(specs=GRAPH.specs, check_specs=GRAPH.checks, can_subset=True, retry_policy=RETRY)
def larder_run(context: dg.AssetExecutionContext) -> Iterator[Told]:
    """`larder run`: load what is new, build what it changes, publish what passes every test."""
    yield from Run(context, GRAPH).follow()


@dg.asset(
    key=["backfill", "business_day"],
    group_name="backfill",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY,
)
def business_day(context: dg.AssetExecutionContext) -> Iterator[Told]:
    """Deliveries of business days, loaded again: `larder run --since FIRST --until LAST`, in one run for all days that are chosen."""
    first, last = context.partition_key_range
    yield from Run(context, GRAPH).follow("--since", first, "--until", last)
    yield dg.MaterializeResult()


daily = dg.define_asset_job("larder_run_job", dg.AssetSelection.assets(larder_run))
morning = dg.ScheduleDefinition("every_morning", job=daily, cron_schedule=AT, execution_timezone=TIME_ZONE)


@dg.sensor(job=daily, minimum_interval_seconds=60)
def landing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """A run when files have been delivered, and no more come."""
    arrived, newest = _newest()
    cursor = f"{arrived:.6f} {newest}"
    if not newest or cursor == context.cursor:
        return dg.SkipReason("no file has come")
    if time.time() - arrived < QUIET_SECONDS:
        return dg.SkipReason("files are coming")
    context.update_cursor(cursor)
    return dg.RunRequest(run_key=cursor)


def _newest() -> tuple[float, str]:
    """When the latest file came, and which it is. Folders are those that the sources name, or the demo's."""
    named = [Path(value) for name, value in os.environ.items() if name.endswith("__LANDING")]
    files = chain.from_iterable(folder.rglob("*") for folder in named or [DATA / "landing"])
    return max(((file.stat().st_mtime, str(file)) for file in files if file.is_file()), default=(0.0, ""))


defs = dg.Definitions(
    assets=[larder_run, business_day],
    jobs=[daily],
    schedules=[morning],
    sensors=[landing],
    executor=dg.in_process_executor,
)
