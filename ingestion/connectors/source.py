"""What a module of `ingestion/sources/` states of its source system. Known without dlt."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ingestion.connectors.brokers import Broker
from ingestion.contracts.contract import contract
from ingestion.core.request import ExtractContext
from ingestion.validation.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source system, besides its contract.

    `extract` makes the dlt source of a run from its `ExtractContext`, and imports dlt only then: most commands ask for
    names only, and take less time than that import. Of a stream, `broker` connects to where its events come from, and
    `extract` takes a batch of them as well. Of files, `pattern` says where below the landing folder they lie, the regular
    expression `file` how they are named, and `provenance` what the name of one (with kind and digest of its delivery) says
    of its rows: IngestionError where its folder does not say what it must.
    """

    name: str
    extract: Callable[..., Any]
    optional: bool = False
    """Whether a retailer may not have it: without a connection it is left out, and a build does not wait for its loads."""
    is_own: bool = False
    """Whether it is the platform itself: it is loaded at the end of a run, and its loads alone make nothing be built."""
    broker: Callable[[], Broker] | None = None
    pattern: str = ""
    file: str = ""
    provenance: Callable[[str, str, str], Provenance] = Provenance

    def is_delivery(self, name: str) -> bool:
        """Whether a file of this name is one that the source delivers; not a copy, a checksum, an upload under way."""
        return re.fullmatch(self.file, name) is not None


def database(name: str, optional: bool = False) -> Source:
    """A PostgreSQL database whose schema `name` has the tables of the contract: what was added, changed or deleted."""

    def extract(context: ExtractContext) -> Any:
        import dlt
        from dlt.common.typing import TSecretStrValue

        from ingestion.connectors.database import records

        @dlt.source(name=name, section=name)
        def tables(credentials: TSecretStrValue = dlt.secrets.value) -> Iterator[Any]:
            yield from records(context, credentials, name, contract(name))

        return tables()

    return Source(name=name, extract=extract, optional=optional)
