"""Campaign management: a paginated JSON API with a bearer token, an `updated_since` filter and a rate limit."""

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_resources
from dlt.sources.rest_api.typing import RESTAPIConfig

from ingestion.contract import contract
from ingestion.intake import FROZEN, Intake, Origin, records

PAGE_ROWS = 5_000

TABLES = contract("campaigns")


@dlt.source(name="campaigns")
def campaigns(base_url: str = dlt.config.value, token: str = dlt.secrets.value) -> Iterator[Any]:
    """Campaign records that were added or changed since the last completed load. 429 and 5xx answers are retried."""
    for endpoint in rest_api_resources(_api(base_url, token)):
        table = endpoint.name.removesuffix("_pages")
        yield endpoint | _as_arrow(table)


def _api(base_url: str, token: str) -> RESTAPIConfig:
    return {
        "client": {
            "base_url": base_url,
            "auth": {"type": "bearer", "token": token},
            "paginator": {"type": "json_link", "next_url_path": "next"},
        },
        "resources": [_endpoint(table) for table in TABLES],
    }


def _endpoint(table: str) -> Any:
    return {
        "name": f"{table}_pages",
        "primary_key": TABLES[table].key[0],
        "selected": False,
        "endpoint": {
            "path": table,
            "data_selector": "data",
            "params": {"limit": PAGE_ROWS, "updated_since": "{incremental.start_value}"},
            "incremental": {"cursor_path": "updated_at", "initial_value": "2000-01-01T00:00:00Z"},
        },
    }


def _as_arrow(table: str) -> Any:
    """A transformer that turns each page of JSON records into an Arrow table, about 20 times cheaper than rows."""

    intake = Intake(TABLES, table)

    @dlt.transformer(name=table, schema_contract=FROZEN)
    def pages(rows: list[dict[str, Any]]) -> Iterator[Any]:
        if rows:
            yield from intake.admit(records(rows), Origin(f"/{table}"))
            yield from intake.close()

    return pages
