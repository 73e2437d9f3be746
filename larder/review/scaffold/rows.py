"""`larder new unit-test`: a unit test of a model, whose rows are taken from the published generation and masked.

No direct identifier leaves the generation, keys of persons are numbered again, and what else is personal is replaced by the value that
most rows have.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ingestion.core.sql import name as quoted
from ingestion.core.text import first_line
from larder.build import lineage
from larder.build.compiled import compiled
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.project import types
from larder.project.manifest import relation as relation_of
from larder.review.scaffold import skeletons as scaffold
from larder.review.scaffold.skeletons import Relation
from larder.warehouse.connection import PREVIEW
from larder.warehouse.store import Store

CHOSEN, MOST = 2, 5
"""Rows of the model that a test begins with; rows of each parent."""

FEW = 5
"""A value that fewer rows have may point at one of them."""

Rows = list[dict[str, Any]]


def unit_test(paths: Paths, name: str) -> None:
    """Add a unit test to the YAML of a model: rows that lead to some of its rows; none where nothing is published."""
    found = compiled(paths, "new")
    store, traced = Store(paths.warehouse), lineage.of_compiled(paths, found).relations
    with types.tables(found.manifest) as (empty, columns):
        known = scaffold.relations(found.manifest, columns)
        model = scaffold.find(
            {key: one for key, one in known.items() if one.node["unique_id"] in columns}, name
        )
        by_id = {relation.node["unique_id"]: relation for relation in known.values()}
        parents = [by_id[one] for one in model.node["depends_on"].get("nodes", []) if one in by_id]
        own, generation = traced[relation_of(model.node)], store.published()
        read = {(edge.relation, edge.column) for edges in (*own.columns.values(), own.rows) for edge in edges}
        given: dict[str, Rows] = {parent.call: [] for parent in parents}
        if generation:
            keys = {column for relation in known.values() for column in relation.grain}
            with store.open(generation, PREVIEW) as warehouse:
                given = _masked(warehouse, parents, _chosen(warehouse, model, parents, keys), read)
        expected = _result(empty, model, parents, given)
    if not expected:
        why = "no row comes out of those that were chosen" if generation else "nothing is published"
        console.note(f"{why}: write the missing rows by hand")
    taken = {test["name"] for test in found.manifest["unit_tests"].values()}
    file = Path(model.node["patch_path"].partition("://")[2])
    content = (PROJECT / file).read_text().rstrip()
    sections = [*yaml.safe_load(content)]
    if sections[-1] not in {"models", "unit_tests"}:
        raise LarderError(f"{file}: unit_tests are not at its end", "Move them there, then try again.")
    entry = scaffold.render(
        "unit_test.yml",
        is_first="unit_tests" not in sections,
        name=next(one for n in range(1, 1000) if (one := f"{name}_example_{n}") not in taken),
        model=model.node,
        generation=generation,
        given=given,
        expected=expected,
    )
    scaffold.write({file: f"{content}\n\n{entry}"}, f"larder dev {name}")


def _chosen(
    warehouse: duckdb.DuckDBPyConnection, model: Relation, parents: Iterable[Relation], keys: Collection[str]
) -> dict[str, Rows]:
    """Rows of each parent that have the keys of some rows of the model, or of those of another parent."""
    pool: dict[str, list[Any]] = {}
    found: dict[str, Rows] = {}
    todo = [model, *parents]
    while todo:
        relation = max(todo, key=lambda one: (one is model, len(pool.keys() & one.columns.keys())))
        todo.remove(relation)
        shared = [column for column in relation.columns if column in pool]
        rows: Rows = []
        for some in (shared, shared[:1], []):  # a window may read other days than those of the chosen rows
            where = " and ".join(f"list_contains(?, {quoted(column)})" for column in some) or "true"
            query = f"from {_table(relation)} as one where {where} order by hash(one) limit {CHOSEN if relation is model else MOST}"
            try:
                rows = rows or _rows(warehouse, query, [pool[column] for column in some])
            except duckdb.CatalogException:  # the generation has no such relation
                break
        found[relation.call] = rows
        for column in (column for column in relation.columns if column in keys):
            pool.setdefault(column, [row[column] for row in rows])
    return found


def _masked(
    warehouse: duckdb.DuckDBPyConnection,
    parents: Iterable[Relation],
    chosen: Mapping[str, Rows],
    read: Collection[tuple[str, str]],
) -> dict[str, Rows]:
    """The columns that the model reads, as an analyst may see them."""
    numbered: set[str] = set()
    found: dict[str, Rows] = {}
    for parent in parents:
        taken: dict[str, list[Any]] = {}
        for column, type_ in parent.columns.items():
            class_ = parent.meta(column).get("classification")
            if (
                (relation_of(parent.node), column) in read
                and class_ != "direct_identifier"
                and _is_plain(type_)
            ):
                taken[column] = [row.get(column) for row in chosen[parent.call]]
                if column.endswith("id") and type_ in {"bigint", "integer"} and class_ != "public":
                    numbered.add(column)
                elif class_ not in {"public", "internal"}:
                    usual = f"select {quoted(column)} as it from {_table(parent)} group by 1 having count(*) >= {FEW}"
                    values = (
                        _rows(warehouse, f"{usual} order by count(*) desc, 1 limit 1")
                        if taken[column]
                        else []
                    )
                    taken[column] = [values[0]["it"] if values else None] * len(taken[column])
        found[parent.call] = [dict(zip(taken, row, strict=True)) for row in zip(*taken.values(), strict=True)]
    for column in numbered:
        having = [row for rows in found.values() for row in rows if row.get(column) is not None]
        again = {value: n for n, value in enumerate(sorted({row[column] for row in having}), 1)}
        for row in having:
            row[column] = again[row[column]]
    return found


def _result(
    empty: duckdb.DuckDBPyConnection, model: Relation, parents: Iterable[Relation], given: Mapping[str, Rows]
) -> Rows:
    """What the model's SQL gives of these rows, as dbt's unit test runs it: a column that is not given is null."""
    for parent in parents:
        for row in given[parent.call]:
            names, marks = ", ".join(map(quoted, row)), ", ".join("?" * len(row))
            empty.execute(f"insert into {_table(parent)} ({names}) values ({marks})", [*row.values()])
    names = ", ".join(quoted(column) for column, type_ in model.columns.items() if _is_plain(type_))
    try:
        return _rows(empty, f"select {names} from ({model.node['compiled_code']}\n) order by all")
    except duckdb.Error as error:
        raise LarderError(
            f"{model.node['name']}: its SQL does not run on masked rows: {first_line(error)}",
            "Write this unit test by hand; another model's YAML shows the form.",
        ) from error


def _table(relation: Relation) -> str:
    return quoted(*relation_of(relation.node).split("."))


def _is_plain(type_: str) -> bool:
    """Whether values of a type are written as one word in YAML: no list, no struct."""
    return not type_.endswith("]") and not type_.startswith(("struct", "map", "union"))


def _rows(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> Rows:
    found = connection.execute(query, values)
    names = [name for name, *_ in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
