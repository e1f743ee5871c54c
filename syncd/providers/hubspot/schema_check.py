"""Whether an account's properties are usable for a link, with remedies. Pure.

`account` calls this for `prepare` and the doctor, `setup` for our own
properties. A property that cannot hold the values of a link would refuse every
record, so it is reported before the first write. Leaves out the definitions
themselves (`schema`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from syncd.core.mapped_fields import Kind
from syncd.core.model import Group, GroupKey
from syncd.providers.hubspot import mapping, schema
from syncd.providers.hubspot.schema import (
    RUN_SETUP,
    Definition,
    MappedProperty,
    PropertySpec,
    RequiredSchema,
)

READ_ONLY = "is read-only in this account, so that no record could be written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check; `remedy` is what a person does about a problem."""

    what: str
    ok: bool = True
    detail: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """The finding in one sentence."""
        text = f"{self.what}: {self.detail}" if self.detail else self.what
        return f"{text}; {self.remedy}" if self.remedy else text


def status_property(known: Mapping[str, Definition], wanted: str) -> str:
    """The property that holds the status; "" where the account has no usable one.

    On some accounts the native one does not exist, and writing it refuses the
    whole record (reported, read 2026-11-20). Pipeline stages are used only
    where the configuration names them.
    """
    if wanted != schema.AUTO:
        return wanted if wanted in known else ""
    native = known.get(schema.NATIVE_STATUS)
    if native is not None and not native.read_only:
        return schema.NATIVE_STATUS
    return schema.OWN_STATUS if schema.OWN_STATUS in known else ""


def findings(
    known: Mapping[str, Definition], spec: PropertySpec, object_type: str
) -> tuple[Finding, ...]:
    """Everything that the link needs of the properties, the most important first."""
    return (
        *_native(known, spec, object_type),
        *_own(known, spec),
        _status(known, spec),
        *(_mapped_field(known.get(each.property), each) for each in spec.properties),
        *(_filtered(known, "filter and routes", prop) for prop in spec.filter_properties),
    )


def sync_note(known: Mapping[str, Definition]) -> Finding:
    """Whether held records can say why; nothing else depends on it."""
    return verify(known.get(mapping.NOTE), schema.SYNC_NOTE)


def _native(
    known: Mapping[str, Definition], spec: PropertySpec, object_type: str
) -> Iterable[Finding]:
    wanted = {
        Group.TITLE: (mapping.NAME,),
        Group.TIME: (mapping.START, mapping.END),
        Group.OWNER: (mapping.OWNER,),
    }
    for group, names in wanted.items():
        for name in names if group in spec.needs else ():
            what, found = f"HubSpot property {name}", known.get(name)
            if found is None:
                yield Finding(
                    what=what,
                    ok=False,
                    detail=f"the object {object_type} has none of that name",
                    remedy="check `object_type` in the link's [hubspot] section",
                )
            elif found.read_only and group in spec.writes:
                yield Finding(what=what, ok=False, detail=READ_ONLY, remedy=_make_writable(group))
            else:
                yield Finding(what=what)


def _make_writable(group: GroupKey) -> str:
    return (
        "let its values be edited in HubSpot (Settings > Properties), or set "
        f'`{group}` to "hubspot_to_ghl" or "off" in the link\'s [fields] section'
    )


def _own(known: Mapping[str, Definition], spec: PropertySpec) -> Iterable[Finding]:
    texts: Mapping[str, GroupKey] = {
        mapping.DESCRIPTION: Group.DESCRIPTION,
        mapping.ADDRESS: Group.ADDRESS,
    }
    for required in schema.OURS:
        group = texts.get(required.name)
        if group is not None and group not in spec.needs:
            continue
        found = known.get(required.name)
        finding = verify(found, required)
        if finding.ok and found is not None and found.read_only:
            if group is None:
                remedy = "let its values be edited in HubSpot (Settings > Properties)"
                finding = replace(finding, ok=False, detail=READ_ONLY, remedy=remedy)
            elif group in spec.writes:
                finding = replace(finding, ok=False, detail=READ_ONLY, remedy=_make_writable(group))
        yield finding


def verify(found: Definition | None, required: RequiredSchema) -> Finding:
    """Whether a property of ours exists with the right settings.

    An archived property is restored with its old settings when it is created
    again, and `hasUniqueValue` can only be set at first (properties guide).
    """
    what = f"HubSpot property {required.name}"
    if found is None:
        return Finding(what=what, ok=False, detail="is missing", remedy=RUN_SETUP)
    if found.type != "string":
        wrong = f"is of type {found.type!r}, not 'string'"
    elif required.unique and not found.unique:
        wrong = "does not demand unique values"
    else:
        return Finding(what=what)
    remedy = (
        f"delete it for good in HubSpot (Settings > Properties, then its archive), then {RUN_SETUP}"
    )
    return Finding(what=what, ok=False, detail=wrong, remedy=remedy)


def _status(known: Mapping[str, Definition], spec: PropertySpec) -> Finding:
    name = status_property(known, spec.status_property)
    if not name:
        return _no_status(spec.status_property)
    what, found = f"HubSpot status property {name}", known[name]
    choose = 'name another one, or set `status_property = "auto"` in the [hubspot] section'
    if name in _OTHER_PROPERTIES:
        wrong, remedy = "holds something else of the appointment", choose
    elif found.type not in _STATUS_TYPES:
        wrong, remedy = f"is of type {found.type!r}, which holds no status", choose
    elif found.read_only and Group.STATUS in spec.writes:
        wrong = READ_ONLY
        remedy = f"{_make_writable(Group.STATUS)}; or {choose}"
    else:
        return Finding(what=what)
    return Finding(what=what, ok=False, detail=wrong, remedy=remedy)


def _no_status(wanted: str) -> Finding:
    if wanted in {schema.AUTO, schema.OWN_STATUS}:
        return Finding(
            what="HubSpot status property",
            ok=False,
            detail=f"neither {schema.NATIVE_STATUS} nor {schema.OWN_STATUS} can be used"
            if wanted == schema.AUTO
            else f"{schema.OWN_STATUS} is missing",
            remedy=RUN_SETUP,
        )
    return Finding(
        what="HubSpot status property",
        ok=False,
        detail=f"{wanted!r} does not exist in this account",
        remedy='make it in HubSpot, or set `status_property = "auto"` in the [hubspot] section',
    )


_STATUS_TYPES = ("enumeration", "string")
"""The property types that keep a text as it was written."""

_OTHER_PROPERTIES = frozenset(
    {
        *(mapping.NAME, mapping.START, mapping.END, mapping.OWNER, mapping.PIPELINE),
        *(mapping.CREATED, mapping.MODIFIED, mapping.OBJECT_ID),
        *(required.name for required in schema.OURS),
    }
)


def unfilled(demanded: Iterable[str], spec: PropertySpec, status: str) -> tuple[str, ...]:
    """The demanded properties that nothing of this link fills."""
    ours = {each.property for each in spec.properties}
    return tuple(name for name in demanded if name not in {*ours, *_OTHER_PROPERTIES, status})


def unfilled_of_contacts(demanded: Iterable[str]) -> tuple[str, ...]:
    """The demanded properties of a contact that is made with name, e-mail and phone only."""
    return tuple(name for name in demanded if name not in _CONTACT_PROPERTIES)


_CONTACT_PROPERTIES = frozenset({"firstname", "lastname", "email", "phone"})


def _mapped_field(found: Definition | None, mapped: MappedProperty) -> Finding:
    """Whether a mapped property exists, is writable, and has a type for the kind of value."""
    what = f"HubSpot property {mapped.property} (map.{mapped.name})"
    types = _TYPES[mapped.kind]
    if found is None:
        detail = "does not exist in this account"
        remedy = f"correct the name, or make the property in HubSpot (of type {types[0]})"
    elif mapped.written and found.read_only:
        detail = "is read-only in HubSpot"
        remedy = "name a property of your own"
    elif found.type not in types:
        detail = f"is of type {found.type!r}, which does not hold a {mapped.kind}"
        remedy = f"name a property of type {' or '.join(types)}"
    else:
        return Finding(what=what)
    return Finding(what=what, ok=False, detail=detail, remedy=remedy)


_TYPES: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("string", "enumeration", "phone_number"),
    Kind.FLAG: ("bool", "string", "enumeration"),
    Kind.MOMENT: ("datetime", "string"),
    Kind.LIST: ("string", "enumeration"),
}
"""The property types that keep a value as it was written."""


def _filtered(known: Mapping[str, Definition], what: str, name: str) -> Finding:
    """HubSpot ignores an unknown name in a read (appointments guide), so it is checked here."""
    if name in known:
        return Finding(what=f"HubSpot property {name} ({what})")
    return Finding(
        what=f"HubSpot property {name} ({what})",
        ok=False,
        detail="does not exist in this account",
        remedy="correct the name in the configuration, or make the property in HubSpot",
    )
