"""What HighLevel makes of the texts and times that are written: read back where nobody knows.

`commands` asks here after a write. HighLevel's answers to writes leave the
description and the times out, and what they tell may be what was sent.
Whether lists and gets show a description on every kind of calendar is not
documented; some addresses were seen to be missing there too. A text that is
never shown must not look like one that somebody cleared, and one that was cut
or escaped not like one that somebody edited: agreed is what the side shows.
"""

from collections.abc import Collection
from datetime import datetime
from threading import Lock

from syncd.core.essence import Value, is_empty, value, with_value
from syncd.core.model import Appointment, Group, GroupKey, Snapshot
from syncd.core.rendering import is_vendors
from syncd.providers.ghl import wire
from syncd.providers.readback import ReadBack, is_plain, traits

WRITTEN = (Group.TITLE, Group.TIME, Group.DESCRIPTION, Group.ADDRESS)
_SOMETIMES_HIDDEN = (Group.DESCRIPTION, Group.ADDRESS)


class ShownTexts:
    """What was learnt, for as long as the process lives; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hidden: set[tuple[str, GroupKey]] = set()
        self._faithful = ReadBack()

    def unsure(
        self,
        calendar: str,
        sent: Appointment,
        answer: wire.Event | None,
        groups: Collection[GroupKey],
    ) -> bool:
        """Whether the record has to be read to know if it shows what was sent."""
        return any(
            not self._is_hidden(calendar, group, answer)
            and not _goes_without_saying(group, value(sent, group), answer)
            and not self._faithful.keeps(calendar, group, value(sent, group))
            for group in _sent(sent, groups)
        )

    def heard(
        self,
        calendar: str,
        sent: Appointment,
        read: Snapshot,
        groups: Collection[GroupKey],
        after: Appointment,
        left: datetime | None,
    ) -> Appointment:
        """`after` as the record shows it that was read right after the write.

        What somebody may have edited in between stays as it was sent, and so
        is news. `left` is the stamp that the write left.
        """
        for group in _sent(sent, groups):
            wanted, shown = value(sent, group), value(read.appointment, group)
            if is_empty(shown) and group in _SOMETIMES_HIDDEN:
                with self._lock:
                    self._hidden.add((calendar, group))
                continue
            with self._lock:
                self._hidden.discard((calendar, group))
            self._faithful.learn(calendar, group, wanted, shown)
            if wanted != shown and is_vendors(wanted, shown, left, read.updated_at):
                after = with_value(after, group, shown)
        return after

    def as_shown(
        self,
        calendar: str,
        sent: Appointment,
        answer: wire.Event | None,
        groups: Collection[GroupKey],
        after: Appointment,
    ) -> Appointment:
        """`after` without the texts that this calendar's appointments never show."""
        for group in _sent(sent, groups):
            if self._is_hidden(calendar, group, answer):
                after = with_value(after, group, "")
        return after

    def _is_hidden(self, calendar: str, group: GroupKey, answer: wire.Event | None) -> bool:
        told = {
            Group.DESCRIPTION: answer is not None and answer.description is not None,
            Group.ADDRESS: answer is not None and answer.address is not None,
        }
        return not told.get(Group(group), True) and (calendar, group) in self._hidden


def _goes_without_saying(group: GroupKey, wanted: Value, answer: wire.Event | None) -> bool:
    """Whether it is kept: a time that is even, or a plain title that the answer repeats."""
    if group == Group.TITLE:
        return answer is not None and answer.title == wanted and is_plain(wanted)
    return not traits(wanted)


def _sent(sent: Appointment, groups: Collection[GroupKey]) -> list[GroupKey]:
    """What was sent of the groups that a vendor may not keep as they are."""
    return [group for group in WRITTEN if group in groups and not is_empty(value(sent, group))]
