"""`larder demo`: hand over to the demo retailer, which is a program of its own."""

import os
import subprocess
import sys

from larder.core.settings import PROJECT, Paths


def run(paths: Paths, arguments: list[str]) -> int:
    """Run `python -m demo <arguments>` on the same data root and return its exit code."""
    env = {**os.environ, "LARDER_DATA": str(paths.data)}
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments], cwd=PROJECT, env=env, check=False
    ).returncode
