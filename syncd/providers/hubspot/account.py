"""What the account looks like, and making what it lacks: prepare, setup and the doctor's questions.

`HubSpotProvider` delegates to this. Reading is done once and kept for a
while, because an idle poll must not cost more than its search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from syncd.core.model import Account, Group, Person, Side
from syncd.errors import (
    AuthFailed,
    NotFound,
    NotPrepared,
    Rejected,
    SyncdError,
    Transient,
    Unreadable,
)
from syncd.ports.clock import Clock
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot import mapping, refusals, schema, schema_check, wire
from syncd.providers.hubspot.schema import Definition, PropertySpec
from syncd.providers.hubspot.schema_check import Finding
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request
from syncd.providers.paging import MANY, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    at: datetime
    account: Account
    property_map: mapping.PropertyMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """An account as the doctor looks at it."""

    findings: tuple[Finding, ...]
    status_property: str
    """"" where none will do."""
    status_values: tuple[str, ...]
    status_labels: Mapping[str, str] = field(default_factory=dict)
    """What people call the values, where those are a stage's ids."""


@dataclass(slots=True)
class _Beside:
    """What could not be read and is gone on without."""

    warnings: tuple[str, ...] = ()
    passing: bool = False

    def lacks(self, error: SyncdError, so: str = "") -> None:
        """Go on without; `so` is what follows from that, for a person.

        Raises:
            SyncdError: the error itself, where nobody can go on without.
        """
        if stops(Asked.BESIDE, error) is not Stops.NOTHING:
            raise error
        self.passing |= isinstance(error, Transient | Unreadable)
        if so:
            self.warnings += (f"{so}: {error}",)


class AccountReader:
    """Reads and prepares one account."""

    def __init__(
        self, session: Session, clock: Clock, wish: PropertySpec, *, lifetime: timedelta
    ) -> None:
        self._session, self._clock, self._wish = session, clock, wish
        self._lifetime = lifetime
        self._reading: _Reading | None = None
        self._trusted = True
        self._again = False
        """Whether something is worth asking for again that could not be read."""
        self._confirmed = False
        self._confirming = Lock()

    # --- prepare

    def account(self) -> Account:
        """The account; read again where the last reading is too old to be trusted.

        Raises:
            NotPrepared: every problem, one line each.
            AuthFailed: credentials refused, or a scope is missing.
            Transient: HubSpot cannot be reached.
        """
        reading = self._reading
        old = reading is None or self._clock.now() - reading.at >= self._lifetime
        self._confirmed = reading is None or old or self._again or not self._trusted
        if reading is None or self._confirmed:
            reading = self._reading = self._read()
            self._trusted = True
        return reading.account

    @property
    def property_map(self) -> mapping.PropertyMap:
        """Which property holds which group; the same all through a cycle."""
        if self._reading is None:
            self._reading = self._read()
        return self._reading.property_map

    def invalidate(self) -> None:
        """Read the account again at the next `prepare`: something says that it has changed."""
        self._trusted = False

    def confirm(self) -> None:
        """Look whether every property is still there, where this cycle has not done so yet.

        Asked when a record is shown without a property that was asked for:
        one that has no value is null, one that was deleted is left out
        without a word, and would read as cleared.

        Raises:
            NotPrepared: a property is gone; every problem, one line each.
        """
        with self._confirming:  # Several batches may ask at once: one looks.
            if not self._confirmed:
                self._check_properties(self._definitions())
                self._confirmed = True

    def _check_properties(self, known: Mapping[str, Definition]) -> None:
        problems = [each for each in self._findings(known) if not each.ok]
        if problems:
            raise NotPrepared("\n".join(str(each) for each in problems))

    def _read(self) -> _Reading:
        beside = _Beside()
        self._check_activation(beside)
        details = self._known_details(beside)
        known = self._definitions()
        self._check_properties(known)
        status = schema_check.status_property(known, self._wish.status_property)
        stages = self._stages() if status == mapping.STAGE else {}
        values = tuple(stages) if status == mapping.STAGE else known[status].options
        mapped_fields = tuple((each.name, each.property) for each in self._wish.mapped_fields)
        property_map = mapping.PropertyMap(
            status=status,
            mapped_fields=mapped_fields,
            moments=frozenset(name for _, name in mapped_fields if known[name].type == "datetime"),
            link=self._wish.record_link if details else "",
            link_base=self._link_base(details) if details else "",
            filter_properties=self._wish.filter_properties,
            pipeline_of=stages if len(set(stages.values())) > 1 else {},
        )
        people = self._known_people(beside) if Group.OWNER in self._wish.needs else ()
        account = Account(
            side=Side.HUBSPOT,
            people=people or (),
            people_unread=people is None,
            status_values=values,
            status_property=status,
            warnings=(*_warnings(status, values), *beside.warnings),
        )
        self._again = beside.passing
        return _Reading(at=self._clock.now(), account=account, property_map=property_map)

    def portal(self) -> str:
        """The account's own number, which every token of it answers with."""
        return wire.string(self._details().get("portalId"))

    def _link_base(self, details: Json) -> str:
        """Where HubSpot shows a record, up to its id."""
        host = wire.string(details.get("uiDomain")) or "app.hubspot.com"
        portal = wire.string(details.get("portalId"))
        return f"https://{host}/contacts/{portal}/record/{self._session.api.type_id}/"

    def _known_details(self, beside: _Beside) -> Json:
        """What the account says of itself, or nothing: only addresses of records need it.

        A daily budget is given anew at midnight of the account's zone, so the
        zone has to be known before the day is spent.
        """
        try:
            details = self._details()
        except SyncdError as error:
            told = "no record gets its address" if self._wish.record_link else ""
            beside.lacks(error, told)
            return {}
        self._session.client.budget.zone = _zone(details) or self._session.client.budget.zone
        return details

    def _details(self) -> Json:
        return self._session.ask(self._session.api.details())

    def _known_people(self, beside: _Beside) -> tuple[Person, ...] | None:
        """The owners, or None where they cannot be read: all but owners is synced without."""
        try:
            return tuple(self._people())
        except SyncdError as error:
            beside.lacks(error, "owners cannot be matched")
            return None

    def _check_activation(self, beside: _Beside | None = None) -> None:
        """Ask whether the object is activated; where that cannot be asked, the rest will tell."""
        try:
            told = self._session.ask(self._session.api.enablement())
        except SyncdError as error:
            (beside or _Beside()).lacks(error)
            return
        if told.get("enablement") is False:
            raise NotPrepared(f"appointments are not activated; {refusals.NOT_ACTIVATED}")

    def _definitions(self) -> dict[str, Definition]:
        return schema.definitions(self._session.rows(self._session.api.properties()))

    def _findings(self, known: Mapping[str, Definition]) -> tuple[Finding, ...]:
        return schema_check.findings(known, self._wish, self._session.api.object_type)

    def _stages(self) -> dict[str, str]:
        return schema.stages(self._session.rows(self._session.api.pipelines()))

    def _people(self) -> Iterator[Person]:
        """Every owner; those who were deactivated only show when asked for."""
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

    def findings(self) -> tuple[Finding, ...]:
        """Every property that the link needs, with what is wrong with it.

        Raises:
            NotPrepared: the object is not activated.
            AuthFailed: credentials refused, or a scope is missing.
            Transient: HubSpot cannot be reached.
        """
        self._check_activation()
        return self._findings(self._definitions())

    def survey(self) -> Survey:
        """What there is and what is wrong, although `account` would stop at it; raises the same."""
        self._check_activation()
        known = self._definitions()
        status = schema_check.status_property(known, self._wish.status_property)
        findings = self._findings(known)
        if status != mapping.STAGE:
            values = known[status].options if status else ()
            return Survey(findings=findings, status_property=status, status_values=values)
        body = self._session.rows(self._session.api.pipelines())
        return Survey(
            findings=findings,
            status_property=status,
            status_values=tuple(schema.stages(body)),
            status_labels=schema.stage_labels(body),
        )

    def owners(self) -> tuple[Person, ...]:
        """Every owner, deactivated ones included."""
        return tuple(self._people())

    # --- setup

    def setup(self, status_values: Sequence[str]) -> list[tuple[str, bool]]:
        """Make what is missing; (what, whether it was made now) for each. Safe to repeat.

        Raises:
            NotPrepared: a property exists with settings that cannot be changed.
            AuthFailed: `crm.schemas.appointments.write` is missing.
            Transient: HubSpot cannot be reached.
        """
        self._check_activation()
        done = [self._make_group()]
        known = self._definitions()
        done += [self._make(blueprint, known) for blueprint in schema.OURS]
        if self._wants_own_status(known):
            done.append(self._make_status(known, status_values))
        self._reading = None
        return done

    def _make_group(self) -> tuple[str, bool]:
        api = self._session.api
        groups = wire.items(self._session.rows(api.property_groups()).get("results"))
        names = {wire.string(wire.mapping(each).get("name")) for each in groups}
        made = schema.GROUP_NAME not in names and self._created(
            api.create_property_group(schema.GROUP_NAME, schema.GROUP_LABEL)
        )
        return f"property group {schema.GROUP_NAME}", made

    def _make(
        self, blueprint: schema.RequiredSchema, known: Mapping[str, Definition]
    ) -> tuple[str, bool]:
        found, made = known.get(blueprint.name), False
        if found is None:
            body = schema.property_body(blueprint)
            made = self._created(self._session.api.create_property(body))
            found = self._definition(blueprint.name)
        verdict = schema_check.verify(found, blueprint)
        if not verdict.ok:
            raise NotPrepared(str(verdict))
        return f"property {blueprint.name}", made

    def _wants_own_status(self, known: Mapping[str, Definition]) -> bool:
        wanted = self._wish.status_property
        if wanted == schema.AUTO:
            return schema_check.status_property(known, wanted) in {"", schema.OWN_STATUS}
        return wanted == schema.OWN_STATUS

    def _make_status(
        self, known: Mapping[str, Definition], values: Sequence[str]
    ) -> tuple[str, bool]:
        api, name = self._session.api, schema.OWN_STATUS
        found, made = known.get(name), False
        if found is None:
            made = self._created(api.create_property(schema.status_body(values)))
            found = self._definition(name)
        if found is None or found.type != "enumeration":
            raise NotPrepared(
                f"HubSpot property {name} is not an enumeration; delete it for good in HubSpot "
                f"(Settings > Properties, then its archive), then {schema.RUN_SETUP}"
            )
        patch = schema.with_options(found, values)
        if patch is not None:
            self._session.tell(api.update_property(name, patch))
            made = True
        return f"property {name}", made

    def _created(self, request: Request) -> bool:
        """Whether it was made now; somebody may have been faster, which is as good."""
        try:
            self._session.tell(request)
        except Rejected as error:
            if error.status != 409:
                raise
            return False
        except AuthFailed as error:
            if not error.missing_scope:
                raise
            raise AuthFailed(
                "the HubSpot token may not make properties; grant it the scope "
                "crm.schemas.appointments.write",
                side=Side.HUBSPOT,
                status=403,
                missing_scope=True,
            ) from error
        return True

    def _definition(self, name: str) -> Definition | None:
        """Read again what was made: one that was archived comes back as it was."""
        try:
            return schema.definition(self._session.ask(self._session.api.property(name)))
        except NotFound:
            return None


def _zone(details: Json) -> ZoneInfo | None:
    try:
        return ZoneInfo(wire.string(details.get("timeZone")))
    except (ValueError, OSError, KeyError):
        return None


def _warnings(status: str, values: Sequence[str]) -> tuple[str, ...]:
    if values:
        return ()
    return (f"HubSpot's {status} lists no values: none of the status tables can be checked",)
