"""What a change of the project is: the nodes that really differ between two compiled projects, and all that they reach by column."""

from dataclasses import dataclass, field
from typing import Literal

Effect = Literal["nothing", "additive", "columns", "rows"]
"""What happens to a relation's data, of less to more: nothing; new columns alone; values of some columns, in the same rows; anything."""

Kind = Literal["added", "removed", "renamed", "changed"]


@dataclass(frozen=True)
class NodeChange:
    """A node that is not what it was, by its own SQL or configuration, or that of a macro, a seed or a variable.

    `parts` say what, in words; `columns` those that are new (additive), or whose values change or that are gone (columns). `was` is
    the id before a renaming. `is_built` tells that a build makes its relation again, also where the data stay as they are: as a
    table instead of a view, say. What every node depends on (engine, hooks of the run, macros in place of dbt's) is the node PROJECT.
    """

    node: str
    kind: Kind
    parts: tuple[str, ...] = ()
    effect: Effect = "nothing"
    columns: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    is_built: bool = False
    was: str = ""


@dataclass(frozen=True)
class Reached:
    """What can change because something above it does: a model, metric, semantic model, saved query or exposure (`kind`).

    With effect rows it can be any row and column, and `columns` is empty. `through` are the ids right above by which it is reached.
    """

    node: str
    kind: str
    effect: Effect
    columns: tuple[str, ...]
    owner: str
    through: tuple[str, ...]


@dataclass(frozen=True)
class ContractBreak:
    """What readers of a public mart notice: of one column, or of the table (None). `was_versioned`: they could prepare (decision 0021)."""

    node: str
    relation: str
    column: str | None
    what: str
    was_versioned: bool


@dataclass(frozen=True)
class Documented:
    """A `what` (description, class, owner) of a node, or of one of its columns, that is there, gone, or another one now."""

    node: str
    column: str | None
    what: str
    before: str
    after: str


@dataclass(frozen=True)
class TestChange:
    """A data test or unit test: `kind` is new, lost or changed; `is_weaker` where it catches less, as a severity that fell."""

    test: str
    node: str
    kind: Literal["new", "lost", "changed"]
    what: str = ""
    is_weaker: bool = False


@dataclass(frozen=True)
class Change:
    """All of it. `build` are the ids of the nodes to build to see the effect, parents first, `tests_to_run` those that judge them."""

    base: str
    head: str
    nodes: tuple[NodeChange, ...] = ()
    reached: tuple[Reached, ...] = ()
    breaks: tuple[ContractBreak, ...] = ()
    tests: tuple[TestChange, ...] = ()
    documented: tuple[Documented, ...] = ()
    build: tuple[str, ...] = ()
    tests_to_run: tuple[str, ...] = field(default_factory=tuple)


PROJECT = "project"
"""The id of what every node depends on."""
