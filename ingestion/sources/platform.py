"""The platform itself, which is a source like any other: what its runs did, and what each published generation consists of.

`landing/runs/<run>.jsonl` has one event a line, `landing/generations/<generation>.jsonl` one table or view. The file of a run that is
under way is loaded as far as it has come, and replaced as a whole when it has grown.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.errors import REDELIVER, IngestionError
from ingestion.core.request import ExtractContext
from ingestion.validation.provenance import Provenance

FOLDERS = {"events": "runs", "relations": "generations"}
"""By table, the folder of its files."""


def extract(context: ExtractContext) -> Any:
    """Files below the folder `landing` that are new, or have grown."""
    import dlt

    from ingestion.connectors.landing import landed, load_files
    from ingestion.validation.validator import FROZEN, Validator

    def rows(root: Path, table: str) -> Iterator[Any]:
        landing = landed(context, root, replace(SOURCE, pattern=f"{FOLDERS[table]}/*"))
        # one that begins at this moment: nothing has happened yet
        landing.files = {name: path for name, path in landing.files.items() if path.stat().st_size}
        yield from load_files(context, Validator(contract("platform"), table), landing, provenance, days_of)

    @dlt.source(name="platform")
    def platform(landing: str = dlt.config.value) -> Iterator[Any]:
        for table in FOLDERS:
            yield dlt.resource(rows(Path(landing), table), name=table, schema_contract=FROZEN)

    return platform()


def provenance(name: str, kind: str, digest: str) -> Provenance:
    """What the name of a file says of its rows."""
    days_of(name)
    return Provenance(name, kind, digest, constants={"_source_file": pa.scalar(name)})


def days_of(name: str) -> tuple[date, date]:
    """The day (UTC) on which a run, or the build of a generation, began: both are named by it."""
    found = re.match(r"([0-9]{8})T", name.rpartition("/")[2])
    try:
        if found:
            return (date.fromisoformat(found[1]),) * 2
    except ValueError:
        pass
    raise IngestionError(f"{name} is not named by a day, as YYYYMMDDT…", REDELIVER)


SOURCE = Source(
    name="platform",
    extract=extract,
    optional=True,
    is_own=True,
    file=r"[0-9]{8}T[0-9Z-]+\.jsonl",
    provenance=provenance,
)
