"""Every edit of edits.toml, made to the project of project.toml by itself: what changes, and what is reached. Nothing else is."""

import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from larder.build.compiled import compiled, keep
from larder.core.settings import Paths
from larder.project import dbt
from larder.review.change.between import between, state_of
from larder.review.change.changes import Change
from larder.review.change.states import State
from larder.warehouse.store import FILE

FOLDER = Path(__file__).parent
FILES: dict[str, str] = tomllib.loads((FOLDER / "project.toml").read_text())
EDITS: list[dict[str, Any]] = tomllib.loads((FOLDER / "edits.toml").read_text())["edit"]
SAID = ("nodes", "reached", "build", "breaks", "tests", "documented", "judged")


@pytest.fixture(scope="module")
def compile_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, str]], State]]:
    """Compiles a project given by its files: always in one process of dbt, and in one folder."""
    root = tmp_path_factory.mktemp("review")
    paths = Paths(root / "data", root / "project")
    paths.data.mkdir()
    warehouse = root / FILE
    with duckdb.connect(str(warehouse)) as connection:  # dbt compiles an increment where there is a table
        connection.execute("create schema marts; create table marts.agg_days (sold_on date)")
    with dbt.session(paths, "candidate", "compile", LARDER_CANDIDATE=str(warehouse)) as command:

        def state(files: dict[str, str]) -> State:
            write(paths.project, files)
            command(["parse"], print)
            keep(paths, command, print, paths.dbt / "compile")
            return state_of(paths, compiled(paths))

        yield state


def write(root: Path, files: dict[str, str]) -> None:
    for part in ("models", "macros", "seeds", "tests"):
        shutil.rmtree(root / part, ignore_errors=True)
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture(scope="module")
def before(compile_files: Callable[[dict[str, str]], State]) -> State:
    return compile_files(FILES)


def edited(edit: dict[str, Any]) -> dict[str, str]:
    """The files after an edit: `replace` is what is found and replaced in `file`, `write` a new text, `move` and `delete` whole files."""
    files = dict(FILES)
    for step in edit.get("steps", [edit]):
        file = step["file"]
        if "replace" in step:
            for old, new in step["replace"]:
                assert old in files[file], f"{edit['name']}: there is no {old} in {file}"
                files[file] = files[file].replace(old, new)
        if "append" in step:
            files[file] = files.get(file, "") + step["append"]
        if "move" in step:
            files[step["move"]] = files.pop(file)
        if step.get("delete"):
            del files[file]
    return files


def short(node: str) -> str:
    """A model or seed by its name, anything else with its kind."""
    kind, _, *names = node.split(".")
    names = names[:1] if kind == "test" else names
    return ".".join(names if kind in {"model", "seed", "test"} else [kind, *names])


def said(change: Change) -> dict[str, list[str]]:
    """A change as the edits say it."""
    nodes = [
        " ".join([f"{short(n.node)}:" if "." in n.node else f"{n.node}:", "" if n.kind == "changed" else n.kind,
                  n.effect, ",".join(n.columns), "by", ", ".join(n.parts)])
        for n in change.nodes
    ]  # fmt: skip
    reached = [f"{short(r.node)}: {r.effect} {','.join(r.columns)}" for r in change.reached]
    breaks = [
        f"{b.relation}.{b.column or '*'} {b.what}{' (versioned)' if b.was_versioned else ''}"
        for b in change.breaks
    ]
    tests = [f"{t.kind}{' weaker' if t.is_weaker else ''} {short(t.test)} {t.what}" for t in change.tests]
    documented = [
        f"{short(d.node)}.{d.column or '*'} {d.what}: {d.before} → {d.after}" for d in change.documented
    ]
    judged = [short(test) for test in change.tests_to_run]
    found = (nodes, reached, [*map(short, change.build)], breaks, tests, documented, judged)
    return {
        what: sorted(" ".join(s.split()).removesuffix(" by") for s in texts)
        for what, texts in zip(SAID, found, strict=True)
    }


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(edit, id=edit["name"], marks=() if edit.get("quick") else pytest.mark.nightly)
        for edit in EDITS
    ],
)
def test_an_edit_changes_what_it_should(
    edit: dict[str, Any], before: State, compile_files: Callable[[dict[str, str]], State]
) -> None:
    found = said(between(before, compile_files(edited(edit))))
    expected = {what: sorted(edit.get(what, [])) for what in SAID}
    if "judged" not in edit:
        expected["judged"] = found["judged"]
    assert found == expected
