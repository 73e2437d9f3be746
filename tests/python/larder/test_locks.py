import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from larder.core.errors import LarderError
from larder.warehouse.locks import abandoned, holders, lock

HOLD = """
import sys, time
from pathlib import Path
from larder.warehouse.locks import lock
with lock(Path(sys.argv[1]), "build"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(LarderError, match=f"build is locked by process {holder.pid}"),
        lock(tmp_path, "build"),
    ):
        pass
    assert holders(tmp_path)["build"].pid == holder.pid
    holder.kill()
    holder.wait()


def test_a_dead_holder_blocks_nobody(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert abandoned(tmp_path)["build"].pid == holder.pid
    with lock(tmp_path, "build"):
        assert holders(tmp_path)["build"].pid == os.getpid()
    assert holders(tmp_path) == abandoned(tmp_path) == {}
