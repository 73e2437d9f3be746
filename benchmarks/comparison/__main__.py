"""Compare two tables of ROWS rows (10,000,000) and 12 columns, with the slice that differs: `python -m benchmarks.comparison [ROWS]`."""

import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from larder.warehouse import comparison, slices
from larder.warehouse.comparison import Table
from larder.warehouse.connection import DIFF, attach
from larder.warehouse.slices import Dimension

LINES = """
    select
        n as line_id, n % 457 as store_id, n % 92351 as product_id, date '2017-01-01' + (n % 364)::int as business_date,
        (n * 7919 % 100000 / 100)::decimal(18, 2) + ({change}) as sales_usd, (n * 31 % 100 / 100)::decimal(18, 2) as discount_usd,
        'text ' || n % 1000 as text, 'department ' || n % 44 as department, n % 5 = 0 as is_promoted, n % 53 as week_number,
        hash(n) % 1000 as units, 'kind ' || n % 7 as kind
    from range({rows}) as r (n)
"""
CHANGES = {"nothing": "0", "one department": "(n % 44 = 7)::int", "every row": "1"}
DIMENSIONS = [
    Dimension(name)
    for name in ("store_id", "business_date", "department", "is_promoted", "week_number", "text", "kind")
]


def main(rows: int, change: str, key: list[str]) -> None:
    """Print one line of the results."""
    with tempfile.TemporaryDirectory() as folder:
        files = {side: Path(folder) / f"{side}.duckdb" for side in ("before", "after")}
        for side, file in files.items():
            with duckdb.connect(str(file)) as made:
                query = LINES.format(rows=rows, change=CHANGES[change] if side == "after" else "0")
                made.execute(f"create schema marts; create table marts.lines as {query}")
        began = time.monotonic()
        with attach(files, DIFF, Path(folder)) as connection:
            known = {side: comparison.columns(connection, side)["marts.lines"] for side in files}
            before, after = (Table(f"{side}.marts.lines", known[side]) for side in files)
            found = comparison.rows(connection, before, after, key)
            slice_ = slices.find(connection, before, after, found, DIMENSIONS)
        seconds = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f"{change}, {found.how}: {found.differing:,} of {rows:,} rows, slice {slice_ and slice_.condition}:"
        f" {seconds:.1f} s, {memory:.1f} GiB at most so far\n"
    )


if __name__ == "__main__":
    for one in CHANGES:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, one, ["line_id"])
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, "one department", [])
