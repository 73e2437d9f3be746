"""For each source a lake, a load that is to come, and what the lake must hold after it, whatever has happened to it."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2
import pyarrow.parquet as pq
import pytest
import requests
from conftest import Instance, connections
from faults import ingest
from nats.js import JetStreamContext
from nats.js.api import StreamInfo
from stores import OnDisk
from test_stream import line

from demo.broker import Stream
from ingestion.core import storage
from ingestion.core.storage import Location
from ingestion.lake import loads as lake

ON_DISK = OnDisk()

KEYS = {
    "transactions": "basket_id, product_id",
    "placements": "product_id, store_id, display_location, mailer_location, week",
    "products": "product_id",
    "stores": "store_id",
    "households": "household_id",
    "demographics": "household_id",
    "campaigns": "campaign_id",
    "campaign_households": "id",
    "coupons": "id",
    "coupon_redemptions": "id",
}

RESTRICTED = "people in the restricted zone"

Content = dict[str, tuple[int, int, int, int]]
"""For each table its rows, its distinct keys, and two order-free hashes over all columns but the load id."""


@dataclass(frozen=True)
class Case:
    """A source, the lake before the load that dies, and what the lake must hold after its rerun."""

    source: str
    env: dict[str, str]
    before: Path
    whole: Content
    lakes: OnDisk = ON_DISK

    def room(self, folder: Path) -> Path:
        """A data root like the one before the load."""
        self.lakes.copy(self.before, folder)
        return folder

    def lake(self, data: Path) -> Location:
        return self.lakes.of(data)

    def ingest(self, data: Path, *changes: Any) -> int:
        return ingest(
            self.source, data, {**self.env, **self.lakes.env(data)}, *changes, lake=str(self.lake(data))
        )

    def content(self, data: Path) -> Content:
        return content(self.lake(data) / "raw" / self.source, data / "restricted")

    def check(self, data: Path, *mutants: Callable[[], None]) -> None:
        """What must hold after a load that died: all this, by the next run."""
        dataset = self.lake(data) / "raw" / self.source
        assert self.ingest(data, *mutants) == 0
        assert self.content(data) == self.whole
        complete = lake.completed_loads(dataset)
        assert self.ingest(data) == 0
        assert lake.completed_loads(dataset) - complete == set()


def content(dataset: Location, restricted: Path | None = None) -> Content:
    """What readers of the completed loads see. No file of another load may lie beside them."""
    complete = lake.completed_loads(dataset)
    files = sorted(dataset.glob("[!_]*/*.parquet"))
    restricted = restricted or Path(str(dataset.parents[2])) / "restricted"
    apart = sorted((restricted / dataset.name).glob("*/*"))
    owners = {lake.load_id(file) for file in [*files, *apart]}
    assert owners <= complete, "files of a load that never completed"
    assert len(apart) < 2, "earlier versions of people"
    found = {}
    for file in apart:
        found[RESTRICTED] = _summary([file], "source_number", "load_id")
    for table in sorted({file.parent.name for file in files} - {lake.DELIVERIES}):
        mine = [file for file in files if file.parent.name == table]
        found[table] = _summary(mine, KEYS[table], "_dlt_load_id")
    return found


def _summary(files: Sequence[Location], key: str, load: str) -> tuple[int, int, int, int]:
    with storage.connect(files[0]) as connection:
        row = connection.execute(
            f"""
            select count(*), count(distinct ({key})), bit_xor(hash(t)), sum(hash(t)::hugeint)
            from (select * exclude ({load}) from read_parquet(?, hive_partitioning = false)) as t
            """,
            [[str(file) for file in files]],
        ).fetchone()
    assert row
    return row[0], row[1], row[2], row[3]


def cases(
    retailer: Instance, rooms: pytest.TempPathFactory, lakes: OnDisk = ON_DISK
) -> Callable[[str], Case]:
    """The case of a source, made when it is first asked for."""
    return cache(lambda source: _make(source, retailer, rooms.mktemp(source), lakes))


def _make(source: str, retailer: Instance, room: Path, lakes: OnDisk) -> Case:
    env, before = connections(retailer), room / "before"
    first = Case(source, env, before, {}, lakes)
    before.mkdir()
    name = f"SOURCES__{source.upper()}__LANDING"
    if name in env:  # files come in days: some are loaded already, more have come
        delivered, env[name] = Path(env[name]), str(room / "landing")
        _deliver(delivered, room / "landing", slice(0, 1))
        assert first.ingest(before) == 0
        _deliver(delivered, room / "landing", slice(1, 3))
    if source == "pos_stream":  # and events as they are sold
        _publish(env, room.name, 0, 30)
        assert first.ingest(before) == 0
        _publish(env, room.name, 30, 70)
    whole = first.room(room / "whole")
    assert first.ingest(whole) == 0
    found = first.content(whole)
    for table, count in SOURCE_ROWS[source](env).items():
        assert found[table][:2] == (count, count), f"{source}: an undisturbed load is not the source"
    if source == "loyalty":
        assert found[RESTRICTED][0] == found["households"][0]
    return replace(first, whole=found)


def _deliver(root: Path, landing: Path, days: slice) -> None:
    """Some days or weeks of the retailer's files; of a plan of promotions its first rows."""
    for folder in sorted(root.iterdir())[days]:
        shutil.copytree(folder, landing / folder.name)
        for plan in (landing / folder.name).glob("placements.parquet"):
            rows = duckdb.execute(
                f"from read_parquet('{folder}/{plan.name}', hive_partitioning = false) limit 2000"
            ).to_arrow_table()
            pq.write_table(rows, plan)


def _publish(env: dict[str, str], name: str, first: int, last: int) -> None:
    """Some events to the stream `name` on the retailer's broker, to which the environment leads from now on."""
    url = urlsplit(env["SOURCES__POS_STREAM__URL"])

    async def send(context: JetStreamContext) -> None:
        await context.add_stream(name=name, subjects=[name])
        for basket in range(first, last):
            await context.publish(name, json.dumps(line(basket)).encode())

    Stream(url.port or 0, env["SOURCES__POS_STREAM__TOKEN"]).run(send)
    env["SOURCES__POS_STREAM__URL"] = url._replace(path=name).geturl()


def _rows_of_stream(env: dict[str, str]) -> dict[str, int]:
    url = urlsplit(env["SOURCES__POS_STREAM__URL"])

    async def look(context: JetStreamContext) -> StreamInfo:
        return await context.stream_info(url.path.strip("/"))

    return {"transactions": Stream(url.port or 0, env["SOURCES__POS_STREAM__TOKEN"]).run(look).state.messages}


def _rows_of_files(sql: str) -> int:
    found = duckdb.execute(f"select count(*) from {sql}").fetchone()
    assert found
    return int(found[0])


def _rows_of_tills(env: dict[str, str]) -> dict[str, int]:
    landing = env["SOURCES__POS__LANDING"]
    parquet, csv = f"'{landing}/*/*.parquet'", f"read_csv('{landing}/*/*.csv.gz')"
    return {"transactions": _rows_of_files(parquet) + _rows_of_files(csv)}


def _rows_of_plans(env: dict[str, str]) -> dict[str, int]:
    return {"placements": _rows_of_files(f"'{env['SOURCES__PROMOTIONS__LANDING']}/*/*.parquet'")}


def _rows_of_database(source: str, *tables: str) -> Callable[[dict[str, str]], dict[str, int]]:
    def rows(env: dict[str, str]) -> dict[str, int]:
        with (
            psycopg2.connect(env[f"SOURCES__{source.upper()}__CREDENTIALS"]) as connection,
            connection.cursor() as cursor,
        ):
            found = {}
            for table in tables:
                cursor.execute(f"select count(*) from {source}.{table}")
                found[table] = int((cursor.fetchone() or (0,))[0])
            return found

    return rows


def _rows_of_api(env: dict[str, str]) -> dict[str, int]:
    def count(table: str) -> int:
        total, url = 0, f"{env['SOURCES__CAMPAIGNS__BASE_URL']}{table}?limit=5000"
        while url:
            answer = requests.get(
                url, headers={"Authorization": f"Bearer {env['SOURCES__CAMPAIGNS__TOKEN']}"}, timeout=10
            )
            answer.raise_for_status()
            page: dict[str, Any] = answer.json()
            total, url = total + len(page["data"]), page["next"]
        return total

    return {
        table: count(table) for table in ("campaigns", "campaign_households", "coupons", "coupon_redemptions")
    }


SOURCE_ROWS: dict[str, Callable[[dict[str, str]], dict[str, int]]] = {
    "pos": _rows_of_tills,
    "pos_stream": _rows_of_stream,
    "promotions": _rows_of_plans,
    "merchandising": _rows_of_database("merchandising", "products", "stores"),
    "loyalty": _rows_of_database("loyalty", "households", "demographics"),
    "campaigns": _rows_of_api,
}
