"""A reader as a separate process: asks what is published again and again, and writes down each answer as JSON.

`python reader.py WAREHOUSE_FILE ANSWERS MODE QUERY`: MODE `again` opens the file for each answer and closes it, MODE
`stays` opens it once. QUERY gives one row. It stops when a file ANSWERS.stop exists, or at the first error.
"""

import json
import sys
import time
from pathlib import Path

import duckdb

PAUSE = 0.05
"""Seconds between two answers of a reader that stays: it should be there, not be busy."""


def main(file: str, answers: Path, mode: str, query: str) -> None:
    stop = answers.with_suffix(".stop")
    with answers.open("a", buffering=1) as out:
        if mode == "again":
            while not stop.exists():
                with duckdb.connect(file, read_only=True) as connection:
                    out.write(answer(connection, query))
        else:
            with duckdb.connect(file, read_only=True) as connection:
                while not stop.exists():
                    out.write(answer(connection, query))
                    time.sleep(PAUSE)


def answer(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """One line: every statement of the query in its own transaction, their rows one after the other."""
    found = [connection.execute(part).fetchone() for part in query.split(";")]
    return json.dumps([value for row in found if row for value in row], default=str) + "\n"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
