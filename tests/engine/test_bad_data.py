"""Whatever a vendor sends, a cycle goes on: promises 10 and 6.

Values that people can type travel whole or are held with the reason; values
that no vendor should send leave their record alone and stop no other; and no
answer at all, however broken, ends a cycle with a traceback.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from harness import HarnessClock, Shelf, SyncHarness, build
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tampering import Tampering, rows_of

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.report import CycleReport

FINE = {Outcome.OK, Outcome.FAILED_WRITES}
SETTLED = {*FINE, Outcome.UNREACHABLE, Outcome.REFUSED, Outcome.NOT_PREPARED}
RELAXED = settings(suppress_health_check=list(HealthCheck))

TEXTS = {
    "64 KiB": "wörd " * 13_107,
    "emoji": "👩🏽\u200d⚕️ see you 🦷",
    "right to left": "\u202e\u0645\u0631\u0627\u062c\u0639\u0629\u202c \u05e9\u05dc\u05d5\u05dd",
    "controls": "a\u0001b\u0008c\u007fd\u0085e",
    "a null": "a\u0000b",
    "line ends": "one\r\ntwo\rthree\n\nfour",
    "separators": "one\u2028two\u2029three",
    "markup": "<p onclick='x()'>Bring &amp; <b>scan</b><script>1</script></p>",
    "quotes": "'; DROP TABLE pairs; -- \" \\ \\n %s {0} ${x} {{contact.name}}",
    "only spaces": " \t\u00a0\u3000 ",
    "zero width": "\u200b\u200d\ufeff",
    "not composed": "e\u0301cole A\u030angstro\u0308m",
    "a formula": "=HYPERLINK(A1)",
    "json": '{"id": null, "deleted": true}',
}

JUNK: tuple[Any, ...] = (
    None,
    "",
    " ",
    "null",
    "undefined",
    "[object Object]",
    0,
    -1,
    1e308,
    10**40,
    True,
    False,
    [],
    {},
    [None],
    {"value": None},
    [["x"]],
    {"id": {}},
    "2026-13-45T99:99:99Z",
    "0000-00-00 00:00:00",
    "9999-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "2026-03-04T09:00:00",
    "2026-03-29T02:30:00",
    "2026-03-04T09:00:00+99:99",
    "2026-03-04T09:00:00[Mars/Olympus]",
    "-99999999999999999999",
    "1e999",
    "NaN",
    "\ud83e",
    "\u0000",
    "x" * 70_000,
)


@contextmanager
def fresh(template: Path, folder: Path) -> Iterator[SyncHarness]:
    """A town over a store of its own, for each example."""
    path = folder / "example.db"
    shutil.copy(template, path)
    clock = HarnessClock()
    with closing(Shelf(f"sqlite:///{path}", clock)) as shelf:
        yield build(shelf, clock)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def person(harness: SyncHarness) -> tuple[str, str]:
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com", "+15550101"),
    )


def agreed(harness: SyncHarness) -> tuple[list[str], list[str]]:
    """Two appointments that are in step; the first one will turn bad."""
    ann = person(harness)
    events = [
        str(
            harness.ghl.book(
                harness.calendars["Team"], ann[0], harness.at(hours), title=f"Visit {hours}"
            )
        )
        for hours in (48, 72)
    ]
    harness.sync()
    by_id = {
        record.properties["ghl_appointment_id"]: record.id for record in harness.hubspot.records()
    }
    return events, [by_id[event] for event in events]


def settled(harness: SyncHarness, most: int) -> CycleReport:
    """The last of at most so many cycles, seven hours apart: nothing is left to do or waits."""
    for _ in range(most):
        harness.later(hours=7)
        report = harness.sync()
        if report.outcome is Outcome.OK and not (report.written or report.held or report.failed):
            break
    return report


def fate(harness: SyncHarness) -> tuple[list[tuple[str, bool, str]], list[tuple[str, bool, str]]]:
    """What became of each record."""
    events = [(row.id, row.deleted, row.status) for row in harness.ghl.appointments]
    records = [
        (row.id, row.archived, row.properties.get("hs_appointment_status", ""))
        for row in (*harness.hubspot.records(), *harness.hubspot.archived())
    ]
    return sorted(events), sorted(records)


# --- what people can type


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("what", TEXTS)
def test_any_text_that_a_person_types_arrives_or_is_held(
    harness: SyncHarness, side: Side, what: str
) -> None:
    events, records = agreed(harness)
    text = TEXTS[what]
    if side is Side.GHL:
        harness.ghl.edit(events[0], description=text, address=text[:500])
    else:
        harness.hubspot.edit(records[0], ghl_description=text, ghl_address=text[:500])
    harness.ghl.edit(events[1], title="Still fine")
    report = harness.sync()
    assert report.outcome in FINE, report
    assert harness.hubspot.get(records[1]).properties["hs_appointment_name"] == "Still fine"
    shown = [
        _plain(harness.ghl.get(events[0]).description),
        _plain(harness.hubspot.get(records[0]).properties.get("ghl_description")),
    ]
    if not _named(report, events[0]):
        assert shown[0] == shown[1] == _plain(text)
    harness.world.reset_requests()
    again = harness.sync()
    assert (again.written, harness.world.writes("hubspot")) == ([], [])


def _plain(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _named(report: CycleReport, record: str) -> bool:
    held = {hold.ghl_id for hold in report.held} | {hold.hubspot_id for hold in report.held}
    return record in held | {write.ghl_id for write in report.failed}


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:30:00Z"),
        ("9999-12-31T23:00:00Z", "9999-12-31T23:30:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:30:00Z"),
        ("2026-03-04T09:00:00Z", "2026-03-04T08:00:00Z"),
        ("2026-03-04T09:00:00Z", "2026-03-04T09:00:00Z"),
        ("2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"),
        ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("2026-03-04T09:00:00Z", "2036-03-04T09:00:00Z"),
        ("2026-03-04T09:00:00.123Z", "2026-03-04T09:30:00.987Z"),
    ],
)
def test_any_time_that_a_person_picks_arrives_or_is_held(
    harness: SyncHarness, side: Side, start: str, end: str
) -> None:
    events, records = agreed(harness)
    if side is Side.GHL:
        harness.ghl.move(events[0], start, end)
    else:
        harness.hubspot.edit(records[0], hs_appointment_start=start, hs_appointment_end=end)
    before = fate(harness)
    for _ in range(2):
        report = harness.sync()
        assert report.outcome in FINE, report
    assert fate(harness) == before
    event, record = harness.ghl.get(events[0]), harness.hubspot.get(records[0]).properties
    if not _named(report, events[0]):
        assert record["hs_appointment_start"][:19] == event.start.isoformat()[:19]
        assert record["hs_appointment_end"][:19] == event.end.isoformat()[:19]
    harness.world.reset_requests()
    assert harness.sync().written == []
    assert harness.world.writes("hubspot") == []


# --- what no vendor should send

_EVENT_KEYS = (
    *("id", "title", "startTime", "endTime", "appointmentStatus", "appoinmentStatus"),
    *("calendarId", "contactId", "assignedUserId", "address", "description", "dateAdded"),
    *("dateUpdated", "deleted", "locationId", "createdBy", "masterEventId", "isRecurring"),
)
_RECORD_KEYS = (
    *("id", "properties", "archived", "associations", "createdAt", "updatedAt"),
    *("hs_appointment_name", "hs_appointment_start", "hs_appointment_end"),
    *("hs_appointment_status", "ghl_description", "ghl_address", "hubspot_owner_id"),
    *("ghl_appointment_id", "ghl_location_id", "hs_lastmodifieddate", "hs_createdate"),
)
_TELLTALE = {"deleted", "archived"}
"""Keys whose truth is the vendor's word that the record was removed."""


@RELAXED
@given(
    side=st.sampled_from(Side),
    key=st.integers(0, 17),
    junk=st.sampled_from(JUNK),
    missing=st.booleans(),
)
def test_a_bad_value_leaves_its_record_alone_and_the_others_go_on(
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    side: Side,
    key: int,
    junk: Any,
    missing: bool,
) -> None:
    keys = _EVENT_KEYS if side is Side.GHL else _RECORD_KEYS
    name = keys[key % len(keys)]
    if name in _TELLTALE and junk not in (None, "", 0, False):
        junk = None
    with fresh(sqlite_template, tmp_path_factory.mktemp("bad")) as harness:
        events, records = agreed(harness)
        bad = events[0] if side is Side.GHL else records[0]
        harness.later(minutes=10)
        harness.ghl.edit(events[1], title="Still fine")
        harness.hubspot.edit(records[1], ghl_address="Room 2")
        before = fate(harness)

        def change(_: str, body: Any) -> Any:
            for row in rows_of(body, bad):
                place = row if name in row else row.get("properties", row)
                if isinstance(place, dict) and missing:
                    place.pop(name, None)
                elif isinstance(place, dict) and name in place:
                    place[name] = junk
            return body

        harness.transport = Tampering(harness, change)
        for full in (True, False):
            report = harness.sync(full=full)
            assert report.outcome in FINE, report
        assert harness.hubspot.get(records[1]).properties["hs_appointment_name"] == "Still fine"
        assert harness.ghl.get(events[1]).address == "Room 2"
        assert _removed(fate(harness)) == _removed(before)
        assert harness.sync(dry_run=True).outcome in FINE
        harness.transport = None
        report = settled(harness, 3)
        assert report.outcome is Outcome.OK, report
        assert report.written == []
        assert len(harness.ghl.events()) == len(harness.hubspot.records()) == 2


def _removed(of: tuple[list[tuple[str, bool, str]], ...]) -> list[list[tuple[str, bool]]]:
    return [[(record, gone) for record, gone, _ in side] for side in of]


def _places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in an answer."""
    yield path
    if isinstance(body, dict):
        for key, held in body.items():
            yield from _places(held, (*path, key))
    elif isinstance(body, list):
        for number, held in enumerate(body):
            yield from _places(held, (*path, number))


def _put(body: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = junk
    return body


@RELAXED
@given(
    answer=st.integers(0, 24),
    place=st.integers(0, 400),
    junk=st.sampled_from(JUNK),
    full=st.booleans(),
)
@example(answer=0, place=0, junk=None, full=True)
def test_no_answer_ends_a_cycle_with_a_traceback(
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    answer: int,
    place: int,
    junk: Any,
    full: bool,
) -> None:
    with fresh(sqlite_template, tmp_path_factory.mktemp("fuzz")) as harness:
        events, records = agreed(harness)
        harness.later(minutes=10)
        harness.ghl.edit(events[0], title="Renamed")
        harness.hubspot.edit(records[1], ghl_address="Room 2")
        contact = harness.hubspot.add_contact("Bea Moss", "bea@example.com", "+15550102")
        harness.hubspot.create({"hs_appointment_start": harness.at(96)}, contacts=[contact])
        seen = iter(range(10_000))

        def change(_: str, body: Any) -> Any:
            if next(seen) != answer:
                return body
            places = list(_places(body))
            return _put(body, places[place % len(places)], junk)

        harness.transport = Tampering(harness, change)
        report = harness.sync(full=full)
        assert report.outcome in SETTLED, report
        harness.transport = None
        report = settled(harness, 4)
        assert report.outcome is Outcome.OK, report
        assert report.written == []
        assert not [row for row in harness.ghl.appointments if row.deleted]
        assert not harness.hubspot.archived()
        assert harness.ghl.get(events[0]).title == "Renamed"
        assert harness.ghl.get(events[1]).address == "Room 2"


def test_a_series_of_bad_records_is_held_each_for_its_own_reason(harness: SyncHarness) -> None:
    """End before start, no start, unknown status: three reasons, and the fourth goes on."""
    ann = person(harness)
    start = harness.at(48)
    rows: list[dict[str, Any]] = [
        {"hs_appointment_start": start, "hs_appointment_end": start - timedelta(hours=1)},
        {"hs_appointment_name": "No start"},
        {"hs_appointment_start": start, "hs_appointment_status": "RESCHEDULED"},
        {"hs_appointment_start": start + timedelta(hours=3)},
    ]
    harness.hubspot.add_property("kept", type="string")
    options = harness.hubspot.appointments.definitions["hs_appointment_status"].options
    options.append(options[0] | {"label": "Rescheduled", "value": "RESCHEDULED"})
    for row in rows:
        harness.hubspot.create(row, contacts=[ann[1]])
    report = harness.sync()
    assert report.ghl.created == 1
    reasons = sorted(hold.reason for hold in report.held)
    assert reasons == ["missing_time", "missing_time", "unknown_status"]


@pytest.mark.parametrize(
    ("start", "reason"), [("the day after", "unreadable"), ("", "missing_time")]
)
def test_a_booking_whose_start_cannot_be_read_is_held(
    harness: SyncHarness, start: str, reason: str
) -> None:
    ann = person(harness)
    event = str(harness.ghl.book(harness.calendars["Event"], ann[0], harness.at(48)))

    def change(path: str, body: Any) -> Any:  # noqa: ARG001 - the port
        for row in rows_of(body, event):
            row["startTime"] = start
        return body

    harness.transport = Tampering(harness, change)
    for _ in range(2):
        report = harness.sync()
        assert [(hold.ghl_id, hold.reason) for hold in report.held] == [(event, reason)]
        assert report.written == []
    harness.transport = None
    report = harness.sync()
    assert (report.held, report.hubspot.created) == ([], 1)
