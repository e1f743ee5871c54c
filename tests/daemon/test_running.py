"""The real daemon in its own process, between two vendors on loopback.

Nothing here sleeps: a test waits for a line of the log, or for a word to the
service manager, both of which block until they come.
"""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer
from program import environment, start
from running_program import PATIENCE, RunningProgram, free_port
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import Fault, SandboxSettings, empty, serve

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[VendorAccounts]:
    with serve(empty(SystemClock().now, SandboxSettings())) as server:
        ready = VendorAccounts(server, tmp_path)
        ready.configure('\n[schedule]\npoll_interval = "0.3s"\n')
        yield ready


@pytest.fixture
def daemon(
    clinic: VendorAccounts, forkserver: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """`daemon()` starts one on a prepared account and waits until it is ready.

    `daemon(start)` begins with an interpreter, as the service manager does.
    """
    settings, started = SandboxSettings(), []
    env = environment(
        GHL_TOKEN=settings.ghl_token,
        HUBSPOT_TOKEN=settings.hubspot_token,
        SYNCD_HTTP__LISTEN=f"127.0.0.1:{free_port()}",
    )
    assert forkserver.run("setup", cwd=clinic.folder, env=env).returncode == 0

    def make(start: Any = None) -> RunningProgram:
        folder = tmp_path_factory.mktemp("notify")
        started.append(RunningProgram(clinic, env, folder, forkserver, start))
        started[-1].told("READY=1")
        return started[-1]

    yield make
    for each in started:
        each.end()


def wrote(side: str, kind: str) -> Callable[[Any], bool]:
    return lambda line: line[side][kind] > 0 and not line.get("dry_run")


def test_edits_of_people_cross_by_themselves_and_a_stop_is_clean(
    clinic: VendorAccounts, daemon: Callable[..., RunningProgram]
) -> None:
    running = daemon(start)
    clinic.book("Check-up")
    running.until("cycle.finished", wrote("hubspot", "created"))
    clinic.make("From HubSpot", hours=3)
    running.until("cycle.finished", wrote("ghl", "created"))
    status, page = running.ask("/")
    assert status == 200
    assert "in step" in page
    assert running.ask("/readyz") == (200, "ok\n")
    running.process.send_signal(signal.SIGTERM)
    running.told("STOPPING=1")
    assert running.process.wait(10) == 0
    # Nobody polls any more, which at intervals of a moment is stale in a moment.
    ended = running.verb("status", "--check", "--max-age", "15m")
    assert (ended.returncode, ended.stdout) == (0, "")


def test_a_sync_beside_it_is_told_who_holds_the_link_and_a_kick_is_obeyed(
    daemon: Callable[[], RunningProgram],
) -> None:
    running = daemon()
    running.until("cycle.finished")
    beside = running.verb("--sync-now")
    assert beside.returncode == 5
    assert str(running.process.pid) in beside.stdout
    assert "syncd kick" in beside.stdout
    assert running.verb("kick").returncode == 0
    running.until("cycle.finished", lambda line: line["kind"] == "full")
    running.process.send_signal(signal.SIGUSR1)
    running.until("cycle.finished", lambda line: line["kind"] == "full")


def test_a_reload_is_told_and_a_wrong_one_is_refused(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    running = daemon()
    file = clinic.folder / "config.toml"
    good = file.read_text(encoding="utf-8")
    file.write_text(good.replace('"0.3s"', '"soon"'), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    refused = running.until("config.refused")
    assert "schedule.poll_interval" in refused["problems"][0]
    file.write_text(good.replace('"0.3s"', '"0.4s"'), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    taken = running.until("config.reloaded")
    assert taken["changes"] == ['schedule.poll_interval: "0.3s" → "0.4s"']
    clinic.book("Check-up")
    running.until("cycle.finished", wrote("hubspot", "created"))


def test_a_reload_in_a_folder_that_is_gone_keeps_the_daemon(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    running = daemon()
    folder, gone = clinic.folder, clinic.folder.with_name("gone")
    for spoil in (
        lambda: folder.rename(gone),
        lambda: (gone / "config.toml").rename(gone / "away.toml"),
        (gone / "config.toml").mkdir,
    ):
        spoil()
        running.process.send_signal(signal.SIGHUP)
        assert running.until("config.refused")["kept"] == "the old one"
    (gone / "config.toml").rmdir()
    (gone / "away.toml").rename(gone / "config.toml")
    gone.rename(folder)
    file = folder / "config.toml"
    good = file.read_text(encoding="utf-8")
    file.write_text(good.replace('"0.3s"', '"0.4s"'), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    running.until("config.reloaded")
    clinic.book("Check-up")
    running.until("cycle.finished", wrote("hubspot", "created"))


def test_an_outage_is_told_once_and_so_is_its_end(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    running = daemon()
    running.until("cycle.finished")
    clinic.world.faults.add(side="hubspot", status=401, times=2)
    troubled = running.until("link.troubled")
    assert troubled["state"] in {"refused", "unreachable"}
    running.until("link.recovered")


def test_an_outage_and_its_end_are_posted_once_each(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram], webhook: Any
) -> None:
    clinic.configure(f'\n[schedule]\npoll_interval = "0.3s"\n[notify]\nwebhook = "{webhook.url}"\n')
    running = daemon()
    running.until("cycle.finished")
    clinic.world.faults.add(side="hubspot", status=401, times=2)
    running.until("link.troubled")
    told = [running.until("notification.sent")["event_name"] for _ in range(2)]
    assert told == webhook.events == ["link_broken", "link_recovered"]
    assert "401" in webhook.got[0]["reason"] or "HubSpot" in webhook.got[0]["reason"]


def test_after_kill_9_the_next_daemon_takes_over_at_once(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    first = daemon()
    first.until("cycle.finished")
    first.process.kill()
    first.process.wait(PATIENCE)
    clinic.book("Check-up")
    second = daemon()
    second.until("cycle.finished", wrote("hubspot", "created"))
    assert len(list(clinic.hubspot.appointments.after(None))) == 1


def waits(line: Any) -> bool:
    return bool(line["state"] == "waiting")


def test_a_first_sync_is_approved_once_over_an_outage_and_a_restart(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    """And a plan that a person read goes out while the rest waits."""
    for number in range(30):
        clinic.book(f"Visit {number}", hours=number)
    first = daemon()
    first.until("link.troubled", waits)
    assert first.verb("plan", "--out", "all.json").returncode == 0
    file = clinic.folder / "all.json"
    plan = json.loads(file.read_text())
    writes = plan["links"]["clinic"]["writes"]
    person = next(each for each in writes if each["record"] == "contact")
    visit = next(
        each
        for each in writes
        if each["record"] != "contact" and each["contact"]["ghl_id"] == person["ghl_id"]
    )
    plan["links"]["clinic"]["writes"] = [person, visit]
    file.write_text(json.dumps(plan))
    assert first.verb("apply", "all.json").returncode == 0
    done = first.until("cycle.finished", wrote("hubspot", "created"))
    assert done["hubspot"]["created"] == len(clinic.hubspot.records()) == 1
    clinic.world.faults.add(Fault(side="hubspot", path="/batch/create", status=503, times=None))
    assert first.verb("kick", "--approve").returncode == 0
    first.until("cycle.finished", lambda line: not line["dry_run"] and line["outcome"] != "ok")
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(15) == 0
    clinic.world.faults.clear()
    clinic.book("Came later", hours=40)
    second = daemon()
    done = second.until("cycle.finished")
    assert (done["dry_run"], done["hubspot"]["created"]) == (False, 30)


def test_an_undo_waits_for_the_end_of_an_outage_and_is_told_where_it_came_too_late(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    running = daemon()
    kept, edited = clinic.book("Kept"), clinic.book("Edited", hours=3)
    running.until("cycle.finished", wrote("hubspot", "created"))
    for event in (kept, edited):
        clinic.ghl.edit(event, title="Wrong")
        running.until("cycle.finished", wrote("hubspot", "updated"))
    fault = Fault(side="hubspot", path="/batch/update", status=503, times=None)
    clinic.world.faults.add(fault)
    for event in (kept, edited):
        assert running.verb("undo", event, "--yes").returncode == 0
    clinic.ghl.edit(edited, title="Newer")
    running.until("cycle.finished", lambda line: line["outcome"] != "ok")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(15) == 0
    clinic.world.faults.clear()
    again = daemon()
    again.until("cycle.finished", wrote("hubspot", "updated"))
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(15) == 0
    shown = sorted(each.properties["hs_appointment_name"] for each in clinic.hubspot.records())
    assert shown == ["Kept", "Newer"]
    assert [clinic.ghl.get(event).title for event in (kept, edited)] == ["Kept", "Newer"]


SLOWLY = '\n[schedule]\npoll_interval = "1h"\n'
"""Nothing happens but what is asked for."""


def answered(done: Any) -> Any:
    """The JSON that a verb printed."""
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.returncode
    return told


def test_beside_a_daemon_the_report_is_that_of_its_cycle(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    clinic.configure(SLOWLY)
    running = daemon()
    running.until("cycle.finished", lambda line: not line.get("dry_run"))
    clinic.book("Check-up")
    report = answered(running.verb("kick", "--wait", "--json"))["links"]["clinic"]
    assert (report["cycle"], report["hubspot"]["created"], report["outcome"]) == ("full", 1, "ok")
    listed = answered(running.verb("cycles", "--json"))["links"]["clinic"]["cycles"]
    (row, *_) = listed
    assert (row["hubspot"]["created"], row["outcome"], row["cycle"]) == (1, "ok", "full")
    # A decision that finds nothing to do has a cycle, too.
    assert running.verb("retry", "--wait").returncode == 0
    clinic.world.faults.add(side="hubspot", status=401, times=None)
    refused = answered(running.verb("kick", "--wait", "--json"))
    assert (refused["exit_code"], refused["links"]["clinic"]["outcome"]) == (6, "refused")


def test_a_wait_ends_with_7_and_a_pause_ends_it_with_2(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    clinic.configure(SLOWLY)
    running = daemon()
    running.until("cycle.finished", lambda line: not line.get("dry_run"))
    clinic.world.faults.add(side="ghl", kind="slow_body", seconds=4, times=None)
    late = answered(running.verb("kick", "--wait", "--timeout", "1s", "--json"))
    assert late["exit_code"] == 7
    assert "stays recorded" in late["problems"][0]
    assert running.verb("link", "pause", "clinic").returncode == 0
    paused = answered(running.verb("retry", "--wait", "--json"))
    assert paused["exit_code"] == 2
    clinic.world.faults.clear()
    assert running.verb("link", "resume", "clinic").returncode == 0
    running.until("cycle.finished", lambda line: line["kind"] == "full")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_where_the_daemon_dies_meanwhile_the_verb_runs_the_cycle(
    end: signal.Signals,
    clinic: VendorAccounts,
    daemon: Callable[[], RunningProgram],
    forkserver: ForkServer,
) -> None:
    clinic.configure(SLOWLY)
    running = daemon()
    running.until("cycle.finished", lambda line: not line.get("dry_run"))
    clinic.book("Check-up")
    clinic.world.faults.add(side="ghl", status=503, times=3)
    kicked = forkserver.start("kick", "--wait", cwd=clinic.folder, env=running.env)
    before = len(clinic.world.requests)
    assert "runs a full cycle now" in kicked.stderr.readline()
    moment = threading.Event()
    while len(clinic.world.requests) == before:
        moment.wait(0.02)
    running.process.send_signal(end)
    assert kicked.wait(PATIENCE) == 0
    assert "HubSpot: 1 created, 1 contact created" in kicked.stdout.read()
    for stream in (kicked.stdout, kicked.stderr):
        stream.close()


def test_a_link_that_is_added_and_one_that_is_set_up_are_taken_up_at_once(
    clinic: VendorAccounts, daemon: Callable[[], RunningProgram]
) -> None:
    text = f"""
include = ["links.d/*.toml"]
schedule.poll_interval = "1h"

[defaults.ghl]
base_url = "{clinic.server.ghl_url}"

[defaults.hubspot]
base_url = "{clinic.server.hubspot_url}"
search_lag = 0

[defaults.sync]
direction = "ghl_to_hubspot"

[links.clinic.ghl]
location_id = "{clinic.ghl.id}"
"""
    (clinic.folder / "config.toml").write_text(text, encoding="utf-8")
    running = daemon()
    running.until("cycle.finished")
    added = running.verb("link", "add", "annex", "--location", "annex-1")
    assert added.returncode == 0, added.stderr
    running.process.send_signal(signal.SIGHUP)
    running.until("config.reloaded")
    running.until("link.troubled", lambda line: line["link"] == "annex")

    clinic.hubspot.appointments.definitions.pop("ghl_address")
    clinic.book("Check-up")
    assert running.verb("kick", "--link", "clinic").returncode == 0
    running.until("link.troubled", lambda line: line["link"] == "clinic")
    done = running.verb("setup", "--link", "clinic")
    assert (done.returncode, "looks again now" in done.stdout) == (0, True), done.stderr
    running.until("cycle.finished", wrote("hubspot", "created"))

    assert running.verb("link", "remove", "annex").returncode == 0
    running.process.send_signal(signal.SIGHUP)
    assert "links.annex" in str(running.until("config.reloaded")["changes"])
