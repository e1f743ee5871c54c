"""Deletions in HighLevel: what is sent, what counts as done, and what is never deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from syncd.errors import (
    Rejected,
    Stale,
)
from syncd.ports.provider import (
    Done,
    Failed,
    Receipt,
)

if TYPE_CHECKING:
    from tests.providers.ghl.conftest import Clinic

    IsDone = Callable[[Receipt], Done]
    IsFailed = Callable[[Receipt], Failed]


def reason(receipt: Failed) -> str:
    assert isinstance(receipt.error, Rejected), receipt.error
    return receipt.error.reason


def test_a_delete_is_soft_and_carries_a_json_body(clinic: Clinic, is_done: IsDone) -> None:
    key = clinic.book(24)
    is_done(clinic.remove(key, clinic.see(key)))
    (sent,) = clinic.sent("DELETE")
    assert (sent.path.endswith(f"/calendars/events/{key}"), sent.body) == (True, {})
    assert clinic.see(key).gone


@pytest.mark.parametrize("before", ["delete", "forget"])
def test_what_is_gone_already_counts_as_deleted(
    clinic: Clinic, is_done: IsDone, before: str
) -> None:
    key = clinic.book(24) if before == "delete" else "nosuchappointment001"
    if before == "delete":
        clinic.world.location.delete(key)
    is_done(clinic.remove(key))
    assert clinic.sent("DELETE") == []


def test_a_delete_whose_answer_was_lost_ends_as_done(clinic: Clinic, is_done: IsDone) -> None:
    """The second try is answered with 400, already deleted."""
    key = clinic.book(24)
    clinic.world.faults.add(side="ghl", method="DELETE", kind="drop_after")
    is_done(clinic.remove(key, clinic.see(key)))
    assert len(clinic.sent("DELETE")) == 2


def test_an_orphan_that_cannot_be_deleted_is_rejected(clinic: Clinic, is_failed: IsFailed) -> None:
    """Its contact was deleted first; the words are those of an appointment deleted already."""
    key = clinic.book(24)
    clinic.world.location.delete_contact(clinic.contact)
    receipt = is_failed(clinic.remove(key, clinic.see(key)))
    assert reason(receipt) == "rejected"
    assert "its contact was" in str(receipt.error)


def test_an_edited_record_is_not_deleted(clinic: Clinic, is_failed: IsFailed) -> None:
    key = clinic.book(24)
    seen = clinic.see(key)
    clinic.world.location.edit(key, description="theirs")
    receipt = is_failed(clinic.remove(key, seen))
    assert isinstance(receipt.error, Stale)
    assert not clinic.see(key).gone


def test_a_wrong_id_never_deletes_blocked_time_or_a_series(
    clinic: Clinic, is_done: IsDone, is_failed: IsFailed
) -> None:
    location_context = clinic.world.location
    block = location_context.block(clinic.at(24), clinic.at(25), user=clinic.users[0])
    is_done(clinic.remove(block))
    master = location_context.add_series(clinic.calendars["Team"], clinic.contact, clinic.at(24))
    assert reason(is_failed(clinic.remove(master))) == "rejected"
    assert clinic.sent("DELETE") == []
