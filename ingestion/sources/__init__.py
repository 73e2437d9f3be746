"""One module per source system, named as the source is.

Each declares its tables as Arrow schemas and yields them; none knows the lake.
"""

from pathlib import Path

NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")))
"""Known without dlt, which takes longer to import than most commands take to run."""

OPTIONAL = frozenset({"pos_stream"})
"""Sources that a retailer may not have: nothing to connect to is no fault, and no load of them keeps a build waiting."""
