"""Whether the texts that are written are ever shown again: learnt once for each calendar.

`orders` asks here after a write. HighLevel's answers to writes leave the
description out, and whether lists and gets show it on every kind of calendar
is not documented; some addresses were seen to be missing there too. A text
that is never shown must not look like one that somebody cleared: agreed is
what the side shows. Leaves out titles and times, which are always shown.
"""

from collections.abc import Collection
from threading import Lock

from syncd.core.essence import is_empty, value, with_value
from syncd.core.model import Appointment, Group, GroupKey
from syncd.providers.ghl import wire

TEXTS = (Group.DESCRIPTION, Group.ADDRESS)


class Echoes:
    """What was learnt, for as long as the process lives; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._shown: dict[tuple[str, GroupKey], bool] = {}

    def unsure(
        self,
        calendar: str,
        sent: Appointment,
        answer: wire.Event | None,
        groups: Collection[GroupKey],
    ) -> bool:
        """Whether the record has to be read to know if it shows what was sent."""
        return any((calendar, group) not in self._shown for group in _untold(sent, answer, groups))

    def learn(self, calendar: str, sent: Appointment, read: Appointment) -> None:
        """What a record shows that was read right after the write."""
        with self._lock:
            for group in TEXTS:
                if not is_empty(value(sent, group)):
                    self._shown[calendar, group] = not is_empty(value(read, group))

    def as_shown(
        self,
        calendar: str,
        sent: Appointment,
        answer: wire.Event | None,
        groups: Collection[GroupKey],
        after: Appointment,
    ) -> Appointment:
        """`after` without the texts that this calendar's appointments never show."""
        for group in _untold(sent, answer, groups):
            if not self._shown.get((calendar, group), True):
                after = with_value(after, group, "")
        return after


def _untold(
    sent: Appointment, answer: wire.Event | None, groups: Collection[GroupKey]
) -> list[GroupKey]:
    """The texts that were sent, and of which the answer says nothing."""
    told = {
        Group.DESCRIPTION: answer is not None and answer.description is not None,
        Group.ADDRESS: answer is not None and answer.address is not None,
    }
    return [
        group
        for group in TEXTS
        if group in groups and not told[group] and not is_empty(value(sent, group))
    ]
