"""Records of the demo's campaign API that come late, change and go; and the API as networks and servers are."""

import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from demo.api import CampaignApi
from demo.campaigns import Resource, microseconds
from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.lake.loads import completed_loads
from ingestion.pipelines import Loaded, ingest

TOKEN = "the-token-of-this-test"
TABLES = ("campaigns", "campaign_households", "coupons", "coupon_redemptions")
DAY = datetime(2017, 3, 1, 12, tzinfo=UTC)


@dataclass
class Service:
    """The demo's API over records that a test may change, behind a network that may fail `faults` in their order."""

    root: Path
    url: str = ""
    rows: dict[str, dict[int, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in TABLES})
    faults: list[str] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)

    def put(self, key: int, at: datetime = DAY, **values: Any) -> None:
        """A target of a campaign, as written at a time."""
        self.rows["campaign_households"][key] = {
            "id": key,
            "campaign_id": 1,
            "household_id": key,
            **values,
            "updated_at": at.isoformat(),
        }

    def load(self, **how: Any) -> Loaded:
        return ingest("campaigns", self.root / "lake", self.root / "dlt", lambda _: None, LoadRequest(**how))

    def application(self) -> Any:
        """The demo's own application over the records as they are now."""
        resources = {}
        for name, rows in self.rows.items():
            ordered = sorted(
                (microseconds(datetime.fromisoformat(row["updated_at"])), key) for key, row in rows.items()
            )
            resources[name] = Resource(ordered, [json.dumps(rows[key]) for _, key in ordered])
        return CampaignApi(resources, TOKEN, lambda: date(2017, 12, 31)).application()

    async def __call__(
        self, scope: dict[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        self.requests.append(time.monotonic())
        fault = self.faults.pop(0) if self.faults else ""
        if not fault:
            await self.application()(scope, receive, send)
            return
        status, _, rest = fault.partition(" ")
        headers = [(b"retry-after", rest.encode())] if rest else []
        if status == "cut":
            headers, status = [(b"content-length", b"1000")], "200"
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        if fault == "cut":
            await send({"type": "http.response.body", "body": b'{"data":[', "more_body": True})
            raise ConnectionAbortedError
        await send({"type": "http.response.body", "body": b"<html>not what was asked for</html>"})


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service(tmp_path)
    server = uvicorn.Server(
        uvicorn.Config(made, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    made.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1/"
    monkeypatch.setenv("SOURCES__CAMPAIGNS__BASE_URL", made.url)
    monkeypatch.setenv("SOURCES__CAMPAIGNS__TOKEN", TOKEN)
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    for key in range(1, 11):
        made.put(key, DAY + timedelta(hours=key))
    yield made
    server.should_exit = True
    thread.join()


def test_changes_and_late_records_come_once(service: Service) -> None:
    assert service.load().rows == {"campaign_households": 10}
    assert service.load().rows == {}
    service.put(11, DAY + timedelta(hours=10))  # at the time of the newest
    service.put(12, DAY - timedelta(hours=12))  # within the overlap
    service.put(13, DAY - timedelta(days=99))  # before it
    service.put(3, DAY + timedelta(days=1), household_id=33)
    assert service.load().rows == {"campaign_households": 4}
    assert service.load().rows == {}


def test_what_is_deleted_is_noticed_and_may_come_again(service: Service) -> None:
    service.load()
    kept = service.rows["campaign_households"].pop(4)
    assert service.load().rows == {"deletions": 1}
    assert service.load().rows == {}
    service.rows["campaign_households"][4] = kept
    assert service.load().rows == {"campaign_households": 1}
    assert service.load().rows == {}


def test_an_api_that_lost_much_is_refused_unless_forced(service: Service) -> None:
    service.load()
    for key in range(1, 4):
        del service.rows["campaign_households"][key]
    for full in (False, True):
        found = service.load(full=full)
        assert found.rows == {}
        assert found.refused == [
            "/campaign_households of the API has only 7 of the 10 records that the lake holds"
        ]
    assert service.load(force=True).rows == {"deletions": 3}
    assert service.load().rows == {}


def test_days_are_read_again_by_declaration(service: Service) -> None:
    service.load()
    service.put(14, DAY + timedelta(days=1))
    assert service.load(first=DAY.date(), last=DAY.date()).rows == {"campaign_households": 10}
    assert service.load().rows == {"campaign_households": 1}
    with pytest.raises(IngestionError, match="campaigns has nothing of 2018-01-01"):
        service.load(first=date(2018, 1, 1), last=date(2018, 1, 1))


def test_a_service_that_asks_to_wait_is_waited_for(service: Service) -> None:
    service.faults = ["429 1"]
    assert service.load().rows == {"campaign_households": 10}
    first, second = service.requests[:2]
    assert 1.0 <= second - first < 2.5


@pytest.mark.parametrize("fault", ["500", "503", "cut"])
def test_a_service_that_fails_for_a_moment_is_asked_again(service: Service, fault: str) -> None:
    service.faults = [fault, fault]
    assert service.load().rows == {"campaign_households": 10}


@pytest.mark.parametrize(
    ("fault", "said", "requests"),
    [
        ("503", "answered 503", 5),
        ("429", "answered 429", 5),
        ("cut", "does not answer", 5),
        ("404", "answered 404", 1),
        ("401", "the token was refused", 1),
        ("200", "not JSON", 1),
    ],
)
def test_a_service_that_goes_on_failing_is_one_clear_error(
    service: Service, fault: str, said: str, requests: int
) -> None:
    service.faults = [fault] * 9
    with pytest.raises(IngestionError, match=said) as raised:
        service.load()
    assert len(service.requests) == requests
    assert TOKEN not in str(raised.value) + raised.value.next_step
    assert completed_loads(service.root / "lake/raw/campaigns") == set()
    service.faults = []
    assert service.load().rows == {"campaign_households": 10}


def test_a_service_that_never_answers_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "0.3")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("SOURCES__CAMPAIGNS__BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/v1/")
        with pytest.raises(IngestionError, match="does not answer"):
            service.load()
