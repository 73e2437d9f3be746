"""What comes next is prepared in one thread while another works on what came before."""

import contextvars
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from dlt.common.configuration.container import Container

Item = TypeVar("Item")


def prefetch(items: Generator[Item]) -> Generator[Item]:
    """Yield what `items` yields, and have it prepare the next item while the present one is in use.

    It prefetches one item, no more, so that memory stays bounded. Arrow and the codecs work outside Python's lock, so that
    two processors are busy. The thread is named as dlt names its own: it sees the state of the resource that is extracted.
    """
    context = contextvars.copy_context()
    name = Container.thread_pool_prefix() + "prefetch"

    def prepare() -> Future[Item | None]:
        return thread.submit(context.run, lambda: next(items, None))

    with closing(items), ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        following = prepare()
        while (item := following.result()) is not None:
            following = prepare()
            yield item
