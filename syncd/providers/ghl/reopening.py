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

_FREEING = frozenset({"cancelled", "invalid"})


def has_room(
    session: Session,
    context: LocationContext,
    slots: SlotBook,
    query: SlotQuery,
    end: datetime,
    record: str,
) -> bool:
    """Whether no other appointment is there, or the slot is offered all the same.

    A time beside the calendar's grid, as people book by hand, is never offered;
    a calendar that takes several at once offers a slot that somebody has.

    Raises:
        ProviderError: it could not be read.
    """
    since, until = query.start - PADDING, end + PADDING
    calls = [protocol.list_events(session.location, query.calendar, since, until)]
    if query.user:
        calls.append(protocol.list_events(session.location, "", since, until, user=query.user))
    if not any(_is_taken(session, call, context, query, end, record) for call in calls):
        return True
    # An offer is one slot: the rest of a longer appointment may be taken.
    if end - query.start > context.slots.get(query.calendar, timedelta()):
        return False
    slots.freed(query.calendar)  # The offers from the beginning of the cycle are too old.
    # The request may be refused for a calendar that offers nothing at all, such as a draft.
    with suppress(Rejected, NotFound):
        return slots.offer(context, query) is not None
    return False


def _is_taken(
    session: Session,
    call: protocol.Call,
    context: LocationContext,
    query: SlotQuery,
    end: datetime,
    record: str,
) -> bool:
    rows = wire.events(session.ask(call))
    if rows is None:
        raise unreadable(call)
    return any(
        event is not None and event.id != record and _overlaps(event, context, query, end)
        for event in rows
    )


def _overlaps(event: wire.Event, context: LocationContext, query: SlotQuery, end: datetime) -> bool:
    """Whether an appointment overlaps that time for the same user, or on the calendar."""
    shown = mapping.snapshot(event, context).appointment
    if shown.start is None or shown.status in _FREEING or mapping.is_master(event):
        return False
    others = query.user and shown.owner and shown.owner != query.user
    return not others and shown.start < end and query.start < (shown.end or shown.start)
