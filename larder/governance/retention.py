"""How long what is kept: governance/retention.yml, read into days and conditions."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import yaml

from ingestion.contracts.contract import contract
from ingestion.core.text import first_line
from ingestion.erasure import Wanted
from ingestion.sources import SOURCES
from ingestion.validation.checks import BUSINESS_DATE
from larder.core.errors import LarderError
from larder.core.settings import PROJECT

FILE = PROJECT / "governance" / "retention.yml"
OTHERS = {"quarantine": "rejected rows that are settled", "failed": "failed candidates", "logs": "logs"}


def policy() -> dict[str, Any]:
    """What the file says. Raises LarderError for what it cannot mean: a misspelt table would be kept for ever."""
    try:
        found: dict[str, Any] = yaml.safe_load(FILE.read_text())
        _require(found)
    except (OSError, yaml.YAMLError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise LarderError(
            f"{FILE} cannot be understood: {first_line(error)}", "Its first lines say what it may have."
        ) from error
    return found


def _require(said: dict[str, Any]) -> None:
    numbers = [said[name] for name in OTHERS] + [rule["days"] for rule in said["rows"].values()]
    if set(said) != {"rows", *OTHERS} or any(
        type(days) is not int or not 0 < days < 10**5 for days in numbers
    ):
        raise ValueError("days are whole numbers above 0, below 100,000")
    for name, rule in said["rows"].items():
        source, _, table = name.partition(".")
        if (
            source not in SOURCES
            or set(rule) != {"column", "days"}
            or rule["column"] not in _days(source, table)
        ):
            raise ValueError(f"{name} must have days, and a column of the lake with a day")


def _days(source: str, table: str) -> set[str]:
    """The columns of a table of the lake that say when."""
    stated = contract(source)[table]
    days = {one.name for one in stated.columns if pa.types.is_temporal(one.arrow) and not one.restricted}
    return days | ({BUSINESS_DATE} if stated.local_day else set())


def first_days() -> dict[str, date]:
    """The first day that is kept, of all but rows."""
    said = policy()
    return {name: _first(said[name]) for name in OTHERS}


def _first(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


def wanted() -> Mapping[str, Wanted]:
    """The rows that are older than is kept, by source and table."""
    found: dict[str, dict[str, str]] = {}
    for name, rule in policy()["rows"].items():
        source, _, table = name.partition(".")
        found.setdefault(source, {})[table] = f"{rule['column']} < date '{_first(rule['days'])}'"
    return found


def sentences() -> Iterator[str]:
    """The same in words."""
    said = policy()
    yield from (
        f"rows of {name}: {rule['days']:,} days from {rule['column']}" for name, rule in said["rows"].items()
    )
    yield from (f"{what}: {said[name]:,} days" for name, what in OTHERS.items())
