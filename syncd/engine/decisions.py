"""What people decided through the verbs, on its way into a cycle.

The verbs queue decisions in the store (`retry`, `resolve`, `undo`, `apply`,
`kick`); `cycle` reads them at its start and closes them at its end. So a verb
works the same beside a daemon and without one.

Payloads, all JSON values:

- retry: `{"id": ID}`, or `{}` for everything that is held
- resolve: `{"id": ID, "keep" | "pair_with" | "contact": …}` or `{"id": ID, "separate" |
  "book_anyway" | "ignore": true}`
- undo: `{"id": ID}` or `{"cycle": CYCLE}`
- apply: `{"writes": {digest: words, …}}`, of `report.digest`
- kick: `{"allow_removals": bool, "allow_changes": bool, "approve": bool}`
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from syncd.core.bench import Revert
from syncd.core.guards import Allowed
from syncd.core.model import Group, GroupKey, Pair, Side
from syncd.core.policy import Ruling
from syncd.engine.link import Link
from syncd.ports.store import APPOINTMENT, Decision, HistoryEntry, Hold, Transaction

RULINGS = "rulings"
"""The cursor that holds what people decided about single records."""

ONCE = frozenset({"keep", "pair_with", "contact", "separate", "book_anyway"})
"""Rulings that are done with when their record waits no longer; `ignore` stays."""


DOUBTS = frozenset({"ambiguous_match", "possible_duplicate"})
"""Reasons for which `--separate` is an exit: always a doubt about two records."""

_ONE_OF = frozenset({"separate", "pair_with"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Everything that people decided and no cycle has carried out yet."""

    rulings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By record id, as stored."""
    retry: frozenset[str] = frozenset()
    retry_all: bool = False
    reverts: tuple[Revert, ...] = ()
    only: Mapping[str, str] | None = None
    """With an approved plan: the digests of the writes that may go out in this cycle, and what
    each says."""
    allowed: Allowed = field(default_factory=Allowed)
    approved: bool = False
    kicked: bool = False
    ids: tuple[int, ...] = ()
    """The decisions that this cycle closes."""
    unheard: bool = False
    """Whether a guard kept back what they may have led to, so that all of them go on."""

    @property
    def records(self) -> frozenset[str]:
        """Ids of the records that have to be looked at, whatever the scans say."""
        undone = {revert.ghl_id for revert in self.reverts}
        return self.retry | undone | set(self.rulings)

    def as_rulings(self) -> dict[str, Ruling]:
        """The rulings as the core takes them."""
        return {record_id: _ruling(held) for record_id, held in self.rulings.items()}

    def lets_go(self, hold: Hold) -> bool:
        """Whether a person wants this held write tried now."""
        return self.retry_all or bool({hold.ghl_id, hold.hubspot_id} & self.records)

    def retries(self, pair: Pair) -> bool:
        """Whether a person wants every write to this pair tried now, whatever became of others."""
        return self.retry_all or bool({pair.ghl_id, pair.hubspot_id} & self.retry)

    def touches(self, hold: Hold, held: Iterable[Hold]) -> bool:
        """Whether it may be the other half of a doubt that a person settles now."""
        return hold.reason in DOUBTS and any(
            other.starts_at == hold.starts_at
            for other in held
            if other.reason in DOUBTS and self._parts(other)
        )

    def _parts(self, hold: Hold) -> bool:
        ids = (hold.ghl_id, hold.hubspot_id)
        return any("separate" in self.rulings.get(record_id, {}) for record_id in ids)

    def parting(self, parted: Iterable[str]) -> Decided:
        """The same, with the other halves of what a person called separate ruled likewise."""
        more = {each: {**self.rulings.get(each, {}), "separate": True} for each in parted}
        return replace(self, rulings={**self.rulings, **more}) if more else self


def read(link: Link) -> Decided:
    """Everything that was decided, oldest first; later words about a record add to earlier."""
    found = Decided(rulings=json.loads(link.store.cursor(RULINGS) or "{}"))
    for decision in link.store.decisions():
        found = _add(link, found, decision)
    return found


def _add(link: Link, found: Decided, decision: Decision) -> Decided:
    payload: Mapping[str, Any] = decision.payload
    found = replace(found, ids=(*found.ids, decision.id))
    match decision.kind:
        case "retry":
            named = {payload["id"]} if payload.get("id") else set()
            everything = found.retry_all or not named
            rulings = {key: ruled for key, ruled in found.rulings.items() if key not in named}
            return replace(found, retry=found.retry | named, retry_all=everything, rulings=rulings)
        case "resolve":
            said = {name: held for name, held in payload.items() if name != "id" and held}
            ruled = _added(found.rulings.get(payload["id"], {}), said)
            rulings = {**found.rulings, payload["id"]: ruled}
            return replace(found, rulings=rulings, retry=found.retry | {payload["id"]})
        case "undo":
            entries = link.store.history(payload.get("id", ""), cycle=payload.get("cycle", ""))
            return replace(found, reverts=(*found.reverts, *reverts_of(entries)))
        case "apply":
            return replace(found, only={**(found.only or {}), **payload["writes"]})
        case "kick":
            allowed = Allowed(
                removals=found.allowed.removals or bool(payload.get("allow_removals")),
                changes=found.allowed.changes or bool(payload.get("allow_changes")),
            )
            approved = found.approved or bool(payload.get("approve"))
            return replace(found, allowed=allowed, approved=approved, kicked=True)
        case _:
            return found


def _added(earlier: Mapping[str, Any], ruled: Mapping[str, Any]) -> Mapping[str, Any]:
    """What holds after a later word about a record.

    A record can need several: what is separate may be for a taken slot, too.
    """
    if "ignore" in earlier or "ignore" in ruled:
        return ruled
    if _ONE_OF & set(ruled):
        earlier = {name: held for name, held in earlier.items() if name not in _ONE_OF}
    return {**earlier, **ruled}


def close(transaction: Transaction, decided: Decided, held: Iterable[tuple[str, str]]) -> None:
    """The cycle carried these out; what was ruled of a record that waits no longer is done with.

    `held` are the ids of what is held, and of writes that are to be tried again.
    """
    if not decided.ids and not decided.rulings:
        return  # nothing was decided, and nothing is remembered
    waiting = {record_id for ids in held for record_id in ids}
    rulings = {
        record_id: ruled
        for record_id, ruled in decided.rulings.items()
        if decided.unheard or record_id in waiting or not ONCE & set(ruled)
    }
    transaction.set_cursor(RULINGS, json.dumps(rulings, sort_keys=True) if rulings else "")
    transaction.close_decisions(decided.ids)


def _ruling(held: Mapping[str, Any]) -> Ruling:
    return Ruling(
        keep=Side(held["keep"]) if held.get("keep") else None,
        pair_with=str(held.get("pair_with", "")),
        separate=bool(held.get("separate")),
        contact=str(held.get("contact", "")),
        book_anyway=bool(held.get("book_anyway")),
        ignore=bool(held.get("ignore")),
    )


# --- undo


def reverts_of(entries: Sequence[HistoryEntry]) -> list[Revert]:
    """The values that the newest cycle among these entries overwrote, field group by field group.

    Creations and removals are no values: what was made or removed is not
    taken back (the vendors have no undelete; a record made anew has a new id).
    """
    entries = _of_appointments(entries)
    if not entries:
        return []
    newest = entries[0].cycle
    groups: dict[tuple[int, Side, GroupKey], dict[str, HistoryEntry]] = {}
    for entry in entries:
        if entry.cycle == newest and entry.field and entry.action != "create":
            key = (entry.pair_key, entry.side, _group_of(entry.field))
            groups.setdefault(key, {})[entry.field] = entry
    return [_revert(key, found) for key, found in groups.items() if key[2] != Group.CONTACT]


def lasting(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """What the newest cycle among these entries did that is not undone, one entry each.

    Records that it made or removed, and contacts that it changed. A removal
    that was carried across as a cancellation is undone by its status.
    """
    entries = _of_appointments(entries)
    newest = entries[0].cycle if entries else ""
    mine = [entry for entry in entries if entry.cycle == newest]
    cancelled = {(e.pair_key, e.side) for e in mine if e.action == "remove" and e.field}
    return [
        entry
        for entry in mine
        if (entry.action == "create" and not entry.field)
        or (entry.field == Group.CONTACT and entry.action != "create")
        or (
            entry.action == "remove"
            and not entry.field
            and (entry.pair_key, entry.side) not in cancelled
        )
    ]


def _of_appointments(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Without contacts that were made: an appointment may have the id of a contact."""
    return [entry for entry in entries if entry.record == APPOINTMENT]


def _revert(key: tuple[int, Side, GroupKey], found: Mapping[str, HistoryEntry]) -> Revert:
    pair_key, side, group = key
    any_entry = next(iter(found.values()))
    return Revert(
        pair_key=pair_key,
        ghl_id=any_entry.ghl_id,
        side=side,
        group=group,
        was={name: entry.after for name, entry in found.items()},
        back={name: entry.before for name, entry in found.items()},
    )


def _group_of(name: str) -> GroupKey:
    if name in {"start", "end"}:
        return Group.TIME
    return Group(name) if name in set(Group) else f"x:{name}"
