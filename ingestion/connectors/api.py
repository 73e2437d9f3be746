"""Records of an HTTP API: JSON pages with an `updated_since` filter and a link to the next page.

What was written in the last day before the newest known record is asked for again, and what the lake holds already is
left out. The API tells how many records it has: when that is not what should be known now, one is gone or was missed,
and all are read and compared.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import dlt
import pyarrow as pa
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from requests.exceptions import JSONDecodeError

from ingestion.contracts.contract import Table
from ingestion.core.errors import IngestionError
from ingestion.core.request import ExtractContext
from ingestion.lake.known_versions import CURSOR, KnownVersions, deletions, versions
from ingestion.validation.provenance import Provenance
from ingestion.validation.validator import FROZEN, Validator, records

PAGE_ROWS = 5_000
OVERLAP = timedelta(days=1)
"""How late a record may come to be found without reading all of them."""

ASK = "Ask the owner of the service; check that the configured address is that of the API."

Record = dict[str, Any]


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

    def count(self, table: str) -> int:
        """How many records there are now."""
        answer = self._get(f"{self._base}/summary", {}, ("rows",))
        return int(answer["rows"][table])

    def records(self, table: str, since: datetime | None = None) -> Iterator[Record]:
        """The records that were written at `since` or later, in the order of the API."""
        url: str | None = f"{self._base}/{table}"
        parameters = {"limit": str(PAGE_ROWS)} | ({"updated_since": since.isoformat()} if since else {})
        while url:
            page = self._get(url, parameters, ("data", "next"))
            yield from page["data"]
            url, parameters = page["next"], {}

    def _get(self, url: str, parameters: dict[str, str], wanted: tuple[str, ...]) -> Any:
        """The JSON object at `url`, with the fields that are wanted. The token goes to the configured host only."""
        if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
            raise IngestionError(f"{self._base} leads to another host for its next page: {url}", ASK)
        response = self._client.get(url, params=parameters, auth=self._auth)
        location = url.partition("?")[0]
        try:
            answer = response.json()
        except JSONDecodeError as error:
            raise IngestionError(f"{location} answered something that is not JSON ({error})", ASK) from error
        missing = [name for name in wanted if not isinstance(answer, dict) or name not in answer]
        if missing:
            raise IngestionError(f"{location} answered without {', '.join(missing)}", ASK)
        return answer


def records_of(context: ExtractContext, api: Api, contracts: Mapping[str, Table]) -> Iterator[Any]:
    """One dlt resource for each table of `contracts`, which the API serves under its name."""
    for name in contracts:
        rows = _read(context, api, name, Validator(contracts, name))
        yield dlt.resource(rows, name=name, schema_contract=FROZEN)


def _read(context: ExtractContext, api: Api, name: str, validator: Validator) -> Iterator[Any]:
    key = validator.contract.key[0]
    provenance = Provenance(f"/{name}", kind=context.kind)
    if context.is_range:
        first, end = context.instants
        of_range = (record for record in api.records(name, first) if _is_before(record, end))
        yield from validator.accept_all([_table(of_range, key)], provenance)
        return
    with KnownVersions(context, validator.contract) as known:
        since = known.latest - OVERLAP if known.latest and not context.full else None
        rows = _table(api.records(name, since), key)
        found = known.compare(versions(rows, key), is_all=since is None)
        if since and known.expected() != api.count(name):
            rows = _table(api.records(name), key)
            found = known.compare(versions(rows, key))
    is_accepted = context.accepts(f"/{name} of the API", found.left, found.live)
    if not context.full:
        yield from validator.accept_all([found.of_changed(rows, key)], provenance)
    elif is_accepted:
        yield from validator.accept_all([rows], provenance)
    if is_accepted:
        yield from deletions(name, found.deleted)


def _table(found: Iterable[Record], key: str) -> pa.Table:
    """Records as a table. One that was written while the pages were read may come twice: the later one counts."""
    latest = {record.get(key) or f"without a key: {number}": record for number, record in enumerate(found)}
    return records(list(latest.values()))


def _is_before(record: Record, end: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(record[CURSOR])
    except (KeyError, TypeError, ValueError):
        return True  # the contract will say what is wrong with it
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < end
