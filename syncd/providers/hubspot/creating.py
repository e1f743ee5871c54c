"""Creating records: in batches, each with its external id and its contact, and never twice.

`writing` calls this. The API has no idempotency key. `ghl_appointment_id` is
unique and part of every creation, so a creation without an answer is found
again by it. Rows are matched with their records by it too: answers come in any
order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from syncd.core import essence
from syncd.core.model import Group, Missing, Side, Snapshot
from syncd.errors import (
    AuthFailed,
    ProviderError,
    Rejected,
    Stale,
    SyncdError,
    TimedOut,
    Transient,
    Unavailable,
    Unreadable,
)
from syncd.ports.provider import Done, ExternalIds, Failed, Receipt, Refusal, WriteCommand
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot import mapping, refusals, schema, wire
from syncd.providers.hubspot.account import AccountReader
from syncd.providers.hubspot.associating import Associations
from syncd.providers.hubspot.batch_split import BatchSplit
from syncd.providers.hubspot.mapping import GHL_ID, PIPELINE, STAGE, PropertyMap
from syncd.providers.hubspot.protocol import CONTACTS, create_row
from syncd.providers.hubspot.read_split import MAX_FAILED_PARTS, read_batches
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Problem, Record
from syncd.providers.message import Request

DEFAULT_TYPE_ID = 906
"""Appointment to contact (associations guide); only sent where the account lists it."""

MAX_TRIES = 8
"""How often a row of unknown outcome is sent again: one of a hundred is alone by then."""


@dataclass(slots=True)
class _Retries:
    """How many parts of a batch are sent again while none of them succeeds."""

    left: int = MAX_FAILED_PARTS
    any_success: bool = False
    gave_up: TimedOut | None = None

    def succeeded(self) -> None:
        """A row was created, or exists."""
        self.left, self.any_success, self.gave_up = MAX_FAILED_PARTS, True, None

    def allow(self, error: TimedOut) -> bool:
        """Take one part off the rest; False where none is left."""
        if not self.left:
            self.gave_up = None if self.any_success else error
            return False
        self.left -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewRow:
    """One row of a batch create."""

    command: WriteCommand
    sent: Mapping[str, str]
    type_id: int
    """Of the association that is sent with it; 0 where it is associated afterwards."""
    external_id_refused: bool = False
    tried: int = 0
    """How often its outcome was unknown."""

    @property
    def trace(self) -> str:
        return self.command.key

    @property
    def contact(self) -> str:
        return self.command.wanted.contact

    @property
    def external_ids(self) -> ExternalIds | None:
        """The external ids that the row is sent with."""
        return None if self.external_id_refused else self.command.external_ids

    @property
    def body(self) -> wire.Json:
        return create_row(self.trace, self.sent, self.contact, self.type_id)

    def answered_by(self, record: Record) -> bool:
        return (
            self.external_ids is not None
            and record.properties.get(GHL_ID) == self.external_ids.ghl_id
        )


class Creator:
    """Creates records in one account."""

    def __init__(self, session: Session, account: AccountReader, reader: Reader) -> None:
        self._session, self._account, self._reader = session, account, reader
        self._associations = Associations(session)
        self._lock = Lock()
        self._created: set[str] = set()
        """Ids of records that were answered to a row: none belongs to another row as well."""
        self._type_id: int | None = None
        self._stage: Mapping[str, str] = {}
        """Pipeline and stage of records without a stage, once the account required one."""
        self._pipeline_of: Mapping[str, str] = {}

    def create(self, commands: Sequence[WriteCommand]) -> Iterator[Receipt]:
        """Create a record for each command; one without external ids is sent alone."""
        replaced = {command.id for command in commands if command.id}
        restored = self._reader.active(replaced, contacts=False) if replaced else {}
        for command in (each for each in commands if each.id in restored):
            read = restored[command.id]
            error = read if isinstance(read, ProviderError) else _restored(command)
            yield Failed(key=command.key, error=error)
        commands = [command for command in commands if command.id not in restored]
        linked = any(command.wanted.contact for command in commands)
        type_id = self._contact_type() if linked else 0
        rows = [
            self._with_stage(_row(command, self._account.property_map, type_id))
            for command in commands
        ]
        retries = _Retries()
        yield from self._send([row for row in rows if row.external_ids], retries)
        for row in rows:
            if row.external_ids is None:
                yield from self._send([row], retries)
        if retries.gave_up is not None:
            raise retries.gave_up  # every row has a receipt, and none succeeded

    def _contact_type(self) -> int:
        """The account's own id of the unlabelled association (906), read once.

        Where it cannot be read, contacts are associated afterwards by the
        default route, which needs none. The id of a guide is not reliable: the
        appointments guide (2026-03) prints that of another relation.
        """
        with self._lock:  # Several batches may need it at once: one reads it.
            if self._type_id is None:
                try:
                    response = self._session.send(self._session.api.labels())
                except ProviderError as error:
                    if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                        raise
                    return 0  # Unknown for this batch: the default route needs no id.
                body = response.payload if response.ok else None
                known = wire.unlabelled_type(body, usual=DEFAULT_TYPE_ID)
                self._type_id = known or 0
            return self._type_id

    def _with_stage(self, row: _NewRow) -> _NewRow:
        """The row with the stage that the account requires; its own stage stays."""
        if not self._stage:
            return row
        if STAGE not in row.sent:
            return replace(row, sent={**row.sent, **self._stage})
        pipeline = self._pipeline_of.get(row.sent[STAGE], self._stage[PIPELINE])
        return replace(row, sent={PIPELINE: pipeline, **row.sent})

    # --- sending

    def _send(self, rows: Sequence[_NewRow], retries: _Retries) -> Iterator[Receipt]:
        """Send rows together, and those of unknown outcome again as far as `retries` permits."""
        if not rows:
            return
        split = BatchSplit[_NewRow](self._session, self._session.api.batch_create, repeatable=False)
        error = _send_all(split, rows)
        results = split.results
        for row in rows:
            result = results.get(row.trace)
            if isinstance(result, Record) and result.id in self._created:
                results[row.trace] = None  # That record belongs to another row.
            elif isinstance(result, Record):
                retries.succeeded()
                self._created.add(result.id)
                yield self._done(row, result)
            elif isinstance(result, ProviderError):
                yield Failed(key=row.trace, error=result)
        unknown = [row for row in rows if results.get(row.trace) is None]
        if error is not None and not isinstance(error, TimedOut):
            raise error  # none of the unknown rows was created
        if unknown:
            yield from self._resolve_unknown(unknown, error or _outcome_unknown(), retries)
        refused = [
            (row, result) for row in rows if isinstance(result := results.get(row.trace), Problem)
        ]
        yield from self._handle_refused(refused, retries)

    def _resolve_unknown(
        self, rows: Sequence[_NewRow], error: TimedOut, retries: _Retries
    ) -> Iterator[Receipt]:
        """Read records that may have been created, by their external id."""
        try:
            found = self._reader.find_by_external_id(
                [row.external_ids.ghl_id for row in rows if row.external_ids]
            )
        except SyncdError as unread:
            yield from (Failed(key=row.trace, error=error) for row in rows)
            if not isinstance(unread, (Transient, Unreadable)):
                raise
            return
        most = MAX_TRIES if len(rows) > 1 else 1
        missing: list[_NewRow] = []
        for row in rows:
            held = found.get(row.external_ids.ghl_id) if row.external_ids else None
            if isinstance(held, Snapshot) and not held.gone:
                retries.succeeded()
                yield self._adopted(row, held)
            elif row.external_ids and not isinstance(held, Missing) and row.tried < most:
                missing.append(replace(row, tried=row.tried + 1))
            else:
                yield Failed(key=row.trace, error=error)
        yield from self._resend_in_halves(missing, error, retries)

    def _resend_in_halves(
        self, rows: Sequence[_NewRow], error: TimedOut, retries: _Retries
    ) -> Iterator[Receipt]:
        """Send rows that failed together in two halves: one row may be the cause."""
        if not rows:
            return
        if not retries.allow(error):
            yield from (Failed(key=row.trace, error=error) for row in rows)
            return
        half = (len(rows) + 1) // 2
        for part in (rows[:half], rows[half:]):
            yield from self._send(part, retries)

    # --- refusals

    def _handle_refused(
        self, refused: Sequence[tuple[_NewRow, Problem]], retries: _Retries
    ) -> Iterator[Receipt]:
        """Send refused rows without the external id or association that was refused."""
        stripped: list[_NewRow] = []
        stageless: list[tuple[_NewRow, Problem]] = []
        for row, found in refused:
            if refusals.wants_a_stage(found) and PIPELINE not in row.sent:
                stageless.append((row, found))
            elif (
                refusals.unique_value_taken(found)
                and row.external_ids
                and _about_external_id(found)
            ):
                yield from self._external_id_taken(row, row.external_ids, retries)
            elif refusals.about_association(found) and row.contact and row.type_id:
                stripped.append(replace(row, type_id=0))
            elif row.contact and "OBJECT_NOT_FOUND" in found.codes:
                yield Failed(key=row.trace, error=_unknown_contact(row))
            else:
                yield Failed(key=row.trace, error=refusals.of_row(found))
        yield from self._send_with_stage(stageless, retries)
        if not stripped:
            return
        known = self._known_contacts([row.contact for row in stripped])
        for row in stripped:
            known_contact = known.get(row.contact, _unknown_contact(row))
            if isinstance(known_contact, ProviderError):
                yield Failed(key=row.trace, error=known_contact)
        existing = [row for row in stripped if known.get(row.contact) is True]
        if existing:
            self._type_id = 0
        yield from self._send(existing, retries)

    def _send_with_stage(
        self, refused: Sequence[tuple[_NewRow, Problem]], retries: _Retries
    ) -> Iterator[Receipt]:
        """Send rows that were refused for a missing value again, in the first stage.

        Whether an account requires a stage is not documented; one with
        pipelines may. If another value was missing, the second refusal names it.
        """
        if refused:
            self._read_stages()
        pairs = [(row, self._with_stage(row), found) for row, found in refused]
        for row, with_stage, found in pairs:
            if with_stage is row:
                yield Failed(key=row.trace, error=refusals.of_row(found))
        yield from self._send(
            [with_stage for row, with_stage, _ in pairs if with_stage is not row], retries
        )

    def _read_stages(self) -> None:
        with self._lock:
            if self._stage:
                return
            try:
                response = self._session.send(self._session.api.pipelines())
            except ProviderError as error:
                if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                    raise
                return  # The rows stay refused, in the vendor's words.
            if response.ok:
                self._pipeline_of = schema.stages(response.payload)
                self._stage = schema.first_stage(response.payload)

    def _external_id_taken(
        self, row: _NewRow, ids: ExternalIds, retries: _Retries
    ) -> Iterator[Receipt]:
        """Handle a row whose external id another record holds.

        An active record with the same values is the row's own, from an attempt
        whose answer was lost. An archived one keeps its unique value, and when
        that is freed is not documented: the new record is created without it.
        """
        holder = self._reader.find_by_external_id([ids.ghl_id]).get(ids.ghl_id)
        if isinstance(holder, Missing):
            yield Failed(key=row.trace, error=Unavailable(holder.detail, side=Side.HUBSPOT))
        elif holder is None or holder.gone:
            kept = {name: held for name, held in row.sent.items() if name != GHL_ID}
            stripped = replace(row, sent=kept, external_id_refused=True)
            yield from self._send([stripped], retries)
        elif holder.location_id not in {"", ids.location_id}:
            detail = f"the HubSpot appointment {holder.id} of another location carries its id"
            yield Failed(key=row.trace, error=Rejected(detail, side=Side.HUBSPOT))
        elif _has_values(holder, row.command, self._account.property_map):
            yield self._adopted(row, holder)
        else:
            detail = (
                f"the HubSpot appointment {holder.id} carries its id already and shows something "
                "else; the next cycle pairs the two"
            )
            yield Failed(key=row.trace, error=Stale(detail, side=Side.HUBSPOT))

    def _known_contacts(self, ids: Sequence[str]) -> dict[str, bool | ProviderError]:
        """Which of these contacts exist, and the errors of those that cannot be read."""
        found: dict[str, bool | ProviderError] = {}

        def request(part: Sequence[str]) -> Request:
            return self._session.api.batch_read(part, (), object_type=CONTACTS)

        for part, answer in read_batches(self._session, ids, request):
            if isinstance(answer, ProviderError):
                found |= dict.fromkeys(part, answer)
            else:
                found |= {record.id: True for record in answer.records}
        return found

    # --- success

    def _done(self, row: _NewRow, record: Record) -> Done:
        """The record was created; its contact was sent with it, or follows now."""
        contact, refused = row.contact, tuple[Refusal, ...]()
        if row.contact and not row.type_id:
            contact, refused = self._attach(record.id, row.contact)
        return Done(
            key=row.trace,
            id=record.id,
            returned=mapping.returned(
                row.sent, record.properties, self._account.property_map, contact
            ),
            updated_at=record.updated_at,
            refused=refused,
            external_id_refused=row.external_id_refused,
            needs_record_link=bool(self._account.property_map.link),
        )

    def _adopted(self, row: _NewRow, held: Snapshot) -> Done:
        """The record exists, from this attempt or an earlier one."""
        contact, refused = row.contact, tuple[Refusal, ...]()
        if row.contact and row.contact not in held.contacts:
            contact, refused = self._attach(held.id, row.contact)
        return Done(
            key=row.trace,
            id=held.id,
            returned=replace(held.appointment, contact=contact),
            updated_at=held.updated_at,
            refused=refused,
            needs_record_link=bool(self._account.property_map.link),
        )

    def _attach(self, record_id: str, contact: str) -> tuple[str, tuple[Refusal, ...]]:
        """Associate by the default route; returns the contact that the record has now.

        Without one the next cycle associates it.
        """
        try:
            self._associations.add(record_id, contact)
        except AuthFailed:
            raise
        except Transient:
            return "", ()
        except ProviderError as error:
            return "", (Refusal(group=Group.CONTACT, reason="rejected", detail=str(error)),)
        return contact, ()


def _row(command: WriteCommand, property_map: PropertyMap, type_id: int) -> _NewRow:
    sent = mapping.properties(
        command.wanted, mapping.filled_groups(command.wanted, property_map), property_map
    )
    if command.external_ids:
        sent |= mapping.external_id_properties(command.external_ids)
    return _NewRow(command=command, sent=sent, type_id=type_id if command.wanted.contact else 0)


def _send_all(split: BatchSplit[_NewRow], rows: Sequence[_NewRow]) -> SyncdError | None:
    """Send the rows; returns the error of the request as a whole."""
    try:
        split.send(rows)
    except Unreadable as error:
        # With an unreadable success the records most likely exist.
        return TimedOut(str(error), side=Side.HUBSPOT, sent=True)
    except SyncdError as error:
        return error
    return None


def _restored(command: WriteCommand) -> Stale:
    detail = f"the HubSpot appointment {command.id} was restored since; the next plan takes it up"
    return Stale(detail, side=Side.HUBSPOT)


def _about_external_id(found: Problem) -> bool:
    """Whether the taken value may be the external id."""
    return not found.properties or GHL_ID in found.properties


def _has_values(holder: Snapshot, command: WriteCommand, property_map: PropertyMap) -> bool:
    """Whether a record has the value of the command in every property."""
    groups = (
        each
        for each in mapping.filled_groups(command.wanted, property_map)
        if each != Group.CONTACT
    )
    return all(
        essence.value(holder.appointment, each) == essence.value(command.wanted, each)
        for each in groups
    )


def _outcome_unknown() -> TimedOut:
    return TimedOut(
        "HubSpot's answer does not say what became of it; the next cycle looks before it "
        "tries again",
        side=Side.HUBSPOT,
        sent=True,
    )


def _unknown_contact(row: _NewRow) -> Rejected:
    return Rejected(f"HubSpot knows no contact {row.contact}", side=Side.HUBSPOT)
