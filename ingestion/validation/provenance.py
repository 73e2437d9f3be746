"""Where rows come from, and what that says of them. Known without dlt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Provenance:
    """Where rows come from. `kind` is new, correction, reload or replay.

    `digest` tells deliveries of a location apart; a location without one delivers each record for itself. `day` is the
    store-local day that the location is about, `constants` are columns that it says and the rows do not, and `claims`
    what it says that each row must say as well.
    """

    location: str
    kind: str = "new"
    digest: str = ""
    day: date | None = None
    constants: Mapping[str, pa.Scalar] = field(default_factory=dict, compare=False)
    claims: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def is_whole(self) -> bool:
        """Whether what comes from the location replaces what came before."""
        return bool(self.digest) and self.kind != "replay"
