"""A shop with a policy of its own: a published generation made by hand, which tests fill, change and share."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml
from bases import MANIFEST, edge, empty, insert

from larder.catalog import metadata
from larder.core.settings import Paths
from larder.governance import grants, shares, verify
from larder.warehouse.store import Manifest, Store

CLASSES = ("public", "internal", "quasi_identifier", "pseudonym", "sensitive", "direct_identifier")

TABLES = {
    "dim_items": {"item_id": "public", "maker": "public", "cost": "internal"},
    "dim_people": {
        "household_id": "pseudonym",
        "age": "quasi_identifier",
        "income": "sensitive",
        "email": "direct_identifier",
    },
    "fct_lines": {
        "household_id": "pseudonym",
        "item_id": "public",
        "sold_at": "quasi_identifier",
        "units": "internal",
    },
    "agg_items": {"item_id": "public", "households": "internal", "units": "internal"},
    "agg_weeks": {"week": "public", "units": "internal"},
}
"""The marts, and the classes of their columns."""

CONTENT = """
create schema marts;
create table marts.dim_items as select i as item_id, 'maker ' || i % 3 as maker, i * 1.5 as cost from range(30) as t (i);
create table marts.dim_people as select 7000000000000 + i as household_id, if(i < 3, '90+', if(i % 2 = 0, '30', '40')) as age,
    if(i % 5 = 0, 'high', 'low') as income, 'person' || i || '@example.com' as email from range(60) as t (i);
create table marts.fct_lines as select 7000000000000 + i % 60 as household_id, i % 30 as item_id,
    timestamp '2017-01-01 10:00:00' + to_minutes(i) as sold_at, i % 4 as units from range(600) as t (i);
create table marts.agg_items as select i as item_id, i as households, i * 10 as units from range(30) as t (i);
insert into marts.agg_items values (30, null, 7);
create table marts.agg_weeks as select i as week, i * 100 as units from range(5) as t (i);
"""

SEES = dict.fromkeys(CLASSES, "not at all") | {"public": "as is", "internal": "as is"}

POLICY: dict[str, Any] = {
    "audiences": {
        "analyst": {
            "purpose": "Ask.",
            "schemas": ["marts"],
            "sees": {**SEES, "quasi_identifier": "generalised", "pseudonym": "keyed hash"},
            "minimum_group": 1,
        },
        "science": {
            "purpose": "Learn.",
            "schemas": ["marts"],
            "sees": {**SEES, "quasi_identifier": "as is", "pseudonym": "keyed hash", "sensitive": "masked"},
            "minimum_group": 1,
        },
        "supplier": {
            "purpose": "See its own.",
            "schemas": ["marts"],
            "sees": SEES,
            "minimum_group": 10,
            "rows": {"dim_items.maker": ["maker 1"]},
        },
    },
    "generalisations": {"age": "age", "sold_at": "cast(sold_at as date)"},
    "group_sizes": {"dim_items": "none, it is the assortment"},
}


BASE = [f"dbt.{table}" for table in (*metadata.GOVERNED, "node_columns", "column_lineage", "groups")]
"""The tables of a metadata base that say who may see what."""


@cache
def _empty() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, empty(Path(folder)) as base:
        return {
            table: base.execute(f"from {table} limit 0").to_arrow_table() for table in (*BASE, "dbt.edges")
        }


def _base() -> duckdb.DuckDBPyConnection:
    base = duckdb.connect()
    base.execute("create schema dbt")
    for table, content in _empty().items():
        base.from_arrow(content).create(table)
    return base


@dataclass
class Shop:
    """A data root with the shop's generation; `policy` is written to its governance/ whenever shares are."""

    paths: Paths
    policy: dict[str, Any]
    columns: dict[str, dict[str, str]]

    @property
    def store(self) -> Store:
        return Store(self.paths.warehouse)

    def publish(self, content: str = CONTENT, name: str = "20170101T000000000Z") -> None:
        """A generation in place of the last one."""
        folder = self.paths.warehouse / "generations" / name
        shutil.rmtree(folder.parent, ignore_errors=True)
        (folder / "dbt").mkdir(parents=True)
        with duckdb.connect(str(folder / "larder.duckdb")) as warehouse:
            warehouse.execute(content)
            types = {
                (table, column): kind
                for table, column, kind in warehouse.execute(
                    "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'marts'"
                ).fetchall()
            }
            marts = {
                f"marts.{table}": {
                    "rows": 0,
                    "hash": str(warehouse.execute(f"select sum(hash(t)) from marts.{table} as t").fetchone()),
                }
                for table in self.columns
            }
        (folder / "dbt" / "manifest.json").write_text(json.dumps(self._manifest()))
        with _base() as base:
            for table, classes in self.columns.items():
                self._describe(base, table, classes, types)
            for table in ("agg_items", "agg_weeks"):
                edge(base, "model.shop.fct_lines#household_id", f"model.shop.{table}#units", "scan")
            (folder / "metadata").mkdir()
            for table in BASE:
                base.execute(f"copy {table} to '{folder}/metadata/{table}.parquet'")
        said = Manifest(name, None, "published", "", marts=marts, published_at="2017-01-01T00:00:00+00:00")
        (folder / "manifest.json").write_text(json.dumps(asdict(said)))
        pointer = self.paths.warehouse / "current"
        pointer.unlink(missing_ok=True)
        pointer.symlink_to(Path("generations") / name)

    def only(self, audience: str) -> None:
        """Forget the other audiences, for a test that has no use for them."""
        self.policy["audiences"] = {audience: self.policy["audiences"][audience]}

    def share(self) -> None:
        self.write_policy()
        published = self.store.require_published()
        built = json.loads((self.store.artifacts(published) / "manifest.json").read_text())
        with metadata.governed(self.store.metadata(published), {}) as base:
            shares.write(self.paths, self.store, published, grants.read(base), [built, built])

    def write_policy(self) -> None:
        folder = self.paths.data / "governance"
        folder.mkdir(exist_ok=True)
        (folder / "audiences.yml").write_text(yaml.safe_dump(self.policy))
        (folder / "columns.yml").write_text(
            yaml.safe_dump({"classes": dict.fromkeys(CLASSES, "text")}, sort_keys=False)
        )

    def tables(self, audience: str) -> dict[str, list[str]]:
        """The tables of a share's DuckDB file with their columns, share.about left out."""
        return dict(
            self.query(
                audience,
                "select table_name, list(column_name order by column_index) from duckdb_columns()"
                " where not internal and schema_name <> 'share' group by all",
            )
        )

    def query(self, audience: str, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.paths.shares / audience / "larder.duckdb"), read_only=True) as share:
            return share.execute(sql).fetchall()

    def leftovers(self) -> set[Path]:
        """What lies beside the shares and is none that is shown."""
        found = {*self.paths.shares.iterdir()}
        links = {path for path in found if path.is_symlink()}
        return found - links - {link.resolve() for link in links}

    def _manifest(self) -> dict[str, Any]:
        nodes = {
            f"model.shop.{table}": {
                "unique_id": f"model.shop.{table}",
                "resource_type": "model",
                "schema": "marts",
                "name": table,
                "alias": table,
                "access": "public",
                "config": {"materialized": "table", "meta": {"grain": [next(iter(classes))]}},
                "columns": {
                    column: {"name": column, "config": {"meta": {"classification": class_}}}
                    for column, class_ in classes.items()
                },
            }
            for table, classes in self.columns.items()
        }
        parents = {
            "model.shop.agg_items": ["model.shop.fct_lines"],
            "model.shop.agg_weeks": ["model.shop.fct_lines"],
        }
        return {**MANIFEST, "nodes": nodes, "parent_map": parents}

    def _describe(
        self,
        base: duckdb.DuckDBPyConnection,
        table: str,
        classes: Mapping[str, str],
        types: Mapping[tuple[str, str], str],
    ) -> None:
        node = f"model.shop.{table}"
        insert(
            base,
            "dbt.models",
            unique_id=node,
            name=table,
            identifier=table,
            schema_name="marts",
            access="public",
            resource_type="model",
            grain=[next(iter(classes))],
        )
        for index, (column, class_) in enumerate(classes.items()):
            insert(
                base,
                "dbt.node_columns",
                node_unique_id=node,
                column_name=column,
                column_index=index,
                data_type_inferred=types.get((table, column), "bigint").lower(),
                classification=class_,
                synthetic=False,
            )


def made(folder: Path, monkeypatch: Any) -> Shop:
    monkeypatch.setattr(metadata, "PROJECT", folder)
    monkeypatch.setattr(verify, "POLICY", folder / "governance")
    shop = Shop(
        Paths(folder),
        json.loads(json.dumps(POLICY)),
        {table: dict(columns) for table, columns in TABLES.items()},
    )
    shop.publish()
    return shop
