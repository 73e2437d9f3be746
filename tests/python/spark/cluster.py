"""A standalone cluster of Spark on this machine: a master and workers, each a process of its own."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stores import free_ports

from larder.project import spark


@dataclass
class Cluster:
    """The master's address, as Spark takes it, and the processes of the workers."""

    master: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Start a master and workers of one core each; their logs lie in `folder`."""
    port, page = free_ports(2)
    run = folder / "logs"
    run.mkdir(parents=True)
    at = ["--host", "127.0.0.1"]
    master = _start(run / "master", "master.Master", *at, "--port", str(port), "--webui-port", str(page))
    address = f"spark://127.0.0.1:{port}"
    started = [
        _start(run / f"worker{number}", "worker.Worker", *at, "--cores", "1", "--memory", "2g", "--webui-port", "0",
               "--work-dir", str(folder / f"work{number}"), address)
        for number in range(workers)
    ]  # fmt: skip
    try:
        _await_workers(page, workers)
        yield Cluster(address, started)
    finally:
        for process in (*started, master):
            process.kill()
            process.wait()


def _start(log: Path, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
    home = next(spark.ENVIRONMENT.glob("lib/python3*/site-packages/pyspark"))
    command = [str(home / "bin/spark-class"), f"org.apache.spark.deploy.{kind}", *arguments]
    own = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(log.parent)}
    env = {**os.environ, **spark.environment(home), **own}
    with log.open("wb") as said:
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=env)


def _await_workers(page: int, wanted: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/") as answer:
                if answer.read().count(b'"ALIVE"') >= wanted:  # the master's own state, and each worker's
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError("the workers did not come")
