"""What HighLevel shows, and what our provider makes of it: account, lists, single records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from syncd.core.model import Series
from syncd.errors import AuthFailed, NotFound, NotPrepared, Unavailable
from syncd.ports.provider import ScanRequest

if TYPE_CHECKING:
    from tests.providers.conftest import VirtualClock
    from tests.providers.ghl.conftest import Clinic, Open


def test_the_account_shows_zone_country_calendars_and_people(clinic: Clinic) -> None:
    account = clinic.provider.prepare()
    assert (account.timezone, account.country) == ("Europe/Zurich", "CH")
    team = next(each for each in account.calendars if each.name == "Team")
    assert (team.kind, team.slot_minutes, team.active) == ("round_robin", 30, True)
    assert (team.team, team.primary) == (tuple(clinic.users[:2]), clinic.users[0])
    event = next(each for each in account.calendars if each.name == "Event")
    assert (event.team, event.primary) == ((), "")
    assert [each.id for each in account.people] == clinic.users
    assert account.warnings == ()


def test_drafts_are_known_but_not_polled(clinic: Clinic) -> None:
    """The list of calendars includes drafts unless it is told otherwise."""
    draft = clinic.calendars["Class"]
    clinic.book(calendar="Class")
    clinic.world.location.deactivate_calendar(draft)
    account = clinic.provider.prepare()
    assert [each.id for each in account.calendars if not each.active] == [draft]
    scan = clinic.scan()
    assert draft not in scan.calendars
    assert scan.snapshots == ()


def test_configured_calendars_and_the_default_one_are_polled_and_no_other(
    open_clinic: Open,
) -> None:
    clinic = open_clinic(
        options=lambda world: {
            "calendars": (next(iter(world.location.calendars)),),
            "default_calendar": list(world.location.calendars)[-1],
        }
    )
    for calendar in clinic.calendars:
        clinic.book(calendar=calendar)
    clinic.provider.prepare()
    scan = clinic.scan()
    assert scan.calendars == {clinic.calendars["Team"], clinic.calendars["Event"]}
    assert {each.calendar for each in scan.snapshots} == scan.calendars


def test_a_configured_calendar_that_does_not_exist_is_named(open_clinic: Open) -> None:
    clinic = open_clinic(options=lambda _: {"calendars": ("nosuchcalendar00001",)})
    with pytest.raises(NotPrepared, match="nosuchcalendar00001"):
        clinic.provider.prepare()


def test_a_new_calendar_is_polled_in_the_next_cycle(clinic: Clinic) -> None:
    clinic.provider.prepare()
    clinic.scan()
    fresh = clinic.world.location.add_calendar("New", team=clinic.users[:1])
    clinic.provider.prepare()
    assert fresh in clinic.scan().calendars


def test_an_idle_cycle_costs_one_request_per_calendar_and_one_enumeration(clinic: Clinic) -> None:
    clinic.provider.prepare()
    clinic.scan()
    clinic.world.reset_requests()
    before = clinic.provider.requests
    clinic.provider.prepare()
    clinic.scan()
    assert len(clinic.world.requests) == len(clinic.calendars) + 1
    assert clinic.provider.requests - before == len(clinic.world.requests)


def test_the_zone_is_read_again_because_it_can_change(clinic: Clinic, clock: VirtualClock) -> None:
    assert clinic.provider.prepare().timezone == "Europe/Zurich"
    clinic.world.location.timezone = "America/New_York"
    clock.advance(3600)
    assert clinic.provider.prepare().timezone == "America/New_York"


def test_without_the_users_scope_owners_are_not_matched_and_nothing_else_suffers(
    open_clinic: Open,
) -> None:
    clinic = open_clinic()
    scopes = clinic.world.settings.ghl_scopes - {"users.readonly"}
    clinic = open_clinic(ghl_scopes=scopes)
    account = clinic.provider.prepare()
    assert account.people == ()
    assert "users.readonly" in account.warnings[0]
    assert clinic.scan().complete


@pytest.mark.parametrize("scope", ["locations.readonly", "calendars.readonly"])
def test_a_missing_scope_is_named_and_distinguished_from_a_bad_token(
    open_clinic: Open, scope: str
) -> None:
    """Both are a 401; only the words differ."""
    scopes = open_clinic().world.settings.ghl_scopes - {scope}
    with pytest.raises(AuthFailed, match=scope) as caught:
        open_clinic(ghl_scopes=scopes).provider.prepare()
    assert caught.value.missing_scope
    with pytest.raises(AuthFailed, match="token") as caught:
        open_clinic(token="pit-wrong").provider.prepare()
    assert not caught.value.missing_scope


def test_a_scope_that_is_missing_for_events_stops_the_scan(open_clinic: Open) -> None:
    scopes = open_clinic().world.settings.ghl_scopes - {"calendars/events.readonly"}
    clinic = open_clinic(ghl_scopes=scopes)
    clinic.provider.prepare()
    with pytest.raises(AuthFailed, match=r"calendars/events\.readonly"):
        clinic.scan()


def test_a_token_of_another_location_names_the_location(open_clinic: Open) -> None:
    with pytest.raises(AuthFailed, match="SomewhereElse0000001"):
        open_clinic(location="SomewhereElse0000001").provider.prepare()


def test_a_suspended_location_is_no_empty_location(clinic: Clinic) -> None:
    clinic.world.location.suspended = True
    with pytest.raises(NotPrepared, match="suspended"):
        clinic.provider.prepare()
    with pytest.raises(AuthFailed, match="suspended"):
        clinic.scan()


def test_a_list_shows_what_people_booked(clinic: Clinic) -> None:
    key = clinic.book(
        24,
        title="Check-up",
        status="new",
        description=" first visit \r\n",
        address="Main St 1",
        assignee=clinic.users[1],
    )
    scan = clinic.scan()
    (shown,) = scan.snapshots
    assert scan.complete
    assert (shown.id, shown.calendar) == (key, clinic.calendars["Team"])
    appointment = shown.appointment
    assert (appointment.title, appointment.status) == ("Check-up", "new")
    assert (appointment.start, appointment.end) == (clinic.at(24), clinic.at(24.5))
    assert (appointment.description, appointment.address) == ("first visit", "Main St 1")
    assert (appointment.owner, appointment.contact) == (clinic.users[1], clinic.contact)
    assert shown.contacts == (clinic.contact,)
    assert shown.updated_at == shown.created_at == clinic.now
    assert (shown.gone, shown.by_api, shown.series, shown.field_errors) == (False, False, None, ())
    assert shown.location_id == clinic.world.location.id


def test_cancelled_appointments_stay_in_the_list(clinic: Clinic) -> None:
    clinic.book(status="cancelled")
    assert [each.appointment.status for each in clinic.scan().snapshots] == ["cancelled"]


def test_only_what_starts_inside_the_window_is_kept(clinic: Clinic) -> None:
    """How the list treats its edges is not documented, so the window is padded and cut."""
    inside = [clinic.book(-30 * 24), clinic.book(365 * 24)]
    clinic.book(-30 * 24 - 0.25, minutes=60)
    clinic.book(365 * 24 + 0.25)
    assert {each.id for each in clinic.scan().snapshots} == set(inside)


def test_a_calendar_that_cannot_be_read_is_never_an_empty_one(clinic: Clinic) -> None:
    key = clinic.book(calendar="Team")
    clinic.provider.prepare()
    gone = clinic.calendars["Class"]
    clinic.world.location.delete_calendar(gone)
    scan = clinic.scan()
    assert not scan.complete
    assert gone not in scan.calendars
    assert [each.id for each in scan.snapshots] == [key]
    assert "not found" in scan.failures[0]
    assert gone in scan.failures[0]


def test_one_calendar_that_answers_nonsense_does_not_hide_the_others(clinic: Clinic) -> None:
    clinic.book()
    clinic.provider.prepare()
    clinic.world.faults.add(
        side="ghl", path="/calendars/events$", status=200, body={"traceId": "x"}
    )
    scan = clinic.scan()
    assert len(scan.calendars) == len(clinic.calendars) - 1
    assert not scan.complete


def test_a_vendor_that_is_down_is_unreachable_and_not_empty(clinic: Clinic) -> None:
    clinic.provider.prepare()
    clinic.world.faults.add(side="ghl", status=503, times=None)
    with pytest.raises(Unavailable):
        clinic.scan()


def test_calendars_asked_for_by_the_engine_narrow_the_scan(clinic: Clinic) -> None:
    chosen = frozenset({clinic.calendars["Team"]})
    scan = clinic.provider.scan(ScanRequest(window=clinic.window, calendars=chosen))
    assert scan.calendars == chosen


def test_a_deleted_appointment_answers_200_and_is_gone(clinic: Clinic) -> None:
    key = clinic.book(status="confirmed")
    clinic.world.location.delete(key)
    assert clinic.scan().snapshots == ()
    shown = clinic.see(key)
    assert shown.gone
    assert shown.appointment.status == "confirmed"


@pytest.mark.parametrize("envelope", ["appointment", "event"])
def test_a_get_is_read_under_either_envelope(open_clinic: Open, envelope: str) -> None:
    clinic = open_clinic(get_envelope=envelope)
    assert clinic.see(clinic.book(title="Check-up")).appointment.title == "Check-up"


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_id_is_missing_and_not_gone(open_clinic: Open, status: int) -> None:
    clinic = open_clinic(unknown_event_status=status)
    clinic.miss("nosuchappointment001")


def test_an_appointment_that_moved_to_another_calendar_is_found_by_id(clinic: Clinic) -> None:
    key = clinic.book(calendar="Team")
    clinic.world.location.edit(key, calendar=clinic.calendars["Event"])
    assert clinic.see(key).calendar == clinic.calendars["Event"]


def test_ids_with_slashes_stay_one_path_segment(clinic: Clinic) -> None:
    clinic.miss("../contacts/x?y")
    assert clinic.sent("GET", "/calendars/events/appointments/")


@pytest.mark.parametrize(
    ("zone", "summer"),
    [
        ("Europe/Zurich", "2026-03-29T01:30:00"),
        ("America/New_York", "2026-11-01T05:30:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:45:00"),
        ("Asia/Kolkata", "2026-07-01T00:00:00"),
    ],
)
def test_offsets_of_the_location_are_read_as_instants(
    open_clinic: Open, zone: str, summer: str
) -> None:
    clinic = open_clinic(location_timezone=zone)
    start = datetime.fromisoformat(summer).replace(tzinfo=UTC)
    for minutes in (-60, -30, 0, 30, 60):
        moment = start + timedelta(minutes=minutes)
        key = clinic.world.location.book(clinic.calendars["Team"], clinic.contact, moment)
        assert clinic.see(key).appointment.start == moment


def test_instances_of_a_series_are_read_one_by_one(clinic: Clinic) -> None:
    master = clinic.world.location.add_series(
        clinic.calendars["Team"], clinic.contact, clinic.at(24)
    )
    shown = clinic.scan().snapshots
    assert sorted(each.id for each in shown) == sorted(clinic.world.location.instances(master))
    assert {each.series for each in shown} == {Series(master=master)}
    assert clinic.see(shown[0].id).series == Series(master=master)


def test_the_master_of_a_listed_series_is_no_appointment(open_clinic: Open) -> None:
    clinic = open_clinic(list_masters=True)
    master = clinic.world.location.add_series(
        clinic.calendars["Team"], clinic.contact, clinic.at(24)
    )
    scan = clinic.scan()
    assert master not in {each.id for each in scan.snapshots}
    assert scan.unreadable == ()
    assert "series" in clinic.miss(master).detail


def test_blocked_time_is_no_appointment(clinic: Clinic) -> None:
    clinic.world.location.block(clinic.at(24), clinic.at(25), user=clinic.users[0])
    assert clinic.scan().snapshots == ()


def test_a_contacts_appointments_are_local_times_of_the_location(open_clinic: Open) -> None:
    clinic = open_clinic(location_timezone="America/New_York")
    key = clinic.book(24, title="Check-up")
    (shown,) = clinic.provider.bookings_of(clinic.contact)
    assert (shown.id, shown.appointment.start) == (key, clinic.at(24))
    assert shown.created_at == clinic.now


def test_the_hour_that_a_clock_change_repeats_is_read_by_id(open_clinic: Open) -> None:
    clinic = open_clinic(location_timezone="America/New_York")
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    for start in (first, first + timedelta(hours=1)):
        clinic.world.location.book(clinic.calendars["Team"], clinic.contact, start)
    shown = clinic.provider.bookings_of(clinic.contact)
    assert {each.appointment.start for each in shown} == {first, first + timedelta(hours=1)}


def test_of_a_contact_that_is_unknown_nothing_is_known(clinic: Clinic) -> None:
    """No list is another thing than an empty one: a booking could rest on it."""
    with pytest.raises(NotFound):
        clinic.provider.bookings_of("nosuchcontact0000001")


def test_what_any_api_client_made_is_marked_as_such(clinic: Clinic) -> None:
    """It marks every API client, so it never means that we made it."""
    clinic.book(source="third_party")
    assert clinic.scan().snapshots[0].by_api


def test_each_version_header_is_the_one_that_the_endpoint_documents(clinic: Clinic) -> None:
    """The calendars' version answers 404 on contacts."""
    clinic.provider.prepare()
    clinic.scan()
    clinic.provider.contacts([clinic.contact])
    for row in clinic.world.requests:
        expected = "2021-04-15" if row.path.startswith("/calendars") else "2021-07-28"
        assert row.headers["version"] == expected
        assert row.headers["user-agent"].startswith("syncd/")
