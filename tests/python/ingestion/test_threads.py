"""What runs in threads beside dlt: it keeps the order, stops when nobody reads, and passes errors on."""

import io
import threading
from collections.abc import Generator
from itertools import pairwise

import pytest

from ingestion.connectors.postgres import _Blocks
from ingestion.connectors.prefetch import prefetch


def test_the_next_item_is_prepared_while_the_present_one_is_in_use() -> None:
    prepared = [threading.Event() for _ in range(4)]

    def items() -> Generator[int]:
        for number, event in enumerate(prepared):
            event.set()
            yield number

    seen = []
    for number in prefetch(items()):
        assert all(event.wait(10) for event in prepared[: number + 2])
        assert not any(event.is_set() for event in prepared[number + 2 :])  # one item is prefetched, no more
        seen.append(number)
    assert seen == [0, 1, 2, 3]


def test_an_error_comes_in_its_turn() -> None:
    def items() -> Generator[int]:
        yield 1
        raise ValueError("of the second item")

    read = prefetch(items())
    assert next(read) == 1
    with pytest.raises(ValueError, match="of the second item"):
        next(read)


def test_who_stops_reading_stops_the_preparation() -> None:
    closed = threading.Event()

    def items() -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    read = prefetch(items())
    next(read)
    read.close()
    assert closed.is_set()


@pytest.mark.parametrize("size", [16, 64, 1_000])
def test_blocks_of_a_copy_are_whole_rows(size: int) -> None:
    """A row as long as the buffer, or longer, is no exception."""
    rows = [b"x" * (number * 7 % (3 * size)) + b"\n" for number in range(2_000)]
    blocks: list[bytes] = []
    with io.BufferedWriter(_Blocks(blocks.append), size) as buffer:
        for row in rows:
            buffer.write(row)
    assert b"".join(blocks) == b"".join(rows)
    assert all(block.endswith(b"\n") for block in blocks)
    assert all(len(one) + len(other) > size for one, other in pairwise(blocks))  # filled as far as rows allow
