"""A vendor that always tells of a next page: it is not asked for ever, and nothing is concluded."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from syncd.core.model import Missing, Side, Window
from syncd.errors import Unreadable
from syncd.ports.provider import ScanRequest
from syncd.providers.paging import IDLE, LONGEST, MANY, Progress
from syncd.sandbox.faults import Fault

Account = Callable[..., Any]


def page(after: str, *ids: str) -> dict[str, Any]:
    """A page of a list that goes on behind `after`."""
    rows = [{"id": each, "properties": {}} for each in ids]
    return {"results": rows, "paging": {"next": {"after": after}}}


def sweep(desk: Any) -> Any:
    now = desk.world.now()
    return desk.provider.scan(ScanRequest(window=Window(since=now, until=now + timedelta(days=1))))


def test_a_list_that_repeats_its_place_is_not_taken_for_whole(desk: Any) -> None:
    desk.world.faults.add(Fault(path="0-421$", status=200, body=page("7", "7"), times=50))
    with pytest.raises(Unreadable, match="never comes to its end"):
        sweep(desk)
    assert len(desk.asked("0-421")) < 10


def test_a_list_that_goes_in_a_circle_ends(desk: Any) -> None:
    for number in range(50):
        body = page("78"[number % 2], "78"[number % 2])
        desk.world.faults.add(Fault(path="0-421$", status=200, body=body))
    with pytest.raises(Unreadable):
        sweep(desk)


def test_a_list_that_shows_the_same_under_ever_new_places_ends(desk: Any) -> None:
    for number in range(50):
        body = page(str(100 + number), "7")
        desk.world.faults.add(Fault(path="0-421$", status=200, body=body))
    with pytest.raises(Unreadable):
        sweep(desk)


def test_owners_without_an_end_keep_nothing_waiting(desk: Any) -> None:
    body = {**page("7"), "results": [{"id": "7", "email": "ann@example.com"}]}
    desk.world.faults.add(Fault(path="owners$", status=200, body=body, times=200))
    with suppress(Unreadable):  # What follows from owners that cannot be read is decided elsewhere.
        desk.provider.prepare()
    assert len(desk.asked("owners")) < 10


def test_contacts_of_a_record_without_an_end_make_that_record_unreadable(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    booked = desk.book(ada)
    row = {
        "from": {"id": booked},
        "to": [{"toObjectId": int(ada), "associationTypes": []}],
        "paging": {"next": {"after": "7"}},
    }
    body = {"status": "COMPLETE", "results": [row]}
    desk.world.faults.add(Fault(path="associations", status=200, body=body, times=200))
    found = desk.provider.fetch([booked])
    assert isinstance(found[booked], Missing)
    assert len(desk.asked("associations")) < 10


def test_a_few_empty_pages_are_no_circle() -> None:
    progress = Progress(Side.HUBSPOT, "appointments")
    for number in range(20):
        progress.page([str(number)] if number % (IDLE + 1) == 0 else [], f"place {number}")


@pytest.mark.parametrize(("rows", "longest"), [(1, LONGEST), (100, LONGEST), (100, MANY)])
def test_ever_new_records_come_to_an_end_too(rows: int, longest: int) -> None:
    progress = Progress(Side.HUBSPOT, "appointments", longest)
    most = MANY if rows == 1 else longest
    for page in range(most):
        progress.page((f"{page} {row}" for row in range(rows)), str(page))
    with pytest.raises(Unreadable, match="never comes to its end"):
        progress.page((f"{most} {row}" for row in range(rows)), str(most))


def test_an_account_with_many_full_pages_is_read_whole() -> None:
    progress = Progress(Side.HUBSPOT, "appointments")
    for page in range(2 * MANY):
        progress.page((f"{page} {row}" for row in range(100)), str(page))
