"""Who may read what a run writes: its own account alone, and everybody the site."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

from conftest import Instance

from ingestion.core.files import open_to_all, write_atomically


def modes(root: Path) -> Iterator[tuple[Path, int]]:
    """What lies below a folder, by its path from there, with its permissions."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            yield path.relative_to(root), stat.S_IMODE(path.stat().st_mode)


def is_published(path: Path) -> bool:
    return path.parts[0] == "site"


def test_a_run_writes_private_files_and_an_open_site(published: Instance) -> None:
    found = dict(modes(published.data))
    assert {"lake", "warehouse", "dlt", "history", "landing", "demo"} <= {path.parts[0] for path in found}
    # the demo lets PostgreSQL's system account pass: in its access list, which a mode shows as its group
    demo = {Path("demo"), Path("demo/postgres")}
    for folder in (
        "shares",
        "pages",
    ):  # passed through to those of an audience, which have modes of their own
        assert found.pop(Path(folder)) == 0o711
    loose = [
        str(path)
        for path, mode in found.items()
        if mode & 0o077 and not is_published(path) and path not in demo
    ]
    assert loose == []
    files = [mode for path, mode in found.items() if path.is_relative_to("site") and path.suffix]
    closed = [str(path) for path, mode in found.items() if is_published(path) and mode & 0o004 == 0]
    assert len(files) > 100
    assert closed == []
    assert published.data.stat().st_mode & 0o077 == 0o011  # passed through, not listed


def test_a_load_leaves_no_rows_in_its_working_directory(published: Instance) -> None:
    found = [path for path, _ in modes(published.data / "dlt")]
    assert found
    assert [path for path in found if path.parent.name == "completed_jobs" or path.suffix == ".pickle"] == []


def test_doctor_names_what_others_can_read(instance: Instance) -> None:
    lake = instance.data / "lake" / "raw"
    lake.mkdir(parents=True, mode=0o700)
    (instance.data / "lake").chmod(0o700)
    file = lake / "old.parquet"
    file.touch(mode=0o600)

    def private() -> dict[str, str]:
        findings = json.loads(instance.larder("doctor", "--json", code=0).stdout)
        return next(one for one in findings if one["check"] == "private files")

    assert private()["level"] == "ok"
    file.chmod(0o644)
    assert private()["level"] == "warning"
    assert private()["fix"] == f"chmod -R go= {instance.data / 'lake'}"


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "columns.yml"
    file.touch()
    file.chmod(0o664)
    write_atomically(file, "new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o664


def test_opening_a_folder_opens_nothing_next_to_it(tmp_path: Path) -> None:
    site, other = tmp_path / "data/site/pages", tmp_path / "data/other"
    for folder in (site, other):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    for path, _ in list(modes(tmp_path)):
        (tmp_path / path).chmod(0o700 if (tmp_path / path).is_dir() else 0o600)
    (site / "link").symlink_to(other / "file")
    open_to_all(site, tmp_path / "data/site")
    assert {str(path): oct(mode) for path, mode in modes(tmp_path)} == {
        "data": "0o711",
        "data/site": "0o755",
        "data/site/pages": "0o755",
        "data/site/pages/file": "0o644",
        "data/other": "0o700",
        "data/other/file": "0o600",
    }
