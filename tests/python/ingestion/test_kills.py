"""kill -9 at the calls of the system by which a load comes into the lake: strace needs no help from the code.

Whatever the call, the next run brings what an undisturbed load brings, with dlt's working directory kept, and lost.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cases import SOURCE_ROWS, Case, cases
from conftest import Instance
from kill import (
    CONTENTS,
    KILLED,
    MOVES,
    SENDS,
    Victims,
    killing,
    needs_strace,
    points,
    traced,
    tracing,
    victims,
)
from stores import LAKES, InBucket, Store, use


@pytest.fixture(scope="module")
def case(retailer: Instance, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    return cases(retailer, tmp_path_factory)


def sweep(
    case: Case, server: Victims, room: Path, names: str, about: str, chosen: slice, peer: str = ""
) -> None:
    """Kill a load at the chosen ones of its calls that are about a part of the data root, or to a peer."""
    whole = case.room(room / "whole")
    found = server.calls(f"ingest-{case.source}", whole, names, peer or str(whole / about))
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
            case.lakes.remove(data)


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


@pytest.fixture(scope="module")
def in_bucket(
    retailer: Instance, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Case]]:
    with pytest.MonkeyPatch.context() as patched:
        use(patched, store)
        yield cases(retailer, tmp_path_factory, InBucket())


@needs_strace
@pytest.mark.nightly
@pytest.mark.parametrize("source", SOURCE_ROWS)
def test_a_kill_among_the_sends_to_a_bucket(
    in_bucket: Callable[[str], Case], store: Store, tmp_path: Path, source: str
) -> None:
    """Every 24th, from another one on for each source: requests are cut before, within and after their bodies."""
    mine, first = in_bucket(source), list(SOURCE_ROWS).index(source)
    with victims(**mine.env, **store.env, **{LAKES: "bucket"}) as server:
        sweep(mine, server, tmp_path, SENDS, "", slice(first, None, 24), peer=f"->127.0.0.1:{store.port}]")


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
