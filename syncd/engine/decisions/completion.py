"""What is left of people's decisions when a cycle ends: which are done with, and which go on.

`finish` calls this in the transaction that ends a cycle. What a write carried
out was closed together with it (`tracker`). Here close decisions that have
nothing to do any more, each told where it was not carried out; everything else
lives on: what failed, was not sent or kept back, or could not be judged.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.model import Hold
from syncd.engine.decisions.pending import OVERRIDES, Leave, Part, PendingDecisions, Undo, Word
from syncd.engine.decisions.tracker import DecisionTracker
from syncd.ports.store import Transaction

MOVED_ON = "left out, because it has moved on since the plan was made"

FADED = "was carried out in part, because a field has changed since it was taken"

CHANGED = "was not carried out, because what it was taken for has changed since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a cycle ended, as far as decisions go by it."""

    whole: bool
    """Whether it came to its end, so that what it did not judge was not there to be judged."""
    full: bool
    first_done: bool
    """Whether the first sync is behind the link, now."""
    unread: bool
    """Whether a part could not be read."""
    judged: Collection[str]
    """Ids of the records that were judged."""
    pairs: Mapping[int, bool]
    """Keys of the pairs that were judged whole, and whether both records could be seen."""
    held: Collection[Hold]
    unsent: Collection[str]
    """Ids of records with a write that failed, was not sent, or was kept back."""
    untried: Collection[str]
    """The same without what a guard keeps back, which no retry lets go."""
    met: Mapping[Part, bool] = field(default_factory=dict)
    """Of what is to be undone: whether its pair shows the value that was to be put back."""
    approved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By digest the ids of the writes of an approved plan that were planned."""
    overrides: str = ""
    """What the cursor `OVERRIDES` held before."""


@dataclass(slots=True, kw_only=True)
class _Ledger:
    """What closes, and what has to be told of it."""

    done: set[Part] = field(default_factory=set)
    told: list[str] = field(default_factory=list)


def close(
    transaction: Transaction, decided: PendingDecisions, tracker: DecisionTracker, ended: Ended
) -> list[str]:
    """Close what is done with; gives what people have to be told of it."""
    ledger = _Ledger(done={(each, "") for each in decided.taken_back} | tracker.given_up)
    for word in decided.words:
        _word(ledger, word, tracker, ended)
    for undo in decided.undos:
        _undo(ledger, undo, tracker, ended)
    for digest, parts in decided.only_parts.items():
        _planned(ledger, digest, parts, ended)
    for leave in decided.leaves:
        if not leave.plan and _is_over(leave, ended):
            ledger.done.add((leave.id, ""))
    for each, at in decided.retry_all:
        if ended.whole and not _waits_still(at, ended):
            ledger.done.add((each, ""))
    transaction.settle_decisions(ledger.done - tracker.settled)
    _keep_rulings(transaction, decided, ended)
    return ledger.told


def _word(ledger: _Ledger, word: Word, tracker: DecisionTracker, ended: Ended) -> None:
    if word.way == "ignore":
        return
    if word.part in tracker.settled:
        ledger.told += [f"the decision about {word.record} {FADED}"] * (word.part in tracker.faded)
        return
    if word.part in tracker.void:
        ledger.done.add(word.part)
        ledger.told.append(f"the decision about {word.record} {CHANGED}")
        return
    known = ended.whole or word.ids & set(ended.judged)
    left = ended.untried if word.way == "retry" else ended.unsent
    if not known or word.ids & set(left):
        return
    # A retry that was refused again was tried.
    if word.way == "retry" or not (tracker.owes(word.part) or _is_held(word, ended)):
        ledger.done.add(word.part)


def _is_held(word: Word, ended: Ended) -> bool:
    """Whether what it is about waits still: for this word, or for another one beside it."""
    groups = word.groups if word.way == "keep" else None
    return any(
        word.ids & {hold.ghl_id, hold.hubspot_id} and (groups is None or hold.group in groups)
        for hold in ended.held
    )


def _waits_still(at: datetime, ended: Ended) -> bool:
    """Whether a write of what was held then failed, or was not sent."""
    return any(
        {hold.ghl_id, hold.hubspot_id} & set(ended.untried)
        for hold in ended.held
        if hold.since is None or hold.since <= at
    )


def _undo(ledger: _Ledger, undo: Undo, tracker: DecisionTracker, ended: Ended) -> None:
    revert, part = undo.revert, undo.part
    if part in tracker.settled or tracker.owes(part):
        return
    seen = ended.pairs.get(revert.pair_key)
    ids = {revert.ghl_id, revert.hubspot_id} - {""}
    if ids & set(ended.unsent):
        return  # Kept back by a guard, it was not owed by any write.
    waits = any(
        ids & {hold.ghl_id, hold.hubspot_id} and hold.group in {"", revert.group}
        for hold in ended.held
    )
    if seen is False or (seen is None and not ended.whole) or waits:
        return
    ledger.done.add(part)
    if not ended.met.get(part, False):
        about = f"{revert.group} of {revert.hubspot_id or revert.ghl_id}"
        ledger.told.append(f"{about} was not put back: it has been changed since")


def _planned(ledger: _Ledger, digest: str, parts: Iterable[Part], ended: Ended) -> None:
    ids = {*ended.approved.get(digest, ())} - {""}
    if ids:
        # What was refused for good was tried, and is held.
        held = {each for hold in ended.held for each in (hold.ghl_id, hold.hubspot_id)}
        over = bool(ids & held) and not ids & set(ended.unsent)
    else:
        over = ended.whole and ended.full and not ended.unread
    ledger.done |= {*parts} if over else set()


def _is_over(leave: Leave, ended: Ended) -> bool:
    """Whether the cycle that a kick asked for has run, and did what it let pass."""
    if leave.approves and not ended.first_done:
        return False
    return ended.full and ended.whole and not leave.ids & set(ended.unsent)


def _keep_rulings(transaction: Transaction, decided: PendingDecisions, ended: Ended) -> None:
    """What was ruled of other halves of doubts counts while they wait."""
    waiting = {each for hold in ended.held for each in (hold.ghl_id, hold.hubspot_id)}
    waiting |= set(ended.unsent)
    left = {
        record_id: ruled
        for record_id, ruled in decided.kept.items()
        if ruled.get("ignore") or record_id in waiting or not ended.whole
    }
    now = json.dumps(left, sort_keys=True) if left else ""
    if now != ended.overrides:
        transaction.set_state(OVERRIDES, now)
