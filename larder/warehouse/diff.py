"""`larder diff`: what differs between two generations, in structure and in rows. It prints counts, never a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import manifest as project_manifest
from larder.project.fingerprint import Fingerprint
from larder.project.manifest import Declared
from larder.warehouse import comparison
from larder.warehouse.comparison import Table
from larder.warehouse.connection import DIFF, attach
from larder.warehouse.relations import BUILD_RECORDS, quoted
from larder.warehouse.store import Manifest, Store


@dataclass(frozen=True)
class SchemaChange:
    """One table, or column of a table, that came, went, or changed its type."""

    table: str
    column: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class TableChange:
    """One table of both generations; `note` says how its rows were compared, or why they are the same.

    `columns` gives for each column in how many of the changed rows it differs.
    """

    table: str
    rows_before: int
    rows_after: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def is_equal(self) -> bool:
        return self.added == self.removed == self.changed == 0


@dataclass(frozen=True)
class Difference:
    """Everything that `larder diff` says. A table's entry in `schema` has no column when the table came or went."""

    before: str
    after: str
    schema: list[SchemaChange]
    tables: list[TableChange]


def compare(paths: Paths, before: str | None, after: str | None) -> Difference:
    """Compare two generations, named by id or `current`; by default what readers see with its parent.

    Raises LarderError when one of them is not kept any more. Both are opened read-only.
    """
    store = Store(paths.warehouse)
    named = _find(store, before) if before else None  # first: of two unknown ones, the first is named
    new = _find(store, after or "current")
    old = named or _find(store, _parent(new))
    known = project_manifest.tables(store.artifacts(new)) or project_manifest.tables(paths.dbt / "candidate")
    with store.open_together({"before": old, "after": new}, DIFF) as connection:
        with console.progress("compare") as report:
            both = _Comparison(connection, old, new, known)
            tables = []
            for table in both.in_both():
                report(table)
                tables.append(both.rows(table))
        return Difference(old.id, new.id, both.schema(), tables)


def compare_workspace(paths: Paths, base: Manifest, workspace: Path) -> Difference:
    """Compare what a workspace has built with the generation that it is based on; what it has not is the same."""
    address, known = Store(paths.warehouse).address(base), project_manifest.tables(paths.dbt / "dev")
    # nothing is known of it but its tables
    space = replace(base, id="workspace", nodes={}, marts={}, loads={})
    with attach({"before": address, "after": workspace}, DIFF, paths.warehouse) as connection:
        both = _Comparison(connection, base, space, known)
        schema = [change for change in both.schema() if change.column or change.after]
        return Difference(base.id, space.id, schema, [both.rows(table) for table in both.in_both()])


def as_dict(difference: Difference) -> dict[str, Any]:
    """What `larder diff --json` says."""
    return asdict(difference)


def render(difference: Difference) -> None:
    """Print a difference for people; tables that are equal are only named."""
    console.heading(f"{difference.before} → {difference.after}\n")
    if difference.schema:
        rows = [[c.table, c.column or "", c.before or "–", c.after or "–"] for c in difference.schema]
        console.table("Schema", ["table", "column", "before", "after"], rows)
    differing = [table for table in difference.tables if not table.is_equal]
    if differing:
        console.table(
            "Rows",
            ["table", "before", "after", "added", "removed", "changed", "rows changed by column", "compared"],
            [_row(table) for table in differing],
        )
    equal: dict[str, list[str]] = {}
    for table in difference.tables:
        if table.is_equal:
            equal.setdefault(table.note, []).append(table.table)
    for why, names in equal.items():
        console.out.print(f"Equal ({why}): {', '.join(names)}")
    if not differing and not difference.schema:
        console.out.print("The two generations hold the same.")


def _row(table: TableChange) -> list[Any]:
    counts = [table.rows_before, table.rows_after, table.added, table.removed, table.changed]
    by_column = ", ".join(f"{name} {count:,}" for name, count in table.columns.items())
    return [table.table, *counts, by_column, table.note]


class _Comparison:
    """Two attached generations, `before` and `after`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        old: Manifest,
        new: Manifest,
        known: Mapping[str, Declared],
    ) -> None:
        self._connection, self._old, self._new, self._known = connection, old, new, known
        self._before, self._after = (comparison.columns(connection, side) for side in ("before", "after"))

    def schema(self) -> list[SchemaChange]:
        """Tables and views that came or went, and columns that came, went or changed their type."""
        found = comparison.all_rows(self._connection, "diff_schema.sql")
        return [SchemaChange(one["table"], one["column"], one["before"], one["after"]) for one in found]

    def in_both(self) -> list[str]:
        """Tables, not views, that both generations hold."""
        found = self._connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name in ('before', 'after')"
            " and schema_name not in ? group by all having count(*) = 2 order by 1",
            [BUILD_RECORDS],
        ).fetchall()
        return [table for (table,) in found]

    def rows(self, table: str) -> TableChange:
        """Compare the rows of a table; not at all where both manifests say that they are the same."""
        old, new = (
            Table(f"{side}.{quoted(table)}", columns[table])
            for side, columns in (("before", self._before), ("after", self._after))
        )
        same = self._same(table)
        if same:
            before, after = (
                comparison.one_row(self._connection, "comparison_keys.sql", table=side.name, key=[])["rows"]
                for side in (old, new)
            )
            return TableChange(table, before, after, note=same)
        grain = self._known[table].grain if table in self._known else []
        found = comparison.rows(self._connection, old, new, grain)
        return TableChange(
            table,
            found.before,
            found.after,
            found.added,
            found.removed,
            found.changed,
            found.columns,
            found.how,
        )

    def _same(self, table: str) -> str:
        """Why the manifests say that a table is the same in both, or nothing."""
        if list(self._before[table].items()) != list(self._after[table].items()):
            return ""
        old, new = _node(self._old, table), _node(self._new, table)
        loads, loads_before = self._new.loads, self._old.loads
        same_logic = self._old.engine == self._new.engine and old and new and old.logic == new.logic
        if same_logic and new and all(loads.get(s) == loads_before.get(s) for s in new.sources):
            return "same fingerprint, not scanned"
        marts = [manifest.marts.get(table) for manifest in (self._old, self._new)]
        if marts[0] and marts[0] == marts[1]:
            return "same content hash, not scanned"
        return ""


def _find(store: Store, name: str) -> Manifest:
    """A generation by its id or as `current`. Raises LarderError when it is not there, or not whole."""
    found = store.published() if name == "current" else next((m for m in store.all() if m.id == name), None)
    if found is None or found.state == "building" or not store.address(found).exists():
        raise LarderError(
            f"there is no generation {name} to compare" if name != "current" else "nothing is published yet",
            "Choose one from: larder generations"
            if name != "current"
            else "Build and publish first: larder run",
        )
    return found


def _parent(manifest: Manifest) -> str:
    if manifest.parent is None:
        raise LarderError(
            f"generation {manifest.id} is the first one: it has no parent",
            "Name the generation to compare it with: larder diff A B",
        )
    return manifest.parent


def _node(manifest: Manifest, table: str) -> Fingerprint | None:
    """The model or seed that made a table."""
    return next((node for node in manifest.nodes.values() if node.relation == table), None)
