"""Which columns a metric is made of: its measures are expressions over the columns of a model."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlglot
from sqlglot import exp

from larder.project.manifest import Artifact

Edge = tuple[str, str, str, str, str, str]
"""A row of dbt.column_lineage; a metric is a node with one column of its name."""


def edges(manifest: Artifact) -> Iterator[Edge]:
    """For a metric of measures their columns, each computed by its aggregate; for one of other metrics those metrics."""
    measures = {
        measure["name"]: (measure, model)
        for model in manifest["semantic_models"].values()
        for measure in model["measures"]
    }
    ids = {metric["name"]: name for name, metric in manifest["metrics"].items()}
    for name, metric in sorted(manifest["metrics"].items()):
        inputs = metric["type_params"].get("metrics") or []
        expression = metric["type_params"].get("expr") or ""
        for one in inputs:
            yield ids[one["name"]], one["name"], name, metric["name"], "mod", expression
        if not inputs:
            for used in metric["type_params"]["input_measures"]:
                for parent, column, text in _columns(*measures[used["name"]]):
                    yield parent, column, name, metric["name"], "mod", text


def _columns(measure: Mapping[str, Any], model: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The columns of a measure, with its aggregate: `*`, the rows, where it counts rows."""
    expression = measure["expr"] or measure["name"]
    [parent] = model["depends_on"]["nodes"]
    named = {column.name for column in sqlglot.parse_one(expression, dialect="duckdb").find_all(exp.Column)}
    for column in sorted(named) or ["*"]:
        yield parent, column, f"{measure['agg']}({expression})"
