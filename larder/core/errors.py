"""Errors that a user can act on."""

from ingestion.core.errors import ExpectedError


class LarderError(ExpectedError):
    """`str(error)` says what is wrong and where; `next_step` says what to do about it."""


class NotLoaded(LarderError):
    """A source was not loaded, or not all of it; the others were."""


class Busy(LarderError):
    """Another process is at the same work."""


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C, or a termination, was the reason: in the middle of a query DuckDB makes another error of it."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)
