"""The groups of the project, each of which owns some of its tables."""

from pathlib import Path

import yaml

FILE = "models/_groups.yml"


def owners(project: Path) -> dict[str, dict[str, str]]:
    """Who owns each group, by the group's name: a `name` and an `email`."""
    declared = yaml.safe_load((project / FILE).read_text())["groups"]
    return {group["name"]: group["owner"] for group in declared}
