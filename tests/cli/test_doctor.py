"""`syncd doctor`: what it prints, what it asks first, and how it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import program
import pytest

from syncd.bootstrap import SystemClock
from syncd.sandbox import SandboxSettings

if TYPE_CHECKING:
    from vendor_accounts import VendorAccounts
from forkserver import ForkServer

Syncd = Callable[..., Any]


@pytest.fixture
def ready(clinic: VendorAccounts, syncd: Syncd) -> VendorAccounts:
    """A clinic that is set up, with a configuration that only its owner reads."""
    (clinic.folder / "config.toml").chmod(0o600)
    assert syncd("setup").code == 0
    clinic.world.reset_requests()
    return clinic


@pytest.mark.usefixtures("ready")
def test_all_that_is_well_is_told_in_one_line_each(syncd: Syncd) -> None:
    told = syncd("doctor")
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[-1] == "All is well."
    assert all(line.startswith("ok       ") for line in lines[:-1])
    assert any(line.startswith("ok       clinic  calendars: ") for line in lines)
    assert told.err == ""


def test_a_fault_is_told_with_its_remedy_and_is_the_exit_code(
    ready: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", "wrong")
    told = syncd("doctor")
    assert told.code == 6
    (line,) = [line for line in told.out.splitlines() if line.startswith("error")]
    assert line.startswith("error    clinic  HubSpot: HubSpot refuses the token")
    assert " → make a new one" in line
    assert told.out.splitlines()[-1] == "1 error, 0 warnings"
    assert "wrong" not in told.out + told.err
    assert ready.world.requests


def test_accounts_that_nobody_prepared_end_with_2(clinic: VendorAccounts, syncd: Syncd) -> None:
    told = syncd("doctor")
    assert told.code == 2
    assert "ghl_appointment_id is missing → run `syncd setup`" in told.out
    assert not (clinic.folder / "syncd.db").exists()


def test_warnings_alone_end_with_0(ready: VendorAccounts, syncd: Syncd) -> None:
    (ready.folder / "config.toml").chmod(0o664)
    told = syncd("doctor")
    assert told.code == 0
    assert f"chmod go-w {ready.folder}/config.toml" in told.out


def test_a_wrong_configuration_is_a_finding(clinic: VendorAccounts, syncd: Syncd) -> None:
    clinic.configure("[links.clinic.sync]\npsat = 1\n")
    told = syncd("doctor")
    assert told.code == 2
    assert told.out.startswith("error    configuration: links.clinic.sync.psat = 1: unknown key")
    told = syncd("doctor", "--json")
    assert (told.code, json.loads(told.out)["exit_code"]) == (2, 2)


def test_a_report_for_a_script(ready: VendorAccounts, syncd: Syncd) -> None:
    (ready.folder / "config.toml").chmod(0o664)
    told = syncd("doctor", "--json")
    report = json.loads(told.out)
    assert (report["version"], report["exit_code"], report["probes"]) == (1, 0, [])
    first = report["findings"][1]
    assert (first["link"], first["area"], first["mark"]) == (None, "configuration", "warning")
    assert first["remedy"].startswith("chmod go-w")
    assert {each["link"] for each in report["findings"][3:]} == {"clinic"}


def test_a_link_that_is_not_there_is_wrong_usage(ready: VendorAccounts, syncd: Syncd) -> None:
    told = syncd("doctor", "--link", "clinci")
    assert told.code == 2
    assert "did you mean 'clinic'?" in told.err
    assert ready.world.requests == []


# --- --probe


def test_a_person_may_say_no(
    ready: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.openpty()
    with os.fdopen(writer, "w") as keys, os.fdopen(reader) as terminal:
        keys.write("n\n")
        keys.flush()
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
        told = syncd("doctor", "--probe")
    assert told.code == 130
    assert ready.world.requests == []


class HastyClock(SystemClock):
    """Whoever waits is there already."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()

    def sleep(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


def test_probing_tells_what_it_learnt_and_leaves_nothing(
    ready: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.bootstrap.SystemClock", HastyClock)
    told = syncd("doctor", "--probe", "--yes")
    assert told.code == 0
    lines = [line for line in told.out.splitlines() if line.startswith(("learnt", "unasked"))]
    assert len(lines) == 28
    assert any("HubSpot: Which association types? appointment to contact 906" in x for x in lines)
    assert (ready.ghl.events(), ready.hubspot.records()) == ([], [])
    report = json.loads(syncd("doctor", "--probe", "--yes", "--json").out)
    assert len(report["probes"]) == 28
    assert {each["state"] for each in report["probes"]} == {"learnt", "unasked"}


def test_probing_only_warns_where_nobody_can_be_asked(
    ready: VendorAccounts, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.bootstrap.SystemClock", HastyClock)
    told = syncd("doctor", "--probe")
    assert told.code == 0
    assert "automations (workflows, notifications) may start" in told.err
    assert "learnt" in told.out
    assert (ready.ghl.events(), ready.hubspot.records()) == ([], [])


def test_accounts_with_errors_are_not_probed(clinic: VendorAccounts, syncd: Syncd) -> None:
    told = syncd("doctor", "--probe", "--yes")
    assert told.code == 2
    assert "fix the errors first" in told.err
    assert len(clinic.world.writes("ghl")) == 2  # the harmless trials of two scopes


def test_yes_belongs_to_probe(ready: VendorAccounts, syncd: Syncd) -> None:
    assert syncd("doctor", "--yes").code == 2
    assert ready.world.requests == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_probe_that_is_stopped_leaves_nothing(
    ready: VendorAccounts, number: signal.Signals, forkserver: ForkServer
) -> None:
    tokens = SandboxSettings()
    env = program.environment(GHL_TOKEN=tokens.ghl_token, HUBSPOT_TOKEN=tokens.hubspot_token)
    before = len(ready.world.requests)
    child = forkserver.start("doctor", "--probe", "--yes", cwd=ready.folder, env=env)
    while child.poll() is None:
        if any("syncd probe" in str(each.body) for each in ready.world.requests[before:]):
            child.send_signal(number)
            break
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, (out, err)
    assert "Traceback" not in out + err
    assert (ready.ghl.events(), ready.hubspot.records()) == ([], [])
    assert [*ready.ghl.contacts] == []


@pytest.mark.usefixtures("ready")
def test_a_missing_note_property_is_told_with_setup(syncd: Syncd, clinic: VendorAccounts) -> None:
    file = clinic.folder / "config.toml"
    text = file.read_text("utf-8")
    file.write_text(
        text.replace("[links.clinic.hubspot]", "[links.clinic.hubspot]\nshow_held = true")
    )
    told = syncd("doctor")
    assert told.code == 2
    assert "ghl_sync_note" in told.out
    assert "syncd setup" in told.out
    assert syncd("--sync-now").code == 0  # all else goes on
    assert "ghl_sync_note" in syncd("setup").out
    assert syncd("doctor").code == 0
