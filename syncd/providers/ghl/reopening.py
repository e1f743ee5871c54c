"""Whether an appointment may take a slot: one that moves, or that was cancelled.

`writing` asks here before it writes such times or such a status. The API
description has a flag for checking slots on a PUT, and speaks of creations
only; no page says that a PUT checks anything. Opening hours and notice are the
API's own to check.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from syncd.errors import NotFound, Rejected
from syncd.providers.ghl import mapping, protocol, wire
from syncd.providers.ghl.free_slots import SlotBook, SlotQuery
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.reading import PADDING
from syncd.providers.ghl.session import Session, unreadable
from syncd.providers.ghl.timestamps import shifted

_FREEING = frozenset({"cancelled", "invalid"})


def has_room(
    session: Session,
    context: LocationContext,
    slots: SlotBook,
    query: SlotQuery,
    end: datetime,
    record: str,
) -> bool:
    """Whether the slot is offered, or at least no other appointment is there.

    A time beside the calendar's grid, as people book by hand, is never offered.

    Raises:
        ProviderError: it could not be read.
    """
    slots.freed(query.calendar)  # The offers from the beginning of the cycle are too old.
    # The request may be refused for a calendar that offers nothing at all, such as a draft.
    with suppress(Rejected, NotFound):
        offered = slots.offer(context, query) is not None
        # An offer is one slot: the rest of a longer appointment may be taken.
        if offered and end - query.start <= context.slots.get(query.calendar, timedelta()):
            return True
    since, until = shifted(query.start, -PADDING), shifted(end, PADDING)
    calls = [protocol.list_events(session.location, query.calendar, since, until)]
    if query.user:
        calls.append(protocol.list_events(session.location, "", since, until, user=query.user))
    for call in calls:
        rows = wire.events(session.ask(call))
        if rows is None:
            raise unreadable(call)
        for event in rows:
            if event is not None and event.id != record and _overlaps(event, context, query, end):
                return False
    return True


def _overlaps(event: wire.Event, context: LocationContext, query: SlotQuery, end: datetime) -> bool:
    """Whether an appointment overlaps that time for the same user, or on the calendar."""
    shown = mapping.snapshot(event, context).appointment
    if shown.start is None or shown.status in _FREEING or mapping.is_master(event):
        return False
    others = query.user and shown.owner and shown.owner != query.user
    return not others and shown.start < end and query.start < (shown.end or shown.start)
