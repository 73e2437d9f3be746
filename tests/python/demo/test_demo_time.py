"""Time: the state at a day depends on the day alone, and it only goes forward."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from demo_instance import RESOURCES, TABLES, Demo

pytestmark = (
    pytest.mark.nightly
)  # the retailer of the demo; what it delivers is compared in every run by the control totals

DAY = "2017-01-09"  # a Monday: a new week of promotions; and household 1452 moves


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo, dict[str, object]]]:
    """Two instances that run at the same time: one jumped to the day, one came to it in steps."""
    jumped, stepped = (Demo(tmp_path_factory.mktemp(name)) for name in ("jumped", "stepped"))
    with ExitStack() as stack:
        for each in (jumped, stepped):
            stack.callback(each.run, "stop")
        jumped.run("start", "--to", DAY)
        stepped.run("start", "--to", "2017-01-06")
        before = {
            "mover": stepped.query("select * from loyalty.households where household_id = 1452"),
            "rows": {name: len(rows) for name, rows in stepped.tables().items()},
            "redemptions": len(stepped.records("coupon_redemptions")),
            "weeks": len(list((stepped.data / "landing/promotions").iterdir())),
        }
        stepped.run("advance", "--to", "2017-01-08")
        stepped.run("advance", "--to", DAY)
        yield jumped, stepped, before


Pair = tuple[Demo, Demo, dict[str, object]]


def test_files_are_the_same_to_the_byte(pair: Pair) -> None:
    jumped, stepped, _ = pair
    assert stepped.files() == jumped.files()
    assert len(jumped.files()) == 2 * 9 + 3


def test_the_database_is_the_same_to_the_row(pair: Pair) -> None:
    jumped, stepped, _ = pair
    assert stepped.tables() == jumped.tables()
    assert all(jumped.tables()[name] for name in TABLES)


def test_the_api_gives_the_same_records(pair: Pair) -> None:
    jumped, stepped, _ = pair
    for resource in RESOURCES:
        assert stepped.records(resource) == jumped.records(resource) != []


def test_the_steps_did_change_something(pair: Pair) -> None:
    """Otherwise the comparison above would prove nothing."""
    _, stepped, before = pair
    after = {name: len(rows) for name, rows in stepped.tables().items()}
    rows = before["rows"]
    assert isinstance(rows, dict)
    assert after["merchandising.products"] > rows["merchandising.products"]
    assert after["loyalty.households"] > rows["loyalty.households"]
    assert len(stepped.records("coupon_redemptions")) > int(str(before["redemptions"]))
    assert (before["weeks"], len(list((stepped.data / "landing/promotions").iterdir()))) == (2, 3)


def test_a_household_that_moves_is_updated_in_place(pair: Pair) -> None:
    _, stepped, before = pair
    mover = before["mover"]
    assert isinstance(mover, list)
    columns = [name for (name,) in stepped.query(
        "select attname::text from pg_attribute where attrelid = 'loyalty.households'::regclass and attnum > 0 order by attnum"
    )]  # fmt: skip
    old = dict(zip(columns, mover[0], strict=True))
    new = dict(
        zip(
            columns,
            stepped.query("select * from loyalty.households where household_id = 1452")[0],
            strict=True,
        )
    )
    assert {name for name in columns if old[name] != new[name]} == {"phone", "postal_code", "updated_at"}
    assert new["updated_at"].date().isoformat() == DAY


def test_two_instances_have_nothing_in_common(pair: Pair) -> None:
    jumped, stepped, _ = pair
    for name, value in jumped.connections.items():
        assert value != stepped.connections[name]
    answer = stepped.get("/v1/campaigns", token=jumped.connections["SOURCES__CAMPAIGNS__TOKEN"])
    assert answer.status == 401


def test_time_only_goes_forward(pair: Pair) -> None:
    jumped, _, _ = pair
    before = jumped.files()
    for verb in ("advance", "start"):
        refused = jumped.run(verb, "--to", "2017-01-08", code=1)
        assert "time only goes forward" in refused.stderr and len(refused.stderr.splitlines()) <= 2
    assert jumped.status()["clock"] == DAY and jumped.files() == before


def test_starting_again_changes_and_writes_nothing(pair: Pair) -> None:
    jumped, _, _ = pair
    landing = jumped.data / "landing"

    def stamps() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in landing.rglob("*")}

    before, state, connections, rows = stamps(), jumped.state, jumped.connections, jumped.tables()
    for arguments in (("start",), ("start", "--to", DAY), ("advance", "--to", DAY)):
        jumped.run(*arguments)
    assert (stamps(), jumped.state, jumped.connections, jumped.tables()) == (before, state, connections, rows)
    assert jumped.status()["clock"] == DAY


def test_status_shows_every_system_with_its_rows(pair: Pair) -> None:
    jumped, _, _ = pair
    status = jumped.status()
    rows = {
        f"{each['name']}.{table}": count
        for each in status["systems"]
        for table, count in each["rows"].items()
    }
    assert {name: rows[name] for name in TABLES} == {
        name: len(found) for name, found in jumped.tables().items()
    }
    assert {name: rows[f"campaigns.{name}"] for name in RESOURCES} == {
        name: len(jumped.records(name)) for name in RESOURCES
    }
    assert rows["pos.transactions"] == 39219 and rows["promotions.placements"] == 1177133
    shown = jumped.run("status").stdout
    assert DAY in shown and "39,219" in shown and jumped.connections["SOURCES__CAMPAIGNS__BASE_URL"] in shown
