"""Errors that a user can act on."""

from ingestion.core.errors import ExpectedError


class LarderError(ExpectedError):
    """`str(error)` says what is wrong and where; `next_step` says what to do about it."""


class Busy(LarderError):
    """Another process is at the same work."""
