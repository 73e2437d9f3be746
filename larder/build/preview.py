"""`larder metric --workspace`: metrics as the project defines them now, asked of a developer's workspace."""

import duckdb

from larder.build import workspace
from larder.build.compiled import compiled
from larder.core.settings import Paths
from larder.queries.semantics import Semantics
from larder.warehouse.connection import PREVIEW, attach
from larder.warehouse.store import Store


class Preview:
    """A workspace over the generation that it is based on: what was changed answers from the one, the rest from the other."""

    def __init__(self, paths: Paths) -> None:
        base, own = workspace.layers(paths)
        self._warehouse = paths.warehouse
        self._files = {"workspace": own} if own else {}
        self._files["larder"] = Store(paths.warehouse).address(base)
        self.generation = base.id
        self.semantics = Semantics(compiled(paths, "metric-compile").semantics)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Both files, read-only; a name is looked for in the workspace first."""
        connection = attach(self._files, PREVIEW, self._warehouse)
        connection.execute("set enable_external_access = false")
        there = connection.execute("select database_name, schema_name from duckdb_schemas()").fetchall()
        path = [f"{file}.{s}" for file in self._files for s in workspace.SCHEMAS if (file, s) in there]
        connection.execute(f"set search_path = '{','.join(path)}'")
        return connection
