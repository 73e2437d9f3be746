"""`make dagster`: Dagster's pages and its daemon, on this machine only, until Ctrl-C. Its database is PostgreSQL, from the demo's wheel.

Another PostgreSQL is used where DAGSTER_POSTGRES_URL names it.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from orchestration.project import BIN, DATA, HOME, MANIFEST, PROJECT

PRIVATE = 0o077
URL = "DAGSTER_POSTGRES_URL"
HERE = Path(__file__).parent
PORT = os.environ.get("PORT", "3000")
STOP_SECONDS = 60


def main() -> None:
    """Start the database where none is named, then Dagster; stop the database at the end."""
    for one in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a shell that starts this in the background has it ignore Ctrl-C
        signal.signal(one, signal.default_int_handler)
    os.umask(PRIVATE)
    HOME.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "dagster.yaml", HOME / "dagster.yaml")
    own = URL not in os.environ
    os.environ |= {"DAGSTER_HOME": str(HOME), "LARDER_DATA": str(DATA), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    if own:
        _server("start")
        os.environ[URL] = (HOME / "admin").read_text()
    try:
        if not MANIFEST.exists():
            _say("Nothing is published yet: after the first run, reload the definitions to see all assets.")
        _say(f"http://127.0.0.1:{PORT}/, until Ctrl-C")
        _dagster()
    finally:
        if own:
            _server("stop")


def _dagster() -> None:
    """Dagster until somebody stops it: it hears of that from here alone, and has the time to stop its own processes."""
    command = ["-m", "dagster", "dev", "-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", PORT]
    with subprocess.Popen([sys.executable, *command], cwd=PROJECT, start_new_session=True) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def _server(action: str) -> None:
    """The demo is a program of its own, which knows how to run PostgreSQL from its wheel."""
    done = subprocess.run([BIN / "python", "-m", "demo.postgres", action, HOME], cwd=PROJECT, check=False)
    if done.returncode:
        sys.exit(f"PostgreSQL did not {action}. Put it right, or name a server of your own in {URL}.")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
