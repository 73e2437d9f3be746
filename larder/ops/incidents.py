"""`larder incident label`: days that teach the anomaly checks nothing, as rows of seed incidents."""

import csv
import io
from datetime import date

from ingestion.core.files import write_atomically
from ingestion.core.text import few
from larder.core import console, machine
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.warehouse.connection import LOOK
from larder.warehouse.store import Store

FILE = PROJECT / "seeds/incidents.csv"
MOST_DAYS = 92
"""Days of one incident: a year that was typed wrong would silence a mart for decades."""
ALL = "all"
"""In place of a measure or a member: each one."""


def label(
    paths: Paths, relation: str, measure: str, member: str, first: date, last: date, reason: str
) -> None:
    """Append an incident. Raises LarderError where nothing of that name is watched, or the days make no span."""
    if last < first:
        raise LarderError(f"--last {last} is before --first {first}", "Give the first and the last day.")
    said = " ".join("".join(char if char.isprintable() else " " for char in reason).split())
    if not said[:1].isalnum():  # a spreadsheet would take some other signs for a formula
        raise LarderError(
            "an incident needs a reason that begins with a letter or a digit",
            "Say what happened: --reason TEXT",
        )
    if (last - first).days >= MOST_DAYS:
        raise LarderError(
            f"{first} to {last} are more than {MOST_DAYS} days",
            "What goes on for so long is no incident: change the tier in seeds/anomaly_tiers.csv.",
        )
    _require_watched(paths, relation, measure, member)
    try:
        rows = list(csv.reader(io.StringIO(FILE.read_text())))
    except (OSError, ValueError) as error:
        raise LarderError(
            f"seeds/incidents.csv cannot be read: {error}", "git checkout seeds/incidents.csv"
        ) from error
    if any(row[:4] == [relation, measure, member, str(first)] for row in rows):
        raise LarderError(
            f"{relation} {measure} of {member} has an incident from {first}",
            "Edit its row in seeds/incidents.csv.",
        )
    text = io.StringIO()
    written = [*rows, [relation, measure, member, str(first), str(last), said, machine.user()]]
    csv.writer(text, lineterminator="\n").writerows(written)
    write_atomically(FILE, text.getvalue())
    console.done(
        f"labelled {relation} {measure} of {member}, {first} to {last}: seeds/incidents.csv. Next: larder build"
    )


def _require_watched(paths: Paths, relation: str, measure: str, member: str) -> None:
    """Compare with what the published generation watches, which a label for another name would leave as it is."""
    store = Store(paths.warehouse)
    with store.open(store.require_published(), LOOK) as connection:
        if not connection.execute("from duckdb_tables() where table_name = 'anomaly_series'").fetchall():
            raise LarderError("what is published watches nothing yet", "larder build && larder publish")
        query = "select distinct relation_name, measure, member from observe.anomaly_series order by all"
        watched = connection.execute(query).fetchall()
    relations = {row[0] for row in watched}
    measures = {row[1] for row in watched if row[0] == relation}
    members = {row[2] for row in watched if row[0] == relation and measure in (ALL, row[1])}
    for what, given, known in (
        ("relation", relation, relations),
        ("measure", measure, measures | {ALL}),
        ("member", member, members | {ALL}),
    ):
        if given not in known:
            raise LarderError(f"no {what} {given} is watched", f"Choose from: {few(sorted(known), 12)}")
