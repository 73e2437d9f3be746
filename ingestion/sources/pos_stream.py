"""Tills, live: every basket line as an event on a message broker, as it is sold. Optional: a retailer may have no stream.

`SOURCES__POS_STREAM__URL` says where: `nats://host:port/STREAM` or `kafka://host:port/topic`. An event is a JSON object with
the columns of a till file and its `business_date`; money and the UTC time are text.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dlt
from dlt.common.configuration import with_config

from ingestion.connectors.brokers import Broker, Event, connect
from ingestion.connectors.stream import accept
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext
from ingestion.validation.validator import FROZEN, Validator


@with_config(sections=("sources", "pos_stream"))
def broker(
    url: str = dlt.config.value, token: str | None = None, options: dict[str, Any] | None = None
) -> Broker:
    """The broker that the environment names."""
    return connect(url, token, options)


@dlt.source(name="pos_stream")
def pos_stream(context: ExtractContext, events: Sequence[Event] = ()) -> Any:
    """One micro-batch of events."""

    @dlt.resource(name="transactions", schema_contract=FROZEN)
    def transactions() -> Iterator[Any]:
        yield from accept(Validator(contract("pos_stream"), "transactions"), events, context.kind)

    return transactions
