"""What dbt's files may have, whoever wrote them: governance/dbt.yml. dbt runs Jinja as soon as it reads the project, so this comes first."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from jinja2 import TemplateSyntaxError, nodes

from larder.core.errors import LarderError
from larder.core.settings import PROJECT
from larder.project.manifest import Artifact
from larder.project.statements import fault
from larder.project.templates import CONTEXT, JINJA

STATEMENTS = Path(__file__).with_name("statements.py")

RULES = "governance/dbt.yml"
FOLDERS = ("macros", "models", "seeds", "tests")
ABSENT = (".dbtignore", "packages.yml", "dependencies.yml", "dbt_packages", "catalogs.yml", "selectors.yml")
ABSENT_FOLDERS = ("analyses", "functions", "snapshots")
"""What dbt takes by itself where it finds it: code of others, connections, a choice of what is tested, folders that nothing here reads."""

TEST = re.compile(r"({%[-+]?\s*)(end)?(?:data_)?test(\s+)?(?=\w|[-+]?%})")
DOCS = re.compile(r"{%[-+]?\s*(?:docs\s+\w+|enddocs)\s*[-+]?%}")
RAW = re.compile(r"{%[-+]?\s*raw")
JINJA_IN = re.compile(r"{[{%#]")
OF_DBT = re.compile(r"{%-?\s*(macro|test)\s+(\w+)")
ALWAYS = {"caller", "dict", "kwargs", "loop", "model", "namespace", "range", "varargs"}
TEXTS = {".sql", ".yml", ".yaml", ".md"}
SPACES = {"adapter", "dbt", "larder", "modules"}
ABROAD = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


@dataclass(frozen=True)
class Rules:
    """What the Jinja of a file may use: `names`, also as `dbt.dateadd`. By no means it reaches another of the `reserved` names; the
    `usual` macros are those of the project that every file may call.
    """

    names: frozenset[str]
    reserved: frozenset[str]
    usual: frozenset[str]

    def more(self, names: Iterable[str]) -> "Rules":
        return replace(self, names=self.names.union(names))


def require_files(project: Path) -> None:
    """Raise LarderError where a file has what dbt must not run. The base of a review goes by its own list, or by none if it is older."""
    listed = project / RULES
    if project == PROJECT or listed.exists():
        _require([*_of_layout(project, _listed(project)), *_of_jinja(project, _listed(project))])


def require_nodes(project: Path, manifest: Artifact) -> None:
    """The same for what dbt has made of the files: hooks, materializations, Python, and the SQL where it has been compiled."""
    if (project / RULES).exists():
        listed = _listed(project)
        _require([said for node in manifest["nodes"].values() for said in _of_node(node, listed)])


def _require(faults: list[str]) -> None:
    if faults:
        raise LarderError(
            f"refused before dbt runs: {faults[0]}{f' (and {len(faults) - 1} more)' if faults[1:] else ''}",
            f"Correct it, or ask who wrote it; {RULES} lists what may be used.",
        )


def _listed(project: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = yaml.safe_load((project / RULES).read_text())
    except OSError as error:
        raise LarderError(
            f"{RULES} cannot be read: {error.strerror}", f"Restore it: git checkout {RULES}"
        ) from error
    return found


def _of_layout(project: Path, listed: Mapping[str, Any]) -> Iterator[str]:
    """Files and folders that dbt would follow to somewhere else, and settings that lead there."""
    for name in (*ABSENT, *ABSENT_FOLDERS):
        if os.path.lexists(project / name):
            yield f"{name}: dbt would take in what is there"
    for path in _files(project):
        if path.is_symlink():
            yield f"{path.relative_to(project)}: is a link to {path.readlink()}"
        elif path.suffix.lower() == ".py" and path.is_relative_to(project / "models"):
            yield f"{path.relative_to(project)}: a model in Python may do anything"
    for key, value in _yaml(project / "dbt_project.yml").items():
        wanted = listed["project"].get(key)
        if key not in listed["project"] or (wanted is not None and value != wanted):
            yield f"dbt_project.yml: {key} is {value!r}{f' and not {wanted!r}' if wanted else ''}"
    for key in _keys(_yaml(project / "profiles.yml")):
        if key not in listed["profiles"]:
            yield f"profiles.yml: has the key {key}"


def _yaml(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return {}  # dbt says so: it reads nothing else without it
    return found


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from map(str, value)
        value = [*value.values()]
    for one in value if isinstance(value, list) else ():
        yield from _keys(one)


def _files(project: Path) -> Iterator[Path]:
    """All that dbt looks at, links to folders themselves included."""
    yield from (project / name for name in (*FOLDERS, "dbt_project.yml", "profiles.yml"))
    for part in FOLDERS:
        for folder, folders, files in os.walk(project / part):
            yield from (Path(folder, name) for name in (*folders, *files))


def _of_jinja(project: Path, listed: Mapping[str, Any]) -> Iterator[str]:
    """Each name that a file may not use, and each macro that it puts in the place of one of dbt's."""
    texts = [path for path in _files(project) if path.suffix.lower() in TEXTS and path.is_file()]
    files = {str(path.relative_to(project)): _trees(path.suffix.lower(), _text(path)) for path in texts}
    macros = {
        file: {macro.name for tree in trees for macro in _macros(tree)} for file, trees in files.items()
    }
    own = {file: names for file, names in macros.items() if file.startswith("macros/")}
    usual = {name for file, names in own.items() if file not in listed["files"] for name in names}
    known = CONTEXT | _of_dbt()
    shared = Rules(
        frozenset({*listed["names"], *ALWAYS, *usual}),
        frozenset(known.union(*own.values()) - usual),
        frozenset(usual),
    )
    for file, trees in files.items():
        rules = shared.more([*listed["files"][file], *macros[file]] if file in listed["files"] else [])
        for name in macros[file] - {*listed["replaced"]}:
            if {name, name.partition("__")[2]} & known:
                yield f"{file}:1: {name} would take the place of one of dbt's macros"
        for tree in trees:
            if isinstance(tree, str):
                yield f"{file}:{tree}"
            else:
                stored = {one.name for one in tree.find_all(nodes.Name) if one.ctx == "store"}
                inside = rules.more((stored | macros[file]) - rules.reserved)
                yield from (f"{file}:{line}: {_said(what, inside)}" for line, what in _used(tree, inside))


def _said(what: str, rules: Rules) -> str:
    if what in rules.reserved or not what.isidentifier():
        return f"{what} is not for this file"
    near = get_close_matches(what, rules.names, 1, 0.7)
    return f"{what} is no macro or variable{f'; did you mean {near[0]}?' if near else ''}"


def _macros(tree: nodes.Template | str) -> list[nodes.Macro]:
    return [] if isinstance(tree, str) else [*tree.find_all(nodes.Macro)]


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


@cache
def _trees(suffix: str, text: str) -> tuple[nodes.Template | str, ...]:
    """The Jinja of a file's text, of each text in it where it is YAML, as dbt renders it; or why it cannot be read."""
    if suffix in {".yml", ".yaml"}:
        return (*_texts_of_yaml(text),)
    return (_tree(DOCS.sub("", text) if suffix == ".md" else TEST.sub(_as_macro, text)),)


def _as_macro(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2] or ''}macro{'' if found[2] else ' test_'}"


def _texts_of_yaml(text: str) -> Iterator[nodes.Template | str]:
    if not JINJA_IN.search(text) and "\\" not in text:
        return
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(token, yaml.ScalarToken) and JINJA_IN.search(token.value):
                found = _tree(token.value)
                yield found if isinstance(found, nodes.Template) else f"{token.start_mark.line + 1}: {found}"
    except yaml.YAMLError:
        return  # dbt says so, and renders nothing of it


def _tree(text: str) -> nodes.Template | str:
    if RAW.search(text):
        return "1: raw text hides what dbt may find in it"
    try:
        return JINJA.parse(text)
    except TemplateSyntaxError as error:
        line = text.splitlines()[error.lineno - 1 : error.lineno]
        return ": ".join([str(error.lineno), str(error.message), *(found.strip() for found in line)])


def _used(node: nodes.Node, rules: Rules) -> Iterator[tuple[int, str]]:
    """What an expression names and may not, with its line."""
    if isinstance(node, nodes.Macro):  # its arguments hide what else has their names, in its body
        own = rules.more(argument.name for argument in node.args)
        yield from (found for part in node.defaults for found in _used(part, rules))
        yield from (found for part in node.body for found in _used(part, own))
    elif isinstance(node, nodes.Call) and _dotted(node.node) == "adapter.dispatch":
        if not _dispatches(node, rules):
            yield node.lineno, "adapter.dispatch of a macro that is not the project's"
    elif name := _dotted(node):
        if name == "adapter.dispatch" or name.removeprefix("larder.") not in rules.names:
            yield node.lineno, name
    elif isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in rules.names:
        yield node.lineno, node.name
    elif isinstance(node, ABROAD) or (isinstance(node, nodes.Filter) and node.name == "attr"):
        yield node.lineno, type(node).__name__.lower()
    else:
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            yield node.lineno, f".{node.attr}"
        for part in node.iter_child_nodes():
            yield from _used(part, rules)


def _dotted(node: nodes.Node) -> str:
    """`dbt.dateadd`, where a node names something in one of dbt's collections; else nothing."""
    is_one = (
        isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name in SPACES
    )
    return f"{node.node.name}.{node.attr}" if is_one else ""  # type: ignore[attr-defined]


def _dispatches(call: nodes.Call, rules: Rules) -> bool:
    """Whether a macro of the project is called by constants: `adapter.dispatch('ratio', 'larder')`."""
    given = [one.value for one in call.args if isinstance(one, nodes.Const)]
    known = len(given) == len(call.args) == 2 and not call.kwargs and not (call.dyn_args or call.dyn_kwargs)
    names = (f"{engine}__{given[0]}" for engine in ("duckdb", "default")) if known else ()
    return known and given[1] == "larder" and any(name in rules.names for name in names)


@cache
def _of_dbt() -> frozenset[str]:
    """The names of the macros that come with dbt and its adapter."""
    found = set()
    for package in ("global_project", "duckdb"):
        for place in getattr(find_spec(f"dbt.include.{package}"), "submodule_search_locations", None) or ():
            for file in Path(place).rglob("*.sql"):
                names = OF_DBT.findall(file.read_text())
                found |= {f"test_{name}" if kind == "test" else name for kind, name in names}
    return frozenset(found)


def _of_node(node: Mapping[str, Any], listed: Mapping[str, Any]) -> Iterator[str]:
    file = node["original_file_path"]
    if node.get("language") == "python":
        yield f"{file}: a model in Python may do anything"
    kind = node["config"].get("materialized")
    if node["resource_type"] != "operation" and kind not in listed["materialized"]:
        yield f"{file}: is materialized as {kind}"
    hooks = [hook["sql"] for when in ("pre-hook", "post-hook") for hook in node["config"].get(when, [])]
    for hook in [*hooks, *([node["raw_code"]] if node["resource_type"] == "operation" else [])]:
        if _called(hook) not in listed["hooks"]:
            yield f"{file}: the hook {hook!r} is more than a call of one of {RULES}"
    if found := fault(node.get("compiled_code") or ""):
        yield f"{file}: {found}"


def _called(hook: str) -> str:
    """The macro that a hook calls, where it is nothing but this call."""
    tree = _tree(hook.strip())
    parts = (
        [part for output in tree.body for part in output.iter_child_nodes()]
        if isinstance(tree, nodes.Template)
        else []
    )
    call = parts[0] if len(parts) == 1 else None
    return call.node.name if isinstance(call, nodes.Call) and isinstance(call.node, nodes.Name) else ""
