"""`larder diff`: what differs between two generations, in structure and in rows. It prints counts, never a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from ingestion.core import sql
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import manifest as project_manifest
from larder.project.fingerprint import Fingerprint
from larder.project.manifest import Declared
from larder.warehouse.connection import DIFF, attach
from larder.warehouse.relations import BUILD_RECORDS
from larder.warehouse.store import Manifest, Store

Columns = Mapping[str, str]
"""Types by name."""


@dataclass(frozen=True)
class SchemaChange:
    """One table, or column of a table, that came, went, or changed its type."""

    table: str
    column: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class TableChange:
    """One table of both generations. The counts of rows are None where they are not known, `note` says why.

    `columns` gives for each column in how many of the changed rows it differs.
    """

    table: str
    rows_before: int
    rows_after: int
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
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
            comparison = _Comparison(connection, old, new, known)
            tables = []
            for table in comparison.in_both():
                report(table)
                tables.append(comparison.rows(table))
        return Difference(old.id, new.id, comparison.schema(), tables)


def compare_workspace(paths: Paths, base: Manifest, workspace: Path) -> Difference:
    """Compare what a workspace has built with the generation that it is based on; what it has not is the same."""
    address, known = Store(paths.warehouse).address(base), project_manifest.tables(paths.dbt / "dev")
    # nothing is known of it but its tables
    space = replace(base, id="workspace", nodes={}, marts={}, loads={})
    with attach({"before": address, "after": workspace}, DIFF, paths.warehouse) as connection:
        comparison = _Comparison(connection, base, space, known)
        schema = [change for change in comparison.schema() if change.column or change.after]
        return Difference(
            base.id, space.id, schema, [comparison.rows(table) for table in comparison.in_both()]
        )


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
            ["table", "before", "after", "added", "removed", "changed", "rows changed by column"],
            [_row(table) for table in differing],
        )
    equal: dict[str, list[str]] = {}
    for table in difference.tables:
        if table.is_equal:
            equal.setdefault(table.note or "compared row by row", []).append(table.table)
    for why, names in equal.items():
        console.out.print(f"Equal ({why}): {', '.join(names)}")
    if not differing and not difference.schema:
        console.out.print("The two generations hold the same.")


def _row(table: TableChange) -> list[Any]:
    counts = ["?" if count is None else count for count in (table.added, table.removed, table.changed)]
    by_column = ", ".join(f"{name} {count:,}" for name, count in table.columns.items())
    return [table.table, table.rows_before, table.rows_after, *counts, table.note or by_column]


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
        self._before, self._after = self._columns("before"), self._columns("after")
        self._kinds = {side: self._kinds_of(side) for side in ("before", "after")}

    def schema(self) -> list[SchemaChange]:
        """Tables and views that came or went, and columns that came, went or changed their type."""
        changes = []
        for table in sorted(self._before.keys() | self._after.keys()):
            old, new = self._before.get(table), self._after.get(table)
            if old is None or new is None:
                changes.append(SchemaChange(table, None, "there" if old else None, "there" if new else None))
                continue
            kinds = self._kinds["before"].get(table), self._kinds["after"].get(table)
            if kinds[0] != kinds[1]:
                changes.append(SchemaChange(table, None, *kinds))
            names = [*old, *(name for name in new if name not in old)]
            changes += [
                SchemaChange(table, name, old.get(name), new.get(name))
                for name in names
                if old.get(name) != new.get(name)
            ]
        return changes

    def in_both(self) -> list[str]:
        """Tables, not views, that both generations hold."""
        found = self._connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name in ('before', 'after')"
            " and schema_name not in ? group by all having count(*) = 2 order by 1",
            [BUILD_RECORDS],
        ).fetchall()
        return [table for (table,) in found]

    def rows(self, table: str) -> TableChange:
        """Compare the rows of a table by its key; not at all where both manifests say that they are the same."""
        rows_before, rows_after = self._count("before", table), self._count("after", table)
        same = self._same(table)
        if same:
            return TableChange(table, rows_before, rows_after, 0, 0, 0, note=same)
        old, new = self._before[table], self._after[table]
        key = self._known[table].grain if table in self._known else []
        if not key or any(old.get(column) != new.get(column) or column not in old for column in key):
            return TableChange(table, rows_before, rows_after, note="no key that both have")
        shared = [name for name in old if name not in key and old[name] == new.get(name)]
        if not all(self._is_unique(side, table, key) for side in ("before", "after")):
            return TableChange(table, rows_before, rows_after, note="its key is not unique")
        counts = self._join(table, key, shared)
        added, removed, changed, *by_column = counts
        columns = {name: count for name, count in zip(shared, by_column, strict=True) if count}
        return TableChange(table, rows_before, rows_after, added, removed, changed, columns)

    def _same(self, table: str) -> str:
        """Why the manifests say that a table is the same in both, or nothing."""
        if list(self._before[table].items()) != list(self._after[table].items()):
            return ""
        old, new = _node(self._old, table), _node(self._new, table)
        loads, loads_before = self._new.loads, self._old.loads
        same_logic = old and new and old.logic == new.logic
        if same_logic and new and all(loads.get(s) == loads_before.get(s) for s in new.sources):
            return "same fingerprint, not scanned"
        marts = [manifest.marts.get(table) for manifest in (self._old, self._new)]
        if marts[0] and marts[0] == marts[1]:
            return "same content hash, not scanned"
        return ""

    def _is_unique(self, side: str, table: str, key: list[str]) -> bool:
        found = self._connection.execute(
            f"select 1 from {side}.{sql.name(*table.split('.'))} group by {', '.join(map(sql.name, key))} having count(*) > 1 limit 1"
        )
        return found.fetchone() is None

    def _join(self, table: str, key: list[str], shared: list[str]) -> list[int]:
        """Rows added, removed and changed, then the rows changed by column. DuckDB spills what does not fit in memory."""
        columns = ", ".join(map(sql.name, [*key, *shared]))
        before, after = (
            f"(select true as is_there, {columns} from {side}.{sql.name(*table.split('.'))})"
            for side in ("before", "after")
        )
        on = " and ".join(f"a.{sql.name(column)} is not distinct from b.{sql.name(column)}" for column in key)
        differs = [f"a.{sql.name(column)} is distinct from b.{sql.name(column)}" for column in shared]
        both = "a.is_there and b.is_there"
        conditions = [
            "a.is_there is null",
            "b.is_there is null",
            f"{both} and ({' or '.join(differs) or 'false'})",
            *[f"{both} and {condition}" for condition in differs],
        ]
        counts = ", ".join(f"count(*) filter ({condition})" for condition in conditions)
        found = self._connection.execute(
            f"select {counts} from {before} as a full join {after} as b on {on}"
        ).fetchone()
        return list(found or [0] * len(conditions))

    def _count(self, alias: str, table: str) -> int:
        found = self._connection.execute(
            f"select count(*) from {alias}.{sql.name(*table.split('.'))}"
        ).fetchone()
        return int(found[0]) if found else 0

    def _kinds_of(self, alias: str) -> dict[str, str]:
        """Whether each is a table or a view."""
        found = self._connection.execute(
            "select table_schema || '.' || table_name, if(table_type = 'VIEW', 'view', 'table')"
            " from information_schema.tables where table_catalog = ?",
            [alias],
        ).fetchall()
        return dict(found)

    def _columns(self, alias: str) -> dict[str, dict[str, str]]:
        """Names and types of the columns of every table and view, by `<schema>.<table>`."""
        found = self._connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
            " where database_name = ? and schema_name not in ? and not internal order by 1, column_index",
            [alias, BUILD_RECORDS],
        ).fetchall()
        columns: dict[str, dict[str, str]] = {}
        for table, name, kind in found:
            columns.setdefault(table, {})[name] = kind
        return columns


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
