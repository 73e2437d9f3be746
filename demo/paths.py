"""Where the demo keeps what it writes, all of it below one data folder."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders and files of one instance; two instances with different data folders never meet."""

    data: Path

    @classmethod
    def from_environment(cls) -> "Paths":
        """Take the data folder from LARDER_DATA (default: `data` in the current folder)."""
        return cls(Path(os.environ.get("LARDER_DATA") or "data").absolute())

    @property
    def landing(self) -> Path:
        return self.data / "landing"

    @property
    def pos(self) -> Path:
        return self.landing / "pos"

    @property
    def promotions(self) -> Path:
        return self.landing / "promotions"

    @property
    def outgoing(self) -> Path:
        """Where files are written before they are renamed into place: on the landing folder's file system."""
        return self.landing / ".outgoing"

    @property
    def demo(self) -> Path:
        return self.data / "demo"

    @property
    def postgres(self) -> Path:
        return self.demo / "postgres"

    @property
    def broker(self) -> Path:
        """The broker's stream; what was published of the year is recorded next to it, so that both are deleted together."""
        return self.demo / "broker"

    @property
    def broker_settings(self) -> Path:
        return self.demo / "broker.conf"

    @property
    def published(self) -> Path:
        return self.broker / "published.json"

    @property
    def scratch(self) -> Path:
        return self.demo / "scratch"

    @property
    def clock(self) -> Path:
        return self.demo / "clock.json"

    @property
    def calendar(self) -> Path:
        return self.demo / "calendar.json"

    @property
    def home(self) -> Path:
        """Which data folder the demo was started in; another one is a copy of it."""
        return self.demo / "home"

    @property
    def state(self) -> Path:
        return self.demo / "state.json"

    @property
    def secrets(self) -> Path:
        return self.demo / "secrets.json"

    @property
    def connections(self) -> Path:
        return self.demo / "connections.toml"

    @property
    def lock(self) -> Path:
        return self.demo / "lock"

    def log(self, service: str) -> Path:
        return self.demo / f"{service}.log"


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace `path` by `text` in one rename, so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
