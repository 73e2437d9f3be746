"""Whatever a file holds: it is read, row by row or not at all, and every row is loaded or quarantined. Nothing else is raised."""

import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Instance, connections
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestion.connectors import landing
from ingestion.connectors.csv_file import ROW_BYTES
from ingestion.connectors.delivered import Delivered, Unreadable
from ingestion.connectors.landing import NewFile, _accept, read
from ingestion.connectors.parquet_file import MAX_BYTES
from ingestion.contracts.contract import contract
from ingestion.quarantine.store import Quarantine
from ingestion.sources.pos import provenance
from ingestion.validation import validator as validation
from ingestion.validation.validator import Validator

CONTRACT = contract("pos")["transactions"]
DAY = "business_date=2017-01-03"
HEADER = ",".join(CONTRACT.by_name)

QUICK = settings(
    max_examples=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LONG = settings(
    max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Account(NamedTuple):
    """What became of a file: None for all of them where it is quarantined whole."""

    delivered: int | None
    loaded: int | None
    quarantined: int | None


@pytest.fixture(scope="module")
def seeds(retailer: Instance) -> dict[str, bytes]:
    """The first rows of real files: Parquet by several writers, and the text of a CSV."""
    landing = Path(connections(retailer)["SOURCES__POS__LANDING"])
    rows = pq.read_table(landing / DAY / "sales_a.parquet", partitioning=None).slice(0, 40)
    text = gzip.decompress((landing / DAY / "sales_b.csv.gz").read_bytes())
    return {
        "plain": parquet(rows, compression="none", use_dictionary=False),
        "groups": parquet(rows, compression="zstd", row_group_size=10, write_page_checksum=True),
        "pages": parquet(rows, compression="gzip", data_page_version="2.0", store_decimal_as_integer=True),
        "text": b"".join(text.splitlines(keepends=True)[:41]),
    }


def parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


class Room:
    """The real validator and quarantine, without a pipeline around them: each file is a load of its own."""

    def __init__(self, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lake, self.loads = lake, 0
        monkeypatch.setattr(validation, "_load_id", lambda: f"{self.loads}.0")

    def account(self, name: str, content: bytes) -> Account:
        self.loads += 1
        quarantine = Quarantine(self.lake / str(self.loads), "pos")
        validator = Validator(contract("pos"), "transactions")
        validator.__dict__["_quarantine"] = quarantine
        validator.__dict__["_lake"] = quarantine.folder.parents[1]
        file = NewFile(f"{DAY}/{name}", "new", "digest", content)
        found: Delivered | Unreadable
        try:
            found = read(file, CONTRACT)
        except Unreadable as error:
            found = error
        origin = provenance(file.name, file.kind, file.digest)
        *tables, last = [*_accept(validator, found, origin), *validator.close()]
        (row,) = (last.data if hasattr(last, "data") else last).to_pylist()
        entries = [
            entry
            for file in quarantine.folder.glob("*/*.parquet")
            for entry in pq.read_table(file).to_pylist()
        ]
        if row["is_unreadable"]:
            assert [entry["row_number"] for entry in entries] == [None] and not tables
            return Account(None, None, None)
        assert row["loaded"] == sum(table.num_rows for table in tables)
        assert row["quarantined"] == len({entry["row_number"] for entry in entries}) == len(entries)
        assert row["delivered"] == row["loaded"] + row["quarantined"]
        return Account(row["delivered"], row["loaded"], row["quarantined"])


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(tmp_path, monkeypatch)


Mutation = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """A few bytes that are lost, added or different, near the end as often as anywhere: there a Parquet file says what it is."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["cut", "insert", "replace"]),
                st.booleans(),
                st.integers(0, 10_000),
                st.binary(min_size=1, max_size=8),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def apply(content: bytes) -> bytes:
        for step, near_end, offset, new in steps:
            size = max(len(content), 1)
            at = size - 1 - offset % min(size, 2_000) if near_end else offset % size
            kept = at + (0 if step == "insert" else len(new))
            content = content[:at] + (b"" if step == "cut" else new) + content[kept:]
        return content

    return apply


def lines(text: bytes) -> int:
    """Rows of a CSV text, counted without a parser of CSV."""
    return max(sum(bool(line) for line in re.split(rb"\r\n|\r|\n", text)) - 1, 0)


def check_parquet(room: Room, content: bytes) -> None:
    found = room.account("sales_a.parquet", content)
    if found.delivered is not None:
        assert found.delivered == pq.read_metadata(pa.BufferReader(content)).num_rows


def check_text(room: Room, text: bytes) -> None:
    found = room.account("sales_b.csv.gz", gzip.compress(text, 0))
    if found.delivered is not None:
        assert found.delivered <= lines(text)
        assert found.delivered == lines(text) or b'"' in text


@pytest.mark.parametrize("seed", ["plain", "groups", "pages"])
@QUICK
@given(change=mutations())
def test_a_damaged_parquet_file(seeds: dict[str, bytes], room: Room, seed: str, change: Mutation) -> None:
    check_parquet(room, change(seeds[seed]))


@QUICK
@given(change=mutations())
def test_a_damaged_csv_file(seeds: dict[str, bytes], room: Room, change: Mutation) -> None:
    check_text(room, change(seeds["text"]))
    room.account("sales_b.csv.gz", change(gzip.compress(seeds["text"], mtime=0)))


CELL = st.one_of(
    st.sampled_from(
        ["1e3", "3.12E+10", "1_000", "0x1F", "٣٤", "NaN", "inf", "-0", "+5", " 7 ", "1.", "9" * 30, "true", "NULL", "=1+1",
         '"', '""', '"a', '"a"b', '"1\n2"', "\r", "\0", "\ufeff", "é", "a" * 200_000, "0.005", ".5", "1,5", "",
         "2017-01-03", "2017-01-03T12:00:00", "2017-01-03 12:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
         "1483228800000", "2017-W01-2T12:00Z", "2017-01-03T24:00:00Z", "2017-01-03T12:00:00.1234567Z"]
    ),
    st.text(max_size=12),
)  # fmt: skip


@QUICK
@given(cells=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10), CELL), min_size=1, max_size=6))
def test_odd_values_in_a_csv_file(
    seeds: dict[str, bytes], room: Room, cells: list[tuple[int, int, str]]
) -> None:
    rows = [line.split(",") for line in seeds["text"].decode().splitlines()]
    for row, column, value in cells:
        rows[row][column] = value
    text = "\n".join(",".join(row) for row in rows).encode(errors="surrogatepass")
    check_text(room, text)


@QUICK
@given(text=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(HEADER.encode())
@example(f"\ufeff{HEADER}\r\n".encode())
@example(f"{HEADER}\r".encode())
@example(f"{HEADER}\n{HEADER}\n".encode())
@example(f'{HEADER}\n"'.encode())
@example(HEADER.encode("utf-16"))
@example(gzip.compress(HEADER.encode()))
def test_anything_as_a_csv_file(room: Room, text: bytes) -> None:
    check_text(room, text)
    check_text(room, HEADER.encode() + b"\n" + text)
    room.account("sales_b.csv.gz", text)
    room.account("sales_a.parquet", text)


NESTED = pa.struct([("a", pa.int64()), ("a", pa.string())])
ARRAYS = [
    pa.array(values, kind)
    for kind, values in [
        (pa.null(), [None, None]),
        *((kind, [1, None]) for kind in (pa.int8(), pa.uint64(), pa.int32(), pa.int64())),
        *((kind, [1.5, float("nan")]) for kind in (pa.float16(), pa.float32(), pa.float64())),
        (pa.float64(), [1e300, float("-inf")]),
        *((kind, ["1", None]) for kind in (pa.string(), pa.large_string(), pa.string_view())),
        *((kind, [b"1", b"\xff"]) for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))),
        (pa.bool_(), [True, None]),
        *((pa.timestamp(unit, tz), [2**62, -(2**62)]) for unit in ("ms", "us", "ns") for tz in (None, "UTC", "+05:30")),
        (pa.timestamp("us", "Mars/Olympus"), [1, None]),
        (pa.timestamp("s", "UTC"), [1_483_455_600, 2**40]),
        (pa.date32(), [2**31 - 1, 1]),
        (pa.date64(), [86_400_000, None]),
        (pa.time32("ms"), [1, 2]),
        (pa.time64("ns"), [1, 2]),
        (pa.duration("us"), [1, None]),
        (pa.decimal128(38, 0), [10**37, None]),
        (pa.decimal256(70, 3), [1, None]),
        (pa.list_(pa.int64()), [[1], None]),
        (pa.large_list(pa.string()), [["a"], []]),
        (pa.list_(pa.int8(), 2), [[1, 2], None]),
        (pa.map_(pa.string(), pa.int64()), [[("a", 1)], None]),
        (pa.struct([("at", pa.timestamp("us")), ("n", pa.list_(pa.string_view()))]), [{"at": 2**62, "n": ["a"]}, None]),
        (pa.dictionary(pa.int8(), pa.string()), ["1", None]),
        (pa.dictionary(pa.int32(), pa.int64()), [1, 2]),
        (pa.uuid(), [b"0" * 16, None]),
        (pa.json_(), ["{}", None]),
    ]
]  # fmt: skip
ARRAYS.append(pa.StructArray.from_arrays([pa.array([1, 2]), pa.array(["a", None])], fields=list(NESTED)))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.type))
def test_every_type_in_a_column_of_every_kind(seeds: dict[str, bytes], room: Room, array: pa.Array) -> None:
    table = pq.read_table(pa.BufferReader(seeds["plain"])).slice(0, 2)
    for name in ("basket_id", "week", "sales_value", "transaction_timestamp", "new"):
        number = table.column_names.index(name) if name != "new" else -1
        changed = table.append_column(name, array) if name == "new" else table.set_column(number, name, array)
        try:
            content = parquet(changed)
        except pa.ArrowNotImplementedError:
            pytest.skip("Parquet has no such type")
        check_parquet(room, content)


@pytest.mark.nightly
@LONG
@given(
    seed=st.sampled_from(["plain", "groups", "pages"]),
    change=mutations(),
    cells=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10), CELL), max_size=9),
)
def test_many_damaged_files(
    seeds: dict[str, bytes],
    room: Room,
    seed: str,
    change: Mutation,
    cells: list[tuple[int, int, str]],
) -> None:
    check_parquet(room, change(seeds[seed]))
    rows = [line.split(",") for line in seeds["text"].decode().splitlines()]
    for row, column, value in cells:
        rows[row][column] = value
    text = "\n".join(",".join(row) for row in rows).encode(errors="surrogatepass")
    check_text(room, text)
    check_text(room, change(text))


def refused(name: str, content: bytes) -> str:
    with pytest.raises(Unreadable) as error:
        read(NewFile(f"{DAY}/{name}", "new", "digest", content), CONTRACT)
    return f"{error.value.reason}: {error.value.expected}, {error.value.seen}"


def test_a_small_file_that_opens_to_a_large_one_is_refused(seeds: dict[str, bytes]) -> None:
    most = CONTRACT.max_rows
    header = HEADER.encode() + b"\n"
    assert f"at most {most * ROW_BYTES:,} bytes unpacked" in refused(
        "sales_b.csv.gz", gzip.compress(header + b"0" * most * ROW_BYTES, 1)
    )
    assert f"at most {most:,} rows" in refused(
        "sales_b.csv.gz", gzip.compress(header + b",\n" * (most + 1), 1)
    )
    one = pq.read_table(pa.BufferReader(seeds["plain"])).slice(0, 1)
    many = one.take(pa.array([0] * (most + 1)))
    assert f"at most {most:,} rows" in refused("sales_a.parquet", parquet(many))
    few = many.slice(0, 100_000)
    text = pa.array(["x" * 10_000])
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * len(few), pa.int32()), text)
    for values in (texts, texts.slice(0, 40_000).cast(pa.string())):
        content = parquet(few.slice(0, len(values)).append_column("notes", values))
        assert len(content) < 2**20
        assert f"at most {MAX_BYTES:,} bytes unpacked" in refused("sales_a.parquet", content)
    items = pa.array([0] * 4_000_000, pa.int8())
    nested = pa.ListArray.from_arrays(pa.array([0, len(items)], pa.int32()), items)
    wide = one.append_column("a", nested)
    for name in "bcdefghijk":
        wide = wide.append_column(name, nested)
    assert f"at most {MAX_BYTES:,} bytes unpacked" in refused("sales_a.parquet", parquet(wide))


def test_ten_large_days_in_one_file_are_read(seeds: dict[str, bytes]) -> None:
    """A real day has 4,900 rows at most."""
    rows = pq.read_table(pa.BufferReader(seeds["plain"])).slice(0, 1).take(pa.array([0] * 50_000))
    assert (
        read(NewFile(f"{DAY}/sales_a.parquet", "new", "", parquet(rows)), CONTRACT).table.num_rows == 50_000
    )
    text = HEADER + "\n" + "1,1,4,1,1,1.50,0.00,0.00,0.00,1,2017-01-03T15:00:00Z\n" * 50_000
    packed = gzip.compress(text.encode(), 1)
    assert read(NewFile(f"{DAY}/sales_b.csv.gz", "new", "", packed), CONTRACT).table.num_rows == 50_000


def test_a_file_of_which_too_many_rows_are_wrong_is_refused_whole(
    seeds: dict[str, bytes], room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pq.read_table(pa.BufferReader(seeds["plain"]))
    wrong = rows.set_column(rows.schema.get_field_index("quantity"), "quantity", pa.array([-1] * len(rows)))
    ragged = seeds["text"].replace(b"\n", b",\n").replace(b",\n", b"\n", 1)
    monkeypatch.setattr(validation, "MOST_REJECTED", len(rows))
    assert room.account("sales_a.parquet", parquet(wrong)) == Account(40, 0, 40)
    monkeypatch.setattr(validation, "MOST_REJECTED", len(rows) - 1)
    monkeypatch.setattr(landing, "MOST_REJECTED", len(rows) - 1)
    assert room.account("sales_a.parquet", parquet(wrong)) == Account(None, None, None)
    assert room.account("sales_b.csv.gz", gzip.compress(ragged)) == Account(None, None, None)
    assert room.account("sales_a.parquet", seeds["plain"]) == Account(40, 40, 0)
