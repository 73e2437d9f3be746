"""Systems that refuse, are down, or answer nonsense: one clear message with the next step, and no secret in it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import Instance, connections

from ingestion.core.errors import IngestionError
from ingestion.lake.loads import completed_loads
from ingestion.pipelines import ingest


@pytest.fixture
def systems(retailer: Instance, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = connections(retailer)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def refusal(source: str, tmp_path: Path) -> IngestionError:
    with pytest.raises(IngestionError) as raised:
        ingest(source, tmp_path / "lake", tmp_path / "dlt", lambda _: None)
    assert completed_loads(tmp_path / "lake" / "raw" / source) == set()
    return raised.value


def test_wrong_password(systems: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = systems["SOURCES__LOYALTY__CREDENTIALS"]
    user, _, place = address.partition("://")[2].rpartition("@")
    wrong = f"postgresql://{user.partition(':')[0]}:not-the-password@{place}"
    monkeypatch.setenv("SOURCES__LOYALTY__CREDENTIALS", wrong)
    error = refusal("loyalty", tmp_path)
    assert "password authentication failed" in str(error)
    assert "SOURCES__LOYALTY__CREDENTIALS" in error.next_step
    assert "not-the-password" not in str(error) + error.next_step


def test_stopped_database(systems: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    monkeypatch.setenv(
        "SOURCES__MERCHANDISING__CREDENTIALS", "postgresql://larder_reader:secret@127.0.0.1:9/retailer"
    )
    error = refusal("merchandising", tmp_path)
    assert "refused" in str(error)
    assert "secret" not in str(error)


def test_wrong_token_is_not_retried(
    systems: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__CAMPAIGNS__TOKEN", "wrong")
    error = refusal("campaigns", tmp_path)
    assert "answered 401" in str(error)
    assert "SOURCES__CAMPAIGNS__TOKEN" in error.next_step


class _Broken(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def broken_api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_failing_api_is_retried_then_named(
    systems: dict[str, str], broken_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__CAMPAIGNS__BASE_URL", broken_api)
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    error = refusal("campaigns", tmp_path)
    assert "answered 500" in str(error)
    assert _Broken.asked >= 3


def test_no_connection_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCES__CAMPAIGNS__TOKEN", raising=False)
    monkeypatch.delenv("SOURCES__CAMPAIGNS__BASE_URL", raising=False)
    error = refusal("campaigns", tmp_path)
    assert "SOURCES__CAMPAIGNS__" in str(error)


def test_everything_arrives_once_from_database_and_api(systems: dict[str, str], tmp_path: Path) -> None:
    for source in ("merchandising", "loyalty", "campaigns"):
        first = ingest(source, tmp_path / "lake", tmp_path / "dlt", lambda _: None)
        assert first.rows
        again = ingest(source, tmp_path / "lake", tmp_path / "dlt", lambda _: None)
        assert again.rows == {}, source
