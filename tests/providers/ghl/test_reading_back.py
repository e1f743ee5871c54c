"""Texts that the answer to a write leaves out are read back, once for each calendar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from syncd.core.model import Appointment, Side, Snapshot
from syncd.providers.ghl.shown_texts import ShownTexts
from syncd.sandbox import application

if TYPE_CHECKING:
    from syncd.ports.provider import Done, Receipt
    from tests.providers.conftest import SandboxTransport
    from tests.providers.ghl.conftest import Clinic, Open

IsDone = Callable[["Receipt"], "Done"]


class Forgetful(httpx.BaseTransport):
    """HighLevel, which never shows a description."""

    inner: httpx.BaseTransport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        payload: Any = response.json() if response.content else {}
        for row in (payload, payload.get("appointment"), *payload.get("events", ())):
            if isinstance(row, dict):
                row.pop("description", None)
        return httpx.Response(response.status_code, json=payload)


def gets(clinic: Clinic) -> int:
    return len(clinic.sent("GET", "/events/appointments/"))


def test_a_text_that_is_shown_again_is_read_back_once_for_a_calendar(
    clinic: Clinic, is_done: IsDone
) -> None:
    for hours in (24, 25, 26):
        receipt = is_done(clinic.create(hours, description="Knee"))
        assert receipt.returned.description == "Knee"
    assert gets(clinic) == 1
    is_done(clinic.create(27, calendar="Event", description="Knee"))
    assert gets(clinic) == 2
    # Each update reads its record before it is written, and not again.
    is_done(clinic.update(clinic.book(30), "description", description="Both knees"))
    assert gets(clinic) == 3


def test_without_a_text_nothing_is_read_back(clinic: Clinic, is_done: IsDone) -> None:
    is_done(clinic.create(24))
    assert gets(clinic) == 0


@pytest.fixture
def forgetful(open_clinic: Open, transport_of: type[SandboxTransport]) -> Clinic:
    """A clinic whose descriptions nobody will ever read."""
    transport = Forgetful()
    opened = open_clinic(transport=transport)
    transport.inner = transport_of(application(opened.world))
    return opened


def test_a_text_that_is_never_shown_is_not_reported(forgetful: Clinic, is_done: IsDone) -> None:
    made = is_done(forgetful.create(24, description="Knee"))
    assert made.returned == forgetful.see(made.id).appointment
    assert forgetful.world.location.get(made.id).description == "Knee"
    changed = is_done(forgetful.update(made.id, "description", description="Both knees"))
    assert changed.returned.description == ""
    assert forgetful.world.location.get(made.id).description == "Both knees"


def test_an_edit_in_between_is_not_taken_for_what_was_written(
    clinic: Clinic, is_done: IsDone
) -> None:
    def person(request: Any) -> None:
        if request.method == "GET" and "/events/appointments/" in request.path:
            clinic.world.location.edit(request.path.rsplit("/", 1)[1], title="By a person")

    clinic.world.before_request = person
    receipt = is_done(clinic.create(24, description="Knee"))
    assert receipt.returned.title == "Check-up"
    assert clinic.world.location.get(receipt.id).title == "By a person"


def read(**shown: Any) -> Snapshot:
    return Snapshot(side=Side.GHL, id="e", appointment=Appointment(**shown))


def test_what_was_not_read_is_believed_to_be_shown() -> None:
    sent = Appointment(description="Knee")
    echoes = ShownTexts()
    assert echoes.needs_reading("c", sent, None, ["description"])
    assert echoes.without_hidden("c", sent, None, ["description"], sent) == sent
    echoes.learn("c", sent, read(), ["description"], sent, None)
    assert not echoes.needs_reading("c", sent, None, ["description"])
    assert echoes.without_hidden("c", sent, None, ["description"], sent) == Appointment()
    assert echoes.without_hidden("c", sent, None, ["title"], sent) == sent
