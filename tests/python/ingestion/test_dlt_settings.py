"""Whatever the environment and the user's home say to dlt: the lake is where readers look, and nothing is loaded twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from test_landing_names import Shop

ELSEWHERE = "{table_name}/{YYYY}/{load_id}.{file_id}.{ext}"

LOAD = """
import os, sys
from pathlib import Path
os.geteuid = lambda: 1000  # for root, dlt looks elsewhere than in the home
from ingestion.pipelines import ingest
root = Path(sys.argv[1])
print(ingest("pos", root / "lake", root / "dlt", lambda _: None).rows)
"""


def load(root: Path, **env: str) -> str:
    """What a load in a process of its own says of its rows."""
    found = subprocess.run(
        [sys.executable, "-c", LOAD, str(root)], cwd=PROJECT, env={**os.environ, **env}, capture_output=True, text=True
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.parametrize(
    "env",
    [
        {
            **dict.fromkeys(("DESTINATION__FILESYSTEM__LAYOUT", "DESTINATION__LAYOUT", "LAYOUT"), ELSEWHERE),
            "POS__DESTINATION__FILESYSTEM__LAYOUT": ELSEWHERE, "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
            "DATASET_NAME": "other", "DEV_MODE": "true", "SCHEMA__NAMING": "direct", "PIPELINES_DIR": "/nowhere",
            "DLT_PROJECT_DIR": "/nowhere", "DLT_DATA_DIR": "/nowhere", "DLT_CONFIG_FOLDER": "nothing",
        },
        {"HOME": "/dev/null"},
        {"HOME": "broken"},
        {"HOME": "other"},
    ],
    ids=["variables", "no home", "home with a broken file", "home of another project"],
)  # fmt: skip
def test_the_lake_is_where_readers_look(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = {"broken": "broken [ toml", "other": f'[destination.filesystem]\nlayout = "{ELSEWHERE}"\n'}
    for home, text in homes.items():
        (tmp_path / home / ".dlt").mkdir(parents=True)
        (tmp_path / home / ".dlt/config.toml").write_text(text)
    env = {name: str(tmp_path / value) if value in homes else value for name, value in env.items()}
    shop = Shop(tmp_path)
    shop.deliver(1, "sales_a.parquet")
    monkeypatch.setenv("SOURCES__POS__LANDING", str(shop.landing))
    assert load(tmp_path, **env) == "{'transactions': 3}"
    assert len(list((tmp_path / "lake/raw/pos/transactions").glob("*.parquet"))) == 1
    assert load(tmp_path) == "{}"
