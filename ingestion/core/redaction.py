"""The one redactor: what a message may say of a person or a secret is replaced before it is shown, logged or stored.

It keeps what helps: names of columns, types, files and models, line numbers, the user and host of an address. Patterns are those of
RE2, by way of PyArrow: the time that they take grows with the text alone, whatever is in it.
"""

from collections.abc import Sequence
from typing import Any

MASKED = "***"

WORD = r"[^\x00-\x20\x7f-\xa0\x{2000}-\x{206f}\"'(),:;<>=\[\]{}/\\@|`*&?%]"
"""What a part of an address has, of any alphabet: all but what separates it from the text around it."""

EMAIL = (
    rf"(?:{WORD}(?:{WORD}|')*[*/=?&%{{|}}`]*|\"[^\"\n]{{1,64}}\")(?:[@\x{{ff20}}\x{{fe6b}}]|%40)"
    rf"{WORD}+[.\x{{ff0e}}\x{{3002}}](?:[a-zA-Z]|[^\x00-\x{{bf}}\x{{2000}}-\x{{206f}}]){{2,}}"
)
"""An address of a person: a host alone, or an address without a top-level domain, is none."""

GAP = r".\- \x{a0}\x{2010}-\x{2015}\x{202f}"
"""What stands between groups of digits: also a hyphen and a space of typesetters."""

PHONE = (
    rf"(?:\+\d[\d()/{GAP}]{{6,18}}\d"  # international, however it is grouped
    rf"|(?:\b1[{GAP}]?)?\(\d{{3}}\)[{GAP}]?\d{{3}}[{GAP}]?\d{{4}}"  # North American, in groups
    rf"|\b(?:1[{GAP}])?\d{{3}}[{GAP}]\d{{3}}[{GAP}]\d{{4}})\b"
)
"""A telephone number that is written as one. Ten digits alone may be any number, and are none."""

CONTACT = f"{EMAIL}|{PHONE}"
"""What text of a source has only where its contract calls it personal."""

RULES = (
    (r"://([^:/@\s\"]*):[^\s\"'<>]*@", r"://\1:***@"),
    (r"://[^:/@\s\"'<>]+@", r"://***@"),
    (r"(?i)\b(bearer\s+|basic\s+)[\w.~+/-]{8,}=*", r"\1***"),
    (r"(?i)((?:token|passw(?:or)?d|pwd|secret)(?:[\"']?\s*=|[\"']\s*:)\s*)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;&)]+)", r"\1***"),
    (r"(?i)((?:token|password|secret|key|authorization)[\"']?\s*[=:]\s*[\"']?)[a-z0-9+/~_.-]*[0-9][a-z0-9+/~_.-]{15,}=*", r"\1***"),
    # DuckDB
    (r"(?i)(original line: ).*", r"\1***"),
    (r"(?i)(could not parse string .* according to format specifier .*\n)(?:.*\n)*?( *\^)", "\\1***\n\\2"),
    (r"(?is)((?:could not decode|conversion of) string )\".*?\"( as |: )", r'\1"***"\2'),
    (r"(?is)(failed to cast value to [\w ]+: )\".*?\"(\n|$)", r'\1"***"\2'),
    (r"(?i)(unknown timezone )'.*'", r"\1'***'"),
    (r"(?i)(extract specifier )\".*\"( not)", r'\1"***"\2'),
    (r"(?is)(could not (?:convert|parse) string ['\"]).*?(['\"] (?:to|according) )", r"\1***\2"),
    (r"(?i)(could not cast value ).*( to )", r"\1***\2"),
    (r"(?i)(type \w+ with value ).*( can't be cast )", r"\1***\2"),
    (r"(?is)(casting value )\".*?\"( to type )", r'\1"***"\2'),
    (r"(?is)(duplicate key )\"([^:\"]*): .*?\"( violates )", r'\1"\2: ***"\3'),
    (r"(?is)((?:field format|out of range|Input|input string): )\".*?\"(,|\.|\n|$)", r'\1"***"\2'),
    # Spark: of what fails on a row, its kind and the SQL, or what the SQL itself says of it (raise_error)
    (r"(?s)(Job aborted due to stage failure: )[^\n]*: java\.lang\.RuntimeException: ([^\n]*).*", r"\1\2"),
    (
        r"(?s)(Job aborted due to stage failure: )[^\n]*?((?:\w+\.)+\w+(?:Exception|Error))(?:: (\[[A-Z_.]+\]))?"
        r"(?:.*?(\n\s*== SQL[^\n]*\n[^\n]*\n[^\n]*))?.*",
        r"\1\2 \3 ***\4",
    ),
    (
        r"(?s)(\[(?:CAST|CANNOT|CONVERSION|NUMERIC_VALUE|DUPLICATED_MAP|MALFORMED|INVALID_(?:FORMAT|URL|PARAMETER))[A-Z_.]*\] )"
        r".*?(\n\s*(?:== SQL|at |JVM)|$)",
        r"\1***\2",
    ),
    # PostgreSQL
    (r"(?is)(invalid input (?:syntax|value) for [\w ]+: )\".*?\"(\n|$)", r'\1"***"\2'),
    (r"(?is)(\bvalue )\".*?\"( is out of range)", r'\1"***"\2'),
    (r"(?is)(Key \([^)]*\)=\().*?(\) (?:already|is |conflicts)|\)\.?(?:\n|$))", r"\1***\2"),
    (r"(?is)(Failing row contains \().*?(\)\.?(?:\n|$))", r"\1***\2"),
    (r"(?is)(COPY \w+, line \d+(?:, column \w+)?: )\".*?\"(\n|$)", r'\1"***"\2'),
    (EMAIL, MASKED),
    (PHONE, MASKED),
)  # fmt: skip
"""Patterns, and what is put in their place: user information of addresses, tokens, values that databases quote, contact details."""


def redacted(text: str) -> str:
    """The text without secrets, quoted values and contact details."""
    return all_redacted([text])[0]


def all_redacted(texts: Sequence[str]) -> list[str]:
    """The same of many texts, at little more cost."""
    import pyarrow.compute as pc

    found = _texts(texts)
    for pattern, instead in RULES:
        found = pc.replace_substring_regex(found, pattern, instead)
    return [str(text) for text in found.to_pylist()]


def without_contacts(values: Sequence[Any]) -> list[Any]:
    """Values for people; whatever names an e-mail address or a telephone number is masked as a whole."""
    import pyarrow.compute as pc

    has = pc.match_substring_regex(_texts(values), CONTACT).to_pylist()
    return [MASKED if masked else value for value, masked in zip(values, has, strict=True)]


def _texts(values: Sequence[Any]) -> Any:
    # imported late: an error that an operator can fix is known without it
    import pyarrow as pa

    return pa.array([str(v).encode("utf-8", "backslashreplace").decode() for v in values], pa.large_string())
