"""Metadata bases made by hand: a shop with odd names and texts, and any number of tables."""

import json
from pathlib import Path
from typing import Any

import duckdb

from larder.catalog import metadata
from larder.project.lineage.project import ProjectLineage
from larder.site import catalog, facts
from larder.site.pages import pages

MANIFEST = {"metadata": {"project_name": "shop"}, "parent_map": {}, **{kind: {} for kind in metadata.KINDS}}

HTML = "<script>alert('x')</script><img src=x onerror=alert('y')>"


def empty(folder: Path) -> duckdb.DuckDBPyConnection:
    """The base of a project without anything in it, as tables that can be filled."""
    with metadata.begin(MANIFEST, ProjectLineage({}, {}), {}, "") as base:
        for (table,) in base.execute(
            "select table_name from duckdb_tables() where schema_name = 'larder'"
        ).fetchall():
            base.execute(f"delete from larder.{table}")
        metadata.save(base, folder)
    return metadata.open_base(folder)


def insert(base: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """Add a row; what is not named is null."""
    plain = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
    columns = ", ".join(f'"{name}"' for name in plain)
    base.execute(f"insert into {table} ({columns}) values ({', '.join('?' * len(plain))})", [*plain.values()])


def relation(
    base: duckdb.DuckDBPyConnection, kind: str, name: str, schema: str, columns: dict[str, str], **more: Any
) -> str:
    """Add a model, seed or source with columns by their classes. Returns its id."""
    node = f"{kind}.shop.{name}"
    folder = {"model": schema, "seed": "seeds", "source": "sources"}[kind]
    insert(
        base,
        f"dbt.{kind}s",
        **{
            "unique_id": node,
            "name": name,
            "identifier": name,
            "schema_name": schema,
            "fqn": ["shop", folder, name],
            **more,
        },
    )
    insert(base, "dbt.dag_nodes", unique_id=node, resource_type=kind)
    for index, (column, class_) in enumerate(columns.items()):
        insert(
            base,
            "dbt.node_columns",
            node_unique_id=node,
            column_name=column,
            column_index=index,
            data_type_declared="bigint",
            classification=class_,
            synthetic=False,
        )
    return node


def edge(base: duckdb.DuckDBPyConnection, parent: str, child: str, how: str, expression: str = "") -> None:
    """Lineage from one `<id>#<column>` to another, and between their nodes."""
    (up, from_), (down, to) = parent.split("#"), child.split("#")
    insert(
        base,
        "dbt.column_lineage",
        parent_node_unique_id=up,
        parent_column_name=from_,
        child_node_unique_id=down,
        child_column_name=to,
        evolution=how,
        expression=expression,
    )
    insert(base, "dbt.edges", parent_unique_id=up, child_unique_id=down)


def shop(folder: Path) -> duckdb.DuckDBPyConnection:
    """A source, a staging view, a mart, a metric and a report; two generations; texts that are not to be believed."""
    base = empty(folder)
    for name, personal in (("internal", False), ("sensitive", True)):
        insert(base, "larder.classes", **{"class": name, "description": name, "is_personal": personal})
    for build in ("20260101T000000000Z", "20260102T000000000Z"):
        insert(base, "dbt_rt.invocations", invocation_id=build, generated_at=f"{build[:4]}-01-{build[6:8]}")
    insert(
        base,
        "dbt.groups",
        unique_id="group.shop.sales",
        name="sales",
        owner_name="Sales",
        owner_email="s@example.com",
    )
    raw = relation(
        base,
        "source",
        "odd name/ö",
        "raw",
        {"id": "internal", "paid": "internal"},
        source_name="till",
        description=f"As the till wrote it. {HTML} ![far](https://far.example.com/x.png) [bad](javascript:alert(1))",
    )
    staged = relation(
        base,
        "model",
        "stg_orders",
        "staging",
        {"order_id": "internal", "paid_usd": "internal", "is_valid": "internal", "note": "sensitive"},
        raw_code=f"select 1 -- {HTML}",
        description=HTML,
        materialized="view",
    )
    mart = relation(
        base,
        "model",
        "fct_orders",
        "marts",
        {"order_id": "internal", "sales_usd": "internal", "odd": "internal", "note": "sensitive"},
        fqn=["shop", "marts", "core", "fct_orders"],
        description="One row per order. See stg_orders and stg_orders.note.",
        grain=["order_id"],
        primary_key=["order_id"],
        materialized="table",
        group="sales",
        access="public",
    )
    edge(base, f"{raw}#id", f"{staged}#order_id", "copy")
    edge(base, f"{raw}#paid", f"{staged}#paid_usd", "mod", f"paid / 100 {HTML}")
    edge(base, f"{staged}#order_id", f"{mart}#order_id", "copy")
    edge(base, f"{staged}#paid_usd", f"{mart}#sales_usd", "copy")
    edge(base, f"{staged}#note", f"{mart}#note", "copy")
    edge(base, f"{staged}#is_valid", f"{mart}#*", "scan")
    for column in ("order_id", "paid_usd", "note"):
        edge(base, f"{staged}#{column}", f"{mart}#odd", "mod")
    base.execute(
        "update dbt.node_columns set unresolved = 'a function that nobody knows' where column_name = 'odd'"
    )
    insert(
        base,
        "dbt.metrics",
        unique_id="metric.shop.net_sales",
        name="net_sales",
        label="Net sales",
        metric_type="simple",
        description="What was paid.",
        unit="USD",
    )
    insert(base, "dbt.dag_nodes", unique_id="metric.shop.net_sales", resource_type="metric")
    edge(base, f"{mart}#sales_usd", "metric.shop.net_sales#net_sales", "mod", "sum(sales_usd)")
    insert(
        base,
        "dbt.exposures",
        unique_id="exposure.shop.review",
        name="review",
        label=f"How are sales? {HTML}",
        url="javascript:alert(1)",
        depends_on=[mart],
    )
    insert(base, "dbt.dag_nodes", unique_id="exposure.shop.review", resource_type="exposure")
    insert(base, "dbt.edges", parent_unique_id=mart, child_unique_id="exposure.shop.review")
    for column in ("sales_usd", "note"):
        insert(
            base,
            "larder.column_profiles",
            node_unique_id=mart,
            column_name=column,
            shows_values=True,  # of a sensitive column: the pages must not believe it
            row_count=10,
            null_count=1,
            distinct_count=3,
            min_value=f"least of {column}",
            max_value=HTML,
            top_values=[{"label": f"value of {column} {HTML}", "rows": 9}],
            histogram=[],
            sample_rows=10,
        )
    for name, test in (("unique", "primary_key"), ("listed", "accepted_values")):
        insert(
            base,
            "dbt.data_tests",
            unique_id=f"test.shop.{name}",
            name=name,
            test_name=test,
            arguments={"columns": ["order_id"], "values": ["secret"]},
            column_name="note" if name == "listed" else None,
            node_unique_id=mart,
            depends_on=[mart],
        )
    for build, seconds in (("20260101T000000000Z", 1.0), ("20260102T000000000Z", 2.0)):
        insert(
            base,
            "dbt_rt.run_results",
            invocation_id=build,
            unique_id=mart,
            status="success",
            execution_time=seconds,
        )
        insert(
            base,
            "dbt_rt.run_results",
            invocation_id=build,
            unique_id="test.shop.unique",
            resource_type="test",
            status="pass",
            failures=0,
            created_at=f"2026-01-{build[6:8]}",
        )
    first, second = "20260101T000000000Z", "20260102T000000000Z"
    for column, since, until in (
        ("order_id", first, None),
        ("sales_usd", second, None),
        ("gone", first, first),
    ):
        insert(
            base,
            "larder.column_history",
            node_unique_id=mart,
            column_name=column,
            data_type="BIGINT",
            first_invocation_id=since,
            last_invocation_id=until,
        )
    insert(base, "larder.glossary", term="net sales", description=f"What was paid. {HTML}", see=["net_sales"])
    return base


def many(folder: Path, models: int, columns: int) -> duckdb.DuckDBPyConnection:
    """A base of many models, each with columns of its own, and no lineage."""
    base = empty(folder)
    base.execute(f"""
        insert into dbt.models by name
        select 'model.shop.agg_' || i as unique_id, 'agg_' || i as name, 'agg_' || i as identifier, 'marts' as schema_name,
            ['shop', 'marts', 'area_' || i % 20, 'agg_' || i] as fqn, 'One row per case of the ' || i || 'th kind.' as description
        from range({models}) as model (i)
    """)
    base.execute(f"""
        insert into dbt.node_columns by name
        select 'model.shop.agg_' || i as node_unique_id, 'measure_' || i || '_' || j as column_name, j as column_index,
            'bigint' as data_type_declared, 'internal' as classification,
            'What the ' || i || 'th kind has of measure ' || j || ', in cases, without those that were returned.' as description
        from range({models}) as model (i) cross join range({columns}) as col (j)
    """)
    return base


def written(base: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    folder.mkdir(parents=True)
    catalog.write(facts.read(base), folder)
    return folder


def written_lists(base: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    """The catalog but for the pages of the nodes themselves."""
    folder.mkdir(parents=True)
    found = facts.read(base)
    catalog.write_pages(found, (page for page in pages(found) if page.template != "node.html"), folder)
    return folder
