"""What a vendor says of a person stays with the person who asks: no line of the log tells it.

A vendor's error may repeat what it was sent, or name whomever it likes. The
report and `syncd held` show it in the vendor's own words; the log at `info`,
and whatever else is not for one person's eyes, leaves the words of others out.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from syncd.notifications.events import Event, LinkStatus, NewEvent, Thresholds
from syncd.notifications.message import body_of
from syncd.observability import words
from syncd.observability.logging import configure
from syncd.observability.state import State

if TYPE_CHECKING:
    from harness import SyncHarness

NAME = "Zachariah Canarybird"
SAID = f"the guest \u201c{NAME}\u201d <zcanary@example.com> +41 79 555 01 77 is not welcome"
BODY = {
    "status": "error",
    "message": SAID,
    "error": SAID,
    "category": f"FOR_{NAME}",
    "correlationId": NAME,
    "errors": [{"message": SAID, "code": NAME, "context": {"properties": [NAME]}}],
}
PAGE = f"<html><title>{SAID}</title></html>"
CANARIES = ("zachariah", "canarybird", "zcanary", "555 01 77")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged at `info` and above."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure(format="json", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def busy(harness: SyncHarness) -> SyncHarness:
    """Something to update on both sides, and something to make."""
    person = ("Ann Lee", "ann@example.com")
    ann = harness.ghl.add_contact(*person)
    harness.hubspot.add_contact(*person)
    event = harness.ghl.book(harness.calendars["Event"], ann, harness.at(48), title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.ghl.edit(event, title="Control")
    harness.hubspot.edit(record.id, ghl_address="Room 2")
    harness.ghl.book(harness.calendars["Event"], ann, harness.at(72), title="New")
    return harness


def clean(text: str) -> None:
    for canary in CANARIES:
        at = text.lower().find(canary)
        assert at < 0, text[max(0, at - 300) : at + 100]


@pytest.mark.parametrize("which", ["reads", "writes"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_no_line_of_the_log_repeats_what_a_vendor_said(
    busy: SyncHarness, logged: io.StringIO, side: str, status: int, which: str
) -> None:
    methods = ("GET", "POST") if which == "reads" else ("POST", "PUT", "PATCH")
    for method in methods:
        busy.world.faults.add(side=side, method=method, status=status, body=BODY, times=None)
    for _ in range(2):
        report = busy.sync()
        busy.later(minutes=10)
    clean(logged.getvalue())
    assert '"event": "cycle.finished"' in logged.getvalue()
    clean(words.text(report.detail))
    standing = LinkStatus(link="clinic", state=State.of(report.outcome.value), detail=report.detail)
    terms = Thresholds(held_longer_than=busy.rules.past, starts_within=busy.rules.past)
    told = body_of(NewEvent(kind=Event.LINK_BROKEN), standing, terms, busy.clock.now())
    clean(str(told))


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_no_line_of_the_log_repeats_a_page_that_came_instead(
    busy: SyncHarness, logged: io.StringIO, side: str
) -> None:
    busy.world.faults.add(side=side, status=502, body=PAGE, times=None)
    busy.sync()
    clean(logged.getvalue())


def test_the_person_who_asks_is_shown_the_vendors_own_words(
    busy: SyncHarness, logged: io.StringIO
) -> None:
    busy.world.faults.add(side="hubspot", path="/batch/update", status=400, body=BODY, times=None)
    held: list[Any] = [hold for hold in busy.sync().held if hold.reason == "rejected"]
    assert held
    assert all(NAME in hold.detail for hold in held)
    for hold in held:
        clean(words.text(hold.detail))
        assert NAME in words.text(hold.detail, personal=True)
    clean(logged.getvalue())


def test_at_debug_the_vendors_words_are_in_the_log(busy: SyncHarness, logged: io.StringIO) -> None:
    configure(format="json", stream=logged, level="debug")
    busy.world.faults.add(side="hubspot", status=400, body=BODY, times=None)
    busy.sync()
    assert NAME in logged.getvalue()


def test_an_error_of_ours_shows_where_it_happened_and_no_value(logged: io.StringIO) -> None:
    people = {"Ana Example": 1}
    try:
        people[NAME]
    except KeyError:
        structlog.get_logger("syncd").exception("cycle.failed")
    try:
        int(f'{NAME} isn\'t "{NAME}"')
    except ValueError:
        structlog.get_logger("syncd").exception("cycle.failed")
    clean(logged.getvalue())
    assert "KeyError: '***'" in logged.getvalue()
    assert "people[NAME]" in logged.getvalue()
    assert "test_vendor_text_privacy.py" in logged.getvalue()
