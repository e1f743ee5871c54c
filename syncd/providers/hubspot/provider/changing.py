"""Updates and removals: read again, compare with what the plan saw, then write what differs.

`writing` calls this. HubSpot has no optimistic locking, so the reading just
before the write is what keeps an edit from being overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from syncd.core import essence, standing
from syncd.core.model import Group, Missing, Snapshot
from syncd.errors import NotFound, Outdated, ProviderError, Transient, Unavailable
from syncd.ports.provider import Done, Failed, Ground, Look, Order, Receipt, Refusal
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import mapping, refusals
from syncd.providers.hubspot.mapping import Columns
from syncd.providers.hubspot.provider.changed import (
    Changed,
    groups_in,
    may_be_divided,
    moved_on,
    names_of,
    no_word,
    removal_of,
    rests,
    row_of,
    seen_again,
    staleness,
    unread,
    vanished,
    without_refused,
)
from syncd.providers.hubspot.provider.dividing import divided
from syncd.providers.hubspot.provider.line import Line
from syncd.providers.hubspot.provider.parting import Fate, Parting
from syncd.providers.hubspot.provider.reading import Reader
from syncd.providers.hubspot.wire import Problem, Record

READ_AND_WRITTEN = 3
"""Requests in which a batch is read, with its contacts, and written."""

RECENT = 2.0
"""Seconds for which a reading serves a further part of a batch."""


@dataclass(slots=True, kw_only=True)
class _Sending:
    """Records that are written together, and when they were read."""

    columns: Columns
    ground: Ground
    read_at: float = 0.0
    """When they were asked for (monotonic)."""
    part: Sequence[Order] = ()
    """What the next request is about."""
    current: dict[str, Changed] = field(default_factory=dict)
    """The rows as they were read last, by trace."""

    def ready(self) -> None:
        """As a `Request` has it."""
        self.ground.assure(self.part, self.read_at)


class Changer:
    """Updates and archives records of one account."""

    def __init__(self, line: Line, reader: Reader) -> None:
        self._line, self._reader = line, reader

    # --- updates

    def update(
        self, columns: Columns, orders: Sequence[Order], ground: Ground
    ) -> Iterator[Receipt]:
        """Write the groups of each order to a record that still shows what was seen."""
        for look in self._with_room(ground.look(orders)):
            yield from look.fallen
            if look.standing:
                sending = _Sending(columns=columns, ground=ground)
                rows, fallen = self._rows(sending, look.standing)
                yield from (Failed(key=key, error=error) for key, error in fallen.items())
                yield from self._send(sending, rows)

    def _with_room(self, looks: Iterator[Look]) -> Iterator[Look]:
        """Each look, once there is room for the reading and the write that follow it."""
        while True:
            self._line.client.await_room(READ_AND_WRITTEN)
            look = next(looks, None)
            if look is None:
                return
            yield look

    def _rows(
        self, sending: _Sending, orders: Sequence[Order]
    ) -> tuple[list[Changed], dict[str, ProviderError]]:
        """Read the records again; gives what may be written, and by key why the rest may not."""
        columns = sending.columns
        contacts = any(Group.CONTACT in rests(order) for order in orders)
        sending.read_at = self._line.client.monotonic()
        now = self._reader.living(columns, [order.id for order in orders], contacts=contacts)
        rows, fallen = list[Changed](), dict[str, ProviderError]()
        for order in orders:
            shown = now.get(order.id)
            error = (
                unread(order, shown)
                if isinstance(shown, ProviderError)
                else staleness(order, shown)
            )
            if error is None and isinstance(shown, Snapshot):
                rows.append(row_of(order, shown, columns))
            else:
                fallen[order.key] = error or vanished(order)
        return rows, fallen

    def _fresh(
        self, sending: _Sending, rows: Sequence[Changed]
    ) -> tuple[Sequence[Changed], Mapping[str, ProviderError]]:
        """The rows as they may be sent now: read again where that was a while ago.

        A batch that is divided takes longer than a reading may be old.
        """
        if self._line.client.monotonic() - sending.read_at > RECENT:
            orders, fallen = list[Order](), dict[str, ProviderError]()
            for look in sending.ground.look([row.order for row in rows]):
                orders += look.standing
                fallen |= {each.key: each.error for each in look.fallen}
            again, moved = self._rows(sending, orders)
            known = {row.trace: row for row in rows}
            rows = [seen_again(known[row.trace], row) for row in again]
            sending.current |= {row.trace: row for row in rows}
            fallen |= moved
        else:
            fallen = {}
        sending.part = [row.order for row in rows]
        return rows, fallen

    def _send(self, sending: _Sending, rows: Sequence[Changed]) -> Iterator[Receipt]:
        telling = [row for row in rows if row.sent]
        fates: dict[str, Fate] = {}
        late: Outdated | None = None
        sending.current |= {row.trace: row for row in rows}
        sending.part = [row.order for row in rows]
        if telling:
            parting = Parting(
                self._line,
                self._line.api.batch_update,
                fresh=lambda part: self._fresh(sending, part),
                ready=sending.ready,
            )
            try:
                fates = parting.send(telling)
            except Outdated as error:
                fates, late = parting.fates, error
        rows = [sending.current[row.trace] for row in rows]
        columns = sending.columns
        again: list[Changed] = []
        apart: list[tuple[Changed, ProviderError]] = []
        for row in rows:
            fate = fates.get(row.trace)
            left = without_refused(row, fate, columns) if isinstance(fate, Problem) else fate
            if isinstance(left, Changed):
                again.append(left)
            elif isinstance(left, ProviderError) and may_be_divided(row, left):
                apart.append((row, left))
            elif isinstance(left, ProviderError):
                yield Failed(key=row.trace, error=left)
            elif left is None and row.sent:
                yield Failed(key=row.trace, error=late or no_word(row.order))
            else:
                yield self._finished(sending, row, left)
        if again:
            yield from self._send(sending, again)
        for row, refusal in apart:
            yield from self._in_parts(sending, row, refusal)

    def _in_parts(self, sending: _Sending, row: Changed, error: ProviderError) -> Iterator[Receipt]:
        """Find out which groups of a record are refused, one by one; the others are written."""
        notes: list[Refusal] = []
        failing: Unavailable | None = None
        for group in groups_in(row, sending.columns):
            names = names_of(group, row, sending.columns)
            alone = replace(row, sent={name: row.sent[name] for name in names})
            parting = Parting[Changed](self._line, self._line.api.batch_update, ready=sending.ready)
            sending.part = [row.order]
            try:
                fate = parting.send([alone]).get(row.trace)
            except Outdated as late:
                yield Failed(key=row.trace, error=late)
                return
            if isinstance(fate, Problem):
                detail = refusals.words(fate)
                notes.append(Refusal(group=group, reason="rejected", detail=detail))
            elif isinstance(fate, Unavailable) and failing is None:
                failing = fate  # A server may stumble over one text; the second is not about one.
            elif isinstance(fate, ProviderError):
                yield Failed(key=row.trace, error=fate)
                return
        if failing is not None:
            yield Failed(key=row.trace, error=failing)  # The others are written.
            return
        lost = {name for note in notes for name in names_of(note.group, row, sending.columns)}
        kept = {name: held for name, held in row.sent.items() if name not in lost}
        if not kept or not notes:
            yield Failed(key=row.trace, error=error)
            return
        yield from self._send(
            sending, [replace(row, sent=kept, refused=(*row.refused, *notes), parted=True)]
        )

    def _finished(self, sending: _Sending, row: Changed, record: Record | None) -> Receipt:
        """The properties are written; now the contact, which is no property."""
        contact, refused = "", row.refused
        if Group.CONTACT in row.order.groups:
            contact = row.order.wanted.contact
            sending.part = [row.order]
            try:
                refusal = self._replace_contact(row, contact, sending.ready)
            except Outdated as late:
                return Failed(key=row.trace, error=late)
            if refusal is not None and (not row.sent or isinstance(refusal, Transient)):
                # What was written beside it, the next cycle finds as it is wanted.
                return Failed(key=row.trace, error=refusal)
            if refusal is not None:
                contact = row.now.appointment.contact
                refused += (Refusal(group=Group.CONTACT, reason="rejected", detail=str(refusal)),)
        answered = record.properties if record else {}
        shown = mapping.returned(row.sent, answered, sending.columns, contact)
        done = frozenset(row.order.groups) - {each.group for each in refused}
        return Done(
            key=row.trace,
            id=row.order.id,
            returned=essence.with_groups(row.now.appointment, shown, done),
            updated_at=record.updated_at if record else None,
            before=row.now,
            refused=refused,
            unmarked=row.unmarked,
        )

    def _replace_contact(
        self, row: Changed, contact: str, ready: Callable[[], None]
    ) -> ProviderError | None:
        """Associate the new contact before the old one goes: the record never lacks one.

        With the new one in place the old one goes whatever the time: what was begun is finished.
        """
        now, old = row.now, row.order.replaced
        try:
            if contact and contact not in now.contacts:
                self._line.tell(replace(self._line.api.associate(now.id, contact), ready=ready))
            if old in now.contacts and old != contact:
                self._drop_contact(now.id, old)
        except Outdated:
            raise
        except ProviderError as error:
            self._line.check(Asked.WRITE, error)
            return error
        return None

    def _drop_contact(self, record_id: str, contact: str) -> None:
        with suppress(NotFound):
            self._line.tell(self._line.api.dissociate(record_id, contact))

    # --- removals

    def remove(
        self, columns: Columns, orders: Sequence[Order], ground: Ground
    ) -> Iterator[Receipt]:
        """Archive each record that still shows what was seen; one that is archived is done."""
        sending = _Sending(columns=columns, ground=ground)

        def ask(part: Sequence[Order], attempts: int | None) -> list[Receipt]:
            return list(self._remove(sending, part, attempts))

        for part, found in divided(self._line, Asked.WRITES, orders, ask):
            if isinstance(found, ProviderError):
                yield from (Failed(key=order.key, error=found) for order in part)
            else:
                yield from found

    def _remove(
        self, sending: _Sending, orders: Sequence[Order], attempts: int | None
    ) -> Iterator[Receipt]:
        """Read them again, and archive what still stands."""
        for look in self._with_room(sending.ground.look(orders)):
            yield from look.fallen
            if look.standing:
                yield from self._archive(sending, look.standing, attempts)

    def _archive(
        self, sending: _Sending, orders: Sequence[Order], attempts: int | None
    ) -> Iterator[Receipt]:
        columns, ids = sending.columns, [order.id for order in orders]
        sending.read_at = self._line.client.monotonic()
        living = self._reader.living(columns, ids)
        now: dict[str, Snapshot | Missing | ProviderError] = dict(living)
        now |= self._reader.fetch(columns, [each for each in ids if each not in now])
        rows: list[Order] = []
        for order in orders:
            found = now[order.id]
            if isinstance(found, ProviderError):
                yield Failed(key=order.key, error=unread(order, found))
            elif isinstance(found, Missing):
                yield Failed(key=order.key, error=vanished(order))
            elif found.gone:
                yield removal_of(order)
            elif order.seen and standing.differing(
                order.seen, found, standing.everything(order.seen, found)
            ):
                yield Failed(key=order.key, error=moved_on(order))
            else:
                rows.append(order)
        if rows:
            sending.part = rows
            request = self._line.api.batch_archive(each.id for each in rows)
            self._line.tell(replace(request, ready=sending.ready), attempts)
            yield from (removal_of(order) for order in rows)
