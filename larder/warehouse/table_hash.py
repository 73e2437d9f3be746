"""The content of a table as one hash over all columns, independent of the order of its rows."""

COLUMNS = "count(*), sum(hash(t)::hugeint), bit_xor(hash(t))"
"""Select these from a table named `t`: its rows, and the two arguments of `digest`."""


def digest(total: int | None, mix: int | None) -> str:
    """The hash of a table's content; the same for the same rows on the same version of DuckDB."""
    return f"{(total or 0) % 2**64:016x}{mix or 0:016x}"
