"""Errors that a user can act on."""


class LarderError(Exception):
    """`str(error)` says what is wrong and where; `next_step` says what to do about it."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


class Busy(LarderError):
    """Another process is at the same work."""
