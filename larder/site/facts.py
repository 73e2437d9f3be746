"""What the pages show, read once from a metadata base by catalog.sql."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from larder.catalog.metadata import grouped, rows
from larder.site.reach import Edge, Graph, Reach

Row = dict[str, Any]
"""A row of a table of catalog.sql, by the names of its columns."""


@dataclass(frozen=True)
class Facts:
    """The tables of catalog.sql. `nodes` are the pages by their ids, in the order of the layers."""

    base: duckdb.DuckDBPyConnection
    nodes: dict[str, Row]
    columns: dict[str, list[Row]]
    tests: dict[str, list[Row]]
    rules: dict[str, list[Row]]
    history: dict[str, list[Row]]
    access: dict[str, list[Row]]
    graph: Graph
    reach: Reach

    def rows(self, query: str) -> list[Row]:
        return rows(self.base, query)

    @cached_property
    def generation(self) -> Row:
        """The latest build, with what the whole catalog counts."""
        [found] = self.rows("""
            select invocation.*, project.*,
                (select count(*) from dbt.models) as models, (select count(*) from dbt.metrics) as metrics,
                (select count(*) from dbt.node_columns) as columns, (select coalesce(sum(row_count), 0) from site.last_build) as row_count,
                (select count(*) from dbt_rt.run_results_latest where resource_type in ('test', 'unit_test')) as tests,
                (select count(*) from dbt_rt.run_results_latest
                 where resource_type in ('test', 'unit_test') and status = 'pass') as passed
            from dbt.project as project
            left join (from dbt_rt.invocations order by invocation_id desc limit 1) as invocation on true
        """)
        return found

    @cached_property
    def data_until(self) -> date | None:
        """The last day of which sources have delivered."""
        [found] = self.rows(
            "select max(try_cast(data_until as date)) as day from site.nodes where kind = 'source'"
        )
        day: date | None = found["day"]
        return day

    def of(self, kind: str) -> list[Row]:
        return [node for node in self.nodes.values() if node["kind"] == kind]

    def by_name(self, name: str) -> Row | None:
        """A node by what people call it: `net_sales`, `fct_baskets` or `marts.fct_baskets`."""
        return self._names.get(name)

    @cached_property
    def _names(self) -> dict[str, Row]:
        found = {node["name"]: node for node in reversed(self.nodes.values()) if node["kind"] != "source"}
        return found | {node["title"]: node for node in self.nodes.values()}


def read(base: duckdb.DuckDBPyConnection) -> Facts:
    """Everything that pages are made of. Adds the schema `site` to the base's connection."""
    base.execute(Path(__file__).with_name("catalog.sql").read_text())
    edges = base.execute(
        "select parent_node_unique_id, parent_column_name, child_node_unique_id, child_column_name, evolution, expression"
        " from dbt.column_lineage order by all"
    ).fetchall()
    graph = Graph(base.execute("select parent, child from site.edges").fetchall())
    return Facts(
        base=base,
        nodes={node["unique_id"]: node for node in rows(base, "from site.nodes")},
        columns=grouped(base, "from site.columns", "node_unique_id"),
        tests=grouped(base, "from site.tests", "node_unique_id"),
        rules=grouped(base, "from site.rules", "node_unique_id"),
        history=grouped(base, "from site.history", "node_unique_id"),
        access=grouped(base, "from site.access", "node_unique_id"),
        graph=graph,
        reach=Reach([Edge((a, b), (c, d), how, text) for a, b, c, d, how, text in edges], graph),
    )
