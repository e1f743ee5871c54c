"""Property definitions of a HubSpot object type, and which values they take.

Called by `table` for every write and by the property endpoints. All values are texts; "" clears.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncd.sandbox.hubspot.errors import Problem
from syncd.sandbox.timestamps import from_epoch_ms, iso_ms, parse_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncd.sandbox.http import JsonObject
    from syncd.sandbox.settings import SandboxSettings

_TYPES = frozenset({"bool", "date", "datetime", "enumeration", "number", "phone_number", "string"})
_FIELD_TYPES = frozenset(
    {
        *("booleancheckbox", "calculation_equation", "checkbox", "date", "file", "html"),
        *("number", "phonenumber", "radio", "select", "text", "textarea"),
    }
)


@dataclass(slots=True, kw_only=True)
class PropertyDef:
    """One property of an object type."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    options: list[JsonObject] = field(default_factory=list)
    description: str = ""
    unique: bool = False
    read_only: bool = False
    hubspot_defined: bool = False
    archived: bool = False
    owner: bool = False
    """Its values are owners' ids."""
    display_order: int = -1
    hidden: bool = False
    created: datetime | None = None
    updated: datetime | None = None

    def shown(self) -> JsonObject:
        """As the properties API shows it."""
        body: JsonObject = {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": self.options,
            "displayOrder": self.display_order,
            "calculated": False,
            "externalOptions": self.owner,
            "archived": self.archived,
            "hasUniqueValue": self.unique,
            "hidden": self.hidden,
            "hubspotDefined": self.hubspot_defined,
            "formField": False,
            "dataSensitivity": "non_sensitive",
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.read_only,
                "readOnlyOptions": self.hubspot_defined,
            },
        }
        if self.owner:
            body["referencedObjectType"] = "OWNER"
        for key, moment in (("createdAt", self.created), ("updatedAt", self.updated)):
            if moment is not None:
                body[key] = iso_ms(moment)
        return body


def cleaned(
    definition: PropertyDef, value: object, known_owner: Callable[[str], bool]
) -> str | Problem:
    """The value as it is kept, or why it is refused."""
    if definition.read_only:
        return _problem(definition, "READ_ONLY_VALUE", f"{definition.name} is a read only property")
    if not isinstance(value, str):
        return _problem(definition, "INVALID_TYPE", f"{value!r} is not a string")
    if value == "":
        return value
    if definition.owner:
        if known_owner(value):
            return value
        return _problem(definition, "INVALID_OWNER_ID", f"Owner with id {value} does not exist")
    match definition.type:
        case "enumeration" | "bool":
            return _option(definition, value)
        case "datetime" | "date":
            return _moment(definition, value)
        case "number":
            return _number(definition, value)
    return value


def _option(definition: PropertyDef, value: str) -> str | Problem:
    values = [option["value"] for option in definition.options] or ["true", "false"]
    chosen = value.split(";") if definition.field_type == "checkbox" else [value]
    if all(part in values for part in chosen):
        return value
    return _problem(
        definition, "INVALID_OPTION", f"{value} was not one of the allowed options: {values}"
    )


def _moment(definition: PropertyDef, value: str) -> str | Problem:
    try:
        if value.lstrip("-").isdigit():
            moment = from_epoch_ms(int(value))
        elif definition.type == "date" and len(value) == len("2026-01-01"):
            return datetime.fromisoformat(value).replace(tzinfo=UTC).date().isoformat()
        else:
            moment = to_milliseconds(parse_iso(value))
    except ValueError:
        return _problem(definition, "INVALID_DATE", f"{value} was not a valid date.")
    if definition.type == "datetime":
        return iso_ms(moment)
    if moment.timetz().replace(tzinfo=None) != datetime.min.time():
        at = moment.strftime("%H:%M")
        return _problem(definition, "INVALID_DATE", f"{value} is at {at} UTC, not midnight!")
    return moment.date().isoformat()


def _number(definition: PropertyDef, value: str) -> str | Problem:
    try:
        float(value)
    except ValueError:
        return _problem(definition, "INVALID_DOUBLE", f"{value} was not a valid number.")
    return value


def _problem(definition: PropertyDef, code: str, message: str) -> Problem:
    return Problem(name=definition.name, code=code, message=message)


def described(body: JsonObject, groups: Sequence[str]) -> PropertyDef | str:
    """The definition that a body asks for, or what is wrong with it."""
    required = ("name", "label", "type", "fieldType", "groupName")
    missing = [key for key in required if not isinstance(body.get(key), str) or not body[key]]
    if missing:
        return f"Some required fields were not set: {missing}"
    if body["type"] not in _TYPES:
        return f"Invalid property type: {body['type']}"
    if body["fieldType"] not in _FIELD_TYPES:
        return f"Invalid property fieldType: {body['fieldType']}"
    if body["groupName"] not in groups:
        return f"Property group {body['groupName']} does not exist"
    if body["name"] != body["name"].lower() or not body["name"].replace("_", "a").isalnum():
        return f"Property name {body['name']} is invalid: lower case letters, digits and _ only"
    if body["type"] == "enumeration" and not body.get("options"):
        return "Enumeration properties need options"
    return PropertyDef(
        name=body["name"],
        label=body["label"],
        type=body["type"],
        field_type=body["fieldType"],
        group=body["groupName"],
        options=[option_of(option) for option in body.get("options") or []],
        description=body.get("description") or "",
        unique=bool(body.get("hasUniqueValue")),
        hidden=bool(body.get("hidden")),
        display_order=body.get("displayOrder") or -1,
    )


def option_of(option: JsonObject) -> JsonObject:
    """An option as it is kept."""
    return {
        "label": option.get("label", option.get("value", "")),
        "value": option.get("value", ""),
        "description": option.get("description") or "",
        "displayOrder": option.get("displayOrder", -1),
        "hidden": bool(option.get("hidden")),
    }


def appointment_definitions(settings: SandboxSettings) -> list[PropertyDef]:
    """What the appointments object has by itself, for the kind of account in the settings."""
    rows = [
        _native("hs_appointment_name", "Appointment name"),
        _native("hs_appointment_start", "Appointment start", "datetime"),
        _native("hs_appointment_end", "Appointment end", "datetime"),
        _native("hs_duration", "Duration", "number", read_only=True),
        _native("hs_pipeline", "Pipeline", "enumeration"),
        _native("hs_pipeline_stage", "Pipeline stage", "enumeration"),
        *_common("hs_createdate", "hs_lastmodifieddate"),
    ]
    if settings.hubspot_status == "native":
        spelt = [
            settings.cancelled_spelling if value in ("CANCELLED", "CANCELED") else value
            for value in settings.status_values
        ]
        rows.append(
            _native(
                "hs_appointment_status",
                "Appointment status",
                "enumeration",
                options=[
                    option_of({"label": value.replace("_", " ").capitalize(), "value": value})
                    for value in spelt
                ],
            )
        )
    return rows


def contact_definitions() -> list[PropertyDef]:
    """What contacts have by themselves, as far as it matters here."""
    return [
        _native("email", "Email", group="contactinformation", unique=True),
        _native("firstname", "First name", group="contactinformation"),
        _native("lastname", "Last name", group="contactinformation"),
        _native("phone", "Phone number", group="contactinformation"),
        _native("mobilephone", "Mobile phone number", group="contactinformation"),
        _native("company", "Company name", group="contactinformation"),
        _native("lifecyclestage", "Lifecycle stage", group="contactinformation"),
        _native("hs_additional_emails", "Additional emails", group="contactinformation"),
        *(
            _native(f"hs_searchable_calculated_{name}", "Searchable number", read_only=True)
            for name in ("phone_number", "mobile_number")
        ),
        _native("hs_calculated_merged_vids", "Merged vids", read_only=True),
        *_common("createdate", "lastmodifieddate"),
    ]


def _common(created: str, modified: str) -> list[PropertyDef]:
    read_only = ("hs_object_id", "hs_merged_object_ids", "hs_object_source", "hs_object_source_id")
    users = ("hs_created_by_user_id", "hs_updated_by_user_id")
    return [
        _native(created, "Create date", "datetime", read_only=True),
        _native(modified, "Last modified date", "datetime", read_only=True),
        *(_native(name, name, read_only=True) for name in (*read_only, *users)),
        _native("hubspot_owner_id", "Owner", "enumeration", owner=True),
        _native("hubspot_owner_assigneddate", "Owner assigned date", "datetime", read_only=True),
    ]


def _native(
    name: str,
    label: str,
    kind: str = "string",
    *,
    group: str = "appointment_information",
    **more: Any,
) -> PropertyDef:
    field_types = {"datetime": "date", "enumeration": "select", "number": "number"}
    return PropertyDef(
        name=name,
        label=label,
        type=kind,
        field_type=field_types.get(kind, "text"),
        group=group,
        hubspot_defined=True,
        **more,
    )
