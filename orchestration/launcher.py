"""Starts each run of Dagster as a process of its own, which outlives the daemon, and knows whether it is alive."""

import signal
import subprocess
import sys
from typing import Any, Self

import psutil
from dagster import DagsterInstance, DagsterRun
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from orchestration.project import PROJECT

VERB = "execute_run"
"""The last word of a run's command before its arguments: others, of its logs, name the run as well."""


class ProcessLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """A run's process is found by the run's id, which is in its command line: a pid may be another program's after a restart."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if context.job_code_origin is None:
            raise RuntimeError(f"run {run.run_id} does not say where its code is")
        arguments = ExecuteRunArgs(context.job_code_origin, run.run_id, self._instance.get_ref())
        command = [sys.executable, "-m", "dagster", *arguments.get_command_args()[1:]]
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL, start_new_session=True)

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        process = _find(run_id)
        if run is None or process is None:
            return False
        self._instance.report_run_canceling(run)
        process.send_signal(signal.SIGTERM)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        alive = _find(run.run_id) is not None
        return CheckRunHealthResult(WorkerStatus.RUNNING if alive else WorkerStatus.NOT_FOUND)


def _find(run_id: str) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline", "status"]):
        verb, arguments = ["", "", *(process.info["cmdline"] or ())][-2:]
        if verb == VERB and run_id in arguments and process.info["status"] != psutil.STATUS_ZOMBIE:
            return process
    return None
