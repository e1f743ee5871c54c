"""What people did, and to which appointment: the simulation's own memory.

`simulation` writes it, `verdict` judges by it. It knows nothing of the engine's
reasoning: people's edits in order, who made and removed which record, and
which records turned out to be one appointment (a *lineage*).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.essence import Value
from syncd.core.model import Side
from syncd.ports.store import HistoryEntry

Key = tuple[Side, str]
"""A record of a side, by id."""


@dataclass(slots=True, kw_only=True)
class Edit:
    """A value that a person gave to a field group of a record."""

    number: int
    key: Key
    group: str
    value: Value
    born: bool = False
    """Given when the record was made."""
    void: bool = False
    """Taken back by the person before anybody could have seen it, or removed with the record."""


@dataclass(slots=True, kw_only=True)
class Removal:
    """A person removed a record."""

    number: int
    key: Key
    settled: bool
    """Whether nothing on the other side could beat it: no edit, or a cancellation."""
    untouched: bool = False
    """Whether nobody ever edited the appointment, whatever has no answer yet."""
    beaten: bool = False
    """Whether the other side held an edit that nobody had seen, which beats the removal."""
    statuses: tuple[str, str] = ("", "")
    """What HighLevel and HubSpot said at that moment."""
    across: Key | None = None
    """The other record of its pair at that moment."""
    restored: int = 0
    """When a person took it back."""
    rules: tuple[int, int] | None = None
    """The rules and the store that were to carry it across, where nothing contradicted it."""
    beside: frozenset[Key] = frozenset()
    """Records of that side that lived beside it: it was made anew, and restored as well."""
    took_along: list[Edit] = field(default_factory=list)
    """Edits of the record that nobody had seen yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A decision about a field of an appointment, and what stood there when it was taken."""

    number: int
    keys: tuple[Key, ...]
    group: str
    why: str
    """What a write says that carries it out."""
    values: tuple[Value, ...]


@dataclass(slots=True)
class EditLog:
    """Everything that people did, numbered."""

    count: int = 0
    edits: list[Edit] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    born: set[Key] = field(default_factory=set)
    """Records that people made."""
    births: dict[Key, int] = field(default_factory=dict)
    """When people made them, or restored them last."""
    born_at: dict[Key, datetime] = field(default_factory=dict)
    """The instant of that."""
    acts: Counter[Key] = field(default_factory=Counter)
    """How often people did anything to a record."""
    removed: set[Key] = field(default_factory=set)
    """Records that people removed and did not restore."""
    restored: set[Key] = field(default_factory=set)
    """Records that people brought back to life at some time."""
    mixed: set[Key] = field(default_factory=set)
    """Records of appointments that people merged into one, or that a merge touched."""
    unmarked: set[Key] = field(default_factory=set)
    """Records of bookings without their id, since the store was lost: only contact, time and status
    tell that they are one appointment, until they are a pair again."""
    merged: set[Key] = field(default_factory=set)
    """Records that live on after people merged paired ones."""
    ignored: set[Key] = field(default_factory=set)
    """Records that a person wants left alone."""
    let_pass: int = 0
    """So many removals that the guard had kept back a person let pass."""
    words: list[Word] = field(default_factory=list)
    """What people decided about fields."""
    let_write: set[tuple[Side, str, str]] = field(default_factory=set)
    """Side, ghl id and hubspot id of the writes in plans that a person approved."""
    approved: dict[Key, object] = field(default_factory=dict)
    """For whom and when a record was to be made across in the plan that was approved just now."""
    lets: bool = False
    """Whether a person let changes pass that the guard had kept back."""
    met: dict[Key, int] = field(default_factory=dict)
    """When a record was first known to be one appointment with another."""
    history: list[HistoryEntry] = field(default_factory=list)
    """History of stores that were lost."""
    last: dict[Key, int] = field(default_factory=dict)
    """When a person last did anything to a record."""
    last_in: dict[tuple[Key, str], int] = field(default_factory=dict)
    """When a person last gave a field group of a record a value."""
    _parent: dict[Key, Key] = field(default_factory=dict)

    def tick(self, key: Key) -> int:
        """A person does something to a record."""
        self.count += 1
        self.last[key] = self.count
        self.acts[key] += 1
        if key in self.unmarked:
            self.mixed.add(key)
        return self.count

    # --- lineages

    def root(self, key: Key) -> Key:
        """The lineage that a record belongs to."""
        while key in self._parent:
            key = self._parent[key]
        return key

    def join(self, one: Key, other: Key) -> None:
        """Two records are one appointment."""
        for key in (one, other):
            self.met.setdefault(key, self.count)
        first, second = self.root(one), self.root(other)
        if first != second:
            self._parent[second] = first

    def lineage(self, key: Key, keys: Iterable[Key]) -> list[Key]:
        """Those of the keys that are the same appointment as this one."""
        root = self.root(key)
        return [each for each in keys if self.root(each) == root]

    def acts_of(self, root: Key) -> int:
        """How often people did anything to an appointment."""
        return sum(times for key, times in self.acts.items() if self.root(key) == root)

    # --- what people did

    def edited(self, key: Key, group: str, value: Value, *, born: bool = False) -> Edit:
        """A person gave a value."""
        edit = Edit(number=self.tick(key), key=key, group=group, value=value, born=born)
        self.last_in[key, group] = edit.number
        self.edits.append(edit)
        return edit

    def withdraw(self, key: Key, group: str, value: Value) -> None:
        """A person is back at the value that both sides last agreed on: nobody saw a change."""
        self.last_in[key, group] = self.tick(key)
        for edit in reversed(self.edits):
            if edit.group == group and edit.key == key and not edit.void:
                if edit.value == value:
                    return
                edit.void = True

    def removed_by_person(
        self,
        key: Key,
        *,
        settled: bool,
        beaten: bool,
        statuses: tuple[str, str],
        across: Key | None,
        unseen: Iterable[Edit],
    ) -> Removal:
        """A person removed a record, and with it the edits that nobody has seen."""
        removal = Removal(
            number=self.tick(key),
            key=key,
            settled=settled,
            beaten=beaten,
            statuses=statuses,
            across=across,
        )
        for edit in unseen:
            edit.void = True
            removal.took_along.append(edit)
        self.removals.append(removal)
        self.removed.add(key)
        return removal

    def restored_by_person(self, key: Key) -> None:
        """A person brought a record back, with everything that it showed."""
        self.tick(key)
        for removal in self.removals:
            if removal.key == key:
                removal.restored = removal.restored or self.count
                for edit in removal.took_along:
                    edit.void = False
                removal.took_along.clear()
        self.removed.discard(key)
        self.restored.add(key)

    def edits_of(self, root: Key, group: str) -> Iterator[Edit]:
        """The edits of a lineage in one group, oldest first; void ones left out."""
        return (
            edit
            for edit in self.edits
            if edit.group == group and not edit.void and self.root(edit.key) == root
        )

    def last_of(self, root: Key) -> int:
        """When a person last did anything to an appointment."""
        return max((n for key, n in self.last.items() if self.root(key) == root), default=0)
