"""`plan --out` and `apply`, `undo` and `why`: from the command line to both vendors and back."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


@pytest.fixture
def synced(syncd: Syncd, clinic: VendorAccounts) -> dict[str, str]:
    """Three appointments in step: HubSpot's ids by title."""
    for number in range(3):
        clinic.book(f"Visit {number}", hours=2 * number)
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    return {r.properties["hs_appointment_name"]: r.id for r in clinic.hubspot.records()}


def event_of(clinic: VendorAccounts, title: str) -> str:
    return next(e.id for e in clinic.ghl.appointments if e.title == title)


def cycle(syncd: Syncd, ghl_id: str) -> str:
    """The cycle that wrote to an appointment last, as the history names it."""
    rows = json.loads(syncd("history", ghl_id, "--json").out)
    return str(rows["links"]["clinic"][0]["cycle"])


def test_a_kept_plan_is_carried_out_and_what_has_moved_on_is_listed(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    for number in range(3):
        clinic.ghl.edit(event_of(clinic, f"Visit {number}"), address=f"Room {number}")
    assert syncd("plan", "--out", "monday.json").code == 0
    file = clinic.folder / "monday.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    clinic.ghl.edit(event_of(clinic, "Visit 1"), address="Room 11")
    clinic.book("Not in the plan", hours=40)
    said = syncd("apply", "monday.json")
    assert (said.code, "3 writes" in said.out) == (0, True)
    done = syncd("--sync-now")
    assert done.code == 0
    addresses = {
        title: clinic.hubspot.get(record).properties.get("ghl_address", "")
        for title, record in synced.items()
    }
    assert addresses == {"Visit 0": "Room 0", "Visit 1": "", "Visit 2": "Room 2"}
    assert len(clinic.hubspot.records()) == 3
    (left_out,) = [line for line in done.out.splitlines() if "moved on" in line]
    assert "update \u201cVisit 1\u201d" in left_out
    assert event_of(clinic, "Visit 1") in left_out
    assert synced["Visit 1"] in left_out
    (told,) = [line for line in done.err.splitlines() if "write.left_out" in line]
    assert synced["Visit 1"] in told
    assert "Visit 1" not in told
    assert syncd("--sync-now").code == 0
    assert len(clinic.hubspot.records()) == 4
    assert clinic.hubspot.get(synced["Visit 1"]).properties["ghl_address"] == "Room 11"


def test_undo_puts_a_cycle_back_and_lists_what_stays(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    events = [event_of(clinic, f"Visit {number}") for number in range(3)]
    clinic.ghl.edit(events[0], title="Wrong")
    clinic.hubspot.archive(synced["Visit 1"])
    clinic.ghl.delete(events[2])
    clinic.book("Fresh", hours=50)
    assert syncd("--sync-now").code == 0
    assert clinic.ghl.get(events[1]).status == "cancelled"
    said = syncd("undo", "--yes", "--cycle", cycle(syncd, events[0]))
    assert said.code == 0
    lines = said.out.splitlines()
    (fresh,) = [r.id for r in clinic.hubspot.records() if r.id not in synced.values()]
    assert [
        line for line in lines if fresh in line and "created in HubSpot" in line and "stays" in line
    ]
    gone = synced["Visit 2"]
    assert [line for line in lines if gone in line and "archived in HubSpot" in line]
    assert not [line for line in lines if synced["Visit 1"] in line and "stays" in line]
    assert any("title back to Visit 0" in line for line in lines)
    assert any("status back to" in line for line in lines)
    assert syncd("--sync-now").code == 0
    assert clinic.ghl.get(events[0]).title == "Visit 0"
    assert clinic.hubspot.get(synced["Visit 0"]).properties["hs_appointment_name"] == "Visit 0"
    assert clinic.ghl.get(events[1]).status == "confirmed"
    carried = {r.properties["ghl_appointment_id"] for r in clinic.hubspot.records()}
    assert events[1] in carried
    assert events[2] not in carried
    before = clinic.writes()
    assert syncd("--sync-now").code == 0
    assert clinic.writes() == before


def test_undo_of_what_cannot_be_put_back_says_so_and_queues_nothing(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    said = syncd("undo", "--yes", "--cycle", cycle(syncd, event_of(clinic, "Visit 0")))
    assert said.code == 2
    assert said.out.count("created in HubSpot by that cycle, and stays") == 3
    assert "nothing was overwritten" in said.err
    before = clinic.writes()
    assert syncd("--sync-now").code == 0
    assert clinic.writes() == before
    assert len(synced) == 3


def test_why_names_the_write_the_rule_and_both_values(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    clinic.hubspot.edit(synced["Visit 0"], hs_appointment_name="Visit zero")
    assert syncd("--sync-now").code == 0
    told = syncd("why", synced["Visit 0"])
    assert told.code == 0
    assert "Visit zero" in told.out
    assert "HubSpot" in told.out
    found = json.loads(syncd("why", synced["Visit 0"], "--json").out)
    assert "Visit zero" in json.dumps(found)
    assert syncd("why", "nobody").code == 2


def test_why_says_what_holds_a_field_of_a_pair(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    clinic.configure('[links.clinic.sync]\nconflict = "hold"\n')
    clinic.hubspot.edit(synced["Visit 0"], hs_appointment_name="Theirs")
    clinic.ghl.edit(event_of(clinic, "Visit 0"), title="Ours")
    syncd("--sync-now")
    told = syncd("why", synced["Visit 0"]).out
    assert ("conflict" in told, "Ours" in told, "Theirs" in told) == (True, True, True)
    assert f"syncd resolve {synced['Visit 0']} --keep ghl" in told
    (held,) = json.loads(syncd("why", synced["Visit 0"], "--json").out)["held"]
    assert (held["reason"], held["field"]) == ("conflict", "title")


def test_why_tells_that_the_contact_came_with_the_record_that_was_made(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    fields = json.loads(syncd("why", synced["Visit 0"], "--json").out)["fields"]
    made = fields["title"]["written"]
    (contact,) = clinic.hubspot.get(synced["Visit 0"]).contacts
    assert fields["contact"]["written"] == made | {
        "field": "contact",
        "before": None,
        "after": contact,
    }
    assert "never written by syncd" not in syncd("why", synced["Visit 0"]).out


def test_what_is_ignored_can_be_taken_back(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    record = str(clinic.make("Nobody's", hours=90, contact=False))
    assert syncd("--sync-now").code == 0
    assert "no_contact" in syncd("held", "--json").out
    assert syncd("resolve", record, "--ignore").code == 0
    assert syncd("--sync-now").code == 0
    assert "no_contact" not in syncd("held", "--json").out
    assert syncd("resolve", record, "--ignore").code == 2
    assert syncd("retry", record).code == 0
    assert syncd("--sync-now").code == 0
    assert "no_contact" in syncd("held", "--json").out
    assert synced


def test_what_stands_beside_a_pair_is_not_paired_and_the_way_out_is_told(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    """A decision that nothing can carry out would stay open for ever, so none is recorded."""
    pair = synced["Visit 1"]
    twin = clinic.make("Visit 1", hours=2, contact=False)
    ((_, person),) = clinic.hubspot.linked(clinic.hubspot.get(pair))
    clinic.hubspot.associate(twin, person.id)
    syncd("--sync-now")
    shown = syncd("held").out
    assert f"{event_of(clinic, 'Visit 1')} has the same contact and start" in shown
    assert "it cannot be paired" in shown
    commands = [line.strip() for line in shown.splitlines() if line.strip().startswith("syncd ")]
    assert commands == [f"syncd resolve {twin} --{way}" for way in ("separate", "ignore")]
    for other in (event_of(clinic, "Visit 1"), pair, "nobody-knows-it", twin):
        said = syncd("resolve", twin, "--pair", other)
        assert said.code == 2
        assert f"--pair {other}: " in said.err
        assert f"`syncd resolve {twin} --ignore`" in said.err
    assert syncd("resolve", twin, "--ignore", "--wait").code == 0
    assert "nothing is held" in syncd("held").out


def test_an_undo_of_what_was_changed_since_says_so_and_queues_nothing(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    event = event_of(clinic, "Visit 0")
    clinic.ghl.edit(event, title="Wrong", address="Nowhere")
    assert syncd("--sync-now").code == 0
    wrong = cycle(syncd, event)
    clinic.ghl.edit(event, title="Better")
    assert syncd("--sync-now").code == 0
    said = syncd("undo", "--yes", "--cycle", wrong)
    assert said.code == 0
    assert [line for line in said.out.splitlines() if "title was changed since" in line]
    assert "address back to" in said.out
    assert syncd("--sync-now").code == 0
    shown = clinic.hubspot.get(synced["Visit 0"]).properties
    assert (shown["hs_appointment_name"], shown.get("ghl_address", "")) == ("Better", "")


def test_a_kick_without_a_daemon_ends_with_2_and_records_nothing(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    said = syncd("kick", "--link", "clinic")
    assert (said.code, "no daemon runs for clinic" in said.err) == (2, True)
    assert syncd("link", "pause", "clinic").code == 0
    said = syncd("kick")
    assert (said.code, "paused: clinic" in said.err) == (2, True)
    assert "the link is paused" in syncd("retry").out
    assert (bool(synced), bool(clinic)) == (True, True)


def test_why_tells_which_rule_leaves_a_record_out_or_what_holds_it(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    syncd("setup")
    far, held = clinic.make("Far", hours=24 * 500), clinic.make("Nobody's", contact=False)
    paired = clinic.book("Visit")
    syncd("--sync-now")
    told = syncd("why", far)
    assert (told.code, "left out: outside the window (window)" in told.out) == (0, True)
    assert json.loads(syncd("why", far, "--json").out)["left_out"] == "window"
    assert "it is held: no_contact" in syncd("why", held).out
    (hold,) = json.loads(syncd("why", held, "--json").out)["held"]
    assert hold["reason"] == "no_contact"
    assert json.loads(syncd("why", paired, "--json").out)["left_out"] is None
    assert "left out: 1 outside the window (window)" in syncd("status").out
    status = json.loads(syncd("status", "--json").out)["links"]["clinic"]
    assert status["left_out"] == {"window": 1}
    assert syncd("why", "nobody", "--json").code == 2


WAITING = [
    ("kick", ["kick", "--wait"], 0),
    ("retry", ["retry", "--wait"], 0),
    ("apply", ["apply", "plan.json", "--wait"], 0),
    ("undo", ["undo", "ID", "--yes", "--wait"], 0),
]


@pytest.mark.parametrize(("verb", "args", "code"), WAITING, ids=[each[0] for each in WAITING])
def test_without_a_daemon_a_verb_that_waits_runs_the_cycle_itself(
    verb: str,
    args: list[str],
    code: int,
    syncd: Syncd,
    clinic: VendorAccounts,
    synced: dict[str, str],
) -> None:
    record = synced["Visit 0"]
    clinic.ghl.edit(event_of(clinic, "Visit 0"), title="Moved on")
    if verb == "undo":
        assert syncd("--sync-now").code == 0
    if verb == "apply":
        assert syncd("plan", "--out", "plan.json").code == 0
    done = syncd(*[record if each == "ID" else each for each in args], "--json")
    told = json.loads(done.out)
    report = told["links"]["clinic"]
    assert (done.code, told["exit_code"], report["outcome"]) == (code, code, "ok")
    written = report["hubspot"]["updated"] + report["ghl"]["updated"]
    assert written == (2 if verb == "undo" else 1)
    shown = clinic.hubspot.get(record).properties["hs_appointment_name"]
    assert shown == ("Visit 0" if verb == "undo" else "Moved on")
    listed = json.loads(syncd("cycles", "--json").out)["links"]["clinic"]["cycles"]
    assert listed[0]["id"] in syncd("cycles", listed[0]["id"]).out


def test_a_first_sync_waits_for_its_approval_without_a_daemon_too(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    for number in range(30):
        clinic.book(f"Visit {number}", hours=number)
    assert syncd("setup").code == 0
    asked = syncd("kick", "--wait", "--json")
    told = json.loads(asked.out)
    assert (asked.code, told["exit_code"]) == (4, 4)
    assert "--approve" in told["problems"][0]
    assert not clinic.hubspot.records()
    approved = syncd("kick", "--wait", "--approve", "--json")
    assert (approved.code, len(clinic.hubspot.records())) == (0, 30)


def test_a_paused_link_ends_a_wait_with_2_and_the_decision_stays(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    assert syncd("link", "pause", "clinic").code == 0
    clinic.ghl.edit(event_of(clinic, "Visit 0"), title="Wrong")
    assert syncd("--sync-now", "--link", "clinic").code == 0
    undone = syncd("undo", synced["Visit 0"], "--yes", "--wait", "--json")
    told = json.loads(undone.out)
    assert (undone.code, "stays recorded" in told["problems"][0]) == (2, True)
    assert told.keys() == {"version", "exit_code", "problems"}
    assert syncd("kick", "--wait").code == 2
    assert syncd("link", "resume", "clinic").code == 0
    assert syncd("--sync-now").code == 0
    assert clinic.ghl.get(event_of(clinic, "Visit 0")).title == "Visit 0"


def test_a_wait_for_what_cannot_begin_gives_the_report_of_a_sync(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    """A link that is not set up, and one whose first sync fails while it is planned."""
    for code, outcome in ((2, "not_prepared"), (7, "unreachable")):
        told = json.loads(syncd("kick", "--wait", "--json").out)
        assert (told["exit_code"], told["links"]["clinic"]["outcome"]) == (code, outcome)
        assert syncd("setup").code == 0
        clinic.world.faults.add(side="ghl", status=503, times=None)


def test_an_undo_shows_first_then_asks(
    syncd: Syncd, clinic: VendorAccounts, synced: dict[str, str]
) -> None:
    clinic.ghl.edit(event_of(clinic, "Visit 0"), title="Wrong")
    assert syncd("--sync-now").code == 0
    asked = syncd("undo", synced["Visit 0"])
    assert (asked.code, "give --yes" in asked.err) == (2, True)
    assert "title back to Visit 0, in HubSpot and HighLevel" in asked.out
    shown = syncd("undo", synced["Visit 0"], "--dry-run", "--json")
    (back,) = json.loads(shown.out)["links"]["clinic"]["back"]
    assert back["sides"] == ["hubspot", "ghl"]
    assert back["fields"] == {"title": {"from": "Wrong", "to": "Visit 0"}}
    assert syncd("--sync-now").code == 0
    assert clinic.ghl.get(event_of(clinic, "Wrong")).title == "Wrong"
