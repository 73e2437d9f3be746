"""The tables and views of a published generation as JSON lines, for source `platform`: one file a generation, kept as long as it is not loaded."""

from pathlib import Path

from ingestion.core import sql
from ingestion.core.files import atomically
from larder.catalog.metadata import open_base

READ = (
    "dbt.models",
    "dbt.seeds",
    "dbt.node_columns",
    "dbt.data_tests",
    "dbt.unit_tests",
    "dbt.edges",
    "dbt.dag_nodes",
    "dbt_rt.relations",
    "larder.access",
)
"""The tables of the metadata base that the query reads."""

KEPT = 100
"""Generations whose files are kept: the lake has the others."""


def write(metadata: Path, folder: Path, generation: str) -> None:
    """Write `<folder>/<generation>.jsonl`; the oldest files make way. Raises OSError or duckdb.Error where that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.jsonl"))[: -KEPT + 1]:
        old.unlink(missing_ok=True)
    query = Path(__file__).with_suffix(".sql").read_text().replace("$generation", sql.literal(generation))
    with open_base(metadata, READ) as base, atomically(folder / f"{generation}.jsonl") as beside:
        base.execute(f"copy ({query}) to {sql.literal(str(beside))} (format json)")
