"""The one door to a warehouse file: each connection is opened here, with its limits, its spill folder and plain errors."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ingestion.core import sql, storage
from ingestion.core.text import first_line
from larder.core import machine
from larder.core.errors import Busy, LarderError
from larder.core.settings import SPILL, Paths, spill_folder

CLOSED = {"enable_external_access": False, "python_enable_replacements": False, "lock_configuration": True}
"""Settings after which SQL reaches no file, no variable of Python's, and no setting. Their order matters."""


@dataclass(frozen=True)
class Purpose:
    """What a connection is for, and what it may take.

    `memory` and `threads` bound DuckDB; without them the limits of the machine count. What does not write to a warehouse sees
    the files that it opens, and below the data root those of one `folder` alone; it cannot change a setting either.
    `keeps_order` costs memory and makes results repeat.
    """

    name: str
    memory: str = ""
    threads: int = 0
    writes: bool = False
    folder: str = ""
    keeps_order: bool = False


BUILD = Purpose("build", writes=True)
LOOK = Purpose("look", memory="1GB")
QUERY = Purpose("query")
AGENT = Purpose("agent", memory="1GB", threads=2, keeps_order=True)
PAGE = Purpose("page", memory="1GB", threads=2, keeps_order=True)
PREVIEW = Purpose("preview", folder="lake")
DIFF = Purpose("diff", memory="1500MB", folder="lake")
"""Staging consists of views over the lake, which are looked at and compared as the tables are."""
EXPORT = Purpose("export", memory="1GB", threads=1, folder="export", keeps_order=True)
"""It writes there. One thread a file: where a row group ends may not depend on which thread was faster."""
SHARE = Purpose("share", memory="2GB", folder="shares", keeps_order=True)
SERVE = Purpose("serve", memory="2GB", folder="serving", keeps_order=True)
FRESH_SHARE = Purpose("fresh-share", memory="2GB", writes=True, keeps_order=True)
SCIENCE = Purpose("science", memory="2GB", threads=2)


def connect(file: Path, purpose: Purpose, warehouse: Path) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file. What does not fit in memory is spilled to a folder of this process below `warehouse`.

    Raises Busy when another program writes to it, LarderError when it cannot be read.
    """
    closed = {} if purpose.writes or purpose.folder else CLOSED
    try:
        connection = duckdb.connect(
            str(file), read_only=not purpose.writes, config=closed | _config(purpose, warehouse)
        )
    except duckdb.IOException as error:
        raise _explained(error, file) from error
    if purpose.folder:
        _close(connection, purpose, warehouse)
    return connection


def attach(
    files: Mapping[str, Path], purpose: Purpose, warehouse: Path, schemas: Sequence[str] = ()
) -> duckdb.DuckDBPyConnection:
    """Open several warehouse files at once, each under its name; a purpose that writes makes those that are missing.

    A name alone is looked for in these `schemas` of the first file, then of the next.
    """
    connection = duckdb.connect(config=_config(purpose, warehouse))
    for name, file in files.items():
        mode = "" if purpose.writes else " (read_only)"
        try:
            connection.execute(f"attach {sql.literal(str(file))} as {sql.name(name)}{mode}")
        except duckdb.IOException as error:
            connection.close()
            raise _explained(error, file) from error
    there = connection.execute("select database_name, schema_name from duckdb_schemas()").fetchall()
    path = [f"{file}.{schema}" for file in files for schema in schemas if (file, schema) in there]
    if path:
        connection.execute(f"set search_path = {sql.literal(','.join(path))}")
    if not purpose.writes:
        _close(connection, purpose, warehouse)
    return connection


def _close(connection: duckdb.DuckDBPyConnection, purpose: Purpose, warehouse: Path) -> None:
    """Leave SQL what is attached, and the files of the purpose's folder."""
    if purpose.folder:
        folder = getattr(Paths(warehouse.parent), purpose.folder)
        storage.let_read(connection, folder)
        connection.execute(f"set allowed_directories = [{sql.literal(str(folder))}]")
    for setting, value in CLOSED.items():
        connection.execute(f"set {setting} = {value}")


def _config(purpose: Purpose, warehouse: Path) -> dict[str, Any]:
    limits = machine.duckdb_limits(warehouse)
    return {
        "memory_limit": purpose.memory or limits["LARDER_MEMORY_LIMIT"],
        "threads": purpose.threads or int(limits["LARDER_THREADS"]),
        "max_temp_directory_size": limits["LARDER_TEMP_LIMIT"],
        "temp_directory": str(spill_folder(warehouse, purpose.name, os.getpid())),
        "preserve_insertion_order": purpose.keeps_order,
    }


def leftover_spills(warehouse: Path) -> list[Path]:
    """Folders of processes that were killed while they had spilled something."""
    named = {
        folder: re.fullmatch(rf"{SPILL}\w+-(\d{{1,9}})", folder.name)
        for folder in warehouse.glob(f"{SPILL}*")
    }
    return [
        folder for folder, pid in named.items() if pid and folder.is_dir() and not _is_running(int(pid[1]))
    ]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _explained(error: duckdb.IOException, file: Path) -> LarderError:
    first = first_line(error)
    if "lock" in first.lower():
        return Busy(f"another program has {file} open: {first}", "Close it there, then try again.")
    return LarderError(
        f"{file} cannot be opened: {first}", "See what is wrong with this data folder: larder doctor"
    )
