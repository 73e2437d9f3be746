"""`LARDER_LAKE` moves the lake for Python as it does for dbt."""

from pathlib import Path

import pytest

from larder.core.errors import LarderError
from larder.core.settings import Paths, current_paths


def test_the_lake_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARDER_LAKE", raising=False)
    assert Paths(tmp_path).lake == tmp_path / "lake"
    monkeypatch.setenv("LARDER_LAKE", str(tmp_path / "elsewhere"))
    assert Paths(tmp_path).lake == tmp_path / "elsewhere"


def test_what_python_cannot_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARDER_LAKE", "s3://bucket/lake")
    with pytest.raises(LarderError, match="is not a local folder"):
        _ = Paths(tmp_path).lake


@pytest.mark.parametrize("odd", ["till [new]", "a%20b", "a*b", "a?b", "a{b,c}d", "two\nlines", "\udcff"])
@pytest.mark.parametrize("name", ["LARDER_DATA", "LARDER_LAKE"])
def test_a_path_that_is_read_as_a_pattern_is_refused_before_anything_is_written(
    name: str, odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARDER_DATA", str(tmp_path))
    monkeypatch.setenv(name, str(tmp_path / odd / "data"))
    with pytest.raises(LarderError, match=f"{name} cannot be"):
        _ = current_paths().lake
    assert list(tmp_path.iterdir()) == []
