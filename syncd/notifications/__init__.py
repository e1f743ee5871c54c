"""Notifications: a message when a link breaks, recovers or trips a guard, or a record is held.

After each cycle the daemon and `--sync-now` queue a link's new events
(`Notifier.queue_events`) and send them (`Notifier.deliver`); neither ever stops
or delays a cycle. The modules: `events` (what to notify of, pure), `message`
(its JSON), `channels` (webhook, command and Apprise), `notifier` (all of them,
over the outbox).
"""

from syncd.notifications.events import LinkStatus
from syncd.notifications.notifier import Notifier, Tested

__all__ = ["LinkStatus", "Notifier", "Tested"]
