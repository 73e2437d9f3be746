"""All systems of the retailer: start, advance, show and stop them."""

import fcntl
import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psycopg2

from demo import broker, landing, postgres, processes, records, tills
from demo.broker import NATS_ERRORS, Stream
from demo.clock import Calendar, Clock
from demo.credentials import PSEUDONYM_KEY, Credentials
from demo.database import Database
from demo.errors import DemoError
from demo.paths import Paths, write_atomically
from demo.processes import Running, Service
from demo.year import Report, data_folder, open_year

POSTGRES_URL = "LARDER_DEMO_POSTGRES_URL"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class System:
    """One source system as a user sees it; `rows` is empty where the system does not answer."""

    name: str
    kind: str
    address: str
    state: str
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """What the demo shows: its data folder, its clock and its systems."""

    data: Path
    clock: Clock
    systems: tuple[System, ...]


@dataclass(frozen=True)
class Ports:
    """Ports that the user has chosen; None leaves the choice to the demo."""

    postgres: int | None = None
    api: int | None = None
    broker: int | None = None


class Retailer:
    """All source systems of one instance, in one data folder."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._external_url = os.environ.get(POSTGRES_URL) or None

    @property
    def calendar(self) -> Calendar:
        """The days that this instance serves: the real year, where it has not been started with others."""
        return Calendar.read(self._paths.calendar) or Calendar()

    def choose_calendar(self, first_year: int | None, years: int | None) -> Calendar:
        """The calendar for a start: a new demo may choose one, an existing demo keeps its own."""
        usual = self.calendar
        wanted = Calendar(first_year or usual.first_year, years or usual.years)
        if wanted != usual and Clock.read(self._paths.clock).floor:
            raise DemoError(
                f"this demo serves {usual.first_day} to {usual.last_day}: for other years choose another LARDER_DATA, "
                f"or delete {self._paths.landing} and {self._paths.demo} to start again"
            )
        return wanted

    def start(self, calendar: Calendar, to: date | None, ports: Ports, report: Report) -> None:
        """Start what is not running and bring the calendar to the end of the day `to`.

        Without `to` a new demo gets all its days and one that exists stays at its day. Whatever fails, nothing that
        this call has started is left running.
        """
        data_folder()
        with self._alone("start"), self._nothing_left_on_failure():
            if calendar != self.calendar:
                calendar.write(self._paths.calendar)
            self._stop_orphans()
            wanted = (ports.api, ports.postgres, ports.broker)
            for service, port in zip(self._services(), wanted, strict=True):
                self._check_port(service, port)
            target = self._target(to or Clock.read(self._paths.clock).floor or calendar.last_day)
            credentials = Credentials.read_or_create(self._paths.secrets)
            database = self._start_database(credentials, ports.postgres, report)
            stream = self._start_broker(credentials, ports.broker, report)
            self._bring_to(target, database, stream, report)
            api = self._start_api(ports.api, report)
            self._write_connections(credentials, database, api, stream)

    def advance(self, to: date, report: Report) -> None:
        """Advance running systems to the end of the day `to`."""
        with self._alone("advance"):
            if Clock.read(self._paths.clock).day is None:
                raise DemoError("the demo has not been started: run 'larder demo start' first")
            target = self._target(to)
            database = self._find_database(Credentials.read(self._paths.secrets))
            stream = self._find_stream()
            if database is None or stream is None or self._find(self._api_service()) is None:
                raise DemoError("the demo is not running: run 'larder demo start' first")
            self._bring_to(target, database, stream, report)

    def stream(self, first: date, last: date, speed: float | None, report: Report) -> int:
        """Publish the lines of a range of days to the broker, regardless of the clock; returns their number."""
        if last < first:
            raise DemoError(f"{last} is before {first}: choose a range that goes forward")
        with self._alone("stream"):
            stream = self._find_stream()
            if stream is None:
                raise DemoError("the demo is not running: run 'larder demo start' first")
            with closing(open_year(self._paths.scratch, self.calendar)) as year:
                return tills.publish(year, stream, first, last, speed, report)

    def stop(self) -> list[str]:
        """Stop every server of this instance; returns the names of those that were running."""
        with self._alone("stop"):
            return self._stop_all()

    def status(self) -> Status:
        """Ask every system for its state and rows."""
        clock = Clock.read(self._paths.clock)
        systems = (
            *self._file_systems(),
            self._stream_system(),
            *self._database_systems(),
            self._api_system(),
        )
        return Status(self._paths.data, clock, systems)

    # The clock

    def _target(self, to: date) -> date:
        floor = Clock.read(self._paths.clock).floor
        if floor is not None and to < floor:
            raise DemoError(
                f"the demo's clock is already at {floor}: time only goes forward, choose {floor} or later"
            )
        landing.refuse_later_files(self._paths, to)
        return to

    def _bring_to(self, to: date, database: Database, stream: Stream, report: Report) -> None:
        """Bring all systems to the end of a day: each step is repeatable, and the clock moves last."""
        before = Clock.read(self._paths.clock)
        if before != Clock(to):
            Clock(before.day, advancing_to=to).write(self._paths.clock)
        with closing(open_year(self._paths.scratch, self.calendar)) as year:
            tills.publish_new(year, stream, self._paths, to, report)
            landing.deliver(year, self._paths, to, report)
            if database.day() != to:
                report("database tables", 0, len(records.TABLES))
                records.build(year)
                database.advance(year, to, report)
        if before != Clock(to):
            Clock(to).write(self._paths.clock)

    # The servers

    def _start_database(self, credentials: Credentials, port: int | None, report: Report) -> Database:
        if self._external_url:
            database = Database(self._external_url, credentials.reader_password)
        else:
            running = self._start_server(credentials, port, report)
            database = self._own_database(credentials, running)
        database.prepare()
        return database

    def _start_server(self, credentials: Credentials, port: int | None, report: Report) -> Running:
        server = postgres.Server(self._paths.demo, credentials.admin_password)
        running = self._find(server.service)
        if running is None:
            report(server.service.name, 0, 1)
            running = server.start(self._choose_port(server.service, port))
        self._note(server.service, running)
        report(server.service.name, 1, 1)
        return running

    def _start_broker(self, credentials: Credentials, port: int | None, report: Report) -> Stream:
        server = broker.Server(self._paths, credentials.broker_token)
        running = self._find(server.service)
        if running is None:
            report(server.service.name, 0, 1)
            running = server.start(self._choose_port(server.service, port))
        self._note(server.service, running)
        report(server.service.name, 1, 1)
        return Stream(running.port, credentials.broker_token)

    def _start_api(self, port: int | None, report: Report) -> Running:
        service = self._api_service()
        running = self._find(service)
        if running is None:
            report(service.name, 0, 1)
            chosen = self._choose_port(service, port)
            command = [sys.executable, "-m", *service.marks, f"--port={chosen}"]
            search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
            running = processes.start(
                service,
                command,
                chosen,
                lambda: _get(chosen, "/health") == b"ok",
                environment={**os.environ, "PYTHONPATH": search},
                folder=ROOT,
            )
        self._note(service, running)
        report(service.name, 1, 1)
        return running

    def _find_database(self, credentials: Credentials) -> Database | None:
        if self._external_url:
            return Database(self._external_url, credentials.reader_password)
        running = self._find(postgres.describe(self._paths.demo))
        return self._own_database(credentials, running) if running else None

    def _own_database(self, credentials: Credentials, running: Running) -> Database:
        server = postgres.Server(self._paths.demo, credentials.admin_password)
        return Database(server.admin_url(running.port), credentials.reader_password)

    def _find_stream(self) -> Stream | None:
        running = self._find(broker.describe(self._paths))
        return Stream(running.port, Credentials.read(self._paths.secrets).broker_token) if running else None

    def _api_service(self) -> Service:
        marks = ("demo.api", f"--data={self._paths.data}")
        return Service("campaign API", marks, self._paths.log("api"))

    def _services(self) -> tuple[Service, Service, Service]:
        return self._api_service(), postgres.describe(self._paths.demo), broker.describe(self._paths)

    def _stop_all(self, but: Collection[str] = ()) -> list[str]:
        """Stop the servers of this instance that are running, except those named; returns the names of the others."""
        running = [
            (service, found.pid)
            for service in self._services()
            if service.name not in but and (found := self._find(service))
        ]
        processes.stop(*running)
        for service, _ in running:
            self._note(service, None)
        return [service.name for service, _ in running]

    def _stop_orphans(self) -> None:
        """Stop servers whose files were deleted under them: they can serve nobody any more."""
        has_database = self._external_url or (self._paths.postgres / "PG_VERSION").exists()
        if not (self._paths.secrets.exists() and has_database):
            self._stop_all()

    @contextmanager
    def _nothing_left_on_failure(self) -> Iterator[None]:
        before = {service.name for service in self._services() if self._find(service)}
        try:
            yield
        except BaseException:
            with processes.uninterrupted():
                self._stop_all(but=before)
            raise

    def _leave_the_original_alone(self) -> None:
        """Delete the records of the servers of the demo that this data folder is a copy of: their pids, their ports, their addresses."""
        if self._is_copy():
            self._paths.state.unlink(missing_ok=True)
            self._paths.connections.unlink(missing_ok=True)
        elif self._paths.home.exists():
            return
        write_atomically(self._paths.home, f"{self._paths.data}\n")

    def _is_copy(self) -> bool:
        try:
            return self._paths.home.read_text(encoding="utf-8") != f"{self._paths.data}\n"
        except FileNotFoundError:
            return False

    # The state file: pids, and the ports that are taken again at the next start

    def _find(self, service: Service) -> Running | None:
        return processes.find(service, self._state().get(service.name, {}).get("pid"))

    def _check_port(self, service: Service, wanted: int | None) -> None:
        """Before any work: is the port that the user has chosen free for the service?"""
        running = self._find(service)
        if wanted is None or (running and running.port == wanted):
            return
        if running:
            raise DemoError(
                f"{service.name} already runs on port {running.port}: run 'larder demo stop' first"
            )
        if not processes.port_is_free(wanted):
            raise DemoError(
                f"port {wanted} is taken by another program: choose another one for {service.name}"
            )

    def _choose_port(self, service: Service, wanted: int | None) -> int:
        return wanted or processes.choose_port(self._state().get(service.name, {}).get("port"))

    def _note(self, service: Service, running: Running | None) -> None:
        state = self._state()
        port = running.port if running else state.get(service.name, {}).get("port")
        state[service.name] = {"pid": running.pid if running else None, "port": port}
        write_atomically(self._paths.state, json.dumps(state, indent=2) + "\n")

    def _state(self) -> dict[str, dict[str, int | None]]:
        if self._is_copy():
            return {}
        try:
            state = json.loads(self._paths.state.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}  # the processes are found by their command lines all the same
        return state if isinstance(state, dict) else {}

    def _write_connections(
        self, credentials: Credentials, database: Database, api: Running, stream: Stream
    ) -> None:
        values = {
            "SOURCES__POS__LANDING": str(self._paths.pos),
            "SOURCES__POS_STREAM__URL": stream.address,
            "SOURCES__POS_STREAM__TOKEN": credentials.broker_token,
            "SOURCES__PROMOTIONS__LANDING": str(self._paths.promotions),
            "SOURCES__MERCHANDISING__CREDENTIALS": database.reader_url,
            "SOURCES__LOYALTY__CREDENTIALS": database.reader_url,
            "SOURCES__CAMPAIGNS__BASE_URL": f"http://127.0.0.1:{api.port}/v1/",
            "SOURCES__CAMPAIGNS__TOKEN": credentials.api_token,
            "LARDER_PSEUDONYM_KEYS": PSEUDONYM_KEY,
        }
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
        write_atomically(self._paths.connections, "".join(lines), mode=0o600)

    @contextmanager
    def _alone(self, verb: str) -> Iterator[None]:
        """Take the instance's lock; the kernel releases it when the process ends, in any way."""
        self._paths.demo.mkdir(parents=True, exist_ok=True)
        with self._paths.lock.open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                holder = handle.read().strip() or "another command"
                raise DemoError(f"{holder} is working on {self._paths.data}: wait until it is done") from None
            handle.truncate(0)
            handle.write(f"'larder demo {verb}' (pid {os.getpid()})\n")
            handle.flush()
            self._leave_the_original_alone()
            yield

    # Status

    def _file_systems(self) -> tuple[System, System]:
        rows = landing.count_rows(self._paths)
        return (
            _file_system("pos", self._paths.pos, {"transactions": rows["transactions"]}),
            _file_system("promotions", self._paths.promotions, {"placements": rows["placements"]}),
        )

    def _stream_system(self) -> System:
        name, kind = "pos_stream", "NATS JetStream"
        stream = self._find_stream()
        if stream is None:
            return System(name, kind, "-", "stopped")
        try:
            return System(name, kind, stream.address, "running", {"transactions": stream.count()})
        except NATS_ERRORS:
            return System(name, kind, stream.address, "no answer")

    def _database_systems(self) -> tuple[System, System]:
        rows: dict[str, int] = {}
        database = (
            self._find_database(Credentials.read(self._paths.secrets))
            if self._paths.secrets.exists()
            else None
        )
        if database is not None:
            try:
                rows = database.count_rows()
            except (DemoError, psycopg2.Error):
                database = None
        schemas = sorted({table.schema for table in records.TABLES}, reverse=True)
        address, state = (database.address, "running") if database else ("-", "stopped")
        first, second = (
            System(schema, "PostgreSQL", address, state, _of_schema(schema, rows)) for schema in schemas
        )
        return first, second

    def _api_system(self) -> System:
        running = self._find(self._api_service())
        if running is None:
            return System("campaigns", "HTTP API", "-", "stopped")
        token = Credentials.read(self._paths.secrets).api_token
        answer = _get(running.port, "/v1/summary", token)
        rows = json.loads(answer)["rows"] if answer else {}
        state = "running" if answer else "no answer"
        return System("campaigns", "HTTP API", f"http://127.0.0.1:{running.port}/v1/", state, rows)


def _file_system(name: str, folder: Path, rows: dict[str, int]) -> System:
    files = landing.count_files(folder)
    return System(name, "files", str(folder), f"{files} files" if files else "empty", rows)


def _of_schema(schema: str, rows: dict[str, int]) -> dict[str, int]:
    return {name.partition(".")[2]: count for name, count in rows.items() if name.startswith(f"{schema}.")}


def _get(port: int, path: str, token: str | None = None) -> bytes | None:
    """Ask a server on this machine directly, without the environment's proxy; None without a good answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.read() if response.status == 200 else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
