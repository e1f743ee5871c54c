"""What the mapped fields of one link may not do together.

Called by `load` with links that are valid on their own. Two fields never
write to one place: not to one HubSpot property, not to one HighLevel field.
Whether a property exists, and is of the right type, only the account can say:
the doctor asks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncd.config import toml
from syncd.config.link_settings import LinkSettings
from syncd.config.sync_settings import FieldMap
from syncd.core.mapped_fields import HUBSPOT_LINK

_PROPERTIES = {
    "hs_appointment_name": "title",
    "hs_appointment_start": "time",
    "hs_appointment_end": "time",
    "hubspot_owner_id": "owner",
    "ghl_description": "description",
    "ghl_address": "address",
    "hs_appointment_status": "status",
    "ghl_appointment_status": "status",
    "hs_pipeline_stage": "status",
    "hs_pipeline": "status",
}
"""The property of each field that every link has."""

_OURS = ("ghl_appointment_id", "ghl_location_id")


def colliding(links: Iterable[LinkSettings]) -> list[str]:
    """One line for each map that writes where something else does."""
    return [problem for link in links for problem in _of_link(link)]


def _of_link(link: LinkSettings) -> Iterator[str]:
    here = f"links.{link.name}.map"
    property_of: dict[str, str] = {}
    field_of: dict[str, str] = {}
    for name, each in link.map.items():
        if not each.on:
            continue
        yield from _property(link, f"{here}.{name}", each)
        if each.ghl == HUBSPOT_LINK and HUBSPOT_LINK in field_of:
            yield _twice(f"{here}.{name}.ghl", each.ghl, field_of[each.ghl])
        if each.hubspot in property_of:
            yield _twice(f"{here}.{name}.hubspot", each.hubspot, property_of[each.hubspot])
        property_of.setdefault(each.hubspot, f"map.{name}")
        if each.ghl == HUBSPOT_LINK:
            field_of.setdefault(each.ghl, f"map.{name}")
        if each.into_ghl:
            yield from _field(link, f"{here}.{name}", each)
            if each.ghl in field_of:
                yield _twice(f"{here}.{name}.ghl", each.ghl, field_of[each.ghl])
            field_of.setdefault(each.ghl, f"map.{name}")


def _property(link: LinkSettings, where: str, each: FieldMap) -> Iterator[str]:
    head = f"{where}.hubspot = {toml.value(each.hubspot)}"
    if each.hubspot in _OURS:
        yield f"{head}: syncd keeps its own mark there; name another property"
    elif each.hubspot == link.hubspot.status_property:
        yield f"{head}: hubspot.status_property writes it already; name another property"
    elif (field := _PROPERTIES.get(each.hubspot)) and getattr(link.fields, field) != "off":
        yield (
            f"{head}: fields.{field} writes it already; name another property, "
            f'or set fields.{field} = "off"'
        )


def _field(link: LinkSettings, where: str, each: FieldMap) -> Iterator[str]:
    # What HighLevel takes is called the same in [fields].
    if getattr(link.fields, each.ghl) != "off":
        yield (
            f"{where}.direction = {toml.value(each.direction)}: fields.{each.ghl} writes "
            f'HighLevel\'s {each.ghl} already; set fields.{each.ghl} = "off", '
            'or direction = "ghl_to_hubspot"'
        )


def _twice(where: str, what: str, other: str) -> str:
    return f"{where} = {toml.value(what)}: {other} writes it already; name another one"
