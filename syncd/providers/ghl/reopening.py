"""Whether a cancelled appointment may take its slot again.

`orders` asks here before it writes such a status. A PUT is only described to
check slots where times move, and no page says that it checks a status that
makes the appointment count again. Leaves out moves: those are validated by
the API itself.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from syncd.errors import NotFound, Rejected
from syncd.providers.ghl import mapping, protocol, wire
from syncd.providers.ghl.events import PADDING
from syncd.providers.ghl.line import Line, unreadable
from syncd.providers.ghl.mapping import Place
from syncd.providers.ghl.slots import SlotBook, Wish

_FREEING = frozenset({"cancelled", "invalid"})


def has_room(
    line: Line, place: Place, slots: SlotBook, wish: Wish, end: datetime, record: str
) -> bool:
    """Whether the slot is offered, or at least nobody else's appointment stands there.

    What was booked by hand beside the calendar's grid is never offered.

    Raises:
        ProviderError: it could not be asked.
    """
    slots.freed(wish.calendar)  # What was offered when the cycle began is no answer.
    # A calendar that offers nothing at all, as a draft does, may be refused.
    with suppress(Rejected, NotFound):
        offered = slots.offer(place, wish) is not None
        # An offer speaks of one slot: of the rest of a longer appointment it says nothing.
        if offered and end - wish.start <= place.slots.get(wish.calendar, timedelta()):
            return True
    since, until = wish.start - PADDING, end + PADDING
    calls = [protocol.list_events(line.location, wish.calendar, since, until)]
    if wish.user:
        calls.append(protocol.list_events(line.location, "", since, until, user=wish.user))
    for call in calls:
        rows = wire.events(line.ask(call))
        if rows is None:
            raise unreadable(call)
        for event in rows:
            if event is not None and event.id != record and _stands(event, place, wish, end):
                return False
    return True


def _stands(event: wire.Event, place: Place, wish: Wish, end: datetime) -> bool:
    """Whether an appointment takes some of that time from the same user, or the calendar."""
    shown = mapping.snapshot(event, place).appointment
    if shown.start is None or shown.status in _FREEING or mapping.is_master(event):
        return False
    others = wish.user and shown.owner and shown.owner != wish.user
    return not others and shown.start < end and wish.start < (shown.end or shown.start)
