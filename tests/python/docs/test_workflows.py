"""The definitions of CI cannot run here: two linters read them, offline. Each finds a fault that is planted."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT

LINTERS = {
    "jactionlint": ["--no-online", "--shellcheck="],
    "zizmor": ["--offline", "--no-progress", "--persona=pedantic", "--min-severity=low"],
}
STEP = "      - name: make lint, make test\n"
FAULTS = [
    ("jactionlint", "workflow-syntax", "timeout-minutes: 20", "timeout-minute: 20"),
    ("jactionlint", "undefined-property", "${{ matrix.python }}", "${{ matrix.pyton }}"),
    ("zizmor", "artipacked", "persist-credentials: false\n          fetch-depth", "fetch-depth"),
    (
        "zizmor",
        "unpinned-uses",
        "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8",
        "actions/checkout@v5",
    ),
    (
        "zizmor",
        "template-injection",
        STEP,
        "      - run: echo ${{ github.event.pull_request.title }}\n" + STEP,
    ),
    ("zizmor", "excessive-permissions", "permissions: {}", "permissions: write-all"),
    ("zizmor", "dangerous-triggers", "  pull_request:\n", "  pull_request_target:\n"),
]


def lint(tool: str, root: Path) -> subprocess.CompletedProcess[str]:
    files = sorted(map(str, (root / ".github/workflows").glob("*.yml")))
    command = [str(Path(sys.executable).with_name(tool)), *LINTERS[tool], *files]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("tool", LINTERS)
def test_no_workflow_has_a_fault(tool: str) -> None:
    found = lint(tool, PROJECT)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(("tool", "rule", "right", "wrong"), FAULTS)
def test_a_planted_fault_is_found(tool: str, rule: str, right: str, wrong: str, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / ".github/workflows", tmp_path / ".github/workflows")
    file = tmp_path / ".github/workflows/pull-request.yml"
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong, 1))
    assert f"[{rule}]" in lint(tool, tmp_path).stdout


def test_what_is_tolerated_is_compared_with_main() -> None:
    """House rules read the list of the main branch, which a shallow checkout does not have: the list could grow."""
    jobs = yaml.safe_load((PROJECT / ".github/workflows/pull-request.yml").read_text())["jobs"]
    assert [job["steps"][0]["with"].get("fetch-depth") for job in jobs.values()] == [0, 0]


def test_every_action_is_pinned_by_its_hash_and_every_stage_is_one_of_ci_run() -> None:
    stages = set(
        re.findall(r"^        ([a-z0-9 |]+)\)", (PROJECT / ".ci/run").read_text(), flags=re.MULTILINE)
    )
    known = {stage for group in stages for stage in group.split(" | ")}
    for file in (PROJECT / ".github/workflows").glob("*.yml"):
        text = file.read_text()
        assert len(re.findall(r"uses: ", text)) == len(
            re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", text)
        ), file
        named = {
            word
            for line in re.findall(r"run: \.ci/run ?([a-z0-9 ]*)$", text, flags=re.MULTILINE)
            for word in line.split()
        }
        matrix = {word.strip() for line in re.findall(r"stage: \[(.*)\]", text) for word in line.split(",")}
        assert named | matrix <= known, file


GOVERNED = [
    "governance/",
    "tests/privacy/",
    "macros/policy/",
    "ingestion/contracts/",
    "larder/agents/",
    "larder/project/",
    "dbt_project.yml",
    "profiles.yml",
    ".dlt/",
    ".ci/",
    ".github/",
    ".pre-commit-config.yaml",
    "dbt-bouncer.yml",
    "pyproject.toml",
    "requirements/",
]


def owners(path: str) -> set[str]:
    """Who has to agree to a change of a file, by the last line that fits."""
    lines = [line.split() for line in (PROJECT / ".github/CODEOWNERS").read_text().splitlines()]
    found = [
        names for pattern, *names in filter(None, lines) if f"/{path}".startswith(pattern) or pattern == "*"
    ]
    return {*found[-1]}


def test_what_governs_is_owned_by_those_who_answer_for_it() -> None:
    """Also what may run queries or is run as a hook: governance/dbt.yml names it."""
    listed = yaml.safe_load((PROJECT / "governance/dbt.yml").read_text())
    hooks = [
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "macros").rglob("*.sql")
        if path.stem in listed["hooks"]
    ]
    assert len(hooks) == len(listed["hooks"])
    for path in (*GOVERNED, *listed["files"], *hooks):
        assert (PROJECT / path).exists(), path
        assert owners(path) & {"@larder/security", "@larder/privacy"}, path
    for path in ("governance/dbt.yml", *listed["files"], *hooks, ".github/CODEOWNERS"):
        assert "@larder/security" in owners(path), path
