"""One demo retailer as a test sees it: its command, its files, its database and its API."""

import hashlib
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

ROOT = Path(__file__).resolve().parents[3]
RESOURCES = ("campaigns", "campaign_households", "coupons", "coupon_redemptions")
TABLES = ("merchandising.products", "merchandising.stores", "loyalty.households", "loyalty.demographics")


@dataclass(frozen=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Demo:
    """An instance in a separate data folder, driven by `python -m demo`."""

    data: Path

    def popen(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        import os

        return subprocess.Popen(
            [sys.executable, "-m", "demo", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment, "LARDER_DATA": str(self.data)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.popen(*arguments, **environment)
        out, err = process.communicate()
        assert process.returncode == code, f"demo {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    @property
    def connections(self) -> dict[str, str]:
        return tomllib.loads((self.data / "demo/connections.toml").read_text())

    @property
    def state(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads((self.data / "demo/state.json").read_text())
        return found

    # Files

    def files(self) -> dict[str, str]:
        """Every file of the landing folder, by its path, with a hash of its bytes."""
        landing = self.data / "landing"
        return {
            str(path.relative_to(landing)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(landing.rglob("*"))
            if path.is_file()
        }

    # Database

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        url = self.connections["SOURCES__LOYALTY__CREDENTIALS"]
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, ordered by key."""
        return {name: self.query(f"select * from {name} order by 1") for name in TABLES}

    # API

    def get(self, path: str, token: str | None = None, patience: bool = True) -> Answer:
        """One request with the right token unless another is given; with patience, 429 is waited for."""
        base = urlsplit(self.connections["SOURCES__CAMPAIGNS__BASE_URL"])
        given = self.connections["SOURCES__CAMPAIGNS__TOKEN"] if token is None else token
        while True:
            with closing(HTTPConnection("127.0.0.1", base.port or 80, timeout=10)) as connection:
                connection.request("GET", path, headers={"Authorization": f"Bearer {given}"} if given else {})
                response = connection.getresponse()
                answer = Answer(response.status, dict(response.getheaders()), json.loads(response.read()))
            if answer.status != 429 or not patience:
                return answer
            time.sleep(float(answer.headers["retry-after"]))

    def pages(self, path: str) -> Iterator[list[dict[str, Any]]]:
        """All pages from this one on."""
        following: str | None = path
        while following:
            answer = self.get(following)
            assert answer.status == 200, answer.body
            yield answer.body["data"]
            link = answer.body["next"]
            following = link.partition(urlsplit(link).netloc)[2] if link else None

    def records(self, resource: str, query: str = "limit=5000") -> list[dict[str, Any]]:
        return [record for page in self.pages(f"/v1/{resource}?{query}") for record in page]
