"""Run dbt-bouncer on the project, and say each failure as `file:line: what is wrong (rule)`: its table shows no file in a narrow terminal.

It reads what the hooks before it have written: dbt's manifest and the metadata base. What tolerated.txt lists does not count, and that list may
only shrink; the number of privacy tests may only rise. dbt-bouncer's own baseline knows a rule that is a query only as a whole: it would tolerate all of them for one.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

TARGET = Path("target")
FOUND = TARGET / "lint" / "house_rules.sarif"
TOLERATED = Path(".ci/tolerated.txt")
PRIVACY = Path("tests/privacy")

ROW = re.compile(r"(?:node_)?unique_id=([\w.]+)(?:, column_name=(\w+))?(?:, ([^;]*?))?(?=;|\.$)")
"""A row of a rule that is a query, as dbt-bouncer repeats it."""

BANNED = re.compile(r" - `\w+` contains a banned string.*")
FILES = f"""
    select unique_id, original_file_path, properties_yml_file_path from '{TARGET}/info_schema/v1/dbt.models.parquet'
    union all by name
    select unique_id, original_file_path, original_file_path as properties_yml_file_path
    from '{TARGET}/info_schema/v1/dbt.{{}}.parquet'
"""
OTHERS = ("sources", "metrics", "exposures", "data_tests", "unit_tests")


def main() -> int:
    """Returns 1 where a rule fails that is not tolerated, or the list is longer than it need be; dbt-bouncer's code where it did not run."""
    FOUND.unlink(missing_ok=True)
    shutil.copy(TARGET / "lint" / "manifest.json", TARGET)
    command = [Path(sys.executable).with_name("dbt-bouncer"), "run", "--config-file", "dbt-bouncer.yml"]
    ended = subprocess.run(
        [*command, "--output-file", FOUND, "--output-format", "sarif"], capture_output=True, text=True
    )
    if not FOUND.exists():  # it did not come to the rules: its own words
        sys.stdout.write(ended.stdout + ended.stderr)
        return ended.returncode or 1
    results = json.loads(FOUND.read_text())["runs"][0]["results"]
    failed = [one for one in results if one["level"] in {"error", "warning"}]
    files = {name: paths for other in OTHERS for name, *paths in duckdb.sql(FILES.format(other)).fetchall()}
    lines = [line for one in failed for line in said(one, files)]
    tolerated = listed(TOLERATED.read_text())
    known = {line: re.sub(r":\d+: ", ": ", line, count=1) for line in lines}
    new = [line for line in lines if known[line] not in tolerated]
    new += [
        f"{TOLERATED}:1: no longer fails, or was never tolerated; remove: {one}"
        for one in sorted(tolerated - ({*known.values()} & before()))
    ]
    new += fewer()
    sys.stdout.writelines(f"{line}\n" for line in new)
    return int(bool(new))


def listed(text: str) -> set[str]:
    """The failures that a list tolerates: a line each, as it is said, without the number of its line."""
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def before() -> set[str]:
    """What the main branch tolerates; all that is tolerated here where there is none to compare with."""
    shown = on_main("show", f"{{}}:{TOLERATED}")
    return listed(TOLERATED.read_text() if shown is None else shown)


def fewer() -> list[str]:
    """What is said where the main branch has more privacy tests."""
    had = (on_main("ls-tree", "--name-only", "{}", f"{PRIVACY}/") or "").split()
    lost = sorted({*had} - {str(path) for path in PRIVACY.iterdir()})
    are, were = len([*PRIVACY.glob("*.sql")]), sum(name.endswith(".sql") for name in had)
    return (
        [f"{PRIVACY}:1: {were - are} privacy tests fewer than on main: {', '.join(lost)}"]
        if are < were
        else []
    )


def on_main(command: str, *arguments: str) -> str | None:
    """What git says of the main branch, which stands for {} in its arguments; nothing where there is none."""
    for branch in ("origin/main", "main"):
        given = [one.format(branch) for one in arguments]
        shown = subprocess.run(["git", command, *given], capture_output=True, text=True)
        if not shown.returncode:
            return shown.stdout
    return None


def said(result: dict[str, Any], files: dict[str, list[str]]) -> Iterator[str]:
    """A line for each place that a failure names."""
    rule = result["ruleId"].partition(":")[0]
    text = BANNED.sub("", " ".join(result["message"]["text"].split()))
    rows = ROW.findall(text)
    if rule == "check_info_schema_query" and rows:
        what = text.partition(" - The query returned")[0]
        for node, column, rest in rows:
            sql, yaml = files.get(node, [node, node])
            file = (yaml if column or not sql else sql) or sql  # a new model may have no properties file yet
            yield f"{file}:{line_of(file, column)}: {node.split('.')[-1]}{column and f'.{column}'}: {what}{rest and f' Here: {rest}'}"
        return
    place = (
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        if result.get("locations")
        else ""
    )
    yield f"{place or 'dbt-bouncer.yml'}:1: {text} ({rule})"


def line_of(file: str, column: str) -> int:
    """Where a properties file names a column; its first line otherwise."""
    path = Path(file)
    lines = path.read_text().splitlines() if column and path.is_file() else []
    return next((n for n, line in enumerate(lines, 1) if re.search(rf"name: {column}\b", line)), 1)


if __name__ == "__main__":
    sys.exit(main())
