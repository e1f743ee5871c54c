"""The files of a HubSpot project app that announces changes, as text. Pure.

Shapes: HubSpot's project templates of 2026-08-19 ("app-hsmeta.json",
"webhooks-hsmeta.json"). No published webhook names appointments: the word for them
is the one that HubSpot's guide to generic webhooks lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

APP_FILE = "src/app/app-hsmeta.json"
WEBHOOKS_FILE = "src/app/webhooks/webhooks-hsmeta.json"
PROJECT_FILE = "hsproject.json"
PLATFORM = "2026.09"
"""HubSpot's platform version: current since 2026-09-08, supported for 18 months."""

Auth = Literal["static", "oauth"]

_APPOINTMENT, _CONTACT = "appointment", "contact"
_RECORDS = ("object.creation", "object.deletion", "object.restore", "object.merge")
_ENDS = ("object.deletion", "object.merge")


def files(
    *, public_url: str, auth: Auth, scopes: Sequence[str], properties: Sequence[str]
) -> Mapping[str, str]:
    """Each file's path below the project's folder, and its text."""
    told = {
        PROJECT_FILE: {"name": "syncd", "srcDir": "src", "platformVersion": PLATFORM},
        APP_FILE: _app(public_url, auth, scopes),
        WEBHOOKS_FILE: _webhooks(public_url, properties),
    }
    return {path: json.dumps(content, indent=2) + "\n" for path, content in told.items()}


def target(public_url: str) -> str:
    """Where HubSpot's deliveries go."""
    return f"{public_url}/hooks/crm"


def _app(public_url: str, auth: Auth, scopes: Sequence[str]) -> dict[str, Any]:
    how: dict[str, Any] = {"type": auth}
    if auth == "oauth":
        how["redirectUrls"] = [f"{public_url}/oauth/callback"]
    # An app with a static token takes nothing but required scopes, and not the one for OAuth.
    how["requiredScopes"] = [each for each in scopes if auth == "oauth" or each != "oauth"]
    if auth == "oauth":
        how |= {"optionalScopes": [], "conditionallyRequiredScopes": []}
    config = {
        "name": "syncd",
        "description": "Keeps appointments in step with HighLevel calendars.",
        "distribution": "private",
        "auth": how,
    }
    return {"uid": "syncd_app", "type": "app", "config": config}


def _webhooks(public_url: str, properties: Sequence[str]) -> dict[str, Any]:
    records = [_subscription(word, _APPOINTMENT) for word in _RECORDS]
    records.append(_subscription("object.associationChange", _APPOINTMENT))
    records += [
        _subscription("object.propertyChange", _APPOINTMENT) | {"propertyName": name}
        for name in properties
    ]
    records += [_subscription(word, _CONTACT) for word in _ENDS]
    config = {
        # More than five at once are for large accounts ("maxConcurrentRequests").
        "settings": {"targetUrl": target(public_url), "maxConcurrentRequests": 10},
        "subscriptions": {"crmObjects": records, "legacyCrmObjects": [], "hubEvents": []},
    }
    return {"uid": "syncd_webhooks", "type": "webhooks", "config": config}


def _subscription(word: str, kind: str) -> dict[str, Any]:
    return {"subscriptionType": word, "objectType": kind, "active": True}
