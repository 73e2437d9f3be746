"""What the layout promises, held on the code itself."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from conftest import PROJECT

SOURCES = [path for part in ("larder", "science") for path in sorted((PROJECT / part).rglob("*.py"))]
DOOR = PROJECT / "larder/warehouse/connection.py"


def opens_files(path: Path) -> bool:
    """Whether a module connects to a DuckDB file by itself; a connection to none is for calculating."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return any(ast.unparse(call.func) == "duckdb.connect" and (call.args or call.keywords) for call in calls)


def test_one_door_leads_to_a_warehouse_file() -> None:
    assert [path for path in SOURCES if opens_files(path)] == [DOOR]


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
    assert len(shown.splitlines()) - 1 <= 40


def test_packages_import_downwards_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


EXTRAS = {"demo": ("demo",), "ingestion": ("kafka", "s3"), "larder": ("mcp", "dev"), "science": ()}
"""The extras of pyproject.toml that a package may import from."""


@pytest.mark.parametrize("package", EXTRAS)
def test_what_is_imported_is_declared(package: str) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = list(project["dependencies"])
    for extra in EXTRAS[package]:
        declared += project["optional-dependencies"][extra]
    names = {plain(re.split(r"[\[=<>]", one)[0]) for one in declared}
    providers = metadata.packages_distributions()
    undeclared = {
        module
        for path in (PROJECT / package).rglob("*.py")
        for module in imported(path) - {*sys.stdlib_module_names, *EXTRAS}
        if not {*map(plain, providers.get(module, []))} & names
    }
    assert undeclared == set()


def plain(name: str) -> str:
    """A distribution's name as an index compares it."""
    return name.lower().replace("_", "-")


def imported(path: Path) -> set[str]:
    """The top-level modules that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found
