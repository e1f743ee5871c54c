"""Canonical form, the value of a group, and fingerprints."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from plan_cases import GHL, GONE, HUBSPOT, YESTERDAY, ghl, hubspot, pair, removed

from syncd.core import essence
from syncd.core.model import Appointment, Group, Response, Snapshot

FULL = Appointment(
    title="Check-up",
    start=datetime(2026, 11, 24, 15, tzinfo=UTC),
    end=datetime(2026, 11, 24, 15, 30, tzinfo=UTC),
    status="confirmed",
    description="Bring papers",
    address="1 Main St",
    owner="u1",
    contact="ann",
    mapped_fields=(("room", "3"),),
)
OTHER = {
    "title": "Visit",
    "start": datetime(2026, 11, 24, 14, tzinfo=UTC),
    "end": datetime(2026, 11, 24, 16, tzinfo=UTC),
    "status": "showed",
    "description": "None",
    "address": "2 Main St",
    "owner": "u2",
    "contact": "bob",
    "mapped_fields": (("room", "4"),),
}


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (None, ""),
        ("", ""),
        ("  \n ", ""),
        (" Check-up ", "Check-up"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a  b", "a  b"),
    ],
)
def test_text_is_trimmed_and_its_line_ends_are_one(raw: str | None, canonical: str) -> None:
    assert essence.text(raw) == canonical


def test_an_instant_is_utc_to_the_second() -> None:
    paris = timezone(timedelta(hours=1))
    moment = datetime(2026, 11, 24, 16, 0, 0, 999_000, tzinfo=paris)
    assert essence.instant(moment) == datetime(2026, 11, 24, 15, tzinfo=UTC)
    assert essence.instant(moment).utcoffset() == timedelta(0)


@pytest.mark.parametrize("group", [*Group, "x:room"])
def test_a_group_that_is_put_back_changes_nothing(group: str) -> None:
    assert essence.with_value(FULL, group, essence.value(FULL, group)) == FULL


@pytest.mark.parametrize("group", [*Group, "x:room"])
def test_a_group_is_taken_alone(group: str) -> None:
    taken = essence.with_groups(Appointment(), FULL, [group])
    assert essence.value(taken, group) == essence.value(FULL, group)
    others = {g for g in (*Group, "x:room") if g != group}
    assert all(essence.is_empty(essence.value(taken, g)) for g in others)


def test_an_emptied_extra_is_as_if_it_had_never_been() -> None:
    assert essence.with_value(FULL, "x:room", "").mapped_fields == ()
    assert essence.with_value(Appointment(), "x:room", "") == Appointment()


def test_a_time_without_a_start_is_empty_whatever_its_end() -> None:
    assert essence.is_empty((None, FULL.end))
    assert not essence.is_empty((FULL.start, None))


@pytest.mark.parametrize("name", OTHER)
def test_every_field_counts_in_the_print(name: str) -> None:
    changed = replace(FULL, **{name: OTHER[name]})  # type: ignore[arg-type]  # one field at a time
    assert essence.fingerprint(changed) != essence.fingerprint(FULL)


def test_an_empty_extra_leaves_no_print() -> None:
    empty = replace(FULL, mapped_fields=(("floor", ""), ("room", "3")))
    assert essence.fingerprint(empty) == essence.fingerprint(FULL)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Appointment(title="a", status="b"), Appointment(title="ab")),
        (Appointment(title="a\x1f\x1f\x1f", status=""), Appointment(title="a")),
        (Appointment(description="a\x1f", address="b"), Appointment(description="a", address="b")),
        (
            Appointment(mapped_fields=(("a", "b\x1ec"),)),
            Appointment(mapped_fields=(("a\x1eb", "c"),)),
        ),
        (Appointment(title="1:a"), Appointment(title="a")),
    ],
)
def test_no_text_can_look_like_a_border(one: Appointment, other: Appointment) -> None:
    assert essence.fingerprint(one) != essence.fingerprint(other)


def test_half_an_emoji_has_a_print() -> None:
    assert essence.fingerprint(Appointment(title="\ud83d"))


def shown(side: str, **edits: object) -> Snapshot:
    seen = (ghl if side == GHL else hubspot)(**edits)(pair())
    assert isinstance(seen, Snapshot)
    return seen


@pytest.mark.parametrize("side", [GHL, HUBSPOT])
def test_an_untouched_record_shows_the_agreed_print(side: str) -> None:
    agreed = pair()
    here = GHL if side == GHL else HUBSPOT
    assert essence.snapshot_fingerprint(shown(side)) == essence.agreed_fingerprint(agreed, here)
    assert essence.snapshot_fingerprint(shown(side, title="B")) != essence.agreed_fingerprint(
        agreed, here
    )


def test_a_record_that_lost_its_mark_does_not_show_the_agreed_print() -> None:
    seen = shown(HUBSPOT, external_id="")
    assert essence.snapshot_fingerprint(seen) != essence.agreed_fingerprint(pair(), HUBSPOT)
    external_id_taken = pair(has_external_id=False, external_id_taken=True)
    assert essence.snapshot_fingerprint(seen) == essence.agreed_fingerprint(
        external_id_taken, HUBSPOT
    )


def test_a_pair_that_is_not_marked_yet_is_looked_at_each_time() -> None:
    external_id_refused = pair(has_external_id=False)
    seen = shown(HUBSPOT, external_id="")
    assert essence.snapshot_fingerprint(seen) != essence.agreed_fingerprint(
        external_id_refused, HUBSPOT
    )
    assert essence.snapshot_fingerprint(shown(GHL)) == essence.agreed_fingerprint(
        external_id_refused, GHL
    )


def test_what_is_settled_as_gone_shows_as_gone() -> None:
    agreed = pair(**removed(HUBSPOT, did=Response.CANCELLED))
    assert essence.snapshot_fingerprint(shown(HUBSPOT, **GONE)) == essence.agreed_fingerprint(
        agreed, HUBSPOT
    )
    assert essence.snapshot_fingerprint(shown(GHL)) == essence.agreed_fingerprint(agreed, GHL)


def test_an_open_pair_is_looked_at_each_time() -> None:
    agreed = pair(open=frozenset({"title"}))
    assert essence.agreed_fingerprint(agreed, GHL) == essence.agreed_fingerprint(agreed, HUBSPOT)
    assert essence.agreed_fingerprint(agreed, GHL) != essence.snapshot_fingerprint(shown(GHL))


def test_an_open_pair_that_was_removed_rests() -> None:
    agreed = pair(open=frozenset({"title"}), **YESTERDAY, **removed(HUBSPOT))
    seen = ghl()(agreed)
    assert isinstance(seen, Snapshot)
    assert essence.snapshot_fingerprint(seen) == essence.agreed_fingerprint(agreed, GHL)
