"""SQL that DuckDB and Spark take both, and that gives something else on each: such a difference shows in no error (docs/spark.md)."""

import re
from typing import Any

from dbt_bouncer.check_framework.decorator import check, fail

COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)
TEXT = re.compile(r"'(?:[^']|'')*'")
"""A text in SQL. Its content is no code, except where a macro is given SQL as a text."""

OF_ENGINE = re.compile(r"^(?:duckdb|spark|default)__")

WHOLE = r"(?:big|small|tiny)?int(?:eger)?\b"
BARE = r"(?!(?:cast|ceil|count|floor|length|nullif|rank|round|row_number|sum)\s*\(|\{\{|\w+(?:\.\w+)?\s+as\b|case\b|null\b|-?\d+\s+as\b)"

DIFFERS = {
    r"//": "whole division is `div` on Spark: use whole_quotient",
    rf"\bcast\(\s*{BARE}[^()]*(?:/|\d\.\d)[^()]*\s+as\s+{WHOLE}": "2.7 as a whole number is 3 on DuckDB and 2 on Spark: round, floor or ceil it",
    r"\bcast\(\s*-?\d*\.\d+\s+as\s+"
    + WHOLE: "2.7 as a whole number is 3 on DuckDB and 2 on Spark: round, floor or ceil it",
    r"\bregexp_replace\s*\(": "regexp_replace changes the first match on DuckDB, all of them on Spark: use replace, or regexp_extract",
    r"\bsubstr(?:ing)?\s*\([^()]*,\s*0\s*,": "places in a text begin with 1: what 0 means differs",
    r"\b(?:dayofweek|weekday|isodow|day_of_week)\s*\(|\bextract\s*\(\s*(?:dow|isodow|dayofweek)\b": "days of the week are numbered differently: use iso_day_of_week",
    r"\b(?:array_agg|list|collect_list|string_agg|listagg|group_concat)\s*\(": "what becomes of nulls and of the order in a list differs: keep rows",
    r"\b(?:hash|md5_number\w*|xxhash64)\s*\(": "a hash is the engine's own: use fingerprint_of_values or fingerprint_of_rows",
    r"\bln\s*\(\s*0|\b(?:log|log10|log2)\s*\(": "the logarithm of 0 is an error on DuckDB and null on Spark: ln of what cannot be 0",
    r"/\s*0(?![.\d])": "a division by 0 is infinite or null on DuckDB and an error on Spark: divide by nullif(…, 0)",
    r"\b\d+\.\d+\s*\*[^;\n,]*/": "a quotient of decimals is a float on DuckDB and a decimal on Spark: use ratio, or cast one of them as double",
    r"\binterval\b": "a date and an interval make a timestamp on one engine and a date on the other: use dbt.dateadd",
    r"\bcollate\b": "text is ordered by its bytes on both engines, unless a collation is named",
    r"\b(?:quantile_cont|quantile_disc|quantile|approx_\w+)\s*\(": "quantiles are the engine's own: use median, or quantile_before",
    r"\bany_value\s*\(": "a null may be the value on Spark, not on DuckDB: use min or max",
    r"\b(?:left|right)\s*\([^()]*,\s*-": "a negative length is none on Spark, and the rest of the text on DuckDB: use substr",
    r"::": "`::` hides a cast that engines do differently: write cast(… as …)",
}
"""Patterns of what differs, each with why and what to write."""


@check
def check_model_means_the_same_on_every_engine(model: Any) -> None:
    """What engines do differently is dispatched in macros/."""
    _require(model.name, model.raw_code)


@check
def check_macro_means_the_same_on_every_engine(macro: Any) -> None:
    """The same for macros, but for those of one engine: what they are dispatched for is theirs."""
    if macro.package_name == "larder" and not macro.name.startswith(("duckdb__", "spark__")):
        _require(macro.name, macro.macro_sql)


@check
def check_macro_is_in_its_file(macro: Any) -> None:
    """One macro a file, by its name; the versions of an engine (`duckdb__…`) are with the macro that dispatches to them."""
    name, file = OF_ENGINE.sub("", macro.name), macro.original_file_path.rpartition("/")[2]
    if file != f"{name}.sql":
        fail(f"`{macro.name}` is in {file}, and not in {name}.sql.")


def _require(name: str, code: str) -> None:
    for found in differing(code):
        fail(f"`{name}`: {found}.")


def differing(code: str) -> list[str]:
    """What is wrong with a piece of SQL, a sentence for each pattern."""
    sql = TEXT.sub("''", COMMENT.sub("", code)).lower()
    return [
        f"`{match[0].strip()}`: {why}"
        for pattern, why in DIFFERS.items()
        if (match := re.search(pattern, sql))
    ]
