"""Looks at a link after its cycle, queues what people are to be told, and sends it.

Bootstrap makes one per process. `look` and `deliver` are called beside the
cycles, never in them; nothing that happens here is raised. What is queued is
in the store before it is sent, so that a message outlives the process, a
webhook that is down, and a reboot.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from syncd import config
from syncd.config import LinkSettings
from syncd.core.model import Hold
from syncd.errors import ConfigError, StoreError
from syncd.notifications.channels import Apprise, Channel, Command, Undelivered, Webhook
from syncd.notifications.events import Item, LinkStatus, Terms, news_of
from syncd.notifications.message import body_of
from syncd.observability.redaction import redact, register_secret
from syncd.observability.state import State
from syncd.ports.clock import Clock
from syncd.ports.notifications import Notification, Outbox

log = structlog.get_logger(__name__)

PAUSES = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Seconds until the next attempt, by how many there were; the last one counts for all further."""

LONGEST_PAUSE = timedelta(seconds=max(PAUSES))

GIVEN_UP_AFTER = timedelta(days=7)
"""A message that nobody took for so long is stale news."""


class Notifier:
    """The way from a link's trouble to the people who look after it."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        clock: Clock,
        env: Mapping[str, str],
        links: Callable[[], Mapping[str, LinkSettings]],
    ) -> None:
        """`links` are the links of the configuration in force."""
        self._outbox, self._clock, self._env, self._links = outbox, clock, env, links
        self._sent_without_store: dict[str, set[str]] = {}
        """What was told past a store that was away, by link: it cannot remember that itself."""

    def wanted(self, link: str) -> bool:
        """Whether anybody is to be told of this link."""
        settings = self._links().get(link)
        return settings is not None and bool(settings.notify.channels)

    def look(self, standing: LinkStatus, holds: Callable[[], list[Hold]]) -> None:
        """Queue what there is to tell of a link now; each event once, however often it is seen."""
        if not self.wanted(standing.link):
            return
        try:
            self._look(standing, holds)
        except StoreError as error:
            log.warning("notice.not_queued", link=standing.link, detail=str(error))
            self._tell_aloud(standing)

    def _look(self, standing: LinkStatus, holds: Callable[[], list[Hold]]) -> None:
        link, now = standing.link, self._clock.now()
        notify = self._links()[link].notify
        terms = Terms(held_longer_than=notify.held_longer_than, starts_within=notify.starts_within)
        waiting = holds()
        known = self._outbox.told(link) | self._sent_without_store.get(link, set())
        news = news_of(standing, waiting, known, terms, now)
        if standing.state is State.OK:
            self._sent_without_store.pop(link, None)
        if not news:
            return

        def notifications(item: Item) -> list[Notification]:
            body = body_of(item, standing, terms, now)
            return [
                Notification(channel=name, body=body, made_at=now, due_at=now)
                for name in notify.channels
            ]

        queued = [notification for item in news.items for notification in notifications(item)]
        self._outbox.write(link, queued, told=news.told, over=news.over)
        for item in news.items:
            log.info("notice.queued", link=link, event_told=item.event.value)

    def _tell_aloud(self, standing: LinkStatus) -> None:
        """Tell of a broken link although the store is away, which may be why it is broken."""
        link, now = standing.link, self._clock.now()
        settings = self._links()[link]
        terms = Terms(held_longer_than=timedelta.max, starts_within=timedelta())
        known = self._sent_without_store.setdefault(link, set())
        news = news_of(standing, (), known, terms, now)
        for item in news.items:
            body = body_of(item, standing, terms, now)
            for name in settings.notify.channels:
                told = {"link": link, "channel": name, "event_told": item.event.value}
                try:
                    self._channel(settings, name).send(body)
                    log.info("notice.sent", **told)
                except (Undelivered, ConfigError) as error:
                    log.warning("notice.not_taken", detail=redact(str(error)), **told)
        known -= news.over
        known |= news.told

    def deliver(self, link: str, stop: threading.Event | None = None) -> datetime | None:
        """Send everything of a link that is due; gives when the next of it is, if any is left.

        Where a channel fails, what is behind it waits as well: messages are
        not to overtake each other, nor a webhook that is down to be stormed.
        """
        blocked: dict[str, datetime] = {}
        try:
            for notification in self._outbox.notifications(link):
                if stop is not None and stop.is_set():
                    return notification.due_at
                if notification.channel not in blocked:
                    again = self._send(link, notification, stop)
                    if again is not None:
                        blocked[notification.channel] = again
        except StoreError as error:
            log.warning("notice.not_sent", link=link, detail=str(error))
            return self._clock.now() + timedelta(seconds=PAUSES[0])
        return min(blocked.values(), default=None)

    def _send(
        self, link: str, notification: Notification, stop: threading.Event | None
    ) -> datetime | None:
        """Send one if it is due; gives when to try again where it is still to be sent."""
        now = self._clock.now()
        # One that is due later than any pause ends was put off before the clock was set back.
        if now < notification.due_at <= now + LONGEST_PAUSE:
            return notification.due_at
        told = {
            "link": link,
            "channel": notification.channel,
            "event_told": notification.body.get("event"),
        }
        settings = self._links().get(link)
        if settings is None or notification.channel not in settings.notify.channels:
            self._outbox.drop(notification)  # Nobody wants it any more.
            return None
        try:
            stopping = stop.is_set if stop is not None else bool
            self._channel(settings, notification.channel).send(notification.body, stopping)
        except (Undelivered, ConfigError) as error:
            return self._failed(notification, redact(str(error)), told)
        self._outbox.drop(notification)
        log.info("notice.sent", **told)
        return None

    def _failed(
        self, notification: Notification, detail: str, told: Mapping[str, object]
    ) -> datetime | None:
        """Try again later, ever more seldom; the first failure and the last are logged."""
        now = self._clock.now()
        if now - notification.made_at > GIVEN_UP_AFTER:
            log.error("notice.given_up", detail=detail, attempts=notification.attempts + 1, **told)
            self._outbox.drop(notification)
            return None
        pause = PAUSES[min(notification.attempts, len(PAUSES) - 1)]
        if not notification.attempts:
            log.warning("notice.not_taken", detail=detail, tried_again_in=pause, **told)
        later = replace(
            notification, attempts=notification.attempts + 1, due_at=now + timedelta(seconds=pause)
        )
        self._outbox.put_off(later)
        return later.due_at

    def _channel(self, settings: LinkSettings, name: str) -> Channel:
        """The channel as it is configured now: a rotated address is taken up by itself.

        Raises:
            ConfigError: the address is not where it is said to be kept.
        """
        if name == "command":
            return Command(settings.notify.command, self._env)
        url = config.resolve_address(settings, name, self._env).get_secret_value()
        register_secret(url)
        return Webhook(url, self._clock) if name == "webhook" else Apprise(url, self._env)


class LostOutbox:
    """Stands for the outbox of a store that cannot be opened: it can neither tell nor keep."""

    def told(self, link: str) -> frozenset[str]:
        """Raises, like all of them: nobody knows."""
        raise _lost(link)

    def write(
        self,
        link: str,
        notifications: Sequence[Notification],
        *,
        told: Collection[str],
        over: Collection[str],
    ) -> None:
        """Nothing can be kept."""
        del notifications, told, over
        raise _lost(link)

    def notifications(self, link: str) -> list[Notification]:
        """Nobody knows what waits."""
        raise _lost(link)

    def put_off(self, notification: Notification) -> None:
        """Nothing can be kept."""
        raise _lost(notification.channel)

    def drop(self, notification: Notification) -> None:
        """Nothing can be forgotten."""
        raise _lost(notification.channel)


def _lost(what: str) -> StoreError:
    return StoreError(f"the store cannot be opened: nothing of {what} is known or kept")


__all__ = ["GIVEN_UP_AFTER", "PAUSES", "LostOutbox", "Notifier"]
