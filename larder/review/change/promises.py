"""What a change takes from readers and reviewers: contracts, tests, descriptions, classes, owners."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from larder.build import plan
from larder.project import fingerprint
from larder.project.fingerprint import TEST_CONFIG, normalised
from larder.review.change.changes import ContractBreak, Documented, TestChange
from larder.review.change.reach import owner
from larder.review.change.states import Difference, State

CATCH_LESS = {"where", "error_if", "limit", "fail_calc"}
"""Settings of a test by which it can let through what it caught."""

DOCUMENTED = ("nodes", "sources", "metrics", "semantic_models", "saved_queries", "exposures")


def breaks(before: State, after: State, own: Mapping[str, Difference]) -> list[ContractBreak]:
    """What readers of a public mart notice, who know it by the name of its table."""
    old, new = (fingerprint.nodes(state.manifest, is_compiled=False) for state in (before, after))
    known = [one for one in plan.breaks(new, old) if one.relation in after.ids]
    found = [_becomes(after, one) for one in known if _is_public(before.data[one.node])]
    for relation, node in before.ids.items():
        if _is_public(before.data[node]):
            now = after.data.get(after.ids.get(relation, ""))
            versioned = bool(now) and now["unique_id"] != node if now else False
            for column, what in _meaning(before.data[node], now, own.get(now["unique_id"]) if now else None):
                found.append(ContractBreak(node, relation, column, what, versioned))
    return found


def _is_public(node: Mapping[str, Any]) -> bool:
    return node.get("access") == "public" and node["schema"] == "marts"


def _becomes(after: State, one: plan.Break) -> ContractBreak:
    """What became of a column: its new name, if it is gone; if it has its type, the constraint that it lost."""
    now, what, versioned = after.ids[one.relation], one.what, one.was_versioned
    for new, old in after.spelt.get(now, {}).items():
        if what == "goes away" and old == one.column.lower():
            what = f"is renamed to {new}"
    lost = fingerprint.typed(one.kind)[1] - fingerprint.typed(what)[1]
    if what.startswith("becomes") and fingerprint.typed(one.kind)[0] == fingerprint.typed(what)[0][1:]:
        what, versioned = f"is no longer {', '.join(sorted(lost))}", now != one.node
    return ContractBreak(one.node, one.relation, one.column, what, versioned)


def _meaning(
    old: Mapping[str, Any], new: Mapping[str, Any] | None, difference: Difference | None
) -> Iterator[tuple[str | None, str]]:
    """The table gone; its grain; a column that says and holds something else. Other values alone can be a mistake that is fixed."""
    if new is None:
        yield None, "the table goes away"
        return
    if _contract(old) and not _contract(new):
        yield None, "the contract is no longer enforced"
    grains = [node["config"]["meta"].get("grain") or [] for node in (old, new)]
    if {*grains[0]} != {*grains[1]}:
        yield (
            None,
            f"the grain becomes {', '.join(grains[1]) or 'unknown'}, it was {', '.join(grains[0]) or 'unknown'}",
        )
    for name, column in old["columns"].items():
        now = new["columns"].get(name)
        if now and _unit(column) != _unit(now):
            yield name, f"its unit becomes {_unit(now) or 'none'}, it was {_unit(column) or 'none'}"
        changes = difference and (difference.rows or name.lower() in difference.changed)
        if now and changes and column["description"].split() != now["description"].split():
            yield name, "means something else: both its description and its values change"


def _contract(node: Mapping[str, Any]) -> bool:
    return bool(node["config"]["contract"]["enforced"])


def _unit(column: Mapping[str, Any]) -> str:
    return str(column["config"]["meta"].get("unit") or "")


def tests(before: State, after: State) -> list[TestChange]:
    """New, lost and changed tests. A test that goes with its model is not lost."""
    old, new = _tests(before, {}), _tests(after, after.renamed)
    there = {*after.data} | {*after.renamed.values()}
    lost = {
        key: test for key, test in old.items() if key not in new and (_on(test) in there or not _on(test))
    }
    more = {key: test for key, test in new.items() if key not in old}
    found = []
    for key in [key for key in lost if sum(key[:3] == k[:3] for k in more) == 1]:
        other = next(k for k in more if key[:3] == k[:3])  # the same test with other arguments
        test = more.pop(other)
        del lost[key]
        found.append(TestChange(test["unique_id"], _on(test), "changed", "arguments"))
    found += [TestChange(t["unique_id"], _on(t), "lost", "", True) for t in lost.values()]
    found += [TestChange(t["unique_id"], _on(t), "new") for t in more.values()]
    for key in old.keys() & new.keys():
        parts = [*_test_parts(old[key], new[key])]
        if parts:
            weaker = _severity(old[key]) == "error" != _severity(new[key]) or not CATCH_LESS.isdisjoint(parts)
            found.append(
                TestChange(new[key]["unique_id"], _on(new[key]), "changed", ", ".join(parts), weaker)
            )
    return sorted(found, key=lambda test: (test.node, test.test))


Key = tuple[str, str, str, str]


def _tests(state: State, renamed: Mapping[str, str]) -> dict[Key, Mapping[str, Any]]:
    """Tests by their model, column, name and arguments; others by their own name."""
    found: dict[Key, Mapping[str, Any]] = {}
    nodes = (node for node in state.manifest["nodes"].values() if node["resource_type"] == "test")
    for test in [*nodes, *state.manifest["unit_tests"].values()]:
        on, said = _on(test), test.get("test_metadata") or {}
        arguments = {k: v for k, v in (said.get("kwargs") or {}).items() if k != "model"}
        name = said.get("name") or test["name"]
        found[
            renamed.get(on, on), str(test.get("column_name") or ""), name, repr(sorted(arguments.items()))
        ] = test
    return found


def _on(test: Mapping[str, Any]) -> str:
    """The node that a test is of; a singular one is of none."""
    if test["resource_type"] == "unit_test":
        return str(next(iter(test["depends_on"]["nodes"]), ""))
    return str(test.get("attached_node") or "")


def _test_parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if new["resource_type"] == "unit_test":
        yield from (part for part in ("given", "expect", "overrides") if old[part] != new[part])
        return
    yield from (key for key in TEST_CONFIG if old["config"].get(key) != new["config"].get(key))
    sql = old["compiled_code"], new["compiled_code"]
    if sql[0] != sql[1] and normalised(sql[0]) != normalised(sql[1]):
        yield "SQL"


def _severity(test: Mapping[str, Any]) -> str:
    return str(test["config"].get("severity", "error")).lower()


def documented(before: State, after: State) -> list[Documented]:
    """Descriptions, classes and owners that are others, of whatever is there before and after."""
    old, new = (dict(_documented(state, names)) for state, names in ((before, {}), (after, after.renamed)))
    known = {key[:2] for key in old}
    return [
        Documented(*key, old.get(key, ""), new.get(key, ""))
        for key in sorted({*old, *new}, key=str)
        if key[:2] in known and key[:2] in {k[:2] for k in new} and old.get(key, "") != new.get(key, "")
    ]


def _documented(
    state: State, renamed: Mapping[str, str]
) -> Iterable[tuple[tuple[str, str | None, str], str]]:
    for kind in DOCUMENTED:
        for name, node in state.manifest[kind].items():
            if node["resource_type"] in {"test", "operation"}:
                continue
            known = renamed.get(name, name)
            yield (known, None, "description"), _words(node.get("description"))
            yield (known, None, "owner"), owner(node)
            for column, said in node.get("columns", {}).items():
                yield (known, column, "description"), _words(said["description"])
                yield (
                    (known, column, "classification"),
                    str(said["config"]["meta"].get("classification") or ""),
                )


def _words(text: str | None) -> str:
    return " ".join((text or "").split())
