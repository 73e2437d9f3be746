"""Records of an HTTP API: JSON pages with an `updated_since` filter and a link to the next page.

What was written in the last day before the newest known record is asked for again, and what the lake holds already is
left out. The API tells how many records it has: when that is not what should be known now, one is gone or was missed,
and all are read and compared.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

import dlt
import pyarrow as pa
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth

from ingestion.connectors.known_versions import (
    CURSOR,
    VERSION,
    Difference,
    KnownVersions,
    deletions,
    versions,
)
from ingestion.contracts.contract import Table
from ingestion.core.errors import IngestionError
from ingestion.core.request import ExtractContext
from ingestion.validation.provenance import Provenance
from ingestion.validation.records import as_text, odd_values, parse, records
from ingestion.validation.validator import FROZEN, Validator

PAGE_ROWS = 5_000
MAX_BYTES = 16 * 2**20
"""Of one answer, unpacked. A page of the real service has less than one megabyte."""

OVERLAP = timedelta(days=1)
"""How late a record may come to be found without reading all of them."""

EMPTY_PAGES = 100
"""So many pages without a record, one after the other, lead nowhere."""

ASK = "Ask the owner of the service; check that the configured address is that of the API."

Record = dict[str, Any]


class OddAnswer(IngestionError):
    """An answer about one table that is not as it should be; the others may be."""


class Api:
    """A JSON API. Requests that fail for a while (429 as long as it asks for, 5xx, timeouts) are tried again by dlt."""

    def __init__(self, base_url: str, token: str) -> None:
        if not token.strip() or not token.isascii() or not token.isprintable():
            raise IngestionError(
                "the token of the API has characters that no token has, or none",
                "Set it again, without line breaks around it.",
            )
        self._base = base_url.rstrip("/")
        self._auth = BearerTokenAuth(token)
        self._client = requests.Client()
        self._proxies = _no_proxy(self._base)

    def count(self, table: str) -> int:
        """How many records there are now."""
        rows = self._get(f"{self._base}/summary", {}, ("rows",))["rows"]
        count = rows.get(table) if isinstance(rows, dict) else None
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise OddAnswer(f"{self._base}/summary answered no number of rows for {table}", ASK)
        return count

    def records(self, table: str, since: datetime | None = None) -> Iterator[Any]:
        """The records that were written at `since` or later, in the order of the API; JSON objects, if it is as it should be."""
        url: str | None = f"{self._base}/{table}"
        parameters = {"limit": str(PAGE_ROWS)} | ({"updated_since": since.isoformat()} if since else {})
        seen: set[str] = set()
        empty = 0
        while url:
            page = self._get(url, parameters, ("data", "next"))
            data = [] if page["data"] is None else page["data"]
            if not isinstance(data, list):
                raise OddAnswer(
                    f"{_location(url)} answered a {type(data).__name__} as its data, no list", ASK
                )
            empty = 0 if data else empty + 1
            marks = {url, hashlib.sha256(as_text(data).encode()).hexdigest() if data else url}
            if seen & marks or empty > EMPTY_PAGES:
                raise OddAnswer(f"the pages of {_location(url)} lead in a circle: {url} came before", ASK)
            seen |= marks
            yield from data
            url, parameters = self._next(url, page["next"]), {}

    def _next(self, url: str, following: Any) -> str | None:
        """The address of the next page, which may be relative. The token goes to the configured host only."""
        if following in (None, ""):
            return None
        try:
            absolute: str | None = urljoin(url, following) if following.isprintable() else None
            if absolute and urlsplit(absolute)[:2] == urlsplit(self._base)[:2]:
                return absolute
        except (AttributeError, TypeError, ValueError):
            absolute = None
        if absolute is None:
            raise OddAnswer(f"{_location(url)} answered {as_text(following)[:60]} as its next page", ASK)
        raise OddAnswer(f"{self._base} leads to another host for its next page: {absolute}", ASK)

    def _get(self, url: str, parameters: dict[str, str], wanted: tuple[str, ...]) -> Any:
        """The JSON object at `url`, with the fields that are wanted."""
        response = self._client.get(
            url, params=parameters, auth=self._auth, proxies=self._proxies, hooks={"response": _within_bounds}
        )
        try:
            answer = parse(response.content)
        except ValueError as error:
            raise IngestionError(
                f"{_location(url)} answered something that is not JSON ({error})", ASK
            ) from error
        missing = [name for name in wanted if not isinstance(answer, dict) or name not in answer]
        if missing:
            raise OddAnswer(f"{_location(url)} answered without {', '.join(missing)}", ASK)
        return answer


def _within_bounds(response: requests.Response, *_: Any, **__: Any) -> None:
    """Read an answer before requests reads it whatever its length. A broken one is asked for again, as any other."""
    content = bytearray()
    for chunk in response.iter_content(2**16):
        content += chunk
        if len(content) > MAX_BYTES:
            response.close()
            raise OddAnswer(f"{_location(response.url)} answered more than {MAX_BYTES:,} bytes", ASK)
    response._content = bytes(content)


def _location(url: str) -> str:
    return url.partition("?")[0]


def _no_proxy(url: str) -> dict[str, str]:
    """What asks this machine directly, whatever the environment says of proxies."""
    try:
        host = urlsplit(url).hostname or ""
        is_local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return {}
    return {"no_proxy": host} if is_local else {}


def records_of(context: ExtractContext, api: Api, contracts: Mapping[str, Table]) -> Iterator[Any]:
    """One dlt resource for each table of `contracts`, which the API serves under its name."""
    for name in contracts:
        rows = _read(context, api, name, Validator(contracts, name))
        yield dlt.resource(rows, name=name, schema_contract=FROZEN)


def _read(context: ExtractContext, api: Api, name: str, validator: Validator) -> Iterator[Any]:
    provenance = Provenance(f"/{name}", kind=context.kind)
    try:
        if context.is_range:
            first, end = context.instants
            found = _Records(
                (one for one in api.records(name, first) if _is_before(one, end)), validator.contract
            )
            yield from _accept(validator, provenance, found.rows, found.malformed)
            return
        found, difference, is_all = _compare(context, api, validator)
    except OddAnswer as error:
        context.refusals.append(str(error))
        return
    is_accepted = context.accepts(f"/{name} of the API", difference.left, difference.live)
    deleted = difference.deleted if is_accepted and is_all else None
    rows = found.rows if is_accepted else []
    if not context.full:
        rows = found.changed(difference)
    yield from _accept(validator, provenance, rows, found.malformed, deleted)
    if deleted is not None:
        yield from deletions(name, deleted)


def _compare(context: ExtractContext, api: Api, validator: Validator) -> tuple["_Records", Difference, bool]:
    """The records of the API, how they differ from the lake's, and whether these are all that there are."""
    name, contract = validator.contract.name, validator.contract
    with KnownVersions(context, contract) as known:
        is_all = context.full or known.latest is None or validator.has_unidentified
        since = known.latest - OVERLAP if known.latest and not is_all else None
        found = _Records(api.records(name, since), contract)
        difference = known.compare([found.versions], is_all=is_all)
        if not is_all and known.expected() != api.count(name):
            is_all = True
            found = _Records(api.records(name), contract)
            difference = known.compare([found.versions])
    return found, difference, is_all


def _accept(
    validator: Validator,
    provenance: Provenance,
    rows: Sequence[Record],
    malformed: Sequence[Any],
    deleted: pa.Array | None = None,
) -> Iterator[Any]:
    if rows:
        odd = odd_values(rows, validator.contract)
        yield from validator.accept(records(rows), provenance, odd=odd)
    for number, item in enumerate(malformed, start=len(rows) + 1):
        text = as_text(item)
        validator.refuse_row(provenance, number, "a JSON object", f"a JSON {type(item).__name__}", text)
    yield from validator.close(deleted)


class _Records:
    """What the API answered: `rows` with their `versions`, and items that are no records.

    A record that was written while the pages were read may come twice: the later one counts. Two of one time are no such
    record, and the contract says what becomes of them.
    """

    def __init__(self, answered: Iterable[Any], contract: Table) -> None:
        items = list(islice(answered, contract.max_rows + 1))
        if len(items) > contract.max_rows:
            raise OddAnswer(
                f"/{contract.name} of the API has more than {contract.max_rows:,} records (max_rows of its contract)",
                ASK,
            )
        rows = [item for item in items if isinstance(item, dict)]
        self.malformed = [item for item in items if not isinstance(item, dict)]
        found = versions(records(rows), contract) if rows else VERSION.empty_table()
        latest: dict[Any, list[int]] = {}
        times = found[CURSOR].to_pylist()
        for row, key in enumerate(found["record_key"].to_pylist()):
            same = latest.setdefault(key if key is not None else f"none in {row}", [])
            if same and None not in {times[same[-1]], times[row]} and times[same[-1]] != times[row]:
                same.clear()
            if all(rows[other] != rows[row] for other in same):
                same.append(row)
        kept = sorted(row for same in latest.values() for row in same)
        self.rows = [rows[row] for row in kept]
        self.versions = found.take(pa.array(kept, pa.int64()))

    def changed(self, difference: Difference) -> list[Record]:
        is_changed = difference.of_changed(self.versions["record_key"])
        return [row for row, one in zip(self.rows, is_changed, strict=True) if one]


def _is_before(record: Any, end: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(record[CURSOR])
    except (KeyError, TypeError, ValueError):
        return True  # the contract will say what is wrong with it
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < end
