"""The result of merging two HubSpot records; `portal` puts it into the account."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime

from syncd.sandbox.hubspot.records import HubspotRecord


def survivor(
    first: HubspotRecord, second: HubspotRecord, new_id: str, updated: datetime
) -> HubspotRecord:
    """The record that two are merged into; the values of the first win."""
    return HubspotRecord(
        id=new_id,
        created=min(first.created, second.created),
        updated=updated,
        properties=_merged_properties(first, second),
        history={**deepcopy(second.history), **deepcopy(first.history)},
    )


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
