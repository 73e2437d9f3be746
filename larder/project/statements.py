"""Which SQL statements a model, test, hook or macro may run: the words of each, as DuckDB's own lexer finds them.

Needs DuckDB alone: dbt's process runs it before each statement.
"""

import re
from collections.abc import Collection, Iterator, Sequence

import duckdb

FIRST = {
    *(
        "select",
        "with",
        "from",
        "values",
        "insert",
        "update",
        "delete",
        "create",
        "drop",
        "alter",
        "comment",
        "truncate",
    ),
    *("begin", "start", "commit", "rollback", "pivot", "unpivot", "describe", "show", "summarize", "("),
}
"""The words that a statement may begin with."""

CREATED = re.compile(r"(?:or replace )?(?:temp |temporary )?(?:table|view|schema|unique index|index)\b")
"""What is created: no secrets, no functions."""

FILES = {"read_parquet", "read_csv", "read_json", "glob"}
"""Functions that read what they are given as a constant, below the folders that the caller names."""

TABLES = {
    *(
        "unnest",
        "range",
        "generate_series",
        "repeat",
        "json_each",
        "json_tree",
        "histogram",
        "histogram_values",
    ),
    *(
        "duckdb_columns",
        "duckdb_constraints",
        "duckdb_databases",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_views",
    ),
    *("duckdb_functions", "pragma_table_info", "summary", "version"),
}
"""Functions that give a table and read no file; dbt asks for the version of DuckDB before an increment."""

REFUSED = {"current_setting", "getenv", "getvariable", "read_text", "current_query"}

ANSWERED = duckdb.execute(
    "select distinct function_name from duckdb_functions() where function_type in ('table', 'pragma', 'table_macro')"
).fetchall()
FUNCTIONS = ({name for (name,) in ANSWERED} | REFUSED) - TABLES
OF_EXTENSIONS = re.compile(
    r"(?:\w+_)?(?:scan|attach|query|execute|read|dump)(?:_\w+)?|read_\w+|st_read\w*|shell\w*|http_\w+|load_\w+"
)
"""How functions of extensions are called that read files, addresses or other databases; none is installed."""

BEFORE_A_TABLE = {"from", "join", "using", "describe", "show", "summarize", "pivot", "unpivot", "table"}
AFTER_TABLES = {
    "select",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "qualify",
    "union",
    "except",
    "intersect",
}
"""Reserved words that end a list of tables."""

BRACKETS = {"(": ")", "[": "]", "{": "}"}

A_FILE = re.compile(
    r"\.(parquet|csv|tsv|json|jsonl|ndjson|db|duckdb|txt|xlsx|arrow)(\.\w+)?(\?.*)?$|://|\\[xuU0-7]"
)
"""Names, and escapes that may spell one, that DuckDB takes for a file's where no table has them."""

CONSTANT = re.compile(r"(?:[eE]|[uU]&)?'|\$")
QUOTES = re.compile(r"^(?:[eE]|[uU]&)?['\"]|['\"]$|^\$\w*\$|\$\w*\$$")
WORD = re.compile(
    rb'"(?:[^"]|"")*"|(?:[eE]|[uU]&)?\'(?:[^\']|\'\')*\'|\$(\w*)\$.*?\$\1\$|[\w\x80-\xff]+|.', re.DOTALL
)


def fault(sql: str, folders: Collection[str] = (), seeds: str = "") -> str:
    """What is wrong with SQL, empty where nothing is. File functions read below `folders` only, `copy` a seed below `seeds`."""
    statement: list[str] = []
    for word in [*_words(sql), ";"]:
        if word != ";":
            statement.append(word)
        elif statement and (found := _fault(statement, folders, seeds)):
            return found
        else:
            statement = []
    return ""


def _words(sql: str) -> list[str]:
    """The words and signs of SQL without comments, lower case but for constants and quoted names."""
    text = sql.encode()
    found = (WORD.match(text, offset) for offset, _ in duckdb.tokenize(sql))
    words = [one[0].decode() for one in found if one]
    return [word if "'" in word[:3] or word[0] in '"$' else word.lower() for word in words]


def _fault(words: Sequence[str], folders: Collection[str], seeds: str) -> str:
    if words[0] == "copy" and _is_seed(words, seeds):
        return ""
    if words[0] not in FIRST:
        return f"{words[0]} … is no statement of a model, test or hook"
    if words[0] == "create" and not CREATED.match(" ".join(words[1:5])):
        return f"create {' '.join(words[1:4])} … is no statement of a model, test or hook"
    if words[0] == "comment":
        return ""
    for at, word in enumerate(words):
        name = word.strip('"').lower()
        if (
            words[at + 1 : at + 2] == ["("]
            and (name in FUNCTIONS or OF_EXTENSIONS.fullmatch(name))
            and not _reads(name, words[at + 2 :], folders)
        ):
            return f"{name}(…) reads what is outside of the warehouse"
    for at in _tables(words):
        if (found := _file(words, at)) and not _is_below(found, folders):
            return f"{found} would be read as a file"
    return ""


def _tables(words: Sequence[str]) -> Iterator[int]:
    """The places where a table may be named: after words that ask for one, and after a comma of a list of tables."""
    is_list = [False]
    for at, word in enumerate(words[:-1]):
        is_asked = word in BEFORE_A_TABLE and words[max(at - 1, 0)] != "distinct"  # `is distinct from`
        if is_asked or (word == "," and is_list[-1]):
            yield at + 1
        if word in BRACKETS:
            is_list.append(False)
        elif word in BRACKETS.values():
            is_list = is_list[:-1] or [False]
        elif is_asked or word in AFTER_TABLES:
            is_list[-1] = is_asked


def _file(words: Sequence[str], first: int) -> str:
    """The name at a place where a table may be, if DuckDB would take it for a file's: 'x.csv', "x.csv", x.csv; else nothing."""
    last = first
    while words[last + 1 : last + 2] == ["."] and last + 2 < len(words):
        last += 2
    name = ".".join(words[first : last + 1 : 2])
    bare = ".".join(QUOTES.sub("", part).lower() for part in words[first : last + 1 : 2])
    return name if CONSTANT.match(words[last]) or A_FILE.search(bare) else ""


def _is_seed(words: Sequence[str], seeds: str) -> bool:
    """Whether `copy <table> from '<file>' (…)` reads a file of the project's seeds."""
    source = words.index("from") + 1 if "from" in words else len(words)
    return (
        bool(seeds) and "to" not in words and "(" not in words[:source] and _is_below(words[source], [seeds])
    )


def _reads(name: str, arguments: Sequence[str], folders: Collection[str]) -> bool:
    """Whether a file function is given nothing but constants below the folders."""
    end = next(
        at
        for at, word in enumerate([*arguments, ")"])
        if word in {"]", ")"} or (word == "," and arguments[0] != "[")
    )
    files = [word for word in arguments[:end] if word not in {"[", ","}]
    return name in FILES and bool(files) and all(_is_below(file, folders) for file in files)


def _is_below(file: str, folders: Collection[str]) -> bool:
    path = file[1:-1]
    return file.startswith("'") and path.startswith(tuple(folders)) and ".." not in path
