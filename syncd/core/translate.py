"""Translation of one field: what a value of one side is on the other.

Merge and plan ask; nobody else does. The `Translator` holds what the two
accounts look like in this cycle. Leaves out who may write what: `policy`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from syncd.core.essence import Value
from syncd.core.model import Appointment, Calendar, Group, GroupKey, Side
from syncd.core.status import StatusTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """The value as the other side writes it."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepTarget:
    """The value says nothing to the other side, which keeps what it has."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Untranslatable:
    """The value cannot be carried across: the group is held."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What it is called across cannot be known now: nothing is concluded until it can."""


Translation = Translated | KeepTarget | Untranslatable | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Translator:
    """The translations of this cycle: statuses, people, contacts, calendars."""

    statuses: StatusTable
    owner_of_user: Mapping[str, str] = field(default_factory=dict)
    """HighLevel user id → HubSpot owner id, matched by e-mail."""
    user_of_owner: Mapping[str, str] = field(default_factory=dict)
    people_unread: bool = False
    """Whether the people of a side could not be read: who is missing here may be there."""
    contacts: Mapping[str, str] = field(default_factory=dict)
    """HighLevel contact id → HubSpot contact id, as far as known in this cycle."""
    merged: Mapping[str, str] = field(default_factory=dict)
    """HubSpot contact ids that were merged: old id → the id that lives on."""
    calendars: Mapping[str, Calendar] = field(default_factory=dict)


def agree(translator: Translator, group: GroupKey, ghl: Value, hubspot: Value) -> bool:
    """Whether the two values stand for the same thing."""
    if isinstance(ghl, tuple) or isinstance(hubspot, tuple):
        return ghl == hubspot
    if group == Group.STATUS:
        return translator.statuses.agree(ghl, hubspot)
    if group == Group.OWNER:
        return translator.owner_of_user.get(ghl, "") == hubspot if ghl else not hubspot
    if group == Group.CONTACT:
        return translator.contacts.get(ghl) == hubspot
    return ghl == hubspot


def translate(
    translator: Translator, group: GroupKey, side: Side, value: Value, target: Appointment
) -> Translation:
    """What `side`'s value is called on the other side, whose record is `target`."""
    if isinstance(value, tuple):
        return _time(value, target)
    match group:
        case Group.STATUS:
            return _status(translator.statuses, side, value)
        case Group.OWNER:
            return _owner(translator, side, value)
        case Group.CONTACT:
            return _contact(translator, side, value)
        case _:
            return Translated(value=value)


def _time(value: tuple[datetime | None, datetime | None], target: Appointment) -> Translation:
    start, end = value
    if start is None:
        return Untranslatable(reason="missing_time", detail="the record has no start")
    if end is not None and end < start:
        return Untranslatable(reason="missing_time", detail="the end is before the start")
    if end is None and target.start is not None and target.end is not None:
        end = start + (target.end - target.start)
    return Translated(value=(start, end))


def _status(table: StatusTable, side: Side, value: str) -> Translation:
    if not value:
        return KeepTarget(why="an empty status says nothing")
    found = table.translate(side, value)
    if found is None:
        return Untranslatable(
            reason="unknown_status",
            detail=f"no translation for the {side.label} status {value!r}: "
            "name it in the link's status tables",
        )
    return Translated(value=found)


def _owner(translator: Translator, side: Side, value: str) -> Translation:
    if value and translator.people_unread:
        return Unread()
    match side:
        case Side.GHL:
            if not value:
                return Translated(value="")
            owner = translator.owner_of_user.get(value)
            return (
                Translated(value=owner)
                if owner
                else KeepTarget(why="no HubSpot owner has that e-mail")
            )
        case Side.HUBSPOT:
            if not value:
                # A booking keeps its assignee: HighLevel has no way to take one away
                # from a team's calendar.
                return KeepTarget(why="a HighLevel booking cannot lose its assignee")
            user = translator.user_of_owner.get(value)
            return (
                Translated(value=user)
                if user
                else KeepTarget(why="no HighLevel user has that e-mail")
            )
        case _:
            assert_never(side)


def _contact(translator: Translator, side: Side, value: str) -> Translation:
    if side is Side.HUBSPOT:
        return Untranslatable(
            reason="contact_changed", detail="HighLevel cannot change an appointment's contact"
        )
    found = translator.contacts.get(value)
    if found is None:
        return Untranslatable(reason="no_contact", detail="no HubSpot contact stands for this one")
    return Translated(value=found)


def spelled(wanted: str, values: Collection[str]) -> str | None:
    """The account's spelling of a status value: letter case and CANCELED/CANCELLED are matched.

    Gives `None` where the account has no such value.
    """
    if wanted in values:
        return wanted
    return next((value for value in values if _fold(value) == _fold(wanted)), None)


def _fold(value: str) -> str:
    folded = value.casefold()
    return "cancelled" if folded == "canceled" else folded


def resolve(table: StatusTable, values: Collection[str]) -> tuple[StatusTable, tuple[str, ...]]:
    """The table in the account's spelling, and the HubSpot values that the account lacks.

    Entries whose value is missing are left out, so that records which need
    them have no translation.
    """
    missing: list[str] = []
    to_hubspot: dict[str, str] = {}
    for ghl, wanted in table.to_hubspot.items():
        found = spelled(wanted, values)
        if found is None:
            missing.append(wanted)
        else:
            to_hubspot[ghl] = found
    to_ghl: dict[str, str] = {}
    for wanted, ghl in table.to_ghl.items():
        found = spelled(wanted, values)
        if found is None:
            missing.append(wanted)
        else:
            to_ghl[found] = ghl
    return (
        replace(table, to_hubspot=to_hubspot, to_ghl=to_ghl),
        tuple(dict.fromkeys(missing)),
    )
