"""The ten questions to a HighLevel location, each a function that returns the answer.

`run` calls them in order. All use scratch appointments of one scratch contact,
far outside any link's window, and never `toNotify`. Four cannot be answered with
requests alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from syncd.core.model import Calendar
from syncd.core.status import GHL_STATUSES
from syncd.doctor.probing.scratch import CannotAsk, Scratch, refusal_text
from syncd.ports.clock import Clock
from syncd.providers.ghl import protocol, wire
from syncd.providers.ghl.protocol import Call
from syncd.providers.ghl.timestamps import with_offset
from syncd.providers.message import Request, Response

NEWER = "v3"
LENGTH = timedelta(minutes=30)


@dataclass(slots=True)
class ProbeContext:
    """What the questions share: the location, and scratch records created when first needed."""

    scratch: Scratch
    location: str
    calendars: Sequence[Calendar]
    """Active ones, the default calendar first."""
    zone: ZoneInfo
    clock: Clock
    start: datetime
    """When scratch appointments start; UTC, at an odd minute that no calendar offers."""
    tag: str
    _made: dict[str, str] = field(default_factory=dict)

    def send(self, call: Call, *, version: str = "") -> Response:
        """The answer to a call, in another version of the API if one is given."""
        request = call.request
        if version:
            headers = {**request.headers, "Version": version}
            request = Request(
                method=request.method,
                path=request.path,
                query=request.query,
                json=request.json,
                headers=headers,
                repeatable=request.repeatable,
            )
        return self.scratch.send(request)

    def contact(self) -> str:
        """The scratch contact, created once."""
        if "contact" not in self._made:
            body = {
                "locationId": self.location,
                "lastName": f"syncd probe {self.tag}",
                "email": self._mail,
            }
            call = protocol.create_contact(body)
            made = wire.contact(self.scratch.create("HighLevel contact", call.request).payload)
            if made is None:
                raise CannotAsk("the answer to the scratch contact names no id")
            removal = protocol.delete_contact(made.id).request
            self.scratch.remove_later(f"HighLevel contact {made.id}", removal)
            self._made["contact"] = made.id
        return self._made["contact"]

    def calendar(self) -> Calendar:
        """The calendar that most questions use."""
        if not self.calendars:
            raise CannotAsk("the location has no active calendar")
        return self.calendars[0]

    def book(self, calendar: Calendar | None = None, **more: object) -> str:
        """A scratch appointment, booked without any validation."""
        on = calendar or self.calendar()
        body: dict[str, object] = {
            "calendarId": on.id,
            "locationId": self.location,
            "contactId": self.contact(),
            "title": f"syncd probe {self.tag}",
            "appointmentStatus": "confirmed",
            "toNotify": False,
            "ignoreFreeSlotValidation": True,
            **self.times(self.start),
        }
        if on.primary:
            body["assignedUserId"] = on.primary
        call = protocol.create_event(body | more)
        made = wire.event(self.scratch.create("HighLevel appointment", call.request).payload)
        if made is None:
            raise CannotAsk("the answer to the scratch appointment names no id")
        removal = protocol.delete_event(made.id).request
        self.scratch.remove_later(f"HighLevel appointment {made.id}", removal)
        return made.id

    def leftovers(self, settling: float) -> Iterator[tuple[str, Request]]:
        """Records that a probe of this location left: the contact first, to be removed last."""
        del settling  # the look-up of duplicates shows a contact at once
        call = protocol.find_duplicate(self.location, email=self._mail)
        found = wire.contact(self.send(call).payload)
        if found is None:
            return
        yield f"HighLevel contact {found.id}", protocol.delete_contact(found.id).request
        listed = self.send(protocol.contact_events(found.id))
        for event in wire.events(listed.payload) or ():
            if event is not None and not event.deleted:
                removal = protocol.delete_event(event.id).request
                yield f"HighLevel appointment {event.id}", removal

    @property
    def _mail(self) -> str:
        return f"syncd-probe-{self.tag}@example.com"

    def times(self, start: datetime) -> dict[str, object]:
        """Start and end in the format of a write."""
        return {
            "startTime": with_offset(start, self.zone),
            "endTime": with_offset(start + LENGTH, self.zone),
        }

    def update(self, event: str, body: Mapping[str, object], version: str = "") -> Response:
        """Change an appointment."""
        call = protocol.update_event(event, {"toNotify": False, **body})
        return self.send(call, version=version)

    def read(self, event: str) -> wire.Event:
        """An appointment as it is now."""
        response = self.send(protocol.get_event(event))
        found = wire.enveloped(response.payload) if response.ok else None
        if found is None:
            raise CannotAsk(f"it cannot be read: {refusal_text(response)}")
        return found

    def listed(self, calendar: str, since: datetime, until: datetime) -> dict[str, wire.Event]:
        """The appointments that a calendar's list shows in a window, by id."""
        call = protocol.list_events(self.location, calendar, since, until)
        response = self.send(call)
        rows = wire.events(response.payload) if response.ok else None
        if rows is None:
            raise CannotAsk(f"the list is refused: {refusal_text(response)}")
        return {row.id: row for row in rows if row is not None}


def status_reset(context: ProbeContext) -> str:
    """Whether an update without a status resets it; for every status, in both versions."""
    event = context.book()
    reset = [*_resets(context, event)]
    asked = "with toNotify false; true would send messages to people"
    return f"{'; '.join(reset) or 'it never does'} ({asked})"


def _resets(context: ProbeContext, event: str) -> Iterator[str]:
    for version in (protocol.CALENDAR_VERSION, NEWER):
        moved = []
        for status in GHL_STATUSES:
            if not context.update(event, {"appointmentStatus": status}).ok:
                continue
            title = f"syncd probe {context.tag} {status}"
            changed = context.update(event, {"title": title}, version)
            if not changed.ok:
                yield f"{version}: refused ({refusal_text(changed)})"
                return
            after = context.read(event).status
            if after != status:
                moved.append(f"{status} becomes {after}")
        if moved:
            yield f"{version}: {', '.join(moved)}"


def deletion(context: ProbeContext) -> str:
    """Whether a deletion changes the stamp, and what an update of a deleted appointment does."""
    event = context.book()
    before = context.read(event).updated
    context.clock.sleep(1)
    context.send(protocol.delete_event(event))
    gone = context.read(event)
    moved = "moves" if gone.updated != before else "does not move"
    changed = context.update(event, {"title": f"syncd probe {context.tag} again"})
    if not changed.ok:
        outcome = f"is refused ({refusal_text(changed)})"
    else:
        outcome = "is accepted, and it stays deleted"
        if not context.read(event).deleted:
            outcome = "brings it back"
    return f"a deletion {moved} dateUpdated; an update afterwards {outcome}"


def window_edges(context: ProbeContext) -> str:
    """The appointments that a list shows at the edges of its window."""
    event, calendar = context.book(), context.calendar().id
    start, minute = context.start, timedelta(minutes=1)
    windows = {
        "ends inside": (start + minute, start + LENGTH + minute),
        "starts at the end": (start - LENGTH, start),
        "ends at the start": (start + LENGTH, start + 2 * LENGTH),
    }
    shown = [name for name, window in windows.items() if event in context.listed(calendar, *window)]
    return f"also one that {', or '.join(shown)}" if shown else "only one that starts inside"


def descriptions(context: ProbeContext) -> str:
    """Whether lists and gets show the description, on a calendar of each kind."""
    kinds = {each.kind: each for each in reversed(context.calendars)}
    answers = []
    for kind, calendar in sorted(kinds.items()):
        try:
            event = context.book(calendar, description=f"syncd probe {context.tag}")
        except CannotAsk as reason:
            answers.append(f"{kind}: {reason}")
            continue
        got = bool(context.read(event).description)
        row = context.listed(calendar.id, context.start - LENGTH, context.start + LENGTH).get(event)
        listed = bool(row and row.description)
        answers.append(f"{kind}: get {_yes_or_no(got)}, list {_yes_or_no(listed)}")
    return "; ".join(answers)


def invitations(context: ProbeContext) -> str:
    """Whether toNotify suppresses the calendar's own invitations."""
    del context
    raise CannotAsk("only the mailbox of a guest shows whether an invitation arrived")


def webhooks(context: ProbeContext) -> str:
    """Whether our own writes come back as webhooks."""
    del context
    raise CannotAsk("webhooks go to an app with an address of its own, which a token is not")


def limits(context: ProbeContext) -> str:
    """The rate limits in the headers of an answer; the limits are not exhausted for it."""
    headers = context.send(protocol.list_calendars(context.location)).headers
    answer = {name: held for name, held in headers.items() if name.startswith("x-ratelimit")}
    shown = ", ".join(f"{name} {held}" for name, held in sorted(answer.items())) or "no header"
    return (
        f"{shown}; the 429 itself is not asked for, since every app of the location would "
        "have to wait"
    )


def envelope(context: ProbeContext) -> str:
    """The key of the appointment in the answer to a get."""
    call = protocol.get_event(context.book())
    answers = []
    for version in (protocol.CALENDAR_VERSION, NEWER):
        body = context.send(call, version=version).payload
        keys = [key for key in ("appointment", "event") if _has(body, key)]
        answers.append(f"{version}: {keys[0] if keys else 'neither'}")
    return ", ".join(answers)


def merged_contacts(context: ProbeContext) -> str:
    """What happens to the appointments of a merged contact."""
    del context
    raise CannotAsk("only a person can merge contacts: the API has no request for it")


def validated_moves(context: ProbeContext) -> str:
    """Whether a move is checked against the free slots."""
    event = context.book()
    later = context.times(context.start + timedelta(days=1, minutes=13))
    held = {"appointmentStatus": "confirmed", "ignoreFreeSlotValidation": False}
    response = context.update(event, held | later)
    if response.ok:
        return "no: a time outside the free slots is accepted"
    return f"yes: {refusal_text(response)}"


QUESTIONS: tuple[tuple[str, Callable[[ProbeContext], str]], ...] = (
    ("Does an update without a status reset it?", status_reset),
    ("What do a deletion and an update after it do?", deletion),
    ("What does a list show at its window's edges?", window_edges),
    ("Are descriptions in lists and gets?", descriptions),
    ("Does toNotify suppress invitations?", invitations),
    ("Do our own writes come back as webhooks?", webhooks),
    ("Which rate limits do the headers show?", limits),
    ("Under which key does a get show it?", envelope),
    ("What happens to a merged contact's appointments?", merged_contacts),
    ("Is a move checked against the free slots?", validated_moves),
)


def _has(body: object, key: str) -> bool:
    return isinstance(body, Mapping) and isinstance(body.get(key), Mapping)


def _yes_or_no(answer: bool) -> str:  # noqa: FBT001 - a yes or no is all it says
    return "yes" if answer else "no"
