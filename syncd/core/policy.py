"""Who wins, what may be removed, and how much of it: the link's rules as plain values.

`bootstrap` makes a `Policy` from the configuration; plan and observe ask it.
Leaves out how a value is said on the other side: `translate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import or_

from syncd.core.model import MAPPED_PREFIX, Group, GroupKey, Side, Snapshot, Window


class Direction(StrEnum):
    """Which way a field, or a whole link, flows."""

    BOTH = "both"
    GHL_TO_HUBSPOT = "ghl_to_hubspot"
    HUBSPOT_TO_GHL = "hubspot_to_ghl"
    OFF = "off"

    def reaches(self, side: Side) -> bool:
        """Whether values flow onto that side."""
        if self is Direction.BOTH:
            return True
        wanted = Direction.HUBSPOT_TO_GHL if side is Side.GHL else Direction.GHL_TO_HUBSPOT
        return self is wanted


class Winner(StrEnum):
    """Who wins where both sides changed a field, or meet for the first time and differ."""

    NEWEST = "newest"
    GHL = "ghl"
    HUBSPOT = "hubspot"
    HOLD = "hold"


class OnRemoval(StrEnum):
    """What a removal on one side does to the other side's record."""

    ARCHIVE = "archive"
    DELETE = "delete"
    CANCEL = "cancel"
    IGNORE = "ignore"


class Notify(StrEnum):
    """When HighLevel's automations may run for a write of ours."""

    NEVER = "never"
    LIVE = "live"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A guard: tripped by more than `percent` of the pairs *and* more than `at_least`."""

    percent: float
    at_least: int

    def tripped(self, count: int, pairs: int) -> bool:
        """Whether so many of so many pairs is too much for one go."""
        return count > self.at_least and count * 100 > self.percent * pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The calendar for HubSpot records whose property has this value."""

    property: str
    value: str
    calendar: str = ""
    assignee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a person decided about one record, for what it shows now."""

    keep: Mapping[GroupKey, Side] = field(default_factory=dict)
    """Whose value wins, for each contested group that the person was shown."""
    pair_with: str = ""
    separate: bool = False
    contact: str = ""
    book_anyway: bool = False
    ignore: bool = False

    def __or__(self, other: Override) -> Override:
        """Both; where they disagree, this one."""
        return Override(
            keep={**other.keep, **self.keep},
            pair_with=self.pair_with or other.pair_with,
            separate=self.separate or other.separate,
            contact=self.contact or other.contact,
            book_anyway=self.book_anyway or other.book_anyway,
            ignore=self.ignore or other.ignore,
        )


NO_OVERRIDE = Override()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one link."""

    location_id: str
    window: Window
    now: datetime
    direction: Direction = Direction.BOTH
    fields: Mapping[GroupKey, Direction] = field(default_factory=dict)
    """Per group; a group that is not named flows both ways."""
    conflict: Mapping[GroupKey, Winner] = field(default_factory=dict)
    """Per group; a group that is not named goes to the newest."""
    mapped_fields: tuple[str, ...] = ()
    """Names of the mapped fields."""
    status_echoes: tuple[GroupKey, ...] = ()
    """The mapped fields, as groups, that show HighLevel's own status word in HubSpot."""
    first_meeting: Winner = Winner.GHL
    ghl_deleted: OnRemoval = OnRemoval.ARCHIVE
    hubspot_archived: OnRemoval = OnRemoval.CANCEL
    create_contacts_on: frozenset[Side] = frozenset(Side)
    refuse_double_booking: bool = True
    notify: Notify = Notify.NEVER
    first_sync: bool = False
    """Whether this cycle is the link's first: none of its changes are fresh ones by people."""
    removal_guard: Limit = field(default_factory=lambda: Limit(percent=20, at_least=5))
    change_guard: Limit = field(default_factory=lambda: Limit(percent=50, at_least=200))
    default_calendar: str = ""
    default_assignee: str = ""
    routes: tuple[Route, ...] = ()
    filter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sync_series: bool = True
    series_until: datetime | None = None
    """Instances of a series that start later are not created on the other side yet."""
    overrides: Mapping[str, Override] = field(default_factory=dict)
    """By record id of either side."""

    @property
    def groups(self) -> tuple[GroupKey, ...]:
        """Every group that merge looks at, contact last."""
        fixed = (
            Group.TITLE,
            Group.TIME,
            Group.STATUS,
            Group.DESCRIPTION,
            Group.ADDRESS,
            Group.OWNER,
        )
        return (*fixed, *(f"{MAPPED_PREFIX}{name}" for name in self.mapped_fields))

    def flows_late(self, group: GroupKey) -> bool:
        """Whether HubSpot shows it only once HighLevel has it: a mapped field, one way."""
        to_hubspot, to_ghl = (self.may_write(group, side) for side in (Side.HUBSPOT, Side.GHL))
        return group.startswith(MAPPED_PREFIX) and to_hubspot and not to_ghl

    def may_write(self, group: GroupKey, side: Side) -> bool:
        """Whether the group's values flow onto that side."""
        return self.direction.reaches(side) and self.fields.get(group, Direction.BOTH).reaches(side)

    def winner(self, group: GroupKey) -> Winner:
        """Who wins a conflict in that group."""
        return self.conflict.get(group, Winner.NEWEST)

    def on_removal_at(self, side: Side) -> OnRemoval:
        """What a removal on that side does to the other side's record."""
        if not self.direction.reaches(side.other):
            return OnRemoval.IGNORE
        return self.ghl_deleted if side is Side.GHL else self.hubspot_archived

    def override(self, *ids: str) -> Override:
        """What a person decided about these records, the first ones first."""
        if not self.overrides:
            return NO_OVERRIDE
        found = (self.overrides[each] for each in ids if each in self.overrides)
        return reduce(or_, found, NO_OVERRIDE)

    def belongs(self, record: Snapshot) -> bool:
        """Whether a HubSpot record is this link's: by its location, else by the filter."""
        if record.location_id:
            return record.location_id == self.location_id
        return all(
            record.filter_properties.get(name, "") in allowed
            for name, allowed in self.filter.items()
        )

    def makes_instance(self, record: Snapshot) -> bool:
        """Whether an instance of a series is created on the other side; true for other records."""
        start = record.appointment.start
        if record.series is None:
            return True
        soon = self.series_until is None or start is None or start <= self.series_until
        return self.sync_series and soon

    def route(self, record: Snapshot) -> Route:
        """The calendar for HubSpot records: the first matching route, else the defaults."""
        for route in self.routes:
            if record.filter_properties.get(route.property, "") == route.value:
                return Route(
                    property=route.property,
                    value=route.value,
                    calendar=route.calendar or self.default_calendar,
                    assignee=route.assignee or self.default_assignee,
                )
        return Route(
            property="", value="", calendar=self.default_calendar, assignee=self.default_assignee
        )

    def notifies(self, is_fresh: Callable[[], bool]) -> bool:
        """Whether a write lets automations run; `is_fresh` tells a person's fresh change."""
        if self.notify is not Notify.LIVE:
            return self.notify is Notify.ALWAYS
        return not self.first_sync and is_fresh()
