"""Whether a cancelled appointment may take its slot again.

`commands` asks here before it writes such a status. A PUT is only described to
check slots where times move, and no page says that it checks a status that
makes the appointment count again. Leaves out moves: those are validated by
the API itself.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from syncd.errors import NotFound, Rejected
from syncd.providers.ghl import mapping, protocol, wire
from syncd.providers.ghl.free_slots import SlotBook, SlotQuery
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.reading import PADDING
from syncd.providers.ghl.session import Session, unreadable

_FREEING = frozenset({"cancelled", "invalid"})


def has_room(
    session: Session,
    location_context: LocationContext,
    slots: SlotBook,
    wish: SlotQuery,
    end: datetime,
    record: str,
) -> bool:
    """Whether the slot is offered, or at least nobody else's appointment stands there.

    What was booked by hand beside the calendar's grid is never offered.

    Raises:
        ProviderError: it could not be asked.
    """
    slots.freed(wish.calendar)  # What was offered when the cycle began is no answer.
    # A calendar that offers nothing at all, as a draft does, may be refused.
    with suppress(Rejected, NotFound):
        offered = slots.offer(location_context, wish) is not None
        # An offer speaks of one slot: of the rest of a longer appointment it says nothing.
        if offered and end - wish.start <= location_context.slots.get(wish.calendar, timedelta()):
            return True
    since, until = wish.start - PADDING, end + PADDING
    calls = [protocol.list_events(session.location, wish.calendar, since, until)]
    if wish.user:
        calls.append(protocol.list_events(session.location, "", since, until, user=wish.user))
    for call in calls:
        rows = wire.events(session.ask(call))
        if rows is None:
            raise unreadable(call)
        for event in rows:
            if (
                event is not None
                and event.id != record
                and _stands(event, location_context, wish, end)
            ):
                return False
    return True


def _stands(
    event: wire.Event, location_context: LocationContext, wish: SlotQuery, end: datetime
) -> bool:
    """Whether an appointment takes some of that time from the same user, or the calendar."""
    shown = mapping.snapshot(event, location_context).appointment
    if shown.start is None or shown.status in _FREEING or mapping.is_master(event):
        return False
    others = wish.user and shown.owner and shown.owner != wish.user
    return not others and shown.start < end and wish.start < (shown.end or shown.start)
