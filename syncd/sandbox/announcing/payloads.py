"""Changes as the vendors' JSON: app events, a workflow's body, HubSpot events, journal events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.timestamps import epoch_ms, iso_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncd.sandbox.announcing.changes import GhlChange, HubspotChange
    from syncd.sandbox.http import JsonObject

APP_ID = 900_100
"""The HubSpot app's number."""

_PUSHED = {
    "CREATE": "object.creation",
    "DELETE": "object.deletion",
    "GDPR_DELETE": "object.deletion",
    "RESTORE": "object.restore",
    "MERGE": "object.merge",
    "ASSOCIATION_ADDED": "object.associationChange",
    "ASSOCIATION_REMOVED": "object.associationChange",
}


def app_event(
    change: GhlChange, app: str, event_id: str, *, wrong_type: bool, wrapped: bool
) -> JsonObject:
    """A Marketplace app's event."""
    word = "AppointmentCreate" if wrong_type and change.type.startswith("App") else change.type
    event: JsonObject = {
        "type": word,
        "locationId": change.location,
        "versionId": "66f0c0ffee00000000000002",
        "appId": app,
        **change.shown,
        "timestamp": iso_ms(change.at),
        "webhookId": event_id,
    }
    return {"data": event} if wrapped else event


def workflow_body(change: GhlChange) -> JsonObject:
    """What a workflow's own webhook sends on an appointment trigger: no id of its own."""
    return {"calendar": {"appointmentId": change.record, "id": change.calendar}}


def pushed_events(
    change: HubspotChange, portal: int, first_id: int, *, by_app: bool
) -> Iterator[JsonObject]:
    """The events of a change as deliveries carry them: one for each property."""
    base: JsonObject = {
        "subscriptionId": 51_001,
        "portalId": portal,
        "appId": APP_ID,
        "occurredAt": epoch_ms(change.at),
        "attemptNumber": 0,
        "changeSource": "INTEGRATION" if by_app else "CRM_UI",
        "sourceId": str(APP_ID) if by_app else "userId:9001",
    }
    shown: list[JsonObject] = []
    if change.action.startswith("ASSOCIATION"):
        removed = change.action == "ASSOCIATION_REMOVED"
        shown.append(_association(change) | {"associationRemoved": removed})
    elif change.action == "UPDATE":
        shown += [
            {"propertyName": name, "propertyValue": value} for name, value in change.values.items()
        ]
    elif change.action == "MERGE":
        ids = [int(each) for each in change.merged]
        shown.append(
            {
                "primaryObjectId": ids[0],
                "mergedObjectIds": ids[1:],
                "newObjectId": int(change.record),
                "numberOfPropertiesMoved": 0,
            }
        )
    else:
        shown.append({"changeFlag": "NEW" if change.action == "CREATE" else "DELETED"})
    word = _PUSHED.get(change.action, "object.propertyChange")
    for number, more in enumerate(shown):
        about: JsonObject = (
            {}
            if word == "object.associationChange"
            else {"objectId": int(change.record), "objectTypeId": change.object_type}
        )
        yield base | {"eventId": first_id + number, "subscriptionType": word} | about | more


def journal_event(change: HubspotChange, portal: int) -> JsonObject:
    """A change as the journal's files show it."""
    event: JsonObject = {
        "type": "crm_object_event",
        "portalId": portal,
        "occurredAt": iso_ms(change.at),
        "action": change.action,
    }
    if change.action.startswith("ASSOCIATION"):
        return event | _association(change) | {"type": "crm_association_event"}
    event |= {"objectTypeId": change.object_type, "objectId": int(change.record)}
    if change.action in {"CREATE", "UPDATE"}:
        event["propertyChanges"] = dict(change.values)
    if change.action == "MERGE":
        event["mergedObjectIds"] = [int(each) for each in change.merged]
    return event


def _association(change: HubspotChange) -> dict[str, Any]:
    return {
        "fromObjectTypeId": change.object_type,
        "fromObjectId": int(change.record),
        "toObjectTypeId": change.to_type,
        "toObjectId": int(change.to_record),
        "associationTypeId": change.association_type,
        "associationCategory": "HUBSPOT_DEFINED",
        "isPrimaryAssociation": False,
    }
