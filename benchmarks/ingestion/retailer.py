"""The rows to be moved: a demo retailer of the benchmark's own, its files in both formats, its database made large."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import duckdb
import psycopg2

from benchmarks.ingestion.work import PROJECT

TABLE = "merchandising.products"
COPIES = f"""
insert into {TABLE}
select product_id + copy * 100000000, manufacturer_id, department, brand, product_category, product_type,
    package_size, updated_at
from {TABLE}, generate_series(1, %(rows)s / (select count(*) from {TABLE})) as copy
order by copy, product_id
limit greatest(0, %(rows)s - (select count(*) from {TABLE}))
"""


@dataclass(frozen=True)
class Retailer:
    """A demo whose systems are the benchmark's to change, and the environment that leads dlt to them."""

    root: Path
    env: dict[str, str]

    @property
    def address(self) -> str:
        return self.env["SOURCES__MERCHANDISING__CREDENTIALS"]

    def enlarge(self, rows: int) -> None:
        """Fill the product master up to `rows` with copies of the real products, and make a slice of it."""
        parts = urlsplit(self.address)
        password = json.loads((self.root / "demo/secrets.json").read_text())["admin_password"]
        admin = f"postgresql://postgres:{quote(password, safe='')}@{parts.hostname}:{parts.port}{parts.path}"
        with psycopg2.connect(admin) as connection, connection.cursor() as cursor:
            cursor.execute(COPIES, {"rows": rows})

    def files(self, room: Path, extension: str, days: slice = slice(None)) -> Path:
        """The tills' files of some days, all of them as Parquet or all as gzipped CSV."""
        landing = room / f"till-{extension.replace('.', '-')}"
        for day in sorted(Path(self.env["SOURCES__POS__LANDING"]).iterdir())[days]:
            (landing / day.name).mkdir(parents=True, exist_ok=True)
            for file in day.iterdir():
                target = landing / day.name / f"{file.name.partition('.')[0]}.{extension}"
                if file.name.endswith(extension):
                    shutil.copy2(file, target)
                else:
                    _convert(file, target)
        return landing


MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
TYPES = "{" + ", ".join(f"{name}: 'decimal(18, 2)'" for name in MONEY) + ", week: 'integer'}"


def tills(landing: Path) -> str:
    """SQL for the rows of all till files of a folder, in either format."""
    if list(landing.glob("*/*.parquet")):
        return f"from read_parquet('{landing}/*/*.parquet', hive_partitioning = true)"
    return f"from read_csv('{landing}/*/*.csv.gz', hive_partitioning = true, types = {TYPES})"


def plans(landing: str) -> str:
    """SQL for the rows of all plans of promotions of a folder."""
    return f"from read_parquet('{landing}/*/*.parquet', hive_partitioning = false)"


def _convert(file: Path, target: Path) -> None:
    if target.suffix == ".parquet":
        rows = f"from read_csv('{file}', hive_partitioning = false, types = {TYPES})"
        duckdb.execute(f"copy ({rows}) to '{target}' (format parquet)")
    else:
        moment = "strftime(transaction_timestamp at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ') as transaction_timestamp"
        rows = f"select * replace ({moment}) from read_parquet('{file}', hive_partitioning = false)"
        duckdb.execute(f"copy ({rows}) to '{target}' (format csv, header, compression gzip)")


@contextmanager
def retailer(root: Path, to: str) -> Iterator[Retailer]:
    """Start a demo at `root` whose year has come to a day; stop it at the end."""

    def demo(*words: str) -> None:
        env = {**os.environ, "LARDER_DATA": str(root)}
        subprocess.run([sys.executable, "-m", "larder", "demo", *words], cwd=PROJECT, env=env, check=True)

    demo("start", "--to", to)
    try:
        found = tomllib.loads((root / "demo/connections.toml").read_text())
        yield Retailer(root, {name: str(value) for name, value in found.items()})
    finally:
        demo("stop")
