"""Names and values quoted for DuckDB's SQL."""


def name(value: str) -> str:
    """An identifier, quoted."""
    return '"' + value.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def relation(qualified: str) -> str:
    """A table or view that is given as `<schema>.<name>`, quoted."""
    schema, _, table = qualified.partition(".")
    return f"{name(schema)}.{name(table)}"
