"""OpenLineage events of the build that made a generation, as a file. Nothing is sent.

For a generation the file is always the same: its times are those of the run, its ids follow from the generation's.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import duckdb
import sqlglot
from openlineage.client import facet_v2 as facets
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.serde import Serde
from sqlglot import exp
from sqlglot.errors import SqlglotError

from larder.catalog.metadata import grouped, rows

FILE = "openlineage.ndjson"
JOBS = "larder"
DATA = "duckdb://larder"
PRODUCER = "urn:larder:catalog"
SOURCE = facets.datasource_dataset.DatasourceDatasetFacet(
    name="larder", uri="file:warehouse/current/larder.duckdb"
)

Row = dict[str, Any]
RUNS = """
    select runs.*, models.*, sizes.row_count, sizes.size_bytes
    from dbt_rt.run_results as runs
    inner join dbt.models using (unique_id)
    left join dbt_rt.relations as sizes using (unique_id, invocation_id)
    where runs.invocation_id = (select max(invocation_id) from dbt_rt.invocations) and runs.status = 'success'
    order by runs.created_at, runs.unique_id
"""
RELATIONS = """
    select unique_id, 'larder.' || schema_name || '.' || identifier as name
    from (
        select unique_id, schema_name, identifier from dbt.models
        union all
        select unique_id, schema_name, identifier from dbt.seeds
        union all
        select unique_id, schema_name, identifier from dbt.sources
    )
"""
COLUMNS = """
    select columns.*, profiles.* exclude (node_unique_id, column_name)
    from dbt.node_columns as columns
    left join larder.column_profiles as profiles using (node_unique_id, column_name)
    order by node_unique_id, column_index
"""
LINEAGE = """
    select *
    from dbt.column_lineage
    where parent_column_name <> '*'
    order by all
"""
READS = "select * from dbt.edges order by all"


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write `openlineage.ndjson` in `folder`: START and COMPLETE of each model that the last build has run."""
    set_producer(PRODUCER)
    folder.mkdir(parents=True, exist_ok=True)
    told = _Base(base)
    lines = [Serde.to_json(event) + "\n" for run in rows(base, RUNS) for event in told.events(run)]
    (folder / FILE).write_text("".join(lines))


class _Base:
    """What the metadata base says of datasets, by the ids of their nodes."""

    def __init__(self, base: duckdb.DuckDBPyConnection) -> None:
        self._names: dict[str, str] = {row["unique_id"]: row["name"] for row in rows(base, RELATIONS)}
        self._columns = grouped(base, COLUMNS, "node_unique_id")
        self._lineage = grouped(base, LINEAGE, "child_node_unique_id")
        self._reads = grouped(base, READS, "child_unique_id")

    def events(self, run: Row) -> Iterator[RunEvent]:
        name, began = run["unique_id"], run["created_at"]
        ended = began + timedelta(seconds=run["execution_time"])
        parents = [row["parent_unique_id"] for row in self._reads[name]]
        traced = (edge["parent_node_unique_id"] for edge in self._lineage[name])
        inputs = [
            InputDataset(DATA, one) for one in sorted({*map(self._name, parents), *map(self._name, traced)})
        ]
        for state, at in ((RunState.START, began), (RunState.COMPLETE, ended)):
            whole = self._facets(run) if state is RunState.COMPLETE else {}
            yield RunEvent(
                eventType=state,
                eventTime=_time(at),
                run=Run(_id(run["invocation_id"], name), facets={"parent": _parent(run["invocation_id"])}),
                job=Job(JOBS, name, facets=_of_job(run)),
                inputs=inputs,
                outputs=[OutputDataset(DATA, self._names[name], facets=whole)],
            )

    def _facets(self, run: Row) -> dict[str, facets.DatasetFacet]:
        columns = self._columns[run["unique_id"]]
        found = {
            "schema": _schema(columns),
            "dataSource": SOURCE,
            "ownership": facets.ownership_dataset.OwnershipDatasetFacet(
                [facets.ownership_dataset.Owner(f"team:{run['group']}", "OWNER")]
            ),
            "columnLineage": self._column_lineage(run["unique_id"]),
        }
        if run["row_count"] is not None:
            found["dataQualityMetrics"] = _metrics(run, columns)
        return found

    def _column_lineage(self, name: str) -> facets.column_lineage_dataset.ColumnLineageDatasetFacet:
        """Values by column; what decides which rows there are once, for the whole dataset."""
        edges = self._lineage[name]
        rows_from = {_parent_of(edge) for edge in edges if edge["child_column_name"] == "*"}
        fields: dict[str, dict[tuple[str, str], list[Any]]] = defaultdict(lambda: defaultdict(list))
        for edge in edges:
            column, origin = edge["child_column_name"], _parent_of(edge)
            if column != "*" and (edge["evolution"] != "scan" or origin not in rows_from):
                fields[column][origin].append(_transformation(edge["evolution"], edge["expression"]))
        return facets.column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={
                column: facets.column_lineage_dataset.Fields(
                    [self._field(origin, how) for origin, how in origins.items()]
                )
                for column, origins in fields.items()
            },
            dataset=[self._field(origin, [_transformation("scan", "")]) for origin in sorted(rows_from)],
        )

    def _name(self, node: str) -> str:
        """The data set of a node; what is not declared goes by its relation, as the lineage does."""
        return self._names.get(node, f"larder.{node}")

    def _field(self, origin: tuple[str, str], how: list[Any]) -> facets.column_lineage_dataset.InputField:
        node, column = origin
        return facets.column_lineage_dataset.InputField(DATA, self._name(node), column, how)


def _parent_of(edge: Row) -> tuple[str, str]:
    return edge["parent_node_unique_id"], edge["parent_column_name"]


def _id(generation: str, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"larder:{generation}:{name}"))


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds") + "Z"


def _parent(generation: str) -> facets.parent_run.ParentRunFacet:
    run, job = facets.parent_run.Run(_id(generation, "build")), facets.parent_run.Job(JOBS, "build")
    return facets.parent_run.ParentRunFacet(run, job)


def _of_job(run: Row) -> dict[str, facets.JobFacet]:
    kind = facets.job_type_job.JobTypeJobFacet("BATCH", "DBT", "MODEL")
    return {"jobType": kind, "sql": facets.sql_job.SQLJobFacet(run["compiled_code"] or "", "duckdb")}


def _schema(columns: list[Row]) -> facets.schema_dataset.SchemaDatasetFacet:
    return facets.schema_dataset.SchemaDatasetFacet(
        [
            facets.schema_dataset.SchemaDatasetFacetFields(
                column["column_name"],
                column["data_type_inferred"] or column["data_type_declared"],
                column["description"],
                place,
            )
            for place, column in enumerate(columns, 1)
        ]
    )


def _metrics(
    run: Row, columns: list[Row]
) -> facets.data_quality_metrics_dataset.DataQualityMetricsDatasetFacet:
    """Counts, and the least and the greatest number; never a value of a column that may point at a person."""
    profiled = [column for column in columns if column["invocation_id"] == run["invocation_id"]]
    return facets.data_quality_metrics_dataset.DataQualityMetricsDatasetFacet(
        rowCount=run["row_count"],
        bytes=run["size_bytes"],
        columnMetrics={
            column["column_name"]: facets.data_quality_metrics_dataset.ColumnMetrics(
                nullCount=column["null_count"],
                distinctCount=column["distinct_count"],
                count=column["row_count"] - column["null_count"],
                min=_number(column, "min_value"),
                max=_number(column, "max_value"),
            )
            for column in profiled
        },
    )


def _number(column: Row, name: str) -> float | None:
    numeric = re.match(r"u?(tiny|small|big|huge)?int|decimal|double|float", column["data_type"].lower())
    return float(column[name]) if numeric and column["shows_values"] and column[name] else None


@cache
def _transformation(evolution: str, expression: str) -> facets.column_lineage_dataset.Transformation:
    """The standard's word for an edge. Of rows the base does not say whether a join, a filter or a grouping decides."""
    if evolution == "scan":
        return facets.column_lineage_dataset.Transformation("INDIRECT")
    if evolution == "copy":
        return facets.column_lineage_dataset.Transformation("DIRECT", "IDENTITY")
    subtype = "AGGREGATION" if any(map(_aggregates, expression.split(" → "))) else "TRANSFORMATION"
    return facets.column_lineage_dataset.Transformation("DIRECT", subtype, expression)


def _aggregates(expression: str) -> bool:
    """Whether a step makes one value of several rows; a window function leaves the rows."""
    try:
        found = sqlglot.parse_one(expression, dialect="duckdb").find_all(exp.AggFunc)
    except SqlglotError:
        return False
    return any(not isinstance(one.parent, exp.Window) for one in found)
