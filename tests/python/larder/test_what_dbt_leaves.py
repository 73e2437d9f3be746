"""What a dbt command leaves on the disk after it has met a person's data: nothing of them."""

from pathlib import Path

import duckdb

from larder.core.settings import Paths
from larder.project import dbt

PROJECT = """
name: people
version: "1.0"
profile: people
model-paths: [models]
"""
PROFILE = """
people:
  target: dev
  outputs:
    dev: {type: duckdb, path: "DATA/warehouse/dev/people.duckdb", threads: 1}
"""
MODELS = {
    "as_number.sql": "select cast(first_name as integer) as n from read_csv('DATA/lake/raw/people.csv', all_varchar = true)",
    "as_day.sql": "select cast(email as date) as n from read_csv('DATA/lake/raw/people.csv', all_varchar = true)",
    "as_error.sql": "select error('no home for ' || phone) as n from read_csv('DATA/lake/raw/people.csv', all_varchar = true)",
}


def project(folder: Path) -> Paths:
    """A project of models that fail on what a file in the lake says of people."""
    paths = Paths(folder.parent / "data", folder)
    for each in (folder / "models", paths.lake / "raw", paths.warehouse / "dev"):
        each.mkdir(parents=True)
    for name, text in {"dbt_project.yml": PROJECT, "profiles.yml": PROFILE}.items():
        (folder / name).write_text(text.replace("DATA", str(paths.data)))
    for name, text in MODELS.items():
        (folder / "models" / name).write_text(
            f"{{{{ config(materialized='table') }}}}\n{text}".replace("DATA", str(paths.data))
        )
    people = (
        "select 'Jane-Canary' as first_name, 'jane.canary@example.com' as email, '(415) 555-0102' as phone"
    )
    duckdb.sql(f"copy ({people}) to '{paths.lake / 'raw/people.csv'}'")
    return paths


def test_no_artifact_or_log_holds_a_value_that_failed_to_cast(tmp_path: Path) -> None:
    paths = project(tmp_path / "project")
    outcome = dbt.run(paths, "dev", ["build"], print)
    assert {node.name: node.status for node in outcome.broken} == dict.fromkeys(
        ("as_number", "as_day", "as_error"), "error"
    )
    said = " ".join([*outcome.errors, *(node.message for node in outcome.nodes)])
    assert "Could not convert string '***' to INT32" in said and "no home for ***" in said
    written = [file for file in (paths.project / "target").rglob("*") if file.is_file()]
    assert {"run_results.json", "manifest.json", "dbt.log"} <= {file.name for file in written}
    values = (b"Jane-Canary", b"jane.canary", b"555-0102")
    assert [str(file) for file in written if any(value in file.read_bytes() for value in values)] == []
    assert "as_number" in (paths.dbt / "logs/dbt.log").read_text()


def test_a_project_that_has_moved_builds_its_seeds(tmp_path: Path) -> None:
    """dbt keeps a parse of the project, which names the folder of each seed."""
    paths = project(tmp_path / "project")
    (paths.project / "seeds").mkdir()
    (paths.project / "seeds/stores.csv").write_text("store_id\n1\n")
    assert not dbt.run(paths, "dev", ["seed"], print).broken
    moved = Paths(paths.data, paths.project.rename(tmp_path / "moved"))
    assert not dbt.run(moved, "dev", ["seed"], print).broken
