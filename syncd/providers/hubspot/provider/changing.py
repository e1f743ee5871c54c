"""Updates and removals: read again, compare with what the plan saw, then write what differs.

`writing` calls this. HubSpot has no optimistic locking, so the reading just
before the write is what keeps an edit from being overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from syncd.core import essence, standing
from syncd.core.model import Appointment, Group, GroupKey, Missing, Side, Snapshot
from syncd.errors import AuthFailed, NotFound, Outdated, ProviderError, Stale, Transient
from syncd.ports.provider import Done, Failed, Ground, Order, Receipt, Refusal
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import mapping, refusals, wire
from syncd.providers.hubspot.mapping import GHL_ID, GHL_LOCATION, Columns
from syncd.providers.hubspot.protocol import update_row
from syncd.providers.hubspot.provider.dividing import divided
from syncd.providers.hubspot.provider.line import Line
from syncd.providers.hubspot.provider.parting import Fate, Parting
from syncd.providers.hubspot.provider.reading import Reader
from syncd.providers.hubspot.wire import Problem, Record

RECENT = 2.0
"""Seconds for which a reading serves a further part of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    """One row of a batch update."""

    order: Order
    now: Snapshot
    sent: Mapping[str, str]
    refused: tuple[Refusal, ...] = ()
    unmarked: bool = False

    @property
    def trace(self) -> str:
        return self.order.key

    @property
    def body(self) -> wire.Json:
        return update_row(self.trace, self.order.id, self.sent)

    def answered_by(self, record: Record) -> bool:
        return record.id == self.order.id


@dataclass(slots=True, kw_only=True)
class _Sending:
    """Records that are written together, and when they were read."""

    columns: Columns
    ground: Ground
    read_at: float = 0.0
    """When they were asked for (monotonic)."""
    part: Sequence[Order] = ()
    """What the next request is about."""
    current: dict[str, _Update] = field(default_factory=dict)
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
        for look in ground.look(orders):
            yield from look.fallen
            if look.standing:
                sending = _Sending(columns=columns, ground=ground)
                rows, fallen = self._rows(sending, look.standing)
                yield from (Failed(key=key, error=error) for key, error in fallen.items())
                yield from self._send(sending, rows)

    def _rows(
        self, sending: _Sending, orders: Sequence[Order]
    ) -> tuple[list[_Update], dict[str, ProviderError]]:
        """Read the records again; gives what may be written, and by key why the rest may not."""
        columns = sending.columns
        contacts = any(Group.CONTACT in _rests(order) for order in orders)
        sending.read_at = self._line.client.monotonic()
        now = self._reader.living(columns, [order.id for order in orders], contacts=contacts)
        rows, fallen = list[_Update](), dict[str, ProviderError]()
        for order in orders:
            shown = now.get(order.id)
            error = shown if isinstance(shown, ProviderError) else _stale(order, shown)
            if error is None and isinstance(shown, Snapshot):
                rows.append(_row(order, shown, columns))
            else:
                fallen[order.key] = error or _vanished(order)
        return rows, fallen

    def _fresh(
        self, sending: _Sending, rows: Sequence[_Update]
    ) -> tuple[Sequence[_Update], Mapping[str, ProviderError]]:
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
            rows = [_seen_again(known[row.trace], row) for row in again]
            sending.current |= {row.trace: row for row in rows}
            fallen |= moved
        else:
            fallen = {}
        sending.part = [row.order for row in rows]
        return rows, fallen

    def _send(self, sending: _Sending, rows: Sequence[_Update]) -> Iterator[Receipt]:
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
        again: list[_Update] = []
        for row in rows:
            fate = fates.get(row.trace)
            if isinstance(fate, Problem):
                less = _without_refused(row, fate, columns)
                if isinstance(less, ProviderError):
                    yield Failed(key=row.trace, error=less)
                else:
                    again.append(less)
            elif isinstance(fate, ProviderError):
                yield Failed(key=row.trace, error=fate)
            elif fate is None and row.sent:
                yield Failed(key=row.trace, error=late or _no_word(row.order))
            else:
                yield self._finished(sending, row, fate)
        if again:
            yield from self._send(sending, again)

    def _finished(self, sending: _Sending, row: _Update, record: Record | None) -> Receipt:
        """The properties are written; now the contact, which is no property."""
        contact, refused = "", row.refused
        if Group.CONTACT in row.order.groups:
            contact = row.order.wanted.contact
            sending.part = [row.order]
            try:
                refusal = self._replace_contact(row, contact, sending.ready)
            except Outdated as late:
                return Failed(key=row.trace, error=late)
            if refusal is not None and not row.sent:
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
            updated_at=mapping.second(record.updated_at) if record else None,
            before=row.now,
            refused=refused,
            unmarked=row.unmarked,
        )

    def _replace_contact(
        self, row: _Update, contact: str, ready: Callable[[], None]
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
        except (Transient, AuthFailed, Outdated):
            raise
        except ProviderError as error:
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
        for look in sending.ground.look(orders):
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
                yield Failed(key=order.key, error=found)
            elif isinstance(found, Missing):
                yield Failed(key=order.key, error=_vanished(order))
            elif found.gone:
                yield _removed(order)
            elif order.seen and standing.differing(
                order.seen, found, standing.everything(order.seen, found)
            ):
                yield Failed(key=order.key, error=_moved_on(order))
            else:
                rows.append(order)
        if rows:
            sending.part = rows
            request = self._line.api.batch_archive(each.id for each in rows)
            self._line.tell(replace(request, ready=sending.ready), attempts)
            yield from (_removed(order) for order in rows)


def _row(order: Order, now: Snapshot, columns: Columns) -> _Update:
    moved = standing.differing(order.seen, now, order.groups) if order.seen else ()
    yielding = order.groups & {*moved} if order.gives_way else frozenset[GroupKey]()
    sent = mapping.properties(order.wanted, order.groups - yielding, columns)
    if order.mark:
        sent |= mapping.mark_properties(order.mark) | columns.address(order.id)
    words = "it was changed in HubSpot meanwhile, and so is left alone"
    kept = tuple(
        Refusal(group=group, reason="rejected", detail=words) for group in sorted(yielding)
    )
    return _Update(order=order, now=now, sent=sent, refused=kept)


def _seen_again(row: _Update, now: _Update) -> _Update:
    """A row on a newer reading; what was refused before is not tried again."""
    told = {each.group for each in row.refused}
    return replace(
        row,
        now=now.now,
        sent={name: held for name, held in row.sent.items() if name in now.sent},
        refused=(*row.refused, *(each for each in now.refused if each.group not in told)),
    )


def _stale(order: Order, now: Snapshot | None) -> Stale | None:
    """Why the plan no longer holds: the record went away, or shows something else."""
    if now is None:
        return _vanished(order)
    if order.seen is None or order.gives_way:
        return None
    if standing.differing(order.seen, now, _rests(order)):
        return _moved_on(order)
    if order.mark and now.carried_id not in {order.seen.carried_id, order.mark.ghl_id}:
        return _moved_on(order)
    return None


def _vanished(order: Order) -> Stale:
    return Stale(
        f"the HubSpot appointment {order.id} was archived or merged since it was read; "
        "the next cycle looks for it",
        side=Side.HUBSPOT,
    )


def _moved_on(order: Order) -> Stale:
    return Stale(
        f"the HubSpot appointment {order.id} was edited since it was read; "
        "the next cycle takes the edit up",
        side=Side.HUBSPOT,
    )


def _no_word(order: Order) -> ProviderError:
    return Stale(
        f"HubSpot did not say what became of the appointment {order.id}; "
        "the next cycle looks again",
        side=Side.HUBSPOT,
    )


def _rests(order: Order) -> frozenset[GroupKey]:
    return order.groups | order.rests


def _removed(order: Order) -> Done:
    return Done(key=order.key, id=order.id, returned=Appointment())


def _without_refused(row: _Update, found: Problem, columns: Columns) -> _Update | ProviderError:
    """The same row without what was refused, or the error where nothing would be left of it."""
    if refusals.unique_value_taken(found) and GHL_ID in row.sent:
        # Another record holds the identity: the rest of the write does not suffer for it.
        kept = {name: held for name, held in row.sent.items() if name not in _MARK}
        return replace(row, sent=kept, unmarked=True)
    named = {mapping.group_of(name, columns) for name in found.properties if name in row.sent}
    refused = {group for group in named if group in row.order.groups}
    if not refused or refused >= set(row.order.groups):
        return refusals.of_row(found)
    lost = {mapping.PIPELINE, *(name for group in refused for name in columns.of(group))}
    kept = {name: held for name, held in row.sent.items() if name not in lost}
    detail = refusals.words(found)
    notes = tuple(
        Refusal(group=group, reason="rejected", detail=detail) for group in sorted(refused)
    )
    return replace(row, sent=kept, refused=row.refused + notes)


_MARK = frozenset({GHL_ID, GHL_LOCATION})
