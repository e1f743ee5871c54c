"""Pairs in the store: found by what the engine knows of them, whole as they were saved."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.essence import GONE, OPEN, agreed_fingerprint
from syncd.core.model import Group, Pair, Removal, Response, Series, Side, Window
from syncd.errors import StoreError
from syncd.store import Store
from syncd.store.link_store import SqlLinkStore

Make = Callable[..., Pair]
Save = Callable[..., list[Pair]]

CANCELLED = Removal(
    gone=frozenset({Side.GHL}), response=Response.CANCELLED, status_before="SCHEDULED"
)


def test_a_pair_comes_back_as_it_was_saved(link: SqlLinkStore, a_pair: Make, saved: Save) -> None:
    whole = a_pair(
        version=7,
        series=Series(master="m1"),
        removal=CANCELLED,
        open=frozenset({Group.TITLE, "x:room"}),
        has_external_id=True,
        external_id_taken=True,
        owner_by_us=Side.HUBSPOT,
    )
    (kept,) = saved(whole)
    assert kept == replace(whole, key=kept.key)
    assert kept.key > 0
    assert link.pairs_by_key([kept.key]) == [kept]
    assert link.pairs_by_id(Side.GHL, ["g1"]) == [kept]
    assert link.pairs_by_id(Side.HUBSPOT, ["h1", "h2"]) == [kept]


def test_a_pair_whose_record_is_unknown_comes_back_so(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    first, second = saved(a_pair(1, hubspot_id=""), a_pair(2, hubspot_id=""))
    assert link.pairs_by_key([first.key, second.key]) == [first, second]
    assert link.pairs_by_id(Side.HUBSPOT, [""]) == []
    assert link.rotation(0, 10) == []
    assert link.count_pairs() == 0


def test_changing_a_pair_keeps_its_key(link: SqlLinkStore, a_pair: Make, saved: Save) -> None:
    (kept,) = saved(a_pair())
    changed = replace(kept, ghl=replace(kept.ghl, title="Moved"), version=2)
    assert saved(changed) == [changed]
    assert link.pairs_by_id(Side.GHL, ["g1"]) == [changed]


def test_old_and_new_pairs_are_saved_together_in_their_order(
    a_pair: Make, saved: Save, link: SqlLinkStore
) -> None:
    (old,) = saved(a_pair(1))
    mixed = saved(a_pair(2), old, a_pair(3))
    assert [pair.ghl_id for pair in mixed] == ["g2", "g1", "g3"]
    assert mixed[1].key == old.key
    assert {pair.key for pair in link.pairs_by_id(Side.GHL, ["g1", "g2", "g3"])} == {
        pair.key for pair in mixed
    }


def test_a_key_is_never_given_twice(link: SqlLinkStore, a_pair: Make, saved: Save) -> None:
    (first,) = saved(a_pair())
    with link.begin() as transaction:
        transaction.drop_pairs([first.key])
    assert link.pairs_by_id(Side.GHL, ["g1"]) == []
    (again,) = saved(a_pair())
    assert again.key > first.key


def test_a_pair_that_is_gone_cannot_be_changed(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    (kept,) = saved(a_pair())
    with link.begin() as transaction:
        transaction.drop_pairs([kept.key])
    with pytest.raises(StoreError, match="no longer in the store"):
        saved(kept)


def test_pairs_may_exchange_their_records(link: SqlLinkStore, a_pair: Make, saved: Save) -> None:
    first, second = saved(a_pair(1), a_pair(2))
    crossed = [replace(first, ghl_id="g2"), replace(second, ghl_id="g1")]
    assert saved(*crossed) == crossed
    assert link.pairs_by_key([first.key, second.key]) == crossed


def test_a_new_pair_may_take_a_record_that_an_old_one_gives_up(
    a_pair: Make, saved: Save, link: SqlLinkStore
) -> None:
    (old,) = saved(a_pair(1))
    saved(a_pair(2, ghl_id="g1"), replace(old, ghl_id="g9"))
    found = {pair.hubspot_id: pair.ghl_id for pair in link.pairs_by_id(Side.GHL, ["g1", "g9"])}
    assert found == {"h1": "g9", "h2": "g1"}


def test_a_record_belongs_to_one_pair_only(a_pair: Make, saved: Save) -> None:
    saved(a_pair(1))
    with pytest.raises(StoreError, match="record g1 would belong to two pairs"):
        saved(a_pair(2, ghl_id="g1"))


def test_the_prints_are_those_that_untouched_records_show(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    plain, has_external_id, *_ = saved(
        a_pair(1),
        a_pair(2, has_external_id=True),
        a_pair(3, removal=CANCELLED),
        a_pair(4, open=frozenset({Group.TITLE})),
    )
    assert link.prints(Side.GHL, ["g1", "g2", "g3", "g4", "g5"]) == {
        "g1": agreed_fingerprint(plain, Side.GHL),
        "g2": agreed_fingerprint(has_external_id, Side.GHL),
        "g3": GONE,
        "g4": OPEN,
    }
    assert link.prints(Side.HUBSPOT, ["h1", "h2"]) == {
        "h1": agreed_fingerprint(plain, Side.HUBSPOT),
        "h2": agreed_fingerprint(has_external_id, Side.HUBSPOT),
    }
    assert link.prints(Side.GHL, []) == {}


@pytest.mark.parametrize("asked", [range(5), range(2000), range(1500, 5000)])
def test_prints_are_the_same_looked_up_or_read_whole(
    link: SqlLinkStore, a_pair: Make, saved: Save, asked: range
) -> None:
    saved(*(a_pair(number) for number in range(2500)))
    found = link.prints(Side.GHL, [f"g{number}" for number in asked])
    assert set(found) == {f"g{number}" for number in asked if number < 2500}


def test_what_a_scan_must_show_lies_in_the_window_and_is_not_gone(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    pairs = saved(*(a_pair(number) for number in range(1, 6)), a_pair(6, removal=CANCELLED))
    first, last = pairs[1].ghl.start, pairs[3].ghl.start
    assert first is not None
    assert last is not None
    both_ends = link.missing_from_scan(Side.GHL, Window(since=first, until=last), ())
    assert sorted(both_ends) == [pairs[n - 1].key for n in (2, 3, 4)]
    wide = Window(since=first - timedelta(days=9), until=last + timedelta(days=9))
    assert pairs[5].key not in link.missing_from_scan(Side.GHL, wide, ())
    assert pairs[5].key in link.missing_from_scan(Side.HUBSPOT, wide, ())


def test_what_a_scan_showed_is_not_missed(link: SqlLinkStore, a_pair: Make, saved: Save) -> None:
    pairs = saved(*(a_pair(number) for number in range(1, 6)))
    starts = [pair.ghl.start for pair in pairs if pair.ghl.start is not None]
    whole = Window(since=min(starts), until=max(starts))
    shown = ["g1", "g2", "g4", "a stranger"]
    assert sorted(link.missing_from_scan(Side.GHL, whole, shown)) == [pairs[2].key, pairs[4].key]
    assert link.missing_from_scan(Side.GHL, whole, [pair.ghl_id for pair in pairs]) == []


def test_pairs_are_found_by_contact_and_start(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    first, second, _gone = saved(
        a_pair(1),
        a_pair(2, ghl=replace(a_pair(2).ghl, contact="c1")),
        a_pair(3, ghl=replace(a_pair(1).ghl, title="gone"), removal=CANCELLED),
    )
    assert first.ghl.start is not None
    assert second.hubspot.start is not None
    assert link.pairs_at(Side.GHL, [("c1", first.ghl.start), ("c9", first.ghl.start)]) == [first]
    assert link.pairs_at(Side.HUBSPOT, [("k2", second.hubspot.start)]) == [second]
    assert link.pairs_at(Side.HUBSPOT, [("k1", second.hubspot.start)]) == []


def test_only_living_pairs_count(link: SqlLinkStore, a_pair: Make, saved: Save) -> None:
    saved(a_pair(1), a_pair(2), a_pair(3, removal=CANCELLED))
    assert link.count_pairs() == 2


def test_the_count_is_kept_through_every_change(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    one, two, three = saved(a_pair(1), a_pair(2, hubspot_id=""), a_pair(3, removal=CANCELLED))
    assert link.count_pairs() == 1
    saved(replace(two, hubspot_id="h2"), replace(three, removal=None))
    assert link.count_pairs() == 3
    saved(replace(one, removal=CANCELLED), replace(two, hubspot_id="h2"))
    assert link.count_pairs() == 2
    with link.begin() as transaction:
        transaction.drop_pairs([one.key, two.key, 12345])
    assert link.count_pairs() == 1
    with suppress(ZeroDivisionError), link.begin() as transaction:
        transaction.save_pairs([a_pair(9)])
        raise ZeroDivisionError
    assert link.count_pairs() == 1


def test_the_rotation_goes_round_in_key_order(
    link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    archived = Removal(gone=frozenset({Side.HUBSPOT}))
    pairs = saved(a_pair(1), a_pair(2, removal=archived), a_pair(3), a_pair(4))
    assert link.rotation(0, 2) == [(pairs[0].key, "h1"), (pairs[2].key, "h3")]
    assert link.rotation(pairs[2].key, 2) == [(pairs[3].key, "h4")]


def test_links_share_a_store_and_see_nothing_of_each_other(
    store: Store, link: SqlLinkStore, a_pair: Make, saved: Save
) -> None:
    saved(a_pair(1))
    other = store.link("other")
    with other.begin() as transaction:
        (theirs,) = transaction.save_pairs([a_pair(1)])
    assert link.pairs_by_key([theirs.key]) == []
    assert other.pairs_by_id(Side.GHL, ["g1"]) == [theirs]
    with link.begin() as transaction:
        transaction.drop_pairs([theirs.key])
    assert other.count_pairs() == 1


def test_a_link_that_was_never_written_to_reads_as_empty(store: Store) -> None:
    new = store.link("new")
    assert new.prints(Side.GHL, ["g1"]) == {}
    assert new.count_pairs() == 0
    assert new.get_state("hubspot") == ""
    assert new.holds() == []


ODD = ["\x00", "\ud800", "\ue000", "\ue0000041", "\u202e\u0645\u0631", "🦷" * 3]


@pytest.mark.parametrize("odd", ODD)
def test_any_text_that_a_vendor_sends_is_kept(
    link: SqlLinkStore, a_pair: Make, saved: Save, odd: str
) -> None:
    strange = a_pair(1, ghl_id=f"g{odd}", ghl=replace(a_pair(1).ghl, title=odd, contact=odd))
    (kept,) = saved(strange)
    assert link.pairs_by_id(Side.GHL, [f"g{odd}"]) == [kept]
    assert set(link.prints(Side.GHL, [f"g{odd}"])) == {f"g{odd}"}
    among_many = link.prints(Side.GHL, [f"g{odd}", *map(str, range(1000))])
    assert set(among_many) == {f"g{odd}"}
    assert strange.ghl.start is not None
    window = Window(since=strange.ghl.start, until=strange.ghl.start)
    assert link.missing_from_scan(Side.GHL, window, [f"g{odd}"]) == []
    assert link.missing_from_scan(Side.GHL, window, ["g\ue000"]) == (
        [] if odd == "\ue000" else [kept.key]
    )
    assert strange.ghl.start is not None
    assert link.pairs_at(Side.GHL, [(odd, strange.ghl.start)]) == [kept]
