"""Moved instances of a series: whatever vanished and came, none is joined with another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from plan_cases import GHL, TOMORROW, pair

from syncd.core.model import Appointment, Pair, Series, Snapshot
from syncd.core.series import rejoin_series

START = TOMORROW["start"]
WEEK = timedelta(days=7)
HOURS = st.integers(-24 * 40, 24 * 40)


def vanished(place: int) -> Pair:
    start = START + place * WEEK
    made = pair(start=start, end=start + timedelta(minutes=30), key=place + 1)
    return replace(made, ghl_id=f"m_{place}", series=Series(master="m"))


def arrived(record_id: str, hours: float) -> Snapshot:
    start = START + timedelta(hours=hours)
    return Snapshot(
        side=GHL, id=record_id, appointment=Appointment(start=start), series=Series(master="m")
    )


@given(gone=st.sets(st.integers(0, 5), min_size=1, max_size=2), came=st.lists(HOURS, max_size=2))
def test_an_instance_is_joined_only_within_a_step_of_its_series(
    gone: set[int], came: list[int]
) -> None:
    stayed = [arrived(f"o{place}", 24 * 7 * place) for place in range(6) if place not in gone]
    arrivals = [arrived(f"a{number}", hours) for number, hours in enumerate(came)]
    pairs = {each.key: each for each in map(vanished, sorted(gone))}
    joined = rejoin_series([*pairs.values()], arrivals, [*arrivals, *stayed])
    for key, record in joined.items():
        left, now = pairs[key].ghl.start, record.appointment.start
        assert left is not None
        assert now is not None
        assert abs(now - left) < WEEK
