"""Which nodes of the project really changed, by what, and what that does to their data."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from larder.project import fingerprint
from larder.project.fingerprint import normalised, parts_of, plain_text
from larder.project.manifest import RELATIONS, edited_files, leaves_a_relation, used_macros
from larder.review.change.changes import PROJECT, Kind, NodeChange
from larder.review.change.meaning import Meaning, meaning
from larder.review.change.states import ANY, Difference, State

ASKS = re.compile(
    r"\b(run_query|statement|load_result|env_var|execute|graph|flags)\b|\badapter\.(?!dispatch)"
)
"""What makes Jinja give another SQL in another warehouse: of such code the text counts, not only what it compiles to here."""

HARMLESS = {"table", "view", "ephemeral"}
"""Materializations of the same data."""

Found = tuple[str, Difference, bool]
"""A part that changed, what that does to the data, and whether the relation is made again for it."""


def of_project(before: State, after: State) -> list[NodeChange]:
    """What every node depends on."""
    old, new = (fingerprint.counts_everywhere(state.manifest) for state in (before, after))
    parts = [part for part in new if part != "engine" and new[part] != old[part]]
    if before.compiled.settings["engine"] != after.compiled.settings["engine"]:
        parts.append("engine")
    return [NodeChange(PROJECT, "changed", tuple(parts), "rows")] if parts else []


def compare(
    before: State, after: State
) -> tuple[list[NodeChange], dict[str, Difference], dict[str, Difference]]:
    """The changed nodes; what happens to the data of each by itself; and to those whose unchanged SQL reads another relation now, or
    all columns of one that has others.

    Fills `after.renamed`.
    """
    gone = _gone(before, after)
    changes, own, follows = [_change(name, "removed", ANY) for name in gone], {}, {}
    for node, data in after.data.items():
        was = after.renamed.get(node, node)
        if was not in before.data:
            own[node] = Difference(new=frozenset(name.lower() for name in after.columns_of(node)))
            changes.append(_change(node, "added", own[node], files=_files(node, before, after)))
            continue
        found = [*_found(was, node, before, after)]
        total = Difference()
        for _, difference, _ in found:
            total |= difference
        if found or was != node:
            parts = tuple(dict.fromkeys(part for part, _, _ in found))
            is_built = leaves(data) and (was != node or total != Difference() or any(b for _, _, b in found))
            kind: Kind = "changed" if was == node else "renamed"
            files = _files(node, before, after)
            changes.append(_change(node, kind, total, parts, files, is_built, was if was != node else ""))
            own[node] = total
        is_as_written = before.queries(was) == after.queries(node)
        if is_as_written and before.read_columns(was) != after.read_columns(node):
            follows[node] = _by_meaning(was, node, before, after)
    return changes, own, follows


def leaves(node: Mapping[str, Any]) -> bool:
    """Whether a build makes a relation of a node."""
    return node["resource_type"] != "source" and leaves_a_relation(node)


def _gone(before: State, after: State) -> list[str]:
    """The nodes that are no more, without those that have another name: the same data from the same nodes."""
    gone = [name for name in before.data if name not in after.data]
    for new in [name for name in after.data if name not in before.data]:
        same = (old for old in gone if _is_same(before, old, after, new))
        if old := next(same, None):
            after.renamed[new] = old
            gone.remove(old)
    return gone


def _is_same(before: State, old: str, after: State, new: str) -> bool:
    a, b = before.data[old], after.data[new]
    if a["resource_type"] != b["resource_type"] or a["resource_type"] == "source":
        return False
    if a["resource_type"] == "seed":
        return bool(parts_of(a, before.manifest)["rows"] == parts_of(b, after.manifest)["rows"])
    if len(before.queries(old)) != len(after.queries(new)):
        return False
    return _by_meaning(old, new, before, after) == Difference()


def _found(was: str, node: str, before: State, after: State) -> Iterator[Found]:
    a, b = before.data[was], after.data[node]
    if b["resource_type"] == "source":
        yield from _source(a, b)
        return
    old, new = (parts_of({**x, "compiled_code": ""}, s.manifest) for x, s in ((a, before), (b, after)))
    differs = [part for part in {**old, **new} if old.get(part) != new.get(part)]
    if "name" in differs and was == node:
        yield "name", Difference(), True
    if "rows" in differs:
        yield "seed rows", ANY, True
    if "hooks" in differs:
        yield "hooks", ANY, True
    for name in _variables(before, after):
        if name in str(new.get("hooks", "")):
            yield f"variable {name}", ANY, True
    if "configuration" in differs:
        yield from _configuration(old["configuration"], new["configuration"])
    if "contract" in differs:
        yield "contract", _types(old["contract"][0], new["contract"][0]), True
    if b["resource_type"] != "seed":
        yield from _sql(was, node, before, after)


def _sql(was: str, node: str, before: State, after: State) -> Iterator[Found]:
    a, b = before.data[was], after.data[node]
    if b["language"] != "sql":
        if a["raw_code"] != b["raw_code"]:
            yield "code", ANY, True
        return
    difference = Difference()
    old, new = before.queries(was), after.queries(node)
    is_rewritten = any(a != b and normalised(a) != normalised(b) for a, b in zip(old, new, strict=False))
    if is_rewritten:
        difference = _by_meaning(was, node, before, after)
    if _asking(a, before) != _asking(b, after):
        difference |= ANY
    if difference != Difference():
        for cause in _causes(a, b, before, after):
            yield cause, difference, True
    elif is_rewritten and _text(a) != _text(b):
        yield "SQL, of the same meaning", difference, False


def _by_meaning(was: str, node: str, before: State, after: State) -> Difference:
    """What happens to the data by the SQL: in a whole build, or in an increment."""
    old = [meaning(sql, before.columns, before.identity) for sql in before.queries(was)]
    new = [meaning(sql, after.columns, after.identity) for sql in after.queries(node)]
    total = Difference()
    for one, other in zip(old, new, strict=False):  # where one is incremental now, the configuration says it
        total |= _difference(one, other)
    gone = {old[0].columns[name]: name for name in total.changed if old and name not in new[0].columns}
    spelt = {name: gone[new[0].columns[name]] for name in total.new if new[0].columns.get(name) in gone}
    after.spelt[node] = spelt
    return total


def _difference(old: Meaning, new: Meaning) -> Difference:
    changed = {name for name, digest in old.columns.items() if new.columns.get(name) != digest}
    return Difference(old.rows != new.rows, frozenset(changed), frozenset(new.columns.keys() - old.columns))


def _asking(node: Mapping[str, Any], state: State) -> list[str]:
    """The Jinja of a node, and its macros, that can give another SQL in another warehouse."""
    jinja = re.findall(r"\{[{%].*?[}%]\}", node["raw_code"], re.DOTALL)
    own = [macro["macro_sql"] for _, macro in used_macros(node, state.manifest) if _is_own(macro)]
    return sorted(plain_text(code) for code in [*jinja, *own] if ASKS.search(code))


def _causes(a: Mapping[str, Any], b: Mapping[str, Any], before: State, after: State) -> list[str]:
    """Why the SQL is another one: by the text of the model, by macros, variables, or models that are pasted into it."""
    now = {name: macro for name, macro in used_macros(b, after.manifest) if _is_own(macro)}
    then = before.manifest["macros"]
    found = ["SQL"] if _text(a) != _text(b) else []
    found += sorted(
        f"macro {macro['name']}"
        for name, macro in now.items()
        if plain_text(macro["macro_sql"]) != plain_text(then.get(name, {}).get("macro_sql", ""))
    )
    code = " ".join([b["raw_code"], *(macro["macro_sql"] for macro in now.values())])
    found += [f"variable {name}" for name in _variables(before, after) if name in code]
    found += sorted(
        f"model {parent.split('.')[2]}"
        for parent in b["depends_on"]["nodes"]
        if parent in after.data and after.data[parent]["config"].get("materialized") == "ephemeral"
        and parent in before.data and before.queries(parent) != after.queries(parent)
    )  # fmt: skip
    return found or ["SQL"]


def _text(node: Mapping[str, Any]) -> str:
    return re.sub(r"\{\{\s*config\(.*?\)\s*\}\}", "", plain_text(node["raw_code"])).strip()


def _is_own(macro: Mapping[str, Any]) -> bool:
    return bool(macro["package_name"] == fingerprint.OWN)


def _variables(before: State, after: State) -> list[str]:
    """The variables that have another value."""
    old, new = (state.compiled.settings["variables"] or {} for state in (before, after))
    return sorted(name for name in {**old, **new} if old.get(name) != new.get(name))


def _configuration(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Found]:
    was, now = old["materialized"], new["materialized"]
    for key in (key for key in new if new[key] != old[key]):
        if key == "materialized":
            yield f"{was} → {now}", Difference() if {was, now} <= HARMLESS else ANY, True
        elif key == "column_types":
            types = [{n.lower(): t for n, t in (side[key] or {}).items()} for side in (old, new)]
            yield "types of columns", Difference(changed=_other(*types)), True
        elif now in {"incremental", "seed", "snapshot"} or key == "sql_header":
            yield f"configuration {key}", ANY, True


def _types(old: Mapping[str, str], new: Mapping[str, str]) -> Difference:
    """A contract gives its columns their types. What else it promises does not change the data."""
    types = [{n.lower(): fingerprint.typed(t)[0] for n, t in side.items()} for side in (old, new)]
    return Difference(
        changed=_other(
            *({n: t for n, t in side.items() if n in types[0] and n in types[1]} for side in types)
        )
    )


def _source(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Found]:
    if (a["schema"], a["identifier"]) != (b["schema"], b["identifier"]):
        yield "location", ANY, False
    old, new = ({n.lower(): c["data_type"] for n, c in node["columns"].items()} for node in (a, b))
    if old != new:
        yield (
            "columns",
            Difference(changed=_other(old, new) - (new.keys() - old), new=frozenset(new.keys() - old)),
            False,
        )


def _other(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name in {**old, **new} if old.get(name) != new.get(name))


def _change(
    node: str,
    kind: Kind,
    difference: Difference,
    parts: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    is_built: bool | None = None,
    was: str = "",
) -> NodeChange:
    built = (
        kind == "added" and node.split(".")[0] in {*RELATIONS, "snapshot"} if is_built is None else is_built
    )
    return NodeChange(node, kind, parts, difference.effect, difference.columns, files, built, was)


def _files(node: str, before: State, after: State) -> tuple[str, ...]:
    return tuple(edited_files(node, before.manifest, after.manifest))
