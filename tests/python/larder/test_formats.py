"""What other tools read is what their own classes and schemas accept, and what the published generation keeps."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attr
import duckdb
import jsonschema
import pytest
import yaml
from conftest import Instance
from open_data_contract_standard.model import OpenDataContractStandard
from openlineage.client import event_v2, facet_v2

from larder.catalog import formats, metadata
from larder.core.settings import Paths
from larder.warehouse.store import Store


@pytest.fixture(scope="module")
def base(published: Instance) -> Iterator[duckdb.DuckDBPyConnection]:
    store = Store(Paths(published.data).warehouse)
    with metadata.open_base(store.metadata(store.require_published())) as connection:
        yield connection


@pytest.fixture(scope="module")
def written(base: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The formats, written without a network."""
    folder = tmp_path_factory.mktemp("formats")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "socket", None)
        formats.write(base, folder)
    return folder


@pytest.fixture(scope="module")
def contracts(written: Path) -> dict[str, dict[str, Any]]:
    files = sorted((written / "contracts").iterdir())
    return {file.name.removesuffix(".odcs.yaml"): yaml.safe_load(file.read_text()) for file in files}


@pytest.fixture(scope="module")
def events(written: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (written / "openlineage.ndjson").read_text().splitlines()]


# ---- data contracts


def test_contracts_are_valid(contracts: dict[str, dict[str, Any]]) -> None:
    """By the standard's own JSON schema, and by its classes, which refuse what they do not know."""
    schema = jsonschema.Draft201909Validator(json.loads(OpenDataContractStandard.json_schema()))
    assert not [(name, error.message) for name, one in contracts.items() for error in schema.iter_errors(one)]
    assert all(OpenDataContractStandard(**one).schema_ for one in contracts.values())
    broken = {**contracts["fct_baskets"], "servers": [{"server": "published", "type": "ducks"}]}
    assert list(schema.iter_errors(broken))


def test_every_public_mart_has_a_contract_with_the_columns_of_its_table(
    published: Instance, contracts: dict[str, dict[str, Any]]
) -> None:
    stated = {
        name: [(one["name"], one["physicalType"].replace(", ", ",").upper()) for one in properties]
        for name, contract in contracts.items()
        for properties in [contract["schema"][0]["properties"]]
    }
    there: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in published.query(
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_schema = 'marts' order by table_name, ordinal_position"
    ):
        there.setdefault(table, []).append((column, kind.upper()))
    assert stated == there


@pytest.mark.nightly
def test_the_rules_of_contracts_hold_on_what_is_published(
    published: Instance, contracts: dict[str, dict[str, Any]]
) -> None:
    """Each query runs as it stands; keys are what the tables have once."""
    rules = [rule for one in contracts.values() for rule in one["schema"][0]["quality"]]
    queries = [rule["query"] for rule in rules if rule["type"] == "sql"]
    assert len(queries) > 100
    assert not [query for query in queries if published.query(query) != [(0,)]]
    for name, one in contracts.items():
        keys = [part for part in one["schema"][0]["properties"] if part.get("primaryKey")]
        columns = ", ".join(part["name"] for part in sorted(keys, key=lambda key: key["primaryKeyPosition"]))
        assert published.query(f"select {columns} from marts.{name} group by all having count(*) > 1") == []
        assert all(part["required"] and part["description"] and part["classification"] for part in keys)


def test_versions_of_a_mart_are_versions_of_one_contract(contracts: dict[str, dict[str, Any]]) -> None:
    old, new = contracts["agg_sales_daily_v1"], contracts["agg_sales_daily"]
    assert old["id"] == new["id"]
    assert (old["version"], old["status"]) == ("1.0.0", "deprecated")
    assert (new["version"], new["status"]) == ("2.0.0", "active")
    assert old["slaProperties"] == [{"property": "endOfLife", "value": "2027-06-30"}]
    [store] = [part for part in new["schema"][0]["properties"] if part["name"] == "store_id"]
    assert store["relationships"] == [
        {"type": "foreignKey", "to": "dim_stores.odcs.yaml#/schema/dim_stores/properties/store_id"}
    ]
    assert "from marts.agg_sales_daily\n" in new["description"]["usage"]


def test_a_foreign_key_leads_to_the_property_of_another_contract(
    contracts: dict[str, dict[str, Any]],
) -> None:
    properties = [part for one in contracts.values() for part in one["schema"][0]["properties"]]
    keys = [one["to"] for part in properties for one in part.get("relationships", [])]
    assert len(keys) > 30
    for key in keys:
        file, _, path = key.partition("#")
        _, schema, _, column = path.removeprefix("/").split("/")
        [found] = contracts[file.removesuffix(".odcs.yaml")]["schema"]
        assert found["id"] == schema
        assert column in [part["id"] for part in found["properties"]]


# ---- catalog.json


def test_the_catalog_follows_its_schema(base: duckdb.DuckDBPyConnection, written: Path) -> None:
    catalog, schema = (json.loads((written / f"catalog{part}.json").read_text()) for part in ("", ".schema"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator.iter_errors(catalog)] == []
    [node] = [node for node in catalog["nodes"] if node["id"] == "model.larder.fct_baskets"]
    assert 0 in {node.get("rows") for node in catalog["nodes"]}  # what is known to be empty says so
    assert node["rows"] > 0 and "household_id" in {column["name"] for column in node["columns"]}
    assert len(catalog["lineage"]) == base.execute("select count(*) from dbt.column_lineage").fetchone()[0]
    catalog["nodes"][0]["surprise"] = True
    assert list(validator.iter_errors(catalog))


# ---- OpenLineage


def test_each_model_that_ran_has_begun_and_ended(
    base: duckdb.DuckDBPyConnection, events: list[dict[str, Any]]
) -> None:
    ran = {
        name
        for (name,) in base.execute(
            "select unique_id from dbt_rt.run_results where resource_type = 'model'"
            " and invocation_id = (select max(invocation_id) from dbt_rt.invocations)"
        ).fetchall()
    }
    assert {event["job"]["name"] for event in events} == ran
    for start, complete in zip(events[::2], events[1::2], strict=True):
        assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
        assert start["run"] == complete["run"] and start["job"] == complete["job"]
        assert start["eventTime"] <= complete["eventTime"]
    assert len({event["run"]["runId"] for event in events}) == len(ran)


def known_facets() -> dict[str, set[str]]:
    """The fields of each facet of the client, by the address of its schema."""
    modules = [module for module in vars(facet_v2).values() if isinstance(module, type(facet_v2))]
    classes = [one for module in modules for one in vars(module).values() if hasattr(one, "_get_schema")]
    return {one._get_schema(): {field.name for field in attr.fields(one)} for one in classes}


def test_what_a_column_derives_from_is_an_input(events: list[dict[str, Any]]) -> None:
    for event in events:
        if event["eventType"] == "COMPLETE":
            inputs = {one["name"] for one in event["inputs"]}
            lineage = event["outputs"][0]["facets"]["columnLineage"]
            fields = [one for part in lineage["fields"].values() for one in part["inputFields"]]
            assert {one["name"] for one in [*fields, *lineage.get("dataset", [])]} <= inputs
            assert all(name.startswith("larder.") for name in inputs)


def test_events_are_what_the_client_knows(events: list[dict[str, Any]]) -> None:
    """Read again by the client's classes, which check times, ids and addresses; each facet by the fields of its own."""
    known = known_facets()
    for event in events:
        event_v2.RunEvent(
            eventType=event_v2.RunState(event["eventType"]),
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=event_v2.Run(**event["run"]),
            job=event_v2.Job(**event["job"]),
            inputs=[event_v2.InputDataset(**one) for one in event["inputs"]],
            outputs=[event_v2.OutputDataset(**one) for one in event["outputs"]],
        )
        for part in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
            for facet in part["facets"].values():
                assert facet.keys() <= known[facet["_schemaURL"]]


def lineage(events: list[dict[str, Any]], model: str) -> dict[str, Any]:
    [facet] = [
        event["outputs"][0]["facets"]["columnLineage"]
        for event in events
        if event["eventType"] == "COMPLETE" and event["job"]["name"] == f"model.larder.{model}"
    ]
    return dict(facet)


def test_columns_say_how_they_derive(events: list[dict[str, Any]]) -> None:
    found = lineage(events, "fct_baskets")
    how = {
        (column, field["field"]): {(one["type"], one.get("subtype")) for one in field["transformations"]}
        for column, fields in found["fields"].items()
        for field in fields["inputFields"]
        if field["name"] == "larder.marts.fct_basket_lines"
    }
    assert how["basket_id", "basket_id"] == {("DIRECT", "IDENTITY")}
    assert how["sales_usd", "sales_usd"] == {("DIRECT", "AGGREGATION")}
    assert ("sales_usd", "store_id") not in how
    rows = {field["field"] for field in found["dataset"]}
    assert {"basket_id", "business_date"} <= rows and "sales_usd" not in rows
    assert {one["type"] for field in found["dataset"] for one in field["transformations"]} == {"INDIRECT"}
    paid = lineage(events, "int_basket_lines_priced")["fields"]["customer_paid_usd"]["inputFields"]
    assert {
        one["transformations"][0]["subtype"] for one in paid if one["transformations"][0]["type"] == "DIRECT"
    } == {"TRANSFORMATION"}


def test_events_show_no_value_of_a_person(published: Instance, tmp_path: Path) -> None:
    """Not even where the base has one, which it should not."""
    with metadata.open_base(published.warehouse.with_name("metadata")) as own:
        own.execute("update larder.column_profiles set min_value = '4711' where min_value is null")
        hidden = own.execute(
            "select node_unique_id, column_name from larder.column_profiles where not shows_values"
        ).fetchall()
        formats.write(own, tmp_path)
    text = (tmp_path / "openlineage.ndjson").read_text()
    metrics = {
        event["job"]["name"]: event["outputs"][0]["facets"]["dataQualityMetrics"]["columnMetrics"]
        for event in map(json.loads, text.splitlines())
        if "dataQualityMetrics" in event["outputs"][0]["facets"]
    }
    shown = {
        (node, column) for node, found in metrics.items() for column, one in found.items() if "min" in one
    }
    assert ("model.larder.fct_baskets", "sales_usd") in shown
    assert ("model.larder.fct_baskets", "household_id") in hidden
    assert metrics["model.larder.fct_baskets"]["household_id"]["distinctCount"] > 0
    assert not shown & set(hidden)


def test_the_same_generation_gives_the_same_files(
    base: duckdb.DuckDBPyConnection, written: Path, tmp_path: Path
) -> None:
    formats.write(base, tmp_path)
    files = [file.relative_to(written) for file in written.rglob("*.*") if file.is_file()]
    assert len(files) > 60
    assert not [file for file in files if (written / file).read_bytes() != (tmp_path / file).read_bytes()]
