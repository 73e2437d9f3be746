"""What dlt reads of its surroundings: the settings of this project, and of the environment what is said of the sources.

dlt looks in the environment, in the user's home and in vaults for every argument that it has, by many names: the layout
of files or a working directory that is meant for another project would send rows where no reader looks.
"""

from pathlib import Path
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigTomlProvider, EnvironProvider, SecretsTomlProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext

FOLDER = Path(__file__).resolve().parents[1] / ".dlt"

ALLOWED = ("SOURCES__", "RUNTIME__REQUEST_")
"""Connections of the sources, and how patiently an API is asked."""


class _Environment(EnvironProvider):
    """The environment, of which dlt sees what is allowed."""

    def get_value(
        self, key: str, hint: type[Any], pipeline_name: Any, *sections: str
    ) -> tuple[Any | None, str]:
        name = self.get_key_name(key, pipeline_name, *sections)
        return (
            super().get_value(key, hint, pipeline_name, *sections)
            if name.startswith(ALLOWED)
            else (None, name)
        )


class _Secrets(SecretsTomlProvider):
    """`.dlt/secrets.toml`: connections of the sources."""

    def get_value(
        self, key: str, hint: type[Any], pipeline_name: Any, *sections: str
    ) -> tuple[Any | None, str]:
        if sections[:1] == ("sources",):
            return super().get_value(key, hint, pipeline_name, *sections)
        return None, self.get_key_name(key, pipeline_name, *sections)


class _Project(RunContext):
    @property
    def settings_dir(self) -> str:
        return str(FOLDER)

    def initial_providers(self) -> list[ConfigProvider]:
        return [_Environment(), _Secrets(str(FOLDER)), ConfigTomlProvider(str(FOLDER))]


def use_project_settings() -> None:
    """Have dlt read these settings and no others, in this process."""
    Container()[PluggableRunContext] = PluggableRunContext(_Project(str(FOLDER.parent)))
