"""A retailer without a stream, and one whose stream somebody follows: neither keeps the other sources waiting."""

from pathlib import Path

import pytest

from ingestion.sources import SOURCES
from larder.build import candidate
from larder.core.errors import Busy, LarderError
from larder.core.settings import Paths
from larder.lake import ingest
from larder.warehouse.locks import lock


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No source but the stream, and nothing that says where it is."""
    monkeypatch.setattr(ingest, "SOURCES", {"pos_stream": ingest.SOURCES["pos_stream"]})
    monkeypatch.delenv("SOURCES__POS_STREAM__URL", raising=False)


def test_no_stream_is_no_failure_unless_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest.load(Paths(tmp_path), []) == ([], [])
    assert "SOURCES__POS_STREAM__URL is missing" in capsys.readouterr().err
    assert ingest.load(Paths(tmp_path), ["pos_stream"]) == ([], ["pos_stream"])


def test_a_stream_that_is_followed_is_left_to_whoever_follows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Paths(tmp_path)
    with lock(where.locks, "ingest-pos_stream"):
        assert ingest.load(where, []) == ([], [])
        assert "left out: ingest-pos_stream is locked by process" in capsys.readouterr().err
        with pytest.raises(Busy, match="another ingestion runs: ingest-pos_stream is locked by process"):
            ingest.load(where, ["pos_stream"])


def test_of_two_ingestions_one_loads_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they name their sources in another order: nothing is locked by one and wanted by the other."""
    where, loaded = Paths(tmp_path), []
    monkeypatch.setattr(ingest, "SOURCES", SOURCES)

    def second(_: Paths, source: str, __: object) -> str:
        loaded.append(source)
        with pytest.raises(Busy, match="another ingestion runs"):
            ingest.load(where, ["promotions", "pos"])
        return source

    monkeypatch.setattr(ingest, "_one", second)
    found, failures = ingest.load(where, ["promotions", "pos", "pos"])
    assert (sorted(loaded), failures) == (["pos", "promotions"], []) and found == loaded


def test_a_build_needs_loads_of_every_source_but_the_stream() -> None:
    loads = {name: ["1.0"] for name in SOURCES}
    candidate._require_loads({**loads, "pos_stream": []})
    with pytest.raises(LarderError, match="no completed load of: pos"):
        candidate._require_loads({**loads, "pos": []})


@pytest.mark.parametrize("sources", [[], ["pos"], ["pos_stream", "pos"]])
def test_only_a_stream_can_be_followed(tmp_path: Path, sources: list[str]) -> None:
    with pytest.raises(LarderError, match="only a stream"):
        ingest.follow_stream(Paths(tmp_path), sources, ingest.NEWS)
