"""The exposures of the pages in reports/: what a page reads is what its SQL and its metrics say."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from larder.project.groups import owners
from larder.site.reports import data, write
from larder.site.reports.page import Report

FOLDER = Path("models/semantic")
PREFIX = "report_"


def files(project: Path) -> dict[Path, str]:
    """The properties file of each page that reads a table of the project. Raises LarderError for a page that cannot be read."""
    reports, wrong = write.read(project)
    if wrong:
        raise next(iter(wrong.values()))
    if not reports:
        return {}
    groups, policy = owners(project), audiences(project)
    for one in reports:
        require_granted(one, policy)
    found = {project / FOLDER / f"{PREFIX}{one.name}.yml": _exposure(one, groups) for one in reports}
    return {path: text for path, text in found.items() if text}


def left_over(project: Path, known: dict[Path, str]) -> list[str]:
    """Files of pages that are gone, and what their authors have still to say."""
    gone = [
        f"{path.relative_to(project)}: there is no such page in reports/; remove the file"
        for path in sorted((project / FOLDER).glob(f"{PREFIX}*.yml"))
        if path not in known
    ]
    return gone + [
        f"{page.relative_to(project)}, line {number}: write what is marked TODO"
        for page in sorted((project / "reports").rglob("*.md"))
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if "TODO:" in line
    ]


def audiences(project: Path) -> dict[str, dict[str, Any]]:
    """What the policy says of each audience."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((project / "governance/audiences.yml").read_text())[
        "audiences"
    ]
    return found


def require_granted(report: Report, policy: Mapping[str, dict[str, Any]]) -> None:
    """Raise LarderError for a page that reads a table which its audience is not given."""
    if report.audience not in policy:
        raise report.wrong(1, f"there is no audience {report.audience}", f"There are {', '.join(policy)}.")
    given = policy[report.audience].get("tables")
    for query, tables in data.tables(report).items():
        for schema, _, name in (table.partition(".") for table in sorted(tables)):
            if schema in data.MARTS and given is not None and name not in given:
                reason = f"the query {query} reads {name}, which the audience {report.audience} is not given"
                raise report.wrong(report.queries[query][0], reason, "See governance/audiences.yml.")


def _exposure(report: Report, groups: dict[str, dict[str, str]]) -> str:
    reads = [*_reads(report)]
    if report.owner not in groups:
        raise report.wrong(
            1,
            f"the owner {report.owner} is none of the groups",
            f"Name one of models/_groups.yml: {', '.join(groups)}.",
        )
    if not reads:
        return ""
    about = textwrap.fill(
        " ".join(report.about.split()), 118, initial_indent=" " * 6, subsequent_indent=" " * 6
    )
    owner = groups[report.owner]
    return "\n".join(
        [
            f"# Written by `larder yaml` from reports/{report.file.name}.",
            "exposures:",
            f"  - name: {PREFIX}{report.name}",
            f"    label: {json.dumps(report.title, ensure_ascii=False)}",
            "    type: dashboard",
            "    maturity: high",
            f"    url: https://larder.example.com/{report.address}",
            "    description: >-",
            about,
            "    owner:",
            f"      name: {owner['name']}",
            f"      email: {owner['email']}",
            "    depends_on:",
            *(f"      - {one}" for one in reads),
            "",
        ]
    )


def _reads(report: Report) -> Iterator[str]:
    tables = sorted({table for found in data.tables(report).values() for table in found})
    yield from (
        f"ref('{name}')"
        for schema, _, name in (table.partition(".") for table in tables)
        if schema in data.MARTS
    )
    metrics = {
        card["metric"]
        for block in report.blocks
        if block.kind == "figures"
        for card in block.said
        if card.get("metric")
    }
    yield from (f"metric('{name}')" for name in sorted(metrics))
