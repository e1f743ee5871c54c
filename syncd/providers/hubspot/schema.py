"""The property definitions of an account, what a link requires of them, and our own properties.

`account` and `setup` call this. Pure: it reads the answers of the properties,
pipelines and owners endpoints. Leaves out whether the definitions are usable
(`schema_check`), and which values a status table needs: the core's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from syncd.core.mapped_fields import Kind
from syncd.core.model import Group, GroupKey, Person
from syncd.providers.hubspot import mapping
from syncd.providers.hubspot.wire import Json, items, string
from syncd.providers.hubspot.wire import mapping as fields

GROUP_NAME = "syncd"
GROUP_LABEL = "HighLevel sync"
NATIVE_STATUS = "hs_appointment_status"
OWN_STATUS = "ghl_appointment_status"
AUTO = "auto"
RUN_SETUP = "run `syncd setup`"
ALL_GROUPS = frozenset[GroupKey](Group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One property of the object, as far as a sync needs it."""

    name: str
    type: str = "string"
    unique: bool = False
    options: tuple[str, ...] = ()
    """The values of an enumeration, in the account's spelling."""
    option_bodies: tuple[Json, ...] = ()
    """The options in the vendor's form: a PATCH replaces the whole list."""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredSchema:
    """A property of our own."""

    name: str
    label: str
    description: str
    field_type: str = "text"
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedProperty:
    """A mapped field and its property; `written` if values flow into it."""

    name: str
    property: str
    kind: Kind = Kind.TEXT
    written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertySpec:
    """What the link requires of the account's properties."""

    status_property: str = AUTO
    needs: frozenset[GroupKey] = ALL_GROUPS
    """The groups that are on in this link."""
    writes: frozenset[GroupKey] = ALL_GROUPS
    """Those whose values flow into HubSpot."""
    mapped_fields: tuple[MappedProperty, ...] = ()
    record_link: str = ""
    """The property for the record's own URL; "" for none."""
    filter_properties: tuple[str, ...] = ()
    show_held: bool = False
    """Whether held records say why: nothing of the sync depends on that property."""

    @property
    def ours(self) -> tuple[RequiredSchema, ...]:
        """The properties of our own that setup makes, the status aside."""
        return (*OURS, SYNC_NOTE) if self.show_held else OURS

    @property
    def properties(self) -> tuple[MappedProperty, ...]:
        """Every mapped property, that of the record's URL included."""
        if not self.record_link:
            return self.mapped_fields
        return (*self.mapped_fields, MappedProperty(name="hubspotLink", property=self.record_link))


OURS = (
    RequiredSchema(
        name=mapping.GHL_ID,
        label="HighLevel appointment ID",
        description="The HighLevel appointment that this one is the same as. Kept by syncd.",
        unique=True,
    ),
    RequiredSchema(
        name=mapping.GHL_LOCATION,
        label="HighLevel location ID",
        description="The HighLevel location that the appointment belongs to. Kept by syncd.",
    ),
    RequiredSchema(
        name=mapping.DESCRIPTION,
        label="Appointment description",
        description="The notes of the HighLevel appointment.",
        field_type="textarea",
    ),
    RequiredSchema(
        name=mapping.ADDRESS,
        label="Appointment address",
        description="Where the HighLevel appointment takes place.",
    ),
)


SYNC_NOTE = RequiredSchema(
    name=mapping.NOTE,
    label="Sync note",
    description="Why the appointment waits for a decision; empty where it does not. By syncd.",
)

# --- reading


def definitions(body: object) -> dict[str, Definition]:
    """The active properties of an answer, by name."""
    found = (definition(each) for each in items(fields(body).get("results")))
    return {each.name: each for each in found if each is not None}


def definition(raw: object) -> Definition | None:
    """One property; `None` where it is archived or has no name."""
    body = fields(raw)
    name = string(body.get("name"))
    if not name or body.get("archived") is True:
        return None
    options = tuple(fields(each) for each in items(body.get("options")))
    values = (string(each.get("value")) for each in options)
    return Definition(
        name=name,
        type=string(body.get("type")),
        unique=body.get("hasUniqueValue") is True,
        options=tuple(each for each in values if each),
        option_bodies=options,
        read_only=_is_read_only(body),
    )


def _is_read_only(body: Json) -> bool:
    """Whether no value can be written: it is read-only, or HubSpot calculates it."""
    held = fields(body.get("modificationMetadata")).get("readOnlyValue")
    return held is True or body.get("calculated") is True


def stages(body: object) -> dict[str, str]:
    """Stage id → pipeline id, of every active pipeline; labels can be renamed, so ids count."""
    found: dict[str, str] = {}
    for each in items(fields(body).get("results")):
        pipeline = fields(each)
        if pipeline.get("archived") is True:
            continue
        for stage in items(pipeline.get("stages")):
            stage_id = string(fields(stage).get("id"))
            if stage_id and fields(stage).get("archived") is not True:
                found[stage_id] = string(pipeline.get("id"))
    return found


def stage_labels(body: object) -> dict[str, str]:
    """Stage id → its label, after the pipeline's label where there are several pipelines."""
    pipelines = _in_order(fields(body).get("results"))
    return {
        string(stage.get("id")): " > ".join(
            filter(None, (string(each.get("label")) for each in named))
        )
        for pipeline in pipelines
        for stage in _in_order(pipeline.get("stages"))
        for named in ((pipeline, stage) if len(pipelines) > 1 else (stage,),)
    }


def first_stage(body: object) -> dict[str, str]:
    """The pipeline and stage of a record without a stage: the first of the first pipeline.

    In the order that people see; ids have no order. Empty where no pipeline has
    a stage.
    """
    for pipeline in _in_order(fields(body).get("results")):
        for stage in _in_order(pipeline.get("stages")):
            return {
                mapping.PIPELINE: string(pipeline.get("id")),
                mapping.STAGE: string(stage.get("id")),
            }
    return {}


def _in_order(raw: object) -> list[Json]:
    active = (fields(each) for each in items(raw))
    found = [each for each in active if each.get("archived") is not True and string(each.get("id"))]
    return sorted(found, key=_place)


def _place(shown: Json) -> float:
    place = shown.get("displayOrder")
    return place if isinstance(place, int | float) else math.inf


def people(body: object, *, active: bool) -> tuple[Person, ...]:
    """The owners of a page; an owner without an e-mail matches no user."""
    found: list[Person] = []
    for each in items(fields(body).get("results")):
        owner = fields(each)
        owner_id = string(owner.get("id"))
        if owner_id:
            name = f"{string(owner.get('firstName'))} {string(owner.get('lastName'))}".strip()
            email = string(owner.get("email")).strip()
            found.append(Person(id=owner_id, email=email, name=name, active=active))
    return tuple(found)
