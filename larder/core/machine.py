"""What this machine, or the container that Larder runs in, allows: memory, processors, disk."""

import math
import os
import shutil
import sys
from pathlib import Path

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")
SHARE_OF_MEMORY = 0.6
"""Share of a small machine's memory that DuckDB may take: the rest is for dbt, the demo's servers and the system."""
ENOUGH_MEMORY = 4 * GIB
"""What the real year needs; more data may want more, by LARDER_MEMORY_LIMIT."""
SHARE_OF_DISK = 0.5
"""Share of the free disk that DuckDB may fill with temporary files."""


def memory() -> int:
    """Bytes that may be used here: the machine's, or the container's limit where that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _first_word(CGROUP / "memory.max")
    return min(total, int(limit)) if limit.isdigit() else total


def user() -> str:
    """Who is at work: a container may know a number only."""
    return os.environ.get("USER") or str(os.getuid())


def processors() -> int:
    """Processors that may be used here, at least one."""
    # macOS cannot bind a process to some of its processors
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota = _words(CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0].isdigit():
        usable = min(usable, int(quota[0]) // int(quota[1]))
    return max(usable, 1)


def duckdb_limits(folder: Path) -> dict[str, str]:
    """The environment that profiles.yml reads; what the user has set stays as it is.

    What may be spilled goes in powers of two: the free disk is another one each time, and dbt parses the whole project again
    when its profile reads otherwise.
    """
    spilled = max(shutil.disk_usage(folder).free * SHARE_OF_DISK / GIB, 0.5)
    limits = {
        "LARDER_MEMORY_LIMIT": f"{min(memory() * SHARE_OF_MEMORY, ENOUGH_MEMORY) / GIB:.1f}GiB",
        "LARDER_THREADS": str(processors()),
        "LARDER_TEMP_LIMIT": f"{2.0 ** math.floor(math.log2(spilled)):g}GiB",
    }
    return {name: os.environ.get(name, value) for name, value in limits.items()}


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _first_word(file: Path) -> str:
    return next(iter(_words(file)), "")
