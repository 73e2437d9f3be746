"""Keyed pseudonyms: what stands in the lake, and in all that is made of it, in place of a person's number.

A pseudonym is HMAC-SHA-256 of the number, cut to 53 bits: a whole number that every reader takes exactly. Who has no key can
neither calculate it nor try all numbers. The keys are a ring, newest first: a new key is applied to the pseudonyms that the older
ones give, so that it can be put in front of them without any number of the source.
"""

import hmac
import json
import os
import stat
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from ingestion.contracts.contract import contract, path
from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.storage import Location
from ingestion.core.text import first_line
from ingestion.lake.loads import recorded_loads

KEYS = "LARDER_PSEUDONYM_KEYS"
KEY_FILE = "LARDER_PSEUDONYM_KEY_FILE"
"""The ring is the lines of the file that this names, or else what the other one says, separated by commas."""

LEAST_CHARACTERS = 32

DEMO = "demo-"
"""How a key begins that everybody knows."""

RECORD = "pseudonyms.json"
"""The file of a lake that says with which keys it was written, by their fingerprints."""

DOMAIN = b"larder household\0"
"""So that no other use of the key gives the same numbers."""

MAKE = (
    'Make a key: (umask 077; python -c "import secrets; print(secrets.token_hex(32))" > FILE), outside of the project and the lake;'
    f" name the file in {KEY_FILE}, and keep a copy: without it, the lake must be loaded again."
)

Ring = tuple[str, ...]


def ring() -> Ring:
    """The keys that the environment names, newest first. Raises IngestionError where there is none that can be used."""
    named = os.environ.get(KEY_FILE)
    text = _read(Path(named)) if named else os.environ.get(KEYS, "").replace(",", "\n")
    keys = tuple(filter(None, map(str.strip, text.splitlines())))
    if not keys:
        raise IngestionError(f"there is no key for pseudonyms: {KEY_FILE} names no file with one", MAKE)
    if any(len(key) < LEAST_CHARACTERS for key in keys):
        raise IngestionError(f"a key for pseudonyms has less than {LEAST_CHARACTERS} characters", MAKE)
    return keys


def _read(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise IngestionError(
                f"the key file {file} can be read by others (mode {stat.S_IMODE(mode):04o})",
                f"Close it: chmod 600 {file}; and if somebody may have read it, rotate the key.",
            )
        return file.read_text()
    except (OSError, ValueError) as error:
        raise IngestionError(f"the key file {file} cannot be read: {first_line(error)}", MAKE) from error


def pseudonyms(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """The pseudonyms of whole numbers (int64). Null stays null, and what is negative stays for its contract to reject."""
    keys = ring()
    coded = numbers.combine_chunks().dictionary_encode()
    values = [number if number < 0 else pseudonym(number, keys) for number in coded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.int64()).take(coded.indices)])


@lru_cache(maxsize=1 << 17)
def pseudonym(number: int, keys: Ring) -> int:
    """What stands for a person's number under a ring of keys."""
    for key in reversed(keys):
        digest = hmac.digest(key.encode(), DOMAIN + str(number).encode(), "sha256")
        number = int.from_bytes(digest[:8]) >> 11
    return number


def fingerprints(keys: Ring) -> list[str]:
    """What names each key and does not tell it."""
    return [hmac.digest(key.encode(), b"larder fingerprint", "sha256").hex()[:16] for key in keys]


def has_pseudonyms(source: str) -> bool:
    """Whether rows of a source are of people, so that it needs a key."""
    return path(source).exists() and any(table.pseudonyms for table in contract(source).values())


def is_demo() -> bool:
    """Whether the newest key is one that everybody knows."""
    try:
        return ring()[0].startswith(DEMO)
    except IngestionError:
        return False  # what needs a key will say what is wrong


def bind(lake: Location, source: str) -> None:
    """Have a lake keep to the keys with which its first rows of people were written.

    Raises IngestionError for other keys, and for a lake that has such rows from before there were keys.
    """
    if has_pseudonyms(source):
        ours = fingerprints(ring())
        storage.make_folder(lake)
        with storage.exclusive(lake):
            _require(lake, ours)


def _require(lake: Location, ours: list[str]) -> None:
    record = lake / RECORD
    again = "name an empty folder in LARDER_DATA (and in LARDER_LAKE), and load all again: larder run"
    try:
        theirs = json.loads(storage.read(record))["keys"]
    except FileNotFoundError:
        if any(
            recorded_loads(each) for each in storage.found(lake / "raw", "*") if has_pseudonyms(each.name)
        ):
            raise IngestionError(
                f"the lake {lake} has household numbers from before there were pseudonyms",
                f"Nothing was changed: {again}.",
            ) from None
        storage.replace(record, None, json.dumps({"keys": ours}) + "\n")
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IngestionError(
            f"{record} cannot be read: {first_line(error)}", "Restore it from a copy of the lake."
        ) from error
    if theirs != ours:
        raise IngestionError(
            f"the lake {lake} was written with other keys for pseudonyms ({', '.join(theirs)}; yours are {', '.join(ours)})",
            f"Set {KEY_FILE} to the file with its keys; to go over to a new key, {again}.",
        )
