"""Telling people: a message when a link breaks, recovers or trips a guard, or a record waits.

The daemon and `--sync-now` look at a link after its cycle (`Notifier.look`) and
send what is due (`Notifier.deliver`); neither ever stops or delays a cycle.
The modules: `news` (what there is to tell, pure), `message` (its JSON),
`channels` (webhook, command and Apprise), `desk` (both together, over the outbox).
"""

from syncd.notifications.events import LinkStatus
from syncd.notifications.notifier import LostOutbox, Notifier

__all__ = ["LinkStatus", "LostOutbox", "Notifier"]
