"""Reads what an account looks like: properties, status values, owners, addresses of records.

`HubSpotProvider` delegates to this; reader, poller and writer ask it for the
property map. The account is read once and cached for a while, because an idle
poll must not cost more than its search. Leaves out what creates properties (`setup`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from syncd.core.model import Account, Group, Person, Side
from syncd.errors import NotPrepared, SyncdError, Transient, Unreadable
from syncd.ports.clock import Clock
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot import mapping, refusals, schema, schema_check, setup, wire
from syncd.providers.hubspot.protocol import CONTACTS
from syncd.providers.hubspot.schema import Definition, PropertySpec
from syncd.providers.hubspot.schema_check import Finding
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Json
from syncd.providers.paging import MANY, Progress

ENFORCED = "2026-09"
"""The first version whose writes are checked against the account's rules (changelog 2026-08-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CachedAccount:
    at: datetime
    account: Account
    property_map: mapping.PropertyMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the doctor reports of an account."""

    findings: tuple[Finding, ...]
    status_property: str
    """"" where no property is usable."""
    status_values: tuple[str, ...]
    status_labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of the values, where those are ids of stages."""
    demanded: tuple[str, ...] = ()
    """What a new appointment needs by the account's rules, and what syncd never fills."""
    demanded_of_contacts: tuple[str, ...] = ()
    """The same of a new contact."""


@dataclass(slots=True)
class _OptionalReads:
    """What could not be read and is not needed to go on."""

    warnings: tuple[str, ...] = ()
    retry_soon: bool = False

    def failed(self, error: SyncdError, consequence: str = "") -> None:
        """Go on without; `consequence` is for a person.

        Raises:
            SyncdError: the error itself, where it concerns the whole side.
        """
        if stops(Asked.BESIDE, error) is not Stops.NOTHING:
            raise error
        self.retry_soon |= isinstance(error, Transient | Unreadable)
        if consequence:
            self.warnings += (f"{consequence}: {error}",)


class AccountReader:
    """The account of one link."""

    def __init__(
        self, session: Session, clock: Clock, spec: PropertySpec, *, lifetime: timedelta
    ) -> None:
        self._session, self._clock, self._spec = session, clock, spec
        self._lifetime = lifetime
        self._cached: _CachedAccount | None = None
        self.number = ""
        """The account's own number as it was last read."""
        self._valid = True
        self._retry_soon = False
        """Whether something optional failed that may succeed in the next cycle."""
        self._confirmed = False
        """Whether this cycle has read the property definitions."""
        self._confirming = Lock()

    # --- prepare

    def account(self, *, cached: bool = False) -> Account:
        """The account; read again where it is no longer valid, or without `cached` too old.

        Raises:
            NotPrepared: every problem, one line each.
            AuthFailed: credentials refused, or a scope is missing.
            Transient: HubSpot cannot be reached.
        """
        known = self._cached
        expired = known is None or self._clock.now() - known.at >= self._lifetime
        self._confirmed = not self._valid or ((expired or self._retry_soon) and not cached)
        if known is None or self._confirmed:
            self._valid = False
            known = self._cached = self._read()
            self._valid = self._confirmed = True
        return known.account

    @property
    def property_map(self) -> mapping.PropertyMap:
        """Which property holds which group; constant within a cycle."""
        if self._cached is None:
            self._cached = self._read()
        return self._cached.property_map

    def invalidate(self) -> None:
        """Read the account again at the next `prepare`: it may have changed."""
        self._valid = False

    def forget(self) -> None:
        """Know nothing of the account any more: it may be another one."""
        self._cached, self.number = None, ""

    def confirm(self) -> None:
        """Check once in a cycle that every property still exists.

        Called when a record comes without a requested property: an empty one
        is null, a deleted one is left out silently (appointments guide,
        2026-03) and would read as cleared.

        Raises:
            NotPrepared: a property is gone; every problem, one line each.
        """
        with self._confirming:  # Several batches may call this at once: one reads.
            if not self._confirmed:
                self._check_properties(self._definitions())
                self._confirmed = True

    def _check_properties(self, known: Mapping[str, Definition]) -> None:
        problems = [each for each in self._findings(known) if not each.ok]
        if problems:
            raise NotPrepared("\n".join(str(each) for each in problems))

    def _read(self) -> _CachedAccount:
        optional = _OptionalReads()
        self._check_activation(optional)
        details = self._known_details(optional)
        known = self._definitions()
        self._check_properties(known)
        status = schema_check.status_property(known, self._spec.status_property)
        stages = self._stages() if status == mapping.STAGE else {}
        values = tuple(stages) if status == mapping.STAGE else known[status].options
        mapped_fields = tuple((each.name, each.property) for each in self._spec.mapped_fields)
        note = schema_check.sync_note(known)
        missing_note = () if note.ok or not self._spec.show_held else (f"{note}",)
        property_map = mapping.PropertyMap(
            status=status,
            mapped_fields=mapped_fields,
            moments=frozenset(name for _, name in mapped_fields if known[name].type == "datetime"),
            note=mapping.NOTE if note.ok else "",
            link=self._spec.record_link if details else "",
            link_base=self._link_base(details) if details else "",
            filter_properties=self._spec.filter_properties,
            pipeline_of=stages if len(set(stages.values())) > 1 else {},
        )
        people = self._known_people(optional) if Group.OWNER in self._spec.needs else ()
        account = Account(
            side=Side.HUBSPOT,
            people=people or (),
            people_unread=people is None,
            status_values=values,
            status_property=status,
            warnings=(*_warnings(status, values), *missing_note, *optional.warnings),
        )
        self._retry_soon = optional.retry_soon
        return _CachedAccount(at=self._clock.now(), account=account, property_map=property_map)

    def portal(self) -> str:
        """The number of the account, the same for every token of it."""
        self._details()
        return self.number

    def _link_base(self, details: Json) -> str:
        """Where HubSpot shows a record, up to its id."""
        host = wire.string(details.get("uiDomain")) or "app.hubspot.com"
        return f"https://{host}/contacts/{self.number}/record/{self._session.api.type_id}/"

    def _known_details(self, optional: _OptionalReads) -> Json:
        """The account's details; empty where they cannot be read: only record links need them.

        The daily budget is renewed at midnight in the account's time zone (usage
        guidelines), so the zone is read before the budget is used up.
        """
        try:
            details = self._details()
        except SyncdError as error:
            lost = "no record gets its address" if self._spec.record_link else ""
            optional.failed(error, lost)
            return {}
        self._session.client.budget.zone = _zone(details) or self._session.client.budget.zone
        return details

    def _details(self) -> Json:
        details = self._session.ask(self._session.api.details())
        self.number = wire.string(details.get("portalId"))
        return details

    def _known_people(self, optional: _OptionalReads) -> tuple[Person, ...] | None:
        """The owners; None where they cannot be read: everything else is synced without."""
        try:
            return tuple(self._people())
        except SyncdError as error:
            optional.failed(error, "owners cannot be matched")
            return None

    def _check_activation(self, optional: _OptionalReads | None = None) -> None:
        """See that the object is activated; where that is unknown, later requests show it."""
        try:
            answer = self._session.ask(self._session.api.enablement())
        except SyncdError as error:
            (optional or _OptionalReads()).failed(error)
            return
        if answer.get("enablement") is False:
            raise NotPrepared(f"appointments are not activated; {refusals.NOT_ACTIVATED}")

    def _definitions(self) -> dict[str, Definition]:
        return schema.definitions(self._session.rows(self._session.api.properties()))

    def _findings(self, known: Mapping[str, Definition]) -> tuple[Finding, ...]:
        return schema_check.findings(known, self._spec, self._session.api.object_type)

    def _surveyed(self, known: Mapping[str, Definition]) -> tuple[Finding, ...]:
        """What the doctor says of the properties."""
        note = (schema_check.sync_note(known),) if self._spec.show_held else ()
        return (*self._findings(known), *note)

    def _stages(self) -> dict[str, str]:
        return schema.stages(self._session.rows(self._session.api.pipelines()))

    def _people(self) -> Iterator[Person]:
        """Every owner; deactivated ones are listed as archived only (owners guide)."""
        for archived in (False, True):
            after, progress = "", Progress(Side.HUBSPOT, "owners", MANY)
            while True:
                body = self._session.rows(self._session.api.owners(archived=archived, after=after))
                people = list(schema.people(body, active=not archived))
                yield from people
                after = wire.page(body).after
                if not after:
                    break
                progress.page((person.id for person in people), after)

    # --- the doctor

    def survey(self) -> Survey:
        """Everything at once, problems included that make `account` fail; raises the same."""
        self._check_activation()
        known = self._definitions()
        status = schema_check.status_property(known, self._spec.status_property)
        found = Survey(
            findings=self._surveyed(known),
            status_property=status,
            status_values=known[status].options if status else (),
            demanded=schema_check.unfilled(self._demanded(), self._spec, status),
            demanded_of_contacts=schema_check.unfilled_of_contacts(self._demanded(CONTACTS)),
        )
        if status != mapping.STAGE:
            return found
        body = self._session.rows(self._session.api.pipelines())
        return replace(
            found,
            status_values=tuple(schema.stages(body)),
            status_labels=schema.stage_labels(body),
        )

    def _demanded(self, object_type: str = "") -> list[str]:
        """What a new record needs; nothing where it cannot be read, or is not enforced."""
        if self._session.api.version < ENFORCED:
            return []
        try:
            response = self._session.send(self._session.api.schema(object_type))
        except SyncdError as error:
            _OptionalReads().failed(error)
            return []
        body = wire.mapping(response.payload) if response.ok else {}
        return [wire.string(each) for each in wire.items(body.get("requiredProperties"))]

    def owners(self) -> tuple[Person, ...]:
        """Every owner, deactivated ones included."""
        return tuple(self._people())

    # --- setup

    def setup(self, status_values: Sequence[str]) -> list[tuple[str, bool]]:
        """See `setup.create_missing`; raises `NotPrepared` where the object is not activated."""
        self._check_activation()
        done = setup.create_missing(self._session, self._spec, status_values)
        self._cached = None
        return done


def _zone(details: Json) -> ZoneInfo | None:
    try:
        return ZoneInfo(wire.string(details.get("timeZone")))
    except (ValueError, OSError, KeyError):
        return None


def _warnings(status: str, values: Sequence[str]) -> tuple[str, ...]:
    if values:
        return ()
    return (f"HubSpot's {status} lists no values: none of the status tables can be checked",)
