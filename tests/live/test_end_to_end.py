"""From an edit in one service to the write in the other: a real daemon, announced over real HTTP.

The daemon polls once an hour, so that whatever arrives was announced.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import program
import pytest
from forkserver import ForkServer
from running_program import RunningProgram, free_port
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.cli.sandbox import Live
from syncd.sandbox import empty, serve
from syncd.sandbox.announcing.rules import Rules

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

DAEMON = """
[schedule]
poll_interval = "1h"

[links.clinic.sync]
first_sync = "go"
"""


class Clinic:
    """Two services, a daemon beside them, and what it logs."""

    def __init__(self, accounts: VendorAccounts, daemon: RunningProgram, url: str) -> None:
        self.accounts, self.daemon, self._url = accounts, daemon, url
        self.world = accounts.world
        self.ghl, self.hubspot = accounts.ghl, accounts.hubspot

    def rules(self, **rules: Any) -> None:
        """Announce with these oddities from now on."""
        self.world.announcer.rules = Rules.of({"url": self._url, "gather": 0.0} | rules, Rules())

    def cycle(self, fits: Callable[[Any], bool]) -> Any:
        """The next targeted cycle that fits."""
        return self.daemon.until(
            "cycle.finished", lambda line: line["kind"] == "targeted" and fits(line)
        )

    def booked(self) -> tuple[str, str]:
        """A new booking in HighLevel, and its record in HubSpot, which was announced."""
        row = self.accounts.book()
        self.cycle(lambda line: line["hubspot"]["created"])
        return row, self.across(row)

    def across(self, ghl_id: str) -> str:
        """The living HubSpot record of a booking; "" where there is none."""
        for record in self.hubspot.records():
            if record.properties.get("ghl_appointment_id") == ghl_id:
                return record.id
        return ""

    def title(self, record: str) -> str | None:
        return self.hubspot.get(record).properties.get("hs_appointment_name")


WEBHOOKS = pytest.mark.parametrize("running", ["webhooks"], indirect=True)
EITHER = pytest.mark.parametrize("running", ["webhooks", "journal"], indirect=True)


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    forkserver: ForkServer,
) -> Iterator[Clinic]:
    """HubSpot announces by webhooks, or by its journal; HighLevel by an app."""
    folder = tmp_path_factory.mktemp("clinic")
    url = f"http://127.0.0.1:{free_port()}"
    with serve(empty(SystemClock().now)) as server:
        live = Live(address=url, journal=request.param == "journal")
        live.begin(server.world)
        accounts = VendorAccounts(server, folder)
        accounts.configure(
            live.config(server).replace("[live]", '[live]\njournal_interval = "0.2s"') + DAEMON
        )
        settings = server.world.settings
        env = program.environment(
            GHL_TOKEN=settings.ghl_token,
            HUBSPOT_TOKEN=settings.hubspot_token,
            SYNCD_HTTP__LISTEN="",
            **live.secrets(server.world),
        )
        assert forkserver.run("setup", cwd=folder, env=env).returncode == 0
        daemon = RunningProgram(accounts, env, folder, forkserver)
        daemon.until("cycle.finished")
        if request.param == "journal":
            daemon.until("journal.subscribed", lambda line: "associations" in line["what"])
        yield Clinic(accounts, daemon, url)
        daemon.process.terminate()
        assert daemon.process.wait(timeout=20) == 0
        daemon.end()
        assert settings.hubspot_client_secret not in "".join(daemon.heard)


@pytest.fixture
def clinic(running: Clinic) -> Iterator[Clinic]:
    hubspot = running.world.announcer.rules.hubspot
    running.rules(hubspot=hubspot)
    yield running
    running.rules(hubspot=hubspot)


@EITHER
def test_an_edit_of_either_side_is_on_the_other_and_a_deletion_is_followed(clinic: Clinic) -> None:
    row, record = clinic.booked()
    clinic.ghl.edit(row, title="Moved up")
    clinic.cycle(lambda line: line["hubspot"]["updated"])
    assert clinic.title(record) == "Moved up"
    clinic.hubspot.edit(record, hs_appointment_name="By video")
    clinic.cycle(lambda line: line["ghl"]["updated"])
    assert clinic.ghl.get(row).title == "By video"
    clinic.ghl.delete(row)
    clinic.cycle(lambda line: line["hubspot"]["removed"])
    assert clinic.across(row) == ""


@EITHER
def test_a_record_that_is_made_or_archived_in_hubspot_is_followed(clinic: Clinic) -> None:
    record = clinic.accounts.make("Call back", hours=30)
    clinic.cycle(lambda line: line["ghl"]["created"])
    row = clinic.hubspot.get(record).properties["ghl_appointment_id"]
    clinic.hubspot.archive(record)
    clinic.cycle(lambda line: line["ghl"]["removed"])
    assert clinic.ghl.get(row).status == "cancelled"


@WEBHOOKS
@pytest.mark.parametrize(
    "oddities",
    [
        {"copies": 3, "backwards": True},
        {"wrapped": True, "wrong_types": True, "delay": 0.2},
        {"strangers": 2, "echoes": False},
    ],
)
def test_doubled_late_reordered_and_mislabelled_deliveries_do_no_harm(
    oddities: dict[str, Any], clinic: Clinic
) -> None:
    row, record = clinic.booked()
    clinic.rules(hubspot=clinic.world.announcer.rules.hubspot, **oddities)
    clinic.ghl.edit(row, title="Later")
    clinic.ghl.edit(row, title="Latest")
    clinic.cycle(lambda _: clinic.title(record) == "Latest")
    assert clinic.ghl.get(row).title == "Latest"


@WEBHOOKS
def test_a_forged_delivery_is_refused_and_the_next_poll_finds_the_change(clinic: Clinic) -> None:
    row, record = clinic.booked()
    clinic.rules(hubspot="off", forged=True, tries=1)
    clinic.ghl.edit(row, title="Unannounced")
    pool = clinic.world.announcer._pool
    assert pool is not None
    pool.shutdown(wait=True)
    clinic.world.announcer._pool = None
    assert clinic.world.announcer.deliveries[-1].answers == [401]
    assert clinic.title(record) != "Unannounced"
    assert clinic.daemon.verb("kick").returncode == 0
    clinic.daemon.until("cycle.finished", lambda line: line["kind"] == "full")
    assert clinic.title(record) == "Unannounced"


@WEBHOOKS
def test_what_is_announced_during_a_pause_waits_for_the_resume(clinic: Clinic) -> None:
    row, record = clinic.booked()
    assert clinic.daemon.verb("link", "pause", "clinic").returncode == 0
    clinic.ghl.edit(row, title="In the meantime")
    pool = clinic.world.announcer._pool
    assert pool is not None
    pool.shutdown(wait=True)
    clinic.world.announcer._pool = None
    assert clinic.world.announcer.deliveries[-1].answers == [200]
    assert clinic.title(record) != "In the meantime"
    assert clinic.daemon.verb("link", "resume", "clinic").returncode == 0
    clinic.daemon.until("cycle.finished", lambda _: clinic.title(record) == "In the meantime")


@WEBHOOKS
def test_a_link_that_is_told_of_so_much_reads_as_a_whole(clinic: Clinic) -> None:
    rows = [clinic.accounts.book(hours=40 + hour) for hour in range(60)]
    clinic.daemon.until("cycle.finished", lambda _: all(map(clinic.across, rows)))
    told = [json.loads(line) for line in clinic.daemon.heard if '"cycle.finished"' in line]
    assert "incremental" in {line["kind"] for line in told}
