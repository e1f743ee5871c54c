"""What one link costs PostgreSQL: statements of an idle cycle, and of the scheduling around it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import event
from vendor_accounts import VendorAccounts

from syncd import config
from syncd.bootstrap import SystemClock, open_app
from syncd.observability.metrics import Metrics
from syncd.observability.state import State
from syncd.sandbox import SandboxSettings, empty, serve
from syncd.scheduler import Links, Runner, Scheduler
from syncd.scheduler.link_state import LinkState

pytestmark = pytest.mark.postgres

PAIRS = 15
IDLE = 20
"""Statements of an idle incremental cycle of seven requests."""


class Watched:
    """A scheduler over a real store and two real vendors, and every statement that it sends."""

    def __init__(self, scheduler: Scheduler, runner: Runner, statements: list[str]) -> None:
        self.scheduler, self.runner, self.statements = scheduler, runner, statements

    @property
    def state(self) -> LinkState:
        return self.scheduler.watches()[0]

    def turn(self) -> list[str]:
        """The statements of one turn, what was asked of all links before it left out."""
        now = self.scheduler._clock.monotonic()
        self.scheduler._look(now + 60)
        self.statements.clear()
        self.state.due = self.state.began = now
        self.runner.work(self.state)
        assert self.state.state is State.OK, self.state.detail
        return list(self.statements)


@pytest.fixture
def watched(postgres_store_url: str, tmp_path: Path) -> Iterator[Watched]:
    settings = SandboxSettings()
    env = {
        "GHL_TOKEN": settings.ghl_token,
        "HUBSPOT_TOKEN": settings.hubspot_token,
        "SYNCD_STORE__URL": postgres_store_url,
    }
    stop = threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(serve(empty(SystemClock().now, settings)))
        account = VendorAccounts(server, tmp_path)
        account.configure('[links.clinic.sync]\nfirst_sync = "go"\n')
        for hours in range(PAIRS):
            account.book(hours=hours)
        loaded = config.load(tmp_path / "config.toml", env, tmp_path)
        app = stack.enter_context(open_app(loaded, stop=stop, env=env))
        app.setup("clinic")
        app.join()
        metrics = Metrics("test")
        runner = Runner(cast("Links", app), metrics, stop)
        scheduler = Scheduler(cast("Links", app), runner, metrics)
        scheduler.check_links()
        heard: list[str] = []
        event.listen(
            app.store._database.engine,
            "before_cursor_execute",
            lambda *args: heard.append(str(args[2])),
        )
        made = Watched(scheduler, runner, heard)
        for _ in range(3):
            runner.work(made.state)
        yield made
        scheduler.close()
        stop.set()


def test_an_idle_cycle_sends_few_statements(watched: Watched) -> None:
    fewest = min((watched.turn() for _ in range(3)), key=len)
    assert 10 < len(fewest) <= IDLE, "\n".join(fewest)


def test_one_look_is_for_all_links_and_a_turn_needs_none_of_its_own(watched: Watched) -> None:
    watched.statements.clear()
    watched.scheduler._look(watched.scheduler._clock.monotonic() + 60)
    assert len(watched.statements) == 1
    turn = watched.turn()
    assert not [each for each in turn if "SELECT id FROM link" in each or "'paused'" in each]


def test_notes_of_many_links_go_out_with_one_statement(watched: Watched) -> None:
    watched.runner.notes.write(watched.state, force=True)
    watched.statements.clear()
    watched.runner.notes.flush([watched.state] * 3)
    assert len(watched.statements) == 1
