"""What a change does to the data: each relation that was built compared with that of the base. No value of a person is shown."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import duckdb

from ingestion.core.text import first_line
from larder.catalog import metadata
from larder.core import console
from larder.project.dbt import PASSED, Node
from larder.review.change.states import State
from larder.warehouse import comparison, slices
from larder.warehouse.comparison import Row, Rows, Table, all_rows, one_row
from larder.warehouse.relations import BUILD_RECORDS, quoted
from larder.warehouse.slices import Dimension, Lookup, Slice

MOST_SPREADS = 8
MOST_DIMENSIONS = 24
MOST_SAMPLES = 5
"""Keys that are shown of each kind of difference."""

HERE = Path(__file__).parent

OF_VALUES = re.compile(
    r"\A((?!Binder|Catalog|Parser)(?:Invalid Input Error: |\w[\w ]* Error: [^\"'\d]*)).*", re.DOTALL
)
"""An error of DuckDB's that is not of the SQL as it is written: from the first quote or digit on it can show a value."""


@dataclass(frozen=True)
class TableReview:
    """One relation. `rows` are None where only one side has it: `note` says why. It `is_missing` where it was not built,
    or `is_broken`.

    `schema` has the columns whose type is not what it was, `spreads` how values lie (comparison_spread.sql), `sums` the totals of money.
    """

    node: str
    relation: str
    note: str = ""
    is_missing: bool = False
    is_broken: bool = False
    rows: Rows | None = None
    columns: int = 0
    schema: list[Row] = field(default_factory=list)
    slice: Slice | None = None
    spreads: list[Row] = field(default_factory=list)
    sums: list[Row] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    seconds_before: float | None = None
    seconds_after: float | None = None

    @property
    def changes_data(self) -> bool:
        return bool(self.rows.differing or self.schema if self.rows else not self.is_missing)


def describe(connection: duckdb.DuckDBPyConnection, before: State, after: State) -> None:
    """Give a connection to both sides the tables of facts.sql, of either state of the project."""
    types = {**comparison.columns(connection, "larder"), **comparison.columns(connection, "workspace")}
    for side, state in (("before", before), ("after", after)):
        with metadata.begin(state.manifest, state.lineage, types, "") as base:
            base.execute((HERE / "facts.sql").read_text())
            for table in ("review_relation", "review_column", "review_lookup"):
                connection.register(f"{table}_{side}", base.execute(f"from {table}").to_arrow_table())


def without_values(message: str) -> str:
    """An error of dbt's or DuckDB's, as far as it shows no value of a row."""
    return OF_VALUES.sub(r"\1… (cut: it may quote a value)", message)


def shown_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Names of columns that may be shown wherever they are."""
    found = connection.execute(
        "select column_name from (from review_column_before union all from review_column_after)"
        " group by column_name having bool_and(is_shown)"
    ).fetchall()
    return {name for (name,) in found}


def compare(
    connection: duckdb.DuckDBPyConnection,
    nodes: Sequence[tuple[str, str]],
    built: Mapping[str, Node],
    times: Mapping[str, float],
) -> list[TableReview]:
    """Compare each node, given with the one that it was, in their order, on a connection that knows both sides by `describe`."""
    found = []
    relations = {
        side: {one["node"]: one for one in metadata.rows(connection, f"from review_relation_{side}")}
        for side in ("before", "after")
    }
    with console.progress("compare") as report:
        for node, was in nodes:
            old, new = relations["before"].get(was), relations["after"].get(node)
            said = new or old or {}
            if said["relation"].split(".")[0] in BUILD_RECORDS:
                continue
            report(said["relation"])
            now = built.get(node)
            seconds = now.seconds if now else None
            begun = TableReview(node, said["relation"], seconds_before=times.get(was), seconds_after=seconds)
            if now and now.status not in PASSED:
                why = "it reads what failed" if now.status == "skipped" else "it failed"
                found.append(replace(begun, is_missing=True, note=f"not built: {why}"))
            else:
                old_name = old["relation"] if old else said["relation"]
                try:
                    found.append(_table(connection, begun, old_name, said["key"]))
                except duckdb.Error as error:  # of a view, whose rows are only computed now
                    why = without_values(first_line(error))
                    found.append(
                        replace(begun, is_missing=True, is_broken=True, note=f"cannot be read: {why}")
                    )
    return found


def _table(
    connection: duckdb.DuckDBPyConnection, begun: TableReview, old_name: str, key: Sequence[str]
) -> TableReview:
    names = {"old": old_name, "new": begun.relation}
    columns = metadata.rows(connection, (HERE / "columns.sql").read_text(), names)
    before, after = (
        Table(f"{database}.{quoted(name)}", {c["column_name"]: c[side] for c in columns if c[side]})
        for database, name, side in (("larder", old_name, "before"), ("workspace", begun.relation, "after"))
    )
    if not before.columns or not after.columns:
        there = after if after.columns else before
        rows = one_row(connection, "comparison_keys.sql", table=there.name, key=[])["rows"]
        return replace(begun, note=f"new: {rows:,} rows" if after.columns else f"gone: it had {rows:,} rows")
    found = comparison.rows(connection, before, after, key)
    own = [
        Dimension(c["column_name"])
        for c in columns
        if c["is_dimension"] and c["column_name"] not in found.columns
    ]
    others = [
        Dimension(
            one["attribute"],
            Lookup(one["column_name"], f"{one['database_name']}.{quoted(one['parent'])}", one["field"]),
        )
        for one in metadata.rows(connection, (HERE / "lookups.sql").read_text(), {"new": begun.relation})
        if one["column_name"] in before.columns and one["attribute"] not in {*before.columns, *after.columns}
    ]
    most = sorted(found.columns, key=lambda name: (-found.columns[name], name))[:MOST_SPREADS]
    spread = [c for c in columns if c["column_name"] in most]
    money = [c for c in columns if c["unit"] == "USD" and c["is_number"]]
    shown = [
        (place, name)
        for place, name in enumerate(found.key)
        for c in columns
        if (c["column_name"], c["is_shown"]) == (name, True)
    ]
    ask = partial(all_rows, connection, before=before.name, after=after.name)
    sums = ask("comparison_sums.sql", columns=money)[0] if money else {}
    return replace(
        begun,
        rows=found,
        columns=len(after.columns),
        schema=[c for c in columns if c["before"] != c["after"]],
        slice=slices.find(connection, before, after, found, [*own, *others][:MOST_DIMENSIONS]),
        spreads=ask("comparison_spread.sql", columns=spread) if spread else [],
        sums=[
            {"column": c["column_name"], "before": sums[f"b{place}"], "after": sums[f"a{place}"]}
            for place, c in enumerate(money)
        ],
        samples=ask("comparison_samples.sql", key=shown, most=MOST_SAMPLES) if shown else [],
    )
