"""The one error that a verb raises for what its user can fix."""

from ingestion.core.errors import ExpectedError


class LarderError(ExpectedError):
    """`str(error)` says what is wrong and where; `next_step` says what to do about it."""


class Busy(LarderError):
    """Another process is at the same work."""
