"""Telling people: a message when a link breaks, recovers or trips a guard, or a record waits.

The daemon and `--sync-now` look at a link after its cycle (`Notices.look`) and
send what is due (`Notices.deliver`); neither ever stops or delays a cycle.
The modules: `news` (what there is to tell, pure), `message` (its JSON),
`channels` (webhook and command), `desk` (both together, over the outbox).
"""

from syncd.notices.desk import LostOutbox, Notices
from syncd.notices.news import Standing

__all__ = ["LostOutbox", "Notices", "Standing"]
