"""A second opinion on a share that was written: what governance/ and dbt's manifest say, read and applied by code of its own.

It shares nothing with what wrote the share, so that a mistake must be made twice to get through. What it does not see by itself is column
lineage: of that it takes only what no lineage was found for.
"""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ingestion.core.sql import literal, literals, name
from ingestion.core.text import first_line
from larder.core.settings import PROJECT
from larder.project.manifest import Artifact
from larder.project.manifest import relation as relation_of

POLICY = PROJECT / "governance"

SHARE = "share to verify"

LEAST_NUMBER = 2**31
"""From here on a number is taken for the pseudonym that it equals: smaller ones are counts as well."""

SHORT = {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "DATE"}
"""Types in which no such number can be."""

SMALLEST_CLASS = 5

WORDS = {"purpose", "owner", "group", "schemas", "tables", "sees", "minimum_group", "rows"}
"""What the policy says of an audience."""

Node = Mapping[str, Any]


def problems(
    folder: Path, audience: str, warehouse: duckdb.DuckDBPyConnection, manifests: list[Artifact]
) -> list[str]:
    """What a share holds that the policy does not grant, in sentences. `warehouse` has what it was written from; `manifests` are what
    that was built by and what the project says now: of two classes of a column the higher counts."""
    warehouse.execute(f"attach {literal(str(folder / 'larder.duckdb'))} as {name(SHARE)} (read_only)")
    try:
        return [*_modes(folder), *_Share(folder, audience, warehouse, manifests).problems()]
    except duckdb.Error as error:
        return [f"it cannot be verified: {first_line(error)}"]
    finally:
        warehouse.execute(f"detach {name(SHARE)}")


def _modes(folder: Path) -> Iterator[str]:
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            yield f"{path.name} is no plain file"
        if mode & 0o027:
            yield f"{path.name} is open to more than its group (mode {stat.S_IMODE(mode):04o})"
        if path.name not in ("larder.duckdb", "share.json", folder.name) and path.suffix != ".parquet":
            yield f"{path.name} is nothing that a share has"


class _Share:
    """A share that is attached next to the warehouse."""

    def __init__(
        self, folder: Path, audience: str, warehouse: duckdb.DuckDBPyConnection, manifests: list[Artifact]
    ) -> None:
        self._folder, self._warehouse, self._manifest = folder, warehouse, manifests[0]
        said = yaml.safe_load((POLICY / "audiences.yml").read_text())
        self._order = list(yaml.safe_load((POLICY / "columns.yml").read_text())["classes"])
        self._audience = said["audiences"].get(audience) or {}
        self._coarser, self._groups = said.get("generalisations") or {}, said.get("group_sizes") or {}
        self._sees, self._least = self._audience.get("sees") or {}, self._audience.get("minimum_group")
        self._nodes = {
            relation_of(n): n for n in self._manifest["nodes"].values() if n["resource_type"] == "model"
        }
        self._classes: dict[str, dict[str, str | None]] = {}
        for node in (node for manifest in manifests for node in manifest["nodes"].values()):
            if node["resource_type"] in ("model", "seed", "snapshot"):
                self._note(node)

    def problems(self) -> Iterator[str]:
        found = self._rows(
            "select schema_name || '.' || table_name, list(column_name), list(data_type) from duckdb_columns()"
            f" where database_name = {literal(SHARE)} and not internal group by all"
        )
        tables = {table: dict(zip(names, types, strict=True)) for table, names, types in found}
        for (other,) in self._rows(
            f"select view_name from duckdb_views() where database_name = {literal(SHARE)} and not internal union all"
            f" select function_name from duckdb_functions() where database_name = {literal(SHARE)} and not internal"
        ):
            yield f"{other} is no table"
        if tables.pop("share.about", None) is None:
            yield "share.about is missing"
        if {f"{table}.parquet" for table in tables} != {path.name for path in self._folder.glob("*.parquet")}:
            yield "its Parquet files are not its tables"
        self._warehouse.execute(
            f'create or replace temp table "pseudonyms to verify" as {self._all_pseudonyms()}'
        )
        for table, columns in tables.items():
            wrong = list(self._table(table, columns))
            # What may not be there at all is not looked into.
            yield from wrong or self._content(table, columns)

    def _table(self, table: str, columns: dict[str, str]) -> Iterator[str]:
        """Whether a table and its columns may be there."""
        schema, _, short = table.partition(".")
        node, wanted = self._nodes.get(table), self._audience.get("tables")
        limits = [(wanted, list), (self._audience.get("rows"), dict)]
        if set(self._audience) - WORDS or any(
            said is not None and (not said or type(said) is not kind) for said, kind in limits
        ):
            yield f"{table} is for an audience of which the policy is not clear"
        if node is None:
            yield f"{table} is no model"
            return
        if schema not in (self._audience.get("schemas") or []) or (wanted and short not in wanted):
            yield f"{table} is not for this audience"
        if schema == "marts" and node.get("access") != "public":
            yield f"{table} is not public"
        if self._is_of_households(table) and self._sees.get("pseudonym") not in ("as is", "keyed hash"):
            yield f"{table} is about single households"
        if not isinstance(self._least, int):
            yield f"{table} has no minimum group"
        elif self._speaks_of_groups(table) and not self._group_column(table):
            yield f"{table} does not say of how many households it speaks"
        for column, kind in columns.items():
            if reason := self._why_not(table, column, kind):
                yield f"{table}.{column} {reason}"

    def _why_not(self, table: str, column: str, kind: str) -> str:
        class_ = self._classes.get(table, {}).get(column)
        treatment = self._sees.get(class_) if class_ in self._order else None
        if treatment not in ("as is", "keyed hash", "generalised", "masked"):
            return f"is {class_ or 'without a class'}, which the audience does not see"
        if treatment == "generalised" and column not in self._coarser:
            return "has no generalisation"
        if treatment == "masked" and kind != "BOOLEAN":
            return "is not masked"
        return ""

    def _content(self, table: str, columns: dict[str, str]) -> Iterator[str]:
        """Whether what is in a table, row by row, is what the warehouse has, treated as it must be."""
        file = literal(str(self._folder / f"{table}.parquet"))
        contents = [
            self._rows(f"select count(*), sum(hash(t)::hugeint), bit_xor(hash(t)) from {one} as t")
            for one in (f"{name(SHARE)}.{self._name(table)}", f"read_parquet({file})")
        ]
        if contents[0] != contents[1]:
            yield f"{table} is not what its Parquet file is"
        treated = {column: self._sees[str(self._classes[table][column])] for column in columns}
        same = ", ".join(name(column) for column in columns if treated[column] == "as is") or "0"
        sums = f"select count(*), sum(hash({same})::hugeint), bit_xor(hash({same})) from"
        if self._rows(f"{sums} {name(SHARE)}.{self._name(table)}") != self._rows(
            f"{sums} {self._name(table)} where {self._chosen(table)}"
        ):
            yield f"{table} does not have the rows of the warehouse that it must have"
        for column, kind in columns.items():
            if treated[column] != "as is" and (
                strange := self._count(f"from ({self._strange(table, column, treated[column])})")
            ):
                yield f"{table}.{column} has {strange} values that are not what {treated[column]} makes of it"
            if (
                self._sees.get("pseudonym") != "as is"
                and kind not in SHORT
                and (known := self._count(self._pseudonyms(table, column)))
            ):
                yield f"{table}.{column} has {known} pseudonyms of the warehouse"
        if small := self._small_classes(table, columns):
            yield f"{table} has {small} groups of households of less than {SMALLEST_CLASS} by {', '.join(self._coarse(table, columns))}"

    def _strange(self, table: str, column: str, treatment: str) -> str:
        """The values of a column that it cannot have been given by its treatment."""
        here, cell = f"{name(SHARE)}.{self._name(table)}", name(column)
        shared = f"select distinct {cell} from {here} where {cell} is not null"
        match treatment:
            case "keyed hash":
                return f"{shared} intersect select {cell} from {self._name(table)}"
            case "generalised":
                return f"{shared} except select ({self._coarser[column]}) from (select distinct {cell} from {self._name(table)})"
        return f"select 1 from {here} where {cell} is null"

    def _pseudonyms(self, table: str, column: str) -> str:
        """The long numbers in a column, of whatever type, that are pseudonyms of the warehouse."""
        return (
            "from (select distinct unnest(regexp_extract_all(cast(cell as varchar), '[0-9]{10,16}')) as number"
            f" from (select distinct {name(column)} as cell from {name(SHARE)}.{self._name(table)}))"
            ' where cast(number as bigint) in (from "pseudonyms to verify")'
        )

    def _all_pseudonyms(self) -> str:
        there = self._rows(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
        )
        columns = [
            f"select {name(column)} as number from {self._name(table)}"
            for (table,) in there
            for column, class_ in self._classes.get(table, {}).items()
            if class_ == "pseudonym"
        ]
        return f"from ({' union '.join(columns) or 'select 0 as number'}) where number >= {LEAST_NUMBER}"

    def _small_classes(self, table: str, columns: dict[str, str]) -> int:
        coarse = ", ".join(map(name, self._coarse(table, columns)))
        household = self._household(table)
        if not coarse or household not in columns:
            return 0
        values = f"coalesce({', '.join(f'cast({name(c)} as varchar)' for c in self._coarse(table, columns))}) is not null"
        return self._count(
            f"from (select {coarse} from {name(SHARE)}.{self._name(table)} where {values} group by all"
            f" having count(distinct {name(household)}) < {SMALLEST_CLASS})"
        )

    def _coarse(self, table: str, columns: dict[str, str]) -> list[str]:
        return [c for c in columns if self._sees.get(str(self._classes[table][c])) == "generalised"]

    def _household(self, table: str) -> str:
        own = [column for column, class_ in self._classes[table].items() if class_ == "pseudonym"]
        return next((c for c in own if c == "household_id"), own[0] if own else "")

    def _chosen(self, table: str) -> str:
        """The condition by which rows of a table are chosen."""
        found = ["true"]
        for rule, listed in (self._audience.get("rows") or {}).items():
            dimension, _, column = rule.partition(".")
            relation, node = next((r, n) for r, n in self._nodes.items() if r.endswith(f".{dimension}"))
            (key,) = node["config"]["meta"]["grain"]
            values = literals(str(value) for value in listed)
            found.append(
                f"exists (from {self._name(relation)} as rule where rule.{name(key)} = {self._name(table)}.{name(key)}"
                f" and rule.{name(column)}::varchar in ({values}))"
            )
        if self._speaks_of_groups(table):
            found.append(f"{name(self._group_column(table))} >= {self._least}")
        return " and ".join(found)

    def _speaks_of_groups(self, table: str) -> bool:
        """Whether rows are totals over households, of which this audience sees only large ones."""
        said = str(self._groups.get(table.partition(".")[2], ""))
        if self._is_of_households(table) or said.startswith("none, ") or not self._least or self._least < 2:
            return False
        return any(self._is_of_households(above) for above in self._above(table))

    def _group_column(self, table: str) -> str:
        column = str(self._groups.get(table.partition(".")[2], "households"))
        return column if column in self._classes.get(table, {}) else ""

    def _above(self, table: str) -> set[str]:
        """All models that a table is made of."""
        todo, seen = [self._nodes[table]["unique_id"]], set()
        while todo:
            for parent in self._manifest["parent_map"].get(todo.pop(), []):
                if parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
        return {relation_of(node) for node in self._manifest["nodes"].values() if node["unique_id"] in seen}

    def _is_of_households(self, table: str) -> bool:
        return "pseudonym" in self._classes.get(table, {}).values()

    def _note(self, node: Node) -> None:
        known = self._classes.setdefault(relation_of(node), {})
        for column in node["columns"].values():
            class_ = column.get("config", {}).get("meta", {}).get("classification")
            known[column["name"]] = max(known.get(column["name"], class_), class_, key=self._rank)

    def _rank(self, class_: str | None) -> int:
        return self._order.index(class_) if class_ in self._order else len(self._order)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._warehouse.execute(query).fetchall()

    def _count(self, query: str) -> int:
        return int(self._rows(f"select count(*) {query}")[0][0])

    @staticmethod
    def _name(table: str) -> str:
        return name(*table.split(".", 1))
