"""`larder contacts`: the one way from pseudonyms to people, on record before it answers."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ingestion.core.files import atomically
from ingestion.core.text import first_line
from ingestion.privacy.restricted import Restricted
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import audit
from larder.warehouse.locks import source_lock

SOURCE, TABLE = "loyalty", "households"

COLUMNS = ["household_id", "first_name", "last_name", "email", "phone"]
"""What is needed to write to a household, and no more."""


def read(file: Path) -> str:
    """What a file of pseudonyms holds. Raises LarderError where it cannot be read."""
    try:
        return file.read_text()
    except (OSError, ValueError) as error:
        raise LarderError(
            f"{file} cannot be read: {first_line(error)}", "Give a text file with one household_id a line."
        ) from error


def run(paths: Paths, purpose: str, lines: Iterable[str], out: Path) -> None:
    """Write the contact columns of the households (one pseudonym a line) to `out`, which only its owner can read.

    A household that the source has deleted is as unknown as one that never was.
    """
    if not purpose.strip():
        raise LarderError("contacts need a purpose", "Say what they are for: --purpose TEXT")
    asked = _pseudonyms(lines)
    zone = Restricted(paths.lake, SOURCE)
    zone.require_here()
    with source_lock(paths, SOURCE):
        people = zone.rows(TABLE)
    if people.num_rows:
        people = people.filter(pc.is_in(people[COLUMNS[0]], pa.array(asked, pa.int64()))).select(COLUMNS)
    register = audit.record(
        paths,
        "contacts",
        purpose=purpose.strip(),
        asked=len(asked),
        found=people.num_rows,
        households_sha256=hashlib.sha256("\n".join(map(str, asked)).encode()).hexdigest(),
    )
    if not people.num_rows:
        raise LarderError(
            f"none of the {len(asked):,} households is known",
            "Give household_id as the published marts have it, of households that the CRM still has.",
        )
    with atomically(out, is_private=True) as beside:
        pacsv.write_csv(people, beside)
    console.done(
        f"{people.num_rows:,} households written to {out}, {len(asked) - people.num_rows:,} unknown or deleted;"
        f" on record in {register}"
    )


def _pseudonyms(lines: Iterable[str]) -> list[int]:
    """The set of pseudonyms, in order. The header of an export is none."""
    found = set()
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line.isascii() and line.isdigit() and len(line) <= 16:
            found.add(int(line))
        elif line and not (number == 1 and line == COLUMNS[0]):
            raise LarderError(
                f"line {number:,} of the households is no pseudonym",
                "Give one household_id a line, and nothing else.",
            )
    if not found:
        raise LarderError(
            "no household is named", "Give one household_id a line, in --households or as input."
        )
    return sorted(found)
