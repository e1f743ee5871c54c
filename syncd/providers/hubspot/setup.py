"""Creates the properties that an account lacks: `syncd setup`.

`account.AccountReader` calls `create_missing`. Leaves out which properties
are ours (`schema`), and whether those that exist are usable (`schema_check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.core.model import Side
from syncd.errors import AuthFailed, NotFound, NotPrepared, Rejected
from syncd.providers.hubspot import schema, schema_check, wire
from syncd.providers.hubspot.schema import (
    GROUP_LABEL,
    GROUP_NAME,
    OWN_STATUS,
    RUN_SETUP,
    Definition,
    PropertySpec,
    RequiredSchema,
)
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request


def create_missing(
    session: Session, spec: PropertySpec, status_values: Sequence[str]
) -> list[tuple[str, bool]]:
    """Create what is missing; (what, whether it was created now) for each. Safe to repeat.

    Raises:
        NotPrepared: a property exists with settings that cannot be changed.
        AuthFailed: `crm.schemas.appointments.write` is missing.
        Transient: HubSpot cannot be reached.
    """
    done = [_create_group(session)]
    known = schema.definitions(session.rows(session.api.properties()))
    done += [_create_property(session, required, known) for required in spec.ours]
    if _uses_own_status(spec, known):
        done.append(_create_status(session, known, status_values))
    return done


def _create_group(session: Session) -> tuple[str, bool]:
    groups = wire.items(session.rows(session.api.property_groups()).get("results"))
    names = {wire.string(wire.mapping(each).get("name")) for each in groups}
    request = session.api.create_property_group(GROUP_NAME, GROUP_LABEL)
    return f"property group {GROUP_NAME}", GROUP_NAME not in names and _created(session, request)


def _create_property(
    session: Session, required: RequiredSchema, known: Mapping[str, Definition]
) -> tuple[str, bool]:
    found, created = known.get(required.name), False
    if found is None:
        created = _created(session, session.api.create_property(property_body(required)))
        found = _definition(session, required.name)
    finding = schema_check.verify(found, required)
    if not finding.ok:
        raise NotPrepared(str(finding))
    return f"property {required.name}", created


def _uses_own_status(spec: PropertySpec, known: Mapping[str, Definition]) -> bool:
    if spec.status_property == schema.AUTO:
        return schema_check.status_property(known, schema.AUTO) in {"", OWN_STATUS}
    return spec.status_property == OWN_STATUS


def _create_status(
    session: Session, known: Mapping[str, Definition], values: Sequence[str]
) -> tuple[str, bool]:
    found, created = known.get(OWN_STATUS), False
    if found is None:
        created = _created(session, session.api.create_property(status_body(values)))
        found = _definition(session, OWN_STATUS)
    if found is None or found.type != "enumeration":
        raise NotPrepared(
            f"HubSpot property {OWN_STATUS} is not an enumeration; delete it for good in HubSpot "
            f"(Settings > Properties, then its archive), then {RUN_SETUP}"
        )
    patch = with_options(found, values)
    if patch is not None:
        session.execute(session.api.update_property(OWN_STATUS, patch))
        created = True
    return f"property {OWN_STATUS}", created


def _created(session: Session, request: Request) -> bool:
    """Whether it was created now; another program may have created it meanwhile."""
    try:
        session.execute(request)
    except Rejected as error:
        if error.status != 409:
            raise
        return False
    except AuthFailed as error:
        if not error.missing_scope:
            raise
        raise AuthFailed(
            "the HubSpot token may not make properties; grant it the scope "
            "crm.schemas.appointments.write",
            side=Side.HUBSPOT,
            status=403,
            missing_scope=True,
        ) from error
    return True


def _definition(session: Session, name: str) -> Definition | None:
    """Read what was created: an archived property comes back with its old settings."""
    try:
        return schema.definition(session.ask(session.api.property(name)))
    except NotFound:
        return None


def property_body(required: RequiredSchema) -> Json:
    """The body that creates one of our properties."""
    return {
        "name": required.name,
        "label": required.label,
        "type": "string",
        "fieldType": required.field_type,
        "groupName": GROUP_NAME,
        "description": required.description,
        "hasUniqueValue": required.unique,
    }


def status_body(values: Sequence[str]) -> Json:
    """The body that creates a status property with these values."""
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

    A PATCH replaces the whole list (properties guide), so the present options are sent as well.
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
