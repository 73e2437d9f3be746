"""`larder access-report`: everything that is held of one household, as one page for the person who asks."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingestion.core.files import atomically
from ingestion.quarantine.store import all_sources
from larder.catalog import metadata
from larder.core import console, machine
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import audit, household, retention
from larder.warehouse.connection import PREVIEW
from larder.warehouse.relations import quoted
from larder.warehouse.store import Store

COLUMNS = """
select
    schema_name || '.' || table_name as table_name,
    column_name as name,
    any_value(columns.description) as description,
    any_value(access.class) as class,
    coalesce(
        list(audience || ' (' || treatment || ')' order by audience) filter (treatment <> 'not at all'), []
    ) as seen_by
from larder.access as access
inner join dbt.node_columns as columns using (node_unique_id, column_name)
group by all
"""

DAYS = {"DATE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP"}


def run(paths: Paths, number: int | None, pseudonym: int | None, out: Path) -> None:
    """Write the page to `out`, which only its owner can read; that it was written is on record first."""
    one = household.named(paths, number, pseudonym)
    store = Store(paths.warehouse)
    published = store.require_published()
    people = [person for _, person in household.identifiers(paths, one)]
    rejected = [entry for source in all_sources(paths.lake) for entry in source.of_household(one)]
    with metadata.open_base(store.metadata(published)) as base:
        known = metadata.grouped(base, COLUMNS, "table_name")
        said = {
            row["name"]: row["description"]
            for row in metadata.rows(base, "select name, description from dbt.models")
        }
    with store.open(published, PREVIEW) as connection:
        tables = [
            {
                "name": name,
                "description": (said.get(name.partition(".")[2]) or "").partition("```")[0],
                **_content(connection, name, one, known),
            }
            for name in household.tables(connection, "VIEW")
        ]
    tables = [table for table in tables if table["rows"]]
    if not (people or tables or rejected):
        raise LarderError(
            "nobody knows this household", "Check its number: that of its card, or with --pseudonym"
        )
    register = audit.record(
        paths, "access-reports", household=one, rows=sum(len(table["rows"]) for table in tables)
    )
    page = _template().render(
        number=number if number is not None else one,
        household=one,
        at=f"{datetime.now(UTC):%Y-%m-%d}",
        by=machine.user(),
        published=published.published_at,
        people=people,
        tables=tables,
        rejected=rejected,
        retention=retention.sentences(),
    )
    with atomically(out, is_private=True) as beside:
        beside.write_text(page, encoding="utf-8")
    console.done(f"{len(tables)} tables written to {out}; on record in {register}")


def _content(
    connection: duckdb.DuckDBPyConnection, table: str, one: int, known: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """The rows of a table by their first day, and what each column means."""
    query = f"from {quoted(table)} where household_id = ?"
    described = connection.execute(f"describe from {quoted(table)}").fetchall()
    day = next((f'"{name}"' for name, kind, *_ in described if kind in DAYS), "all")
    about = {column["name"]: column for column in known.get(table, [])}
    nothing = {"description": "", "class": "", "seen_by": []}
    return {
        "rows": connection.execute(f"{query} order by {day}", [one]).fetchall(),
        "columns": [{**nothing, **about.get(name, {}), "name": name} for name, *_ in described],
    }


def _template() -> Any:
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined).get_template(
        "access_report.html"
    )
