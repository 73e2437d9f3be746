"""`larder diff`: what differs between two generations, in structure and in rows. It prints counts, never a value."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from larder.core import console, machine
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import manifest as project_manifest
from larder.project.fingerprint import Fingerprint
from larder.project.manifest import Declared
from larder.warehouse.store import Manifest, Store

LARGE = 4_000_000
"""Rows of both sides that are joined at once: what is larger goes in pieces, so that memory stays bounded."""

UNSEEN = ("raw", "observe")
"""Schemas that say how a build went and not what it holds."""

SETTINGS: dict[str, Any] = {"memory_limit": "1500MB", "preserve_insertion_order": False}

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


def compare(where: Paths, before: str | None, after: str | None) -> Difference:
    """Compare two generations, named by id or `current`; by default what readers see with its parent.

    Raises LarderError when one of them is not kept any more. Both are opened read-only.
    """
    store = Store(where.warehouse)
    new = _find(store, after or "current")
    old = _find(store, before or _parent(new))
    known = project_manifest.tables(store.artifacts(new)) or project_manifest.tables(where.dbt / "candidate")
    settings = {
        **SETTINGS,
        "threads": machine.processors(),
        "temp_directory": str(where.warehouse / "tmp-diff"),
    }
    with duckdb.connect(config=settings) as connection:
        for alias, manifest in (("before", old), ("after", new)):
            connection.execute(f"attach {_text(str(store.address(manifest)))} as {alias} (read_only)")
        with console.progress("compare") as report:
            comparison = _Comparison(connection, old, new, known)
            tables = []
            for table in comparison.in_both():
                report(table)
                tables.append(comparison.rows(table))
        return Difference(old.id, new.id, comparison.schema(), tables)


def as_dict(difference: Difference) -> dict[str, Any]:
    """What `larder diff --json` says."""
    return asdict(difference)


def render(difference: Difference) -> None:
    """Print a difference for people; tables that are equal are only named."""
    console.out.print(f"[bold]{difference.before}[/] → [bold]{difference.after}[/]\n")
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
        console.out.print(f"Equal ({why}): {', '.join(names)}", markup=False)
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

    def schema(self) -> list[SchemaChange]:
        """Tables and views that came or went, and columns that came, went or changed their type."""
        changes = []
        for table in sorted(self._before.keys() | self._after.keys()):
            old, new = self._before.get(table), self._after.get(table)
            if old is None or new is None:
                changes.append(SchemaChange(table, None, "there" if old else None, "there" if new else None))
                continue
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
            [UNSEEN],
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
        every = _Piece("true", rows_before, rows_after)
        large = rows_before + rows_after > LARGE
        counts = [0] * (3 + len(shared))
        for piece in self._pieces(table, key, shared) if large else [every]:
            found = self._join(table, key, shared, piece)
            if found is None:
                return TableChange(table, rows_before, rows_after, note="its key is not unique")
            counts = [one + another for one, another in zip(counts, found, strict=True)]
        added, removed, changed, *by_column = counts
        columns = {name: count for name, count in zip(shared, by_column, strict=True) if count}
        return TableChange(table, rows_before, rows_after, added, removed, changed, columns)

    def _same(self, table: str) -> str:
        """Why the manifests say that a table is the same in both, or nothing."""
        if list(self._before[table].items()) != list(self._after[table].items()):
            return ""
        name = table.partition(".")[2]
        old, new = _node(self._old, name), _node(self._new, name)
        loads, loads_before = self._new.loads, self._old.loads
        same_logic = old and new and old.logic == new.logic
        if same_logic and new and all(loads.get(s) == loads_before.get(s) for s in new.sources):
            return "same fingerprint, not scanned"
        marts = [manifest.marts.get(name) for manifest in (self._old, self._new)]
        if table == f"marts.{name}" and marts[0] and marts[0] == marts[1]:
            return "same content hash, not scanned"
        return ""

    def _pieces(self, table: str, key: list[str], shared: list[str]) -> Iterator["_Piece"]:
        """Ranges of one key column that hold all differences, in pieces of bounded size.

        Rows with the same key are in the same range, and a value whose rows have the same hash in both is left out.
        """
        column = self._coarsest(table, key)
        content = f"hash(row({', '.join(map(_name, [*key, *shared]))}))"
        side = (
            f"select {column} as value, count(*) as rows, sum({content}::hugeint) as total, bit_xor({content}) as mix"
            f" from {{}}.{table} group by {column}"
        )
        groups = self._connection.execute(
            "select cast(coalesce(a.value, b.value) as varchar), coalesce(a.rows, 0), coalesce(b.rows, 0),"
            " (a.rows, a.total, a.mix) is not distinct from (b.rows, b.total, b.mix)"
            f" from ({side.format('before')}) as a full join ({side.format('after')}) as b"
            " on a.value is not distinct from b.value order by coalesce(a.value, b.value) nulls first"
        ).fetchall()
        for run in _runs(groups):
            low, high = run[0][0], run[-1][0]
            if low is None or high is None:
                within = f"{column} is null"
            else:
                within = f"{column} between {_text(low)} and {_text(high)}"
            yield _Piece(within, sum(group[1] for group in run), sum(group[2] for group in run))

    def _coarsest(self, table: str, key: list[str]) -> str:
        """The key column with the fewest values, roughly."""
        counts = ", ".join(f"approx_count_distinct({_name(column)})" for column in key)
        found = self._connection.execute(f"select {counts} from after.{table}").fetchone() or ()
        return _name(min(zip(found, key, strict=True))[1])

    def _join(self, table: str, key: list[str], shared: list[str], piece: "_Piece") -> list[int] | None:
        """Rows added, removed and changed in a piece, then the rows changed by column; None when keys repeat."""
        both = "a.is_there and b.is_there"
        differs = [f"a.{_name(column)} is distinct from b.{_name(column)}" for column in shared]
        conditions = [
            "b.is_there is null",
            "a.is_there is null",
            f"{both} and ({' or '.join(differs) or 'false'})",
        ]
        counts = [f"count(*) filter ({condition})" for condition in ["a.is_there", "b.is_there"]]
        counts += [
            f"count(*) filter ({condition})" for condition in (conditions[1], conditions[0], conditions[2])
        ]
        counts += [f"count(*) filter ({both} and {condition})" for condition in differs]
        columns = ", ".join(map(_name, [*key, *shared]))
        side = f"(select true as is_there, {columns} from {{}}.{table} where {piece.filter})"
        on = " and ".join(f"a.{_name(column)} is not distinct from b.{_name(column)}" for column in key)
        old, new, *found = self._connection.execute(
            f"select {', '.join(counts)} from {side.format('before')} as a full join {side.format('after')} as b on {on}"
        ).fetchone() or (0, 0)
        return found if (old, new) == (piece.before, piece.after) else None

    def _count(self, alias: str, table: str) -> int:
        found = self._connection.execute(f"select count(*) from {alias}.{table}").fetchone()
        return int(found[0]) if found else 0

    def _columns(self, alias: str) -> dict[str, dict[str, str]]:
        """Names and types of the columns of every table and view, by `<schema>.<table>`."""
        found = self._connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
            " where database_name = ? and schema_name not in ? and not internal order by 1, column_index",
            [alias, UNSEEN],
        ).fetchall()
        columns: dict[str, dict[str, str]] = {}
        for table, name, kind in found:
            columns.setdefault(table, {})[name] = kind
        return columns


@dataclass(frozen=True)
class _Piece:
    """A part of a table, as a condition, and the rows that it has in each generation."""

    filter: str
    before: int
    after: int


def _runs(
    groups: list[tuple[str | None, int, int, bool]],
) -> Iterator[list[tuple[str | None, int, int, bool]]]:
    """Cut (value, rows before, rows after, is equal) into runs of at most LARGE rows that begin and end differing."""
    run: list[tuple[str | None, int, int, bool]] = []
    for group in groups:
        too_long = sum(rows for _, *both, _ in run for rows in both) + group[1] + group[2] > LARGE
        if run and (too_long or run[0][0] is None):
            yield _trimmed(run)
            run = []
        if run or not group[3]:
            run.append(group)
    if run:
        yield _trimmed(run)


def _trimmed(run: list[tuple[str | None, int, int, bool]]) -> list[tuple[str | None, int, int, bool]]:
    while run[-1][3]:
        run.pop()
    return run


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


def _node(manifest: Manifest, name: str) -> Fingerprint | None:
    """The model, seed or snapshot that made a table."""
    return next((node for node in manifest.nodes.values() if node.relation == name), None)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
