"""Tills, live: every basket line as an event on a message broker, as it is sold. Optional: a retailer may have no stream.

`SOURCES__POS_STREAM__URL` says where: `nats://host:port/STREAM` or `kafka://host:port/topic`. An event is a JSON object with
the columns of a till file and its `business_date`; money and the UTC time are text.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dlt
from dlt.common.configuration import with_config

from ingestion.brokers import Broker, Event, connect
from ingestion.contract import contract
from ingestion.intake import FROZEN, Intake
from ingestion.reading import Reading
from ingestion.stream import admit


@with_config(sections=("sources", "pos_stream"))
def broker(
    url: str = dlt.config.value, token: str | None = None, options: dict[str, Any] | None = None
) -> Broker:
    """The broker that the environment names."""
    return connect(url, token, options)


@dlt.source(name="pos_stream")
def pos_stream(reading: Reading, events: Sequence[Event] = ()) -> Any:
    """One micro-batch of events."""

    @dlt.resource(name="transactions", schema_contract=FROZEN)
    def transactions() -> Iterator[Any]:
        yield from admit(Intake(contract("pos_stream"), "transactions"), events, reading.kind)

    return transactions
