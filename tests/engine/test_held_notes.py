"""`show_held`: a held HubSpot record says why, and nothing else comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.outcome import Outcome
from syncd.core.policy import Direction, Notify, Winner
from syncd.engine.record import held_notes
from syncd.ports.store import HELD_NOTES

if TYPE_CHECKING:
    from harness import SyncHarness

NOTE = "ghl_sync_note"


@pytest.fixture(params=["2026-03", "2026-09"])
def shown(harness: SyncHarness, request: pytest.FixtureRequest) -> SyncHarness:
    """A link that shows what is held, in both versions of HubSpot's API."""
    harness.provider_options = {"show_held": True, "api_version": request.param}
    harness.rules = replace(harness.rules, show_held=True)
    harness.setup()
    return harness


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ANN@example.com", "+15550101"),
    )


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def note(harness: SyncHarness, record: str) -> str:
    return str(harness.hubspot.get(record).properties.get(NOTE) or "")


def make(harness: SyncHarness, *contacts: str, hours: float = 72, **more: Any) -> str:
    times = {"hs_appointment_start": harness.at(hours), "hs_appointment_end": harness.at(hours + 1)}
    return str(harness.hubspot.create({"hs_appointment_name": "Visit", **times, **more}, contacts))


def quiet(harness: SyncHarness) -> None:
    """Further cycles write nothing, whatever their kind."""
    for full in (True, False, True):
        harness.world.reset_requests()
        report = harness.sync(full=full)
        assert report.outcome is Outcome.OK, report.detail
        assert harness.world.writes("ghl") == harness.world.writes("hubspot") == []


def test_a_record_without_a_contact_says_so_until_it_has_one(
    shown: SyncHarness, ann: tuple[str, str]
) -> None:
    record = make(shown)
    report = shown.sync()
    assert (report.hubspot.writes, report.ghl.writes) == (0, 0)  # it counts as nothing
    assert "no_contact" in note(shown, record)
    assert "\n" not in note(shown, record)
    quiet(shown)
    shown.hubspot.associate(record, ann[1])
    assert shown.sync().ghl.created == 1
    assert note(shown, record) == ""
    quiet(shown)


def test_a_conflict_is_shown_whatever_the_direction(
    shown: SyncHarness, ann: tuple[str, str]
) -> None:
    shown.obey(conflict={"title": Winner.HOLD})
    event = book(shown, ann[0], title="Check-up")
    shown.sync()
    (record,) = (each.id for each in shown.hubspot.records())
    shown.hubspot.edit(record, hs_appointment_name="One")
    shown.ghl.edit(event, title="Two")
    shown.sync(full=False)
    assert note(shown, record).startswith("Waits for a decision (conflict in title: ")
    quiet(shown)
    shown.obey(direction=Direction.HUBSPOT_TO_GHL)
    shown.hubspot.edit(record, hs_appointment_name="Two")
    shown.sync()
    assert note(shown, record) == ""
    quiet(shown)


def test_a_note_after_a_write_hides_no_edit_and_is_none(
    shown: SyncHarness, ann: tuple[str, str]
) -> None:
    shown.obey(conflict={"title": Winner.HOLD})
    event = book(shown, ann[0], title="Check-up")
    shown.sync()
    (record,) = (each.id for each in shown.hubspot.records())
    shown.hubspot.edit(record, hs_appointment_name="One")
    shown.ghl.edit(event, title="Two", description="<p>Bring &amp; show</p>")
    assert shown.sync().hubspot.updated == 1
    assert "conflict" in note(shown, record)
    quiet(shown)
    shown.hubspot.edit(record, ghl_description="Bring nothing")
    assert shown.sync(full=False).ghl.updated == 1
    quiet(shown)


def test_a_note_makes_no_old_change_a_fresh_one(shown: SyncHarness, ann: tuple[str, str]) -> None:
    shown.obey(notify=Notify.LIVE)
    book(shown, ann[0])
    shown.sync()
    record = make(shown)
    shown.sync()
    shown.later(days=3)
    shown.rules = replace(shown.rules, show_held=False)
    shown.sync()  # The note is taken away: somebody may think that it was edited today.
    assert note(shown, record) == ""
    shown.rules = replace(shown.rules, show_held=True)
    shown.sync()
    assert "no_contact" in note(shown, record)
    seen = shown.link().hubspot.fetch({record})
    assert str(seen[record].updated_at).startswith("2026-03-05")  # type: ignore[union-attr]
    state = shown.store.link(shown.name).get_state(HELD_NOTES)
    (found,) = held_notes.without_notes(seen, state).values()
    assert str(found.updated_at).startswith("2026-03-02")  # type: ignore[union-attr]


def test_without_the_property_all_else_goes_on(harness: SyncHarness, ann: tuple[str, str]) -> None:
    harness.provider_options = {"show_held": True}
    harness.rules = replace(harness.rules, show_held=True)
    book(harness, ann[0])
    record = make(harness)
    report = harness.sync()
    assert (report.outcome, report.hubspot.created, len(report.held)) == (Outcome.OK, 1, 1)
    assert any("ghl_sync_note" in each and "syncd setup" in each for each in report.warnings)
    harness.setup()
    harness.later(minutes=20)  # the account is read again
    harness.sync()
    assert "no_contact" in note(harness, record)


def test_a_refused_note_fails_nothing(shown: SyncHarness, ann: tuple[str, str]) -> None:
    record = make(shown)
    shown.world.faults.add(side="hubspot", path="/batch/update", status=400, times=50)
    book(shown, ann[0])
    report = shown.sync()
    assert (report.outcome, report.hubspot.created, report.failed) == (Outcome.OK, 1, [])
    assert note(shown, record) == ""


@pytest.mark.parametrize("full", [True, False])
def test_a_note_of_an_archived_record_goes_when_it_is_restored(
    shown: SyncHarness, ann: tuple[str, str], *, full: bool
) -> None:
    shown.obey(conflict={"title": Winner.HOLD})
    event = book(shown, ann[0], title="Check-up")
    shown.sync()
    (record,) = (each.id for each in shown.hubspot.records())
    alone = make(shown)
    shown.hubspot.edit(record, hs_appointment_name="One")
    shown.ghl.edit(event, title="Two")
    shown.sync()
    assert "conflict" in note(shown, record)
    assert "no_contact" in note(shown, alone)
    for each in (record, alone):
        shown.hubspot.archive(each)
    shown.sync()
    for _ in range(2):  # An archived record cannot be written, and is not asked for it again.
        shown.world.reset_requests()
        shown.sync()
        assert shown.world.writes("hubspot") == []
    shown.later(minutes=5)
    for each in (record, alone):
        shown.hubspot.restore(each)
    shown.hubspot.associate(alone, ann[1])
    shown.sync(full=full)
    assert note(shown, alone) == ""
    # An edit beat its removal, and it was made anew: this one is a duplicate now.
    wanted = held_notes.sentences(shown.store.link(shown.name).holds())
    assert "possible_duplicate" in wanted[record]
    assert note(shown, record) == wanted[record]
    quiet(shown)


def test_switched_off_every_note_goes_with_the_next_full_cycle(
    shown: SyncHarness,
) -> None:
    alone, archived = make(shown), make(shown, hours=90)
    shown.sync()
    shown.hubspot.archive(archived)
    shown.rules = replace(shown.rules, show_held=False)
    shown.provider_options = {**shown.provider_options, "show_held": False}
    shown.sync()
    assert note(shown, alone) == ""
    shown.hubspot.restore(archived)
    shown.sync()
    assert note(shown, archived) == ""
    quiet(shown)
