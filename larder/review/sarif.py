"""What checks found as SARIF 2.1.0, which code hosts show at the lines of a pull request."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ingestion.core.files import write_atomically
from ingestion.core.redaction import redacted

AT_LINE = re.compile(r"(?:✗ )?(?P<path>[\w./-]+\.\w+):(?P<line>\d+)(?::(?P<column>\d+))?:? (?P<message>.+)")
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
PROJECT_FILE = "dbt_project.yml"

SQLFLUFF_FILE = re.compile(r"== \[(?P<path>.+)\] FAIL")
SQLFLUFF_LINE = re.compile(r"L: +(?P<line>\d+) \| P: +(?P<column>\d+) \| (?P<message>.+)")


def write(file: Path, checks: Sequence[tuple[str, str, str]]) -> None:
    """Write the findings of checks, each given by its name, the level of what it finds, and its tool's output."""
    driver = {"name": "larder check", "rules": [{"id": name} for name, _, _ in checks]}
    results = [result for name, level, output in checks for result in _results(name, level, output)]
    run = {"tool": {"driver": driver}, "results": results}
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    write_atomically(file, json.dumps(log, indent=1) + "\n")


def _results(name: str, level: str, output: str) -> list[dict[str, Any]]:
    """A result for each line that names a place; else one for the whole, at the file that stands for the project."""
    places = [*_places(output)] or [(PROJECT_FILE, 1, 1, output.strip() or name)]
    return [
        {
            "ruleId": name,
            "level": level,
            "message": {"text": redacted(message)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(path)},
                        "region": {"startLine": max(1, line), "startColumn": max(1, column)},
                    }
                }
            ],
        }
        for path, line, column, message in places
    ]


def _places(output: str) -> Iterator[tuple[str, int, int, str]]:
    """File, line, column and what is wrong there."""
    path = ""
    for line in map(str.strip, output.splitlines()):
        if heading := SQLFLUFF_FILE.fullmatch(line):
            path = heading["path"]
        elif found := AT_LINE.match(line):
            yield found["path"], int(found["line"]), int(found["column"] or 1), found["message"]
        elif path and (found := SQLFLUFF_LINE.fullmatch(line)):
            yield path, int(found["line"]), int(found["column"]), found["message"]
