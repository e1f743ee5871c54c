"""Updates and removals: read again, compare with what the plan saw, then write what differs.

`writing` calls this. HubSpot has no optimistic locking, so the reading just
before the write is what keeps an edit from being overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from syncd.core import essence
from syncd.core.model import Group, Missing, Snapshot
from syncd.errors import NotFound, Outdated, ProviderError, Transient, Unavailable
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
from syncd.providers.hubspot.batch_split import BatchSplit, RowResult
from syncd.providers.hubspot.read_split import divided
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.record_update import (
    RecordUpdate,
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
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Problem, Record

READ_AND_WRITTEN = 3
"""Requests in which a batch is read, with its contacts, and written."""

RECENT = 2.0
"""Seconds for which a reading serves a further part of a batch."""


@dataclass(slots=True, kw_only=True)
class _Sending:
    """Records that are written together, and when they were read."""

    checks: WriteChecks
    read_at: float = 0.0
    """When they were asked for (monotonic)."""
    part: Sequence[WriteCommand] = ()
    """What the next request is about."""
    current: dict[str, RecordUpdate] = field(default_factory=dict)
    """The rows as they were read last, by trace."""

    def ready(self) -> None:
        """As a `Request` has it."""
        self.checks.verify(self.part, self.read_at)


class Updater:
    """Updates and archives records of one account."""

    def __init__(self, session: Session, account: AccountReader, reader: Reader) -> None:
        self._session, self._account, self._reader = session, account, reader

    # --- updates

    def update(self, commands: Sequence[WriteCommand], checks: WriteChecks) -> Iterator[Receipt]:
        """Write the groups of each order to a record that still shows what was seen."""
        for checked in self._with_room(checks.recheck(commands)):
            yield from checked.failed
            if checked.valid:
                sending = _Sending(checks=checks)
                rows, fallen = self._rows(sending, checked.valid)
                yield from (Failed(key=key, error=error) for key, error in fallen.items())
                yield from self._send(sending, rows)

    def _with_room(self, checks: Iterator[CheckedCommands]) -> Iterator[CheckedCommands]:
        """Each part, once the rate budget permits the reading and the write that follow it."""
        while True:
            self._session.client.await_room(READ_AND_WRITTEN)
            checked = next(checks, None)
            if checked is None:
                return
            yield checked

    def _rows(
        self, sending: _Sending, commands: Sequence[WriteCommand]
    ) -> tuple[list[RecordUpdate], dict[str, ProviderError]]:
        """Read the records again; gives what may be written, and by key why the rest may not."""
        contacts = any(Group.CONTACT in rests(command) for command in commands)
        sending.read_at = self._session.client.monotonic()
        now = self._reader.active([command.id for command in commands], contacts=contacts)
        rows, fallen = list[RecordUpdate](), dict[str, ProviderError]()
        for command in commands:
            shown = now.get(command.id)
            error = (
                unread(command, shown)
                if isinstance(shown, ProviderError)
                else staleness(command, shown)
            )
            if error is None and isinstance(shown, Snapshot):
                rows.append(row_of(command, shown, self._account.property_map))
            else:
                fallen[command.key] = error or vanished(command)
        return rows, fallen

    def _fresh(
        self, sending: _Sending, rows: Sequence[RecordUpdate]
    ) -> tuple[Sequence[RecordUpdate], Mapping[str, ProviderError]]:
        """The rows as they may be sent now: read again where that was a while ago.

        A batch that is divided takes longer than a reading may be old.
        """
        if self._session.client.monotonic() - sending.read_at > RECENT:
            commands, fallen = list[WriteCommand](), dict[str, ProviderError]()
            for checked in sending.checks.recheck([row.command for row in rows]):
                commands += checked.valid
                fallen |= {each.key: each.error for each in checked.failed}
            again, moved = self._rows(sending, commands)
            known = {row.trace: row for row in rows}
            rows = [seen_again(known[row.trace], row) for row in again]
            sending.current |= {row.trace: row for row in rows}
            fallen |= moved
        else:
            fallen = {}
        sending.part = [row.command for row in rows]
        return rows, fallen

    def _send(self, sending: _Sending, rows: Sequence[RecordUpdate]) -> Iterator[Receipt]:
        telling = [row for row in rows if row.sent]
        fates: dict[str, RowResult] = {}
        late: Outdated | None = None
        sending.current |= {row.trace: row for row in rows}
        sending.part = [row.command for row in rows]
        if telling:
            parting = BatchSplit(
                self._session,
                self._session.api.batch_update,
                fresh=lambda part: self._fresh(sending, part),
                ready=sending.ready,
            )
            try:
                fates = parting.send(telling)
            except Outdated as error:
                fates, late = parting.fates, error
        rows = [sending.current[row.trace] for row in rows]
        again: list[RecordUpdate] = []
        apart: list[tuple[RecordUpdate, ProviderError]] = []
        for row in rows:
            fate = fates.get(row.trace)
            left = (
                without_refused(row, fate, self._account.property_map)
                if isinstance(fate, Problem)
                else fate
            )
            if isinstance(left, RecordUpdate):
                again.append(left)
            elif isinstance(left, ProviderError) and may_be_divided(row, left):
                apart.append((row, left))
            elif isinstance(left, ProviderError):
                yield Failed(key=row.trace, error=left)
            elif left is None and row.sent:
                yield Failed(key=row.trace, error=late or no_word(row.command))
            else:
                yield self._finished(sending, row, left)
        if again:
            yield from self._send(sending, again)
        for row, refusal in apart:
            yield from self._in_parts(sending, row, refusal)

    def _in_parts(
        self, sending: _Sending, row: RecordUpdate, error: ProviderError
    ) -> Iterator[Receipt]:
        """Find out which groups of a record are refused, one by one; the others are written."""
        notes: list[Refusal] = []
        failing: Unavailable | None = None
        for group in groups_in(row, self._account.property_map):
            names = names_of(group, row, self._account.property_map)
            alone = replace(row, sent={name: row.sent[name] for name in names})
            parting = BatchSplit[RecordUpdate](
                self._session, self._session.api.batch_update, ready=sending.ready
            )
            sending.part = [row.command]
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
        lost = {
            name for note in notes for name in names_of(note.group, row, self._account.property_map)
        }
        kept = {name: held for name, held in row.sent.items() if name not in lost}
        if not kept or not notes:
            yield Failed(key=row.trace, error=error)
            return
        yield from self._send(
            sending, [replace(row, sent=kept, refused=(*row.refused, *notes), parted=True)]
        )

    def _finished(self, sending: _Sending, row: RecordUpdate, record: Record | None) -> Receipt:
        """The properties are written; now the contact, which is no property."""
        contact, refused = "", row.refused
        if Group.CONTACT in row.command.groups:
            contact = row.command.wanted.contact
            sending.part = [row.command]
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
        """Associate the new contact before the old one goes: the record never lacks one.

        With the new one in place the old one goes whatever the time: what was begun is finished.
        """
        now, old = row.now, row.command.replaced
        try:
            if contact and contact not in now.contacts:
                self._session.tell(
                    replace(self._session.api.associate(now.id, contact), ready=ready)
                )
            if old in now.contacts and old != contact:
                self._drop_contact(now.id, old)
        except Outdated:
            raise
        except ProviderError as error:
            self._session.check(Asked.WRITE, error)
            return error
        return None

    def _drop_contact(self, record_id: str, contact: str) -> None:
        with suppress(NotFound):
            self._session.tell(self._session.api.dissociate(record_id, contact))

    # --- removals

    def remove(self, commands: Sequence[WriteCommand], checks: WriteChecks) -> Iterator[Receipt]:
        """Archive each record that still shows what was seen; one that is archived is done."""
        sending = _Sending(checks=checks)

        def ask(part: Sequence[WriteCommand], attempts: int | None) -> list[Receipt]:
            return list(self._remove(sending, part, attempts))

        for part, found in divided(self._session, Asked.WRITES, commands, ask):
            if isinstance(found, ProviderError):
                yield from (Failed(key=command.key, error=found) for command in part)
            else:
                yield from found

    def _remove(
        self, sending: _Sending, commands: Sequence[WriteCommand], attempts: int | None
    ) -> Iterator[Receipt]:
        """Read them again, and archive what still stands."""
        for checked in self._with_room(sending.checks.recheck(commands)):
            yield from checked.failed
            if checked.valid:
                yield from self._archive(sending, checked.valid, attempts)

    def _archive(
        self, sending: _Sending, commands: Sequence[WriteCommand], attempts: int | None
    ) -> Iterator[Receipt]:
        ids = [command.id for command in commands]
        sending.read_at = self._session.client.monotonic()
        living = self._reader.active(ids)
        now: dict[str, Snapshot | Missing | ProviderError] = dict(living)
        now |= self._reader.fetch([each for each in ids if each not in now])
        rows: list[WriteCommand] = []
        for command in commands:
            found = now[command.id]
            if isinstance(found, ProviderError):
                yield Failed(key=command.key, error=unread(command, found))
            elif isinstance(found, Missing):
                yield Failed(key=command.key, error=vanished(command))
            elif found.gone:
                yield removal_of(command)
            elif command.seen and essence.differing(
                command.seen, found, essence.all_groups(command.seen, found)
            ):
                yield Failed(key=command.key, error=moved_on(command))
            else:
                rows.append(command)
        if rows:
            sending.part = rows
            request = self._session.api.batch_archive(each.id for each in rows)
            self._session.tell(replace(request, ready=sending.ready), attempts)
            yield from (removal_of(command) for command in rows)
