"""Whether the two sides of a link announce their changes, and so whether its polls may relax.

The turn tells it what was announced and what the polls found; the runner asks how
often to poll. A side that lets a poll find what it should have announced is deaf:
the polls of the whole link go back to their usual interval until its announcements
have matched what the polls find for an hour. Kept with the link as one short text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from syncd import config
from syncd.config import LinkSettings, Settings
from syncd.core.model import Side
from syncd.engine.poll.found_changes import FoundChange
from syncd.ports.announcements import Announced, Announcement, Way

LIVE = "live"
"""The state of a link that holds what is known of its sides."""

AGED = timedelta(minutes=1)
"""From when on a change should have been announced."""

MATCHING = timedelta(hours=1)
"""How long a deaf side has to announce again what polls find."""

_SLACK = timedelta(seconds=5)
"""How far the vendors' clocks and ours may be apart."""

_REMEMBERED = 2_000
"""Announcements and changes of a link that are remembered."""


class Hearing(StrEnum):
    """What a side announces."""

    OFF = "off"
    """Nothing is set up."""
    WAITING = "waiting"
    """It is set up, and nothing was heard for this link yet."""
    HEARD = "heard"
    DEAF = "deaf"


class SetUp(StrEnum):
    """How a side may announce its changes."""

    NOTHING = "nothing"
    HOOK = "hook"
    """By a workflow's webhook alone, which announces no deletion."""
    APP = "app"
    """By an app's deliveries, or a journal."""


_Key = tuple[Side, str]
"""A record of a side; "" is the whole link."""

Changes = Mapping[Side, Mapping[str, FoundChange]]
"""What a poll found changed, by side and id."""


@dataclass(slots=True)
class SideLive:
    """What is known of one side; all instants are ours (UTC)."""

    heard_at: datetime | None = None
    """When it announced something for the first time."""
    by_app: bool = False
    """Whether an app or a journal did."""
    deaf_at: datetime | None = None
    """When a poll last found what it should have announced."""
    matches_from: datetime | None = None
    """Deaf: since when it announces again."""


@dataclass(slots=True, kw_only=True)
class Liveness:
    """The two sides of one link, as the process that holds it knows them."""

    since: datetime
    """Earlier changes say nothing: nobody here would have heard of them."""
    kept: str = ""
    """What of it is in the store."""
    sides: dict[Side, SideLive] = field(default_factory=lambda: {each: SideLive() for each in Side})
    _announced: dict[_Key, FoundChange] = field(default_factory=dict)
    """When a record was announced last, "" for a whole link."""
    _shown: dict[_Key, FoundChange] = field(default_factory=dict)
    """What a poll has shown, and when we wrote."""
    _unmatched: dict[_Key, datetime] = field(default_factory=dict)
    """Changes on a deaf side that were younger than `AGED`: they are judged by the next poll."""

    @classmethod
    def read(cls, text: str, since: datetime) -> Liveness:
        """What was kept; nothing where it cannot be read."""
        found = cls(since=since)
        try:
            for side, held in json.loads(text or "{}").items():
                found.sides[Side(side)] = SideLive(
                    heard_at=_instant(held["heard_at"]),
                    by_app=bool(held["by_app"]),
                    deaf_at=_instant(held["deaf_at"]),
                    matches_from=_instant(held["matches_from"]),
                )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(since=since)
        found.kept = text
        return found

    def as_text(self) -> str:
        """What is to be kept."""
        return json.dumps(
            {
                side.value: {
                    "heard_at": _text(live.heard_at),
                    "by_app": live.by_app,
                    "deaf_at": _text(live.deaf_at),
                    "matches_from": _text(live.matches_from),
                }
                for side, live in self.sides.items()
            }
        )

    # --- what happens

    def hear(self, announced: Iterable[Announcement]) -> None:
        """These waited for the link."""
        for each in announced:
            if each.way is Way.LIFECYCLE:
                continue
            live = self.sides[each.side]
            # We ask for a full cycle ourselves where announcements were lost: nobody was heard.
            lost = each.what is Announced.FULL
            if not lost:
                live.heard_at = live.heard_at or each.received_at
                live.by_app |= each.way is Way.APP
            if each.what is not Announced.CONTACT:
                heard = FoundChange(stamp=each.received_at, shown="")
                self._remember(self._announced, (each.side, each.record), heard)
            deaf = live.deaf_at is not None and each.received_at > live.deaf_at
            if deaf and not lost and live.matches_from is None:
                live.matches_from = each.received_at

    def wrote(self, records: Iterable[_Key], at: datetime) -> None:
        """We wrote to these: what they show since is our own doing."""
        for key in records:
            self._remember(self._shown, key, FoundChange(stamp=at, shown=""))

    def polled(self, changes: Changes, at: datetime) -> list[Side]:
        """A poll that began then found these changes; gives the sides that turned out deaf.

        The stamps are as our own clock would have set them.
        """
        for key, stamp in list(self._unmatched.items()):
            if at - stamp > AGED:
                del self._unmatched[key]
                if not self._was_announced(key, stamp):
                    self.sides[key[0]].matches_from = None
        deaf = {side for side, found in changes.items() if self._missed(side, found, at)}
        turned = []
        for side in deaf:
            live = self.sides[side]
            if live.heard_at is not None:
                turned += [side] if not self._is_deaf(side, at) else []
                live.deaf_at, live.matches_from = at, None
        return turned

    def _missed(self, side: Side, found: Mapping[str, FoundChange], at: datetime) -> bool:
        """Whether a change is among these that should have been announced, and was not."""
        missed = False
        for record, change in found.items():
            key, stamp = (side, record), change.stamp
            known = self._shown.get(key)
            # A property that is not synced moves the stamp as well.
            same = known is not None and known.shown == change.shown
            if stamp <= self.since or same or (known and stamp <= known.stamp + _SLACK):
                continue
            self._remember(self._shown, key, change)
            if self._was_announced(key, stamp):
                continue
            if at - stamp > AGED:
                missed = True
            elif self._is_deaf(side, at):
                self._unmatched[key] = stamp
        return missed

    def _was_announced(self, key: _Key, stamp: datetime) -> bool:
        least = stamp - _SLACK
        return any(
            heard is not None and heard.stamp >= least
            for heard in (self._announced.get(key), self._announced.get((key[0], "")))
        )

    def _remember(self, memory: dict[_Key, FoundChange], key: _Key, change: FoundChange) -> None:
        memory.pop(key, None)
        memory[key] = change
        if len(memory) > _REMEMBERED:
            # What is forgotten must not pass for what never came.
            self.since = max(self.since, memory.pop(next(iter(memory))).stamp)

    # --- what follows

    def _is_deaf(self, side: Side, now: datetime) -> bool:
        live = self.sides[side]
        if live.deaf_at is None:
            return False
        return live.matches_from is None or now - live.matches_from < MATCHING

    def hearing(self, side: Side, set_up: SetUp, now: datetime) -> Hearing:
        """What the side announces now."""
        if set_up is SetUp.NOTHING:
            return Hearing.OFF
        if self.sides[side].heard_at is None:
            return Hearing.WAITING
        return Hearing.DEAF if self._is_deaf(side, now) else Hearing.HEARD

    def relaxes(self, set_up: Mapping[Side, SetUp], now: datetime) -> bool:
        """Whether polls may be rarer: both sides announce all of their changes."""
        return all(
            set_up[side] is SetUp.APP
            and self.sides[side].by_app
            and self.hearing(side, set_up[side], now) is Hearing.HEARD
            for side in Side
        )


def set_up_of(settings: Settings, link: LinkSettings) -> dict[Side, SetUp]:
    """How the sides of a link may announce their changes.

    On PostgreSQL another process may be the one that listens.
    """
    live, apps = settings.live, settings.apps
    listens = bool(live.listen) or not settings.store.is_embedded
    ghl = hubspot = SetUp.NOTHING
    if listens and link.ghl.hook_secret.given:
        ghl = SetUp.HOOK
    if listens and apps.highlevel.client_id:
        ghl = SetUp.APP
    app = apps.hubspot
    delivers = listens and live.public_url and config.has_app(apps, "hubspot")
    if (app.journal and app.client_id) or delivers:
        hubspot = SetUp.APP
    return {Side.GHL: ghl, Side.HUBSPOT: hubspot}


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
