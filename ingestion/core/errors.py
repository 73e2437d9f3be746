"""Errors that an operator can fix: one base class, which the command line knows."""

import re

PASSWORD = re.compile(r"://([^:/@\s]*):[^@\s]*@")

REDELIVER = "Have the file delivered again (or restore it), then run `larder ingest` again: nothing else is loaded twice."
"""What to do about a landed file that cannot be used."""


class ExpectedError(Exception):
    """Something outside the code is wrong. `str(error)` says what and where; `next_step` says what to do about it.

    A password in an address is masked in both.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(masked(message))
        self.next_step = masked(next_step)


class IngestionError(ExpectedError):
    """A file, a password, a server or a disk that a load needs is not as it should be."""


class NotConfigured(IngestionError):
    """No connection is named for the source."""


def masked(text: str) -> str:
    """The text without the passwords of the addresses in it."""
    return PASSWORD.sub(r"://\1:***@", text)
