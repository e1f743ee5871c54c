"""What is synced on a link, and how: its tables `sync`, `fields`, `status` and `map`.

`bootstrap.rules` turns them into the policy and the tables of the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    model_validator,
)

from syncd.config import values
from syncd.config.section import Section
from syncd.config.values import Accepts, Duration, PositiveDuration, duration
from syncd.core import mapped_fields

DEFAULT_TO_HUBSPOT: Mapping[str, str] = {
    "new": "SCHEDULED",
    "confirmed": "SCHEDULED",
    "showed": "COMPLETED",
    "noshow": "NO_SHOW",
    "cancelled": "CANCELLED",
    "invalid": "CANCELLED",
}

DEFAULT_TO_GHL: Mapping[str, values.GhlStatus] = {
    "SCHEDULED": "confirmed",
    "COMPLETED": "showed",
    "NO_SHOW": "noshow",
    "CANCELLED": "cancelled",
}


class ConflictSettings(Section):
    """Who wins where the same field was changed on both sides."""

    whole: ClassVar[bool] = True
    accepts: ClassVar[str] = (
        "newest | ghl | hubspot | hold, or a table of them by time, status, text and owner"
    )

    time: values.Winner = "newest"
    """Start and end."""
    status: values.Winner = "newest"
    """The status."""
    text: values.Winner = "newest"
    """Title, description and address."""
    owner: values.Winner = "newest"
    """The owner."""

    @classmethod
    def as_table(cls, given: object) -> object:
        """One word counts for every group."""
        if isinstance(given, str) and given in get_args(values.Winner):
            return dict.fromkeys(cls.model_fields, given)
        return given

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: object) -> object:
        return cls.as_table(given)


class Guard(Section):
    """A guard stops when both numbers are exceeded."""

    accepts: ClassVar[str] = "a table such as { percent = 20, at_least = 5 }"

    percent: values.Percent
    """More than this share of the link's pairs."""
    at_least: values.Floor
    """And more than this many records."""


class RemovalGuard(Guard):
    """The numbers of the removal guard."""

    percent: values.Percent = 20
    at_least: values.Floor = 5


class ChangeGuard(Guard):
    """The numbers of the change guard."""

    percent: values.Percent = 50
    at_least: values.Floor = 200


class SyncSettings(Section):
    """What is synced, and how differences are settled."""

    direction: values.Way = "both"
    """Which way appointments travel: both | ghl_to_hubspot | hubspot_to_ghl."""
    past: Duration = duration("30d")
    """Appointments that start within [now - past, now + future] are in scope."""
    future: Duration = duration("365d")
    """How far ahead; see past."""
    recurring: Literal["each", "skip"] = "each"
    """Instances of a series: each (as an appointment of its own) | skip."""
    recurring_future: Duration = duration("60d")
    """How far ahead instances are made on the other side."""
    first_sync: Literal["ask", "go"] = "ask"
    """The daemon, at the first cycle of a link with more than 25 writes on a side:
    ask (plan, and wait for a person) | go.
    """
    first_meeting: Literal["ghl", "hubspot", "hold"] = "ghl"
    """Who wins where records meet for the first time and differ: ghl | hubspot | hold."""
    conflict: ConflictSettings = ConflictSettings()
    """Who wins where a field was changed on both sides: newest | ghl | hubspot | hold;
    or by group: { time = "ghl", status = "ghl", text = "newest", owner = "hubspot" }
    """
    ghl_deleted: Literal["archive", "cancel", "ignore"] = "archive"
    """What a deletion in HighLevel does in HubSpot: archive | cancel | ignore."""
    hubspot_archived: Literal["cancel", "delete", "ignore"] = "cancel"
    """What an archive in HubSpot does in HighLevel: cancel | delete | ignore."""
    create_contacts: values.CreateContacts = "both"
    """Make a missing contact: both | hubspot | ghl | none; true and false mean both and none."""
    double_booking: Literal["refuse", "allow"] = "refuse"
    """Bookings, moves and reopenings from HubSpot onto a taken slot: refuse (hold it) | allow."""
    removal_guard: RemovalGuard = RemovalGuard()
    """Stop removals if more than both would be removed within 24 hours."""
    change_guard: ChangeGuard = ChangeGuard()
    """After the first sync: stop if more than both of the pairs
    would be created or changed on a side in one cycle.
    """
    rotation: values.Floor = 100
    """How many known HubSpot records each poll reads again, in turn: it finds archives, merges
    and changed contacts before the next full cycle does. Two requests for each hundred; 0 for none.
    """
    history_keep: PositiveDuration = duration("400d")
    """How long before-and-after values are kept."""


class FieldSettings(Section):
    """Which way each field travels: both | ghl_to_hubspot | hubspot_to_ghl | off."""

    title: values.FieldWay = "both"
    """In HubSpot: hs_appointment_name."""
    time: values.FieldWay = "both"
    """In HubSpot: hs_appointment_start and hs_appointment_end."""
    status: values.FieldWay = "both"
    """In HubSpot: the property that status_property names."""
    description: values.FieldWay = "both"
    """In HubSpot: ghl_description (made by setup)."""
    address: values.FieldWay = "both"
    """In HubSpot: ghl_address (made by setup)."""
    owner: values.FieldWay = "both"
    """In HubSpot: hubspot_owner_id."""


class FieldMap(Section):
    """One more field of HighLevel's appointments, and the HubSpot property that it goes to."""

    accepts: ClassVar[str] = 'a table such as { ghl = "calendarName", hubspot = "clinic_calendar" }'

    ghl: values.GhlField
    """The field in HighLevel: calendarName, appointmentStatus, highlevelLink, hubspotLink, …"""
    hubspot: values.PropertyName
    """The internal name of the HubSpot property, which has to be there."""
    direction: values.FieldWay = "ghl_to_hubspot"
    """both | ghl_to_hubspot | hubspot_to_ghl | off.
    HighLevel takes title, description and address only,
    and only where the field of that name in [fields] is off.
    """
    conflict: values.Winner = "newest"
    """Who wins where both sides changed it: newest | ghl | hubspot | hold."""
    template: values.LinkTemplate = ""
    """For highlevelLink: the address, where yours is another one; it may name
    {location}, {contact}, {appointment} and {calendar}.
    """

    @model_validator(mode="after")
    def _can_flow(self) -> Self:
        writes = self.direction in {"both", "hubspot_to_ghl"}
        if writes and self.ghl not in mapped_fields.WRITABLE:
            takes = ", ".join(mapped_fields.WRITABLE)
            raise ValueError(
                f"HighLevel does not take {self.ghl}, so its direction is ghl_to_hubspot "
                f"(it takes {takes})"
            )
        if self.template and self.ghl != mapped_fields.HIGHLEVEL_LINK:
            raise ValueError(f"template goes with ghl = {mapped_fields.HIGHLEVEL_LINK!r}")
        return self

    @property
    def on(self) -> bool:
        """Whether it flows at all."""
        return self.direction != "off"

    @property
    def into_ghl(self) -> bool:
        """Whether it writes to HighLevel."""
        return self.direction in {"both", "hubspot_to_ghl"}


def _names_all_six(table: Mapping[str, str]) -> Mapping[str, str]:
    missing = [name for name in get_args(values.GhlStatus) if name not in table]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} missing: a table that is given replaces the default one "
            "and names all six statuses"
        )
    return table


class StatusSettings(Section):
    """How statuses are translated; a table that is given replaces the default one."""

    to_hubspot: Annotated[
        Mapping[values.GhlStatusKey, values.PropertyValue],
        AfterValidator(_names_all_six),
        Accepts(words='a table: new = "SCHEDULED", …, for all six HighLevel statuses'),
    ] = DEFAULT_TO_HUBSPOT
    """HighLevel status to HubSpot value.
    A table that is given replaces this one and names all six statuses,
    each with a value that the account has.
    """
    to_ghl: Annotated[
        Mapping[str, values.GhlStatus],
        Accepts(words='a table from HubSpot values to HighLevel statuses: SCHEDULED = "confirmed"'),
    ] = DEFAULT_TO_GHL
    """HubSpot value to HighLevel status; a table that is given replaces this one.
    A record whose value is in neither table is held.
    """

    @property
    def given(self) -> bool:
        """Whether `to_hubspot` was configured: then a value that the account lacks is an error."""
        return "to_hubspot" in self.model_fields_set
