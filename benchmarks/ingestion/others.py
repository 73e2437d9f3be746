"""What a user would pick instead, installed from the package index into separate environments.

Each moves the product master out of PostgreSQL by its own command, with its start, into a form that it can write here: a
table in DuckDB, CSV or lines of JSON. None of them checks a row against a contract, or counts deliveries.
"""

import json
import shlex
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingestion.measure import Run, command
from benchmarks.ingestion.retailer import TABLE
from benchmarks.ingestion.work import PROJECT

SILENT = {
    "DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "SLING_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True)
class Tool:
    """A loader: what it writes here, the packages of its environments, and its words for an address and a folder."""

    name: str
    writes: str
    packages: tuple[str, ...]
    words: Callable[[str, Path, list[Path]], list[str]]

    def run(self, address: str, room: Path) -> Run:
        """Install what is missing, move the rows once, and take the time without the installation."""
        room.mkdir(parents=True)
        places = [_environment(room.parent / "environments" / package, package) for package in self.packages]
        return command(self.words(address, room, places), room, **SILENT)


def _environment(folder: Path, package: str) -> Path:
    """An environment with one package; its folder of commands."""
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin/pip", "install", "-qqq", package], check=True)
        (folder / "installed").touch()
    return folder / "bin"


def _ingestr(address: str, room: Path, places: list[Path]) -> list[str]:
    source = ["--source-uri", address, "--source-table", TABLE]
    target = ["--dest-uri", f"duckdb:///{room}/ingestr.duckdb", "--dest-table", "main.products"]
    return [str(places[0] / "ingestr"), "ingest", *source, *target, "--yes"]


def _sling(address: str, room: Path, places: list[Path]) -> list[str]:
    (binary,) = places[0].parent.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
    source = ["--src-conn", f"{address}?sslmode=disable", "--src-stream", TABLE]
    return [str(binary), "run", *source, "--tgt-object", f"file://{room}/products.csv"]


def _singer(address: str, room: Path, places: list[Path]) -> list[str]:
    tap, target = str(places[0] / "tap-postgres"), str(places[1] / "target-jsonl")
    config, catalog, sink = room / "tap.json", room / "catalog.json", room / "target.json"
    config.write_text(json.dumps({"sqlalchemy_url": address, "filter_schemas": ["merchandising"]}))
    sink.write_text(json.dumps({"destination_path": str(room)}))
    found = subprocess.run([tap, "--config", config, "--discover"], check=True, capture_output=True).stdout
    streams = [s for s in json.loads(found)["streams"] if s["tap_stream_id"] == TABLE.replace(".", "-")]
    for part in streams[0]["metadata"]:
        if not part["breadcrumb"]:
            part["metadata"] |= {"selected": True, "replication-method": "FULL_TABLE"}
    catalog.write_text(json.dumps({"streams": streams}))
    extract = shlex.join([tap, "--config", str(config), "--catalog", str(catalog)])
    return ["sh", "-c", f"{extract} | {shlex.join([target, '--config', str(sink)])}"]


def _dicts(address: str, room: Path, _: list[Path]) -> list[str]:
    code = f"from benchmarks.ingestion.work import dicts; dicts({address!r}, {str(room)!r})"
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r}); {code}"]


TOOLS = (
    Tool("ingestr 0.14.98", "DuckDB", ("ingestr==0.14.98",), _ingestr),
    Tool("sling 1.4.11", "CSV", ("sling-linux-amd64==1.4.11",), _sling),
    Tool("dlt 1.31.0, rows as dicts", "Parquet", (), _dicts),
    Tool(
        "Singer: tap-postgres 0.10.0, target-jsonl 0.1.4",
        "JSON lines",
        ("meltanolabs-tap-postgres==0.10.0", "target-jsonl==0.1.4"),
        _singer,
    ),
)


def larder(address: str, room: Path) -> Run:
    """The same by `larder ingest`: Parquet in the lake, checked and accounted for."""
    room.mkdir(parents=True)
    words = [sys.executable, "-m", "larder", "ingest", "merchandising"]
    env = {"LARDER_DATA": str(room / "data"), "SOURCES__MERCHANDISING__CREDENTIALS": address}
    return command(words, room, PYTHONPATH=str(PROJECT), **env)
