"""The definitions of metrics that a generation was built with, and the SQL that they give. dbt is not loaded for it.

Only this module knows MetricFlow. People name a dimension by its column (`department`) or a grain of time (`week`);
MetricFlow by its path (`product__department`, `metric_time__week`).
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from metricflow.engine.metricflow_engine import (
    MetricFlowEngine,
    MetricFlowQueryRequest,
    OutputColumnOrderMode,
)
from metricflow.protocols.sql_client import SqlClient, SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.errors.error_classes import InformativeUserError
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingestion.core import sql as quoting
from larder.core.errors import LarderError
from larder.project.manifest import SEMANTICS
from larder.queries.guard import require_condition

GRAINS = ("day", "week", "month", "quarter", "year")
SALES_TIMES = {"business_date", "month_start_date"}
DAY = "calendar_day"
"""The entity whose dimensions describe days."""

LIST = "See metrics and their dimensions: larder metric"


@dataclass(frozen=True)
class Metric:
    """One definition: `dimensions` are the names that `--by` and `--where` take."""

    name: str
    label: str
    description: str
    unit: str
    owner: str
    dimensions: list[str]


@dataclass(frozen=True)
class Question:
    """What is asked: metrics by dimensions, under conditions; `since` and `until` are days, both included."""

    metrics: Sequence[str]
    by: Sequence[str] = ()
    where: Sequence[str] = ()
    since: date | None = None
    until: date | None = None


class _Renderer:
    """All that MetricFlow asks of a database to write SQL for it. It never gets a connection."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()


class Semantics:
    """The definitions in dbt's semantic manifest."""

    def __init__(self, semantic_manifest: str) -> None:
        self._manifest = parse_manifest_from_dbt_generated_manifest(_without_catalog(semantic_manifest))
        self._engine = MetricFlowEngine(SemanticManifestLookup(self._manifest), cast(SqlClient, _Renderer()))

    @classmethod
    def of(cls, artifacts: Path) -> "Semantics":
        """Those in a folder of dbt's artifacts. Raises LarderError where there are none."""
        file = artifacts / SEMANTICS
        if not file.exists():
            raise LarderError("what is published was built without metrics", "Build it again: larder run")
        return cls(file.read_text())

    def metrics(self) -> list[Metric]:
        """All metrics, by name."""
        return [
            Metric(
                name=metric.name,
                label=metric.label or metric.name,
                description=metric.description or "",
                unit=_meta(metric).get("unit", ""),
                owner=_meta(metric).get("owner", ""),
                dimensions=list(self._paths([metric.name])),
            )
            for metric in sorted(self._manifest.metrics, key=lambda metric: metric.name)
        ]

    def saved(self) -> dict[str, str]:
        """The saved queries: descriptions by name."""
        return {query.name: query.description or "" for query in self._manifest.saved_queries}

    def saved_question(self, name: str) -> Question:
        """A saved query by its name. Raises LarderError where there is none."""
        known = {query.name: query.query_params for query in self._manifest.saved_queries}
        _require("saved query", [name], known, "See the saved queries: larder metric")
        short = {path: short for short, path in self._paths(known[name].metrics).items()}
        by = [short[_path(item)] for item in known[name].group_by]
        return Question(metrics=known[name].metrics, by=by)

    def sql(self, question: Question) -> str:
        """The SQL that answers a question, its columns in the order asked, its rows in the order of the dimensions.

        Raises LarderError for names that are not defined, and for conditions that are not over dimensions.
        """
        _require("metric", question.metrics, [metric.name for metric in self._manifest.metrics], LIST)
        paths = self._paths(question.metrics)
        what = f"dimension of {' and '.join(question.metrics)}"
        _require(what, question.by, paths, LIST)
        conditions = [_condition(text, paths, what) for text in question.where]
        grain = self.finest_grain(question.metrics)
        bounds = [(">=", question.since), ("<=", question.until)]
        conditions += [f"{_template(grain, paths)} {sign} '{day}'" for sign, day in bounds if day]
        by = [paths[name] for name in question.by]
        try:
            explained = self._engine.explain(
                MetricFlowQueryRequest.create(
                    metric_names=list(question.metrics),
                    group_by_names=by,
                    where_constraints=conditions,
                    order_by_names=by,
                    output_column_order_mode=OutputColumnOrderMode.INPUT_ORDER,
                )
            )
        except InformativeUserError as error:
            raise LarderError(f"MetricFlow cannot answer this: {_first_message(str(error))}", LIST) from error
        return explained.sql_statement.sql

    def finest_grain(self, metrics: Sequence[str]) -> str:
        """The shortest time by which all of the metrics can be grouped."""
        paths = self._paths(metrics)
        return next(grain for grain in GRAINS if grain in paths)

    def nothing(self, metric: str) -> str:
        """SQL for what a metric is where there are no data: 0 for a count or a sum, null for a quotient."""
        return "0" if self._metric(metric).type.value == "simple" else "null"

    def of_sales(self, metrics: Sequence[str]) -> list[str]:
        """Those of the metrics whose time is that of sales, which come day by day, and not that of plans."""
        return [metric for metric in metrics if self._times(metric) <= SALES_TIMES]

    def picks_periods(self, question: Question) -> bool:
        """Whether one of its conditions is over days, weeks or months."""
        paths = self._paths(question.metrics)
        times = {name for name, path in paths.items() if name in GRAINS or path.split("__")[0] == DAY}
        return any(
            column.name in times for text in question.where for column in _parsed(text).find_all(exp.Column)
        )

    def _metric(self, name: str) -> Any:
        return next(metric for metric in self._manifest.metrics if metric.name == name)

    def _times(self, metric: str) -> set[str]:
        """Names of the time dimensions that a metric, or those that it is made of, is added up by."""
        parts = self._metric(metric).type_params.metrics or []
        if parts:
            return {time for part in parts for time in self._times(part.name)}
        measure = self._metric(metric).type_params.measure.name
        return {
            str(model.defaults.agg_time_dimension)
            for model in self._manifest.semantic_models
            if model.defaults and any(one.name == measure for one in model.measures)
        }

    def _paths(self, metrics: Sequence[str]) -> dict[str, str]:
        """MetricFlow's paths by the names that people use, for the dimensions that all of the metrics have."""
        first, *others = [self._paths_of(metric) for metric in metrics]
        return {
            name: path for name, path in first.items() if all(other.get(name) == path for other in others)
        }

    def _paths_of(self, metric: str) -> dict[str, str]:
        found = self._engine.simple_dimensions_for_metrics([metric])
        finest = next(d.dunder_name for d in found if d.name == "metric_time").rpartition("__")[2]
        times = {grain: f"metric_time__{grain}" for grain in GRAINS[GRAINS.index(finest) :]}
        entities = {entity.name: entity.name for entity in self._engine.entities_for_metrics([metric])}
        columns = {d.name: d.dunder_name for d in found if d.type.value == "categorical"}
        return {**times, **entities, **dict(sorted(columns.items()))}


def _without_catalog(manifest: str) -> str:
    """The manifest with its tables named by schema and name: which file they are in, only the connection knows."""
    content = json.loads(manifest)
    spines = content["project_configuration"]["time_spines"]
    for named in (*content["semantic_models"], *spines):
        relation = named["node_relation"]
        relation["database"] = None
        relation["relation_name"] = quoting.name(relation["schema_name"], relation["alias"])
    return json.dumps(content)


def _condition(text: str, paths: Mapping[str, str], what: str) -> str:
    """A condition in the words of people, as MetricFlow's template."""
    condition = _parsed(text)
    if "{" in text or condition.find(exp.Query):
        raise LarderError(
            f"--where {text!r} is more than a condition over dimensions",
            "Write it as SQL: department = 'GROCERY'",
        )
    _require_quotes(condition, paths)
    _require(what, [column.sql() for column in condition.find_all(exp.Column)], paths, LIST)
    require_condition(text)
    templates = condition.transform(
        lambda part: exp.Var(this=_template(part.name, paths)) if isinstance(part, exp.Column) else part
    )
    return str(templates.sql(dialect="duckdb"))


def _parsed(text: str) -> exp.Condition:
    try:
        return exp.maybe_parse(text, into=exp.Condition, dialect="duckdb")
    except SqlglotError as error:
        raise LarderError(
            f"--where {text!r} is no condition", "Write it as SQL: department = 'GROCERY'"
        ) from error


def _require_quotes(condition: exp.Condition, paths: Mapping[str, str]) -> None:
    """Raise LarderError for a word that is compared with a dimension and is none: it was meant as text."""
    for compared in condition.find_all(exp.Binary, exp.In, exp.Between):
        columns = [part for part in compared.iter_expressions() if isinstance(part, exp.Column)]
        known = [column.name for column in columns if column.sql() in paths]
        for column in columns:
            if known and column.sql() not in paths and column.name.lower() not in map(str.lower, paths):
                text = column.name.replace("'", "''")
                raise LarderError(
                    f"{column.sql()} in --where is no dimension; as text it needs single quotes",
                    f"Write it as text: --where \"{known[0]} = '{text}'\"",
                )


def _template(name: str, paths: Mapping[str, str]) -> str:
    kind = "TimeDimension" if name in GRAINS else "Dimension" if "__" in paths[name] else "Entity"
    argument = f"'metric_time', '{name}'" if name in GRAINS else f"'{paths[name]}'"
    return f"{{{{ {kind}({argument}) }}}}"


def _path(template: str) -> str:
    """MetricFlow's path of an item of a saved query: `TimeDimension('metric_time', 'week')` is metric_time__week."""
    return "__".join(re.findall(r"'([a-z_]+)'", template))


def _require(what: str, names: Iterable[str], known: Iterable[str], next_step: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise LarderError(
                f"there is no {what} named {name}; there are: {', '.join(known)}{hint}", next_step
            )


def _first_message(text: str) -> str:
    """MetricFlow's own words, without the frame around them."""
    found = re.search(r"Message:\s*(.+?)\n\s*\n", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", found.group(1) if found else text).strip()


def _meta(metric: Any) -> Mapping[str, str]:
    return metric.config.meta if metric.config else {}
