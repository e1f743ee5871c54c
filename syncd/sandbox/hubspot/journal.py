"""HubSpot's Webhooks Journal of one app: subscriptions, files, offsets, their short life.

The announcer tells it of changes; `journal_api` serves it. What has changed since the last look
becomes a file when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from syncd.sandbox.announcing.payloads import journal_event
from syncd.sandbox.changed_rules import changed_rules
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from syncd.sandbox.announcing.changes import HubspotChange
    from syncd.sandbox.http import JsonObject

_EVENTS_OF_A_FILE = 10_000

Aged = Literal["404", "400", "204", "earliest"]
Nothing = Literal["204", "empty", "404"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRules:
    """What nobody documents, to be set as a test needs it."""

    nothing: Nothing = "204"
    """How "nothing new" is said."""
    aged: Aged = "404"
    """What `next` says for an offset that has left the journal."""
    refused: tuple[str, ...] = ()
    """Object types whose subscription is refused."""
    silent: tuple[str, ...] = ()
    """Object types whose subscription is taken, and then nothing comes."""
    empty_properties: Literal["all", "none"] = "none"
    """What a subscription that names no properties means."""
    further_portals: tuple[int, ...] = ()
    """Accounts besides this one that have installed the app."""
    token_refused: bool = False
    """The app may not read a journal."""
    kept_days: float = 3.0
    url_seconds: float = 300.0
    """How long the address of a file is good."""

    @classmethod
    def of(cls, values: Mapping[str, Any], before: JournalRules) -> JournalRules:
        """Rules with some of them changed.

        Raises:
            ValueError: there is no such rule, or it does not take the value.
        """
        return changed_rules(before, values, _checked)


_WORDS = {"nothing": get_args(Nothing), "aged": get_args(Aged)}


def _checked(name: str, value: Any, before: Any) -> Any:
    if name in _WORDS and value not in _WORDS[name]:
        raise ValueError(f"{name} is one of {', '.join(_WORDS[name])}")
    return tuple(value) if isinstance(before, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFile:
    """One file of the journal."""

    number: int
    offset: str
    at: datetime
    events: Sequence[JsonObject]

    def shown(self) -> JsonObject:
        """Its content."""
        return {
            "offset": self.offset,
            "publishedAt": iso_ms(self.at),
            "journalEvents": list(self.events),
        }


class Journal:
    """One app's journal over all accounts that installed it."""

    def __init__(self, now: Callable[[], datetime], portal: int) -> None:
        self._now, self._portal = now, portal
        self.rules = JournalRules()
        self.subscriptions: dict[int, JsonObject] = {}
        self.tokens: dict[str, datetime] = {}
        """Client-credentials tokens, with the end of each."""
        self._files: list[JournalFile] = []
        self._waiting: list[JsonObject] = []
        self._made = 0
        self._next_id = 70_000

    @property
    def active(self) -> bool:
        """Whether any subscription asks for changes."""
        return bool(self.subscriptions)

    @property
    def portals(self) -> tuple[int, ...]:
        """The accounts that installed the app."""
        return (self._portal, *self.rules.further_portals)

    # Tokens.

    def new_token(self) -> str:
        """A token for half an hour."""
        token = f"sandbox-journal-token-{len(self.tokens) + 1}"
        self.tokens[token] = self._now() + timedelta(minutes=30)
        return token

    def admits(self, token: str) -> bool:
        """Whether a token is one of ours and still good."""
        ends = self.tokens.get(token)
        return ends is not None and self._now() < ends

    # Subscriptions.

    def subscribe(self, asked: JsonObject) -> JsonObject:
        """Makes a subscription, or changes the one of the same account, kind and type."""
        key = _key(asked)
        found = next((row for row in self.subscriptions.values() if _key(row) == key), None)
        stamp = iso_ms(self._now())
        if found is None:
            self._next_id += 1
            found = {"id": self._next_id, "appId": 900_100, "createdAt": stamp}
        row = found | asked | {"updatedAt": stamp}
        self.subscriptions[row["id"]] = row
        return row

    def took_place(self, change: HubspotChange) -> None:
        """Keeps a change that a subscription asks for."""
        wanted = [row for row in self.subscriptions.values() if self._asks_for(row, change)]
        if not wanted:
            return
        event = journal_event(change, self._portal)
        if "propertyChanges" in event:
            names = {name for row in wanted for name in self._named(row, change)}
            event["propertyChanges"] = {
                name: text for name, text in change.values.items() if name in names
            }
            if change.action == "UPDATE" and not event["propertyChanges"]:
                return
        self._waiting.append(event)

    def tell(self, event: JsonObject) -> None:
        """Keeps an event of anybody's making, such as an app's installation."""
        self._waiting.append(event)

    def _asks_for(self, row: JsonObject, change: HubspotChange) -> bool:
        if row.get("portalId") != self._portal or row["objectTypeId"] != change.object_type:
            return False
        if change.object_type in self.rules.silent or change.action not in row["actions"]:
            return False
        if change.action.startswith("ASSOCIATION"):
            return change.to_type in row.get("associatedObjectTypeIds", ())
        return row["subscriptionType"] in {"OBJECT", "GDPR_PRIVACY_DELETION"}

    def _named(self, row: JsonObject, change: HubspotChange) -> Sequence[str]:
        named = row.get("properties") or ()
        if not named and self.rules.empty_properties == "all":
            return tuple(change.values)
        return tuple(named)

    # Files.

    def files(self) -> list[JournalFile]:
        """The files that are still kept, what has waited until now included, oldest first."""
        while self._waiting:
            part, self._waiting = (
                self._waiting[:_EVENTS_OF_A_FILE],
                self._waiting[_EVENTS_OF_A_FILE:],
            )
            self.publish(part)
        oldest = self._now() - timedelta(days=self.rules.kept_days)
        self._files = [each for each in self._files if each.at > oldest]
        return self._files

    def publish(self, events: Sequence[JsonObject]) -> JournalFile:
        """Puts a file into the journal now."""
        self._made += 1
        offset = f"7d3e0a52-0000-4000-8000-{self._made:012x}"
        made = JournalFile(number=self._made, offset=offset, at=self._now(), events=events)
        self._files.append(made)
        return made

    def after(self, offset: str) -> JournalFile | Aged | None:
        """The file after an offset; None where there is none; a word where the offset has left."""
        kept = self.files()
        for number, each in enumerate(kept):
            if each.offset == offset:
                return kept[number + 1] if number + 1 < len(kept) else None
        if self.rules.aged == "earliest" and kept:
            return kept[0]
        return self.rules.aged


def _key(row: JsonObject) -> tuple[object, ...]:
    return (
        row["subscriptionType"],
        row.get("portalId"),
        row.get("objectTypeId"),
        row.get("eventTypeId"),
        tuple(row.get("associatedObjectTypeIds") or ()),
    )
