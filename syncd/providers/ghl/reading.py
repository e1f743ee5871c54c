"""Reads appointments: the lists of a window, single ones by id, a contact's own.

`provider` calls this. A list proves only what it contains: a calendar that
cannot be read is a failure and never an empty list, and an appointment that is
not listed may have been deleted, moved or have lost its calendar; only a read
by id shows which (`fetch`). Blocked time and service bookings are in other
lists and are no appointments (API description).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from syncd.core.model import Calendar, Missing, Scan, Side, Snapshot, Window
from syncd.errors import AuthFailed, NotFound, Permanent, ProviderError, Transient, Unreadable
from syncd.providers.ghl import mapping, protocol, wire
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.session import Session, check_own, unreadable
from syncd.providers.ghl.timestamps import is_ambiguous

PADDING = timedelta(days=1)
"""Whether an event that only ends inside a window is listed is not documented: a longer window is
requested, and what starts inside the window is kept."""

MASTER = "it stands for a whole series; a write to it would change every instance"


@dataclass(slots=True)
class _Found:
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    complete_calendars: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def scan(
    session: Session, context: LocationContext, window: Window, calendars: Sequence[Calendar]
) -> Scan:
    """Every appointment of these calendars that starts in the window.

    One request per calendar: the list has neither pages nor a filter by
    change (API description).

    Raises:
        AuthFailed, DailyBudgetSpent: nothing can be read, or there are several calendars and
            none of them is permitted.
        Transient: not one calendar could be reached.
    """

    def listed(calendar: Calendar) -> _Found:
        since, until = window.since - PADDING, window.until + PADDING
        call = protocol.list_events(session.location, calendar.id, since, until)
        rows = wire.events(session.ask(call))
        if rows is None:
            raise unreadable(call)
        return _classified(rows, context, calendar.id, window)

    found = _Found()
    parts = session.each(listed, calendars)
    _check_any_read([part for _, part in parts])
    for calendar, part in parts:
        if isinstance(part, ProviderError):
            found.failures.append(f"calendar {calendar.id} ({calendar.name}): {part}")
            if isinstance(part, Permanent):
                found.refused.add(calendar.id)
            continue
        found.complete_calendars.add(calendar.id)
        found.snapshots |= part.snapshots
        found.unreadable |= part.unreadable
    return Scan(
        side=Side.GHL,
        snapshots=tuple(found.snapshots.values()),
        complete=not found.failures,
        calendars=frozenset(found.complete_calendars),
        unreadable=tuple(found.unreadable.items()),
        failures=tuple(found.failures),
        refused=frozenset(found.refused),
    )


def _check_any_read(parts: Sequence[_Found | ProviderError]) -> None:
    """Raise where no calendar could be read: then it is the side that fails, not a part."""
    failures = [part for part in parts if isinstance(part, ProviderError)]
    if not failures or len(failures) < len(parts):
        return
    for error in failures:
        if isinstance(error, Transient):
            raise error
    if len(failures) > 1 and all(error.status in (401, 403) for error in failures):
        raise AuthFailed(f"no calendar can be read: {failures[0]}", side=Side.GHL, status=403)


def fetch(
    session: Session, context: LocationContext, ids: Collection[str]
) -> dict[str, Snapshot | Missing]:
    """Each appointment by id, deleted ones included (as `gone`)."""
    results = session.each(lambda key: get(session, context, key), dict.fromkeys(ids))
    return {
        key: Missing(detail=str(found), unread=True) if isinstance(found, ProviderError) else found
        for key, found in results
    }


def get(
    session: Session, context: LocationContext, key: str, ready: Callable[[], None] | None = None
) -> Snapshot | Missing:
    """One appointment by id; `ready` as in `Request`.

    Raises:
        ProviderError: it could not be read.
    """
    call = protocol.get_event(key).when(ready)
    try:
        event = wire.enveloped(session.ask(call))
    except NotFound as error:
        return Missing(detail=f"HighLevel knows no such appointment ({error})", absent=True)
    if event is None:
        raise unreadable(call)
    if event.location not in ("", context.location):
        return Missing(detail=f"it belongs to another location, {event.location}")
    if mapping.is_master(event):
        return Missing(detail=MASTER)
    return mapping.snapshot(event, context)


def bookings_of(session: Session, context: LocationContext, contact: str) -> tuple[Snapshot, ...]:
    """A contact's appointments: to find our own booking again, or one that a person made.

    Times come without an offset, in the location's zone (contacts description);
    those within the hour that a clock change repeats are read by id.

    Raises:
        NotFound: the contact is unknown.
        Unreadable, Rejected: this contact's cannot be read now.
        AuthFailed, DailyBudgetSpent, Transient: no contact's can.
    """
    call = protocol.contact_events(contact)
    try:
        rows = wire.events(session.ask(call))
    except Transient as error:
        if not session.answers():
            raise
        raise Unreadable(str(error), side=Side.GHL) from error
    if rows is None:
        raise unreadable(call)
    found: list[Snapshot] = []
    for event in rows:
        if event is None or mapping.is_master(event):
            continue
        check_own(call, context.location, event.location)
        shown: Snapshot | Missing = mapping.snapshot(event, context)
        if is_ambiguous(event.start, context.zone):
            shown = get(session, context, event.id)
        if isinstance(shown, Snapshot):
            found.append(shown)
    return tuple(found)


def _classified(
    rows: Iterable[wire.Event | None], context: LocationContext, calendar: str, window: Window
) -> _Found:
    """The appointments of a calendar's list; one pass, since there may be many rows."""
    found = _Found()
    masters, listed_series = list[str](), set[str]()
    for number, event in enumerate(rows):
        if event is None:
            name = f"{calendar}#{number}"
            found.unreadable[name] = "a row of this calendar has no id"
            continue
        series = mapping.series(event)
        if series is not None:
            listed_series.add(series.master)
        if event.location not in ("", context.location):
            found.unreadable[event.id] = f"it belongs to another location, {event.location}"
        elif mapping.is_master(event):
            masters.append(event.id)
        else:
            shown = mapping.snapshot(event, context, calendar=calendar)
            if shown.appointment.start is None or window.holds(shown.appointment.start):
                found.snapshots[event.id] = shown
    # A series is synced by its instances; a master without any cannot be synced.
    found.unreadable |= {each: MASTER for each in masters if each not in listed_series}
    return found
