"""What the restricted zone knows of people is nowhere else: looked for in everything that was written, decoded."""

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, Instance

TOKENS = re.compile(r"[\w.+@'-]{7,}")
"""Words that may be an e-mail, a phone or a number of a household."""

SYSTEMS = {"demo", "landing", "restricted"}
"""The folders that know people: the source systems, and the restricted zone."""


def known(instance: Instance) -> set[str]:
    """Every e-mail, phone and birth date of the restricted zone."""
    files = [str(path) for path in instance.data.glob("restricted/*/*/*.parquet")]
    with duckdb.connect() as connection:
        found = connection.execute(
            "select distinct unnest([email, phone, birth_date::varchar]) from read_parquet(?)", [files]
        ).fetchall()
    return {value for (value,) in found if value}


def texts(path: Path) -> Iterator[str]:
    """What is in a file, as text: every cell of a table of whatever format."""
    with duckdb.connect() as connection:
        if path.suffix == ".parquet":
            yield from (
                row
                for (row,) in connection.execute(f"select cast(t as varchar) from '{path}' as t").fetchall()
            )
        elif path.suffix == ".duckdb":
            connection.execute(f"attach '{path}' as found (read_only)")
            for schema, table in connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'found'"
            ).fetchall():
                rows = connection.execute(f'select cast(t as varchar) from found."{schema}"."{table}" as t')
                while batch := rows.fetchmany(10_000):
                    yield "\n".join(row for (row,) in batch)
        elif path.suffix == ".gz":
            yield gzip.decompress(path.read_bytes()).decode("latin-1")
        else:
            yield path.read_bytes().decode("latin-1")


def found(instance: Instance, canaries: set[str]) -> dict[str, set[str]]:
    """The canaries in each file that has some, but for the folders that may."""
    files = (path for path in instance.data.rglob("*") if path.is_file() and not path.is_symlink())
    there = {
        str(place): {word for text in texts(path) for word in TOKENS.findall(text)} & canaries
        for path in files
        if (place := path.relative_to(instance.data)).parts[0] not in SYSTEMS
    }
    return {place: seen for place, seen in there.items() if seen}


@pytest.mark.nightly
def test_what_is_known_of_people_is_in_the_restricted_zone_alone(published: Instance) -> None:
    canaries = known(published)
    assert len(canaries) > 1000
    assert found(published, canaries) == {}


def test_the_search_finds_a_canary_in_each_kind_of_file(tmp_path: Path) -> None:
    instance, mail = Instance(tmp_path), "jane.doe@example.com"
    (tmp_path / "a.json").write_text(f'["{mail}"]')
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(f"x,{mail}\n".encode()))
    with duckdb.connect(str(tmp_path / "c.duckdb")) as connection:
        connection.execute(f"create table t as select ['{mail}'] as x from range(20000)")
        connection.execute(f"copy t to '{tmp_path}/d.parquet'")
    assert found(instance, {mail}).keys() == {"a.json", "b.csv.gz", "c.duckdb", "d.parquet"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_reads_what_is_published_and_nothing_else(published: Instance) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        data = Path(folder) / "data"
        shutil.copytree(
            published.data, data, symlinks=True, copy_function=os.link, ignore=lambda *_: {"demo"}
        )
        command = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "sh",
            "-c",
            f"cat {data}/*/* {data}/*",
        ]
        assert subprocess.run(command, capture_output=True, cwd="/").stdout == b""
        everything = [path for path in data.rglob("*") if path.is_file() and not path.is_symlink()]
        command[-1] = 'while read -r path; do test -r "$path" && echo "$path"; done'
        listed = "\n".join(map(str, everything)) + "\n"
        readable = subprocess.run(
            command, input=listed, capture_output=True, text=True, cwd="/"
        ).stdout.split("\n")
        assert len(readable) > 100
        assert {Path(path).relative_to(data).parts[0] for path in readable if path} == {"site"}


def test_pages_name_no_household_but_those_of_examples(published: Instance) -> None:
    """Everybody may read the site: in it are texts of the project, and values of what is no person's."""
    own = {
        str(number)
        for column in ("household_id", "basket_id")
        for (number,) in published.query(f"select distinct {column} from marts.fct_baskets")
    }
    examples = "".join(path.read_text() for path in (PROJECT / "models").rglob("*.yml"))
    pages = [path for path in (published.data / "site").rglob("*") if path.is_file()]
    named = {n for path in pages for n in re.findall(r"\d{8,}", path.read_text(errors="ignore")) if n in own}
    assert len(pages) > 100 and len(own) > 1000
    assert {number for number in named if number not in examples} == set()
