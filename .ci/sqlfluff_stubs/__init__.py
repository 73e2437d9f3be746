"""What sqlfluff's jinja templater must know of dbt to render this project's models: no dbt, no warehouse, no parse.

sqlfluff brings ref, source, config and this; it reads the project's macros from macros/. These are the rest. A stub gives
SQL of the right shape, not the right SQL: it is parsed and never run.
"""

import gc
from collections.abc import Callable

from jinja2 import pass_context
from jinja2.runtime import Context

# sqlfluff's trees are millions of objects in cycles: looking through them for garbage took a third of its time.
gc.set_threshold(200_000, 20, 100)


class adapter:
    """dbt's adapter."""

    @staticmethod
    @pass_context
    def dispatch(context: Context, name: str, package: str | None = None) -> Callable[..., str]:
        """Choose as dbt does on DuckDB: the macro for duckdb, else the default one."""
        found = context.get(f"duckdb__{name}") or context.get(f"default__{name}")
        if not found:
            raise ValueError(f"no macro duckdb__{name} or default__{name} in macros/")
        return found  # type: ignore[no-any-return]


class dbt:
    """dbt's cross-database macros."""

    @staticmethod
    def datediff(first: str, second: str, part: str) -> str:
        return f"date_diff('{part}', {first}, {second})"

    @staticmethod
    def dateadd(part: str, interval: str, date: str) -> str:
        return f"date_add({date}, interval ({interval}) {part})"

    @staticmethod
    def date_trunc(part: str, date: str) -> str:
        return f"date_trunc('{part}', {date})"
