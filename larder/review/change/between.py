"""What changed between two states of the project."""

from larder.build import lineage
from larder.build.compiled import Compiled, compiled
from larder.core.settings import Paths
from larder.review.change import base, nodes, promises, reach, semantics
from larder.review.change.changes import PROJECT, Change
from larder.review.change.states import ANY, State


def since(paths: Paths, ref: str = "") -> tuple[base.Base, Change]:
    """What the files as they are now, committed or not, change of the last commit that they share with `ref` (the main branch)."""
    found = base.find(paths, ref)
    states = [state_of(of, compiled(of, "review")) for of in (found.paths, paths)]
    return found, between(*states)


def state_of(paths: Paths, found: Compiled) -> State:
    """A compiled project with its lineage, which is kept with its other artifacts."""
    return State(found, lineage.of_compiled(paths, found))


def between(before: State, after: State) -> Change:
    """All that changed, and what it reaches. `after` is told which nodes were renamed."""
    everywhere = nodes.of_project(before, after)
    changed, own, follows = nodes.compare(before, after)
    defined, definitions = semantics.changes(before.manifest, after.manifest)
    of_all = {PROJECT: ANY} if everywhere else {}
    done = reach.walk(before, after, {**of_all, **own, **definitions}, follows)
    built = {change.node for change in changed if change.is_built and change.kind != "removed"}
    built |= {one.node for one in done.reached}
    tests = promises.tests(before, after)
    judged = {*reach.tests(after, done, own), *(test.test for test in tests if test.kind != "lost")}
    return Change(
        base=before.compiled.project,
        head=after.compiled.project,
        nodes=(*everywhere, *changed, *defined),
        reached=tuple(done.reached),
        breaks=tuple(promises.breaks(before, after, own)),
        tests=tuple(tests),
        documented=tuple(promises.documented(before, after)),
        build=tuple(n for n, node in after.data.items() if n in built and nodes.leaves(node)),
        tests_to_run=tuple(sorted(judged)),
    )
