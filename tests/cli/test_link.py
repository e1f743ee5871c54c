"""`syncd link list|pause|resume` on a real store, and what a pause does to `--sync-now`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

from syncd.bootstrap import open_app
from syncd.config import load
from syncd.engine.decisions import halt
from syncd.ports.store import PAUSED

Syncd = Callable[..., Any]


@pytest.fixture
def ready(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """A clinic whose HubSpot account is set up, after its first cycle."""
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    return clinic


def two_links(clinic: VendorAccounts) -> None:
    """A second link, which can never run: it has no token."""
    clinic.configure(
        """
[links.annex.ghl]
location_id = "annex"
token = { env = "NO_SUCH_TOKEN" }

[links.annex.hubspot]
token = { env = "NO_SUCH_TOKEN" }
"""
    )


def test_a_paused_link_is_left_out_and_comes_back(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book("Check-up")
    assert (
        "clinic is paused; to take it back: `syncd link resume clinic`"
        in syncd("link", "pause", "clinic").out
    )
    ready.world.reset_requests()
    left = syncd("--sync-now")
    assert left.code == 0
    assert "clinic: paused, and left out" in left.out
    assert ready.world.requests == []
    assert "clinic is in service again" in syncd("link", "resume", "clinic").out
    assert "HubSpot 1 created" in syncd("--sync-now").out


def test_a_paused_link_that_is_named_runs_once(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book("Check-up")
    syncd("link", "pause", "clinic")
    assert "HubSpot 1 created" in syncd("--sync-now", "--link", "clinic").out
    assert "paused, and left out" in syncd("--sync-now").out


@pytest.mark.parametrize("named", [(), ("--link", "clinic")])
def test_a_pause_ends_a_cycle_of_a_command(
    syncd: Syncd, ready: VendorAccounts, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    monkeypatch.setattr(halt, "PAUSE_HEARD", 0.0)
    for hours in range(40):
        ready.make("Call", hours=hours)
    taken: list[str] = []

    def pause(request: Any) -> None:
        if not taken and request.method == "POST" and request.path.endswith("/appointments"):
            taken.append(request.path)
            with open_app(load(ready.folder / "config.toml")) as app:
                cursor = (PAUSED, app.clock.now().isoformat())
                with app.link_store("clinic").begin() as transaction:
                    transaction.set_state(*cursor)

    ready.world.before_request = pause
    result = syncd("--sync-now", "--json", *named)
    assert (result.code, json.loads(result.out)["links"]["clinic"]["stopped"]) == (3, True)
    assert 0 < len(list(ready.ghl.appointments)) < 40


@pytest.mark.usefixtures("ready")
def test_a_paused_link_is_no_failure_for_a_script(syncd: Syncd) -> None:
    syncd("link", "pause", "clinic")
    result = syncd("--sync-now", "--json")
    report = json.loads(result.out)["links"]["clinic"]
    assert (result.code, report["outcome"], report["cycle"]) == (0, "ok", "none")
    assert "syncd link resume clinic" in report["detail"]


@pytest.mark.usefixtures("ready")
def test_pausing_twice_changes_nothing(syncd: Syncd) -> None:
    assert syncd("link", "resume", "clinic").out == "clinic is in service already\n"
    syncd("link", "pause", "clinic")
    assert syncd("link", "pause", "clinic").out == "clinic is paused already\n"


def test_the_link_in_most_trouble_is_listed_first(syncd: Syncd, ready: VendorAccounts) -> None:
    two_links(ready)
    syncd("link", "pause", "clinic")
    lines = syncd("link", "list").out.splitlines()
    assert lines[0].split()[:2] == ["Link", "State"]
    assert lines[1].split()[0] == "clinic"
    assert "paused" in lines[1]
    assert "syncd link resume clinic" in lines[1]
    assert "not begun" in lines[2]
    assert "never" in lines[2]


@pytest.mark.usefixtures("ready")
def test_the_list_for_a_script(syncd: Syncd) -> None:
    syncd("link", "pause", "clinic")
    told = json.loads(syncd("link", "list", "--json").out)
    assert told["version"] == 1
    assert told["links"]["clinic"]["paused"] is True
    assert told["links"]["clinic"]["state"] == "paused"


@pytest.mark.usefixtures("ready")
def test_the_list_needs_no_credentials(syncd: Syncd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GHL_TOKEN")
    monkeypatch.delenv("HUBSPOT_TOKEN")
    listed = syncd("link", "list")
    assert listed.code == 0
    assert "in step" in listed.out


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.usefixtures("ready")
def test_an_unknown_link_is_answered_with_the_nearest(syncd: Syncd, verb: str) -> None:
    result = syncd("link", verb, "clinik")
    assert result.code == 2
    assert "clinik: no such link; did you mean 'clinic'?" in result.err


@pytest.mark.usefixtures("clinic")
def test_no_store_is_made(syncd: Syncd, tmp_path: Path) -> None:
    assert syncd("link", "pause", "clinic").code == 2
    assert not (tmp_path / "syncd.db").exists()


def test_every_link_is_paused_and_resumed_at_once(syncd: Syncd, ready: VendorAccounts) -> None:
    two_links(ready)
    lines = syncd("link", "pause", "--all").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["clinic", "is", "paused;"],
        ["annex", "is", "paused;"],
    ]
    told = json.loads(syncd("status", "--json").out)["links"]
    assert [link["paused"] for link in told.values()] == [True, True]
    syncd("link", "resume", "--all")
    told = json.loads(syncd("status", "--json").out)["links"]
    assert [link["paused"] for link in told.values()] == [False, False]
    for args in ((), ("--all", "clinic")):
        assert syncd("link", "pause", *args).code == 2


@pytest.mark.usefixtures("ready")
def test_a_kick_of_a_paused_link_is_refused(syncd: Syncd) -> None:
    syncd("link", "pause", "clinic")
    for args in ((), ("--link", "clinic")):
        kicked = syncd("kick", *args)
        assert kicked.code == 2
        assert "syncd link resume clinic" in kicked.err


@pytest.mark.usefixtures("ready")
def test_a_pause_and_a_resume_are_told_at_once_without_a_daemon(syncd: Syncd) -> None:
    syncd("link", "pause", "clinic")
    told = syncd("status").out
    assert told.startswith("clinic: paused")
    assert "next cycle: none while it is paused" in told
    syncd("link", "resume", "clinic")
    assert syncd("status").out.startswith("clinic: in step")


@pytest.mark.usefixtures("ready")
def test_an_age_that_is_no_length_of_time_is_wrong_usage(syncd: Syncd) -> None:
    for given in ("soon", "0", "-5m"):
        assert syncd("status", "--max-age", given).code == 2
    assert syncd("status", "--check", "--max-age", "1h").code == 0
