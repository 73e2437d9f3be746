"""The command `larder`: its verbs by group, and what becomes of an error."""

import errno
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ingestion.core.errors import ExpectedError
from ingestion.core.redaction import redacted
from larder.cli import build, develop, govern, load, operate, read
from larder.core.errors import was_interrupted
from larder.core.settings import PROJECT, current_paths

NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}

PRIVATE = 0o077
"""The file mode mask of all that is written: what is published is opened on purpose, see ingestion/core/files.py."""

INTERRUPTED = 130
"""The exit code that typer gives to Ctrl-C."""
STOPPED = ("interrupted", "Run the same command again: nothing is lost, nothing is doubled.")


class Groups(TyperGroup):
    """Lists the verbs by what they are for, one a line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        width = formatter.width - 24
        shown = ""
        formatter.write("\n")
        for name, command in self.commands.items():
            group = str(getattr(command, "rich_help_panel", ""))
            label = "" if group == shown else group
            formatter.write(f"  {label:8}{name:15}{command.get_short_help_str(width)}\n")
            shown = group


app = typer.Typer(
    cls=Groups,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Load, test, publish a grocer's data in LARDER_DATA. VERB --help shows more.",
)
for group in (load, build, read, govern, develop, operate):
    app.add_typer(group.verbs)


def main() -> None:
    """Run a verb; turn an expected error into one message and exit code 1, Ctrl-C into 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _enter()
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _show(*STOPPED)
        raise
    except Exception as error:
        stopped = was_interrupted(error)
        _show(*(STOPPED if stopped else _explain(error)))
        sys.exit(INTERRUPTED if stopped else 1)


def _enter() -> None:
    """Have every process that is started find the project and the data root, and write files that nobody else reads."""
    os.umask(PRIVATE)
    paths = current_paths()
    os.environ["LARDER_DATA"] = str(paths.data)
    if "://" not in os.environ.get("LARDER_LAKE", "://"):
        os.environ["LARDER_LAKE"] = str(paths.lake)
    for name in ("LARDER_PSEUDONYM_KEY_FILE", "LARDER_RESTRICTED", "LARDER_ALERTS_FILE"):
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).resolve())
    os.chdir(PROJECT)


def _explain(error: Exception) -> tuple[str, str]:
    """The message and the next step for what a verb raised."""
    if isinstance(error, ExpectedError):
        return str(error), error.next_step
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "the disk is full",
            "Free space (larder doctor shows how much), then run again: nothing is lost.",
        )
    if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
        return f"not writable: {error.filename}", "Change its owner, or move everything with LARDER_DATA."
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"not a folder: {error.filename}", "Move it, or choose another LARDER_DATA."
    if isinstance(error, IsADirectoryError):
        return f"a folder, and no file: {error.filename2 or error.filename}", "Name a file."
    return f"Unexpected error (a bug): {error!r}", f"Report it with {_log(error)}, then run again."


def _log(error: Exception) -> Path:
    """Write where the error came from: in the data folder, or elsewhere when nothing can be written, or is, there."""
    folder = current_paths().history
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.mkdtemp(prefix="larder-"))
    log = folder / "unexpected-error.log"
    log.write_text(redacted("".join(traceback.format_exception(error))))
    return log


def _show(message: str, next_step: str) -> None:
    from larder.core import console

    console.failed(message, next_step)
