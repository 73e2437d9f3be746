"""Whatever an API, a stream or a database holds: no error but the named ones, every item loaded or quarantined, and fixed.

The examples of every day are the same ones and few; by night there are more of them.
"""

import json
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from test_database_records import Crm, crm
from test_odd_answers import Service, campaign, service
from test_stream import line

from ingestion.connectors.brokers import Event
from ingestion.connectors.stream import last_offsets
from ingestion.pipelines import ingest
from ingestion.quarantine.accounts import accounts
from ingestion.quarantine.store import Quarantine
from ingestion.sources.pos_stream import extract

__all__ = ["crm", "service"]  # fixtures

Property = Callable[..., None]

TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(
        [2**63, -(2**63), 10**30, "9" * 30, "NaN", "1e5", " 7 ", "1_0", "٣", "infinity", "x" * 70_000]
    )
    | st.dates().map(str)
    | st.datetimes().map(str)
    | st.decimals().map(str)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = {"new", "", "\0", "_dlt_load_id", "_stream"}


def changed(good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A good record of which up to three fields have other values, or are more than there should be."""
    odd = st.dictionaries(st.sampled_from(sorted({*good, *NAMES})), VALUES, max_size=3)
    return odd.map(lambda values: {**good, **values})


def examples(few: int, many: int) -> list[Any]:
    """So many examples, for a test and for a night."""
    return [few, pytest.param(many, marks=pytest.mark.nightly)]


def search(check: Property, examples: int, **strategies: st.SearchStrategy[Any]) -> None:
    """Run `check` on examples, each in a data root of its own."""

    def in_a_folder(**values: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder), **values)

    run = settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(given(**strategies)(in_a_folder))
    run()


def account(root: Path, source: str, table: str) -> tuple[int, int, int]:
    """Delivered, loaded and quarantined rows; what is not among the last two was fixed."""
    found = accounts(root / "lake", source)[table]
    assert found.delivered == found.loaded + found.quarantined + found.superseded
    return found.delivered, found.loaded, found.quarantined


RAW = (
    st.binary(max_size=60)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.integers(0, 300).map(lambda end: json.dumps(line(1)).encode()[:end])
    | st.tuples(st.integers(0, 250), st.binary(min_size=1, max_size=3)).map(
        lambda cut: json.dumps(line(1)).encode()[: cut[0]] + cut[1] + json.dumps(line(1)).encode()[cut[0] :]
    )
    | st.sampled_from([500, 990, 50_000]).map(lambda depth: b'{"a":' + b"[" * depth + b"]" * depth + b"}")
)
PAYLOADS = st.lists(
    RAW | changed(line(1)).map(lambda event: json.dumps(event).encode()), min_size=1, max_size=40
)
TIMES = st.sampled_from([1_483_228_800_000_000, 0, -1000, 2**62, 2**70])


@pytest.mark.parametrize("count", examples(5, 300))
def test_events_are_loaded_or_quarantined_and_the_stream_goes_on(count: int) -> None:
    def check(root: Path, payloads: list[bytes], time: int) -> None:
        def load(first: int, *bodies: bytes) -> Any:
            events = [Event("T/0", first + n, time, body) for n, body in enumerate(bodies)]
            return ingest(
                "pos_stream",
                root / "lake",
                root / "dlt",
                lambda _: None,
                extract=lambda to: extract(to, events),
            )

        load(1, *payloads)
        delivered, loaded, quarantined = account(root, "pos_stream", "transactions")
        assert delivered == len(payloads) == loaded + quarantined
        numbers = [e["row_number"] for e in Quarantine(root / "lake", "pos_stream").open_entries()]
        assert len(set(numbers)) == len(numbers) == quarantined
        assert last_offsets(root / "lake/raw/pos_stream")["T/0"].sequence == len(payloads)
        good = json.dumps(line(2)).encode()
        one_by_one = load(len(payloads) + 1, good, b"odd")
        assert one_by_one.rows.get("transactions", 0) == (0 if time in (2**62, 2**70) else 1)

    search(check, count, payloads=PAYLOADS, time=TIMES)


@pytest.mark.parametrize("count", examples(3, 40))
def test_records_of_an_api_are_loaded_or_quarantined_and_fixed(service: Service, count: int) -> None:
    def check(root: Path, items: list[Any]) -> None:
        service.root = root
        records = [{**item, "n": n} if isinstance(item, dict) else item for n, item in enumerate(items)]
        service.campaigns = [campaign(10_000 + n) for n in range(3)] + records
        service.load()
        delivered, loaded, quarantined = account(root, "campaigns", "campaigns")
        assert delivered == 3 + len(items) == loaded + quarantined
        again = service.load()
        assert again.quarantined == [] and again.rows == {}
        service.campaigns = [campaign(20_000 + n, 9) for n in range(5)]
        fixed = service.load(force=True)
        assert not fixed.blocked and not fixed.refused and fixed.rows["campaigns"] == 5
        assert account(root, "campaigns", "campaigns")[2] == 0

    one = st.integers(1, 40).flatmap(lambda key: changed(campaign(key)))
    search(check, count, items=st.lists(one | SCALARS | st.lists(SCALARS, max_size=2), max_size=25))


@pytest.mark.parametrize("count", examples(25, 2_000))
def test_an_answer_of_any_shape_is_named(service: Service, count: int) -> None:
    from ingestion.connectors.api import Api
    from ingestion.core.errors import IngestionError

    api = Api(service.url, "a-token")

    def check(_: Path, answer: Any, data: Any, following: Any) -> None:
        for body in (
            answer,
            {"data": data, "next": following},
            {"rows": data},
            {"rows": {"coupons": following}},
        ):
            service.answers = dict.fromkeys(("/coupons", "/summary"), body)
            for ask in (lambda: list(api.records("coupons")), lambda: api.count("coupons")):
                try:
                    ask()
                except IngestionError as error:
                    assert service.url in str(error) and error.next_step

    bodies = VALUES | st.binary(max_size=30)
    search(check, count, answer=bodies, data=VALUES, following=VALUES)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "4.5", "7.0", "1e2", "-1", "99999999999999999999", "NaN"]),
        st.sampled_from(
            ["2017-01-01", "2017-01-02", "infinity", "-infinity", "4000-01-01 BC", "20000-01-01", None]
        ),
        st.sampled_from(["25-34", "65+"])
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
        | st.none(),
    ),
    max_size=20,
)
TYPES = st.tuples(
    st.sampled_from(["numeric", "float8", "text"]), st.sampled_from(["timestamptz", "text", "timestamp"])
)


@pytest.mark.parametrize("count", examples(3, 40))
def test_rows_of_a_database_are_loaded_or_quarantined_and_fixed(crm: Crm, count: int) -> None:
    crm.run(
        "drop table loyalty.demographics, loyalty.households cascade",
        "create table loyalty.households (household_id bigint, updated_at timestamptz)",
    )

    def check(root: Path, rows: list[Any], types: tuple[str, str]) -> None:
        crm.root = root
        _fill(crm, rows, *types)
        crm.load()
        found = accounts(root / "lake", "loyalty").get("demographics")
        delivered = found.delivered if found else 0
        assert delivered == len(rows)
        if found:
            assert found.delivered == found.loaded + found.quarantined
        again = crm.load()
        assert again.quarantined == [] and again.rows == {}
        _fill(crm, [(str(key), "2017-02-01", "25-34") for key in range(50)], "bigint", "timestamptz")
        fixed = crm.load(force=True)
        assert not fixed.blocked and fixed.rows["demographics"] == 50
        assert account(root, "loyalty", "demographics")[2] == 0
        assert crm.load(force=True).rows == {}

    search(check, count, rows=ROWS, types=TYPES)


def _fill(crm: Crm, rows: list[Any], key: str, time: str) -> None:
    with closing(psycopg2.connect(crm.admin)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists loyalty.demographics")
        others = "income text, home_ownership text, marital_status text, household_size text"
        cursor.execute(
            f"create table loyalty.demographics (household_id {key}, updated_at {time}, age text, {others},"
            " household_comp text, kids_count text); grant select on loyalty.demographics to larder_reader"
        )
        for row in rows:
            cursor.execute(sql.SQL("insert into loyalty.demographics values (%s, %s, %s)"), row)
