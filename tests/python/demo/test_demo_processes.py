"""Servers: what is left running, what is found again, and the message of an expected failure."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
from demo_instance import Demo

from demo import postgres, processes
from demo.errors import DemoError
from demo.passage import let_pass
from demo.paths import Paths

DAY = "2017-01-02"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path / "data")
    yield made
    made.run("stop")


def servers(data: Path) -> list[list[str]]:
    """Command lines of all processes that name this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except psutil.Error:
            continue
        if any(str(data) in argument for argument in arguments):
            found.append(arguments)
    return found


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.nightly
def test_dead_servers_are_replaced_on_the_same_ports(demo: Demo) -> None:
    demo.run("start", "--to", DAY)
    before, state = demo.connections, demo.state
    for service in state.values():
        os.kill(service["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while servers(demo.data) and time.monotonic() < deadline:
        time.sleep(0.05)
    # The machine was restarted: the pids that were noted belong to other programs now.
    stale = {name: {**service, "pid": os.getpid()} for name, service in state.items()}
    (demo.data / "demo/state.json").write_text(json.dumps(stale))
    pid_file = demo.data / "demo/postgres/postmaster.pid"
    pid_file.write_text("\n".join([str(os.getpid()), *pid_file.read_text().splitlines()[1:]]))
    assert {each["state"] for each in demo.status()["systems"]} == {"4 files", "2 files", "stopped"}
    demo.run("start")
    assert demo.connections == before
    assert {name: each["port"] for name, each in demo.state.items()} == {
        name: each["port"] for name, each in state.items()
    }
    assert demo.query("select count(*) from merchandising.stores") == [(457,)]
    assert demo.get("/v1/campaigns").status == 200
    (stream,) = [each for each in demo.status()["systems"] if each["name"] == "pos_stream"]
    assert stream["rows"] == {"transactions": 7973}  # those of the first start, once

    # stop: nothing is left, and a second stop reports it
    stopped = demo.run("stop").stdout
    assert all(name in stopped for name in ("PostgreSQL", "campaign API", "NATS broker"))
    assert servers(demo.data) == [] and not any(listening(each["port"]) for each in state.values())
    assert "nothing was running" in demo.run("stop").stdout
    assert "not running" in demo.run("advance", "--to", "2017-01-03", code=1).stderr
    assert "not running" in demo.run("stream", "--from", DAY, "--to", DAY, code=1).stderr

    # files deleted, records of servers lost: a lost state file does not hide a running server from the next start
    demo.run("start")
    pids = {each["pid"] for each in demo.state.values()}
    (demo.data / "demo/state.json").unlink()
    demo.run("start")
    assert {each["pid"] for each in demo.state.values()} == pids


@pytest.mark.nightly
def test_an_interrupted_start_leaves_no_server_and_the_next_one_completes(demo: Demo) -> None:
    process = demo.popen("start", "--to", "2017-01-31")
    deadline = time.monotonic() + 30
    while not list(demo.data.glob("landing/pos/*/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "interrupted" in err and "Traceback" not in err
    assert servers(demo.data) == []
    assert demo.status()["clock"] is None and demo.status()["advancing_to"] == "2017-01-31"
    # From now on some systems may show days until the end of January, so that its beginning is past.
    assert "time only goes forward" in demo.run("start", "--to", DAY, code=1).stderr
    assert servers(demo.data) == []
    demo.run("start")
    assert demo.status()["clock"] == "2017-01-31"
    days = list((demo.data / "landing/pos").iterdir())
    assert len(days) == 31 and not (demo.data / "landing/.outgoing").exists()
    assert demo.query("select max(registered_on)::text from loyalty.households")[0][0] <= "2017-01-31"

    # deleting the data folder under running servers is no obstacle either
    shutil.rmtree(demo.data)
    demo.run("start", "--to", DAY)
    assert demo.query("select count(*) from merchandising.stores") == [(457,)]
    assert len(servers(demo.data)) == 3


def test_a_taken_port_is_named_and_nothing_is_left_running(demo: Demo) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        first = demo.run("start", "--to", "2017-01-01", "--postgres-port", port, code=1)
        assert f"port {port} is taken" in first.stderr and servers(demo.data) == []
        second = demo.run("start", "--to", "2017-01-01", "--api-port", port, code=1)
        assert f"port {port} is taken" in second.stderr and servers(demo.data) == []
        third = demo.run("start", "--to", "2017-01-01", "--broker-port", port, code=1)
        assert f"port {port} is taken" in third.stderr and servers(demo.data) == []


@pytest.mark.nightly
def test_only_one_command_at_a_time_and_a_server_that_does_not_start_names_its_log(demo: Demo) -> None:
    first = demo.popen("start", "--to", "2017-01-01")
    deadline = time.monotonic() + 30
    while not (demo.data / "demo/secrets.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    refused = demo.run("start", code=1)
    assert "larder demo start" in refused.stderr and f"pid {first.pid}" in refused.stderr
    _, err = first.communicate(timeout=60)
    assert first.returncode == 0, err

    demo.run("stop")
    (demo.data / "demo/postgres/postgresql.conf").write_text("no such setting\n")
    refused = demo.run("start", code=1)
    assert str(demo.data / "demo/postgres.log") in refused.stderr
    assert servers(demo.data) == []


@pytest.mark.nightly
def test_a_running_server_is_used_where_its_url_is_given(demo: Demo, tmp_path: Path) -> None:
    other = Paths(tmp_path / "other")
    other.demo.mkdir(parents=True)
    server = postgres.Server(other.demo, "an admin's p@ssword")
    running = server.start(processes.choose_port(None))
    try:
        url = f"postgresql://postgres:an%20admin%27s%20p%40ssword@127.0.0.1:{running.port}/postgres"
        admin = psycopg2.connect(url)
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute("create database retailer")
            refused = demo.run("start", "--to", DAY, code=1, LARDER_DEMO_POSTGRES_URL=url)
            assert "not the demo's" in refused.stderr
            cursor.execute("drop database retailer")
        admin.close()
        demo.run("start", "--to", DAY, LARDER_DEMO_POSTGRES_URL=url)
        assert urlsplit(demo.connections["SOURCES__LOYALTY__CREDENTIALS"]).port == running.port
        assert demo.query("select count(*) from merchandising.stores") == [(457,)]
        assert not (demo.data / "demo/postgres").exists()
        demo.run("advance", "--to", "2017-01-03", LARDER_DEMO_POSTGRES_URL=url)
        assert demo.query("select max(registered_on)::text from loyalty.households") == [("2017-01-03",)]
        assert "PostgreSQL" not in demo.run("stop", LARDER_DEMO_POSTGRES_URL=url).stdout
        assert listening(running.port)
        wrong = demo.run("start", code=1, LARDER_DEMO_POSTGRES_URL=url.replace("ssword", ""))
        assert "password" in wrong.stderr and len(wrong.stderr.splitlines()) == 1
    finally:
        processes.stop((server.service, running.pid))


@pytest.mark.nightly
def test_a_copied_folder_leaves_the_original_alone(demo: Demo, tmp_path: Path) -> None:
    """Its pids, ports and addresses are those of the original, of which nothing may be stopped, asked or loaded."""
    demo.run("start", "--to", DAY)
    before, copy = demo.state, Demo(tmp_path / "copy")
    shutil.copytree(demo.data, copy.data)
    assert {each["address"] for each in copy.status()["systems"] if each["kind"] != "files"} == {"-"}
    assert "nothing was running" in copy.run("stop").stdout
    # Otherwise `larder ingest` would read from the original.
    assert not (copy.data / "demo/connections.toml").exists()
    assert demo.state == before and all(listening(each["port"]) for each in before.values())


@pytest.mark.nightly
def test_a_copied_folder_is_another_retailer(demo: Demo, tmp_path: Path) -> None:
    demo.run("start", "--to", DAY)
    demo.run("stop")
    copy = Demo(tmp_path / "copy")
    shutil.copytree(demo.data, copy.data)
    try:
        copy.run("start")
        demo.run("start")
        ports = [{each["port"] for each in made.state.values()} for made in (demo, copy)]
        assert not ports[0] & ports[1]
        assert copy.query("select count(*) from merchandising.stores") == [(457,)]
        copy.run("stop")
        assert all(listening(port) for port in ports[0])
    finally:
        copy.run("stop")


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root PostgreSQL runs as another user")
@pytest.mark.nightly
def test_for_root_only_the_servers_user_may_pass_the_folders_above(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    demo = Demo(closed / "data")
    try:
        demo.run("start", "--to", DAY)
        assert demo.query("select count(*) from merchandising.stores") == [(457,)]
        assert not closed.stat().st_mode & 0o007
        nobody = subprocess.run(
            ["ls", closed / "data/landing"], user=65534, extra_groups=[], capture_output=True
        )
        assert nobody.returncode != 0
    finally:
        demo.run("stop")


def test_a_folder_that_cannot_be_opened_to_the_server_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    tmp_path.chmod(0o700)
    with pytest.raises(DemoError, match=f"may not pass {tmp_path} .*LARDER_DATA"):
        let_pass(12345, tmp_path)


@pytest.mark.parametrize("verb", ["start", "advance", "stream", "stop", "status"])
def test_every_verb_has_help_with_an_example(demo: Demo, verb: str) -> None:
    shown = demo.run(verb, "--help", COLUMNS="120").stdout
    assert f"Usage: larder demo {verb}" in shown and f"Example: larder demo {verb}" in shown


def test_before_the_first_start(demo: Demo) -> None:
    assert "larder demo start" in demo.run("advance", "--to", DAY, code=1).stderr
    status = demo.status()
    assert status["clock"] is None and len(status["systems"]) == 6
    assert "not a date" in demo.run("start", "--to", "soon", code=1).stderr
