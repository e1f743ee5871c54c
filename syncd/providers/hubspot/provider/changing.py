"""Updates and removals: read again, compare with what the plan saw, then write what differs.

`writing` calls this. HubSpot has no optimistic locking, so the reading just
before the write is what keeps an edit from being overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from syncd.core import essence
from syncd.core.model import Appointment, Group, GroupKey, Missing, Side, Snapshot
from syncd.errors import AuthFailed, NotFound, ProviderError, Stale, Transient
from syncd.ports.provider import Done, Failed, Order, Receipt, Refusal
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import mapping, refusals, wire
from syncd.providers.hubspot.mapping import GHL_ID, GHL_LOCATION, Columns
from syncd.providers.hubspot.protocol import update_row
from syncd.providers.hubspot.provider.dividing import divided
from syncd.providers.hubspot.provider.line import Line
from syncd.providers.hubspot.provider.parting import Fate, Parting
from syncd.providers.hubspot.provider.reading import Reader
from syncd.providers.hubspot.wire import Problem, Record


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


class Changer:
    """Updates and archives records of one account."""

    def __init__(self, line: Line, reader: Reader) -> None:
        self._line, self._reader = line, reader

    # --- updates

    def update(self, columns: Columns, orders: Sequence[Order]) -> Iterator[Receipt]:
        """Write the groups of each order to a record that still shows what was seen."""
        contacts = any(Group.CONTACT in order.groups for order in orders)
        now = self._reader.living(columns, [order.id for order in orders], contacts=contacts)
        rows: list[_Update] = []
        for order in orders:
            shown = now.get(order.id)
            error = shown if isinstance(shown, ProviderError) else _stale(order, shown)
            if error is None and isinstance(shown, Snapshot):
                rows.append(_row(order, shown, columns))
            else:
                yield Failed(key=order.key, error=error or _vanished(order))
        yield from self._send(columns, rows)

    def _send(self, columns: Columns, rows: Sequence[_Update]) -> Iterator[Receipt]:
        telling = [row for row in rows if row.sent]
        fates: dict[str, Fate] = {}
        if telling:
            fates = Parting(self._line, self._line.api.batch_update).send(telling)
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
                yield Failed(key=row.trace, error=_no_word(row.order))
            else:
                yield self._finished(columns, row, fate)
        if again:
            yield from self._send(columns, again)

    def _finished(self, columns: Columns, row: _Update, record: Record | None) -> Receipt:
        """The properties are written; now the contact, which is no property."""
        contact, refused = "", row.refused
        if Group.CONTACT in row.order.groups:
            contact = row.order.wanted.contact
            refusal = self._replace_contact(row.now, contact, row.order.replaced)
            if refusal is not None and not row.sent:
                return Failed(key=row.trace, error=refusal)
            if refusal is not None:
                contact = row.now.appointment.contact
                refused += (Refusal(group=Group.CONTACT, reason="rejected", detail=str(refusal)),)
        answered = record.properties if record else {}
        shown = mapping.returned(row.sent, answered, columns, contact)
        done = frozenset(row.order.groups) - {each.group for each in refused}
        return Done(
            key=row.trace,
            id=row.order.id,
            returned=essence.with_groups(row.now.appointment, shown, done),
            updated_at=mapping.second(record.updated_at) if record else None,
            refused=refused,
            unmarked=row.unmarked,
        )

    def _replace_contact(self, now: Snapshot, contact: str, old: str) -> ProviderError | None:
        """Associate the new contact before the old one goes: the record never lacks one."""
        try:
            if contact and contact not in now.contacts:
                self._line.tell(self._line.api.associate(now.id, contact))
            if old in now.contacts and old != contact:
                self._drop_contact(now.id, old)
        except (Transient, AuthFailed):
            raise
        except ProviderError as error:
            return error
        return None

    def _drop_contact(self, record_id: str, contact: str) -> None:
        with suppress(NotFound):
            self._line.tell(self._line.api.dissociate(record_id, contact))

    # --- removals

    def remove(self, columns: Columns, orders: Sequence[Order]) -> Iterator[Receipt]:
        """Archive each record that still shows what was seen; one that is archived is done."""
        ids = [order.id for order in orders]
        living = self._reader.living(columns, ids, contacts=False)
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
            elif order.seen and mapping.differing(found, order.seen, _properties_of(columns)):
                yield Failed(key=order.key, error=_moved_on(order))
            else:
                rows.append(order)
        yield from self._archive(rows)

    def _archive(self, orders: Sequence[Order]) -> Iterator[Receipt]:
        if not orders:
            return

        def ask(part: Sequence[Order], attempts: int | None) -> None:
            self._line.tell(self._line.api.batch_archive(each.id for each in part), attempts)

        for part, error in divided(self._line, Asked.WRITES, orders, ask):
            if error is None:
                yield from (_removed(order) for order in part)
            else:
                yield from (Failed(key=order.key, error=error) for order in part)


def _row(order: Order, now: Snapshot, columns: Columns) -> _Update:
    sent = mapping.properties(order.wanted, order.groups, columns)
    if order.mark:
        sent |= mapping.mark_properties(order.mark) | columns.address(order.id)
    return _Update(order=order, now=now, sent=sent)


def _stale(order: Order, now: Snapshot | None) -> Stale | None:
    """Why the plan no longer holds: the record went away, or shows something else."""
    if now is None:
        return _vanished(order)
    if order.seen is None:
        return None
    if mapping.differing(now, order.seen, order.groups):
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


def _properties_of(columns: Columns) -> tuple[GroupKey, ...]:
    return tuple(group for group in columns.groups if group != Group.CONTACT)


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
