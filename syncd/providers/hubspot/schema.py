"""What an account's property definitions must look like, and how to say what is missing.

`provider.account` calls this for `prepare`, `setup` and the doctor. Pure: it
reads the answers of the properties, pipelines and owners endpoints, judges
them and words the bodies that create what is ours. Leaves out which values a
status table needs: the core's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncd.core.extras import Kind
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
    """One property of the object, as far as a sync cares."""

    name: str
    type: str = "string"
    unique: bool = False
    options: tuple[str, ...] = ()
    """The values that an enumeration takes, in the account's spelling."""
    option_bodies: tuple[Json, ...] = ()
    """The same as the vendor shows them: a PATCH replaces the whole list."""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A property of our own."""

    name: str
    label: str
    description: str
    field_type: str = "text"
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `remedy` says what a person does about a problem."""

    what: str
    ok: bool = True
    detail: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """The finding in one sentence."""
        said = f"{self.what}: {self.detail}" if self.detail else self.what
        return f"{said}; {self.remedy}" if self.remedy else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """A further mapped field and its property; `written` says whether values flow into it."""

    name: str
    property: str
    kind: Kind = Kind.TEXT
    written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the link asks of the account's properties."""

    status_property: str = AUTO
    needs: frozenset[GroupKey] = ALL_GROUPS
    """The groups that are on in this link."""
    extras: tuple[Extra, ...] = ()
    record_link: str = ""
    """The property that is to hold the record's own address; "" for none."""
    facets: tuple[str, ...] = ()

    @property
    def properties(self) -> tuple[Extra, ...]:
        """Every further property, the address of the record included."""
        if not self.record_link:
            return self.extras
        return (*self.extras, Extra(name="hubspotLink", property=self.record_link))


OURS = (
    Blueprint(
        name=mapping.GHL_ID,
        label="HighLevel appointment ID",
        description="The HighLevel appointment that this one is the same as. Kept by syncd.",
        unique=True,
    ),
    Blueprint(
        name=mapping.GHL_LOCATION,
        label="HighLevel location ID",
        description="The HighLevel location that the appointment belongs to. Kept by syncd.",
    ),
    Blueprint(
        name=mapping.DESCRIPTION,
        label="Appointment description",
        description="The notes of the HighLevel appointment.",
        field_type="textarea",
    ),
    Blueprint(
        name=mapping.ADDRESS,
        label="Appointment address",
        description="Where the HighLevel appointment takes place.",
    ),
)


# --- reading


def definitions(body: object) -> dict[str, Definition]:
    """The living properties of an answer, by name."""
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
        read_only=fields(body.get("modificationMetadata")).get("readOnlyValue") is True,
    )


def stages(body: object) -> dict[str, str]:
    """Stage id → pipeline id, of every living pipeline; labels can be renamed, so ids count."""
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
    """Stage id → what people call it, the pipeline's name before it where there are several."""
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
    """Where a record without a stage of its own begins: the first of the first pipeline.

    Both are ordered by what people see; the account's ids say nothing. Empty
    where there is no pipeline with a stage.
    """
    for pipeline in _in_order(fields(body).get("results")):
        for stage in _in_order(pipeline.get("stages")):
            return {
                mapping.PIPELINE: string(pipeline.get("id")),
                mapping.STAGE: string(stage.get("id")),
            }
    return {}


def _in_order(raw: object) -> list[Json]:
    living = (fields(each) for each in items(raw))
    found = [each for each in living if each.get("archived") is not True and string(each.get("id"))]
    return sorted(found, key=_place)


def _place(shown: Json) -> float:
    place = shown.get("displayOrder")
    return place if isinstance(place, int | float) else math.inf


def people(body: object, *, active: bool) -> tuple[Person, ...]:
    """The owners of a page; an owner without an e-mail is a person nobody can be matched to."""
    found: list[Person] = []
    for each in items(fields(body).get("results")):
        owner = fields(each)
        owner_id = string(owner.get("id"))
        if owner_id:
            name = f"{string(owner.get('firstName'))} {string(owner.get('lastName'))}".strip()
            email = string(owner.get("email")).strip()
            found.append(Person(id=owner_id, email=email, name=name, active=active))
    return tuple(found)


# --- judging


def status_property(known: Mapping[str, Definition], wanted: str) -> str:
    """The property that holds the status; "" where the account has none that will do.

    On some accounts the native one does not exist, and writing it refuses the
    whole record (observed); pipeline stages only count where they are named.
    """
    if wanted != AUTO:
        return wanted if wanted in known else ""
    native = known.get(NATIVE_STATUS)
    if native is not None and not native.read_only:
        return NATIVE_STATUS
    return OWN_STATUS if OWN_STATUS in known else ""


def findings(known: Mapping[str, Definition], wish: Wish, object_type: str) -> tuple[Finding, ...]:
    """Everything that the link needs of the properties, in the order of importance."""
    return (
        *_native(known, wish.needs, object_type),
        *_own(known, wish.needs),
        _status(known, wish.status_property),
        *(_further(known.get(each.property), each) for each in wish.properties),
        *(_mapped(known, "filter and routes", prop) for prop in wish.facets),
    )


def _native(
    known: Mapping[str, Definition], needs: frozenset[GroupKey], object_type: str
) -> Iterable[Finding]:
    wanted = {
        Group.TITLE: (mapping.NAME,),
        Group.TIME: (mapping.START, mapping.END),
        Group.OWNER: (mapping.OWNER,),
    }
    for group, names in wanted.items():
        for name in names if group in needs else ():
            yield Finding(
                what=f"HubSpot property {name}",
                ok=name in known,
                detail="" if name in known else f"the object {object_type} has none of that name",
                remedy=""
                if name in known
                else "check `object_type` in the link's [hubspot] section",
            )


def _own(known: Mapping[str, Definition], needs: frozenset[GroupKey]) -> Iterable[Finding]:
    needed = {
        mapping.DESCRIPTION: Group.DESCRIPTION in needs,
        mapping.ADDRESS: Group.ADDRESS in needs,
    }
    for blueprint in OURS:
        if needed.get(blueprint.name, True):
            yield verify(known.get(blueprint.name), blueprint)


def verify(found: Definition | None, blueprint: Blueprint) -> Finding:
    """Whether a property of ours is there and of the right kind.

    A property that was archived comes back with its old settings when it is
    made again, and `hasUniqueValue` can only be set when it is first made.
    """
    what = f"HubSpot property {blueprint.name}"
    if found is None:
        return Finding(what=what, ok=False, detail="is missing", remedy=RUN_SETUP)
    if found.type != "string":
        wrong = f"is of type {found.type!r}, not 'string'"
    elif blueprint.unique and not found.unique:
        wrong = "does not demand unique values"
    else:
        return Finding(what=what)
    remedy = (
        f"delete it for good in HubSpot (Settings > Properties, then its archive), then {RUN_SETUP}"
    )
    return Finding(what=what, ok=False, detail=wrong, remedy=remedy)


def _status(known: Mapping[str, Definition], wanted: str) -> Finding:
    found = status_property(known, wanted)
    if found:
        return Finding(what=f"HubSpot status property {found}")
    if wanted in {AUTO, OWN_STATUS}:
        return Finding(
            what="HubSpot status property",
            ok=False,
            detail=f"neither {NATIVE_STATUS} nor {OWN_STATUS} can be used"
            if wanted == AUTO
            else f"{OWN_STATUS} is missing",
            remedy=RUN_SETUP,
        )
    return Finding(
        what="HubSpot status property",
        ok=False,
        detail=f"{wanted!r} does not exist in this account",
        remedy='make it in HubSpot, or set `status_property = "auto"` in the [hubspot] section',
    )


def _further(found: Definition | None, extra: Extra) -> Finding:
    """Whether a mapped property is there, takes values, and holds that kind of them."""
    what = f"HubSpot property {extra.property} (map.{extra.name})"
    takes = _TAKES[extra.kind]
    if found is None:
        detail = "does not exist in this account"
        remedy = f"correct the name, or make the property in HubSpot (of type {takes[0]})"
    elif extra.written and found.read_only:
        detail = "is read-only in HubSpot"
        remedy = "name a property of your own"
    elif found.type not in takes:
        detail = f"is of type {found.type!r}, which does not hold a {extra.kind}"
        remedy = f"name a property of type {' or '.join(takes)}"
    else:
        return Finding(what=what)
    return Finding(what=what, ok=False, detail=detail, remedy=remedy)


_TAKES: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("string", "enumeration", "phone_number"),
    Kind.FLAG: ("bool", "string", "enumeration"),
    Kind.MOMENT: ("datetime", "string"),
    Kind.LIST: ("string", "enumeration"),
}
"""The property types that show a value as it was written."""


def _mapped(known: Mapping[str, Definition], what: str, name: str) -> Finding:
    """A name with a slip reads as empty without an error, so it is checked here."""
    if name in known:
        return Finding(what=f"HubSpot property {name} ({what})")
    return Finding(
        what=f"HubSpot property {name} ({what})",
        ok=False,
        detail="does not exist in this account",
        remedy="correct the name in the configuration, or make the property in HubSpot",
    )


# --- making


def property_body(blueprint: Blueprint) -> Json:
    """The body that makes a property of ours."""
    return {
        "name": blueprint.name,
        "label": blueprint.label,
        "type": "string",
        "fieldType": blueprint.field_type,
        "groupName": GROUP_NAME,
        "description": blueprint.description,
        "hasUniqueValue": blueprint.unique,
    }


def status_body(values: Sequence[str]) -> Json:
    """The body that makes a status property with these values."""
    return {
        "name": OWN_STATUS,
        "label": "Appointment status",
        "type": "enumeration",
        "fieldType": "select",
        "groupName": GROUP_NAME,
        "description": "The status of the HighLevel appointment.",
        "options": [_option(value, place) for place, value in enumerate(values)],
    }


def with_options(found: Definition, values: Sequence[str]) -> Json | None:
    """The PATCH that adds the missing values; `None` where none is missing.

    A PATCH replaces the whole list, so what is there is sent along.
    """
    missing = [value for value in values if value not in found.options]
    if not missing:
        return None
    takes = ("label", "value", "displayOrder", "hidden", "description")
    kept = [{key: held[key] for key in takes if key in held} for held in found.option_bodies]
    return {"options": kept + [_option(value, len(kept) + n) for n, value in enumerate(missing)]}


def _option(value: str, place: int) -> Json:
    label = value.replace("_", " ").capitalize()
    return {"label": label, "value": value, "displayOrder": place, "hidden": False}
