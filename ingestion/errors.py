"""The one error that ingestion raises for what an operator can mend."""

import re


class IngestionError(Exception):
    """Something outside the code is wrong: a file, a password, a server, a disk.

    `str(error)` names the place and the reason; `next_step` says what to do about it. A password in an address is masked.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(re.sub(r"://([^:/@\s]*):[^@\s]*@", r"://\1:***@", message))
        self.next_step = next_step


class NotConfigured(IngestionError):
    """No connection is named for the source."""
