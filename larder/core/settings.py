"""Paths. `LARDER_DATA` moves everything that a run writes, `LARDER_LAKE` the lake alone."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from larder.core.errors import LarderError

if TYPE_CHECKING:
    from ingestion.core.storage import Location

PROJECT = Path(__file__).resolve().parents[2]
"""The repository: dbt project, profiles, dlt configuration."""


EVERYBODY = "staff"
"""The audience of the site: everybody in the house."""

ENGINES = ("duckdb", "spark")
"""What can build the models. Readers take what any of them has built."""

SPILL = "spill-"
"""How the folders of a warehouse begin to which an engine spills: one a process, since two that share one crash each other."""

PATTERN = "[]{}*?%"
"""Characters that stand for something else where files are named by a pattern or an address."""

IN_BUCKETS = PATTERN + "&'\\"
"""The same in a bucket, where a listing escapes some more and some stores take a backslash for a slash."""

PLACES = ("LARDER_LAKE", "LARDER_EXPORT", "LARDER_SHARES", "LARDER_SITE")
"""What may name a folder of a bucket."""


@dataclass(frozen=True)
class Paths:
    """The folders below one data root, and the `project` whose files are built with it: another state of them for a review."""

    data: Path
    project: Path = PROJECT

    @property
    def lake(self) -> "Location":
        """`LARDER_LAKE`, a folder of the disk or of a bucket, or `lake` below the data root, as dbt takes it too (macro `lake_path`)."""
        named = os.environ.get("LARDER_LAKE")
        if named and (named.startswith("s3:") or "://" in named):
            return _in_bucket("LARDER_LAKE", named)
        return _usable("LARDER_LAKE", Path(named).resolve()) if named else self.data / "lake"

    def bucket(self, name: str) -> "Location | None":
        """Where the export, the shares or the site are shown besides: `LARDER_EXPORT`, `LARDER_SHARES`, `LARDER_SITE`, each a folder of a bucket."""
        variable = f"LARDER_{name.upper()}"
        named = os.environ.get(variable)
        if not named:
            return None
        place = _in_bucket(variable, named)
        for other in PLACES:
            there = os.environ.get(other, "").rstrip("/")
            if other != variable and there and _is_in(str(place), there):
                raise LarderError(
                    f"{variable}={named} and {other}={there} are not apart", "Give each a folder of its own."
                )
        return place

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse"

    @property
    def history(self) -> Path:
        return self.data / "history"

    @property
    def locks(self) -> Path:
        return self.history / "locks"

    @property
    def dlt(self) -> Path:
        """dlt's working directory: only a load that is under way needs it."""
        return self.data / "dlt"

    @property
    def dbt(self) -> Path:
        """dbt's artifacts and logs of the runs that `larder` starts."""
        return self.history / "dbt" if self.project == PROJECT else self.project / "target"

    @property
    def site(self) -> Path:
        """What is published as static files: everybody who reads the site can read it."""
        return self.data / "site"

    @property
    def pages(self) -> Path:
        """A folder for each audience that has pages of its own, for its group alone."""
        return self.data / "pages"

    @property
    def shares(self) -> Path:
        """A folder for each audience, with what it may see."""
        return self.data / "shares"

    @property
    def serving(self) -> Path:
        """What `larder serve postgres` keeps: its server's files, with rows of the shares, and the passwords of audiences."""
        return self.data / "serving"

    @property
    def export(self) -> Path:
        """The marts as Parquet, whole: for the owner of the files alone, as the warehouse is."""
        return self.data / "export"

    @property
    def catalog(self) -> Path:
        return self.site / "catalog"

    def reports(self, audience: str) -> Path:
        """The pages that are made for an audience: those for everybody in the house are in the site, no others are."""
        return self.site / "reports" if audience == EVERYBODY else self.pages / audience

    @property
    def docs(self) -> Path:
        return self.site / "docs" / "index.html"

    @property
    def connections(self) -> Path:
        """Addresses and passwords of the demo retailer's systems, written by the demo."""
        return self.data / "demo" / "connections.toml"


def current_paths() -> Paths:
    """The data root: `LARDER_DATA`, or `data/` in the repository."""
    root = os.environ.get("LARDER_DATA")
    return Paths(_usable("LARDER_DATA", Path(root).resolve() if root else PROJECT / "data"))


def engine(named: str | None = None) -> str:
    """The engine that builds: the one that is named, or that of `LARDER_ENGINE`; DuckDB where nobody says. Raises LarderError for another."""
    wanted = named or os.environ.get("LARDER_ENGINE") or ENGINES[0]
    if wanted not in ENGINES:
        raise LarderError(f"there is no engine {wanted!a}", f"Choose one of: {', '.join(ENGINES)}")
    return wanted


def _in_bucket(name: str, named: str) -> "Location":
    from ingestion.core import storage  # it imports what --help does not need

    parts = named.removeprefix(storage.SCHEME).removesuffix("/").split("/")
    if not named.startswith(storage.SCHEME) or len(parts) < 2 or {"", ".", ".."} & set(parts):
        raise LarderError(
            f"{name}={named} is no folder of the disk or of a bucket",
            f"Name a path, or {storage.SCHEME}BUCKET/FOLDER.",
        )
    _require_plain(name, "/".join(parts), IN_BUCKETS)
    return storage.location(f"{storage.SCHEME}{'/'.join(parts)}")


def _is_in(one: str, other: str) -> bool:
    """Whether of two folders one is in the other, or both are the same."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _usable(name: str, folder: Path) -> Path:
    _require_plain(name, str(folder), PATTERN)
    return folder


def _require_plain(name: str, folder: str, refused: str) -> None:
    """Raise LarderError for a folder of whose path a part is a pattern: dlt and DuckDB would read other files than those that were written."""
    odd = next((char for char in folder if char in refused or not char.isprintable()), None)
    if odd:
        raise LarderError(
            f"{name} cannot be {folder!a}: with {odd!a} in it, a path is read as a pattern, or as another one",
            f"Set {name} to a folder without any of {' '.join(refused)} in its path.",
        )


def spill_folder(warehouse: Path, name: str, pid: int | None) -> Path:
    """Where a process spills what it does for `name`; what a killed one leaves goes by `larder clean`."""
    return warehouse / f"{SPILL}{name}-{pid}"


def use_demo_connections(paths: Paths) -> None:
    """Offer the demo retailer's addresses to dlt, unless the environment names others."""
    if paths.connections.is_file():
        for name, value in tomllib.loads(paths.connections.read_text()).items():
            os.environ.setdefault(name, str(value))
