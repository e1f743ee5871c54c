"""What the engine asks of a side: one port, implemented once for each vendor.

The engine calls this, the packages of `syncd.providers` implement it. Values
are in the side's own terms (status, owner and contact ids): translating them
is the core's work. An adapter owns its retries, its rate budget and its
batches; what it raises is a `ProviderError`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from syncd.core.model import (
    Account,
    Appointment,
    Contact,
    GroupKey,
    Missing,
    Scan,
    Side,
    Snapshot,
    Window,
)
from syncd.errors import ProviderError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """What a poll wants to see.

    A side without an incremental form lists every event of `calendars` (empty:
    every active calendar) that starts in `window`, whatever the `cursor`. One
    that has it gives what changed since the `cursor`, whatever the window;
    without a cursor, everything, archived records included.
    """

    window: Window
    cursor: str = ""
    calendars: frozenset[str] = frozenset()
    created_before: datetime | None = None
    """With a cursor: a further poll within a cycle. Records that hold an external id and were
    created from that instant on are this cycle's own and left out, and the search does not reach
    back behind the cursor further than clocks may differ: the next cycle's does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPoll:
    """A poll during a backfill, for which writing pauses (moments are monotonic seconds)."""

    requests: int
    earliest: float
    latest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Records as they are now, as many as could be read without waiting for the rate budget."""

    at: float
    """When the first one was requested (monotonic seconds)."""
    asked: Collection[str]
    """The ids that were asked for, at least one; the others are left for another reading."""
    records: Mapping[str, Snapshot | Missing] = field(default_factory=dict)
    error: ProviderError | None = None
    """Why none of them could be read."""


class CommandKind(StrEnum):
    """What a write does."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    """Delete or archive, as the side does. (A cancellation is an UPDATE of the status.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIds:
    """The ids of the other side that a record holds: of its appointment and of its location."""

    ghl_id: str
    location_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCommand:
    """One write, complete in itself, in the terms of the side that is written.

    Only `groups` of `wanted` are written (all that are not empty, for a
    CREATE). `seen` is the record that the plan was made from: the adapter
    reads the record again just before writing, and answers `errors.Stale`
    where one of the groups `depends_on` differs from `seen`. The `id` of a
    CREATE is the removed record that it replaces; where that one is active
    again, the answer is `Stale` as well. A side that resets the status with an
    update gets the status that was read just then, unless it is written itself.
    """

    key: str
    """Unique within the store's life; batches are traced by it."""
    kind: CommandKind
    id: str = ""
    wanted: Appointment = field(default_factory=Appointment)
    groups: frozenset[GroupKey] = frozenset()
    seen: Snapshot | None = None
    depends_on: frozenset[GroupKey] = frozenset()
    """The groups of `seen` that the decision depends on; those that are written always count, and
    all of them for a REMOVE."""
    skip_changed: bool = False
    """A group that differs from `seen` is left out, and the rest is written."""
    external_ids: ExternalIds | None = None
    """Where the side stores external ids: write these as well."""
    replaced: str = ""
    """Where the contact is written: the contact that it replaces. Others that are associated
    with the record stay."""
    calendar: str = ""
    """CREATE on a side with calendars: the calendar to book on."""
    validate_slot: bool = False
    """The vendor's slot validation is wanted: bookings are checked against free slots first. A
    taken slot refuses a CREATE whole and, of an UPDATE, the time only: the other groups are still
    written."""
    reopens: bool = False
    """UPDATE: the status makes the record take a slot again. No vendor's page says that this is
    checked, so free slots are asked first; a taken one refuses the status."""
    notify: bool = False
    """The vendor is to notify the contact."""
    note: str | None = None
    """UPDATE: what the record's own note is to say, beside everything that is synced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A group that the vendor would not take, while the rest of the write went through."""

    group: GroupKey
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The write took effect.

    `returned` holds what the side shows for the written groups after the
    write: the values of the answer, or those that were sent where the answer
    leaves them out. For a CREATE that is every group, filled in by the vendor
    or not, and `id` is the new record's.
    """

    key: str
    id: str
    returned: Appointment
    updated_at: datetime | None = None
    before: Snapshot | None = None
    """Of an UPDATE: the record as it was read just before it was written."""
    refused: tuple[Refusal, ...] = ()
    external_id_refused: bool = False
    """Another record holds the unique external id, so it was left out."""
    needs_record_link: bool = False
    """CREATE: the record's own address is to be stored in it, by a further write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The write did not take effect, or (`errors.TimedOut` with `sent`) may have."""

    key: str
    error: ProviderError


Receipt = Done | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """When a group of a record was last changed on its side; for the `newest` policy."""

    group: GroupKey
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCommands:
    """Commands whose preconditions were read again."""

    valid: Sequence[WriteCommand] = ()
    """May be sent now."""
    failed: Sequence[Failed] = ()
    """May not: what they depend on has changed, or could not be read."""


class WriteChecks:
    """What an adapter asks while it writes, from any thread; these let everything pass.

    The engine's own are `engine.apply.preconditions.Preconditions`.
    """

    def cancelled(self, side: Side) -> bool:  # noqa: ARG002 - for those that override it
        """Whether to take no further command; asked while a write waits for the rate budget."""
        return False

    def recheck(self, commands: Sequence[WriteCommand]) -> Iterator[CheckedCommands]:
        """Read again what these commands depend on beside the record that they write.

        Every command is in one of the answers. They come in parts, each to be
        sent at once, because reading may take a while.
        """
        yield CheckedCommands(valid=commands)

    def verify(self, commands: Sequence[WriteCommand], read_at: float | None = None) -> None:
        """Called before each request that writes, once the rate budget permits it.

        `read_at` is when the adapter itself read the records (monotonic seconds).

        Raises:
            LinkLocked: another process holds the link by now.
            Outdated: it is too long ago that the records were read.
        """


NO_CHECKS = WriteChecks()


class Provider(Protocol):
    """One side of a link."""

    @property
    def side(self) -> Side:
        """Which side this is."""
        ...

    @property
    def requests(self) -> int:
        """Every attempt sent since this object was made, retries included."""
        ...

    @property
    def skew_seconds(self) -> float | None:
        """How far the vendor's clock was ahead of ours at its last answer; None if unknown."""
        ...

    def prepare(self, *, cached: bool = False) -> Account:
        """Read what the account looks like, and check that it can be synced.

        With `cached`, as it was read last, however long ago; read now where it never was.

        Raises:
            NotPrepared: something that a person has to make or switch on.
            AuthFailed: credentials refused, or a scope is missing.
            Transient: the vendor cannot be reached.
        """
        ...

    def scan(self, request: ScanRequest) -> Scan:
        """Read what the request asks for; parts that fail are in `Scan.failures`."""
        ...

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """Ask for records by id; answers for every id, removed ones included (`gone`)."""
        ...

    def reread(self, ids: Collection[str]) -> Reading:
        """Read records right before a write, once the rate budget permits it at once."""
        ...

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """The records that hold these external ids, by external id.

        A `Missing` gives the reason where there is no answer for an id; one that no record holds
        is left out. A side without external ids answers with an empty mapping.
        """
        ...

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact | ProviderError]:
        """Contacts by id; unknown ids are left out. A merged contact answers with its new id.

        One that cannot be read is there with the reason: it is not unknown.
        """
        ...

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | ProviderError]:
        """Contacts by e-mail (letter case ignored, secondary addresses included) and by phone.

        `phones` are E.164. Answers for every given e-mail and phone as given;
        an empty tuple where there is none, and the reason where that is not known.
        """
        ...

    def create_contacts(self, contacts: Sequence[Contact]) -> Sequence[Contact | ProviderError]:
        """Make contacts with name, e-mail and phone only; never alters an existing one.

        Answers for each, in the order given: the contact that was made, or the
        existing one, untouched, where the vendor says that the address is
        taken; or why it could not be made.

        Raises:
            AuthFailed, DailyBudgetSpent, Unavailable: no further one can succeed.
        """
        ...

    def reserve(self, poll: NextPoll | None, *, spare: int = 0) -> None:
        """Keep capacity for a poll from now on, or for none; `write` pauses where it is due.

        Writing leaves `spare` further requests free for reading in between.

        Sides that write in batches always have enough: they do nothing here.
        """
        ...

    def write(
        self, commands: Iterable[WriteCommand], checks: WriteChecks = NO_CHECKS
    ) -> Iterator[Receipt]:
        """Carry out writes; one receipt each, in any order, as they come.

        Commands are taken as fast as the rate budget permits, and no faster,
        so that the engine decides late what goes next. They are taken, and
        receipts given, in the thread that iterates. Once `checks` cancel the
        write, or the poll is due for which capacity was reserved, no further
        command is taken, and those that were taken are finished.

        Never raises for a single record. `AuthFailed`, `DailyBudgetSpent` and
        an unreachable vendor are raised once no further write can succeed;
        commands without a receipt by then were not sent.
        """
        ...

    def write_notes(self, notes: Mapping[str, str]) -> Mapping[str, Receipt]:  # noqa: ARG002
        """Have records say why they are held, by id; an empty note takes it away.

        A side without such a property answers for none. Raises as `write` does.
        """
        return {}

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """When each group of these records was last changed.

        A side without a history of its fields answers with an empty mapping.
        """
        ...

    def bookings_of(self, contact: str, starts: Collection[datetime] = ()) -> tuple[Snapshot, ...]:
        """The appointments of a contact, to find again what we created, or what a person did.

        With `starts`, those that start then are enough: others may be left out.

        Raises:
            NotFound: there is no such contact.
            Unreadable, Rejected: they cannot be read now.
        """
        ...

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, ProviderError]]:
        """The ids of the active records of these contacts, by contact, and errors by contact.

        A side that cannot read them in batches answers with empty mappings.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
