"""Passwords and the token: made at random once per instance, kept in a file that only its owner may read."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.paths import write_atomically


@dataclass(frozen=True)
class Credentials:
    """The administrator's and the reader's password of the database, and the API's bearer token."""

    admin_password: str
    reader_password: str
    api_token: str

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """Read the file of an instance that has been started before."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(content["admin_password"], content["reader_password"], content["api_token"])
        except (OSError, ValueError, KeyError) as error:
            raise DemoError(f"{path} cannot be read: delete {path.parent} to make a new demo") from error

    @classmethod
    def read_or_create(cls, path: Path) -> "Credentials":
        """Read the file, or make new credentials where there is none."""
        if path.exists():
            return cls.read(path)
        made = cls(*(secrets.token_urlsafe(24) for _ in range(3)))
        write_atomically(path, json.dumps(asdict(made)) + "\n", mode=0o600)
        return made
