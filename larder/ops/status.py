"""`larder status`: what is published, how fresh it is, what fails; what is loaded, who is at work, what waits."""

import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ingestion.core import storage
from ingestion.core.storage import Location
from ingestion.lake.loads import completed_loads, row_counts
from ingestion.quarantine.accounts import Account, accounts
from ingestion.quarantine.store import all_sources
from larder.core import console
from larder.core.settings import Paths
from larder.ops import problems, survey
from larder.project import manifest
from larder.warehouse import ledger, locks
from larder.warehouse.connection import LOOK
from larder.warehouse.ledger import Ledger
from larder.warehouse.store import Manifest, Store

WATCH_SECONDS = 2


def collect(paths: Paths) -> dict[str, Any]:
    """Everything that `larder status --json` says, as plain values. Reads files' footers only; takes no lock."""
    known = survey.take(paths)
    store, published, run, candidate = known.store, known.published, known.last, known.store.candidate()
    return {
        "data": str(paths.data),
        "sources": _sources(paths.lake),
        "blocked": _blocked(paths.lake),
        "published": _brief(published) if published else None,
        "now": known.now.isoformat(),
        "freshness": [vars(one) for one in known.sources],
        "marts_late": [vars(one) for one in known.marts if one.is_late],
        "last_run": {**run.events[-1], "run_id": run.run_id, "status": run.status} if run else None,
        "problems": [problem.text for problem in problems.found(known)],
        "waiting": candidate.id if candidate else None,
        "deprecated": manifest.deprecated(known.project),
        "warehouse": str(store.reader_address()) if published else None,
        "ledger": _ledger(store, published) if published else None,
        "site": _written(paths.site / "index.html"),
        "docs": _written(paths.docs),
        "generations": [{"id": m.id, "state": m.state, "created_at": m.created_at} for m in store.all()],
        "at_work": {name: asdict(holder) for name, holder in locks.holders(paths.locks).items()},
    }


def watch(paths: Paths) -> None:
    """Show the status until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        while True:
            found = collect(paths)
            console.out.clear()
            render(found)
            time.sleep(WATCH_SECONDS)


def _written(page: Path) -> str | None:
    return str(page) if page.exists() else None


def render(status: dict[str, Any]) -> None:
    """Print a status for people."""
    if status["sources"]:
        columns = [
            "source",
            "table",
            "rows",
            "loads",
            "delivered",
            "loaded",
            "quarantined",
            "discarded",
            "erased",
        ]
        console.table("Lake", columns, [[s[column] for column in columns] for s in status["sources"]])
    for blocked in status["blocked"]:
        console.note(
            f"{blocked['source']} is blocked since {blocked['since']}: {'; '.join(blocked['reasons'])}"
        )
    if status["freshness"]:
        _render_freshness(status)
    published = status["published"]
    if published is None:
        console.out.print("\nNothing is published yet. Next: larder run")
    else:
        _render_published(status, published)
    run = status["last_run"]
    if run and not run["run_id"].endswith(f"-{os.getpid()}"):  # the one that shows this has not ended
        why = f": {run['reason']}" if run.get("reason") else ""
        console.out.print(f"\nLast run {run['run_id']}: {run['status']}{why}")
    for name, holder in status["at_work"].items():
        console.out.print(
            f"At work: {name}, process {holder['pid']} since {holder['since']} ({holder['command']})"
        )
    if status["waiting"]:
        console.out.print(f"Waiting: generation {status['waiting']}. Next: larder publish")
    for problem in status["problems"]:
        console.note(problem)


def _render_freshness(status: dict[str, Any]) -> None:
    """Each source against its promise; of marts those that are late."""
    columns = ["", "as of", "hours", "promised", "late"]
    rows = [
        [
            one["name"],
            one["as_of"] or "never",
            "" if one["hours"] is None else round(one["hours"], 1),
            round(one["warn_after"]),
            "late" if one["hours"] is None or one["hours"] > one["warn_after"] else "",
        ]
        for one in [*status["freshness"], *status["marts_late"]]
    ]
    console.table(f"Freshness, {status['now']}", columns, rows)


def _render_published(status: dict[str, Any], published: dict[str, Any]) -> None:
    results = published["results"]
    console.heading("\nPublished", f" generation {published['id']}, {published['published_at']}")
    console.out.print(
        f"  {results['models']} models ({results['models_built']} built), {results['seeds']} seeds,"
        f" {results['tests']} tests passed ({results['tests_run']} run)"
        f", {results['warnings']} warnings, {published['seconds']:.0f} s"
    )
    if published["behind"]:
        console.out.print(
            "  live       some tables are behind those that follow the stream: observe.table_ages"
        )
    if status["ledger"]:
        console.out.print(f"  ledger     {Ledger(**status['ledger']).sentence}")
    for old in status["deprecated"]:
        console.out.print(f"  deprecated {old['table']} goes on {old['until']}: read {old['use']}")
    console.out.print(f"  warehouse  {status['warehouse']}")
    console.out.print(f"  site       {status['site'] or 'none yet: larder site'}")
    console.out.print(f"  docs       {status['docs'] or 'none yet: larder site'}")
    console.out.print(
        f'  next       {_shell()} -readonly {console.shown_path(Path(status["warehouse"]))} "from marts.agg_data_faults"'
    )


def _shell() -> str:
    """The DuckDB shell as it can be called from here, whether the environment is activated or not."""
    return (
        "duckdb" if shutil.which("duckdb") else console.shown_path(Path(sys.executable).with_name("duckdb"))
    )


def _ledger(store: Store, published: Manifest) -> dict[str, Any] | None:
    with store.open(published, LOOK) as connection:
        found = ledger.read(connection)
    return asdict(found) if found else None


def _brief(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in asdict(replace(manifest, nodes={})).items() if name != "nodes"}


def _sources(lake: Location) -> list[dict[str, Any]]:
    """For each raw table the rows that readers see, and the account of all that was delivered for it."""
    found: list[dict[str, Any]] = []
    for dataset in storage.found(lake / "raw", "*"):
        loads = completed_loads(dataset)
        rows, account = row_counts(dataset, loads), accounts(lake, dataset.name)
        found += [
            {
                "source": dataset.name,
                "table": table,
                "rows": rows.get(table, 0),
                "loads": len(loads),
                **asdict(account.get(table, Account())),
            }
            for table in sorted({*rows, *account})
        ]
    return found


def _blocked(lake: Location) -> list[dict[str, Any]]:
    return [
        {"source": one.source, "load_id": load, **why}
        for one in all_sources(lake)
        for load, why in one.blocked().items()
    ]
