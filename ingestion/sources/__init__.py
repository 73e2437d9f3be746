"""One module per source system, named as the source is. Each states its `SOURCE`; none knows the lake.

A new module is found here: there is no list to add it to. dlt, which takes longer to import than most commands take to
run, is imported only by what extracts.
"""

from importlib import import_module
from pathlib import Path

from ingestion.connectors.source import Source

NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")))

SOURCES: dict[str, Source] = {name: import_module(f"{__name__}.{name}").SOURCE for name in NAMES}
"""Every source by its name."""
