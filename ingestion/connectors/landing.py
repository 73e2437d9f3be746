"""Files that other systems drop into a landing folder: which are new, and what becomes of each."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import dlt

from ingestion.connectors.csv_file import read_csv
from ingestion.connectors.delivered import Delivered, Unreadable, require_columns
from ingestion.connectors.jsonl_file import read_jsonl
from ingestion.connectors.parquet_file import read_parquet
from ingestion.connectors.prefetch import prefetch
from ingestion.connectors.source import Source
from ingestion.contracts.contract import Table
from ingestion.core.errors import REDELIVER, IngestionError
from ingestion.core.request import ExtractContext
from ingestion.core.text import few
from ingestion.quarantine.store import FUTURE
from ingestion.validation.provenance import Provenance
from ingestion.validation.validator import MOST_REJECTED, Validator

Span = Callable[[str], tuple[date, date]]
"""From a file's name below the landing folder: the first and the last day that it is about."""

READERS = {".parquet": read_parquet, ".csv.gz": read_csv, ".jsonl": read_jsonl}
"""By the end of a file's name, how it is read."""


MAX_BYTES = 128 * 2**20
"""A file is read as a whole: a larger one is refused. The largest real one has half a megabyte."""

TOO_LARGE = f"it is too large, at most {MAX_BYTES:,} bytes are read"


@dataclass
class Landing:
    """What lies below a landing folder: deliveries by name, in its order, and the names of all else in their folders."""

    root: Path
    files: dict[str, Path] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


class NewFile(NamedTuple):
    """A file to load, read from the disk once: its digest is that of the content which its rows come from.

    Where something else than a file has its name, `problem` says what.
    """

    name: str
    kind: str
    digest: str
    content: bytes
    problem: str | None = None


def landed(context: ExtractContext, root: Path, source: Source) -> Landing:
    """What lies below a landing folder. A file whose name, or whose folder, is not that of a delivery is told, not loaded."""
    try:
        next(os.scandir(root), None)
    except OSError as error:
        raise IngestionError(
            f"landing folder {root} cannot be read: {error.strerror}",
            "Start the delivering system or correct its path.",
        ) from error
    landing = Landing(root)
    context.misplaced.extend(_unread_folders(root, source.pattern.rpartition("/")[0]))
    for path in sorted(root.glob(source.pattern)):
        name = os.fsencode(path.relative_to(root)).decode(errors="backslashreplace")
        if path.name.startswith((".", "_")):
            continue
        if not source.is_delivery(path.name):
            landing.others.append(name)
        elif problem := _misplaced(source, name):
            context.misplaced.append(problem)
        else:
            landing.files[name] = path
    if landing.others:
        context.notes.append(f"not loaded, not named as a delivery: {few(landing.others, 1)}")
    return landing


def load_files(
    context: ExtractContext,
    validator: Validator,
    landing: Landing,
    describe: Callable[[str, str, str], Provenance],
    span: Span,
    future: Collection[str] = (),
) -> Generator[Any]:
    """Yield the rows of the files that no completed load has brought yet, and their account.

    A file that cannot be read goes to the quarantine whole; so does one of the `future`, until its day has come.
    """
    seen = dlt.current.resource_state().setdefault("files", {})
    files = new_files(context, landing, span, future, seen)
    for file, found in prefetch(_read_all(files, validator.contract)):
        provenance = describe(file.name, file.kind, file.digest)
        if file.name in future:
            validator.refuse(
                provenance, FUTURE, "a day that the other files have reached", str(provenance.day)
            )
        else:
            yield from _accept(validator, found, provenance)
    yield from validator.close()


def new_files(
    context: ExtractContext,
    landing: Landing,
    span: Span,
    future: Collection[str],
    seen: dict[str, list[Any]],
) -> Iterator[NewFile]:
    """Yield each file that no completed load has brought yet, in order of names.

    A file is known by its path and content: the same content delivered again is skipped, changed content is yielded
    as a correction. What was loaded, `seen`, is kept in dlt's resource state, and so travels with the load itself. A
    reload yields the files of its days whether they are known or not.
    """
    paths = landing.files
    if context.is_reload:
        paths = {name: path for name, path in paths.items() if context.covers(*span(name))}
        known = {name: stamp[0] for name, stamp in seen.items() if context.covers(*span(name))}
        left = sum(_stamp(path)[0] for name, path in paths.items() if name in known)
        if not context.accepts(f"landing folder {landing.root}", left, sum(known.values()), "bytes"):
            return
    for name, path in paths.items():
        stamp = _stamp(path)
        if name in seen and seen[name][:2] == stamp and not context.is_reload:
            continue
        content, problem = _content(landing.root, path)
        digest = hashlib.sha256(content or (problem or "").encode()).hexdigest()
        if context.is_reload or name not in seen or seen[name][2] != digest:
            kind = context.kind if context.is_reload else "correction" if name in seen else "new"
            yield NewFile(name, kind, digest, content, problem)
        if name not in future:
            seen[name] = [*([0, 0] if problem else stamp), digest]


def known_files() -> set[str]:
    """Paths, relative to the landing folder, of all files that were loaded or are being loaded now."""
    return set(dlt.current.resource_state().get("files", {}))


def _unread_folders(root: Path, pattern: str) -> Iterator[str]:
    """Folders of deliveries that cannot be listed: a search by pattern passes over them in silence."""
    for folder in sorted(root.glob(pattern)):
        try:
            os.scandir(folder).close()
        except OSError as error:
            yield f"landing folder {folder.name} cannot be read: {error.strerror}"


def _misplaced(source: Source, name: str) -> str | None:
    """Why a file cannot be where it is."""
    try:
        source.provenance(name, "", "")
    except IngestionError as error:
        return str(error)
    return None


def _stamp(path: Path) -> list[int]:
    """Size and time of a file; zeros where there is none."""
    try:
        status = path.lstat()
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns] if stat.S_ISREG(status.st_mode) else [0, 0]


def _content(root: Path, path: Path) -> tuple[bytes, str | None]:
    """What a file holds, or why it holds nothing.

    Nothing but a file is opened, as a pipe would be waited for without end, and no symbolic link is followed below the landing
    folder: whoever delivers could have any file read that way.
    """
    try:
        with ExitStack() as opened:
            folder = _opened(opened, root, os.O_DIRECTORY)
            *parents, name = path.relative_to(root).parts
            for parent in parents:
                folder = _opened(opened, parent, os.O_DIRECTORY | os.O_NOFOLLOW, folder)
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if problem := _problem(status):
                return b"", problem
            with open(
                _opened(opened, name, os.O_NOFOLLOW | os.O_NONBLOCK, folder), "rb", closefd=False
            ) as file:
                content = file.read(MAX_BYTES + 1)
            return (content, None) if len(content) <= MAX_BYTES else (b"", TOO_LARGE)
    except (FileNotFoundError, PermissionError) as error:
        return b"", f"{error.strerror}"
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return b"", "its folder is a symbolic link"
        raise IngestionError(f"cannot read {path}: {error.strerror}", REDELIVER) from error


def _opened(opened: ExitStack, path: Path | str, flags: int, folder: int | None = None) -> int:
    descriptor = os.open(path, os.O_RDONLY | flags, dir_fd=folder)
    opened.callback(os.close, descriptor)
    return descriptor


def _problem(status: os.stat_result) -> str | None:
    """Why what has a file's name is not read."""
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(mode):
        return "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file"
    return TOO_LARGE if status.st_size > MAX_BYTES else None


def _read_all(files: Iterable[NewFile], contract: Table) -> Generator[tuple[NewFile, Delivered | Unreadable]]:
    """Each file with its rows, or with what speaks against it."""
    for file in files:
        try:
            yield file, read(file, contract)
        except Unreadable as error:
            yield file, error


def read(file: NewFile, contract: Table) -> Delivered:
    """The rows of a file. Raises Unreadable, and nothing else, whatever it holds."""
    if file.problem:
        raise Unreadable(f"the file cannot be read: {file.problem}", "a file", "none")
    reader = next(reader for end, reader in READERS.items() if file.name.endswith(end))
    delivered = reader(file.content, contract)
    require_columns(delivered, contract)
    return delivered


def _accept(validator: Validator, found: Delivered | Unreadable, provenance: Provenance) -> Iterator[Any]:
    """The good rows of a file go on, what cannot be read as a row is quarantined, if need be the whole file."""
    if isinstance(found, Delivered) and len(found.malformed) > MOST_REJECTED:
        rows = f"at most {MOST_REJECTED:,} malformed rows"
        found = Unreadable("too many rows are malformed", rows, f"{len(found.malformed):,}")
    if isinstance(found, Unreadable):
        validator.refuse(provenance, found.reason, found.expected, found.seen)
        return
    for line in found.malformed:
        validator.refuse_row(provenance, *line)
    yield from validator.accept(found.table, provenance, numbers=found.numbers, is_text=found.is_text)
