"""Which subscriptions the journal of an app needs, and what is to change. Pure.

For each account three: its appointments, its contacts' ends, and the associations
between both; and for the app its own installations. Properties are always named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONTACTS = "0-1"
INSTALLED, UNINSTALLED = "4-1909196", "4-1916193"
"""HubSpot, "Webhooks Journal": the event types of an app's installations."""

_RECORDS = ("CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE")
_ENDS = ("DELETE", "MERGE")
_ASSOCIATIONS = ("ASSOCIATION_ADDED", "ASSOCIATION_REMOVED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A link that the events of its account are announced to."""

    name: str
    object_type: str
    properties: tuple[str, ...]
    """Those whose changes it needs to hear of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription that is needed."""

    account: str
    """The account's number; "" for the app itself."""
    kind: str
    """What it is for: one of each kind and account."""
    body: Mapping[str, Any]

    def is_like(self, row: Mapping[str, Any]) -> bool:
        """Whether a subscription of the vendor's list is the one that asking for this changes."""
        keys = ("subscriptionType", "objectTypeId", "eventTypeId", "associatedObjectTypeIds")
        return (
            all(row.get(key) == self.body[key] for key in keys if key in self.body)
            and str(row.get("portalId") or "") == self.account
        )

    def covered_by(self, row: Mapping[str, Any]) -> bool:
        """Whether that one tells all of this already."""
        return not row.get("objectIds") and all(
            set(self.body[key]) <= set(_texts(row.get(key)))
            for key in ("actions", "properties")
            if key in self.body
        )

    def beside(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What to ask for so that somebody else's subscription goes on telling what it told."""
        joined = {
            key: list(dict.fromkeys((*self.body[key], *_texts(row.get(key)))))
            for key in ("actions", "properties")
            if key in self.body
        }
        return {**self.body, **joined}


def wanted(accounts: Mapping[int, Sequence[Heard]]) -> list[Wanted]:
    """The subscriptions for the links of these accounts."""
    found = [
        Wanted(
            account="",
            kind=f"app {event}",
            body={
                "subscriptionType": "APP_LIFECYCLE_EVENT",
                "eventTypeId": event,
                "properties": ["hs_app_id"],
            },
        )
        for event in (INSTALLED, UNINSTALLED)
    ]
    for account in sorted(accounts):
        named: dict[str, dict[str, None]] = {}
        for heard in accounts[account]:
            named.setdefault(heard.object_type, {}).update(dict.fromkeys(heard.properties))
        for kind in sorted(named):
            found += _of_type(account, kind, tuple(named[kind]))
        contacts = _record(account, CONTACTS, ("email", "phone"), _ENDS)
        found.append(Wanted(account=str(account), kind=f"records {CONTACTS}", body=contacts))
    return found


def _of_type(account: int, kind: str, properties: Sequence[str]) -> list[Wanted]:
    return [
        Wanted(
            account=str(account),
            kind=f"records {kind}",
            body=_record(account, kind, properties, _RECORDS),
        ),
        Wanted(
            account=str(account),
            kind=f"associations {kind}",
            body={
                "subscriptionType": "ASSOCIATION",
                "portalId": account,
                "objectTypeId": kind,
                "associatedObjectTypeIds": [CONTACTS],
                "objectIds": [],
                "actions": list(_ASSOCIATIONS),
            },
        ),
    ]


def _record(
    account: int, kind: str, properties: Sequence[str], actions: Sequence[str]
) -> dict[str, Any]:
    return {
        "subscriptionType": "OBJECT",
        "portalId": account,
        "objectTypeId": kind,
        "objectIds": [],
        "properties": list(properties),
        "actions": list(actions),
    }


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
