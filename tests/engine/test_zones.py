"""The same instant on both sides: time zones, and the days on which clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from harness import START, HarnessClock, Shelf, SyncHarness, build

from syncd.sandbox import SandboxSettings

ZONES = ("Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
CHANGES = (
    datetime(2026, 3, 8, 7, 0, tzinfo=UTC),  # New York springs forward
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),  # Europe springs forward
    datetime(2026, 4, 4, 15, 0, tzinfo=UTC),  # Lord Howe falls back, by half an hour
    datetime(2026, 10, 25, 1, 0, tzinfo=UTC),  # Europe falls back
    datetime(2026, 11, 1, 6, 0, tzinfo=UTC),  # New York falls back
)


@pytest.fixture(params=ZONES)
def far(request: pytest.FixtureRequest, sqlite_store_url: str) -> Iterator[SyncHarness]:
    """A town in another part of the world, with a person on both sides."""
    clock = HarnessClock()
    with closing(Shelf(sqlite_store_url, clock)) as shelf:
        settings = SandboxSettings(location_timezone=request.param)
        harness = build(shelf, clock, settings)
        harness.ghl.add_contact("Ann Lee", "ann@example.com")
        harness.hubspot.add_contact("Ann Lee", "ann@example.com")
        yield harness


def moments() -> list[datetime]:
    """Half hours around every change of the clocks."""
    steps = (-1, -0.5, 0, 0.5)
    return [change + timedelta(hours=hours) for change in CHANGES for hours in steps]


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_every_half_hour_around_a_change_of_clocks_arrives_as_the_same_instant(
    far: SyncHarness,
) -> None:
    (contact,) = [each.id for each in far.ghl.contacts]
    events = {
        far.ghl.book(far.calendars["Event"], contact, moment, minutes=30): moment
        for moment in moments()
    }
    assert far.sync().hubspot.created == len(events)
    for record in far.hubspot.records():
        start = events[record.properties["ghl_appointment_id"]]
        assert record.properties["hs_appointment_start"] == stamp(start)
        assert record.properties["hs_appointment_end"] == stamp(start + timedelta(minutes=30))
    assert far.sync().written == []


def test_what_hubspot_makes_is_booked_at_the_same_instant(far: SyncHarness) -> None:
    far.obey(default_calendar=far.calendars["Event"])
    (contact,) = [each.id for each in far.hubspot.contact_records()]
    wanted = sorted(moments())
    for moment in wanted:
        properties = {
            "hs_appointment_start": stamp(moment),
            "hs_appointment_end": stamp(moment + timedelta(minutes=30)),
        }
        far.hubspot.create(properties, contacts=[contact])
    report = far.sync()
    assert report.ghl.created == len(wanted), report.held
    assert sorted(event.start.astimezone(UTC) for event in far.ghl.events()) == wanted
    assert far.sync().written == []


def test_a_move_over_a_change_of_clocks_is_a_move_of_instants(far: SyncHarness) -> None:
    (contact,) = [each.id for each in far.ghl.contacts]
    event = far.ghl.book(far.calendars["Event"], contact, START + timedelta(days=1))
    far.sync()
    zone = ZoneInfo(far.world.settings.location_timezone)
    for moment in moments()[::5]:
        local = moment.astimezone(zone)
        far.ghl.move(event, local, moment + timedelta(minutes=45))
        assert far.sync().hubspot.updated == 1
        (record,) = far.hubspot.records()
        assert record.properties["hs_appointment_start"] == stamp(moment)
        assert far.sync().written == []
