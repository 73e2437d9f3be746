"""One instance that was run and exported on two days, built once for all tests that only read it."""

import shutil
from functools import cache
from pathlib import Path

from conftest import Instance

DAYS = ("2017-01-04", "2017-01-05")


@cache
def two_days(session: Path) -> Instance:
    made = Instance(session / "two_days")
    made.data.mkdir()
    made.larder("demo", "start", "--to", DAYS[0])
    bring_up(made)
    made.larder("demo", "advance", "--to", DAYS[1])
    bring_up(made)
    made.larder("demo", "stop")
    return made


def bring_up(instance: Instance) -> None:
    """What `larder run` does, without the docs."""
    for verb in ("ingest", "build", "publish", "export"):
        instance.larder(verb)


def copy_of(instance: Instance, data: Path) -> Instance:
    """What was built, published and exported, in a data root that a test may change."""
    for folder in ("warehouse", "history", "site"):
        shutil.copytree(instance.data / folder, data / folder, symlinks=True)
    return Instance(data)
