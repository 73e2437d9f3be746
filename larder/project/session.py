"""dbt's commands one after the other in one process, which imports dbt once. Run by `larder.project.dbt.session`,
by itself: no module of a change is found by a name that dbt imports.

The first line of standard input are the statements by which DuckDB comes to read the lake, where that is in a bucket: they have a key
in them, and are not in the environment, which lies open in /proc. Each line after it is one command, as a JSON list of its arguments. What `parse` has read, the commands after it take as it
is. dbt's log goes to standard output as JSON lines; a line {"exit_code": N} ends each command's.
"""

import json
import os
import runpy
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PLACES = {"path", "attach", "config_options"}
"""Where a warehouse lies, and how it is opened: dbt reads the project anew where they differ, though nothing in it depends on them."""


def main() -> None:
    """Run what is asked for, until nothing more can be."""
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    opening = json.loads(sys.stdin.readline())
    if "LARDER_CATALOG" not in os.environ:  # on Spark there is no DuckDB to set up
        _set_up(opening)
    project: Manifest | None = None
    for line in sys.stdin:
        arguments = json.loads(line)
        _forget_compiled(project)
        ended = dbtRunner(manifest=None if "parse" in arguments else project).invoke(arguments)
        if isinstance(ended.result, Manifest):
            project = ended.result
        code = 0 if ended.success else 2 if ended.exception else 1
        sys.stdout.write(json.dumps({"exit_code": code}) + "\n")
        sys.stdout.flush()


def _set_up(opening: list[str]) -> None:
    """Have dbt open the lake, keep what it has parsed for another warehouse, check the keys of YAML, which it does for other adapters, and run no
    statement that a change may not have. Its locks are of threads: those of processes lie in memory that it shares with others.
    """
    from multiprocessing import synchronize

    from dbt.adapters.duckdb.credentials import DuckDBCredentials
    from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper, LocalEnvironment
    from dbt.jsonschemas import jsonschemas

    counted = DuckDBCredentials._connection_keys
    DuckDBCredentials._connection_keys = lambda own: {*counted(own)} - PLACES  # type: ignore
    jsonschemas._JSONSCHEMA_SUPPORTED_ADAPTERS.add("duckdb")
    for kind in ("Lock", "RLock", "BoundedSemaphore"):
        made = getattr(threading, kind)
        setattr(synchronize, kind, lambda *count, ctx, made=made: made(*count))
    LocalEnvironment.initialize_db = staticmethod(_opening(LocalEnvironment.initialize_db, opening))  # type: ignore
    DuckDBCursorWrapper.execute = _guarded(DuckDBCursorWrapper.execute)  # type: ignore


def _opening(connect: Any, statements: list[str]) -> Any:
    """Open a warehouse, and the lake to it."""

    def opened(*arguments: Any, **named: Any) -> Any:
        connection = connect(*arguments, **named)
        for statement in statements:
            connection.execute(statement)
        return connection

    return opened


def _guarded(execute: Any) -> Any:
    """Run a statement only if it is of those that a change may have."""
    from dbt.exceptions import DbtRuntimeError  # type: ignore[attr-defined]

    fault = runpy.run_path(str(Path(__file__).with_name("statements.py")))["fault"]
    folders, seeds = [f"{os.environ['LARDER_LAKE']}/raw/"], f"{Path.cwd()}/seeds/"
    if record := os.environ.get("LARDER_RECORD"):
        folders.append(f"{record}/")

    def guarded(cursor: Any, sql: str, bindings: Any = None) -> Any:
        if found := fault(sql, folders, seeds):
            raise DbtRuntimeError(f"refused: {found}")
        return execute(cursor, sql, bindings)

    return guarded


def _forget_compiled(project: "Manifest | None") -> None:
    """What a command has compiled is not compiled anew by the next, where ephemeral models are in it."""
    from dbt.contracts.graph.nodes import CompiledNode

    for node in project.nodes.values() if project else ():
        if isinstance(node, CompiledNode):
            node.compiled, node.extra_ctes_injected, node.extra_ctes = False, False, []


if __name__ == "__main__":
    main()
