"""Whether an account's properties will do for a link, and how to say what will not.

`provider.account` calls this for `prepare`, `setup` and the doctor, which tell
the same. Pure. A property that cannot hold what a link writes would refuse
every record, so it is said before the first is sent. Leaves out the
definitions themselves (`schema`).
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
    """One thing that was looked at; `remedy` says what a person does about a problem."""

    what: str
    ok: bool = True
    detail: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """The finding in one sentence."""
        said = f"{self.what}: {self.detail}" if self.detail else self.what
        return f"{said}; {self.remedy}" if self.remedy else said


def status_property(known: Mapping[str, Definition], wanted: str) -> str:
    """The property that holds the status; "" where the account has none that will do.

    On some accounts the native one does not exist, and writing it refuses the
    whole record (observed); pipeline stages only count where they are named.
    """
    if wanted != schema.AUTO:
        return wanted if wanted in known else ""
    native = known.get(schema.NATIVE_STATUS)
    if native is not None and not native.read_only:
        return schema.NATIVE_STATUS
    return schema.OWN_STATUS if schema.OWN_STATUS in known else ""


def findings(
    known: Mapping[str, Definition], wish: PropertySpec, object_type: str
) -> tuple[Finding, ...]:
    """Everything that the link needs of the properties, in the order of importance."""
    return (
        *_native(known, wish, object_type),
        *_own(known, wish),
        _status(known, wish),
        *(_mapped_property(known.get(each.property), each) for each in wish.properties),
        *(_mapped(known, "filter and routes", prop) for prop in wish.filter_properties),
    )


def _native(
    known: Mapping[str, Definition], wish: PropertySpec, object_type: str
) -> Iterable[Finding]:
    wanted = {
        Group.TITLE: (mapping.NAME,),
        Group.TIME: (mapping.START, mapping.END),
        Group.OWNER: (mapping.OWNER,),
    }
    for group, names in wanted.items():
        for name in names if group in wish.needs else ():
            what, found = f"HubSpot property {name}", known.get(name)
            if found is None:
                yield Finding(
                    what=what,
                    ok=False,
                    detail=f"the object {object_type} has none of that name",
                    remedy="check `object_type` in the link's [hubspot] section",
                )
            elif found.read_only and group in wish.writes:
                yield Finding(what=what, ok=False, detail=READ_ONLY, remedy=_let_it(group))
            else:
                yield Finding(what=what)


def _let_it(group: GroupKey) -> str:
    return (
        "let its values be edited in HubSpot (Settings > Properties), or set "
        f'`{group}` to "hubspot_to_ghl" or "off" in the link\'s [fields] section'
    )


def _own(known: Mapping[str, Definition], wish: PropertySpec) -> Iterable[Finding]:
    texts: Mapping[str, GroupKey] = {
        mapping.DESCRIPTION: Group.DESCRIPTION,
        mapping.ADDRESS: Group.ADDRESS,
    }
    for blueprint in schema.OURS:
        group = texts.get(blueprint.name)
        if group is not None and group not in wish.needs:
            continue
        found = known.get(blueprint.name)
        judged = verify(found, blueprint)
        if judged.ok and found is not None and found.read_only:
            if group is None:
                remedy = "let its values be edited in HubSpot (Settings > Properties)"
                judged = replace(judged, ok=False, detail=READ_ONLY, remedy=remedy)
            elif group in wish.writes:
                judged = replace(judged, ok=False, detail=READ_ONLY, remedy=_let_it(group))
        yield judged


def verify(found: Definition | None, blueprint: RequiredSchema) -> Finding:
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


def _status(known: Mapping[str, Definition], wish: PropertySpec) -> Finding:
    name = status_property(known, wish.status_property)
    if not name:
        return _no_status(wish.status_property)
    what, found = f"HubSpot status property {name}", known[name]
    choose = 'name another one, or set `status_property = "auto"` in the [hubspot] section'
    if name in _HOLDS_SOMETHING_ELSE:
        wrong, remedy = "holds something else of the appointment", choose
    elif found.type not in _HOLDS_A_STATUS:
        wrong, remedy = f"is of type {found.type!r}, which holds no status", choose
    elif found.read_only and Group.STATUS in wish.writes:
        wrong = READ_ONLY
        remedy = f"{_let_it(Group.STATUS)}; or {choose}"
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


_HOLDS_A_STATUS = ("enumeration", "string")
"""The property types that show a word as it was written."""

_HOLDS_SOMETHING_ELSE = frozenset(
    {
        *(mapping.NAME, mapping.START, mapping.END, mapping.OWNER, mapping.PIPELINE),
        *(mapping.CREATED, mapping.MODIFIED, mapping.OBJECT_ID),
        *(blueprint.name for blueprint in schema.OURS),
    }
)


def _mapped_property(found: Definition | None, mapped: MappedProperty) -> Finding:
    """Whether a mapped property is there, takes values, and holds that kind of them."""
    what = f"HubSpot property {mapped.property} (map.{mapped.name})"
    takes = _TAKES[mapped.kind]
    if found is None:
        detail = "does not exist in this account"
        remedy = f"correct the name, or make the property in HubSpot (of type {takes[0]})"
    elif mapped.written and found.read_only:
        detail = "is read-only in HubSpot"
        remedy = "name a property of your own"
    elif found.type not in takes:
        detail = f"is of type {found.type!r}, which does not hold a {mapped.kind}"
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
