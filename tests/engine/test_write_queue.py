"""The queue of writes: when the ids of bookings go out."""

from __future__ import annotations

from syncd.core.actions import WriteExternalId
from syncd.core.model import Appointment, Pair, Side
from syncd.engine.apply.queue import CHUNK, MARK_WITHIN, WriteQueue


def booked(number: int) -> WriteExternalId:
    shown = Appointment()
    return WriteExternalId(
        pair=Pair(ghl_id=f"g{number}", hubspot_id=str(number), ghl=shown, hubspot=shown)
    )


def test_the_id_of_a_booking_waits_for_a_batch_but_not_for_long() -> None:
    queue = WriteQueue()
    queue.add_external_id(booked(0), 100.0)
    queue.add_external_id(booked(1), 105.0)
    queue.release_external_ids(100.0 + MARK_WITHIN - 1, alone=False)
    assert not queue.has_writes(Side.HUBSPOT)
    queue.release_external_ids(100.0 + MARK_WITHIN, alone=False)
    assert len(queue.waiting(Side.HUBSPOT)) == 2
    queue.add_external_id(booked(2), 111.0)
    queue.release_external_ids(112.0, alone=False)
    assert queue.has_external_ids


def test_a_full_batch_goes_out_at_once_and_so_does_what_is_left() -> None:
    queue = WriteQueue()
    for number in range(CHUNK[Side.HUBSPOT] + 1):
        queue.add_external_id(booked(number), 0.0)
    queue.release_external_ids(0.0, alone=False)
    assert len(queue.waiting(Side.HUBSPOT)) == CHUNK[Side.HUBSPOT]
    queue.clear(Side.HUBSPOT)
    queue.add_external_id(booked(0), 0.0)
    queue.release_external_ids(0.0, alone=True)
    assert len(queue.waiting(Side.HUBSPOT)) == 1
