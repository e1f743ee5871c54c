"""A command line that is run in this process, and two vendors for it to talk to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.cli import execute
from syncd.sandbox import SandboxSettings, empty, serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def syncd(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """`syncd("plan", "--json")` runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*args: str) -> Result:
        capsys.readouterr()
        code = execute(args)
        streams = capsys.readouterr()
        return Result(code=code, out=streams.out, err=streams.err)

    return run


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VendorAccounts]:
    """Two vendors on loopback, config.toml in the folder, the tokens in the environment."""
    settings = SandboxSettings()
    monkeypatch.setenv("GHL_TOKEN", settings.ghl_token)
    monkeypatch.setenv("HUBSPOT_TOKEN", settings.hubspot_token)
    with serve(empty(SystemClock().now, settings)) as server:
        ready = VendorAccounts(server, tmp_path)
        ready.configure()
        yield ready
