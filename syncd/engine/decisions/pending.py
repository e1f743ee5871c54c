"""What people decided through the verbs, on its way into a cycle.

The verbs queue decisions in the store (`retry`, `resolve`, `undo`, `apply`,
`kick`), each with what the person was shown. A decision stays open until the
write that carries it out is recorded, in the same transaction (`tracker`), or
until a cycle found that it has nothing to do any more (`completion`). So a verb
works the same beside a daemon and without one, and no outage, stop or crash
loses a decision.

Payloads, all JSON values; what is missing of what was shown is filled in by
the first cycle that reads the decision:

- retry: `{"id": ID}`, or `{}` for everything that is held
- resolve: `{"id": ID, "holds": […], WAY: VALUE}`, of `WAYS`; `holds` of `shown.shown_of`
- undo: `{"id": ID}` or `{"cycle": CYCLE}`, with `parts` of `undoing.parts_of`
- apply: `{"writes": {digest: words, …}}`, of `report.digest`; those that are still to be done
- kick: `{"allow_removals": bool, "allow_changes": bool, "approve": bool}`, with `removals` and
  `changes`, which the guards had kept back, and `shown`, the writes of the first sync by side

Each may say its `author` and `by`, where no verb made it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncd.core.context import Revert
from syncd.core.guards import GuardOverrides
from syncd.core.model import GroupKey, Hold, Pair, Side, Snapshot
from syncd.core.policy import Override
from syncd.engine.decisions.basis import Shown, shown_of, still
from syncd.engine.decisions.undo import parts_of, revert_of, reverts_of, standing
from syncd.ports.store import BY_VERB, CLI, Author, Decision, LinkStore

OVERRIDES = "rulings"
"""The cursor that holds what was ruled of records that nobody named: other halves of doubts."""

TRIED = "applied"
"""The cursor that holds, by id, what the guards let pass of approved plans that were tried."""

KEPT_BACK = "kept_back"
"""The cursor that holds what the change guard keeps back: [side, ghl id, hubspot id] each."""

WAYS: Mapping[str, tuple[str, ...]] = {
    "keep": ("conflict",),
    "pair_with": ("ambiguous_match", "possible_duplicate"),
    "separate": ("ambiguous_match", "possible_duplicate"),
    "contact": ("ambiguous_contact", "no_contact"),
    "book_anyway": ("slot_taken",),
    "ignore": (),
}
"""The exits of `resolve`, and which reasons each is for; `ignore` is for all."""

DOUBTS = frozenset(WAYS["separate"])
"""Reasons for which `--separate` is an exit: always a doubt about two records."""

Part = tuple[int, str]
"""What a single write can carry out: the id of a decision, and which part of it, "" for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person said of one record: `retry`, or a way of `resolve`."""

    id: int
    made_at: datetime
    record: str
    way: str
    value: str = ""
    shown: tuple[Shown, ...] = ()
    instead_of: frozenset[int] = frozenset()
    """Earlier decisions that it takes the place of, and that are done with it."""
    author: Author = BY_VERB

    @property
    def part(self) -> Part:
        """What is closed when it is carried out."""
        return (self.id, "")

    @property
    def ids(self) -> frozenset[str]:
        """Every id of what it is about."""
        known = {str(each[name]) for each in self.shown for name in ("ghl_id", "hubspot_id")}
        return frozenset({self.record, *known} - {""})

    @property
    def groups(self) -> frozenset[GroupKey]:
        """The contested groups that it is about."""
        return frozenset(str(each["group"]) for each in self.shown)

    def override(self, shown: Iterable[Shown]) -> Override:
        """What it means for what is still as it was shown."""
        keep = {str(each["group"]): Side(self.value) for each in shown if self.way == "keep"}
        return Override(
            keep=keep,
            pair_with=self.value if self.way == "pair_with" else "",
            separate=self.way == "separate",
            contact=self.value if self.way == "contact" else "",
            book_anyway=self.way == "book_anyway",
            ignore=self.way == "ignore",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """A value that a person wants back."""

    part: Part
    made_at: datetime
    revert: Revert
    author: Author = BY_VERB


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What a kick lets the guards pass: what they had kept back when it was decided."""

    id: int
    removals: frozenset[tuple[str, str]] = frozenset()
    """(ghl id, hubspot id) each."""
    changes: frozenset[tuple[str, str, str]] = frozenset()
    """(side, ghl id, hubspot id) each."""
    approves: bool = False
    plan: bool = False
    """Whether it is what is left of an approved plan, which closes by its parts."""
    author: Author = BY_VERB

    @property
    def ids(self) -> frozenset[str]:
        """Every id of what it is about."""
        named = {each for pair in self.removals for each in pair}
        return frozenset(named | {each for _, *pair in self.changes for each in pair}) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDecisions:
    """Everything that people decided and no cycle has carried out yet."""

    ids: tuple[int, ...] = ()
    """Every decision that was open, oldest first."""
    words: tuple[Word, ...] = ()
    """Oldest first; what a later word took back is left out."""
    taken_back: frozenset[int] = frozenset()
    """Decisions that a later one took back."""
    kept: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By record id, as the cursor `OVERRIDES` holds them."""
    retry_all: tuple[tuple[int, datetime], ...] = ()
    """Who asked for everything that was held then: id and instant."""
    undos: tuple[Undo, ...] = ()
    only: Mapping[str, str] | None = None
    """With an approved plan: the digests of the writes that may go out in this cycle, and what
    each says."""
    only_parts: Mapping[str, frozenset[Part]] = field(default_factory=dict)
    leaves: tuple[Leave, ...] = ()

    @property
    def undone(self) -> frozenset[int]:
        """Keys of the pairs that have a value that is wanted back."""
        return frozenset(undo.revert.pair_key for undo in self.undos)

    def named(self, side: Side, held: Iterable[Hold]) -> set[str]:
        """Ids of the records on that side that have to be looked at, whatever the scans say.

        One that is `held` since a decision about it was tried waits as ever.
        """
        name = "ghl_id" if side is Side.GHL else "hubspot_id"
        since = {
            record_id: hold.since
            for hold in held
            for record_id in (hold.ghl_id, hold.hubspot_id)
            if record_id and hold.since is not None
        }
        return {
            str(shown[name])
            for word in self.words
            if (
                word.ids & since.keys()  # it is held until it was looked at once more
                if word.way == "ignore"
                else not any(each in since and since[each] > word.made_at for each in word.ids)
            )
            for shown in word.shown
        } - {""}

    def overrides(
        self, records: Callable[[Shown], Mapping[Side, Snapshot]] | None = None
    ) -> tuple[dict[str, Override], set[Part]]:
        """The rulings as the core takes them, and the words that mean nothing any more.

        `records` gives what can be seen now of a hold; a word counts for what
        still shows what the person was shown.
        """
        found = {record_id: _override(held) for record_id, held in self.kept.items()}
        void: set[Part] = set()
        for word in self.words:
            stands = list(word.shown)
            if records is not None and word.way not in {"ignore", "retry"}:
                stands = [each for each in word.shown if still(each, records(each))]
            # A pair is about two records: it means nothing where one is another matter now.
            if word.shown and (not stands or (word.way == "pair_with" and stands != [*word.shown])):
                void.add(word.part)
            else:
                found[word.record] = word.override(stands) | found.get(word.record, Override())
        return found, void

    def faded(self, records: Callable[[Shown], Mapping[Side, Snapshot]]) -> set[Part]:
        """The words of which a part means nothing any more: a group shows something else now."""
        return {
            word.part
            for word in self.words
            if word.way == "keep" and not all(still(each, records(each)) for each in word.shown)
        }

    def lets_go(self, hold: Hold) -> bool:
        """Whether a person wants this held write tried now: they decided since it is held."""
        ids = {hold.ghl_id, hold.hubspot_id} - {""}
        asked = [at for _, at in self.retry_all]
        asked += [word.made_at for word in self.words if word.way != "ignore" and ids & word.ids]
        asked += [undo.made_at for undo in self.undos if _is_about(undo.revert, ids)]
        return any(hold.since is None or hold.since <= at for at in asked)

    def retries(self, pair: Pair) -> bool:
        """Whether a person wants every write to this pair tried now, whatever became of others."""
        ids = {pair.ghl_id, pair.hubspot_id}
        return bool(self.retry_all) or any(
            word.way == "retry" and ids & word.ids for word in self.words
        )

    def touches(self, hold: Hold, held: Iterable[Hold]) -> bool:
        """Whether it may be the other half of a doubt that a person settles now."""
        return hold.reason in DOUBTS and any(
            other.starts_at == hold.starts_at
            for other in held
            if other.reason in DOUBTS and self._parts(other)
        )

    def _parts(self, hold: Hold) -> bool:
        ids = {hold.ghl_id, hold.hubspot_id} - {""}
        return any(word.way == "separate" and ids & word.ids for word in self.words)

    def parting(self, parted: Iterable[str]) -> PendingDecisions:
        """The same, with the other halves of what a person called separate ruled likewise."""
        more = {each: {**self.kept.get(each, {}), "separate": True} for each in parted}
        return replace(self, kept={**self.kept, **more}) if more else self

    @property
    def allowed(self) -> GuardOverrides:
        """What the guards let pass because a person said so."""
        return GuardOverrides(
            named_removals=frozenset().union(*(each.removals for each in self.leaves)),
            named_changes=frozenset().union(*(each.changes for each in self.leaves)),
        )


def read(
    store: LinkStore, opened: Iterable[Decision], *, keep: bool, planned_only: bool = False
) -> PendingDecisions:
    """What these open decisions come to, oldest first.

    With `keep`, what a decision does not say of what the person was shown is
    written to it. An approved plan is all that its first cycle writes, with
    `planned_only` every cycle; what is left of it afterwards is written
    together with everything else.
    """
    found = _Reading(store, keep=keep, planned_only=planned_only)
    for decision in opened:
        found.add(decision)
    return found.result()


class _Reading:
    """The open decisions as they add up."""

    def __init__(self, store: LinkStore, *, keep: bool, planned_only: bool) -> None:
        self._store, self._keep = store, keep
        self._tried: dict[str, Mapping[str, Any]] = (
            {} if planned_only else json.loads(store.get_state(TRIED) or "{}")
        )
        self._held: list[Hold] | None = None
        self._kept: dict[str, Mapping[str, Any]] = json.loads(store.get_state(OVERRIDES) or "{}")
        self._words: list[Word] = []
        self._taken_back: set[int] = set()
        self._retry_all: list[tuple[int, datetime]] = []
        self._undos: list[Undo] = []
        self._only: dict[str, str] | None = None
        self._only_parts: dict[str, set[Part]] = defaultdict(set)
        self._leaves: list[Leave] = []

    def add(self, decision: Decision) -> None:
        payload: Mapping[str, Any] = decision.payload
        match decision.kind:
            case "retry" if not payload.get("id"):
                self._retry_all.append((decision.id, decision.made_at))
            case "retry":
                self._say(decision, "retry", "")
            case "resolve":
                for way in WAYS:
                    if payload.get(way):
                        self._say(decision, way, str(payload[way]))
            case "undo":
                self._undo(decision)
            case "apply":
                tried = self._tried.get(str(decision.id))
                if tried is None:
                    self._only = {**(self._only or {}), **payload["writes"]}
                else:
                    self._leaves.append(_leave(decision.id, tried, plan=True))
                for digest in payload["writes"]:
                    self._only_parts[digest].add((decision.id, digest))
            case "kick" | "approve":
                self._leaves.append(self._leave(decision))
            case _:
                pass  # It asked for a turn, which is the scheduler's to give.

    def result(self) -> PendingDecisions:
        return PendingDecisions(
            words=tuple(self._words),
            taken_back=frozenset(self._taken_back),
            kept=self._kept,
            retry_all=tuple(self._retry_all),
            undos=tuple(self._undos),
            only=self._only,
            only_parts={digest: frozenset(parts) for digest, parts in self._only_parts.items()},
            leaves=tuple(self._leaves),
        )

    def _say(self, decision: Decision, way: str, value: str) -> None:
        record = str(decision.payload["id"])
        word = Word(
            id=decision.id,
            made_at=decision.made_at,
            record=record,
            way=way,
            value=value,
            shown=tuple(self._shown(decision, {record, value}, WAYS.get(way, ()))),
            author=author_of(decision),
        )
        ignored = [each for each in self._words if each.way == "ignore" and each.ids & word.ids]
        if way == "retry":
            # What was ignored is looked at as if it were new.
            word = replace(word, shown=(*word.shown, *(s for each in ignored for s in each.shown)))
        for record_id in word.ids if way == "retry" else ():
            if self._kept.get(record_id, {}).get("ignore"):
                del self._kept[record_id]
        over = {each.id for each in ignored} | {
            each.id for each in self._words if _instead(word, each)
        }
        self._taken_back |= over
        self._words = [each for each in self._words if each.id not in over]
        self._words.append(replace(word, instead_of=frozenset(over)))

    def _shown(
        self, decision: Decision, records: Collection[str], reasons: Collection[str]
    ) -> list[Shown]:
        """What the person was shown: as the verb kept it, else what was held then."""
        payload: Mapping[str, Any] = decision.payload
        if "holds" in payload:
            return list(payload["holds"])
        shown = [
            shown_of(hold)
            for hold in self._holds()
            if {hold.ghl_id, hold.hubspot_id} & (set(records) - {""})
            and (not reasons or hold.reason in reasons)
            and (hold.since is None or hold.since <= decision.made_at)
        ]
        self._amend(decision, holds=shown)
        return list(shown)

    def _undo(self, decision: Decision) -> None:
        named: Mapping[str, Any] = decision.payload
        parts: Mapping[str, Any] | None = named.get("parts")
        if parts is None:
            entries = self._store.history(named.get("id", ""), cycle=named.get("cycle", ""))
            past = [entry for entry in entries if entry.at <= decision.made_at]
            parts = parts_of(standing(self._store, reverts_of(past)))
            self._amend(decision, parts=parts)
        self._undos += [
            Undo(
                part=(decision.id, name),
                made_at=decision.made_at,
                revert=revert_of(part),
                author=author_of(decision),
            )
            for name, part in parts.items()
        ]
        if not parts:
            self._taken_back.add(decision.id)

    def _leave(self, decision: Decision) -> Leave:
        payload: Mapping[str, Any] = decision.payload
        if "removals" not in payload and "changes" not in payload:
            kept_back = leave_of(
                self._store,
                decision.made_at,
                removals=bool(payload.get("allow_removals")),
                changes=bool(payload.get("allow_changes")),
            )
            if any(kept_back.values()):
                self._amend(decision, **kept_back)
            payload = {**payload, **kept_back}
        leave = _leave(decision.id, payload)
        approves = leave.approves or decision.kind == "approve"
        return replace(leave, approves=approves, author=author_of(decision))

    def _holds(self) -> list[Hold]:
        if self._held is None:
            self._held = self._store.holds()
        return self._held

    def _amend(self, decision: Decision, **more: object) -> None:
        if self._keep:
            with self._store.begin() as transaction:
                transaction.amend_decision(decision.id, {**decision.payload, **more})


def _leave(decision_id: int, payload: Mapping[str, Any], *, plan: bool = False) -> Leave:
    return Leave(
        id=decision_id,
        removals=frozenset((one, other) for one, other in payload.get("removals", ())),
        changes=frozenset((a, b, c) for a, b, c in payload.get("changes", ())),
        approves=bool(payload.get("approve")),
        plan=plan,
    )


def author_of(decision: Decision) -> Author:
    """Who decided: a person by a verb, unless the payload says where else."""
    told = decision.payload
    return str(told.get("author", CLI)), str(told.get("by", ""))


def ignores(store: LinkStore, record: str) -> bool:
    """Whether a person said to leave this record alone."""
    decided = read(store, store.decisions(), keep=False)
    return bool(decided.kept.get(record, {}).get("ignore")) or any(
        word.way == "ignore" and record in word.ids for word in decided.words
    )


def leave_of(
    store: LinkStore, at: datetime, *, removals: bool, changes: bool
) -> dict[str, list[list[str]]]:
    """What the guards keep back now, as a kick that lets it pass holds it."""
    found: dict[str, list[list[str]]] = {"removals": [], "changes": []}
    if removals:
        found["removals"] = [
            [hold.ghl_id, hold.hubspot_id]
            for hold in store.holds()
            if hold.reason == "removal_guard" and (hold.since is None or hold.since <= at)
        ]
    if changes:
        found["changes"] = json.loads(store.get_state(KEPT_BACK) or "[]")
    return found


def _instead(word: Word, earlier: Word) -> bool:
    """Whether a later word about a record takes the place of an earlier one.

    A record can need several: what is separate may be for a taken slot, too.
    """
    if word.record != earlier.record or "retry" in {word.way, earlier.way}:
        return False
    one_of = {"separate", "pair_with"}
    if word.way == "keep":
        return earlier.way == "keep" and earlier.groups <= word.groups
    return word.way in {"ignore", earlier.way} or {word.way, earlier.way} <= one_of


def _is_about(revert: Revert, ids: Collection[str]) -> bool:
    return revert.ghl_id in ids or revert.hubspot_id in ids


def _override(held: Mapping[str, Any]) -> Override:
    """A ruling of the cursor: what an earlier version kept there counts as it did."""
    return Override(
        pair_with=str(held.get("pair_with", "")),
        separate=bool(held.get("separate")),
        contact=str(held.get("contact", "")),
        book_anyway=bool(held.get("book_anyway")),
        ignore=bool(held.get("ignore")),
    )


__all__ = [
    "DOUBTS",
    "KEPT_BACK",
    "OVERRIDES",
    "TRIED",
    "WAYS",
    "Leave",
    "Part",
    "PendingDecisions",
    "Undo",
    "Word",
    "author_of",
    "ignores",
    "leave_of",
    "read",
]
