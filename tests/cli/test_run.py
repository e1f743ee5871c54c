"""`syncd run` before the daemon is up: a stop ends it well all the same."""

from __future__ import annotations

import signal

import pytest

from syncd.cli import run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_it_starts_ends_with_0(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr("syncd.cli.session.begin", lambda _: signal.raise_signal(number))
    with pytest.raises(SystemExit) as ended:
        run.start(None)
    assert ended.value.code == 0
    assert signal.getsignal(number) is before
