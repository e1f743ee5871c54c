"""Creations: in batches, each with its identity and its contact, and never twice.

`writing` calls this. There is no idempotency key, so `ghl_appointment_id`,
which demands unique values and stands in every creation, is what makes it
safe to look again after a silence. Matching, too, goes by that property:
answers come in any order.
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
from syncd.providers.hubspot.batch_split import BatchSplit
from syncd.providers.hubspot.mapping import GHL_ID, PIPELINE, STAGE, PropertyMap
from syncd.providers.hubspot.protocol import BATCH, CONTACTS, create_row
from syncd.providers.hubspot.read_split import FRUITLESS, divided
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.search import chunks
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Problem, Record

USUAL_TYPE = 906
"""Appointment to contact (associations guide); only ever sent where the account lists it."""


MOST_TRIES = 8
"""How often a row of unknown fate is sent again: a row of a hundred is alone by then."""


@dataclass(slots=True)
class _Tries:
    """How much is tried again of one batch, as long as nothing of it gets through."""

    left: int = FRUITLESS
    fruit: bool = False
    given_up: TimedOut | None = None

    def took(self) -> None:
        """A row was made, or is there."""
        self.left, self.fruit, self.given_up = FRUITLESS, True, None

    def another(self, error: TimedOut) -> bool:
        """Whether another part is sent again."""
        if not self.left:
            self.given_up = None if self.fruit else error
            return False
        self.left -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Creation:
    """One row of a batch create."""

    command: WriteCommand
    sent: Mapping[str, str]
    type_id: int
    """Of the association that goes along; 0 where it is made afterwards."""
    external_id_refused: bool = False
    tried: int = 0
    """How often its fate was unknown."""

    @property
    def trace(self) -> str:
        return self.command.key

    @property
    def contact(self) -> str:
        return self.command.wanted.contact

    @property
    def external_ids(self) -> ExternalIds | None:
        """The identity that the row is sent with."""
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
    """Makes records in one account."""

    def __init__(self, session: Session, account: AccountReader, reader: Reader) -> None:
        self._session, self._account, self._reader = session, account, reader
        self._asking = Lock()
        self._made: set[str] = set()
        """The records that answered a creation: none is another's as well."""
        self._type_id: int | None = None
        self._stage: Mapping[str, str] = {}
        """Where records begin that have no stage, once the account has demanded one."""
        self._pipeline_of: Mapping[str, str] = {}

    def create(self, commands: Sequence[WriteCommand]) -> Iterator[Receipt]:
        """Make a record for each order; one without an identity travels alone."""
        removed = {command.id for command in commands if command.id}
        returned = self._reader.active(removed, contacts=False) if removed else {}
        for command in (each for each in commands if each.id in returned):
            shown = returned[command.id]
            error = shown if isinstance(shown, ProviderError) else _came_back(command)
            yield Failed(key=command.key, error=error)
        commands = [command for command in commands if command.id not in returned]
        linked = any(command.wanted.contact for command in commands)
        type_id = self._contact_type() if linked else 0
        rows = [
            self._staged(_row(command, self._account.property_map, type_id)) for command in commands
        ]
        tries = _Tries()
        yield from self._send([row for row in rows if row.external_ids], tries)
        for row in rows:
            if row.external_ids is None:
                yield from self._send([row], tries)
        if tries.given_up is not None:
            raise tries.given_up  # every row has its receipt, and none got through

    def _contact_type(self) -> int:
        """The account's own id of the plain association (906), asked for once.

        Where it cannot be learnt, contacts are associated afterwards by the
        default route, which needs none; a number out of a guide is not to be
        trusted (the appointments guide prints another relation's).
        """
        with self._asking:  # Several batches may want it at once: one asks.
            if self._type_id is None:
                try:
                    response = self._session.send(self._session.api.labels())
                except ProviderError as error:
                    if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                        raise
                    return 0  # Not known today: the default route does it.
                body = response.payload if response.ok else None
                known = wire.unlabelled_type(body, usual=USUAL_TYPE)
                self._type_id = known or 0
            return self._type_id

    def _staged(self, row: _Creation) -> _Creation:
        """The row with the stage that the account demands; a stage of its own stays."""
        if not self._stage:
            return row
        if STAGE not in row.sent:
            return replace(row, sent={**row.sent, **self._stage})
        home = self._pipeline_of.get(row.sent[STAGE], self._stage[PIPELINE])
        return replace(row, sent={PIPELINE: home, **row.sent})

    # --- sending

    def _send(self, rows: Sequence[_Creation], tries: _Tries) -> Iterator[Receipt]:
        """Send rows together; `tries` is how often those of unknown fate are sent again."""
        if not rows:
            return
        parting = BatchSplit[_Creation](
            self._session, self._session.api.batch_create, repeatable=False
        )
        trouble = _trouble(parting, rows)
        fates = parting.fates
        for row in rows:
            fate = fates.get(row.trace)
            if isinstance(fate, Record) and fate.id in self._made:
                fates[row.trace] = None  # That record is another row's.
            elif isinstance(fate, Record):
                tries.took()
                self._made.add(fate.id)
                yield self._done(row, fate)
            elif isinstance(fate, ProviderError):
                yield Failed(key=row.trace, error=fate)
        silent = [row for row in rows if fates.get(row.trace) is None]
        if trouble is not None and not isinstance(trouble, TimedOut):
            raise trouble  # none of the silent rows was taken
        if silent:
            yield from self._look(silent, trouble or _no_word(), tries)
        refused = [(row, fate) for row in rows if isinstance(fate := fates.get(row.trace), Problem)]
        yield from self._settle(refused, tries)

    def _look(self, rows: Sequence[_Creation], error: TimedOut, tries: _Tries) -> Iterator[Receipt]:
        """Read back what may have been made, by the identity that it would carry."""
        try:
            found = self._reader.find_by_external_id(
                [row.external_ids.ghl_id for row in rows if row.external_ids]
            )
        except SyncdError as trouble:
            yield from (Failed(key=row.trace, error=error) for row in rows)
            if not isinstance(trouble, (Transient, Unreadable)):
                raise
            return
        most = MOST_TRIES if len(rows) > 1 else 1
        missing: list[_Creation] = []
        for row in rows:
            held = found.get(row.external_ids.ghl_id) if row.external_ids else None
            if isinstance(held, Snapshot) and not held.gone:
                tries.took()
                yield self._adopted(row, held)
            elif row.external_ids and not isinstance(held, Missing) and row.tried < most:
                missing.append(replace(row, tried=row.tried + 1))
            else:
                yield Failed(key=row.trace, error=error)
        yield from self._once_more(missing, error, tries)

    def _once_more(
        self, rows: Sequence[_Creation], error: TimedOut, tries: _Tries
    ) -> Iterator[Receipt]:
        """Send in two parts what failed together, and so on: one of them may be why."""
        if not rows:
            return
        if not tries.another(error):
            yield from (Failed(key=row.trace, error=error) for row in rows)
            return
        half = (len(rows) + 1) // 2
        for part in (rows[:half], rows[half:]):
            yield from self._send(part, tries)

    # --- refusals

    def _settle(
        self, refused: Sequence[tuple[_Creation, Problem]], tries: _Tries
    ) -> Iterator[Receipt]:
        """What was refused for its identity or its association may still be made without."""
        bare: list[_Creation] = []
        homeless: list[tuple[_Creation, Problem]] = []
        for row, found in refused:
            if refusals.wants_a_stage(found) and PIPELINE not in row.sent:
                homeless.append((row, found))
            elif refusals.unique_value_taken(found) and row.external_ids and _about_identity(found):
                yield from self._taken(row, row.external_ids, tries)
            elif refusals.about_association(found) and row.contact and row.type_id:
                bare.append(replace(row, type_id=0))
            elif row.contact and "OBJECT_NOT_FOUND" in found.codes:
                yield Failed(key=row.trace, error=_no_contact(row))
            else:
                yield Failed(key=row.trace, error=refusals.of_row(found))
        yield from self._begin(homeless, tries)
        if not bare:
            return
        known = self._known_contacts([row.contact for row in bare])
        for row in bare:
            found_ = known.get(row.contact, _no_contact(row))
            if isinstance(found_, ProviderError):
                yield Failed(key=row.trace, error=found_)
        living = [row for row in bare if known.get(row.contact) is True]
        if living:
            self._type_id = 0
        yield from self._send(living, tries)

    def _begin(
        self, refused: Sequence[tuple[_Creation, Problem]], tries: _Tries
    ) -> Iterator[Receipt]:
        """Send once more, in the account's first stage, what was refused for lack of a value.

        Whether an account demands a stage is not documented; one that works
        by pipelines may. If it was another value that lacked, the second
        refusal says so.
        """
        if refused:
            self._learn_stages()
        staged = [(row, self._staged(row), found) for row, found in refused]
        for row, other, found in staged:
            if other is row:
                yield Failed(key=row.trace, error=refusals.of_row(found))
        yield from self._send([other for row, other, _ in staged if other is not row], tries)

    def _learn_stages(self) -> None:
        with self._asking:
            if self._stage:
                return
            try:
                response = self._session.send(self._session.api.pipelines())
            except ProviderError as error:
                if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                    raise
                return  # What was refused stays refused, in the vendor's words.
            if response.ok:
                self._pipeline_of = schema.stages(response.payload)
                self._stage = schema.first_stage(response.payload)

    def _taken(self, row: _Creation, ids: ExternalIds, tries: _Tries) -> Iterator[Receipt]:
        """Another record holds the identity already.

        A living one that shows what was to be made is the record itself, from
        an attempt whose answer was lost. An archived one keeps its value, and
        whether that is freed is not documented: then the new record does
        without.
        """
        holder = self._reader.find_by_external_id([ids.ghl_id]).get(ids.ghl_id)
        if isinstance(holder, Missing):
            yield Failed(key=row.trace, error=Unavailable(holder.detail, side=Side.HUBSPOT))
        elif holder is None or holder.gone:
            kept = {name: held for name, held in row.sent.items() if name != GHL_ID}
            bare = replace(row, sent=kept, external_id_refused=True)
            yield from self._send([bare], tries)
        elif holder.location_id not in {"", ids.location_id}:
            detail = f"the HubSpot appointment {holder.id} of another location carries its id"
            yield Failed(key=row.trace, error=Rejected(detail, side=Side.HUBSPOT))
        elif _shows(holder, row.command, self._account.property_map):
            yield self._adopted(row, holder)
        else:
            detail = (
                f"the HubSpot appointment {holder.id} carries its id already and shows something "
                "else; the next cycle pairs the two"
            )
            yield Failed(key=row.trace, error=Stale(detail, side=Side.HUBSPOT))

    def _known_contacts(self, ids: Sequence[str]) -> dict[str, bool | ProviderError]:
        """Which of these contacts exist, and why that cannot be told of some."""
        found: dict[str, bool | ProviderError] = {}

        def ask(part: Sequence[str], attempts: int | None) -> wire.Batch:
            request = self._session.api.batch_read(part, (), object_type=CONTACTS)
            return self._session.batch(request, attempts)

        for chunk in chunks(dict.fromkeys(ids), BATCH):
            for part, answer in divided(self._session, Asked.RECORDS, chunk, ask):
                if isinstance(answer, ProviderError):
                    found |= dict.fromkeys(part, answer)
                else:
                    found |= {record.id: True for record in answer.records}
        return found

    # --- success

    def _done(self, row: _Creation, record: Record) -> Done:
        """The record was made; its contact went along, or follows now."""
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

    def _adopted(self, row: _Creation, held: Snapshot) -> Done:
        """The record was there already, from this attempt or an earlier one."""
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
        """Associate by the default route; gives the contact that the record has now.

        Without one the pair stays open, and the next cycle associates it.
        """
        try:
            self._session.tell(self._session.api.associate(record_id, contact))
        except AuthFailed:
            raise
        except Transient:
            return "", ()
        except ProviderError as error:
            return "", (Refusal(group=Group.CONTACT, reason="rejected", detail=str(error)),)
        return contact, ()


def _row(command: WriteCommand, property_map: PropertyMap, type_id: int) -> _Creation:
    sent = mapping.properties(
        command.wanted, mapping.filled(command.wanted, property_map), property_map
    )
    if command.external_ids:
        sent |= mapping.external_id_properties(command.external_ids)
    return _Creation(command=command, sent=sent, type_id=type_id if command.wanted.contact else 0)


def _trouble(parting: BatchSplit[_Creation], rows: Sequence[_Creation]) -> SyncdError | None:
    """Send, and say what went wrong with the request as a whole."""
    try:
        parting.send(rows)
    except Unreadable as error:
        # A success that cannot be read has most likely made them.
        return TimedOut(str(error), side=Side.HUBSPOT, sent=True)
    except SyncdError as error:
        return error
    return None


def _came_back(command: WriteCommand) -> Stale:
    detail = f"the HubSpot appointment {command.id} was restored since; the next plan takes it up"
    return Stale(detail, side=Side.HUBSPOT)


def _about_identity(found: Problem) -> bool:
    """Whether the taken value is the identity's, as far as the refusal names it."""
    return not found.properties or GHL_ID in found.properties


def _shows(holder: Snapshot, command: WriteCommand, property_map: PropertyMap) -> bool:
    """Whether a record shows what the order wants in every property."""
    groups = (
        each for each in mapping.filled(command.wanted, property_map) if each != Group.CONTACT
    )
    return all(
        essence.value(holder.appointment, each) == essence.value(command.wanted, each)
        for each in groups
    )


def _no_word() -> TimedOut:
    return TimedOut(
        "HubSpot's answer does not say what became of it; the next cycle looks before it "
        "tries again",
        side=Side.HUBSPOT,
        sent=True,
    )


def _no_contact(row: _Creation) -> Rejected:
    return Rejected(f"HubSpot knows no contact {row.contact}", side=Side.HUBSPOT)
