"""The work that is measured: Larder's real loads, and the same rows moved by DuckDB and by PostgreSQL's COPY.

Every function here runs in a separate process, see `measure.call`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import duckdb
import psycopg2

from ingestion import pipelines
from ingestion.lake.compaction import compact
from ingestion.lake.loads import completed_loads, table_files

PROJECT = Path(__file__).resolve().parents[2]


def load(room: Path, env: dict[str, str], *sources: str) -> None:
    """`larder ingest`, without the start of Python: into the lake, with checks, quarantine and delivery counts."""
    os.chdir(PROJECT)
    os.environ.update(env)
    for source in sources:
        loaded = pipelines.ingest(source, room / "lake", room / "dlt", lambda _: None)
        if not loaded.rows or loaded.quarantined:
            raise RuntimeError(f"{source}: {loaded}")


def copy(target: Path, *queries: str) -> None:
    """DuckDB's COPY of the results to Parquet, in the compression of the lake."""
    database = duckdb.connect(config={"preserve_insertion_order": False})
    database.execute("set enable_progress_bar = false")
    for number, query in enumerate(queries):
        database.execute(f"copy ({query}) to '{target}_{number}.parquet' (format parquet, compression zstd)")


def copy_out(address: str, table: str) -> None:
    """PostgreSQL's COPY of a table to a file that keeps nothing."""
    with (
        psycopg2.connect(address) as connection,
        connection.cursor() as cursor,
        Path(os.devnull).open("wb") as sink,
    ):
        cursor.copy_expert(f"copy {table} to stdout", sink)


def feed(room: Path, env: dict[str, str], landing: Path, waiting: Sequence[Path]) -> None:
    """One load for each file of a plan of promotions, and no compaction in between."""
    setattr(pipelines, "compact", lambda *_, **__: [])  # noqa: B010
    for file in waiting:
        target = landing / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
        load(room, env, "promotions")


def put_together(dataset: Path) -> None:
    """Compact what `feed` has left."""
    compact(dataset)


def read(files: Sequence[str]) -> None:
    """Read some columns of a table from its files, as a model would."""
    duckdb.execute(
        "select count(*), sum(product_id), max(mailer_location), count(distinct _dlt_load_id) from read_parquet(?)",
        [list(files)],
    ).fetchall()


def files_of(dataset: Path, table: str) -> list[str]:
    """The files that the completed loads of a table are read from."""
    return [str(file) for file in table_files(dataset, table, completed_loads(dataset))]


def dicts(address: str, target: str) -> None:
    """dlt as its guide begins: rows as Python dicts, no backend chosen, Parquet on the file system."""
    import dlt
    from dlt.sources.sql_database import sql_table

    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    pipeline = dlt.pipeline(
        "dicts",
        pipelines_dir=f"{target}/work",
        destination=dlt.destinations.filesystem(f"{target}/lake"),
        dataset_name="dicts",
    )
    table = sql_table(credentials=address, schema="merchandising", table="products")
    pipeline.run(table, loader_file_format="parquet")
