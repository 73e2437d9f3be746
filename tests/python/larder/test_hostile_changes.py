"""Changes that would read, write or call what is not theirs. Each is refused before dbt runs; where the rules are taken away, DuckDB's
statements are still looked at, and where those pass, the system holds dbt: no attack reads a canary, writes outside, or calls anybody.
"""

import json
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from conftest import PROJECT

from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, rules, sandbox, statements
from larder.project import manifest as project_manifest

CANARY = "canary-5f1d"
ATTACKS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("hostile_changes.toml").read_text())[
    "attack"
]
SMALL = {
    "models/good.sql": "select n from {{ ref('numbers') }}",
    "models/good.yml": "models: [{name: good, columns: [{name: n}]}]",
    "models/lake.yml": """
sources: [{name: lake, schema: raw, tables: [{name: deliveries, columns: [{name: source, data_type: varchar}]}]}]
""",
    "seeds/numbers.csv": "n\n1\n",
    "macros/own.sql": "{% macro own() %}1{% endmacro %}",
}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, socket.socket]]:
    """A secret file, a secret in the environment, and a server that counts who comes."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary.csv").write_text(f"secret\n{CANARY}\n")
    (folder / "dbt_project.yml").write_text("name: other\n")
    (folder / "leaked.sql").write_text("select 1 as n")
    monkeypatch.setenv("LARDER_CANARY", CANARY)
    monkeypatch.setenv("DBT_ENV_SECRET_CANARY", CANARY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield folder, server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one model, with the settings and rules of the retailer's."""
    root = tmp_path / "project"
    listed = yaml.safe_load((PROJECT / rules.RULES).read_text())["files"]
    for name in (rules.RULES, *listed):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, root / name)
    shutil.copytree(PROJECT / "macros", root / "macros", dirs_exist_ok=True)
    for name, text in SMALL.items():
        write(root / name, text)
    return root


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def plant(project: Path, attack: dict[str, Any], outside: Path, port: int) -> None:
    """Files to write, `added` texts to append, `links` to make; OUTSIDE and PORT stand for where the attack goes."""

    def there(text: str) -> str:
        return text.replace("OUTSIDE", str(outside)).replace("PORT", str(port))

    for name, text in attack.get("files", {}).items():
        write(project / name, there(text))
    for name, text in attack.get("added", {}).items():
        write(project / name, (project / name).read_text() + there(text))
    for name, target in attack.get("links", {}).items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to(there(target))


def build(project: Path, data: Path) -> None:
    """What `larder dev` does of it: the files are judged, then what dbt has parsed, then each statement. Python is not asked to be kind."""
    paths = Paths(data, project)
    candidate = data / "warehouse/candidate/larder.duckdb"
    with dbt.session(paths, "candidate", LARDER_CANDIDATE=str(candidate)) as command:
        parsed = command(["parse"], print)
        rules.require_nodes(project, project_manifest.read(parsed.artifacts))
        outcome = command(["build"], print)
    assert not outcome.broken, [node.message for node in outcome.broken]


def leaks(tmp_path: Path, outside: Path) -> list[str]:
    """Where the canary is found, or what was written outside."""
    known = {"canary.csv", "dbt_project.yml", "leaked.sql"}
    found = [str(path) for path in outside.iterdir() if path.name not in known]
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_relative_to(outside) and CANARY.encode() in path.read_bytes():
            found.append(str(path))
        if path.suffix == ".duckdb" and path.is_file():
            with duckdb.connect(str(path), read_only=True) as connection:
                for schema, table in connection.execute(
                    "select schema_name, table_name from duckdb_tables()"
                ).fetchall():
                    rows = connection.execute(f'from "{schema}"."{table}"').fetchall()
                    found += [f"{schema}.{table}"] if CANARY in str(rows) else []
    return found


def assert_nothing_happened(tmp_path: Path, outside: Path, server: socket.socket) -> None:
    assert leaks(tmp_path, outside) == []
    with pytest.raises(TimeoutError):
        server.accept()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["name"])
def test_it_is_refused_before_dbt_reads_it(
    attack: dict[str, Any], project: Path, outside: tuple[Path, socket.socket]
) -> None:
    rules.require_files(project)
    plant(project, attack, outside[0], outside[1].getsockname()[1])
    if attack.get("by") in {"nodes", "statements"}:
        return  # seen only by what dbt makes of it
    with pytest.raises(LarderError, match="refused before dbt runs") as refused:
        rules.require_files(project)
    assert attack["says"] in str(refused.value)


def test_it_is_refused_when_it_would_run(
    project: Path, tmp_path: Path, outside: tuple[Path, socket.socket]
) -> None:
    """One of those that only dbt's own SQL shows, beside a model and a seed that are built. The others run by night."""
    attack = next(one for one in ATTACKS if one["name"] == "a unit test over a file")
    plant(project, attack, outside[0], outside[1].getsockname()[1])
    with pytest.raises(AssertionError, match=r"refused: read_csv"):
        build(project, tmp_path / "data")
    assert_nothing_happened(tmp_path, *outside)


@pytest.mark.nightly
@pytest.mark.parametrize("has_rules", [True, False])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["name"])
def test_nothing_is_read_written_or_called(
    attack: dict[str, Any],
    has_rules: bool,
    project: Path,
    tmp_path: Path,
    outside: tuple[Path, socket.socket],
) -> None:
    """With the rules, and with a list of them that the change has removed."""
    plant(project, attack, outside[0], outside[1].getsockname()[1])
    if not has_rules:
        (project / rules.RULES).unlink()
    try:
        build(project, tmp_path / "data")
        assert not has_rules, "built"
    except (LarderError, AssertionError) as error:
        assert "refused" in str(error) or not has_rules
    assert_nothing_happened(tmp_path, *outside)


PROBE = """
import json, os, socket, subprocess, sys
outside, port, data = sys.argv[1:]
def tried(what):
    try: return str(what())
    except (OSError, RuntimeError) as error: return type(error).__name__
print(json.dumps({
    "read": tried(lambda: open(f"{outside}/canary.csv").read()),
    "list": tried(lambda: os.listdir(outside)),
    "write": tried(lambda: open(f"{outside}/new", "w")),
    "own": tried(lambda: open(f"{data}/new", "w").write("x")),
    "link": tried(lambda: os.symlink("/etc/passwd", f"{data}/link")),
    "hard link": tried(lambda: os.link(f"{outside}/canary.csv", f"{data}/link")),
    "run": tried(lambda: subprocess.run([f"{data}/program"])),
    "call": tried(lambda: socket.create_connection(("127.0.0.1", int(port)))),
    "listen": tried(lambda: socket.create_server(("127.0.0.1", 0))),
    "parent": tried(lambda: open(f"/proc/{os.getppid()}/environ").read()),
    "passwords": tried(lambda: open("/etc/passwd").read()),
    "kill": tried(lambda: os.kill(os.getppid(), 0)),
}))
"""


def test_the_system_holds_a_process(tmp_path: Path, outside: tuple[Path, socket.socket]) -> None:
    """Whatever a program tries that has got past the rules. In CI this fails where the system has no Landlock."""
    folder, server = outside
    data = tmp_path / "data"
    data.mkdir()
    (data / "program").write_text("#!/bin/sh\necho ran\n")
    (data / "program").chmod(0o755)
    with sandbox.confined([], [data]) as enter:
        command = [sys.executable, "-I", "-c", PROBE, str(folder), str(server.getsockname()[1]), str(data)]
        done = subprocess.run(command, preexec_fn=enter, capture_output=True, text=True, env={})
    found = json.loads(done.stdout)
    assert found.pop("own") == "1"
    assert found.pop("hard link") in {"OSError", "PermissionError"}
    assert set(found.values()) == {"PermissionError"}, found


REFUSED = """
from 'x.csv' | delete from t using 'x.csv' as s where true | from (select 1) a, 'x.csv' | from "x.csv" | from main."x.csv" | from a join b on (x), 'c.csv' | from f(a, b), "x.csv" | from x.csv | from "x"."csv" | summarize 'x.csv'
table 'x.csv' | from e'x.\\x63sv' | from $$x.csv$$ | select (from 'x.csv') | select 'x'.read_text() | from query('from x')
create table x as select * from "read_csv"('a') | from main.READ_TEXT /* c */ ('x') | from read_parquet(['/lake/raw/a', '/etc/x'])
from read_parquet('/lake/raw/../x') | from read_csv('/lake/raw/' || 'x') | from glob(x) | copy x to 'y' | copy (select 1) to 'y'
copy x from '/etc/passwd' | attach 'x' | import database 'x' | export database 'x' | /* a */ pragma version | select 1; set x = 1
create secret (type s3) | create or replace macro f() as 1 | call f() | load x | install x | prepare p as select 1 | execute p | use x
detach x | select current_setting('home_directory') | from duckdb_settings() | from sqlite_scan('x', 'y') | from http_get('x')
"""
PASSING = """
select 'from ''a.csv''' as x, t.json from t; drop table x
create or replace view raw.x as select a from read_parquet(['/lake/raw/a', '/lake/raw/b.parquet'], union_by_name = true)
copy "a"."b" from '/p/seeds/x.csv' (format csv) | comment on table x is 'read_text(''x'')' | -- ü read_text('x')
select é, ü from (select 1 as é, 2 as ü) join t using (é, ü) | select year(d) from range(3) t(d) | begin | select f(a, 'x.csv'), 'y.csv' from t where a is distinct from 'x' and b in ('z', 'x.csv')
"""


def listed(text: str) -> list[str]:
    return [one.strip() for one in text.replace("\n", " | ").split(" | ") if one.strip()]


@pytest.mark.parametrize("sql", listed(REFUSED))
def test_a_statement_is_refused(sql: str) -> None:
    assert statements.fault(sql, ["/lake/raw/"], "/p/seeds/")


@pytest.mark.parametrize("sql", listed(PASSING))
def test_a_statement_passes(sql: str) -> None:
    assert statements.fault(sql, ["/lake/raw/"], "/p/seeds/") == ""
