"""Checks a link after its cycle, queues notifications, and sends them.

Bootstrap makes one `Notifier` per process. `queue_events` and `deliver` run
between the cycles, never in them, and raise no error. A notification is in the
store before it is sent, so it survives a stopped process, a webhook that is
down, and a reboot.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from syncd import config
from syncd.config import LinkSettings
from syncd.core.model import Hold
from syncd.errors import ConfigError, StoreError
from syncd.notifications.channels import Apprise, Channel, Command, Undelivered, Webhook
from syncd.notifications.events import EventChanges, LinkStatus, Thresholds, event_changes
from syncd.notifications.message import body_of, test_body
from syncd.observability.redaction import redact, register_secret
from syncd.observability.state import State
from syncd.ports.clock import Clock
from syncd.ports.notifications import Notification, Outbox

log = structlog.get_logger(__name__)

PAUSES = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Seconds until the next attempt, by the number of attempts; the last one is used from then on."""

LONGEST_PAUSE = timedelta(seconds=max(PAUSES))

GIVE_UP_AFTER = timedelta(days=7)
"""A notification that could not be delivered for so long is out of date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test notification that was sent, or why it was not."""

    link: str
    channel: str
    error: str = ""


class Notifier:
    """Queues and sends the notifications of links.

    Without an outbox (a store that cannot be opened) it sends at once and remembers nothing.
    """

    def __init__(
        self,
        *,
        outbox: Outbox | None,
        clock: Clock,
        env: Mapping[str, str],
        links: Callable[[], Mapping[str, LinkSettings]],
    ) -> None:
        """`links` are the links of the configuration in force."""
        self._outbox, self._clock, self._env, self._links = outbox, clock, env, links
        self._sent_without_store: dict[str, set[str]] = {}
        """Events sent while the store was down, by link: the outbox does not know them."""

    def is_configured(self, link: str) -> bool:
        """Whether the link has a channel."""
        settings = self._links().get(link)
        return settings is not None and bool(settings.notify.channels)

    def queue_events(self, status: LinkStatus, holds: Callable[[], list[Hold]]) -> None:
        """Queue the new events of a link; each event once, however often it is seen."""
        if not self.is_configured(status.link):
            return
        if self._outbox is None:
            self._send_without_store(status)
            return
        try:
            self._queue(self._outbox, status, holds)
        except StoreError as error:
            log.warning("notification.not_queued", link=status.link, detail=str(error))
            self._send_without_store(status)

    def _queue(self, outbox: Outbox, status: LinkStatus, holds: Callable[[], list[Hold]]) -> None:
        link, now = status.link, self._clock.now()
        notify = self._links()[link].notify
        thresholds = Thresholds(
            held_longer_than=notify.held_longer_than, starts_within=notify.starts_within
        )
        held = holds()
        known = outbox.announced(link) | self._sent_without_store.get(link, set())
        changes = event_changes(status, held, known, thresholds, now)
        if status.state is State.OK:
            self._sent_without_store.pop(link, None)
        if not changes:
            return
        queued = [
            Notification(channel=name, body=body, made_at=now, due_at=now)
            for body in self._bodies(changes, status, thresholds)
            for name in notify.channels
        ]
        outbox.write(link, queued, announced=changes.announced, ended=changes.ended)
        for event in changes.new:
            log.info("notification.queued", link=link, event_name=event.kind.value)

    def _bodies(
        self, changes: EventChanges, status: LinkStatus, thresholds: Thresholds
    ) -> list[dict[str, object]]:
        now = self._clock.now()
        return [body_of(event, status, thresholds, now) for event in changes.new]

    def _send_without_store(self, status: LinkStatus) -> None:
        """Report a broken link although the store is down, which may be why it is broken."""
        link = status.link
        settings = self._links()[link]
        thresholds = Thresholds(held_longer_than=timedelta.max, starts_within=timedelta())
        known = self._sent_without_store.setdefault(link, set())
        changes = event_changes(status, (), known, thresholds, self._clock.now())
        for body in self._bodies(changes, status, thresholds):
            for name in settings.notify.channels:
                context = {"link": link, "channel": name, "event_name": body["event"]}
                try:
                    self._channel(settings, name).send(body)
                    log.info("notification.sent", **context)
                except (Undelivered, ConfigError) as error:
                    detail = redact(str(error))
                    log.warning("notification.not_delivered", detail=detail, **context)
        known -= changes.ended
        known |= changes.announced

    def deliver(self, link: str, stop: threading.Event | None = None) -> datetime | None:
        """Send the due notifications of a link; returns when the next one is due, if any is left.

        If a channel fails, its later notifications wait too: order is kept and
        a failing webhook is not flooded.
        """
        if self._outbox is None:
            return None
        blocked: dict[str, datetime] = {}
        try:
            for notification in self._outbox.notifications(link):
                if stop is not None and stop.is_set():
                    return notification.due_at
                if notification.channel not in blocked:
                    again = self._send(self._outbox, link, notification, stop)
                    if again is not None:
                        blocked[notification.channel] = again
        except StoreError as error:
            log.warning("notification.not_sent", link=link, detail=str(error))
            return self._clock.now() + timedelta(seconds=PAUSES[0])
        return min(blocked.values(), default=None)

    def _send(
        self,
        outbox: Outbox,
        link: str,
        notification: Notification,
        stop: threading.Event | None,
    ) -> datetime | None:
        """Send a notification if it is due; returns the time of the next attempt, if any."""
        now = self._clock.now()
        # One that is due after the longest pause was rescheduled before the clock was set back.
        if now < notification.due_at <= now + LONGEST_PAUSE:
            return notification.due_at
        context = {
            "link": link,
            "channel": notification.channel,
            "event_name": notification.body.get("event"),
        }
        settings = self._links().get(link)
        if settings is None or notification.channel not in settings.notify.channels:
            outbox.drop(notification)  # The channel was removed from the configuration.
            return None
        try:
            stopping = stop.is_set if stop is not None else bool
            self._channel(settings, notification.channel).send(notification.body, stopping)
        except (Undelivered, ConfigError) as error:
            return self._failed(outbox, notification, redact(str(error)), context)
        outbox.drop(notification)
        log.info("notification.sent", **context)
        return None

    def _failed(
        self,
        outbox: Outbox,
        notification: Notification,
        detail: str,
        context: Mapping[str, object],
    ) -> datetime | None:
        """Try again later, less and less often; only the first and the last failure are logged."""
        now, attempts = self._clock.now(), notification.attempts + 1
        if now - notification.made_at > GIVE_UP_AFTER:
            log.error("notification.given_up", detail=detail, attempts=attempts, **context)
            outbox.drop(notification)
            return None
        pause = PAUSES[min(notification.attempts, len(PAUSES) - 1)]
        if not notification.attempts:
            log.warning(
                "notification.not_delivered", detail=detail, tried_again_in=pause, **context
            )
        due_at = now + timedelta(seconds=pause)
        outbox.reschedule(replace(notification, attempts=attempts, due_at=due_at))
        return due_at

    def test(self, links: Iterable[str]) -> list[Tested]:
        """Send a test notification through every channel of these links, each channel once."""
        found: list[Tested] = []
        seen: set[object] = set()
        for link in links:
            settings = self._links()[link]
            for name in settings.notify.channels:
                address = settings.notify.addresses.get(name)
                same = (name, settings.notify.command if address is None else str(address))
                if same in seen:
                    continue
                seen.add(same)
                error = ""
                try:
                    self._channel(settings, name).send(test_body(link, self._clock.now()))
                except (Undelivered, ConfigError) as failure:
                    error = redact(str(failure))
                found.append(Tested(link=link, channel=name, error=error))
        return found

    def _channel(self, settings: LinkSettings, name: str) -> Channel:
        """The channel of the current configuration; its address is read again each time.

        Raises:
            ConfigError: the address is not where the configuration says.
        """
        if name == "command":
            return Command(settings.notify.command, self._env)
        url = config.resolve_address(settings, name, self._env).get_secret_value()
        register_secret(url)
        return Webhook(url, self._clock) if name == "webhook" else Apprise(url, self._env)


__all__ = ["GIVE_UP_AFTER", "PAUSES", "Notifier", "Tested"]
