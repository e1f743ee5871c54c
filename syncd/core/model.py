"""The nouns of syncd: values that every other module speaks in.

Used everywhere, knows nothing: no clock, no I/O, no library. All values are
frozen; instants are aware UTC, to the second but for stamps. The core says *ghl* and
*hubspot*; each side's records keep that side's own vocabulary (status words,
owner and contact ids), and `translate` is what carries a value across.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Side(StrEnum):
    """One of the two systems."""

    GHL = "ghl"
    HUBSPOT = "hubspot"

    @property
    def other(self) -> Side:
        """The other side."""
        return Side.HUBSPOT if self is Side.GHL else Side.GHL

    @property
    def label(self) -> str:
        """The system's name, as people write it."""
        return "HighLevel" if self is Side.GHL else "HubSpot"


class Group(StrEnum):
    """What changes together or not at all: start and end are one group.

    Mapped fields (`Appointment.mapped_fields`) are groups of their own, named
    `x:` and the name that the configuration gives them.
    """

    TITLE = "title"
    TIME = "time"
    STATUS = "status"
    DESCRIPTION = "description"
    ADDRESS = "address"
    OWNER = "owner"
    CONTACT = "contact"


GroupKey = str
"""A Group, or `x:<name>` of a mapped field (members of a StrEnum are strings)."""

MAPPED_PREFIX = "x:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """The synced fields of one record, as its own side writes them.

    `""` means absent. `start` and `end` are aware UTC to the second. `status`
    is a HighLevel status (`new`, `confirmed`, …) or the account's HubSpot
    value; `owner` a HighLevel user id or a HubSpot owner id; `contact` the
    contact id of that side that the appointment is for. `mapped_fields` are further
    mapped fields as sorted (name, value) tuples.
    """

    title: str = ""
    start: datetime | None = None
    end: datetime | None = None
    status: str = ""
    description: str = ""
    address: str = ""
    owner: str = ""
    contact: str = ""
    mapped_fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Where an instance of a recurring HighLevel appointment belongs."""

    master: str
    """Id of the series' master event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """A part of a record that cannot be understood: its group is left alone."""

    group: GroupKey
    reason: str
    """One of `REASONS`: `missing_time`, `unreadable`, …"""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One record as a vendor showed it at one moment.

    `gone` is the vendor's positive word that the record was removed
    (HighLevel: `deleted: true`; HubSpot: `archived: true`).
    """

    side: Side
    id: str
    appointment: Appointment
    contacts: tuple[str, ...] = ()
    """Every contact of that side that the record is associated with, in the vendor's order."""
    updated_at: datetime | None = None
    """As fine as the vendor tells it."""
    created_at: datetime | None = None
    gone: bool = False
    calendar: str = ""
    """HighLevel: the calendar that it is booked on."""
    external_id: str = ""
    """HubSpot: the value of `ghl_appointment_id`."""
    location_id: str = ""
    """HubSpot: the value of `ghl_location_id`; HighLevel: its own location."""
    series: Series | None = None
    by_api: bool = False
    """HighLevel: made through the API, by us or others (`createdBy.source` is `third_party`)."""
    unlinked: bool = False
    """HubSpot: its own address is wanted in a property, and does not stand there."""
    filter_properties: Mapping[str, str] = field(default_factory=dict)
    """HubSpot: the raw values of the properties that `filter` and `routes` name."""
    field_errors: tuple[FieldError, ...] = ()

    def carries(self, ghl_id: str, location_id: str) -> bool:
        """HubSpot: whether it carries this identity, and its own address where that is wanted."""
        carried = self.external_id == ghl_id and self.location_id == location_id
        return carried and not self.unlinked


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A record that was asked for by id and was not shown.

    `became` is the id of the record that it was merged into, where the vendor
    answers with another id. A missing record is *unseen*, never *gone*.
    """

    detail: str
    became: str = ""
    absent: bool = False
    """The vendor's own word that it has no such record, removed ones included."""
    unread: bool = False
    """There is no word at all: asking failed, and is worth repeating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The span of start times that is in scope; both ends included."""

    since: datetime
    until: datetime

    def holds(self, start: datetime | None) -> bool:
        """Whether an appointment that starts then is in scope."""
        return start is not None and self.since <= start <= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one poll of one side saw, and what it can vouch for.

    `complete` says that every record of the link in the window was listed, so
    that a known record which is not among `snapshots` is worth asking for by
    id. It never proves a removal. `cursor` is where the next incremental poll
    starts; it is committed last.
    """

    side: Side
    snapshots: tuple[Snapshot, ...] = ()
    complete: bool = False
    calendars: frozenset[str] = frozenset()
    """HighLevel: the calendars whose list came back whole."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(id, detail) of records that could not be understood at all."""
    failures: tuple[str, ...] = ()
    """Parts that could not be read and will be tried again, as text for a person."""
    refused: frozenset[str] = frozenset()
    """Of the parts that failed, those that were refused for good: asking again cannot help."""
    cursor: str = ""

    @property
    def whole(self) -> bool:
        """Whether every record that could be somebody's twin was listed and understood."""
        return self.complete and not self.failures and not self.unreadable

    @property
    def passing(self) -> bool:
        """Whether a part failed that a later reading may show."""
        return len(self.failures) > len(self.refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A HighLevel calendar, as far as booking on it goes."""

    id: str
    name: str = ""
    active: bool = True
    kind: str = ""
    """HighLevel's `calendarType`: round_robin, event, class_booking, collective, personal, …"""
    team: tuple[str, ...] = ()
    """User ids that may be assigned; empty where the calendar has no team."""
    primary: str = ""
    """The primary team member, or the first one; "" without a team."""
    slot_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A HighLevel user or a HubSpot owner; matched by e-mail."""

    id: str
    email: str = ""
    name: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact of one side; `id` is "" for one that is not created yet.

    `emails` holds every address, primary first, as the vendor writes them;
    `phones` are E.164 where they could be read so, else digits as given.
    """

    id: str = ""
    first_name: str = ""
    last_name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """First and last name in one string."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a side's account looks like: read once per cycle, before polling."""

    side: Side
    people: tuple[Person, ...] = ()
    people_unread: bool = False
    """Whether `people` could not be read: then nothing follows from who is not among them."""
    calendars: tuple[Calendar, ...] = ()
    """HighLevel: every calendar of the location, inactive ones included."""
    timezone: str = "UTC"
    country: str = ""
    """HighLevel: ISO 3166 code of the location, for reading national phone numbers."""
    status_values: tuple[str, ...] = ()
    """HubSpot: the values that the status property accepts, in the account's spelling."""
    status_property: str = ""
    """HubSpot: the property that holds the status."""
    warnings: tuple[str, ...] = ()


_SOON = timedelta(seconds=2)
"""So far a stamp may be from a write whose answer did not tell it."""


class Response(StrEnum):
    """What was done to the other record of a pair when one was removed."""

    NOTHING = "nothing"
    AGREED = "agreed"
    """Nothing: the other record was cancelled already, which says the same."""
    CANCELLED = "cancelled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A deletion that a pair has settled."""

    gone: frozenset[Side]
    response: Response = Response.NOTHING
    """What syncd did to the record on the other side, if anything."""
    status_before: str = ""
    """With CANCELLED: the status that the other record had, in its own words."""
    status_agreed: str = ""
    """With AGREED: the cancelled status that the other record has, in its own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """Our last write to one side of a pair, as far as it can be taken for an edit."""

    at: datetime
    """By our clock."""
    groups: frozenset[GroupKey] = frozenset()
    """What was written, and what showed just before what was agreed: what differs from the
    agreement at the first look after it, with that same stamp, is the vendor's doing."""
    stamp: datetime | None = None
    """The vendor's stamp that it left; None where its answer did not tell."""
    before: datetime | None = None
    """The stamp before it, which somebody else's edit had left."""

    def left(self, stamp: datetime | None, skew: timedelta) -> bool:
        """Whether this write left the stamp: then nobody edited the record since.

        `skew` is how far the vendor's clock is ahead of ours.
        """
        if stamp is None:
            return False
        if self.stamp is not None:
            return stamp <= self.stamp
        return abs(stamp - skew - self.at) <= _SOON


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two records that are one appointment, and what was last agreed of them.

    `ghl` and `hubspot` are the agreement as each side shows it: for the fields
    that we wrote, what the vendor's answer returned; for all others, what we
    had read. `version` counts agreements, so that A-B-A-B is four operations.
    `key` is 0 until the store has given it one.
    """

    key: int = 0
    ghl_id: str
    hubspot_id: str
    ghl: Appointment
    hubspot: Appointment
    version: int = 1
    calendar: str = ""
    series: Series | None = None
    removal: Removal | None = None
    open: frozenset[GroupKey] = frozenset()
    """Groups that the two sides have never agreed on yet: judged as a first meeting."""
    has_external_id: bool = False
    """Whether the HubSpot record is known to carry this pair's id and location."""
    external_id_taken: bool = False
    """The unique value belongs to an archived record: writing it is not tried again."""
    owner_by_us: Side | None = None
    """The side whose owner syncd wrote last, while nobody has changed it since."""
    wrote_ghl: Wrote | None = None
    wrote_hubspot: Wrote | None = None

    @property
    def ids(self) -> tuple[str, str]:
        """The (ghl, hubspot) ids."""
        return self.ghl_id, self.hubspot_id

    def wrote_on(self, side: Side) -> Wrote | None:
        """Our last write to that side, where it is known."""
        return self.wrote_ghl if side is Side.GHL else self.wrote_hubspot

    def id_on(self, side: Side) -> str:
        """The record's id on that side."""
        return self.ghl_id if side is Side.GHL else self.hubspot_id

    def shown_on(self, side: Side) -> Appointment:
        """The agreement as that side shows it."""
        return self.ghl if side is Side.GHL else self.hubspot

    def gone_on(self, side: Side) -> bool:
        """Whether the pair has settled a deletion on that side."""
        return self.removal is not None and side in self.removal.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPair:
    """Two contacts known to be one person."""

    ghl_id: str
    hubspot_id: str


REASONS = (
    "no_contact",
    "ambiguous_match",
    "possible_duplicate",
    "ambiguous_contact",
    "no_default_calendar",
    "slot_taken",
    "unknown_status",
    "conflict",
    "missing_time",
    "rejected",
    "removal_guard",
    "contact_changed",
    "outside_team",
    "unreadable",
    "oscillation",
)
"""Why a record waits for a person: the closed list; `docs/held.md` explains each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A record, or one group of a pair, that waits for a person or for its cause to go.

    Planning decides it; the store adds since when it waits, and when it is tried again.
    """

    reason: str
    """One of `REASONS`."""
    detail: str
    ghl_id: str = ""
    hubspot_id: str = ""
    group: GroupKey = ""
    """"" where the whole record is held."""
    starts_at: datetime | None = None
    title: str = ""
    """What the record is called, where that is known; a person's data."""
    fingerprint: str = ""
    """Of the record when it was held; a change ends the hold at once."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What each side wants, for a person: {"ghl": …, "hubspot": …}."""
    candidates: tuple[str, ...] = ()
    """Of a doubt: the unpaired records of the other side that it may belong to. Of a doubtful
    contact: the HubSpot contacts that it may be for."""
    since: datetime | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    """Only refused writes wait: not before this instant, unless the record changed."""

    @staticmethod
    def of(pair: Pair, group: GroupKey, reason: str, detail: str, shown: Appointment) -> Hold:
        """A hold of a pair, or of one of its groups."""
        return Hold(
            reason=reason,
            detail=detail,
            ghl_id=pair.ghl_id,
            hubspot_id=pair.hubspot_id,
            group=group,
            starts_at=shown.start,
            title=shown.title,
        )

    @property
    def ids(self) -> tuple[str, str]:
        """The (ghl, hubspot) ids of the held record, "" where there is none."""
        return self.ghl_id, self.hubspot_id

    @property
    def key(self) -> tuple[str, str, GroupKey, str]:
        """What tells it from the other holds of a link: its ids, group and reason."""
        return self.ghl_id, self.hubspot_id, self.group, self.reason
