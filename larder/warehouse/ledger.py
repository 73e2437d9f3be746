"""What a generation's ledger says: how much was delivered, and whether any of it is missing."""

from dataclasses import dataclass

import duckdb

TEST = "nothing_is_missing"
"""The dbt test that fails when the ledger of a generation does not add up."""

SUMMARY = """
select
    coalesce(sum(delivered_rows), 0)::bigint,
    coalesce(sum(loaded_rows), 0)::bigint,
    coalesce(sum(quarantined_rows), 0)::bigint,
    coalesce(sum(erased_rows), 0)::bigint,
    coalesce(list(missing order by source_system, table_name, period) filter (not is_accounted_for), [])
from observe.ledger
"""


@dataclass(frozen=True)
class Ledger:
    """Rows delivered, loaded, quarantined and erased, and a sentence for each day or load of which something is missing."""

    delivered: int
    loaded: int
    quarantined: int
    erased: int
    missing: list[str]

    @property
    def sentence(self) -> str:
        """The answer to "is anything missing?"."""
        if self.missing:
            more = f", and {len(self.missing) - 1:,} more" if len(self.missing) > 1 else ""
            return f"missing: {self.missing[0]}{more}"
        erased = f", {self.erased:,} erased" if self.erased else ""
        return (
            f"nothing is missing: {self.delivered:,} rows delivered, {self.loaded:,} loaded,"
            f" {self.quarantined:,} in quarantine{erased}"
        )


def read(connection: duckdb.DuckDBPyConnection) -> Ledger | None:
    """The ledger of an open warehouse; None where it has none yet."""
    try:
        found = connection.execute(SUMMARY).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return Ledger(*found) if found else None
