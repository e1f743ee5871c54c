"""Random status tables: round trips, echoes that change nothing, and guesses never made."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from memory_sides import GHL, HUBSPOT, WORDS, MemorySides, appointment, quiet

from syncd.core.model import Group
from syncd.core.status import GHL_STATUSES, StatusTable
from syncd.core.translate import resolve, spelled

HUBSPOT_VALUES = ("ONE", "TWO", "THREE", "FOUR")
TABLES = st.builds(
    StatusTable,
    to_hubspot=st.fixed_dictionaries(
        {status: st.sampled_from(HUBSPOT_VALUES) for status in GHL_STATUSES}
    ),
    to_ghl=st.dictionaries(st.sampled_from(HUBSPOT_VALUES), st.sampled_from(GHL_STATUSES)),
)
OURS, THEIRS = st.sampled_from(GHL_STATUSES), st.sampled_from(HUBSPOT_VALUES)


def paired(table: StatusTable, ghl: str) -> MemorySides:
    """A pair that has agreed, under these tables."""
    worlds = MemorySides(words=replace(WORDS, statuses=table))
    worlds.make(GHL, "g", appointment(GHL, status=ghl))
    worlds.sync()
    return worlds


def shown(worlds: MemorySides) -> tuple[str, str]:
    [pair] = worlds.pairs.values()
    ghl = worlds.records[GHL][pair.ghl_id].appointment.status
    return ghl, worlds.records[HUBSPOT][pair.hubspot_id].appointment.status


@given(table=TABLES, ghl=OURS)
def test_what_highlevel_says_and_what_it_became_agree(table: StatusTable, ghl: str) -> None:
    said = table.translate(GHL, ghl)
    assert said is not None
    assert table.agree(ghl, said)


@given(table=TABLES, hubspot=THEIRS)
def test_what_hubspot_says_and_what_it_became_agree(table: StatusTable, hubspot: str) -> None:
    said = table.translate(HUBSPOT, hubspot)
    assert said == table.to_ghl.get(hubspot)
    assert said is None or table.agree(said, hubspot)


@given(table=TABLES, first=OURS, then=OURS)
def test_highlevel_s_status_arrives_and_never_comes_back(
    table: StatusTable, first: str, then: str
) -> None:
    worlds = paired(table, first)
    [pair] = worlds.pairs.values()
    worlds.edit(GHL, pair.ghl_id, Group.STATUS, then)
    worlds.sync()
    assert shown(worlds) == (then, table.to_hubspot[then])
    assert quiet(worlds.plan())
    assert not worlds.plan().holds


@given(table=TABLES, first=OURS, then=THEIRS)
def test_hubspot_s_status_arrives_unless_it_stands_for_it_already(
    table: StatusTable, first: str, then: str
) -> None:
    worlds = paired(table, first)
    [pair] = worlds.pairs.values()
    before = shown(worlds)[1]
    worlds.edit(HUBSPOT, pair.hubspot_id, Group.STATUS, then)
    made = worlds.sync()
    ghl = shown(worlds)[0]
    if before == then or table.to_hubspot[first] == then:
        assert ghl == first
        assert quiet(made) or not made.writes
    elif then in table.to_ghl:
        assert ghl == table.to_ghl[then]
    else:
        assert ghl == first
        assert [hold.reason for hold in made.holds] == ["unknown_status"]
    assert shown(worlds)[1] == then, "what a person set is not touched"
    assert quiet(worlds.plan())


@given(table=TABLES, first=OURS, title=st.sampled_from(("A", "B", "C")))
def test_an_edit_of_something_else_never_moves_a_status(
    table: StatusTable, first: str, title: str
) -> None:
    worlds = paired(table, first)
    [pair] = worlds.pairs.values()
    before = shown(worlds)
    worlds.edit(HUBSPOT, pair.hubspot_id, Group.TITLE, title)
    worlds.sync()
    assert shown(worlds) == before


@given(table=TABLES, has=st.sets(THEIRS))
def test_what_the_account_lacks_is_never_written(table: StatusTable, has: set[str]) -> None:
    spelling = {value: value.capitalize() for value in has}
    found, missing = resolve(table, sorted(spelling.values()))
    assert set(found.to_hubspot.values()) <= set(spelling.values())
    assert set(found.to_ghl) <= set(spelling.values())
    needed = set(table.to_hubspot.values()) | set(table.to_ghl)
    assert set(missing) == needed - has
    assert all(spelled(value, tuple(spelling.values())) is None for value in missing)
