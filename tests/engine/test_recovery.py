"""A write took effect, its answer was lost, and the vendor shows something else than was sent.

What a vendor makes of a text (stripped tags, collapsed blanks, a cut end, no
text at all) is agreed as it is shown: it must not come back as an edit and
flatten what stands on the other side. What a person wrote meanwhile must.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from harness import InProcess, SyncHarness

from syncd.core.outcome import Outcome
from syncd.core.rendering import renders
from syncd.sandbox import application

RICH = "<p>Bring  the <b>X-rays</b> &amp; the letter</p>"
WRITES = re.compile(r"appointments(/[^/]+)?$|0-421(/\w+)?$|0-421/batch/(create|update|upsert)$")
PLAIN = "Bring the X-rays & the letter"


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com", "+15550101"),
    )


def book(harness: SyncHarness, contact: str, **more: Any) -> str:
    given = {"title": "Check-up", "description": RICH} | more
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(48), **given))


def make(harness: SyncHarness, contact: str, **more: Any) -> str:
    given = {
        "hs_appointment_name": "Check-up",
        "hs_appointment_start": harness.at(48),
        "hs_appointment_end": harness.at(48.5),
        "hs_appointment_status": "SCHEDULED",
        "ghl_description": RICH,
    }
    return str(harness.hubspot.create(given | more, contacts=[contact]))


class Killed(BaseException):
    """The process is gone."""


class Mortal(httpx.BaseTransport):
    """Dies when a write to an appointment of a side took effect, before its answer comes."""

    def __init__(self, harness: SyncHarness, side: str) -> None:
        self._inner, self._side = InProcess(application(harness.world)), side

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        path = request.url.path
        if request.method != "GET" and f"/{self._side}/" in path and WRITES.search(path):
            raise Killed
        return response


def sync_and_die(harness: SyncHarness, side: str) -> None:
    """A cycle that is killed between its first write to a side and the answer."""
    harness.transport = Mortal(harness, side)
    with pytest.raises(Killed):
        harness.sync()
    harness.transport = None


def mangle_record(harness: SyncHarness, **properties: str) -> None:
    """The vendor's own doing: no stamp moves, nobody is the author."""
    for record in harness.hubspot.records():
        harness.hubspot.appointments.rows[record.id].properties.update(properties)


def mangle_event(harness: SyncHarness, event: str, **fields: Any) -> None:
    harness.ghl.appointments.change(harness.ghl.appointments[event], **fields)


def quiet(harness: SyncHarness) -> None:
    """The next cycle has nothing to do, and neither has the one after."""
    for _ in range(2):
        report = harness.sync()
        assert (report.outcome, report.written, report.held) == (Outcome.OK, [], [])


@pytest.mark.parametrize("shown", [PLAIN, RICH.replace("  ", " "), RICH[:30]])
def test_a_mirrored_record_is_agreed_as_hubspot_shows_it(
    harness: SyncHarness, ann: tuple[str, str], shown: str
) -> None:
    event = book(harness, ann[0])
    sync_and_die(harness, "hubspot")
    mangle_record(harness, ghl_description=shown)
    harness.sync()
    assert harness.ghl.get(event).description == RICH
    quiet(harness)
    assert harness.ghl.get(event).description == RICH


@pytest.mark.parametrize("shown", [PLAIN, "", None])
def test_a_booking_is_agreed_as_highlevel_shows_it(
    harness: SyncHarness, ann: tuple[str, str], shown: str | None
) -> None:
    record = make(harness, ann[1])
    sync_and_die(harness, "ghl")
    (event,) = harness.ghl.appointments
    mangle_event(harness, event.id, description=shown)
    harness.sync()
    assert harness.hubspot.get(record).properties["ghl_description"] == RICH
    quiet(harness)
    assert len(list(harness.ghl.appointments)) == 1


def test_a_booking_whose_title_was_trimmed_is_still_known_as_ours(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    record = make(harness, ann[1], hs_appointment_name="Check-up  with <i>Dr Lee</i>")
    sync_and_die(harness, "ghl")
    (event,) = harness.ghl.appointments
    mangle_event(harness, event.id, title="Check-up with Dr Lee")
    harness.sync()
    assert len(list(harness.ghl.appointments)) == 1
    quiet(harness)
    name = harness.hubspot.get(record).properties["hs_appointment_name"]
    assert name == "Check-up  with <i>Dr Lee</i>"


@pytest.mark.parametrize("shown", [PLAIN, PLAIN[:20]])
def test_an_update_is_agreed_as_the_side_shows_it(
    harness: SyncHarness, ann: tuple[str, str], shown: str
) -> None:
    event = book(harness, ann[0], description="Nothing yet")
    harness.sync()
    harness.later(minutes=5)
    harness.ghl.edit(event, description=RICH)
    sync_and_die(harness, "hubspot")
    mangle_record(harness, ghl_description=shown)
    harness.sync()
    quiet(harness)
    assert harness.ghl.get(event).description == RICH
    (record,) = harness.hubspot.records()
    assert record.properties["ghl_description"] == shown


@pytest.mark.parametrize("edit", ["Bring nothing", ""])
def test_what_a_person_wrote_meanwhile_is_news(
    harness: SyncHarness, ann: tuple[str, str], edit: str
) -> None:
    event = book(harness, ann[0])
    sync_and_die(harness, "hubspot")
    harness.later(minutes=5)
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, ghl_description=edit)
    harness.sync()
    assert (harness.ghl.get(event).description or "") == edit
    quiet(harness)


@pytest.mark.parametrize(
    ("sent", "shown", "same"),
    [
        ("a  b", "a b", True),
        ("<p>a</p>\n<p>b</p>", "a b", True),
        ("a<br>b", "a\nb", True),
        ("a &lt; b", "a < b", True),
        ("x" * 300, "x" * 255, True),
        ("a long text that is cut", "a long text", True),
        ("a", "b", False),
        ("a b", "ab", False),
        ("a", "", False),
        ("", "a", False),
        ("a b c", "a", False),
    ],
)
def test_renderings_are_told_from_other_texts(sent: str, shown: str, same: bool) -> None:
    assert renders(sent, shown) is same


def test_a_time_is_rendered_to_the_minute_and_no_further(harness: SyncHarness) -> None:
    sent = (harness.at(1.01), harness.at(2))
    assert renders(sent, (harness.at(1), harness.at(2)))
    assert not renders(sent, (harness.at(0.9), harness.at(2)))
    assert not renders(sent, (None, harness.at(2)))
