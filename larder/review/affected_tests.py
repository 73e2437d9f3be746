"""Which files of pytest a change can break: by imports, by the commands that they run, and by the names that they look at."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from larder.core.settings import PROJECT
from larder.project.manifest import short_name
from larder.review.change.changes import Change

FOLDER = PROJECT / "tests" / "python"

PACKAGES = ("demo", "ingestion", "larder", "science")

COMMAND = {"larder/__main__.py", "larder/cli/main.py", "larder/cli/options.py"}
EVERYWHERE = COMMAND | {
    "tests/python/conftest.py",
    "pyproject.toml",
    "requirements/run.txt",
    "requirements/dev.txt",
}
"""What every test stands on."""

RUNS = {"larder", "start", "run"}
"""How tests call a command: a method of their instance, with the verb as its first argument; else a list that begins `-m larder`."""


def find(files: Sequence[str], change: Change) -> list[str]:
    """The test files, by their paths in the project, that can fail for a change of some files.

    A test stands on the modules that it imports, also by a helper of the tests, on those that the verbs import which it runs, and on what
    they import or read. It looks at a file, or at a node that the change reaches, where it names it or a folder around it. An instance
    that a fixture builds does not count.
    """
    tests = sorted(FOLDER.rglob("test_*.py"))
    if EVERYWHERE & set(files):
        return [_relative(test) for test in tests]
    plain = [name for name in files if not _is_module(name)]
    modules = _with_dependents({_module(name) for name in files if _is_module(name)} | _readers(plain))
    names = _names(plain, change)
    folders = {f"{folder}" for name in plain for folder in Path(name).parents} - {"."}
    return [
        _relative(test)
        for test in tests
        if _relative(test) in files
        or _stands_on(test) & {*modules, *files}
        or _looks_at(test.read_text(), names, folders)
    ]


def _names(files: Iterable[str], change: Change) -> set[str]:
    """The names of files that are no Python, and of the nodes that the change reaches."""
    names = {Path(name).name for name in files}
    nodes = [*(one.node for one in change.nodes), *(one.node for one in change.reached)]
    return names | {short_name(node) for node in nodes if "." in node}


def _looks_at(text: str, names: set[str], folders: set[str]) -> bool:
    strings = {found.strip("/") for found in re.findall(r"[\"']([^\"'\n]+)[\"']", text)}
    return bool(folders & strings) or any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names
    )


def _readers(files: Sequence[str]) -> set[str]:
    """The modules that read a file: those that name it, and all of its folder where it lies in a package."""
    names, folders = {Path(name).name for name in files}, {str(Path(name).parent) for name in files}
    code = _code().items() if files else ()
    return {one for one, (path, text) in code if str(path.parent) in folders or _looks_at(text, names, set())}


def _with_dependents(changed: set[str]) -> set[str]:
    """Modules, and all that import them or run them. Those of the tests have no package: a test names them as they are."""
    import grimp

    graph = grimp.build_graph(*PACKAGES, cache_dir=None) if changed else None
    found, todo = set[str](), {*changed}
    while todo:
        module = todo.pop()
        found.add(module)
        if graph and module in graph.modules:
            todo |= {*graph.find_downstream_modules(module), *_runners(module)} - found
    return found


def _runners(module: str) -> Iterator[str]:
    """The modules that start one as a process of its own, by its name or that of its file."""
    name = module.removesuffix(".__main__")
    said = (f'"{name}"' if "." in name else f'"-m", "{name}"', f'"{name.rpartition(".")[2]}.py"')
    return (
        other for other, (_, text) in _code().items() if any(one in text for one in said) and other != module
    )


@cache
def _code() -> dict[str, tuple[Path, str]]:
    """The path and text of each module."""
    files = [file for package in PACKAGES for file in (PROJECT / package).rglob("*.py")]
    return {_module(_relative(file)): (file.relative_to(PROJECT), file.read_text()) for file in files}


@cache
def _stands_on(test: Path) -> set[str]:
    tree = ast.parse(test.read_text())
    run = {name for node in ast.walk(tree) for name in _run(node)}
    imported = _imported(tree) | {f"{name}.__main__" for name in run & {*PACKAGES}}
    helpers = [file for file in FOLDER.rglob("*.py") if file.stem in imported - {"conftest", test.stem}]
    return imported.union(*(_verbs().get(name, set()) for name in run), *map(_stands_on, helpers))


def _run(node: ast.AST) -> Iterator[str]:
    """The verbs of `larder`, and the other packages, that a call or a list of arguments runs."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNS:
        said = ["-m", "larder", *(getattr(argument, "value", None) for argument in node.args[:1])]
    else:
        said = [getattr(element, "value", None) for element in getattr(node, "elts", ())]
    for first, second, third in zip(said, said[1:], [*said[2:], None], strict=False):
        if first == "-m":
            yield str(third if second == "larder" else second)


@cache
def _verbs() -> dict[str, set[str]]:
    """What each verb of the command line imports when it runs, and its file."""
    found = defaultdict[str, set[str]](set)
    for file in (PROJECT / "larder" / "cli").glob("*.py"):
        for function in ast.parse(file.read_text()).body:
            if isinstance(function, ast.FunctionDef):
                found[function.name.strip("_")] |= {*_imported(function), _relative(file)}
    return found


def _imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _is_module(file: str) -> bool:
    return file.endswith(".py") and file.startswith(("tests/", *(f"{package}/" for package in PACKAGES)))


def _module(file: str) -> str:
    """A module as it is imported; those of the tests lie in no package."""
    path = Path(file).with_suffix("")
    return path.name if file.startswith("tests/") else ".".join(path.parts).removesuffix(".__init__")


def _relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()
