"""What a computation leaves of the values that go into it: how many there are, whether there is one, its day, its week."""

from collections.abc import Iterator
from functools import cache

from sqlglot import exp
from sqlglot.errors import SqlglotError

from larder.project.lineage.parsing import parsed

STEP = " → "
"""What stands between the steps of an edge's expression."""

COUNTS = (exp.Count, exp.CountIf, exp.ApproxDistinct)
PERIODS = ("week", "month", "quarter", "year")

AS_IT_IS = frozenset({"as it is"})
"""What is left of a value that nothing was computed from."""

HARMLESS = (exp.Paren, exp.Min, exp.Max)
"""What may stand around a value that is taken as it is."""

OPAQUE = (exp.Query, exp.Dot, exp.Placeholder, exp.Columns)
"""What may bring values that are no columns by their names."""


def turns(expression: str) -> list[str]:
    """The names of what one of the steps does to everything that it reads: `count`, `presence`, `day`, `period`.

    Nothing for a step that cannot be read, or that lets a column through beside. A count is one whatever was counted; a day, a period and
    whether there is one are those of the value only where nothing was computed from it before.
    """
    return sorted(left_of(expression) - AS_IT_IS)


@cache
def left_of(expression: str) -> frozenset[str]:
    """The same, with AS_IT_IS for a value that still is. Of two ways the one that leaves less of these gives away more."""
    found = AS_IT_IS
    for step in expression.split(STEP) if expression else []:
        found = after(found, step)
    return found


def after(found: frozenset[str], step: exp.Expr | str) -> frozenset[str]:
    """What is left after one more step."""
    try:
        kinds = _of_step(parsed(f"select {step}").expressions[0] if isinstance(step, str) else step)
    except (SqlglotError, RecursionError):
        kinds = frozenset()
    direct = kinds if found >= AS_IT_IS else kinds & {"count"}
    return found - AS_IT_IS | direct


def _of_step(step: exp.Expr) -> frozenset[str]:
    stars = [star for star in step.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    if stars or step.find(*OPAQUE):
        return frozenset()
    kinds = [{*_turns(column, step)} for column in step.find_all(exp.Column)]
    return frozenset(set.intersection(*kinds)) if kinds else frozenset()


def _turns(node: exp.Expr, step: exp.Expr) -> Iterator[str]:
    """What the nodes above a column, from the innermost, make of it; AS_IT_IS where none makes anything else of it."""
    is_value = True
    while node is not step and node.parent is not None:
        node = node.parent
        if _is_count(node):
            yield "count"
        elif is_value and (kind := _kind(node)):
            yield kind
        is_value = is_value and bool(_kind(node) or isinstance(node, HARMLESS) or _calls(node, {"timezone"}))
    if is_value:
        yield from AS_IT_IS


def _is_count(node: exp.Expr) -> bool:
    """Whether a node counts rows. In a window it does so for each row, of as few as that asks for."""
    above = node.parent.parent if isinstance(node.parent, exp.Filter) else node.parent
    node = node.this if isinstance(node, exp.Filter) else node
    counts = isinstance(node, COUNTS) or (isinstance(node, exp.Sum) and _is_tally(node.this))
    return counts and not isinstance(above, exp.Window)


def _kind(node: exp.Expr) -> str:
    """What a node makes of a value that stands in it as it is."""
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return "presence"
    if isinstance(node, exp.Cast) and node.to.is_type("date"):
        return "day"
    is_period = _calls(node, {"date_trunc", "datetrunc"}) and node.expressions[0].name.lower() in PERIODS
    return "period" if is_period else ""


def _calls(node: exp.Expr, names: set[str]) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in names and bool(node.expressions)


def _is_tally(node: exp.Expr) -> bool:
    """A case of which every outcome is a one, a zero or nothing: its sum counts rows."""
    if not isinstance(node, exp.Case):
        return False
    outcomes = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    return all(one is None or isinstance(one, exp.Null) or one.sql() in ("0", "1") for one in outcomes)
