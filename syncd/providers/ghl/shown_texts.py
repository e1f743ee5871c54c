"""Which texts HighLevel shows as they were written, and which it changes or hides.

`writing` asks here after a write. HighLevel's answers to writes leave out the
description and the times (observed 2026-07-17), and the other values may only
repeat what was sent. Whether lists and gets show a description on every kind
of calendar is not documented; some are missing there (observed 2026-07-17).
A text that is never shown must not look cleared, and one that was cut or
escaped must not look edited: the agreed value is what the side shows.
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
    """What was learned while the process lives; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hidden: set[tuple[str, GroupKey]] = set()
        self._read_back = ReadBack()

    def needs_reading(
        self,
        calendar: str,
        sent: Appointment,
        answer: wire.Event | None,
        groups: Collection[GroupKey],
    ) -> bool:
        """Whether the record must be read to know if it shows what was sent."""
        return any(
            not self._is_hidden(calendar, group, answer)
            and not _surely_kept(group, value(sent, group), answer)
            and not self._read_back.keeps(calendar, group, value(sent, group))
            for group in _sent(sent, groups)
        )

    def learn(
        self,
        calendar: str,
        sent: Appointment,
        read: Snapshot,
        groups: Collection[GroupKey],
        after: Appointment,
        written_at: datetime | None,
    ) -> Appointment:
        """`after` with the values of the record that was read right after the write.

        A value that somebody may have edited in between stays as it was sent,
        so that the next poll sees the edit. `written_at` is the stamp of the write.
        """
        for group in _sent(sent, groups):
            wanted, shown = value(sent, group), value(read.appointment, group)
            if is_empty(shown) and group in _SOMETIMES_HIDDEN:
                with self._lock:
                    self._hidden.add((calendar, group))
                continue
            with self._lock:
                self._hidden.discard((calendar, group))
            self._read_back.learn(calendar, group, wanted, shown)
            if wanted != shown and is_vendors(wanted, shown, written_at, read.updated_at):
                after = with_value(after, group, shown)
        return after

    def without_hidden(
        self,
        calendar: str,
        sent: Appointment,
        answer: wire.Event | None,
        groups: Collection[GroupKey],
        after: Appointment,
    ) -> Appointment:
        """`after` without the texts that appointments of this calendar never show."""
        for group in _sent(sent, groups):
            if self._is_hidden(calendar, group, answer):
                after = with_value(after, group, "")
        return after

    def _is_hidden(self, calendar: str, group: GroupKey, answer: wire.Event | None) -> bool:
        answered = {
            Group.DESCRIPTION: answer is not None and answer.description is not None,
            Group.ADDRESS: answer is not None and answer.address is not None,
        }
        return not answered.get(Group(group), True) and (calendar, group) in self._hidden


def _surely_kept(group: GroupKey, wanted: Value, answer: wire.Event | None) -> bool:
    """Whether it is surely kept: an even time, or a plain title that the answer repeats."""
    if group == Group.TITLE:
        return answer is not None and answer.title == wanted and is_plain(wanted)
    return not traits(wanted)


def _sent(sent: Appointment, groups: Collection[GroupKey]) -> list[GroupKey]:
    """The groups that were sent and that a vendor may change."""
    return [group for group in WRITTEN if group in groups and not is_empty(value(sent, group))]
