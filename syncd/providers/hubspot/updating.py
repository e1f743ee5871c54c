"""Updating and archiving: read again, compare with the record of the plan, write differences.

`writing` calls this. HubSpot has no optimistic locking, so only the reading
right before the write keeps an edit from being overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from syncd.core import essence
from syncd.core.model import Group, Missing, Snapshot
from syncd.errors import Outdated, ProviderError, Transient, Unavailable
from syncd.ports.provider import (
    CheckedCommands,
    Done,
    Failed,
    Receipt,
    Refusal,
    WriteChecks,
    WriteCommand,
)
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import mapping, refusals
from syncd.providers.hubspot.account import AccountReader
from syncd.providers.hubspot.associating import Associations
from syncd.providers.hubspot.batch_split import BatchSplit, RowResult
from syncd.providers.hubspot.read_split import divided
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.record_update import (
    RecordUpdate,
    changed_since,
    depends_on,
    groups_in,
    may_be_divided,
    names_of,
    no_longer_active,
    outcome_unknown,
    read_failed,
    removed,
    row_of,
    staleness,
    with_reading,
    without_refused,
)
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Problem, Record

REQUESTS_PER_BATCH = 3
"""Requests that read a batch, read its contacts, and write it."""

MAX_AGE = 2.0
"""Seconds for which a reading is used for further parts of a batch."""


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Records that are written together, and when they were read."""

    checks: WriteChecks
    read_at: float = 0.0
    """When they were requested (monotonic)."""
    part: Sequence[WriteCommand] = ()
    """The commands of the next request."""
    current: dict[str, RecordUpdate] = field(default_factory=dict)
    """The rows on their newest reading, by trace."""

    def ready(self) -> None:
        """As in `Request`."""
        self.checks.verify(self.part, self.read_at)


class Updater:
    """Updates and archives records of one account."""

    def __init__(self, session: Session, account: AccountReader, reader: Reader) -> None:
        self._session, self._account, self._reader = session, account, reader
        self._associations = Associations(session)

    # --- updates

    def update(self, commands: Sequence[WriteCommand], checks: WriteChecks) -> Iterator[Receipt]:
        """Write the groups of each command, where the record still has the values of the plan."""
        for checked in self._when_permitted(checks.recheck(commands)):
            yield from checked.failed
            if checked.valid:
                batch = _Batch(checks=checks)
                rows, failed = self._rows(batch, checked.valid)
                yield from (Failed(key=key, error=error) for key, error in failed.items())
                yield from self._send(batch, rows)

    def _when_permitted(self, checks: Iterator[CheckedCommands]) -> Iterator[CheckedCommands]:
        """Each part, once the rate budget permits the reading and the write that follow it."""
        while True:
            self._session.client.await_room(REQUESTS_PER_BATCH)
            checked = next(checks, None)
            if checked is None:
                return
            yield checked

    def _rows(
        self, batch: _Batch, commands: Sequence[WriteCommand]
    ) -> tuple[list[RecordUpdate], dict[str, ProviderError]]:
        """Read the records again; returns the valid rows, and the errors of the others by key."""
        contacts = any(Group.CONTACT in depends_on(command) for command in commands)
        batch.read_at = self._session.client.monotonic()
        now = self._reader.active([command.id for command in commands], contacts=contacts)
        rows, failed = list[RecordUpdate](), dict[str, ProviderError]()
        for command in commands:
            shown = now.get(command.id)
            error = (
                read_failed(command, shown)
                if isinstance(shown, ProviderError)
                else staleness(command, shown)
            )
            if error is None and isinstance(shown, Snapshot):
                rows.append(row_of(command, shown, self._account.property_map))
            else:
                failed[command.key] = error or no_longer_active(command)
        return rows, failed

    def _refresh(
        self, batch: _Batch, rows: Sequence[RecordUpdate]
    ) -> tuple[Sequence[RecordUpdate], Mapping[str, ProviderError]]:
        """The rows that may be sent now, read again where the reading is too old.

        Dividing a batch takes longer than a reading may be old.
        """
        if self._session.client.monotonic() - batch.read_at > MAX_AGE:
            commands, failed = list[WriteCommand](), dict[str, ProviderError]()
            for checked in batch.checks.recheck([row.command for row in rows]):
                commands += checked.valid
                failed |= {each.key: each.error for each in checked.failed}
            again, changed = self._rows(batch, commands)
            known = {row.trace: row for row in rows}
            rows = [with_reading(known[row.trace], row) for row in again]
            batch.current |= {row.trace: row for row in rows}
            failed |= changed
        else:
            failed = {}
        batch.part = [row.command for row in rows]
        return rows, failed

    def _send(self, batch: _Batch, rows: Sequence[RecordUpdate]) -> Iterator[Receipt]:
        with_properties = [row for row in rows if row.sent]
        results: dict[str, RowResult] = {}
        outdated: Outdated | None = None
        batch.current |= {row.trace: row for row in rows}
        batch.part = [row.command for row in rows]
        if with_properties:
            split = BatchSplit(
                self._session,
                self._session.api.batch_update,
                refresh=lambda part: self._refresh(batch, part),
                ready=batch.ready,
            )
            try:
                results = split.send(with_properties)
            except Outdated as error:
                results, outdated = split.results, error
        rows = [batch.current[row.trace] for row in rows]
        again: list[RecordUpdate] = []
        to_divide: list[tuple[RecordUpdate, ProviderError]] = []
        for row in rows:
            result = results.get(row.trace)
            outcome = (
                without_refused(row, result, self._account.property_map)
                if isinstance(result, Problem)
                else result
            )
            if isinstance(outcome, RecordUpdate):
                again.append(outcome)
            elif isinstance(outcome, ProviderError) and may_be_divided(row, outcome):
                to_divide.append((row, outcome))
            elif isinstance(outcome, ProviderError):
                yield Failed(key=row.trace, error=outcome)
            elif outcome is None and row.sent:
                yield Failed(key=row.trace, error=outdated or outcome_unknown(row.command))
            else:
                yield self._finished(batch, row, outcome)
        if again:
            yield from self._send(batch, again)
        for row, refusal in to_divide:
            yield from self._in_parts(batch, row, refusal)

    def _in_parts(
        self, batch: _Batch, row: RecordUpdate, error: ProviderError
    ) -> Iterator[Receipt]:
        """Write the groups of a record one by one, so that only the refused ones are left out."""
        notes: list[Refusal] = []
        failing: Unavailable | None = None
        for group in groups_in(row, self._account.property_map):
            names = names_of(group, row, self._account.property_map)
            alone = replace(row, sent={name: row.sent[name] for name in names})
            split = BatchSplit[RecordUpdate](
                self._session, self._session.api.batch_update, ready=batch.ready
            )
            batch.part = [row.command]
            try:
                result = split.send([alone]).get(row.trace)
            except Outdated as outdated:
                yield Failed(key=row.trace, error=outdated)
                return
            if isinstance(result, Problem):
                detail = refusals.explain(result)
                notes.append(Refusal(group=group, reason="rejected", detail=detail))
            elif isinstance(result, Unavailable) and failing is None:
                failing = result  # A server may fail on one text, not on a second one.
            elif isinstance(result, ProviderError):
                yield Failed(key=row.trace, error=result)
                return
        if failing is not None:
            yield Failed(key=row.trace, error=failing)  # The other groups are written.
            return
        lost = {
            name for note in notes for name in names_of(note.group, row, self._account.property_map)
        }
        kept = {name: held for name, held in row.sent.items() if name not in lost}
        if not kept or not notes:
            yield Failed(key=row.trace, error=error)
            return
        yield from self._send(
            batch, [replace(row, sent=kept, refused=(*row.refused, *notes), divided_before=True)]
        )

    def _finished(self, batch: _Batch, row: RecordUpdate, record: Record | None) -> Receipt:
        """After the properties, write the contact, which is an association."""
        contact, refused = "", row.refused
        if Group.CONTACT in row.command.groups:
            contact = row.command.wanted.contact
            batch.part = [row.command]
            try:
                refusal = self._replace_contact(row, contact, batch.ready)
            except Outdated as outdated:
                return Failed(key=row.trace, error=outdated)
            if refusal is not None and (not row.sent or isinstance(refusal, Transient)):
                # The properties were written; the next cycle finds them so.
                return Failed(key=row.trace, error=refusal)
            if refusal is not None:
                contact = row.now.appointment.contact
                refused += (Refusal(group=Group.CONTACT, reason="rejected", detail=str(refusal)),)
        answered = record.properties if record else {}
        shown = mapping.returned(row.sent, answered, self._account.property_map, contact)
        done = frozenset(row.command.groups) - {each.group for each in refused}
        return Done(
            key=row.trace,
            id=row.command.id,
            returned=essence.with_groups(row.now.appointment, shown, done),
            updated_at=record.updated_at if record else None,
            before=row.now,
            refused=refused,
            external_id_refused=row.external_id_refused,
        )

    def _replace_contact(
        self, row: RecordUpdate, contact: str, ready: Callable[[], None]
    ) -> ProviderError | None:
        """Associate the new contact, then remove the old one: the record always has one.

        Once the new one is associated, the old one is removed however old the reading is.
        """
        now, old = row.now, row.command.replaced
        try:
            if contact and contact not in now.contacts:
                self._associations.add(now.id, contact, ready)
            if old in now.contacts and old != contact:
                self._associations.drop(now.id, old)
        except Outdated:
            raise
        except ProviderError as error:
            self._session.check(Asked.WRITE, error)
            return error
        return None

    # --- removals

    def remove(self, commands: Sequence[WriteCommand], checks: WriteChecks) -> Iterator[Receipt]:
        """Archive each record that still has the values of the plan; an archived one is done."""
        batch = _Batch(checks=checks)

        def ask(part: Sequence[WriteCommand], attempts: int | None) -> list[Receipt]:
            return list(self._remove(batch, part, attempts))

        for part, found in divided(self._session, Asked.WRITES, commands, ask):
            if isinstance(found, ProviderError):
                yield from (Failed(key=command.key, error=found) for command in part)
            else:
                yield from found

    def _remove(
        self, batch: _Batch, commands: Sequence[WriteCommand], attempts: int | None
    ) -> Iterator[Receipt]:
        """Recheck the commands, and archive the records of the valid ones."""
        for checked in self._when_permitted(batch.checks.recheck(commands)):
            yield from checked.failed
            if checked.valid:
                yield from self._archive(batch, checked.valid, attempts)

    def _archive(
        self, batch: _Batch, commands: Sequence[WriteCommand], attempts: int | None
    ) -> Iterator[Receipt]:
        ids = [command.id for command in commands]
        batch.read_at = self._session.client.monotonic()
        active = self._reader.active(ids)
        now: dict[str, Snapshot | Missing | ProviderError] = dict(active)
        now |= self._reader.fetch([each for each in ids if each not in now])
        rows: list[WriteCommand] = []
        for command in commands:
            found = now[command.id]
            if isinstance(found, ProviderError):
                yield Failed(key=command.key, error=read_failed(command, found))
            elif isinstance(found, Missing):
                yield Failed(key=command.key, error=no_longer_active(command))
            elif found.gone:
                yield removed(command)
            elif command.seen and essence.differing(
                command.seen, found, essence.all_groups(command.seen, found)
            ):
                yield Failed(key=command.key, error=changed_since(command))
            else:
                rows.append(command)
        if rows:
            batch.part = rows
            request = self._session.api.batch_archive(each.id for each in rows)
            self._session.execute(replace(request, ready=batch.ready), attempts)
            yield from (removed(command) for command in rows)
