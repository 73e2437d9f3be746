"""Tills, live: every basket line as an event on a message broker, as it is sold. Optional: a retailer may have no stream.

`SOURCES__POS_STREAM__URL` says where: `nats://host:port/STREAM` or `kafka://host:port/topic`. An event is a JSON object with
the columns of a till file and its `business_date`; money and the UTC time are text.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ingestion.connectors.brokers import Broker, Event, connect
from ingestion.connectors.source import Source
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext


def broker() -> Broker:
    """The broker that the environment names."""
    import dlt
    from dlt.common.configuration import with_config
    from dlt.common.typing import TSecretStrValue

    @with_config(sections=("sources", "pos_stream"))
    def configured(
        url: str = dlt.config.value,
        token: TSecretStrValue | None = None,
        options: dict[str, Any] | None = None,
    ) -> Broker:
        return connect(url, token, options)

    return configured()


def extract(context: ExtractContext, events: Sequence[Event] = ()) -> Any:
    """One micro-batch of events."""
    import dlt

    from ingestion.connectors.stream import accept
    from ingestion.validation.validator import FROZEN, Validator

    @dlt.resource(name="transactions", schema_contract=FROZEN)
    def transactions() -> Iterator[Any]:
        yield from accept(Validator(contract("pos_stream"), "transactions"), events, context.kind)

    @dlt.source(name="pos_stream")
    def pos_stream() -> Any:
        return transactions

    return pos_stream()


SOURCE = Source(name="pos_stream", extract=extract, optional=True, broker=broker)
