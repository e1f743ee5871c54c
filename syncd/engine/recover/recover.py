"""Recover: finish what a crash, or an answer that never came, left open.

`cycle` calls `recover` before it polls. For every open intent the world is
asked whether the write took effect; if so it is settled as if the answer had
come, if not it is forgotten, and the plan decides anew. Nothing is repeated
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from syncd.core import essence
from syncd.core.actions import Change, Create, Remove, Update
from syncd.core.essence import Value
from syncd.core.model import (
    MAPPED_PREFIX,
    Appointment,
    Group,
    GroupKey,
    Missing,
    Pair,
    Side,
    Snapshot,
    Window,
)
from syncd.core.rendering import renders
from syncd.engine import writes
from syncd.engine.link import Link
from syncd.engine.planned_writes import PlannedWrite, described
from syncd.engine.record import record
from syncd.engine.record.record import CompletedWrite
from syncd.errors import NotFound, ProviderError, Unreadable
from syncd.ports.provider import Done, ScanRequest
from syncd.ports.refusals import Asked, Stops, stops
from syncd.ports.store import Intent, IntentKind

FILLED_IN = frozenset({Group.TITLE, Group.OWNER, Group.STATUS, Group.TIME})
"""Groups that a vendor fills in by itself where a creation sends nothing."""

SKEW = timedelta(minutes=10)
"""How far a vendor's clock may be from ours when a booking's `dateAdded` is compared with the
intent: a booking that was there before would have been met, not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What came of the open intents."""

    pairs: Mapping[int, Pair] = field(default_factory=dict)
    """The pairs that they are about, as they are now, by key."""
    unsettled: Mapping[tuple[Side, str], str] = field(default_factory=dict)
    """Records that wait because it is unknown whether they were made; and why."""
    written: tuple[PlannedWrite, ...] = ()
    """The writes that took effect."""


def recover(link: Link, cycle: str, *, dry_run: bool = False) -> Recovered:
    """Settle every open intent, as far as the sides answer; in a dry run, none.

    Raises:
        ProviderError: a side cannot be asked at all; the intents stay open.
    """
    open_intents = link.store.intents() if not dry_run else []
    if not open_intents:
        return Recovered()
    link.check_held()
    pairs = {
        pair.key: pair
        for pair in link.store.pairs_by_key({each.pair_key for each in open_intents} - {0})
    }
    effects: list[CompletedWrite] = []
    unsettled: dict[str, ProviderError] = {}
    effects += _created_in_hubspot(link, open_intents, pairs, unsettled)
    effects += _booked_in_ghl(link, open_intents, pairs, unsettled)
    for side in Side:
        effects += _changed(link, side, open_intents, pairs)
    carried = {intent.key: writes.carries_of(intent) for intent in open_intents}
    authors = {intent.key: writes.author_of(intent) for intent in open_intents}
    effects = [replace(effect, author=authors[effect.key]) for effect in effects]
    effects = [
        replace(effect, carries=carried[effect.key]) if _is_whole(effect, open_intents) else effect
        for effect in effects
    ]
    record.record(link, cycle, effects, pairs)
    with link.store.begin() as transaction:
        transaction.close_intents(
            [intent.key for intent in open_intents if intent.key not in unsettled]
        )
    waiting: dict[tuple[Side, str], str] = {}
    for intent in open_intents:
        if intent.key in unsettled:
            pair = pairs.get(intent.pair_key)
            source = writes.create_of(intent, pair)[0].source
            waiting[source.side, source.id] = f"whether it was made: {unsettled[intent.key]}"
    return Recovered(
        pairs=pairs,
        unsettled=waiting,
        written=tuple(described(each.write) for each in effects if each.write.counted),
    )


def _asked(unsettled: dict[str, ProviderError], intent: Intent, error: ProviderError) -> None:
    """Leave an intent open of which alone nothing can be told.

    Raises:
        ProviderError: the error itself, where nobody can be asked for anything.
    """
    if stops(Asked.RECORD, error) is not Stops.RECORD:
        raise error
    unsettled[intent.key] = error


def _is_whole(effect: CompletedWrite, open_intents: Iterable[Intent]) -> bool:
    """Whether all that an intent meant took effect."""
    if not isinstance(effect.write, Update):
        return True
    meant = next(each.payload for each in open_intents if each.key == effect.key)
    changes: Any = meant["changes"]
    return len(effect.write.changes) == len(changes)


def _created_in_hubspot(
    link: Link,
    open_intents: Iterable[Intent],
    pairs: dict[int, Pair],
    unsettled: dict[str, ProviderError],
) -> Iterable[CompletedWrite]:
    """HubSpot records carry the booking's id, which is unique."""
    wanted = {
        writes.create_of(intent, pairs.get(intent.pair_key))[0].source.id: intent
        for intent in open_intents
        if intent.kind is IntentKind.CREATE and intent.side is Side.HUBSPOT
    }
    if not wanted:
        return
    for ghl_id, found in link.hubspot.find_by_external_id(set(wanted)).items():
        intent = wanted.get(ghl_id)
        if intent is None or isinstance(found, Missing):
            continue  # Where there is no answer, its unique id keeps it from being made twice.
        create, contact = writes.create_of(intent, pairs.get(intent.pair_key))
        if not link.store.prints(Side.HUBSPOT, [found.id]):
            yield _made(intent, create, contact, found)
            continue
        if not found.gone:
            continue
        try:
            without = _without_its_id(link, intent, create, contact)
        except ProviderError as error:
            _asked(unsettled, intent, error)
            continue
        if without is not None:
            effect = _made(intent, create, contact, without)
            yield replace(effect, done=replace(effect.done, external_id_refused=True))


def _without_its_id(link: Link, intent: Intent, create: Create, contact: str) -> Snapshot | None:
    """The record that this intent made anew while an archived one keeps the id, if it did.

    Ours by its location, made for that contact and not before the intent,
    known to no pair, and showing what was wanted: twins are looked at by a person.
    """
    location, wanted = link.rules.template.location_id, create.wanted
    found = {
        each.id: each
        for each in link.hubspot.bookings_of(contact)
        if not each.external_id
        and each.location_id == location
        and each.created_at is not None
        and each.created_at >= intent.created_at - SKEW
        and (each.appointment.start, each.appointment.end) == (wanted.start, wanted.end)
        and each.appointment.title == wanted.title
    }
    known = link.store.prints(Side.HUBSPOT, found) if found else {}
    free = [each for each in found.values() if each.id not in known]
    return free[0] if len(free) == 1 else None


def _booked_in_ghl(
    link: Link,
    open_intents: Iterable[Intent],
    pairs: dict[int, Pair],
    unsettled: dict[str, ProviderError],
) -> Iterable[CompletedWrite]:
    """HighLevel has no such property: our booking is known by everything else about it."""
    taken: set[str] = set()
    for intent in open_intents:
        if intent.kind is not IntentKind.CREATE or intent.side is not Side.GHL:
            continue
        create, contact = writes.create_of(intent, pairs.get(intent.pair_key))
        try:
            found = _own_booking(link, intent, create, contact, taken)
        except ProviderError as error:
            _asked(unsettled, intent, error)
            continue
        if found is not None:
            taken.add(found.id)
            yield _made(intent, create, contact, found)


def _own_booking(
    link: Link, intent: Intent, create: Create, contact: str, taken: set[str]
) -> Snapshot | None:
    """The booking that this intent made, if it did.

    Made through the API, for that contact, not before the intent, and known
    to no pair; where it stands now decides between several.
    """
    candidates = {
        record_.id: record_
        for record_ in (*_listed(link, create), *_of_contact(link, contact))
        if record_.by_api
        and not record_.gone
        and contact in record_.contacts
        and record_.created_at is not None
        and record_.created_at >= intent.created_at - SKEW
        and record_.id not in taken
    }
    if not candidates:
        return None
    known = link.store.prints(Side.GHL, candidates)
    free = [found for found in candidates.values() if found.id not in known]
    exact = [found for found in free if _stands_as_wanted(found, create)]
    if exact:
        return min(exact, key=lambda found: found.id)
    return free[0] if len(free) == 1 and _was_edited(free[0]) else None


def _listed(link: Link, create: Create) -> tuple[Snapshot, ...]:
    start = create.wanted.start
    if start is None:
        return ()
    window = Window(since=start, until=start)
    calendars = frozenset({create.calendar})
    scan = link.ghl.scan(ScanRequest(window=window, calendars=calendars))
    if create.calendar not in scan.calendars:
        raise Unreadable("; ".join(scan.failures), side=Side.GHL)
    return scan.snapshots


def _of_contact(link: Link, contact: str) -> tuple[Snapshot, ...]:
    """The contact's bookings, which somebody may have moved since, read whole."""
    try:
        ids = [record_.id for record_ in link.ghl.bookings_of(contact)]
    except NotFound:
        return ()  # A contact that is gone has none.
    known = link.store.prints(Side.GHL, ids)
    unknown = [record_id for record_id in ids if record_id not in known]
    if not unknown:
        return ()
    shown = link.ghl.fetch(unknown).values()
    for found in shown:
        if isinstance(found, Missing) and found.unread:
            raise Unreadable(found.detail, side=Side.GHL)
    return tuple(found for found in shown if isinstance(found, Snapshot))


def _stands_as_wanted(found: Snapshot, create: Create) -> bool:
    wanted, shown = create.wanted, found.appointment
    return (
        found.calendar == create.calendar
        and (shown.start, shown.end) == (wanted.start, wanted.end or shown.end)
        and (not wanted.title or _is_agreed(wanted.title, shown.title))
    )


def _was_edited(found: Snapshot) -> bool:
    return (
        found.updated_at is not None
        and found.created_at is not None
        and essence.instant(found.updated_at) > found.created_at
    )


def _is_agreed(sent: Value, shown: Value) -> bool:
    return sent == shown or renders(sent, shown)


def _made(intent: Intent, create: Create, contact: str, found: Snapshot) -> CompletedWrite:
    """A creation that took effect: agreed is what the side made of it, what differs is news.

    What the side shows is its own doing while nobody touched the record, where
    we sent nothing (a title that it renders, an assignee that it picks), and
    where it is a rendering of what was sent.
    """
    returned, shown = create.wanted, found.appointment
    for group in _groups_of(create.wanted):
        sent, now = essence.value(returned, group), essence.value(shown, group)
        if essence.is_empty(sent):
            theirs = group in FILLED_IN
        else:
            theirs = not _was_edited(found) or renders(sent, now) or _is_untold(create, group, now)
        if theirs:
            returned = essence.with_value(returned, group, now)
    returned = essence.with_value(returned, "contact", contact)
    done = Done(key=intent.key, id=found.id, returned=returned)
    return CompletedWrite(key=intent.key, write=create, done=done, contact=contact)


def _groups_of(wanted: Appointment) -> Iterable[GroupKey]:
    """Every group that a creation may send, the contact left out, which has rules of its own."""
    mapped_fields = (f"{MAPPED_PREFIX}{name}" for name, _ in wanted.mapped_fields)
    return (*(group for group in Group if group is not Group.CONTACT), *mapped_fields)


def _is_untold(create: Create, group: GroupKey, now: Value) -> bool:
    """Whether nothing is shown because HighLevel shows such texts nowhere on some calendars."""
    texts = {Group.DESCRIPTION, Group.ADDRESS}
    return create.side is Side.GHL and group in texts and essence.is_empty(now)


def _changed(
    link: Link, side: Side, open_intents: Iterable[Intent], pairs: dict[int, Pair]
) -> list[CompletedWrite]:
    """Updates and removals: read the records again and see whether they show it."""
    mine = [
        intent
        for intent in open_intents
        if intent.side is side
        and intent.kind in {IntentKind.UPDATE, IntentKind.REMOVE}
        and intent.pair_key in pairs
        and intent.payload
    ]
    if not mine:
        return []
    shown = link.side(side).fetch({pairs[intent.pair_key].id_on(side) for intent in mine})
    effects = []
    for intent in mine:
        pair = pairs[intent.pair_key]
        now = shown.get(pair.id_on(side), Missing(detail=""))
        effect = _effect_of(intent, pair, now) if isinstance(now, Snapshot) else None
        if effect is not None:
            effects.append(effect)
    return effects


def _effect_of(intent: Intent, pair: Pair, now: Snapshot) -> CompletedWrite | None:
    if intent.kind is IntentKind.REMOVE:
        return _removal(intent, writes.remove_of(intent, pair), now)
    update = writes.update_of(intent, pair)
    taken = [change for change in update.changes if _took_effect(change, now)]
    if now.gone or not taken:
        return None
    returned = Appointment()
    for change in taken:
        now_shown = change.after if change.group == Group.CONTACT else _shown(now, change)
        returned = essence.with_value(returned, change.group, now_shown)
    done = Done(key=intent.key, id=now.id, returned=returned)
    return CompletedWrite(key=intent.key, write=replace(update, changes=tuple(taken)), done=done)


def _took_effect(change: Change, now: Snapshot) -> bool:
    """Whether the record shows what was sent, or what the vendor made of it.

    Another third value is somebody's later edit: it stays news, and no edit is lost.
    """
    if change.group == Group.CONTACT:
        # The new one comes before the old one goes: with both it was broken off between.
        return change.after in now.contacts and change.before not in now.contacts
    shown = _shown(now, change)
    return shown == change.after or (shown != change.before and renders(change.after, shown))


def _shown(now: Snapshot, change: Change) -> Value:
    return essence.value(now.appointment, change.group)


def _removal(intent: Intent, remove: Remove, now: Snapshot) -> CompletedWrite | None:
    if remove.cancel_as:
        if now.appointment.status != remove.cancel_as:
            return None
        returned = Appointment(status=remove.cancel_as)
    elif now.gone:
        returned = Appointment()
    else:
        return None
    done = Done(key=intent.key, id=now.id, returned=returned)
    return CompletedWrite(key=intent.key, write=remove, done=done)
