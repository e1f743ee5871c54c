"""From a link's settings to its rules, in the core's words.

`LinkFactory` calls `rules_of`; nothing is asked of anybody.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from syncd.bootstrap import mapped_fields
from syncd.config import LinkSettings
from syncd.core.model import Group, GroupKey, Side, Window
from syncd.core.policy import Direction, Limit, Notify, OnRemoval, Policy, Route, Winner
from syncd.core.status import StatusTable
from syncd.engine.link import Rules

TEXT_GROUPS = (Group.TITLE, Group.DESCRIPTION, Group.ADDRESS)


def rules_of(link: LinkSettings, look_again: timedelta | None = None) -> Rules:
    """Converts the configuration of a link into the core's types."""
    sync = link.sync
    epoch = datetime.fromtimestamp(0, UTC)
    template = Policy(
        location_id=link.ghl.location_id,
        window=Window(since=epoch, until=epoch),
        now=epoch,
        direction=Direction(sync.direction),
        fields=_directions(link) | mapped_fields.directions(link),
        conflict=_winners(link) | mapped_fields.winners(link),
        mapped_fields=tuple(mapped_fields.fields(link)),
        status_echoes=mapped_fields.status_echoes(link),
        first_meeting=Winner(sync.first_meeting),
        ghl_deleted=OnRemoval(sync.ghl_deleted),
        hubspot_archived=OnRemoval(sync.hubspot_archived),
        create_contacts_on=_creates(sync.create_contacts),
        refuse_double_booking=sync.double_booking == "refuse",
        notify=Notify(link.ghl.notify),
        removal_guard=Limit(
            percent=sync.removal_guard.percent, at_least=sync.removal_guard.at_least
        ),
        change_guard=Limit(percent=sync.change_guard.percent, at_least=sync.change_guard.at_least),
        default_calendar=link.ghl.default_calendar,
        default_assignee=link.ghl.default_assignee,
        routes=tuple(
            Route(
                property=route.property,
                value=route.value,
                calendar=route.calendar,
                assignee=route.assignee,
            )
            for route in link.ghl.routes
        ),
        filter={name: tuple(allowed) for name, allowed in link.hubspot.filter.items()},
        sync_series=sync.recurring == "each",
    )
    calendars = frozenset(link.ghl.calendars)
    return Rules(
        template=template,
        past=sync.past,
        future=sync.future,
        recurring_future=sync.recurring_future,
        statuses=StatusTable(
            to_hubspot=dict(link.status.to_hubspot), to_ghl=dict(link.status.to_ghl)
        ),
        statuses_given=link.status.given,
        calendars=calendars,
        show_held=link.hubspot.show_held,
        rotation=sync.rotation,
        look_again=look_again,
    )


def _directions(link: LinkSettings) -> dict[GroupKey, Direction]:
    return {
        Group(name): Direction(getattr(link.fields, name))
        for name in ("title", "time", "status", "description", "address", "owner")
    }


def _winners(link: LinkSettings) -> dict[GroupKey, Winner]:
    conflict = link.sync.conflict
    found: dict[GroupKey, Winner] = {
        Group.TIME: Winner(conflict.time),
        Group.STATUS: Winner(conflict.status),
        Group.OWNER: Winner(conflict.owner),
    }
    return found | {group: Winner(conflict.text) for group in TEXT_GROUPS}


def _creates(setting: str) -> frozenset[Side]:
    return {
        "both": frozenset(Side),
        "hubspot": frozenset({Side.HUBSPOT}),
        "ghl": frozenset({Side.GHL}),
        "none": frozenset[Side](),
    }[setting]
