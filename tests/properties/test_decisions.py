"""A decision means what was shown: for other values than those it counts for nothing."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from plan_cases import GHL, HUBSPOT, TOMORROW

from syncd.core.model import Appointment, Group, Hold, Side, Snapshot
from syncd.engine.decisions.basis import shown_of, still

START = TOMORROW["start"]
TITLES = st.sampled_from(["Check-up", "Follow-up", "Intro"])


def shows(side: Side, title: str = "Check-up", later: int = 0) -> Snapshot:
    start = START + timedelta(hours=later)
    return Snapshot(side=side, id=f"{side}-1", appointment=Appointment(title=title, start=start))


@given(then=st.tuples(TITLES, TITLES), now=st.tuples(TITLES, TITLES))
def test_a_word_about_a_conflict_counts_for_the_values_that_were_shown(
    then: tuple[str, str], now: tuple[str, str]
) -> None:
    hold = Hold(
        reason="conflict",
        detail="",
        ghl_id="ghl-1",
        hubspot_id="hubspot-1",
        group=Group.TITLE,
        values={"ghl": then[0], "hubspot": then[1]},
    )
    records = {GHL: shows(GHL, now[0]), HUBSPOT: shows(HUBSPOT, now[1])}
    assert still(shown_of(hold), records) is (then == now)


@given(moved=st.integers(-3, 3))
def test_a_word_about_a_record_counts_for_the_time_that_was_shown(moved: int) -> None:
    hold = Hold(reason="slot_taken", detail="", hubspot_id="hubspot-1", starts_at=START)
    assert still(shown_of(hold), {HUBSPOT: shows(HUBSPOT, later=moved)}) is (moved == 0)
