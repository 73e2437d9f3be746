"""What macros say of themselves: the comment above each, which dbt leaves out of its manifest."""

import re
from pathlib import Path

from larder.project.manifest import Artifact

MACRO = re.compile(r"\{#((?:(?!#\}).)*)#\}\s*\{%-?\s*(?:macro|test)\s+(\w+)", re.DOTALL)
"""A comment, and the name of the macro or generic test below it."""


def of_macros(manifest: Artifact, project: Path) -> dict[str, str]:
    """The comment of each macro of the project by its id; none where its file is gone, or another by now."""
    own = manifest["metadata"]["project_name"]
    macros = {name: node for name, node in manifest["macros"].items() if node["package_name"] == own}
    files = {project / node["original_file_path"] for node in macros.values()}
    comments = {
        (file, name): " ".join(text.split())
        for file in files
        if file.is_file()
        for text, name in MACRO.findall(file.read_text())
    }
    found = {
        name: comments.get((project / node["original_file_path"], node["name"].removeprefix("test_")))
        for name, node in macros.items()
    }
    return {name: comment for name, comment in found.items() if comment}
