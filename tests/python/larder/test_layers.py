"""What the layout promises, held on the code itself."""

import ast
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT

SOURCES = [path for part in ("larder", "science") for path in sorted((PROJECT / part).rglob("*.py"))]
DOOR = PROJECT / "larder/warehouse/connection.py"


def calls(path: Path) -> set[str]:
    """The functions that a module calls by their dotted names."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}


def test_one_door_leads_to_a_warehouse_file() -> None:
    assert "duckdb.connect" in calls(DOOR)
    assert [path for path in SOURCES if path != DOOR and "duckdb.connect" in calls(path)] == []


def test_help_needs_nothing_that_is_slow_to_import() -> None:
    code = (
        "import sys; sys.argv = ['larder', '--help']\n"
        "from larder.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('rich', 'duckdb', 'dlt', 'sqlglot', 'pyarrow', 'dbt', 'yaml') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True).stdout
    assert shown.splitlines()[-1] == "[]"
    assert len(shown.splitlines()) - 1 <= 30
