"""Which write carries out which decision, so that both are recorded in one transaction.

`apply` tells of each write when it takes it and when it took effect. A
decision, or a part of one, is done with the last of its writes; while one of
them failed or was not sent it stays open, and so do decisions whose record
could not be judged. Leaves out what closes without a write (`completion`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from syncd.core.actions import Create, NewContact, Remove, Update, Write
from syncd.core.context import UNDONE
from syncd.core.model import Group, GroupKey, Side
from syncd.engine.decisions.pending import Part, PendingDecisions, Undo, Word
from syncd.engine.decisions.validity import Validity
from syncd.engine.planned_writes import (
    before_its_contact,
    described,
    described_contact,
    digest,
    digests,
)
from syncd.engine.record.record import CompletedWrite
from syncd.ports.store import APPLY, BY_RULE, Author

_Name = tuple[str, str, Side]
"""Both ids and the side: a plan has one write at most of each."""

SLOT = frozenset({Group.TIME, Group.STATUS, Group.OWNER})
"""The groups of which HighLevel checks the slot."""


class DecisionTracker:
    """What the writes of a cycle carry out."""

    def __init__(self, decided: PendingDecisions) -> None:
        self._decided = decided
        self._any = bool(decided.words or decided.undos or decided.only_parts)
        self._owed: dict[Part, set[_Name]] = defaultdict(set)
        self._parts: dict[_Name, frozenset[Part]] = {}
        self.void: set[Part] = set()
        """What means nothing any more: the records are another matter now."""
        self.faded: set[Part] = set()
        """The same of some of their groups."""
        self.given_up: set[Part] = set()
        self.settled: set[Part] = set()
        """What was closed together with its write."""

    def mark_invalid(self, validity: Validity) -> None:
        """These decisions do not apply any more, or only in part."""
        self.void |= validity.void
        self.faded |= validity.faded

    def take(self, write: Write) -> None:
        """A write is planned."""
        parts = self._of(write) if self._any else frozenset()
        if not parts:
            return
        name = _name(write)
        self._parts[name] = parts | self._parts.get(name, frozenset())
        for part in parts:
            self._owed[part].add(name)

    def give_up(self, write: Write) -> None:
        """A write of an approved plan is not what it shows any more, and is left out."""
        self.given_up |= self._parts.pop(_name(write), frozenset())

    def drop(self, ids: Collection[str]) -> None:
        """The writes to these records are judged anew."""
        for name in [each for each in self._parts if {*each[:2]} & set(ids)]:
            for part in self._parts.pop(name):
                self._owed[part].discard(name)

    def closed_by(self, write: Write) -> list[Part]:
        """What is done once this write is: nothing else is owed for it."""
        if not self._parts:
            return []
        name = _name(write)
        return sorted(part for part in self._parts.get(name, ()) if self._owed[part] == {name})

    def tell(self, effect: CompletedWrite) -> CompletedWrite:
        """The effect with who decided it and what is done with it."""
        if not self._parts and not self._decided.leaves:
            return effect
        refused = {refusal.group for refusal in effect.done.refused}
        author = self.author_of(effect.write)
        return replace(effect, author=author, carries=tuple(self.done(effect.write, refused)))

    def done(self, write: Write, refused: Collection[GroupKey] = ()) -> list[Part]:
        """A write took effect, but for the groups that were refused; gives what is closed by it."""
        name = _name(write)
        kept = {part for part in self._parts.get(name, ()) if self._needs(part, refused)}
        closed = [part for part in self.closed_by(write) if part not in kept | self.settled]
        for part in self._parts.pop(name, frozenset()) - kept:
            self._owed[part].discard(name)
        self.settled |= {*closed}
        return closed

    def author_of(self, write: Write) -> Author:
        """Who decided a write, as the history tells it; of several, the last."""
        if not self._parts:
            return self._let_pass(write)
        parts, decided = self._parts.get(_name(write), frozenset()), self._decided
        if any(parts & decided.only_parts.get(name, frozenset()) for name in _own_names(write)):
            return APPLY, ""
        # A retry only says when.
        said = {word.part: word.author for word in decided.words if word.way != "retry"}
        said |= {undo.part: undo.author for undo in decided.undos}
        found = parts & said.keys()
        return said[max(found)] if found else self._let_pass(write)

    def _let_pass(self, write: Write) -> Author:
        """Who let a write pass that a guard had kept back; the rules, where no guard did."""
        for leave in () if not write.counted else self._decided.leaves:
            if leave.plan:
                continue
            if isinstance(write, Remove) and write.ids in leave.removals:
                return leave.author
            if (write.side.value, *write.ids) in leave.changes:
                return leave.author
        return BY_RULE

    def contact_made(self, new: NewContact) -> list[Part]:
        """A contact of an approved plan was made; gives what is closed by it."""
        if not self._decided.only_parts:
            return []
        closed = self._decided.only_parts.get(digest(described_contact(new)), frozenset())
        self.settled |= closed
        return sorted(closed)

    def owes(self, part: Part) -> bool:
        """Whether a write for it failed, or was not sent."""
        return bool(self._owed.get(part))

    def _of(self, write: Write) -> frozenset[Part]:
        if not write.counted:
            return frozenset()
        decided, ids = self._decided, {*write.ids} - {""}
        carried = [
            word
            for word in decided.words
            if word.part not in self.void and _carries_word(write, word, ids)
        ]
        found = {word.part for word in carried}
        found |= {(earlier, "") for word in carried for earlier in word.instead_of}
        found |= {undo.part for undo in decided.undos if _undoes(write, undo)}
        if decided.only_parts:
            for name in digests(write):
                found |= decided.only_parts.get(name, frozenset())
        return frozenset(found)

    def _needs(self, part: Part, refused: Collection[GroupKey]) -> bool:
        """Whether the part is about a group that was refused."""
        if not refused:
            return False
        for word in self._decided.words:
            if word.part == part:
                about = {"keep": word.groups, "book_anyway": SLOT}.get(word.way, frozenset())
                return bool(about & set(refused))
        return any(u.part == part and u.revert.group in refused for u in self._decided.undos)


def _carries_word(write: Write, word: Word, ids: Iterable[str]) -> bool:
    if not word.ids.intersection(ids):
        return False
    match word.way:
        case "keep":
            groups = {each.group for each in write.changes} if isinstance(write, Update) else set()
            return bool(groups & word.groups)
        case "book_anyway":
            return write.side is Side.GHL and not isinstance(write, Remove)
        case "ignore":
            return False
        case _:
            return True


def _undoes(write: Write, undo: Undo) -> bool:
    revert, pair = undo.revert, write.pair
    if pair is None or pair.key != revert.pair_key:
        return False
    if isinstance(write, Update):
        return any(each.group == revert.group and each.why == UNDONE for each in write.changes)
    return isinstance(write, Create) and write.why == UNDONE and revert.group == Group.STATUS


def _own_names(write: Write) -> list[str]:
    """What names a write in a kept plan, without the contact that is made for it."""
    if not write.counted:
        return []
    told = described(write)
    return [digest(told), digest(before_its_contact(told))]


def _name(write: Write) -> _Name:
    return (*write.ids, write.side)
