"""An answer that names another location is refused: nothing of it is used, on either side."""

from __future__ import annotations

from typing import Any

import pytest
from harness import SyncHarness
from tampering import Tampering

from syncd.core.outcome import Outcome

STRANGE = "SomebodyElsesLoc0001"


@pytest.mark.parametrize(
    "where",
    ["/locations/", "/calendars/", "/calendars/events", "/contacts/", "/contacts/search/duplicate"],
)
def test_what_belongs_to_another_location_is_not_used(harness: SyncHarness, where: str) -> None:
    ada = harness.ghl.add_contact("Ada Winter", "ada@example.com")
    harness.ghl.book(next(iter(harness.ghl.calendars)), ada, harness.at(24))
    harness.ghl.add_contact("Bob Stone", "bob@example.com")
    bob = harness.hubspot.add_contact("Bob Stone", "bob@example.com")
    at = {"hs_appointment_start": harness.at(30), "hs_appointment_end": harness.at(31)}
    harness.hubspot.create({"hs_appointment_name": "Visit", **at}, [bob])

    def change(path: str, body: Any) -> Any:
        at = path.removeprefix("/ghl")
        fits = at.rstrip("/") == where.rstrip("/")
        if where == "/locations/":
            fits = at.startswith(where)
        if where == "/contacts/":
            fits = at.startswith(where) and "appointments" not in at and "search" not in at
        return _renamed(body) if fits else body

    tampering = harness.transport = Tampering(harness, change)
    report = harness.sync()
    assert tampering.changed
    assert report.outcome is not Outcome.FAULT
    if where in {"/calendars/events", "/locations/", "/calendars/"}:
        assert report.hubspot.created == 0
    if where.startswith("/contacts"):
        assert report.ghl.contacts_created == 0
    assert not [row for row in harness.hubspot.records() if STRANGE in str(row.properties)]


def _renamed(body: Any) -> Any:
    if isinstance(body, dict):
        changed = {key: _renamed(value) for key, value in body.items()}
        if "locationId" in changed:
            changed["locationId"] = STRANGE
        location = changed.get("location")
        if isinstance(location, dict) and "id" in location:
            changed["location"] = location | {"id": STRANGE}
        return changed
    return [_renamed(each) for each in body] if isinstance(body, list) else body
