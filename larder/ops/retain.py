"""`larder forget --expired`: let go of what is older than governance/retention.yml keeps."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from ingestion.privacy import forgotten
from ingestion.quarantine.store import Quarantine
from ingestion.sources import SOURCES
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import holders, retention
from larder.ops import forget
from larder.warehouse.store import Store


def run(paths: Paths, is_dry: bool) -> None:
    """Show what is older, and let go of it unless `is_dry`. Rows of the lake go as a household's do: all is built again then."""
    holders.require_known(paths)
    first, wanted, store = retention.first_days(), retention.wanted(), Store(paths.warehouse)
    with forget.locked(paths):
        if forgotten.journal(paths.lake):
            raise LarderError("an erasure is under way", forget.RESUME)
        settled = {
            source: [
                entry
                for entry in Quarantine(paths.lake, source).entries()
                if entry["resolution"] and entry["resolution"].at[:10] < str(first["quarantine"])
            ]
            for source in SOURCES
        }
        wanted_of_all = {source: wanted.get(source, {}) for source in SOURCES}
        plan = forget.draft(paths, wanted_of_all, settled, "retention")
        if plan["total"] and not is_dry:
            forgotten.begin(paths.lake, plan)
        failed = [
            one for one in store.all() if one.state == "failed" and one.created_at[:10] < str(first["failed"])
        ]
        logs = list(_logs(paths, first["logs"]))
    forget.render(plan)
    console.done(
        f"older than is kept: {plan['total']:,} rows, {len(failed):,} failed candidates, {len(logs):,} logs"
    )
    if is_dry:
        console.done("nothing was changed")
        return
    for one in failed:
        store.discard(one)
    for log in logs:
        log.unlink()
    if plan["total"]:
        forget.carry_out(paths, plan)


def _logs(paths: Paths, first: date) -> Iterator[Path]:
    for file in [*paths.history.glob("dbt/**/*"), *paths.history.glob("*.log")]:
        if file.is_file() and datetime.fromtimestamp(file.stat().st_mtime, UTC).date() < first:
            yield file
