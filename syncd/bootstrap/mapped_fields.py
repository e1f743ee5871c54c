"""Converts a link's mapped fields for the rules and the providers.

`rules_of` and `ProviderFactory` call this. A link to the HubSpot record is not a
field of the core: HubSpot's adapter writes it together with the external id.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.config import FieldMap, LinkSettings
from syncd.core.mapped_fields import FIELDS, HUBSPOT_LINK, STATUS
from syncd.core.model import MAPPED_PREFIX, GroupKey, Side
from syncd.core.policy import Direction, Winner
from syncd.providers.hubspot.schema import MappedProperty


def fields(link: LinkSettings) -> dict[str, str]:
    """Name → HighLevel's field, for HighLevel's provider."""
    return {name: each.ghl for name, each in _on(link).items()}


def templates(link: LinkSettings) -> dict[str, str]:
    """Name → the template of a link's address, if it is not the default one."""
    return {name: each.template for name, each in _on(link).items() if each.template}


def properties(link: LinkSettings) -> tuple[MappedProperty, ...]:
    """The properties, for HubSpot's provider."""
    flow = Direction(link.sync.direction)
    return tuple(
        MappedProperty(
            name=name,
            property=each.hubspot,
            kind=FIELDS[each.ghl],
            written=flow.reaches(Side.HUBSPOT) and Direction(each.direction).reaches(Side.HUBSPOT),
        )
        for name, each in _on(link).items()
    )


def record_link(link: LinkSettings) -> str:
    """The property that is to hold the HubSpot record's own address; "" for none."""
    if not Direction(link.sync.direction).reaches(Side.HUBSPOT):
        return ""  # Only the external id is written to the leading side.
    wanted = (each.hubspot for each in link.map.values() if each.on and each.ghl == HUBSPOT_LINK)
    return next(wanted, "")


def directions(link: LinkSettings) -> dict[GroupKey, Direction]:
    """The direction of each mapped field."""
    return {f"{MAPPED_PREFIX}{name}": Direction(each.direction) for name, each in _on(link).items()}


def winners(link: LinkSettings) -> dict[GroupKey, Winner]:
    """The winner of a conflict in each mapped field."""
    return {f"{MAPPED_PREFIX}{name}": Winner(each.conflict) for name, each in _on(link).items()}


def status_echoes(link: LinkSettings) -> tuple[GroupKey, ...]:
    """The mapped fields that repeat HighLevel's status."""
    return tuple(f"{MAPPED_PREFIX}{name}" for name, each in _on(link).items() if each.ghl == STATUS)


def _on(link: LinkSettings) -> Mapping[str, FieldMap]:
    """The maps that the core sees, by name."""
    return {
        name: each
        for name, each in sorted(link.map.items())
        if each.on and each.ghl != HUBSPOT_LINK
    }
