"""Errors that an operator can fix: one base class, which the command line knows."""

from ingestion.core.redaction import all_redacted

REDELIVER = "Have the file delivered again (or restore it), then run `larder ingest` again: nothing else is loaded twice."
"""What to do about a landed file that cannot be used."""


class ExpectedError(Exception):
    """Something outside the code is wrong. `str(error)` says what and where; `next_step` says what to do about it.

    Both are redacted.
    """

    def __init__(self, message: str, next_step: str) -> None:
        message, self.next_step = all_redacted([message, next_step])
        super().__init__(message)


class IngestionError(ExpectedError):
    """A file, a password, a server or a disk that a load needs is not as it should be."""


class NothingThere(IngestionError):
    """The source has nothing of the days that were asked for."""


class NotConfigured(IngestionError):
    """No connection is named for the source."""


class Taken(IngestionError):
    """Another process has what this one needs alone, and is at work."""
