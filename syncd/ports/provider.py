"""What the engine asks of a side: one port, two adapters, and the sandbox behind both.

The engine calls this; `syncd.providers.ghl` and `syncd.providers.hubspot`
implement it. Values are in the side's own words (status, owner and contact
ids): carrying them across is the core's work. An adapter owns its retries,
its rate budget and its batching; what it raises is a `ProviderError`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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

    HighLevel: every event of `calendars` (empty: every active calendar) that
    starts in `window`; there is no incremental form, so `cursor` is ignored.
    HubSpot: with a `cursor`, what changed since, by search; without one, a
    full sweep by list, archived records included.
    """

    window: Window
    cursor: str = ""
    calendars: frozenset[str] = frozenset()
    made_before: datetime | None = None
    """HubSpot, with a cursor: a further look within a cycle. Records that carry an identity and
    were made from that instant on are this cycle's own and left out, and the search does not reach
    back behind the cursor further than clocks may differ: the next cycle's does."""


class CommandKind(StrEnum):
    """What a write does."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    """HighLevel: delete. HubSpot: archive. (A cancellation is an UPDATE of the status.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The identity that a HubSpot record carries: `ghl_appointment_id`, `ghl_location_id`."""

    ghl_id: str
    location_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCommand:
    """One write, complete in itself, in the words of the side that it is for.

    Only `groups` of `wanted` are written (all that are not empty, for a
    CREATE). `seen` is the record that the plan was made from: the adapter
    reads the record again just before writing, and answers `errors.Stale`
    where one of the groups `rests` shows something else than `seen`. The `id`
    of a CREATE is the removed record that it stands for; where that one lives
    again, the answer is `Stale` as well. HighLevel updates re-send the status
    that was read just then, unless the status itself is written.
    """

    key: str
    """Unique within the store's life; HubSpot's `objectWriteTraceId`."""
    kind: CommandKind
    id: str = ""
    wanted: Appointment = field(default_factory=Appointment)
    groups: frozenset[GroupKey] = frozenset()
    seen: Snapshot | None = None
    rests: frozenset[GroupKey] = frozenset()
    """The groups of `seen` that the decision rests on; those that are written always count, and
    all of them for a REMOVE."""
    gives_way: bool = False
    """HubSpot: a group that shows something else than `seen` is left out, the rest is written."""
    mark: Mark | None = None
    """HubSpot only: also write these two properties."""
    replaced: str = ""
    """HubSpot only, where the contact is written: the one whose place it takes. Others that are
    associated beside it stay."""
    calendar: str = ""
    """HighLevel CREATE: the calendar to book on."""
    validate_slot: bool = False
    """HighLevel: the vendor's slot validation is wanted (bookings are checked against free
    slots first; the offered slot string is sent verbatim). A taken slot refuses a CREATE whole
    and, of an UPDATE, the time only: the other groups are still written."""
    reopens: bool = False
    """HighLevel UPDATE: the status makes the record take a slot again. No page says
    that the vendor checks it, so free slots are asked first; a taken one refuses the status."""
    notify: bool = False
    """HighLevel: `toNotify`."""


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
    write: what the answer said, or what was sent where the answer is silent.
    For a CREATE that is every group, filled in by the vendor or not, and `id`
    is the new record's.
    """

    key: str
    id: str
    returned: Appointment
    updated_at: datetime | None = None
    before: Snapshot | None = None
    """Of an UPDATE: the record as it was read just before it was written."""
    refused: tuple[Refusal, ...] = ()
    external_id_refused: bool = False
    """HubSpot: an archived record holds the unique value, so the mark was left out."""
    unlinked: bool = False
    """HubSpot CREATE: its own address is wanted in a property, which a mark writes."""


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
class Look:
    """What a look at the ground of some orders came to."""

    standing: Sequence[WriteCommand] = ()
    """May be sent now."""
    fallen: Sequence[Failed] = ()
    """May not: what they rest on has changed, or could not be read."""


class Preconditions:
    """What orders rest on beside the record that they write; this one always stands.

    The engine's own is `engine.ground.Preconditions`. An adapter asks it right before
    it sends, from any thread.
    """

    def look(self, commands: Sequence[WriteCommand]) -> Iterator[Look]:
        """Read again what these orders rest on; every order is in one of the answers.

        They come in parts, each to be sent at once, because reading may take a while.
        """
        yield Look(standing=commands)

    def verify(self, commands: Sequence[WriteCommand], read_at: float | None = None) -> None:
        """Asked with the place in the rate budget in hand, before each request that writes.

        `read_at` is when the adapter itself read the records (monotonic seconds).

        Raises:
            LinkLocked: the link is another's by now.
            Outdated: it is too long ago that the records were read.
        """


FIRM = Preconditions()


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

    def available(self, within: float = 0.0) -> int:
        """How many requests could be sent within so many seconds, as far as this process knows."""
        ...

    @property
    def skew_seconds(self) -> float | None:
        """How far the vendor's clock was ahead of ours at its last answer, if it said."""
        ...

    def prepare(self) -> Account:
        """Read what the account looks like, and check that it can be synced.

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

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """HubSpot: the records that carry these HighLevel ids, by id asked for.

        A `Missing` says why there is no answer for an id; one that nothing carries is left out.
        HighLevel has no such property and answers with an empty mapping.
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

    def write(
        self,
        commands: Iterable[WriteCommand],
        goes_on: Callable[[], bool] = lambda: True,
        spare: Callable[[], int] = lambda: 0,
        ground: Preconditions = FIRM,
    ) -> Iterator[Receipt]:
        """Carry out writes; one receipt each, in any order, as they come.

        Orders are taken as fast as they can be sent, and no faster, so that
        the engine decides late what goes next. They are taken, and receipts
        given, in the thread that iterates. While a place in the rate budget
        has to be waited for, `goes_on` is asked now and then; once it says no,
        no further order is taken, and what was taken is finished. So many
        places as `spare` says are left to others. `ground` is asked before
        anything is sent.

        Never raises for a single record. `AuthFailed`, `DailyBudgetSpent` and
        an unreachable vendor are raised once no further write can succeed;
        orders without a receipt by then were not sent.
        """
        ...

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """When each group of these records was last changed, where the vendor tells.

        HubSpot: property history, one batch for all. HighLevel: nothing but
        the record's own `updated_at`, so an empty mapping.
        """
        ...

    def bookings_of(self, contact: str) -> tuple[Snapshot, ...]:
        """The appointments of a contact, to find again what we made, or what somebody made.

        HubSpot finds its own by `find_by_external_id`, but for a record that had to do
        without its id because an archived one keeps it.

        Raises:
            NotFound: HighLevel knows no such contact.
            Unreadable, Rejected: of this contact nothing can be told now.
        """
        ...

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, ProviderError]]:
        """HubSpot: the ids of the living records of these contacts, in batches, by contact.

        And why those of others cannot be read. HighLevel has no such batch and answers empty.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
