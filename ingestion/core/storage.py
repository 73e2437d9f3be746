"""The one way to the files of the lake, on a disk or in a bucket: where they lie, how they are read, written whole, and locked.

On a disk they are paths, in a bucket universal-pathlib's, which are asked for the same: names, patterns, contents. Whatever writes,
locks, or hands a file to Arrow or DuckDB does it here, so that nobody else need know which of the two it is.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.core import files, sql
from ingestion.core.errors import IngestionError
from ingestion.core.text import first_line

if TYPE_CHECKING:
    from typing_extensions import TypeIs
    from upath import UPath

    Location = Path | UPath
else:
    Location = Path

SCHEME = "s3://"
LOCKS = "_locks"
"""The folder of a bucket's locks, in the folder that they are about."""


def location(named: str) -> Location:
    """A folder of the disk, or `s3://<bucket>/<folder>`. Raises IngestionError where a bucket cannot be reached for want of packages or keys."""
    if not named.startswith(SCHEME):
        return Path(named)
    if (
        find_spec("s3fs") is None
        or find_spec("upath") is None
        or find_spec("duckdb_extension_httpfs") is None
    ):
        raise IngestionError(
            f"{named} needs the packages of the group s3", "Install them: pip install 'larder[s3]'"
        )
    from upath import UPath

    from ingestion.core import bucket

    found: UPath = UPath(named.rstrip("/"), **bucket.options())
    return found


def is_bucket(place: Location) -> "TypeIs[UPath]":
    """Whether a location is in a bucket."""
    return not isinstance(place, Path)


def found(folder: Location, pattern: str) -> list[Location]:
    """What a pattern finds below a folder, by name; one that ends with a slash finds folders alone. A star stands for no slash."""
    if is_bucket(folder):
        return [folder / name for name in folder.fs.listed(folder.path, pattern)]
    return sorted(folder.glob(pattern), key=str)


def read(file: Location) -> bytes:
    """The content of a file. Raises FileNotFoundError where there is none."""
    if is_bucket(file):
        known: tuple[bytes, str] | None = file.fs.read_version(file.path)
        if known is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(file))
        return known[0]
    return file.read_bytes()


@contextmanager
def on_disk(file: Location) -> Iterator[Path]:
    """A file as one of the disk: itself, or a copy that is gone afterwards."""
    if not is_bucket(file):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        copy = Path(folder) / file.name
        copy.write_bytes(read(file))
        yield copy


def of_disk(place: Location) -> list[Path]:
    """A location as a path of the disk, for what can be said of those alone; nothing where it is in a bucket."""
    return [] if is_bucket(place) else [place]


def make_folder(folder: Location) -> None:
    """Have a folder on the disk; in a bucket there are none."""
    if not is_bucket(folder):
        folder.mkdir(parents=True, exist_ok=True)


def remove(place: Location) -> None:
    """Remove a file."""
    if is_bucket(place):
        place.fs.rm_file(place.path)
    else:
        place.unlink()


def remove_all(place: Location) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if is_bucket(place):
        with suppress(FileNotFoundError):  # some stores name a folder for a while that has lost its last file
            place.fs.rm(place.path, recursive=True)
    elif place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def remove_empty_folder(folder: Location) -> None:
    """Remove a folder of the disk that has nothing in it."""
    if not is_bucket(folder) and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def write(target: Location, content: str) -> None:
    """Replace `target` by a file with this content, in one step that survives a crash."""
    if is_bucket(target):
        target.fs.pipe_file(target.path, content.encode())
    else:
        files.write_atomically(target, content)


def replace(target: Location, before: bytes | None, content: str) -> None:
    """The same, if it still has the content `before`, or if it is not there where that is None.

    Raises IngestionError where somebody else has written it: on a disk the lock of the folder forbids that, in a bucket a
    lock may be lost.
    """
    if not is_bucket(target):
        files.write_atomically(target, content)
        return
    from ingestion.core import bucket

    if not bucket.replace(target, before, content.encode()):
        raise IngestionError(
            f"{target} was written by another process at the same time", "Run again: nothing is lost."
        )


def put(file: Path, target: Location, same: Location | None = None) -> None:
    """Have a file of the disk in a bucket, as a copy of one there that has the `same` content, where there is one."""
    assert is_bucket(target)  # noqa: S101 - what is published on the disk has other ways
    if same is not None and is_bucket(same) and same.exists():
        target.fs.copy(same.path, target.path)
    else:
        target.fs.put_file(str(file), target.path)


@contextmanager
def atomically(target: Location) -> Iterator[Path]:
    """Give a path of the disk to write to; at the end it becomes `target`, whole, unless an error is raised."""
    if not is_bucket(target):
        with files.atomically(target) as beside:
            yield beside
        return
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        yield (written := Path(folder) / target.name)
        target.fs.put_file(str(written), target.path)


@contextmanager
def exclusive(folder: Location) -> Iterator[None]:
    """Wait until no other process is in such a block for the same folder. It is released when the process ends."""
    if is_bucket(folder) and not _is_one_writer():
        with _locked(folder, "exclusive", waits=True):
            yield
    else:
        with files.exclusive(_stand_in(folder) if is_bucket(folder) else folder):
            yield


@contextmanager
def claimed(folder: Location) -> Iterator[None]:
    """Have the right to load into a folder of a bucket, for which other machines may ask as well: on one machine, `larder` has its own locks.

    Raises IngestionError where another process has it.
    """
    with (
        _locked(folder, "load", waits=False) if is_bucket(folder) and not _is_one_writer() else nullcontext()
    ):
        yield


@contextmanager
def _locked(folder: "UPath", name: str, waits: bool) -> Iterator[None]:
    from ingestion.core import bucket

    with bucket.lock(folder / LOCKS / f"{name}.json", waits):
        yield


def _is_one_writer() -> bool:
    from ingestion.core import bucket

    return bucket.is_one_writer()


def _stand_in(folder: "UPath") -> Path:
    """A folder of this machine to lock instead of one of a bucket to which nobody else writes."""
    named = hashlib.sha256(f"{folder} {os.getuid()}".encode()).hexdigest()[:16]
    found = Path(tempfile.gettempdir()) / f"larder-lock-{named}"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


# Parquet


@contextmanager
def parquet(file: Location) -> Iterator[pq.ParquetFile]:
    """A Parquet file, opened: read what is needed of it. Raises IngestionError for one that is damaged."""
    with file.open("rb") if is_bucket(file) else nullcontext(file) as source:
        with _damage_of(file):
            reader = pq.ParquetFile(source)
        with reader as opened:
            yield opened


@contextmanager
def _damage_of(file: Location) -> Iterator[None]:
    """Name the file that Arrow cannot read."""
    try:
        yield
    except pa.ArrowInvalid as error:
        raise IngestionError(
            f"{file} is damaged: {first_line(error)}", "Restore it from a copy of the lake."
        ) from error


def table(file: Location, **options: Any) -> pa.Table:
    """The rows of a Parquet file, whole; `options` are those of Arrow's `read_table`. Raises IngestionError for one that is damaged."""
    with _damage_of(file):
        return pq.read_table(BytesIO(read(file)) if is_bucket(file) else file, **options)


def row_count(file: Location) -> int:
    """The rows of a Parquet file, by its footer."""
    with parquet(file) as opened:
        return int(opened.metadata.num_rows)


def schema(file: Location) -> pa.Schema:
    """The columns of a Parquet file, by its footer."""
    with parquet(file) as opened:
        return opened.schema_arrow


# DuckDB


def connect(place: Location | None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in UTC that reads below `place`."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return let_read(connection, place)


def let_read(connection: duckdb.DuckDBPyConnection, place: Location | None) -> duckdb.DuckDBPyConnection:
    """Have a connection read what is below `place`."""
    for statement in statements(place):
        connection.execute(statement)
    return connection


def statements(place: Location | None) -> list[str]:
    """The SQL by which DuckDB comes to read below `place`: it has a secret key in it, so tell nobody. None are needed on a disk."""
    if place is None or not is_bucket(place):
        return []
    from ingestion.core import bucket

    said = bucket.keys()
    address = urlsplit(said["endpoint_url"])
    secret: dict[str, str] = {
        "key_id": said["key"],
        "secret": said["secret"],
        "region": said["region"],
        "scope": f"{SCHEME}{place.path.partition('/')[0]}/",
    }
    if said["token"]:
        secret["session_token"] = said["token"]
    if address.netloc:
        secret |= {"endpoint": f"{address.netloc}{address.path.rstrip('/')}", "url_style": "path"}
    values = ", ".join(f"{name} {sql.literal(value)}" for name, value in secret.items())
    use_ssl = "false" if address.scheme == "http" else "true"
    return [
        f"load {sql.literal(str(_extension()))}",
        f"create or replace temporary secret larder_lake (type s3, {values}, use_ssl {use_ssl})",
        "set http_retries = 8",
    ]


def _extension() -> Path:
    """DuckDB's httpfs as its wheel has it: signed, and for this version."""
    spec = find_spec("duckdb_extension_httpfs")
    found = sorted(Path(place) for place in (spec and spec.submodule_search_locations) or ())
    return found[0] / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"


def environment(place: Location) -> dict[str, str]:
    """The variables by which a process of its own comes to `place`, a secret key among them. None are needed on a disk."""
    if not is_bucket(place):
        return {}
    from ingestion.core import bucket

    return {bucket.VARIABLES[name]: value for name, value in bucket.keys().items() if value}


def port(place: Location) -> int | None:
    """The port at which a bucket is reached; None on a disk."""
    if not is_bucket(place):
        return None
    from ingestion.core import bucket

    address = urlsplit(bucket.keys()["endpoint_url"] or "https://aws")
    return address.port or (80 if address.scheme == "http" else 443)


# dlt


def destination(place: Location) -> dict[str, Any]:
    """Arguments of dlt's filesystem destination: dlt is told all, as it looks for nothing itself."""
    if not is_bucket(place):
        return {"bucket_url": str(place)}
    from dlt.common.configuration.specs import AwsCredentials

    from ingestion.core import bucket

    said, arguments = bucket.keys(), bucket.options()
    return {
        "bucket_url": str(place),
        "credentials": AwsCredentials(
            aws_access_key_id=said["key"],
            aws_secret_access_key=said["secret"],
            aws_session_token=said["token"] or None,
            endpoint_url=said["endpoint_url"] or None,
            region_name=said["region"],
        ),
        "kwargs": {"config_kwargs": arguments["config_kwargs"]},
    }


def names(places: Sequence[Location]) -> list[str]:
    """Locations as DuckDB takes them."""
    return [str(place) for place in places]
