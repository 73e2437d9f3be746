"""Readers as real processes, next to a writer that publishes and rolls back: they wait for nobody and see one generation."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PROJECT, Instance

from larder.warehouse.store import Manifest, Store

READERS, IN_A_SHELL = 20, 2
BUILDS, ROLLBACK_AFTER = 10, 5
ROWS = 2_000
PATIENCE = 90
"""Seconds until a test gives up on a reader that does not answer."""

DUCKDB = Path(sys.executable).with_name("duckdb")

QUERY = """
select generation from marker;
select count(*), min(generation), max(generation) from lines;
select count(*), min(generation), max(generation) from lines inner join products using (id, generation);
select min(generation), max(generation) from totals
"""
"""Three tables and a view, in four transactions of one connection."""


@dataclass(frozen=True)
class Reader:
    """One process, and the file that its answers go to."""

    process: subprocess.Popen[str]
    answers: Path

    def read(self) -> list[list[Any]]:
        text = self.answers.read_text() if self.answers.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def size(self) -> int:
        return self.answers.stat().st_size if self.answers.exists() else 0

    def end(self) -> None:
        """Let it finish by itself; an error in it is shown here."""
        self.answers.with_suffix(".stop").touch()
        _, err = self.process.communicate(timeout=PATIENCE)
        assert (self.process.returncode, err) == (0, "")


def start(room: Path, name: str, file: Path, mode: str, query: str) -> Reader:
    answers = room / f"{name}.jsonl"
    command = [
        sys.executable,
        str(Path(__file__).with_name("reader.py")),
        str(file),
        str(answers),
        mode,
        query,
    ]
    return Reader(subprocess.Popen(command, stderr=subprocess.PIPE, text=True), answers)


def start_in_a_shell(room: Path, name: str, file: Path) -> Reader:
    """A loop around DuckDB's own command line; one process an answer."""
    answers = room / f"{name}.jsonl"
    row = "select [(select any_value(generation) from marker), count(*), min(generation), max(generation)] from lines"
    loop = (
        f"set -e; while [ ! -e {answers.with_suffix('.stop')} ]; do"
        f' {DUCKDB} -readonly -batch -list -noheader {file} "{row}" >> {answers}; done'
    )
    return Reader(subprocess.Popen(["bash", "-c", loop], stderr=subprocess.PIPE, text=True), answers)


@contextmanager
def ended(readers: list[Reader]) -> Iterator[None]:
    """No reader outlives its test, also when it fails."""
    try:
        yield
    finally:
        for reader in readers:
            if reader.process.poll() is None:
                reader.process.kill()
                reader.process.wait()


def every_reader_answers(readers: list[Reader]) -> None:
    """Return when each has given one more answer, or has ended."""
    deadline = time.monotonic() + PATIENCE
    before = {reader.answers: reader.size for reader in readers}
    while any(r.size == before[r.answers] and r.process.poll() is None for r in readers):
        assert time.monotonic() < deadline, "a reader waits for something"
        time.sleep(0.01)


def somebody_sees(number: int, readers: list[Reader]) -> None:
    """Return when a reader's last answer is of this generation, or when one has ended."""
    deadline = time.monotonic() + PATIENCE
    while all(r.read()[-1][0] != number and r.process.poll() is None for r in readers):
        assert time.monotonic() < deadline, f"nobody sees generation {number}"
        time.sleep(0.05)


def build(store: Store, number: int) -> Manifest:
    """A generation whose tables are replaced one by one, as dbt does, and that all carry its number."""
    manifest = store.begin(fresh=False)
    with duckdb.connect(str(store.address(manifest))) as connection:
        for table, rows in {"lines": ROWS, "products": ROWS, "marker": 1}.items():
            connection.execute(f"drop table if exists {table}")
            connection.execute(
                f"create table {table} as select {number} as generation, range as id from range({rows})"
            )
        connection.execute(
            "create or replace view totals as select generation, count(*) as n from lines group by generation"
        )
    store.audited(manifest)
    return manifest


def is_seen_in_order(seen: list[Any], published: list[Any]) -> bool:
    """Whether a reader saw some of what was published, in its order; the same twice in a row counts once."""
    remaining = iter(published)
    return all(any(one == other for other in remaining) for one, _ in groupby(seen))


def test_the_order_check_itself() -> None:
    assert is_seen_in_order([1, 1, 2, 4, 2], [1, 2, 3, 4, 2, 5])
    assert not is_seen_in_order([2, 1], [1, 2, 3])


@pytest.mark.parametrize("readers", [6, pytest.param(READERS, marks=pytest.mark.nightly)])
def test_readers_while_ten_builds_publish_and_one_rolls_back(tmp_path: Path, readers: int) -> None:
    store = Store(tmp_path / "warehouse")
    first = build(store, 0)
    store.publish(first)
    file, published = store.reader_address(), [0]
    many = [start(tmp_path, f"reader_{n}", file, "again", QUERY) for n in range(readers - IN_A_SHELL)]
    many += [start_in_a_shell(tmp_path, f"shell_{n}", file) for n in range(IN_A_SHELL)]
    stays = start(tmp_path, "stays", file, "stays", QUERY)
    with ended([*many, stays]):
        every_reader_answers([*many, stays])
        for number in range(1, BUILDS + 1):
            store.publish(build(store, number))
            published.append(number)
            somebody_sees(number, many)
            if number == ROLLBACK_AFTER:
                store.rollback(None)
                published.append(number - 1)
                somebody_sees(number - 1, many)
        every_reader_answers(many)
        assert store.address(first).exists(), "a generation went that somebody has open"
        for reader in [*many, stays]:
            reader.end()

    for reader in many:
        answers = [[value for value in answer if value != ROWS] for answer in reader.read()]
        assert all(len(set(answer)) == 1 for answer in answers), f"two generations in one answer: {answers}"
        assert is_seen_in_order([answer[0] for answer in answers], published), answers
    assert {answer[0] for reader in many for answer in reader.read()} == set(published)
    assert {answer[0] for answer in stays.read()} == {0}
    assert len(stays.read()) > BUILDS

    store.publish(build(store, BUILDS + 1))
    assert not store.address(first).exists(), "nobody has it open any more"


def test_a_process_goes_on_by_opening_the_file_again(tmp_path: Path) -> None:
    """Also while another connection of the same process keeps its own generation."""
    store = Store(tmp_path)
    marker = "select any_value(generation) from marker"
    store.publish(build(store, 1))
    with duckdb.connect(str(store.reader_address()), read_only=True) as first:
        store.publish(build(store, 2))
        with duckdb.connect(str(store.reader_address()), read_only=True) as second:
            assert first.execute(marker).fetchone() == (1,)
            assert second.execute(marker).fetchone() == (2,)


MARTS = """
select count(*), max(business_date), sum(sales_usd + gift_card_usd) from marts.fct_basket_lines;
select sum(lines)::bigint, max(business_date), sum(sales_usd + gift_card_usd) from marts.fct_baskets;
select count(*), max(business_date), sum(sales_usd + gift_card_usd)
from marts.fct_basket_lines inner join marts.dim_products using (product_id)
"""
DAYS = ["2017-01-03", "2017-01-04", "2017-01-05"]


@pytest.mark.nightly
@pytest.mark.parametrize("how", [["build"], ["build", "--all"]], ids=["build", "build --all"])
def test_readers_of_the_real_marts_while_days_are_published(
    instance: Instance, tmp_path: Path, how: list[str]
) -> None:
    """By the commands that a user types: each answer is one whole day's state of the marts, to the cent."""
    instance.larder("demo", "start", "--to", DAYS[0])
    instance.larder("run")
    many = [start(tmp_path, f"reader_{n}", instance.warehouse, "again", MARTS) for n in range(4)]
    stays = start(tmp_path, "stays", instance.warehouse, "stays", MARTS)
    with ended([*many, stays]):
        every_reader_answers([*many, stays])
        for day in DAYS[1:]:
            instance.larder("demo", "advance", "--to", day)
            instance.larder("ingest")
            instance.larder(*how)
            instance.larder("publish")
            every_reader_answers(many)
        instance.larder("rollback")
        every_reader_answers(many)
        for reader in [*many, stays]:
            reader.end()
    states = [day_state(day) for day in [*DAYS, DAYS[1]]]
    for reader in many:
        answers = reader.read()
        assert all(answer[:3] == answer[3:6] == answer[6:] for answer in answers)
        assert is_seen_in_order([answer[:3] for answer in answers], states)
        assert answers[-1][:3] == states[-1]
    assert all(answer[:3] == states[0] for answer in stays.read())


def day_state(day: str) -> list[Any]:
    """Lines, last day and sales up to a day, from the committed control totals of the source."""
    totals = PROJECT / "seeds/control_totals_daily.csv"
    found = duckdb.execute(
        f"select sum(lines)::bigint, max(business_date)::varchar, sum(sales_usd)::decimal(18, 2)::varchar"
        f" from '{totals}' where business_date <= '{day}'"
    ).fetchone()
    return list(found or ())
