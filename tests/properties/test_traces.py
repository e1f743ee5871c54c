"""What a write rests on, whose trace a change is, and who is whom: whatever stands there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from plan_cases import GHL, HUBSPOT, NOW, TOMORROW, ghl, hubspot, pair, removed

from syncd.core import essence
from syncd.core.actions import Change, Remove, Update
from syncd.core.contacts import disproves
from syncd.core.model import Contact, Group, Pair, Side, Snapshot, Wrote
from syncd.core.own_writes import edited_at, settled
from syncd.core.rendering import is_vendors

SIDES = st.sampled_from(Side)
TITLES = st.sampled_from(["Check-up", "Follow-up", "Intro"])
NOTE = "Bring the scan, the letter, the old glasses, and whatever else there is to look at"
MINUTES = st.integers(-3, 3)


def shown(agreed: Pair, side: Side, **edits: object) -> Snapshot:
    found = (ghl if side is GHL else hubspot)(**edits)(agreed)
    assert isinstance(found, Snapshot)
    return found


@given(side=SIDES, title=TITLES)
def test_no_living_record_looks_like_one_that_is_gone(side: Side, title: str) -> None:
    agreed = pair(**removed(side))
    living = shown(agreed, side, title=title)
    before = essence.agreed_fingerprint(agreed, side)
    assert before == essence.snapshot_fingerprint(replace(living, gone=True))
    assert before != essence.snapshot_fingerprint(living)


@given(side=SIDES, title=TITLES)
def test_a_removal_rests_on_a_record_that_stays_removed(side: Side, title: str) -> None:
    agreed = pair()
    source = replace(shown(agreed, side), gone=True)
    write = Remove(
        pair=agreed, side=side.other, seen=shown(agreed, side.other), why="", source=source
    )
    assert write.precondition is not None
    assert not write.precondition.broken_by(source)
    assert write.precondition.broken_by(shown(agreed, side, title=title))


@given(side=SIDES, later=MINUTES)
def test_a_status_rests_on_the_time_and_a_time_on_the_status(side: Side, later: int) -> None:
    agreed, source = pair(), shown(pair(), side.other)
    moved = shown(agreed, side.other, start=TOMORROW["start"] + timedelta(minutes=later))
    change = Change(group=Group.STATUS, before="a", after="b", source="c", why="")
    write = Update(
        pair=agreed, side=side, seen=shown(agreed, side), changes=(change,), source=source
    )
    assert write.precondition is not None
    assert bool(write.precondition.broken_by(moved)) is (later != 0)


@given(ours=st.integers(0, 5), theirs=st.integers(0, 5), side=SIDES)
def test_the_stamp_of_our_own_write_is_nobodys_edit(ours: int, theirs: int, side: Side) -> None:
    stamp, now = NOW + timedelta(minutes=ours), NOW + timedelta(minutes=theirs)
    wrote = Wrote(at=NOW, stamp=stamp, before=NOW - timedelta(hours=1))
    agreed = pair(wrote_ghl=wrote, wrote_hubspot=wrote)
    found = edited_at(agreed, shown(agreed, side, updated_at=now), timedelta())
    assert found == (now if now > stamp else wrote.before)


@given(cut=st.integers(10, len(NOTE) - 1), later=st.integers(0, 2), looked=st.booleans())
def test_what_a_vendor_makes_of_a_text_is_agreed_at_the_first_look_alone(
    cut: int, later: int, looked: bool
) -> None:
    stamp = NOW + timedelta(seconds=1)
    wrote = Wrote(at=NOW, groups=frozenset({Group.DESCRIPTION}), stamp=stamp)
    agreed = replace(pair(description=NOTE), wrote_hubspot=wrote)
    kept = NOTE[:cut]
    record = shown(agreed, HUBSPOT, description=kept, updated_at=stamp + timedelta(minutes=later))
    after = settled(agreed, record, NOW + timedelta(minutes=1) if looked else None)
    theirs = not (later or looked)
    assert (after.hubspot.description == kept) is theirs
    assert is_vendors(NOTE, kept, stamp, record.updated_at) is (later == 0)


ADDRESSES = st.lists(st.sampled_from(["a@x.io", "B@x.io", "c@x.io"]), max_size=2, unique=True)


@given(here=ADDRESSES, there=ADDRESSES, other=ADDRESSES)
def test_one_person_ends_where_the_address_is_another_persons(
    here: list[str], there: list[str], other: list[str]
) -> None:
    mine, across = Contact(id="1", emails=tuple(here)), Contact(id="9", emails=tuple(there))
    owner = Contact(id="2", emails=tuple(each.upper() for each in other))
    ends = disproves(mine, across, [mine, owner])
    assert ends is bool({*there} & {*other} and not {*here} & {*there})
