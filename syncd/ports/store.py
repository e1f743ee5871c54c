"""What the engine asks of the mapping store, for one link.

The engine calls this; `syncd.store` implements it over SQLAlchemy. Reads are
short and stand alone; writes happen inside `begin()`, one transaction that
never spans a network call. Every method may raise `errors.StoreError`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from syncd.core.model import ContactPair, Hold, Pair, Side, Window
from syncd.ports.announcements import Announcement


class IntentKind(StrEnum):
    """What a write that is not yet known to have happened was meant to do."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """How far HubSpot's journal of an app is read."""

    read_until: datetime | None
    """When it was read last: what it had told by then is stored (UTC); None before that."""
    refused: Mapping[tuple[str, str], str]
    """By account and kind of subscription, why HubSpot refuses it: these are polled only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write that was decided and committed before it is sent.

    `payload` is what `engine.intents` needs to recognise the write's effect
    and to settle the pair: JSON values only.
    """

    key: str
    side: Side
    kind: IntentKind
    pair_key: int = 0
    created_at: datetime
    payload: Mapping[str, object] = field(default_factory=dict)


PAUSED = "paused"
"""The cursor that says since when a person has a link out of service; "" where it is in service."""

LEFT_OUT = "left_out"
"""The cursor that says what the last full cycle read and did not sync, by reason, as JSON."""

HELD_NOTES = "held_notes"
"""The cursor that says what held HubSpot records say of themselves, as JSON, by id."""

LEFT_OUT_IDS = "left_out_ids"
"""The cursor that names them, by reason, the first thousands of each."""

PAUSE, RESUME = "pause", "resume"
"""Decisions that decide nothing by themselves: they make a daemon look at the link at once."""

MOST_EVENTS = 20_000
"""Entries of the history that are read for a look at the last days."""

APPOINTMENT, CONTACT = "appointment", "contact"
"""The kinds of records that are written."""

SYNC, CLI, APPLY, PAGE = "sync", "cli", "apply", "page"
"""Who decides a write: the rules, or a person by a verb, by an approved plan, on the page."""


Author = tuple[str, str]
"""Who decided something: sync, cli, apply or page, and the user name that was given on the page."""

BY_RULE: Author = (SYNC, "")
BY_VERB: Author = (CLI, "")


class PairedIds(NamedTuple):
    """Which records are a pair, without what was agreed of them."""

    key: int
    ghl_id: str
    hubspot_id: str
    ghl_contact: str
    hubspot_contact: str
    ghl_gone: bool
    hubspot_gone: bool


FULL, INCREMENTAL, TARGETED = "full", "incremental", "targeted"
"""The kinds of cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One value that a write of ours put somewhere, or that lost a conflict."""

    at: datetime
    cycle: str
    side: Side
    """The side that was written; for a lost value, the side that it was lost on."""
    ghl_id: str
    hubspot_id: str
    action: str
    """create | update | remove | restore | adopt | conflict | undo …"""
    field: str = ""
    """A field name of the report: title, start, end, status, …; "" for the record as a whole."""
    before: str | None = None
    after: str | None = None
    why: str = ""
    pair_key: int = 0
    record: str = APPOINTMENT
    """What was written: an appointment or a contact; the ids are of that kind."""
    title: str = ""
    """What the appointment was called then; a person's data."""
    starts_at: datetime | None = None
    """When it started, as it was then."""
    author: str = SYNC
    """Who decided it: sync, or a person through cli, page or apply."""
    by: str = ""
    """The user name that was given on the page."""
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One appointment as one cycle wrote it on one side, without its values."""

    at: datetime
    side: Side
    action: str
    """As in the history; of an update that lost a conflict, both."""
    fields: frozenset[str] = frozenset()
    cancels: bool = False
    """Whether an update wrote a status that means cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRow:
    """One finished cycle, for status, history and metrics."""

    cycle: str
    kind: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    report: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided through a verb, for the next cycle to carry out."""

    id: int = 0
    kind: str
    """retry | resolve | undo | apply | kick | pause | resume | approve."""
    made_at: datetime
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Links are taken out of service, or put back."""

    pausing: bool
    at: datetime
    payload: Mapping[str, object]
    """Who decided it, as every decision says it."""
    check: Callable[[Mapping[str, datetime]], None]
    """Asked before anything is written, with those that are paused and since when; it may raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What people decided, and vendors announced, of all links of a store."""

    decisions: Mapping[str, Sequence[Decision]]
    """By link, oldest first; only those that no cycle has carried out."""
    paused: frozenset[str]
    """Links that are out of service."""
    announced: Mapping[str, int] = field(default_factory=dict)
    """Links of which an announcement waits, each with the newest key. Where several processes
    store announcements, a smaller key may be the newer one: another one is news."""


class Transaction(Protocol):
    """The writes of one transaction."""

    def save_pairs(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Insert pairs with key 0, update the others; gives them back with their keys."""
        ...

    def drop_pairs(self, keys: Collection[int]) -> None:
        """Forget pairs (not their history)."""
        ...

    def open_intents(self, intents: Iterable[Intent]) -> None:
        """Write intents down before their requests are sent."""
        ...

    def close_intents(self, keys: Collection[str]) -> None:
        """The outcome of these is known."""
        ...

    def save_contacts(self, pairs: Iterable[ContactPair]) -> None:
        """Remember contacts that are one person; replaces what was known of either id."""
        ...

    def replace_holds(self, holds: Iterable[Hold], *, judged: Collection[tuple[str, str]]) -> None:
        """Write the holds of the judged records; those of theirs that are not given are let go.

        `judged` names records as (ghl_id, hubspot_id), "" where there is none.
        `since` of a hold that goes on (same record, group and reason) is kept.
        """
        ...

    def add_history(self, entries: Iterable[HistoryEntry]) -> None:
        """Append to the history."""
        ...

    def set_state(self, name: str, value: str) -> None:
        """Move a cursor, or remember any other short fact of the link by name."""
        ...

    def save_cycle(self, row: CycleRow) -> None:
        """Write down a finished cycle."""
        ...

    def close_decisions(self, ids: Collection[int]) -> None:
        """These decisions were carried out."""
        ...

    def settle_decisions(self, done: Collection[tuple[int, str]]) -> None:
        """These parts of decisions were carried out: (id, part), "" for a whole one.

        A decision is closed with its last part.
        """
        ...

    def amend_decision(self, decision_id: int, payload: Mapping[str, object]) -> None:
        """Say more exactly what was decided."""
        ...

    def close_announcements(self, keys: Collection[int]) -> None:
        """The cycle read what these announced, after they had come."""
        ...


class StatusReader(Protocol):
    """What the status of a link rests on."""

    def count_pairs(self) -> int:
        """How many pairs live: both records known and not removed."""
        ...

    def count_later(self, key: int) -> int:
        """How many of them have a higher key."""
        ...

    def holds(self) -> list[Hold]:
        """What waits, oldest first."""
        ...

    def get_state(self, name: str) -> str:
        """A cursor's value, "" where it was never set."""
        ...

    def history(
        self, record_id: str = "", *, cycle: str = "", limit: int = 0
    ) -> list[HistoryEntry]:
        """History, newest first; of one record (id of either side), one cycle, or all."""
        ...

    def cycles(self, limit: int = 20, *, cycle: str = "") -> list[CycleRow]:
        """The last cycles, newest first; or the one of that id."""
        ...


class LinkReader(StatusReader, Protocol):
    """What verbs ask that only read the store, as one link sees it."""

    def pairs_by_id(self, side: Side, ids: Collection[str]) -> list[Pair]:
        """Pairs whose record on that side has one of these ids."""
        ...

    def pairs_of_contact(self, side: Side, contact: str) -> list[Pair]:
        """Pairs whose record on that side is for this contact, gone ones included."""
        ...

    def contacts_made(self, email: str) -> list[str]:
        """Ids of the contacts that were made with this e-mail address, by the history."""
        ...


class LinkStore(LinkReader, Protocol):
    """The store as one link sees it."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        ...

    def prints(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """The agreed print (`essence.agreed_fingerprint`) by id; unknown ids are left out."""
        ...

    def pairs_by_key(self, keys: Collection[int]) -> list[Pair]:
        """Pairs by their key."""
        ...

    def missing_from_scan(self, side: Side, window: Window, shown: Collection[str]) -> list[int]:
        """Keys of pairs that a complete scan of the window must show, and did not.

        Pairs whose agreed start on that side lies in the window and whose
        record there is not known to be gone; `shown` are the ids that came.
        """
        ...

    def pairs_at(self, side: Side, spots: Collection[tuple[str, datetime]]) -> list[Pair]:
        """Pairs whose record there is for one of these (contact, start); gone ones left out."""
        ...

    def pairs_of(self, side: Side, contacts: Collection[str]) -> list[Pair]:
        """Pairs whose record there is for one of these contacts; gone ones left out."""
        ...

    def rotation(self, after: int, limit: int) -> list[tuple[int, str]]:
        """The next (pair key, hubspot id) in key order after `after`; gone ones left out."""
        ...

    def paired_ids(self, after: int, limit: int) -> list[PairedIds]:
        """The next pairs in key order after a key, whatever became of their records."""
        ...

    def retired_pairs(self, window: Window) -> tuple[int, int]:
        """How many living pairs start outside the window on both sides, and the highest key."""
        ...

    def intents(self) -> list[Intent]:
        """Every intent whose outcome is not known, oldest first."""
        ...

    def contact_pairs(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """Known contacts: id on that side → id on the other side."""
        ...

    def removals_since(self, at: datetime) -> int:
        """Records that we removed since then (history entries with action `remove`)."""
        ...

    def written_since(self, at: datetime) -> Mapping[Side, int]:
        """How many records were written since then, by side; those of each cycle count."""
        ...

    def changed_since(self, at: datetime, kind: str) -> Mapping[Side, int]:
        """How many records cycles of that kind created or changed since then, by side."""
        ...

    def writes_since(self, at: datetime, pair_keys: Collection[int]) -> Sequence[HistoryEntry]:
        """The field writes to these pairs since then, oldest first."""
        ...

    def events(self, since: datetime) -> Sequence[Event]:
        """What happened to appointments since then, newest first; the last `MOST_EVENTS`."""
        ...

    def trouble(self, since: datetime) -> Sequence[tuple[datetime, str]]:
        """When cycles began that did not end well since then, and their outcomes."""
        ...

    def decisions(self) -> list[Decision]:
        """What people decided and no cycle has carried out yet, oldest first."""
        ...

    def announcements(self) -> list[Announcement]:
        """What the vendors announced and no cycle has looked at yet, oldest first."""
        ...

    def decide(self, kind: str, payload: Mapping[str, object], at: datetime) -> int:
        """Queue a decision for the next cycle; gives its id."""
        ...


__all__ = [
    "Author",
    "CycleRow",
    "Decision",
    "HistoryEntry",
    "Hold",
    "Intent",
    "IntentKind",
    "LinkReader",
    "LinkStore",
    "Transaction",
]
