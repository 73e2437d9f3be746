"""Names and values from outside in SQL for DuckDB, where a parameter cannot be bound."""

from collections.abc import Iterable


def name(*parts: str) -> str:
    """An identifier, or a path of them: `name("raw", "orders")` is `"raw"."orders"`."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(value: str | int | None) -> str:
    """A value as DuckDB reads it: text in quotes, whole numbers as they are."""
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def literals(values: Iterable[str | int | None]) -> str:
    """Values, separated by commas."""
    return ", ".join(map(literal, values))
