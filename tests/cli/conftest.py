"""A command line that is run in this process, with its two streams apart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncd.cli import execute


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
