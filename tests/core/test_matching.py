"""How two records find each other for the first time (promises 1 to 3, and 7).

A meeting is told as who stands where: `left` are HighLevel's strangers,
`right` are HubSpot's. What then becomes of their fields is another matter:
`test_plan_meetings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from plan_cases import GHL, HUBSPOT, NOW, STATUSES, TOMORROW, on, pair, removed, rules

from syncd.core.contacts import ContactBook, Known, Resolution, ToMake, Unresolved
from syncd.core.matching import first_pair, match_unpaired
from syncd.core.model import (
    Appointment,
    Contact,
    FieldError,
    Missing,
    Pair,
    Response,
    Series,
    Side,
    Snapshot,
)
from syncd.core.observe import Observed, Seen, UnpairedRecords
from syncd.core.policy import Direction, Override, Policy

ANN_GHL, ANN_HUBSPOT, BOB_GHL, BOB_HUBSPOT = "ann", "51", "bob", "52"
BOOK = ContactBook(
    from_ghl={ANN_GHL: Known(id=ANN_HUBSPOT), BOB_GHL: Known(id=BOB_HUBSPOT)},
    from_hubspot={ANN_HUBSPOT: Known(id=ANN_GHL), BOB_HUBSPOT: Known(id=BOB_GHL)},
)
NOBODY = Unresolved(reason="no_contact", detail="nobody")


def left(record_id: str, *, contact: str = ANN_GHL, **said: Any) -> Snapshot:
    """A HighLevel booking tomorrow at three, for Ann, confirmed."""
    return _record(GHL, record_id, (contact,) if contact else (), {"status": "confirmed", **said})


def right(record_id: str, *contacts: str, **said: Any) -> Snapshot:
    """A HubSpot appointment tomorrow at three, for Ann, scheduled."""
    return _record(HUBSPOT, record_id, contacts or (ANN_HUBSPOT,), {"status": "SCHEDULED", **said})


def _record(
    side: Side, record_id: str, contacts: tuple[str, ...], said: dict[str, Any]
) -> Snapshot:
    contacts = said.pop("contacts", contacts)
    fields = {name: said.pop(name) for name in list(said) if name in Appointment.__slots__}
    alone = contacts[0] if len(contacts) == 1 else ""
    shown = Appointment(**{**TOMORROW, "contact": alone, **fields})
    return Snapshot(side=side, id=record_id, appointment=shown, contacts=contacts, **said)


def carries(ghl_id: str, location: str = "loc") -> dict[str, str]:
    return {"external_id": ghl_id, "location_id": location}


def met(
    *records: Snapshot,
    policy: Policy | None = None,
    book: ContactBook = BOOK,
    missing: Mapping[str, Missing] | None = None,
    paired_at: Mapping[Side, Iterable[Pair]] | None = None,
    paired_ids: Iterable[str] = (),
) -> Observed:
    ghl: dict[str, Seen] = {r.id: r for r in records if r.side is GHL}
    unpaired = UnpairedRecords(
        ghl=ghl | dict(missing or {}),
        hubspot={r.id: r for r in records if r.side is HUBSPOT},
        paired_at={side: tuple(pairs) for side, pairs in (paired_at or {}).items()},
        paired_ids=frozenset(paired_ids),
    )
    return match_unpaired(unpaired, book, policy or rules(), STATUSES)


def pairs(observed: Observed) -> set[tuple[str, str]]:
    assert all(sighting.met for sighting in observed.sightings)
    return {(s.pair.ghl_id, s.pair.hubspot_id) for s in observed.sightings}


def new_records(observed: Observed) -> set[str]:
    return {newcomer.record.id for newcomer in observed.new_records}


def held(observed: Observed) -> dict[str, str]:
    return {hold.ghl_id or hold.hubspot_id: hold.reason for hold in observed.holds}


def nothing(observed: Observed) -> bool:
    return observed == Observed()


# --- newcomers


def test_each_side_s_strangers_are_newcomers_with_their_contact_across() -> None:
    seen = met(left("g1"), right("501", **on(25, "9:00", "9:30")))
    assert {n.record.id: n.contact for n in seen.new_records} == {
        "g1": Known(id=ANN_HUBSPOT),
        "501": Known(id=ANN_GHL),
    }
    assert not seen.holds
    assert not seen.sightings


@pytest.mark.parametrize(
    "start", [NOW - timedelta(days=30, seconds=1), NOW + timedelta(days=365, seconds=1)]
)
def test_outside_the_window_nobody_is_new(start: datetime) -> None:
    assert nothing(met(left("g1", start=start), right("501", start=start)))


@pytest.mark.parametrize("start", [NOW - timedelta(days=30), NOW + timedelta(days=365)])
def test_both_ends_of_the_window_belong_to_it(start: datetime) -> None:
    assert new_records(met(left("g1", start=start))) == {"g1"}


def test_a_deleted_booking_and_an_archived_record_are_not_new() -> None:
    assert nothing(met(left("g1", gone=True), right("501", gone=True)))


def test_a_booking_without_a_contact_waits() -> None:
    assert held(met(left("g1", contact=""))) == {"g1": "no_contact"}


def test_an_appointment_without_a_contact_waits() -> None:
    assert held(met(right("501", contacts=()))) == {"501": "no_contact"}


def test_an_appointment_without_a_start_waits() -> None:
    field_error = FieldError(group="time", reason="missing_time", detail="no start")
    assert held(met(right("501", start=None, end=None, field_errors=(field_error,)))) == {
        "501": "missing_time"
    }


def test_where_the_link_does_not_flow_there_nobody_waits() -> None:
    field_error = FieldError(group="time", reason="missing_time", detail="no start")
    one_way = rules(direction=Direction.GHL_TO_HUBSPOT)
    lost = right("501", start=None, end=None, field_errors=(field_error,))
    assert nothing(met(lost, right("502", contacts=()), right("503"), policy=one_way))


def test_a_link_to_highlevel_only_makes_nothing_in_hubspot() -> None:
    one_way = rules(direction=Direction.HUBSPOT_TO_GHL)
    seen = met(left("g1"), right("501", **on(25, "9:00", "9:30")), policy=one_way)
    assert new_records(seen) == {"501"}


@pytest.mark.parametrize("resolution", [NOBODY, replace(NOBODY, reason="ambiguous_contact")])
def test_a_contact_that_is_not_found_holds_the_record(resolution: Unresolved) -> None:
    seen = met(left("g1"), book=ContactBook(from_ghl={ANN_GHL: resolution}))
    assert held(seen) == {"g1": resolution.reason}


def test_a_contact_that_is_to_be_made_holds_nothing() -> None:
    to_make = ToMake(contact=Contact(first_name="Ann"))
    seen = met(left("g1"), right("501"), book=ContactBook(from_ghl={ANN_GHL: to_make}))
    assert [n.contact for n in seen.new_records] == [to_make]
    assert held(seen) == {"501": "no_contact"}


def test_one_whose_contact_is_to_be_made_is_nobody_s_double() -> None:
    to_make = ToMake(contact=Contact(first_name="Ann"))
    nameless = replace(pair(), hubspot=replace(pair().hubspot, contact=""))
    seen = met(
        left("g1"),
        book=ContactBook(from_ghl={ANN_GHL: to_make}),
        paired_at={HUBSPOT: [nameless]},
    )
    assert new_records(seen) == {"g1"}


# --- several contacts (promise 3)


def test_of_several_contacts_the_only_one_that_matches_counts() -> None:
    seen = met(right("501", "99", ANN_HUBSPOT))
    assert [(n.contact, n.record.appointment.contact) for n in seen.new_records] == [
        (Known(id=ANN_GHL), ANN_HUBSPOT)
    ]


@pytest.mark.parametrize("contacts", [("98", "99"), (ANN_HUBSPOT, BOB_HUBSPOT)])
def test_of_several_contacts_none_or_several_that_match_is_ambiguous(
    contacts: tuple[str, ...],
) -> None:
    assert held(met(right("501", *contacts))) == {"501": "ambiguous_contact"}


def test_a_booking_beside_an_ambiguous_record_waits_with_it() -> None:
    seen = met(left("g1"), right("501", ANN_HUBSPOT, BOB_HUBSPOT), left("g2", **on(25, "9:00")))
    assert held(seen) == {"501": "ambiguous_contact", "g1": "possible_duplicate"}
    assert new_records(seen) == {"g2"}


def test_a_person_says_which_of_several_contacts_is_meant() -> None:
    policy = rules(overrides={"501": Override(contact=BOB_HUBSPOT)})
    [newcomer] = met(right("501", ANN_HUBSPOT, BOB_HUBSPOT), policy=policy).new_records
    assert (newcomer.contact, newcomer.record.appointment.contact) == (
        Known(id=BOB_GHL),
        BOB_HUBSPOT,
    )


def test_a_person_says_who_highlevel_s_contact_is() -> None:
    policy = rules(overrides={"g1": Override(contact=BOB_HUBSPOT)})
    book = ContactBook(from_ghl={ANN_GHL: NOBODY})
    [newcomer] = met(left("g1"), policy=policy, book=book).new_records
    assert newcomer.contact == Known(id=BOB_HUBSPOT)


def test_of_several_contacts_the_matching_one_meets_its_booking() -> None:
    seen = met(left("g1"), right("501", "99", ANN_HUBSPOT))
    assert pairs(seen) == {("g1", "501")}
    assert seen.sightings[0].pair.hubspot.contact == ANN_HUBSPOT


def test_two_hubspot_contacts_of_one_person_meet_the_same_booking() -> None:
    twice = ContactBook(
        from_ghl={ANN_GHL: Known(id=ANN_HUBSPOT)},
        from_hubspot={ANN_HUBSPOT: Known(id=ANN_GHL), "60": Known(id=ANN_GHL)},
    )
    seen = met(left("g1"), right("501", "60"), book=twice)
    assert pairs(seen) == {("g1", "501")}
    assert seen.sightings[0].pair.hubspot.contact == "60"


# --- by the id that a record carries


def test_a_carried_id_pairs_whatever_else_differs() -> None:
    elsewhere = right("501", BOB_HUBSPOT, title="Other", **on(27, "9:00"), **carries("g1"))
    seen = met(left("g1"), elsewhere)
    assert pairs(seen) == {("g1", "501")}
    assert seen.sightings[0].pair.has_external_id


def test_a_carried_id_without_the_location_pairs_and_is_marked_again() -> None:
    seen = met(left("g1"), right("501", external_id="g1"))
    assert pairs(seen) == {("g1", "501")}
    assert not seen.sightings[0].pair.has_external_id


def test_a_carried_id_outside_the_window_pairs_too() -> None:
    long_ago = NOW - timedelta(days=90)
    seen = met(left("g1", start=long_ago), right("501", start=long_ago, **carries("g1")))
    assert pairs(seen) == {("g1", "501")}


def test_an_archived_carrier_is_paired_so_that_its_booking_is_not_mirrored_anew() -> None:
    seen = met(left("g1"), right("501", gone=True, **carries("g1")))
    assert pairs(seen) == {("g1", "501")}
    [sighting] = seen.sightings
    assert sighting.pair.gone_on(HUBSPOT)
    assert not sighting.pair.gone_on(GHL)


def test_a_carrier_of_a_deleted_booking_is_paired_and_never_booked_anew() -> None:
    seen = met(left("g1", gone=True), right("501", **carries("g1")))
    assert pairs(seen) == {("g1", "501")}
    assert seen.sightings[0].pair.gone_on(GHL)


def test_a_carrier_of_an_id_that_highlevel_does_not_show_waits() -> None:
    seen = met(right("501", **carries("g9")), missing={"g9": Missing(detail="404")})
    assert held(seen) == {"501": "unreadable"}
    assert not seen.new_records


def test_a_carrier_of_an_id_that_nobody_asked_for_is_not_booked() -> None:
    seen = met(right("501", **carries("g9")))
    assert not seen.new_records
    assert set(held(seen)) == {"501"}


def test_of_two_carriers_of_one_id_the_living_one_is_paired() -> None:
    seen = met(
        left("g1"),
        right("501", gone=True, **carries("g1")),
        right("502", **carries("g1")),
    )
    assert pairs(seen) == {("g1", "502")}
    assert not seen.holds


def test_of_two_living_carriers_of_one_id_the_second_waits() -> None:
    seen = met(left("g1"), right("501", **carries("g1")), right("502", **carries("g1")))
    assert pairs(seen) == {("g1", "501")}
    assert held(seen) == {"502": "possible_duplicate"}


def test_a_carrier_of_an_id_that_has_a_pair_waits() -> None:
    seen = met(right("501", **carries("g1")), paired_ids=["g1"])
    assert held(seen) == {"501": "possible_duplicate"}


def test_an_archived_carrier_of_an_id_that_has_a_pair_is_nobody() -> None:
    assert nothing(met(right("501", gone=True, **carries("g1")), paired_ids=["g1"]))


@pytest.mark.parametrize("missing", [{}, {"g9": Missing(detail="404")}])
def test_one_that_stands_beside_a_stray_carrier_waits(missing: dict[str, Missing]) -> None:
    seen = met(left("g1"), right("501", **carries("g9")), missing=missing)
    assert set(held(seen)) == {"g1", "501"}
    assert held(seen)["g1"] == "possible_duplicate"


def test_a_person_may_say_that_a_stray_carrier_is_an_appointment_of_its_own() -> None:
    policy = rules(overrides={"501": Override(separate=True)})
    seen = met(left("g1"), right("501", **carries("g9")), policy=policy)
    assert new_records(seen) == {"g1", "501"}
    assert not seen.holds


def test_a_person_may_pair_a_stray_carrier() -> None:
    policy = rules(overrides={"501": Override(pair_with="g1")})
    seen = met(left("g1"), right("501", **carries("g8")), policy=policy, paired_ids=["g8"])
    assert pairs(seen) == {("g1", "501")}


def test_a_person_may_leave_a_stray_carrier_alone() -> None:
    policy = rules(overrides={"501": Override(ignore=True)})
    seen = met(right("501", **carries("g9")), policy=policy)
    assert nothing(seen)


def test_a_carried_id_goes_before_a_better_fit() -> None:
    seen = met(left("g1"), right("501"), right("502", **on(25, "9:00"), **carries("g1")))
    assert pairs(seen) == {("g1", "502")}
    assert held(seen) == {"501": "possible_duplicate"}


# --- what belongs to the link


def test_a_record_of_another_location_is_invisible() -> None:
    seen = met(left("g1"), right("501", **carries("g1", "elsewhere")))
    assert new_records(seen) == {"g1"}
    assert not seen.sightings


def test_a_record_that_does_not_pass_the_filter_is_invisible() -> None:
    policy = rules(filter={"region": ("north", "east")})
    seen = met(
        right("501", filter_properties={"region": "south"}),
        right("502", filter_properties={}, **on(25, "9:00")),
        right("503", filter_properties={"region": "east"}, **on(26, "9:00")),
        policy=policy,
    )
    assert new_records(seen) == {"503"}
    assert not seen.holds


def test_a_record_of_this_location_belongs_whatever_the_filter_says() -> None:
    policy = rules(filter={"region": ("north",)})
    seen = met(
        left("g1"),
        right("501", filter_properties={"region": "south"}, **carries("g1")),
        policy=policy,
    )
    assert pairs(seen) == {("g1", "501")}


# --- by contact, start and end (promise 7)


def test_same_contact_start_and_end_are_one_appointment() -> None:
    seen = met(left("g1"), right("501"))
    assert pairs(seen) == {("g1", "501")}
    assert not seen.new_records
    assert not seen.holds


@pytest.mark.parametrize(
    ("here", "there"), [("confirmed", "COMPLETED"), ("new", "RESCHEDULED"), ("noshow", "")]
)
def test_another_status_is_no_reason_not_to_meet(here: str, there: str) -> None:
    assert pairs(met(left("g1", status=here), right("501", status=there))) == {("g1", "501")}


@pytest.mark.parametrize(
    ("here", "there"), [("cancelled", "SCHEDULED"), ("confirmed", "CANCELLED")]
)
def test_a_cancelled_record_never_meets_a_living_one(here: str, there: str) -> None:
    seen = met(left("g1", status=here), right("501", status=there))
    assert not seen.sightings
    assert new_records(seen) == {"g1", "501"}


def test_two_cancelled_records_meet() -> None:
    seen = met(left("g1", status="cancelled"), right("501", status="CANCELLED"))
    assert pairs(seen) == {("g1", "501")}


def test_another_contact_at_the_same_time_is_another_appointment() -> None:
    seen = met(left("g1"), right("501", BOB_HUBSPOT))
    assert new_records(seen) == {"g1", "501"}


def test_another_end_may_be_a_duplicate() -> None:
    seen = met(left("g1"), right("501", **on(24, "15:00", "16:00")))
    assert held(seen) == {"g1": "possible_duplicate", "501": "possible_duplicate"}
    assert not seen.new_records


def test_a_missing_end_is_no_other_end() -> None:
    assert pairs(met(left("g1"), right("501", end=None))) == {("g1", "501")}
    assert pairs(met(left("g1", end=None), right("501"))) == {("g1", "501")}


def test_the_same_end_goes_before_a_missing_one() -> None:
    seen = met(
        left("g1"),
        left("g2", **on(24, "15:00", "16:00")),
        right("501"),
        right("502", end=None),
    )
    assert pairs(seen) == {("g1", "501"), ("g2", "502")}


def test_of_several_that_fit_those_with_equal_status_go_first() -> None:
    seen = met(
        left("g1", status="confirmed"),
        left("g2", status="showed"),
        right("501", status="COMPLETED"),
        right("502", status="SCHEDULED"),
    )
    assert pairs(seen) == {("g1", "502"), ("g2", "501")}


def test_what_equal_status_leaves_over_meets_as_well() -> None:
    seen = met(
        left("g1", status="confirmed"),
        left("g2", status="showed"),
        right("501", status="NO_SHOW"),
        right("502", status="SCHEDULED"),
    )
    assert pairs(seen) == {("g1", "502"), ("g2", "501")}


def test_of_several_that_fit_equally_well_all_wait() -> None:
    seen = met(left("g1"), right("501"), right("502"))
    assert held(seen) == dict.fromkeys(("g1", "501", "502"), "ambiguous_match")
    assert not seen.sightings
    assert not seen.new_records


def test_two_and_two_of_equal_status_all_wait() -> None:
    seen = met(left("g1"), left("g2"), right("501"), right("502"))
    assert held(seen) == dict.fromkeys(("g1", "g2", "501", "502"), "ambiguous_match")


def test_one_that_stood_beside_a_pair_of_this_meeting_waits() -> None:
    seen = met(left("g1"), left("g2", status="showed"), right("501"))
    assert pairs(seen) == {("g1", "501")}
    assert held(seen) == {"g2": "possible_duplicate"}


def test_one_that_stands_where_a_carrier_found_its_booking_waits() -> None:
    seen = met(left("g1"), left("g2"), right("501", **carries("g1")))
    assert pairs(seen) == {("g1", "501")}
    assert held(seen) == {"g2": "possible_duplicate"}


def test_one_that_stands_beside_a_carrier_in_hubspot_waits() -> None:
    seen = met(left("g1"), right("501", **carries("g1")), right("502"))
    assert pairs(seen) == {("g1", "501")}
    assert held(seen) == {"502": "possible_duplicate"}


def test_one_that_was_rebooked_where_a_cancelled_pair_stands_is_new() -> None:
    seen = met(
        left("g1", status="cancelled"),
        left("g2"),
        right("501", status="CANCELLED", **carries("g1")),
    )
    assert pairs(seen) == {("g1", "501")}
    assert new_records(seen) == {"g2"}


# --- beside what is already paired


def test_one_at_the_time_of_a_paired_record_waits() -> None:
    assert held(met(left("g9"), paired_at={HUBSPOT: [pair()]})) == {"g9": "possible_duplicate"}
    assert held(met(right("509"), paired_at={GHL: [pair()]})) == {"509": "possible_duplicate"}


@pytest.mark.parametrize(
    "seen",
    [
        lambda: met(left("g9"), paired_at={HUBSPOT: [pair()]}),
        lambda: met(left("g1"), left("g9", status="showed"), right("501")),
    ],
    ids=["paired before", "paired in this meeting"],
)
def test_what_a_paired_record_stands_beside_is_named_and_no_candidate(
    seen: Callable[[], Observed],
) -> None:
    (hold,) = seen().holds
    assert hold.detail == "501 has the same contact and start, and is paired with g1"
    assert hold.candidates == ()


@pytest.mark.parametrize(
    "stands",
    [
        pair("cancelled"),
        pair(hubspot={"contact": BOB_HUBSPOT}),
        pair(**on(24, "16:00", "16:30")),
        pair(**removed(HUBSPOT, did=Response.CANCELLED)),
        pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)),
    ],
    ids=["cancelled", "another contact", "another time", "archived", "removed on both sides"],
)
def test_one_beside_a_pair_that_does_not_stand_there_is_new(stands: Pair) -> None:
    assert new_records(met(left("g9"), paired_at={HUBSPOT: [stands]})) == {"g9"}


def test_a_cancelled_one_beside_a_cancelled_pair_waits() -> None:
    seen = met(left("g9", status="cancelled"), paired_at={HUBSPOT: [pair("cancelled")]})
    assert held(seen) == {"g9": "possible_duplicate"}


# --- what a person decided


def test_separate_lets_both_be_made() -> None:
    policy = rules(overrides={"g1": Override(separate=True)})
    seen = met(left("g1"), right("501"), policy=policy)
    assert new_records(seen) == {"g1", "501"}
    assert not seen.holds


def test_separate_of_one_side_frees_the_other() -> None:
    policy = rules(overrides={"501": Override(separate=True), "g1": Override(contact=ANN_HUBSPOT)})
    seen = met(left("g1"), right("501"), policy=policy)
    assert new_records(seen) == {"g1", "501"}


def test_separate_of_one_of_three_lets_the_others_meet() -> None:
    policy = rules(overrides={"502": Override(separate=True)})
    seen = met(left("g1"), right("501"), right("502"), policy=policy)
    assert pairs(seen) == {("g1", "501")}
    assert new_records(seen) == {"502"}


@pytest.mark.parametrize("asked", ["g1", "501"])
def test_pair_joins_two_whatever_they_show(asked: str) -> None:
    other = "501" if asked == "g1" else "g1"
    policy = rules(overrides={asked: Override(pair_with=other)})
    seen = met(left("g1"), right("501", BOB_HUBSPOT, **on(25, "9:00")), policy=policy)
    assert pairs(seen) == {("g1", "501")}


def test_what_is_to_be_ignored_is_not_there() -> None:
    policy = rules(overrides={"501": Override(ignore=True), "g2": Override(ignore=True)})
    seen = met(left("g1"), left("g2"), right("501"), policy=policy)
    assert new_records(seen) == {"g1"}
    assert not seen.holds


# --- recurring


def test_an_instance_far_ahead_waits_for_its_turn() -> None:
    series = Series(master="m")
    policy = rules(series_until=NOW + timedelta(days=60))
    near, far = left("m_1", series=series), left("m_2", series=series, **on(24, "18:00"))
    far = replace(far, appointment=replace(far.appointment, start=NOW + timedelta(days=61)))
    assert new_records(met(near, far, policy=policy)) == {"m_1"}


def test_instances_are_skipped_where_the_link_says_so() -> None:
    policy = rules(sync_series=False)
    seen = met(left("m_1", series=Series(master="m")), left("g1", **on(25, "9:00")), policy=policy)
    assert new_records(seen) == {"g1"}


# --- the pair that two strangers become


def test_every_group_of_a_new_pair_is_open() -> None:
    made = first_pair(left("g1", calendar="cal"), right("501"), rules(), ANN_HUBSPOT)
    assert made.open == set(rules().groups)
    assert (made.key, made.calendar, made.removal, made.has_external_id) == (0, "cal", None, False)


def test_a_new_pair_of_a_removed_record_knows_the_removal_and_stays_open() -> None:
    made = first_pair(left("g1", gone=True), right("501"), rules(), ANN_HUBSPOT)
    assert made.gone_on(GHL)
    assert made.open


def test_the_contact_of_a_new_pair_is_the_one_that_matches() -> None:
    seen = met(left("g1"), right("501", "99", ANN_HUBSPOT, **carries("g1")))
    assert seen.sightings[0].pair.hubspot.contact == ANN_HUBSPOT


def test_a_meeting_of_nobody_is_empty() -> None:
    assert nothing(met())


@pytest.mark.parametrize("known", [Known(id=ANN_HUBSPOT), NOBODY])
def test_a_meeting_never_makes_and_pairs_the_same_record(known: Resolution) -> None:
    book = replace(BOOK, from_ghl={ANN_GHL: known, BOB_GHL: Known(id=BOB_HUBSPOT)})
    seen = met(left("g1"), left("g2", contact=BOB_GHL), right("501"), right("502"), book=book)
    everybody = [
        *(n for pair_ in pairs(seen) for n in pair_),
        *new_records(seen),
        *held(seen),
    ]
    assert sorted(everybody) == ["501", "502", "g1", "g2"]
