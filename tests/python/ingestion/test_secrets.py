"""Passwords and tokens: whatever goes wrong, none is printed or written, and the one that is missing is named."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import Instance, connections
from dlt.pipeline.state_sync import decompress_state

from larder.cli import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in this process, with the environment as given; returns its exit code and what it printed."""
    monkeypatch.setenv("LARDER_DATA", str(tmp_path))
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def command(*arguments: str, **env: str) -> tuple[int, str]:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["larder", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    yield command
    signal.signal(signal.SIGTERM, before)


def written(root: Path) -> Iterator[tuple[Path, str]]:
    """Everything below a data root, in clear."""
    for file in root.rglob("*"):
        if file.suffix == ".parquet":
            yield file, str(duckdb.execute(f"from read_parquet('{file}')").fetchall())
        elif file.is_file():
            text = file.read_bytes().decode("utf-8", errors="ignore")
            yield file, text
            if file.parent.name == "_dlt_pipeline_state":
                yield file, json.dumps(decompress_state(json.loads(text)["state"]), default=str)


def loyalty(retailer: Instance) -> tuple[str, str]:
    """The address of the CRM before and after its password."""
    address = connections(retailer)["SOURCES__LOYALTY__CREDENTIALS"]
    head, _, place = address.rpartition("@")
    return head.rpartition(":")[0], place


SECRET = "s3cret-Passw0rd"

FAILURES = {
    "refused": (
        f":{SECRET}@",
        "{place}",
        SECRET,
        ["password authentication failed", "the token was refused"],
    ),
    "away": (f":{SECRET}@", "127.0.0.1:9/retailer", SECRET, ["refused", "does not answer"]),
    "not an address": (
        f":{SECRET}@half@",
        "{place}",
        f"{SECRET}\n",
        ["cannot be understood", "no token has"],
    ),
    "not encoded": (f":{SECRET}%zz@", "{place}", f"{SECRET}ü", ["cannot be understood", "no token has"]),
    "no address at all": (f" {SECRET}", "", " ", ["cannot be understood", "no token has"]),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_a_secret(retailer: Instance, tmp_path: Path, run: Run, failure: str) -> None:
    head, place = loyalty(retailer)
    password, where, token, said = FAILURES[failure]
    service = (
        "http://127.0.0.1:9/v1/"
        if failure == "away"
        else connections(retailer)["SOURCES__CAMPAIGNS__BASE_URL"]
    )
    code, printed = run(
        "ingest",
        "loyalty",
        "campaigns",
        SOURCES__LOYALTY__CREDENTIALS=head + password + where.format(place=place),
        SOURCES__CAMPAIGNS__TOKEN=token,
        SOURCES__CAMPAIGNS__BASE_URL=service,
    )
    assert code == 1
    assert [words for words in said if words not in " ".join(printed.split())] == []
    assert SECRET not in printed
    assert [file for file, text in written(tmp_path) if SECRET in text] == []


def test_no_load_writes_a_secret(retailer: Instance, tmp_path: Path, run: Run) -> None:
    env = connections(retailer)
    code, printed = run("ingest", "loyalty", "campaigns", **env)
    password = env["SOURCES__LOYALTY__CREDENTIALS"].rpartition("@")[0].rpartition(":")[2]
    secrets = (password, env["SOURCES__CAMPAIGNS__TOKEN"])
    assert code == 0
    assert not any(secret in printed for secret in secrets)
    found = list(written(tmp_path))
    assert {"_dlt_pipeline_state", "households", "known_versions", "locks"} <= {
        file.parent.name for file, _ in found
    }
    assert [file for file, text in found if any(secret in text for secret in secrets)] == []


def test_what_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOYALTY__CREDENTIALS", "CAMPAIGNS__TOKEN", "CAMPAIGNS__BASE_URL"):
        monkeypatch.delenv(f"SOURCES__{name}", raising=False)
    code, printed = run("ingest", "loyalty", "campaigns")
    assert code == 1
    assert "SOURCES__LOYALTY__CREDENTIALS is missing" in " ".join(printed.split())
    assert "SOURCES__CAMPAIGNS__BASE_URL" in printed
