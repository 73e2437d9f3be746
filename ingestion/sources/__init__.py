"""One module per source system, named as the source is.

Each declares its tables as Arrow schemas and yields them; none knows the lake.
"""

from pathlib import Path

NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")))
"""Known without dlt, which takes longer to import than most commands take to run."""
