"""Merging two HubSpot records into one survivor, whose id is normally a new one.

Called by `portal` (a person's merge) and by the merge endpoint.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from syncd.sandbox.hubspot.records import HubspotRecord

if TYPE_CHECKING:
    from syncd.sandbox.hubspot.portal import HubspotPortal
    from syncd.sandbox.hubspot.table import ObjectTable


def merged(portal: HubspotPortal, table: ObjectTable, primary: str, secondary: str) -> str:
    """Merges two living records of a table; both old ids lead to the survivor."""
    first, second = portal.living(table, primary), portal.living(table, secondary)
    new_id = (
        first.id if portal.settings.merge_keeps_primary_id else portal.ids.hubspot(table.plural)
    )
    row = HubspotRecord(
        id=new_id,
        created=min(first.created, second.created),
        updated=table.stamp(),
        properties=_merged_properties(first, second),
        history={**deepcopy(second.history), **deepcopy(first.history)},
    )
    linked = [*portal.linked(first), *portal.linked(second)]
    for old in (first, second):
        portal.unlink_all(old)
        table.forget(old)
    table.adopt(row)
    if table.is_contacts:
        table.claim_emails(row)
    if portal.settings.merge_redirects:
        table.survivors = {
            key: new_id if value in (first.id, second.id) else value
            for key, value in table.survivors.items()
        } | {old: new_id for old in (first.id, second.id) if old != new_id}
    for target, other in linked:
        portal.join(table.type_id, row, target, other)
    return new_id


def _merged_properties(first: HubspotRecord, second: HubspotRecord) -> dict[str, str]:
    values = {**second.properties, **first.properties}
    before = [row.properties.get("hs_merged_object_ids", "") for row in (first, second)]
    ids = [part for text in before for part in text.split(";") if part]
    values["hs_merged_object_ids"] = ";".join([*ids, first.id, second.id])
    emails = {second.properties.get("email"), *_additional(first), *_additional(second)}
    others = sorted(email for email in emails if email and email != values.get("email"))
    if others:
        values["hs_additional_emails"] = ";".join(others)
    return values


def _additional(row: HubspotRecord) -> list[str]:
    return [part for part in row.properties.get("hs_additional_emails", "").split(";") if part]
