"""The daily run without a person: units of systemd and the line for cron say what the command, the calendar and Dagster say."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml
from conftest import PROJECT

from larder.cli.main import app

UNITS = PROJECT / "orchestration/systemd"
PAGE = PROJECT / "docs/automation.md"
ROOT = "/srv/larder"
TIMES = re.compile(r"^OnCalendar=\*-\*-\* (\d\d):(\d\d):00 (\S+)$", re.MULTILINE)


def verify(root: Path, right: str = "", wrong: str = "") -> subprocess.CompletedProcess[str]:
    """What systemd says of the units, in a folder where all programs are that they start."""
    if not shutil.which("systemd-analyze"):
        missing = "NOT TESTED: the units need systemd-analyze (Debian: apt-get install systemd)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    for program in (".venv/bin/larder", ".venv-dagster/bin/python"):
        (root / program).parent.mkdir(parents=True)
        (root / program).touch(mode=0o755)
    for unit in UNITS.iterdir():
        (root / unit.name).write_text(unit.read_text().replace(ROOT, str(root)).replace(right, wrong))
    units = [str(root / unit.name) for unit in UNITS.iterdir()]
    return subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    found = verify(tmp_path)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(("right", "wrong"), [("oneshot", "onecat"), ("05:30:00", "25:30:00")])
def test_systemd_tells_of_a_planted_fault(right: str, wrong: str, tmp_path: Path) -> None:
    assert wrong in verify(tmp_path, right, wrong).stderr


def test_what_units_and_cron_start_is_a_command() -> None:
    verbs = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    shown = [PAGE.read_text(), *(unit.read_text() for unit in UNITS.iterdir())]
    started = {verb for text in shown for verb in re.findall(r"\.venv/bin/larder (\w+)", text)}
    assert {"run", "watch"} <= started <= verbs


def test_all_schedules_name_the_same_time_on_the_stores_clock() -> None:
    found = TIMES.search((UNITS / "larder-run.timer").read_text())
    assert found
    hour, minute, zone = found.groups()
    assert zone == yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]["store_time_zone"]
    cron = f"{int(minute)} {int(hour)} * * *"
    code = ast.parse((PROJECT / "orchestration/definitions.py").read_text())
    assert cron in [node.value for node in ast.walk(code) if isinstance(node, ast.Constant)]
    assert f"\n{cron} " in PAGE.read_text()
