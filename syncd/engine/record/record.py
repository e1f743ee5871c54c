"""Record: keep the new agreement after writes, in one transaction each time.

`apply` and `recover` call this with the vendors' receipts. No network in here:
a pair, its history and its closed intent are committed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from syncd.core import actions, essence
from syncd.core.actions import Create, Rebase, Remove, Update, Write, WriteExternalId
from syncd.core.contacts import Known, MatchBasis
from syncd.core.model import ContactPair, Group, Pair, Side, Wrote
from syncd.engine.link import Link
from syncd.engine.planned_writes import described, field_values
from syncd.ports.provider import Done
from syncd.ports.store import BY_RULE, Author, HistoryEntry

MADE = frozenset(Group) - {Group.CONTACT}
"""The groups that a vendor may have changed when a record was created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedWrite:
    """A write that took effect, with its receipt."""

    key: str
    write: Write
    done: Done
    contact: str = ""
    """With a CREATE: its contact on the written side."""
    carries: tuple[tuple[int, str], ...] = ()
    """The parts of people's decisions that it completes."""
    author: Author = BY_RULE
    """Who decided it, for the history."""


def record(
    link: Link, cycle: str, effects: Sequence[CompletedWrite], pairs: dict[int, Pair]
) -> list[Pair]:
    """Commit the agreement after these writes; `pairs` holds the newest state by key.

    Returns:
        The pairs as they are now, in the order of the effects.
    """
    now = link.clock.now()
    settled: list[Pair] = []
    for effect in effects:
        pair = _noted(effect, _settle(effect, pairs), pairs, now)
        if pair.key:
            pairs[pair.key] = pair
        settled.append(pair)
    names = [pair.key or -number for number, pair in enumerate(settled, 1)]
    with link.store.begin() as transaction:
        # Of a pair that was written twice, its last state.
        latest = dict(zip(names, settled, strict=True))
        saved = dict(zip(latest, transaction.save_pairs(latest.values()), strict=True))
        kept = [saved[name] for name in names]
        recorded = list(zip(effects, kept, strict=True))
        transaction.add_history(
            entry for effect, pair in recorded for entry in _history(effect, pair, cycle, now)
        )
        transaction.save_contacts(found for effect in effects for found in _contacts(effect))
        transaction.close_intents([effect.key for effect in effects])
        transaction.settle_decisions({part for effect in effects for part in effect.carries})
    for pair in kept:
        pairs[pair.key] = pair
    return kept


def agree(link: Link, cycle: str, rebases: Sequence[Rebase]) -> list[Pair]:
    """Commit agreements that need no write: new pairs, and values that are alike already.

    Returns:
        The pairs with their keys, in the order of the rebases.
    """
    now = link.clock.now()
    with link.store.begin() as transaction:
        saved = transaction.save_pairs([rebase.pair for rebase in rebases])
        agreed = list(zip(rebases, saved, strict=True))
        transaction.add_history(
            _adoption(pair, cycle, now) for rebase, pair in agreed if not rebase.pair.key
        )
        transaction.save_contacts(
            ContactPair(ghl_id=pair.ghl.contact, hubspot_id=pair.hubspot.contact)
            for rebase, pair in agreed
            if rebase.one_person
        )
    return saved


def _settle(effect: CompletedWrite, pairs: dict[int, Pair]) -> Pair:
    """The pair after the write, and after the other writes of this cycle."""
    write, done = effect.write, effect.done
    match write:
        case Create():
            pair = actions.created(write, done.id, done.returned)
            if write.side is Side.HUBSPOT:
                return replace(
                    pair,
                    has_external_id=not done.external_id_refused,
                    external_id_taken=done.external_id_refused,
                )
            return pair
        case Update():
            latest = pairs.get(write.pair.key, write.pair)
            refused = frozenset(refusal.group for refusal in done.refused)
            pair = actions.updated(write, latest, done.returned, refused)
            return _with_external_id(pair, done) if write.side is Side.HUBSPOT else pair
        case Remove():
            latest = pairs.get(write.pair.key, write.pair)
            return actions.removed(replace(write, pair=latest), done.returned)
        case WriteExternalId():
            return _with_written(
                _with_external_id(pairs.get(write.pair.key, write.pair), done), write, done
            )


def _noted(effect: CompletedWrite, pair: Pair, pairs: dict[int, Pair], now: datetime) -> Pair:
    """The pair with a note of our write, so that it is not taken for an edit."""
    write, done = effect.write, effect.done
    refused = {refusal.group for refusal in done.refused}
    match write:
        case Create():
            made = Wrote(at=now, groups=MADE, stamp=done.updated_at)
            return actions.with_wrote(pair, write.side, made)
        case Update():
            side, groups = write.side, {change.group for change in write.changes} - refused
        case Remove():
            side, groups = write.side, {Group.STATUS}
        case WriteExternalId():
            status = {Group.STATUS} if write.status else set()
            side, groups = Side.HUBSPOT, set(write.groups) | status - refused
    agreed = pairs.get(write.pair.key, write.pair)
    noted = actions.noted_write(
        agreed, side, groups, at=now, stamp=done.updated_at, before=done.before
    )
    return actions.with_wrote(pair, side, noted)


def _with_external_id(pair: Pair, done: Done) -> Pair:
    """The pair with or without its external id, which is not sent where it is known to be taken."""
    if pair.external_id_taken or (pair.has_external_id and not done.external_id_refused):
        return pair
    return replace(
        pair,
        has_external_id=not done.external_id_refused,
        external_id_taken=done.external_id_refused,
    )


def _with_written(pair: Pair, write: WriteExternalId, done: Done) -> Pair:
    """The pair after its HubSpot record got the booking's values, but for those that it refused."""
    groups = write.groups | ({Group.STATUS} if write.status else set())
    taken = groups - {refusal.group for refusal in done.refused}
    shown = essence.with_groups(pair.hubspot, done.returned, taken)
    return replace(pair, hubspot=shown, open=pair.open - taken)


def _contacts(effect: CompletedWrite) -> list[ContactPair]:
    """The two contacts of one person, where that is proven; one that was just created is."""
    if not isinstance(effect.write, Create) or not effect.contact:
        return []
    across = effect.write.contact
    if isinstance(across, Known) and across.basis is MatchBasis.PAIRED_RECORD:
        return []
    here, there = effect.write.source.appointment.contact, effect.contact
    if not here:
        return []
    if effect.write.side is Side.GHL:
        here, there = there, here
    return [ContactPair(ghl_id=here, hubspot_id=there)]


def _history(effect: CompletedWrite, pair: Pair, cycle: str, now: datetime) -> list[HistoryEntry]:
    """One entry per field that was written, one for the record where none was."""
    write = effect.write
    if not write.counted:
        return []
    refused = {refusal.group for refusal in effect.done.refused}
    if isinstance(write, Update) and refused:
        write = replace(
            write, changes=tuple(each for each in write.changes if each.group not in refused)
        )
    planned = described(write)
    lost = _lost_fields(write)

    def entry(name: str = "", before: str | None = None, after: str | None = None) -> HistoryEntry:
        return HistoryEntry(
            at=now,
            cycle=cycle,
            side=write.side,
            ghl_id=pair.ghl_id,
            hubspot_id=pair.hubspot_id,
            action="conflict" if name in lost else planned.action,
            field=name,
            before=before,
            after=after,
            why=planned.why,
            pair_key=pair.key,
            title=planned.title,
            starts_at=planned.starts_at,
            author=effect.author[0],
            by=effect.author[1],
        )

    entries = [entry(name, *values) for name, values in planned.fields.items()]
    return entries if isinstance(write, Update) else [entry(), *entries]


def _lost_fields(write: Write) -> set[str]:
    if not isinstance(write, Update):
        return set()
    return {
        name
        for change in write.changes
        if change.lost
        for name in field_values(change.group, change.before, change.after)
    }


def _adoption(pair: Pair, cycle: str, now: datetime) -> HistoryEntry:
    """The entry of two records that are one appointment and were paired without a write."""
    return HistoryEntry(
        at=now,
        cycle=cycle,
        side=Side.HUBSPOT,
        ghl_id=pair.ghl_id,
        hubspot_id=pair.hubspot_id,
        action="adopt",
        why="the same contact and time, or each other's id",
        pair_key=pair.key,
        title=pair.ghl.title,
        starts_at=pair.ghl.start,
    )
