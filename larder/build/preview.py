"""`larder metric --workspace`: metrics as the project defines them now, asked of a developer's workspace."""

import duckdb

from larder.build import workspace
from larder.build.compiled import compiled
from larder.core.settings import Paths
from larder.queries.semantics import Semantics
from larder.warehouse.connection import PREVIEW
from larder.warehouse.store import Store


class Preview:
    """A workspace over the generation that it is based on: what was changed answers from the one, the rest from the other."""

    def __init__(self, paths: Paths) -> None:
        base, own = workspace.layers(paths)
        self._warehouse = paths.warehouse
        self._files = {workspace.NAME: own} if own else {}
        self._files[workspace.BASE] = Store(paths.warehouse).address(base)
        self.generation = base.id
        self.semantics = Semantics(compiled(paths, "metric-compile").semantics)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Both files, read-only; a name is looked for in the workspace first."""
        return workspace.layered(self._files, PREVIEW, self._warehouse)
