"""A command is killed while it renews a token, with no daemon: the next one finishes it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer
from oauth_office import Office
from running_program import PATIENCE
from sqlalchemy import text
from stores import BACKENDS
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import LoggedRequest, SandboxSettings, empty, serve
from syncd.store.engine import open_engine

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

CUT = """
import os, signal, sys
from syncd.cli import main
from syncd.connections.endpoint import TokenEndpoint
from syncd.store.connections import SqlConnections

OF = {"leased": (SqlConnections, "lease"), "answered": (TokenEndpoint, "refresh"),
      "committed": (SqlConnections, "commit")}
owner, name = OF[sys.argv.pop(1)]
whole = getattr(owner, name)

def cut(*args, **more):
    whole(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, cut)
main()
"""
"""A program that kills itself at a point of its refresh."""


class CutOff:
    """An office without a daemon."""

    def __init__(self, office: Office, url: str) -> None:
        self.office, self.world = office, office.clinic.world
        self.engine = open_engine(url)

    def cut(self, point: str) -> None:
        """A command that dies in the renewal of HighLevel's token."""
        with self.engine.begin() as at:
            due = "UPDATE connection SET renew_at = :past WHERE vendor = 'highlevel'"
            at.execute(text(due), {"past": "2020-01-01 00:00:00.000000"})
        if point == "acted":
            self._killed_by_vendor()
            return
        done = subprocess.run(
            [sys.executable, "-c", CUT, point, "--sync-now"],
            cwd=self.office.clinic.folder,
            env=self.office.env,
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr

    def _killed_by_vendor(self) -> None:
        """The vendor has acted; its answer never arrives."""
        folder, env = self.office.clinic.folder, self.office.env
        with self.office.forkserver.start("--sync-now", cwd=folder, env=env) as child:

            def kill(entry: LoggedRequest, _: object) -> None:
                if entry.path == "/oauth/token":
                    child.kill()

            self.world.after_request = kill
            assert child.wait(PATIENCE) == -signal.SIGKILL
            self.world.after_request = None

    def connection(self) -> Any:
        """HighLevel's, as `syncd connections` shows it."""
        with self.engine.begin() as at:
            return at.execute(
                text("SELECT generation, asked_at FROM connection WHERE vendor = 'highlevel'")
            ).one()


@pytest.fixture(params=BACKENDS)
def cut_off(
    request: pytest.FixtureRequest, tmp_path: Path, forkserver: ForkServer
) -> Iterator[CutOff]:
    url, more = f"sqlite:///{tmp_path / 'syncd.db'}", {}
    with ExitStack() as stack:
        if request.param == "postgres":
            postgres = request.getfixturevalue("postgres")
            database = postgres.copied(request.getfixturevalue("postgres_template"))
            stack.callback(postgres.drop, database)
            url = more["SYNCD_STORE__URL"] = postgres.url(database)
        server = stack.enter_context(serve(empty(SystemClock().now, SandboxSettings())))
        office = Office(VendorAccounts(server, tmp_path), forkserver, tmp_path, more)
        office.connect_both()
        made = CutOff(office, url)
        stack.callback(made.engine.dispose)
        yield made


NEXT = {
    "leased": ["status"],
    "acted": ["held", "--json"],
    "answered": ["connections"],
    "committed": ["--sync-now", "--dry-run"],
}
"""The command that follows, by where the one before was killed."""


def test_the_next_command_finishes_it_however_short_it_is(cut_off: CutOff) -> None:
    office = cut_off.office
    for point, command in NEXT.items():
        before = cut_off.connection()
        cut_off.cut(point)
        began = SystemClock().monotonic()
        assert office.run(*command) == 0, office.said[-1]
        # The lease lasts ten seconds, but its process is dead.
        assert SystemClock().monotonic() - began < 8
        assert tuple(cut_off.connection()) == (before.generation + 1, None), point
    # Too late: it is said what happened, and what to do.
    cut_off.cut("acted")
    cut_off.world.now = lambda: SystemClock().now() + timedelta(seconds=31)
    assert office.run("--sync-now", "--json") == 6
    told = json.loads(office.said[-2])["links"]["clinic"]["detail"]
    assert "the answer was never stored" in told
    assert "by process" in told
    assert "run `syncd connect highlevel` again" in told
    assert office.run("connections", "--json") == 0
    assert json.loads(office.said[-2])["connections"][0]["state"] == "refused"
