"""How to resolve a held record: the command for each reason, and the change that resolves it too.

The status page shows both; the reasons are those of `core.model.REASONS`,
and a test counts them. A full cycle looks at every held record again by
itself, so the command is needed only where nothing else changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.core.model import Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """How a reason is got rid of."""

    meaning: str
    """The reason in words for a person."""
    instead: str
    """What a person may change in one of the systems, or in the configuration."""
    commands: tuple[str, ...]
    """`{id}` stands for the record's id."""
    without_candidates: str = ""
    """The same as `instead`, where the record can be paired with nothing."""

    def instead_for(self, hold: Hold) -> str:
        """What may be changed in one of the systems, for this record."""
        return self.instead if hold.candidates else self.without_candidates or self.instead

    def commands_for(self, hold: Hold) -> tuple[str, ...]:
        """The commands, ready to be typed: one for each candidate that a person may choose."""
        record = hold.hubspot_id or hold.ghl_id or "ID"
        found: list[str] = []
        for each in self.commands:
            command, _, named = each.format(id=record).partition(" OTHER")
            if not command.endswith("--pair"):
                found.append(command + named)
            else:
                found += [f"{command} {candidate}" for candidate in hold.candidates]
        return tuple(found)


_IGNORE = "syncd resolve {id} --ignore"
_RETRY = "syncd retry {id}"

REMEDIES: Mapping[str, Remedy] = {
    "no_contact": Remedy(
        meaning="no contact",
        instead="give it a contact with an e-mail address or a phone number",
        commands=("syncd resolve {id} --contact CONTACT", _IGNORE),
    ),
    "ambiguous_match": Remedy(
        meaning="several records fit",
        instead="remove or change those that are not meant",
        commands=("syncd resolve {id} --pair OTHER", "syncd resolve {id} --separate"),
    ),
    "possible_duplicate": Remedy(
        meaning="perhaps a duplicate",
        instead="remove the one that is too many, or change its time",
        without_candidates=(
            "remove it where it is one too many (nothing else is removed with it), or change its "
            "time; it cannot be paired, because the record that it resembles has its pair"
        ),
        commands=("syncd resolve {id} --pair OTHER", "syncd resolve {id} --separate", _IGNORE),
    ),
    "ambiguous_contact": Remedy(
        meaning="which contact?",
        instead="leave one contact on the HubSpot record, or merge the doubles",
        commands=("syncd resolve {id} --contact CONTACT", _IGNORE),
    ),
    "no_default_calendar": Remedy(
        meaning="no calendar to book on",
        instead="name one: ghl.default_calendar or ghl.routes",
        commands=(_IGNORE,),
    ),
    "slot_taken": Remedy(
        meaning="the slot is taken",
        instead="free the slot, or move the appointment",
        commands=("syncd resolve {id} --book-anyway", _RETRY),
    ),
    "unknown_status": Remedy(
        meaning="a status that no table knows",
        instead="choose another status, or add it to the status tables",
        commands=(_RETRY,),
    ),
    "conflict": Remedy(
        meaning="changed on both sides",
        instead="make both sides show the same",
        commands=("syncd resolve {id} --keep ghl", "syncd resolve {id} --keep hubspot"),
    ),
    "missing_time": Remedy(
        meaning="no usable time",
        instead="give it a start, and an end that is not before it",
        commands=(_RETRY,),
    ),
    "rejected": Remedy(
        meaning="refused by the service",
        instead="change what the refusal names",
        commands=(_RETRY, _IGNORE),
    ),
    "removal_guard": Remedy(
        meaning="kept back by the removal guard",
        instead="look at the removals with `syncd plan`",
        commands=("syncd kick --allow-removals",),
    ),
    "contact_changed": Remedy(
        meaning="another contact in HubSpot",
        instead="associate the former contact again: HighLevel cannot change it",
        commands=(_IGNORE,),
    ),
    "outside_team": Remedy(
        meaning="the owner is outside the team",
        instead="add the user to the calendar's team, or choose another owner",
        commands=(_RETRY,),
    ),
    "unreadable": Remedy(
        meaning="cannot be read",
        instead="make it readable again, or remove it on both sides",
        commands=(_RETRY, _IGNORE),
    ),
    "oscillation": Remedy(
        meaning="something changes it back",
        instead="find the automation that changes it back, and stop it",
        commands=(_RETRY, _IGNORE),
    ),
}

_UNKNOWN = Remedy(meaning="held", instead="look at it with `syncd held`", commands=(_RETRY,))


def remedy_of(hold: Hold) -> Remedy:
    """The remedy of a hold; a reason of another version has a general one."""
    return REMEDIES.get(hold.reason, _UNKNOWN)
