"""The HubSpot properties whose changes a link needs to hear of.

Both the journal's subscriptions and the files of a project app name them: an empty
list means "all" by one description and "none" by another, so it is never sent.
Leaves out syncd's own id properties, which only syncd writes.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncd.config import LinkSettings

_ALWAYS = (
    "hs_appointment_name",
    "hs_appointment_start",
    "hs_appointment_end",
    "hubspot_owner_id",
    "ghl_description",
    "ghl_address",
)
_AUTO = ("hs_appointment_status", "ghl_appointment_status")
"""Where `status_property = "auto"` finds the status; an account may have one or both."""


def announced_properties(links: Iterable[LinkSettings]) -> tuple[str, ...]:
    """The properties that these links sync or choose records by, each once."""
    named = dict.fromkeys(_ALWAYS)
    for link in links:
        status = link.hubspot.status_property
        named |= dict.fromkeys(_AUTO if status == "auto" else (status,))
        named |= dict.fromkeys(each.hubspot for each in link.map.values() if each.on)
        named |= dict.fromkeys(sorted(link.hubspot.filter))
        named |= dict.fromkeys(route.property for route in link.ghl.routes)
    if len(named) == len(_ALWAYS):
        named |= dict.fromkeys(_AUTO)
    return tuple(named)
