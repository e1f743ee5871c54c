"""Streams that are closed, full or hung up: nothing is interrupted, and the end says so."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import program
import pytest
from forkserver import ForkServer
from vendor_accounts import VendorAccounts

from syncd.sandbox import SandboxSettings

NEITHER = ("Traceback", "unexpected fault", "Exception ignored")
FULL = Path("/dev/full")


@pytest.fixture
def env(clinic: VendorAccounts, forkserver: ForkServer) -> dict[str, str]:
    tokens = SandboxSettings()
    env = program.environment(GHL_TOKEN=tokens.ghl_token, HUBSPOT_TOKEN=tokens.hubspot_token)
    assert forkserver.run("setup", cwd=clinic.folder, env=env).returncode == 0
    return env


def shell(
    line: str, clinic: VendorAccounts, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell; `syncd` in it is ours, and $? of a pipe's first part the code."""
    command = " ".join(program.COMMAND)
    return subprocess.run(
        ["bash", "-c", line.replace("syncd ", f"{command} ") + "; exit ${PIPESTATUS[0]}"],
        cwd=clinic.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        # As a shell starts it: Python itself ignores SIGPIPE, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    )


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_a_sync_whose_report_is_lost_has_synced_and_says_so(
    where: str, clinic: VendorAccounts, env: dict[str, str]
) -> None:
    clinic.book("Check-up")
    done = shell(f"syncd --sync-now --json {where}", clinic, env)
    assert done.returncode == 2
    assert "stdout cannot be written" in done.stderr
    assert not any(word in done.stderr for word in NEITHER)
    assert len(clinic.hubspot.records()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "<&-", "| head -0", "| head -1"])
def test_what_else_may_happen_to_a_stream_changes_nothing(
    where: str, clinic: VendorAccounts, env: dict[str, str]
) -> None:
    clinic.book("Check-up")
    done = shell(f"syncd --sync-now {where}", clinic, env)
    assert done.returncode == 0, done.stderr
    assert not any(word in done.stderr for word in NEITHER)
    assert len(clinic.hubspot.records()) == 1


def test_with_no_stream_at_all_the_store_is_not_written_to_by_the_log(
    clinic: VendorAccounts, env: dict[str, str]
) -> None:
    clinic.book("Check-up")
    shell("syncd --sync-now <&- >&- 2>&-", clinic, env)
    done = shell("syncd --sync-now --json", clinic, env)
    assert done.returncode == 0
    assert '"pairs": 1' in done.stdout


def test_a_working_directory_that_was_deleted_needs_the_whole_path(
    clinic: VendorAccounts, env: dict[str, str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    config = clinic.folder / "config.toml"
    line = f"cd {gone} && rmdir {gone} && syncd config show"
    done = shell(f"{line} --config {config}", clinic, env)
    assert (done.returncode, "location_id" in done.stdout) == (0, True), done.stderr
    gone.mkdir()
    done = shell(line, clinic, env | {"HOME": os.devnull})
    assert done.returncode == 2
    assert "the working directory was deleted" in done.stderr
    assert not any(word in done.stderr for word in NEITHER)
