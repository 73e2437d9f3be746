"""Data contracts: what each public mart promises, in the Open Data Contract Standard (one YAML file a mart and version).

A contract says nothing about one generation: it changes when what is promised does.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import yaml

from larder.catalog.metadata import grouped, rows

API = "v3.1.0"
"""The version of the standard that is written: the first with relationships."""

SERVER = "warehouse/current/larder.duckdb"
"""Where the marts are, from the root of the data folder."""

LOGICAL = {
    **dict.fromkeys(("decimal", "double", "float", "real"), "number"),
    **{
        whole: "integer"
        for size in ("tiny", "small", "", "big", "huge")
        for whole in (f"{size}int", f"u{size}int")
    },
    **{"integer": "integer", "uinteger": "integer", "struct": "object", "map": "object"},
    **dict.fromkeys(("boolean", "date", "time", "timestamp"), ""),
}
"""The standard's types by DuckDB's; empty where it is the same word, and anything else is a string."""

Row = dict[str, Any]
MARTS = "select * from dbt.models where access = 'public' order by identifier"
COLUMNS = "select * from dbt.node_columns order by node_unique_id, column_index"
TESTS = """
    select
        tests.*,
        unnest(if(test_name = 'singular', depends_on, [node_unique_id])) as tested,
        marts.identifier as target
    from dbt.data_tests as tests
    left join dbt.models as marts
        on list_contains(tests.depends_on, marts.unique_id)
        and marts.unique_id <> tests.node_unique_id
        and marts.access = 'public'
        and test_name = 'relationships'
    order by tests.unique_id
"""
"""`target` is the mart that a foreign key points to, where that has a contract."""


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as it is."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write `contracts/<mart>.odcs.yaml` for each public mart, below `folder`."""
    columns, tests = grouped(base, COLUMNS, "node_unique_id"), grouped(base, TESTS, "tested")
    teams = {row["name"]: row for row in rows(base, "from dbt.groups")}
    into = folder / "contracts"
    into.mkdir(parents=True, exist_ok=True)
    for mart in rows(base, MARTS):
        name = mart["unique_id"]
        content = _contract(mart, columns[name], tests[name], teams.get(mart["group"]))
        text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        (into / f"{mart['identifier']}.odcs.yaml").write_text(text)


def _contract(mart: Row, columns: list[Row], tests: list[Row], team: Row | None) -> dict[str, Any]:
    end = mart["deprecation_date"]
    purpose, _, example = (mart["description"] or "").partition("```sql\n")
    return {
        "apiVersion": API,
        "kind": "DataContract",
        "id": f"larder.{mart['name']}",
        "name": mart["name"],
        "version": f"{mart['version'] or 1}.0.0",
        "status": "deprecated" if end else "active",
        "dataProduct": "larder",
        **_present(domain="/".join(mart["fqn"][2:-1])),
        "description": _present(purpose=purpose.strip(), usage=example.partition("```")[0].strip()),
        **(_team(team) if team else {}),
        "servers": [
            {
                "server": "published",
                "type": "duckdb",
                "description": "The published generation, opened read-only; the path is from the root of the data folder.",
                "database": SERVER,
                "schema": mart["schema_name"],
            }
        ],
        **({"slaProperties": [{"property": "endOfLife", "value": end.date().isoformat()}]} if end else {}),
        "customProperties": [{"property": "tier", "value": mart["tier"]}],
        "schema": [_schema(mart, columns, tests)],
    }


def _team(team: Row) -> dict[str, Any]:
    support = {"channel": team["owner_name"], "tool": "email", "url": f"mailto:{team['owner_email']}"}
    return {"team": {"name": team["name"], "description": team["description"]}, "support": [support]}


def _schema(mart: Row, columns: list[Row], tests: list[Row]) -> dict[str, Any]:
    rules = [test for test in tests if not test["column_name"]]
    checks = [rule for part in (mart, *columns) for rule in _checks(mart, part)]
    return {
        "id": mart["identifier"],
        "name": mart["identifier"],
        "physicalName": f"{mart['schema_name']}.{mart['identifier']}",
        "physicalType": "table",
        "logicalType": "object",
        "dataGranularityDescription": f"One row per {', '.join(mart['grain'])}",
        "properties": [
            _property(mart, column, [test for test in tests if test["column_name"] == column["column_name"]])
            for column in columns
        ],
        "quality": [*checks, *(rule for test in rules for rule in _quality(test))],
    }


def _property(mart: Row, column: Row, tests: list[Row]) -> dict[str, Any]:
    name, kind = column["column_name"], column["data_type_declared"]
    kinds = {one["type"] for one in json.loads(column["constraints"])} | {one["test_name"] for one in tests}
    place = 1 + mart["primary_key"].index(name) if name in mart["primary_key"] else 0
    more = [{"property": "unit", "value": column["unit"]}] if column["unit"] else []
    more += [{"property": "synthetic", "value": True}] if column["synthetic"] else []
    return {
        "id": name,
        "name": name,
        "logicalType": _logical(kind),
        "physicalType": kind,
        "description": column["description"],
        "required": "not_null" in kinds or place > 0,
        **_present(primaryKey=place > 0, primaryKeyPosition=place),
        "classification": column["classification"],
        **_present(
            customProperties=more,
            relationships=[_relationship(one) for one in tests if one["target"]],
            quality=[rule for test in tests for rule in _quality(test)],
        ),
    }


def _logical(kind: str) -> str:
    base = re.sub(r"\W.*", "", kind.lower())
    return "array" if kind.endswith("]") else LOGICAL.get(base, "string") or base


def _relationship(test: Row) -> dict[str, str]:
    """A key of another contract, which lies beside this one."""
    target, field = test["target"], json.loads(test["arguments"])["field"]
    return {"type": "foreignKey", "to": f"{target}.odcs.yaml#/schema/{target}/properties/{field}"}


def _checks(mart: Row, part: Row) -> Iterator[dict[str, Any]]:
    """The conditions that the engine holds every row to; as in the engine, null passes."""
    for one in json.loads(part["constraints"]):
        if one["type"] == "check":
            where = f"from {mart['schema_name']}.{mart['identifier']} where not ({one['expression']})"
            yield {
                "type": "sql",
                "description": one["expression"],
                "query": f"select count(*) {where}",
                "mustBe": 0,
                "severity": "error",
            }


def _quality(test: Row) -> Iterator[dict[str, Any]]:
    """What a data test holds: a metric of the standard where it has one, else its text."""
    arguments, said = json.loads(test["arguments"]), {"severity": test["severity"]}
    if test["test_name"] == "primary_key":
        of = {"properties": arguments["columns"]}
        yield {"type": "library", "metric": "duplicateValues", "arguments": of, "mustBe": 0, **said}
    elif test["test_name"] == "accepted_values":
        of = {"validValues": arguments["values"]}
        yield {"type": "library", "metric": "invalidValues", "arguments": of, "mustBe": 0, **said}
    elif test["test_name"] == "relationships" and not test["target"]:
        yield {
            "type": "text",
            "description": f"Each value is in {arguments['to']}, {arguments['field']}.",
            **said,
        }
    elif test["test_name"] not in ("not_null", "relationships"):
        yield {"type": "text", "name": test["name"], "description": test["description"], **said}


def _present(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part}
