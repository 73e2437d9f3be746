"""The campaign application's HTTP API. Run by `python -m demo.api --data=FOLDER --port=N`.

    GET /v1/campaigns | /v1/campaign_households | /v1/coupons | /v1/coupon_redemptions
        ?limit=1..5000 (default 1000)   &updated_since=ISO date or time, inclusive   &after=… (from `next`)
    -> 200 {"data": [record, …], "next": URL of the next page or null}, ordered by updated_at and id
    GET /v1/summary -> 200 {"clock": day, "rows": {resource: records that exist now}}

Every request needs `Authorization: Bearer TOKEN` (401 without). More than BURST requests at once are answered with 429
and Retry-After (seconds). Errors are {"error": {"status": …, "message": …}}. Only /health is open: it answers "ok".
"""

import argparse
import hmac
import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo import campaigns
from demo.campaigns import Position, Resource
from demo.clock import Calendar, Clock
from demo.credentials import Credentials
from demo.paths import Paths
from demo.year import open_year

BURST = 60
REQUESTS_PER_SECOND = 40.0
DEFAULT_LIMIT, MAX_LIMIT = 1000, 5000
PARAMETERS = {"limit", "updated_since", "after"}


class TokenBucket:
    """Lets BURST requests pass at once and REQUESTS_PER_SECOND for ever."""

    def __init__(self, size: int = BURST, rate: float = REQUESTS_PER_SECOND) -> None:
        self._size, self._rate = float(size), rate
        self._left, self._seen = float(size), time.monotonic()

    def take(self) -> float:
        """Take one token and return 0, or return the seconds to wait for one."""
        now = time.monotonic()
        self._left, self._seen = min(self._size, self._left + (now - self._seen) * self._rate), now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0


class ClockReader:
    """The demo's clock, read again only when its file has changed."""

    def __init__(self, path: Path, before: date) -> None:
        self._path, self._before, self._stamp, self._day = path, before, (0, 0), before

    def day(self) -> date:
        """The last day that has happened."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._day, self._stamp = Clock.read(self._path).day or self._before, stamp
        return self._day


class CampaignApi:
    """The endpoints over the records of all years, as far as the clock has advanced."""

    def __init__(self, resources: Mapping[str, Resource], token: str, day: Callable[[], date]) -> None:
        self._resources, self._token, self._day = resources, token, day
        self._bucket = TokenBucket()

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/health", _health),
            Route("/v1/summary", self._summary),
            Route("/v1/{resource}", self._page),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _error, Exception: _fault})

    async def _summary(self, request: Request) -> Response:
        self._admit(request)
        day = self._day()
        rows = {name: resource.count(day) for name, resource in self._resources.items()}
        return JSONResponse({"clock": day.isoformat(), "rows": rows})

    async def _page(self, request: Request) -> Response:
        self._admit(request)
        resource = self._resources.get(request.path_params["resource"])
        if resource is None:
            raise HTTPException(404, f"there is no such resource; there are: {', '.join(self._resources)}")
        unknown = sorted(set(request.query_params) - PARAMETERS)
        if unknown:
            raise HTTPException(400, f"unknown parameter '{unknown[0]}'")
        limit = _limit(request.query_params.get("limit"))
        start = max(
            _since(request.query_params.get("updated_since")), _after(request.query_params.get("after"))
        )
        records, position = resource.page(self._day(), start, limit)
        following = "null" if position is None else json.dumps(_next(request, position))
        body = f'{{"data":[{",".join(records)}],"next":{following}}}'
        return Response(body, media_type="application/json")

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            raise HTTPException(401, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"})
        wait = self._bucket.take()
        if wait > 0:
            raise HTTPException(429, "too many requests", {"Retry-After": str(math.ceil(wait))})


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _error(_: Request, error: Exception) -> Response:
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    content = {"error": {"status": known.status_code, "message": known.detail}}
    return JSONResponse(content, known.status_code, known.headers)


async def _fault(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": {"status": 500, "message": "the service failed; see its log"}}, 500)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not _is_number(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise HTTPException(400, f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _since(text: str | None) -> Position:
    if text is None:
        return (0, 0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(
            400, "updated_since must be an ISO date or time, such as 2017-03-01T00:00:00Z"
        ) from None
    return (campaigns.microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC)), 0)


def _after(text: str | None) -> Position:
    if text is None:
        return (0, 0)
    moment, _, record_id = text.partition(".")
    if not (_is_number(moment) and _is_number(record_id)):
        raise HTTPException(400, "after must be taken from the field `next` of the page before")
    return (int(moment), int(record_id))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _next(request: Request, position: Position) -> str:
    return str(request.url.include_query_params(after=f"{position[0]}.{position[1]}"))


def main() -> None:
    """Load the records and serve them until the process is stopped."""
    parser = argparse.ArgumentParser(prog="demo.api")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    paths = Paths(arguments.data)
    calendar = Calendar.read(paths.calendar) or Calendar()
    year = open_year(paths.scratch, calendar)
    resources = campaigns.load(year)
    year.close()
    clock = ClockReader(paths.clock, before=calendar.first_day - timedelta(days=1))
    api = CampaignApi(resources, Credentials.read(paths.secrets).api_token, clock.day)
    uvicorn.run(
        api.application(),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
