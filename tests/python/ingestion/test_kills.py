"""kill -9 at the calls of the system by which a load comes into the lake: strace needs no help from the code.

Whatever the call, the next run brings what an undisturbed load brings, with dlt's working directory kept, and lost.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import SOURCE_ROWS, Case, cases
from conftest import Instance
from kill import (
    CONTENTS,
    KILLED,
    MOVES,
    Victims,
    killing,
    needs_strace,
    points,
    traced,
    tracing,
    victims,
)


@pytest.fixture(scope="module")
def case(retailer: Instance, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    return cases(retailer, tmp_path_factory)


def sweep(case: Case, server: Victims, room: Path, names: str, about: str, chosen: slice) -> None:
    """Kill a load at the chosen ones of its calls that are about a part of the data root."""
    whole = case.room(room / "whole")
    found = server.calls(f"ingest-{case.source}", whole, names, str(whole / about))
    case.check(whole)
    assert found[chosen]
    for number, point in enumerate(found[chosen]):
        for what in ("kept", "lost"):
            data = case.room(room / f"{number}-{what}")
            server.kill(f"ingest-{case.source}", data, point)
            if what == "lost":
                shutil.rmtree(data / "dlt", ignore_errors=True)
            try:
                case.check(data)
            except AssertionError as error:
                error.add_note(f"killed at {point} of {found}, working directory {what}")
                raise
            shutil.rmtree(data)


@needs_strace
@pytest.mark.parametrize("source", ["pos"])
def test_a_kill_within_a_load(case: Callable[[str], Case], tmp_path: Path, source: str) -> None:
    """A sample, counted back from the completion, where dlt once could not go on; the rest comes at night."""
    with victims(**case(source).env) as server:
        sweep(case(source), server, tmp_path, MOVES, "", slice(-3, None, -45))


@needs_strace
@pytest.mark.nightly
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_kill_at_every_move_of_a_load(case: Callable[[str], Case], tmp_path: Path, source: str) -> None:
    with victims(**case(source).env) as server:
        sweep(case(source), server, tmp_path, MOVES, "", slice(None))


@needs_strace
@pytest.mark.nightly
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_kill_at_every_write_to_the_lake(case: Callable[[str], Case], tmp_path: Path, source: str) -> None:
    with victims(**case(source).env) as server:
        sweep(case(source), server, tmp_path, CONTENTS, "lake", slice(None))


# The command


def sweep_command(case: Case, room: Path, chosen: slice) -> None:
    """Kill `larder ingest` at the chosen ones of the calls by which it changes the lake."""
    whole, log = Instance(case.room(room / "whole")), room / "log"
    assert traced(whole, tracing(log, f"{MOVES},{CONTENTS}"), "ingest", case.source, **case.env) == 0
    found = points(log.read_text(), about=str(whole.data / "lake"))[chosen]
    assert found
    for number, point in enumerate(found):
        instance = Instance(case.room(room / str(number)))
        assert traced(instance, killing(point), "ingest", case.source, **case.env) == KILLED
        instance.larder("ingest", case.source, **case.env)
        case.check(instance.data)
        shutil.rmtree(instance.data)


@needs_strace
@pytest.mark.nightly
def test_a_kill_of_larder_ingest(case: Callable[[str], Case], tmp_path: Path) -> None:
    """A sample: at the last file that comes into the lake."""
    sweep_command(case("campaigns"), tmp_path, slice(-5, -4))


@needs_strace
@pytest.mark.nightly
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_kill_at_every_call_of_larder_ingest(
    case: Callable[[str], Case], tmp_path: Path, source: str
) -> None:
    sweep_command(case(source), tmp_path, slice(None))
