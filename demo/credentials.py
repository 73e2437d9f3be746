"""Passwords and the token: made at random once per instance, kept in a file that only its owner may read."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.paths import write_atomically

PSEUDONYM_KEY = "demo-key-that-everybody-knows-never-for-real-people"
"""By which a demo's households get their pseudonyms: the same in all, so that each has the same figures."""


@dataclass(frozen=True)
class Credentials:
    """The administrator's and the reader's password of the database, the API's bearer token, the broker's token."""

    admin_password: str
    reader_password: str
    api_token: str
    broker_token: str

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """Read the file of an instance that has been started before."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DemoError(
                f"{path} cannot be read: run 'larder demo start', or delete {path.parent} to make a new demo"
            ) from error

    @classmethod
    def read_or_create(cls, path: Path) -> "Credentials":
        """Read the file; make what it lacks, which is all of it in a new demo."""
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = {}
        except (OSError, ValueError) as error:
            raise DemoError(f"{path} cannot be read: delete {path.parent} to make a new demo") from error
        made = {name: known.get(name) or secrets.token_urlsafe(24) for name in cls.__dataclass_fields__}
        if made != known:
            write_atomically(path, json.dumps(made) + "\n", mode=0o600)
        return cls(**made)
