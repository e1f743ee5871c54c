"""A file of HubSpot's Webhooks Journal as announcements. Pure.

Events are told apart by the fields that they have: the words of their `type` are
documented for an app's own life only. What names no record that syncd could read
is left out; nothing that a file says is used but ids and times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from syncd.ports.announcements import Announced

CONTACTS = "0-1"

_LIFE = {"APP_INSTALL": True, "APP_UNINSTALL": False}
_GONE = frozenset({"DELETE", "GDPR_DELETE", "MERGE"})
"""What happens to a contact that its appointments must be looked at for."""


class NoJournalFile(ValueError):  # noqa: N818 - the tree reads as states of the world
    """The content is no file of the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEvent:
    """One record of one account that changed."""

    account: int
    object_type: str
    record: str
    what: Announced
    occurred_at: datetime | None
    key: str
    """The same for the same event, wherever it stands; "" where it does not say when it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The app was installed in an account, or taken away there."""

    account: str
    installed: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFile:
    """What a file says."""

    events: tuple[JournalEvent, ...]
    installations: tuple[Installation, ...]


def parsed(content: bytes) -> JournalFile:
    """The events of a file.

    Raises:
        NoJournalFile: it is no JSON object with a list of events.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NoJournalFile(f"no JSON: {type(error).__name__}") from error
    told = body.get("journalEvents") if isinstance(body, dict) else None
    if not isinstance(told, list):
        raise NoJournalFile("no journalEvents")
    events: dict[JournalEvent, None] = {}
    installations: list[Installation] = []
    for raw in told:
        if not isinstance(raw, dict):
            continue
        if (life := _installation(raw)) is not None:
            installations.append(life)
        events |= dict.fromkeys(_events(raw))
    return JournalFile(events=tuple(events), installations=tuple(installations))


def moment(value: object) -> datetime | None:
    """An instant of an ISO text or of milliseconds since 1970, in UTC."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _events(raw: Mapping[str, Any]) -> Iterator[JournalEvent]:
    account = _id(raw.get("portalId"))
    if not account:
        return
    action = str(raw.get("action") or "")
    at = moment(raw.get("occurredAt"))
    for kind, record in _records(raw, action):
        gone = kind == CONTACTS
        if gone and action not in _GONE:
            continue
        yield JournalEvent(
            account=int(account),
            object_type=kind,
            record=record,
            what=Announced.CONTACT if gone else Announced.RECORD,
            occurred_at=at,
            key=_key(raw, kind, record, action) if at is not None else "",
        )


def _records(raw: Mapping[str, Any], action: str) -> Iterator[tuple[str, str]]:
    """Type and id of each record that the event names; of an association, not of the contact."""
    kind = raw.get("objectTypeId")
    if isinstance(kind, str) and kind:
        merged = raw.get("mergedObjectIds")
        others = merged if action == "MERGE" and isinstance(merged, list) else []
        for record in dict.fromkeys(map(_id, (raw.get("objectId"), *others))):
            if record:
                yield kind, record
    for end in ("from", "to"):
        kind, record = raw.get(f"{end}ObjectTypeId"), _id(raw.get(f"{end}ObjectId"))
        if isinstance(kind, str) and kind and kind != CONTACTS and record:
            yield kind, record


def _key(raw: Mapping[str, Any], kind: str, record: str, action: str) -> str:
    # With the values: the time may be no finer than a second, and two edits within it are two.
    changes = json.dumps(raw.get("propertyChanges"), sort_keys=True)
    digest = blake2b(changes.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    ends = f"{raw.get('fromObjectId')}>{raw.get('toObjectId')}" if "toObjectId" in raw else ""
    return f"journal {kind} {record} {action} {raw.get('occurredAt')} {digest} {ends}"


def _installation(raw: Mapping[str, Any]) -> Installation | None:
    installed, account = _LIFE.get(str(raw.get("action"))), _id(raw.get("portalId"))
    at = moment(raw.get("occurredAt"))
    if installed is None or not account or at is None:
        return None
    return Installation(account=account, installed=installed, at=at)


def _id(value: object) -> str:
    """An id as text, "" for what is none: the vendor's are whole numbers."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    text = str(value)
    return text if text.isascii() and text.isdigit() and len(text) < 20 else ""
