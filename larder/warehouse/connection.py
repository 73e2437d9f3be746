"""The one door to a warehouse file: each connection is opened here, with its limits, its spill folder and plain errors."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ingestion.core import sql
from ingestion.core.text import first_line
from larder.core import machine
from larder.core.errors import Busy, LarderError

SPILL = "spill-"
"""How the folders begin that DuckDB spills to: one a process, since two that share one crash each other."""


@dataclass(frozen=True)
class Purpose:
    """What a connection is for, and what it may take.

    `memory` and `threads` bound DuckDB; without them the limits of the machine count. SQL that comes from a person sees
    the tables of the warehouse and no files, unless `reads_files`. `keeps_order` costs memory and makes results repeat.
    """

    name: str
    memory: str = ""
    threads: int = 0
    writes: bool = False
    reads_files: bool = False
    keeps_order: bool = False


BUILD = Purpose("build", writes=True, reads_files=True)
LOOK = Purpose("look", memory="1GB")
QUERY = Purpose("query")
AGENT = Purpose("agent", memory="1GB", threads=2, reads_files=True, keeps_order=True)
"""It reads files until the warehouse is attached: whoever opens it closes that door, see larder/agents/guard.py."""
PREVIEW = Purpose("preview", reads_files=True)
DIFF = Purpose("diff", memory="1500MB", reads_files=True)
EXPORT = Purpose("export", memory="1GB", threads=1, reads_files=True, keeps_order=True)
"""One thread a file: where a row group ends may not depend on which thread was faster."""
SCIENCE = Purpose("science", memory="2GB", threads=2)


def connect(file: Path, purpose: Purpose, warehouse: Path) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file. What does not fit in memory is spilled to a folder of this process below `warehouse`.

    Raises Busy when another program writes to it, LarderError when it cannot be read.
    """
    try:
        return duckdb.connect(str(file), read_only=not purpose.writes, config=_config(purpose, warehouse))
    except duckdb.IOException as error:
        raise _explained(error, file) from error


def attach(files: Mapping[str, Path], purpose: Purpose, warehouse: Path) -> duckdb.DuckDBPyConnection:
    """Open several warehouse files at once, each under its name; a purpose that writes makes those that are missing."""
    connection = duckdb.connect(config=_config(purpose, warehouse))
    for name, file in files.items():
        mode = "" if purpose.writes else " (read_only)"
        try:
            connection.execute(f"attach {sql.literal(str(file))} as {sql.name(name)}{mode}")
        except duckdb.IOException as error:
            connection.close()
            raise _explained(error, file) from error
    return connection


def _config(purpose: Purpose, warehouse: Path) -> dict[str, Any]:
    limits = machine.duckdb_limits(warehouse)
    return {
        # First: with it off, DuckDB takes no folder after it.
        "enable_external_access": purpose.reads_files,
        "memory_limit": purpose.memory or limits["LARDER_MEMORY_LIMIT"],
        "threads": purpose.threads or int(limits["LARDER_THREADS"]),
        "max_temp_directory_size": limits["LARDER_TEMP_LIMIT"],
        "temp_directory": str(warehouse / f"{SPILL}{purpose.name}-{os.getpid()}"),
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
