"""Answers of an API that are not as they should be: each is named or quarantined, and the next good one is loaded."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest

from ingestion.connectors import api
from ingestion.connectors.api import Api
from ingestion.contracts.contract import contract
from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.lake.loads import completed_loads, table_files
from ingestion.pipelines import Loaded, ingest
from ingestion.quarantine.accounts import Account, accounts

TABLES = ("campaigns", "campaign_households", "coupons", "coupon_redemptions")

Answer = Any
"""A JSON value, or bytes as they are sent."""


def campaign(key: Any, day: int = 1, **values: Any) -> dict[str, Any]:
    return {
        "campaign_id": key,
        "campaign_type": "Type A",
        "start_date": "2017-01-01",
        "end_date": "2017-02-01",
        "updated_at": f"2017-01-{day:02}T00:00:00Z",
        **values,
    }


@dataclass
class Service:
    """An API of campaigns that honours `updated_since`, or answers at some paths whatever a test says."""

    root: Path
    campaigns: list[Any] = field(default_factory=list)
    answers: dict[str, Answer | Callable[[str], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    status: tuple[int, str | None] = (200, None)

    def load(self, **how: Any) -> Loaded:
        return ingest("campaigns", self.root / "lake", self.root / "dlt", lambda _: None, LoadRequest(**how))

    def answer(self, path: str) -> bytes:
        self.asked.append(path)
        place = path.partition("?")[0].removeprefix("/v1")
        found = self.answers.get(place, self.usual)
        found = found(path) if callable(found) else found
        return found if isinstance(found, bytes) else json.dumps(found).encode()

    def usual(self, path: str) -> Answer:
        if "summary" in path:
            return {"rows": {name: len(self.campaigns) * (name == "campaigns") for name in TABLES}}
        since = parse_qs(urlsplit(path).query).get("updated_since", [""])[0][:19]
        of_table = self.campaigns if path.startswith("/v1/campaigns?") else []
        return {"data": [one for one in of_table if _time(one) >= since], "next": None}

    def lake(self, columns: str = "campaign_id") -> list[tuple[Any, ...]]:
        dataset = self.root / "lake/raw/campaigns"
        files = [str(file) for file in table_files(dataset, "campaigns", completed_loads(dataset))]
        query = f"select {columns} from read_parquet(?) order by _dlt_load_id, campaign_id"
        return duckdb.execute(query, [files]).fetchall() if files else []

    def account(self) -> Account:
        found = accounts(self.root / "lake", "campaigns").get("campaigns", Account())
        assert found.delivered == found.loaded + found.quarantined + found.discarded + found.superseded
        return found


def _time(record: Any) -> str:
    time = record.get("updated_at") if isinstance(record, dict) else None
    return time if isinstance(time, str) else "9"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.answer(self.path)
            self.send_response(*made.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/v1"
    monkeypatch.setenv("SOURCES__CAMPAIGNS__BASE_URL", made.url)
    monkeypatch.setenv("SOURCES__CAMPAIGNS__TOKEN", "a-token")
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    yield made
    server.shutdown()
    server.server_close()


def test_a_record_of_2099_does_not_hide_later_changes(service: Service) -> None:
    service.campaigns = [*map(campaign, (1, 2, 3)), campaign(4, updated_at="2099-01-01T00:00:00Z")]
    service.load()
    service.campaigns[0] = campaign(1, 9, end_date="2017-03-15")
    assert service.load().rows == {"campaigns": 1}
    assert service.lake("end_date::varchar")[-1] == ("2017-03-15",)
    assert service.load().rows == {}


def test_a_time_in_quarantine_does_not_hide_later_changes(service: Service) -> None:
    service.campaigns = [
        *map(campaign, range(1, 40)),
        campaign(40, campaign_type="?", updated_at="2018-01-01T00:00:00Z"),
    ]
    assert len(service.load().quarantined) == 1
    service.campaigns[0] = campaign(1, 9, end_date="2017-03-15")
    assert service.load().rows == {"campaigns": 1}


KEYS = [
    '"7x"',
    "null",
    "[7]",
    '{"id": 7}',
    "7.5",
    "true",
    '""',
    "NaN",
    "9223372036854775808",
    '"\\ud800"',
    "1" * 5_000,
]


@pytest.mark.parametrize("is_gone", [False, True])
def test_records_without_a_key_are_fixed_by_their_source(service: Service, is_gone: bool) -> None:
    good = [campaign(key) for key in range(100, 110)]
    odd = [json.dumps(campaign("KEY", 2)).replace('"KEY"', key) for key in KEYS]
    whole = f'{{"data": [{", ".join([*map(json.dumps, good), *odd])}], "next": null}}'
    service.campaigns = [*good, *KEYS]
    service.answers["/campaigns"] = whole.encode()
    first = service.load()
    assert (first.rows["campaigns"], len(first.quarantined)) == (len(good), len(KEYS)) and first.blocked
    service.answers["/campaigns"] = whole.replace(odd[0] + ", ", "").encode()  # in other company
    again = service.load()
    assert (again.rows, again.quarantined) == ({}, [])
    service.answers.clear()
    fixed = [] if is_gone else [campaign(key, 3) for key in range(len(KEYS))]
    service.campaigns = good + fixed
    last = service.load()
    assert last.rows == ({} if is_gone else {"campaigns": len(KEYS)}) and not last.blocked
    assert len(service.lake()) == len(good) + len(fixed)
    assert service.account().superseded == len(KEYS)
    assert service.load().rows == {}


BROKEN: list[dict[str, Any]] = [
    {"updated_at": "gestern"},
    {"updated_at": None},
    {"updated_at": 1483228800000.5},
    {"updated_at": [1]},
    {"campaign_type": {"a": "Type A"}},
    {"campaign_type": "\ud800"},
    {"end_date": "2016-01-01"},
    {"start_date": float("inf")},
]


def test_broken_records_are_fixed_or_deleted_by_their_source(service: Service) -> None:
    service.campaigns = [campaign(99)]
    for number, values in enumerate(BROKEN):
        service.campaigns += [campaign(number, 3, **values), campaign(50 + number, 3, **values)]
    assert len(service.load().quarantined) == 2 * len(BROKEN)
    again = service.load()
    assert (again.rows, again.quarantined) == ({}, [])
    service.campaigns = [campaign(99), *(campaign(number, 4) for number in range(len(BROKEN)))]
    fixed = service.load(force=True)
    assert fixed.rows["campaigns"] == len(BROKEN) and not fixed.blocked
    assert len(service.lake()) == len(BROKEN) + 1 and service.account().quarantined == 0
    assert service.load().rows == {}


def test_items_that_are_no_records_are_quarantined_one_by_one(service: Service) -> None:
    odd = [None, "a", 7, [campaign(9)], {}, "a", "\ud800", [[[]]]]
    service.campaigns = [campaign(1), *odd]
    first = service.load()
    assert first.rows["campaigns"] == 1 and len(first.quarantined) == len(odd)
    assert service.account().delivered == 1 + len(odd)
    assert service.load().quarantined == []
    service.campaigns = [campaign(1)]
    assert not service.load().blocked


def test_one_key_twice_at_one_time_is_one_record_and_one_entry(service: Service) -> None:
    service.campaigns = [
        campaign(1),
        campaign(1),
        campaign(2),
        campaign(2, end_date="2017-03-01"),
        campaign(3),
        campaign(3, 2),
    ]
    first = service.load()
    assert [entry["reason"] for entry in first.quarantined] == ["the key comes again"]
    assert first.rows["campaigns"] == 3 and first.blocked
    again = service.load()
    assert (again.rows, again.quarantined) == ({}, [])
    service.campaigns = [campaign(1), campaign(2, end_date="2017-03-01"), campaign(3, 2)]
    assert not service.load().blocked
    assert (2, "2017-03-01") in service.lake("campaign_id, end_date::varchar")
    assert service.load().rows == {}


ODD: list[tuple[Answer | Callable[[str], Answer], str]] = [
    ({"data": {}, "next": None}, "answered a dict as its data"),
    ({"data": "none", "next": None}, "answered a str as its data"),
    ({"data": [], "next": 7}, "answered 7 as its next page"),
    ({"data": [], "next": ["/v1/coupons"]}, "as its next page"),
    ({"data": [], "next": "http://["}, "as its next page"),
    ({"data": [], "next": "\ud800"}, "as its next page"),
    ({"data": [], "next": "//elsewhere/v1/coupons"}, "leads to another host"),
    ({"data": [], "next": "?page=2"}, "lead in a circle"),
    (lambda path: {"data": [], "next": "?page=2" if "page=3" in path else "?page=3"}, "lead in a circle"),
    (lambda path: {"data": [], "next": f"?page={path[-9:]}1"}, "lead in a circle"),
    (lambda path: {"data": [{"id": 1}], "next": path + "1"}, "lead in a circle"),
    ({"data": []}, "answered without next"),
    ([], "answered without data, next"),
    (None, "answered without data, next"),
    *(
        (text, "not JSON")
        for text in (b"", b"\xff\xfe", b"<html>", b'{"data": [', b'{"data": [], "next": nul}')
    ),
    *((text * 100_000, "not JSON") for text in (b"[", b'{"data":')),
]
ODD_SUMMARIES: list[tuple[Answer, str]] = [
    ({"rows": None}, "answered no number of rows for coupons"),
    ({"rows": {"coupons": "many"}}, "answered no number of rows for coupons"),
    ({"rows": {"coupons": True}}, "answered no number of rows for coupons"),
    ({"rows": {"coupons": -1}}, "answered no number of rows for coupons"),
    (1, "answered without rows"),
]


def test_odd_answers_are_one_sentence_each(service: Service) -> None:
    api = Api(service.url, "a-token")
    for answer, said in ODD:
        service.answers, service.asked = {"/coupons": answer}, []
        with pytest.raises(IngestionError, match=said):
            list(api.records("coupons"))
        assert len(service.asked) < 120
    for answer, said in ODD_SUMMARIES:
        service.answers = {"/summary": answer}
        with pytest.raises(IngestionError, match=said):
            api.count("coupons")


def test_an_odd_answer_about_one_table_leaves_the_others(service: Service) -> None:
    service.campaigns = [campaign(1)]
    service.answers["/coupons"] = {"data": {}, "next": None}
    found = service.load()
    assert found.rows == {"campaigns": 1}
    assert found.refused == [f"{service.url}/coupons answered a dict as its data, no list"]
    service.answers = {"/summary": {"rows": {}}}
    service.campaigns += [campaign(2)]
    assert len(service.load().refused) == 1  # the other tables are empty, and read as a whole
    service.answers.clear()
    assert not service.load().refused and service.lake() == [(1,), (2,)]


def test_null_for_no_records_and_relative_pages(service: Service) -> None:
    service.answers["/campaigns"] = lambda path: (
        {"data": None, "next": None}
        if "page=3" in path
        else {"data": [campaign(2)], "next": "campaigns?page=3"}
        if "page=2" in path
        else {"data": [campaign(1)], "next": "/v1/campaigns?page=2"}
    )
    assert service.load().rows == {"campaigns": 2}


def test_this_machine_is_asked_directly_whatever_proxy_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.campaigns = [campaign(1)]
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert service.load().rows == {"campaigns": 1}
    monkeypatch.setenv("SOURCES__CAMPAIGNS__BASE_URL", service.url.replace("127.0.0.1", "localhost"))
    assert service.load().rows == {}
    monkeypatch.setenv("SOURCES__CAMPAIGNS__BASE_URL", "http://campaigns.invalid/v1")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    with pytest.raises(IngestionError, match="proxy that HTTP_PROXY") as raised:
        service.load()
    assert "NO_PROXY" in raised.value.next_step


def test_an_answer_that_is_too_large_is_not_read_to_its_end(service: Service) -> None:
    service.campaigns = [campaign(1)]
    service.answers["/campaigns"] = b" " * (api.MAX_BYTES + 1)
    found = service.load()
    assert f"/v1/campaigns answered more than {api.MAX_BYTES:,} bytes" in found.refused[0]
    assert found.rows == {}
    del service.answers["/campaigns"]
    assert service.load().rows == {"campaigns": 1}


def test_more_records_than_the_contract_takes_are_refused() -> None:
    table = replace(contract("campaigns")["campaigns"], max_rows=3)
    assert len(api._Records(map(campaign, range(3)), table).rows) == 3
    with pytest.raises(api.OddAnswer, match="/campaigns of the API has more than 3 records"):
        api._Records(map(campaign, count()), table)


def test_the_words_of_a_server_are_not_repeated(service: Service) -> None:
    service.status = (404, "of jane.canary@example.com")
    with pytest.raises(IngestionError, match=r"answered 404 Not Found$"):
        service.load()
