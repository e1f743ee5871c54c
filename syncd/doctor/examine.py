"""Checks everything, in the order in which a person would fix it: one finding after the other.

The verb calls `examine`. A check that is impossible because an earlier one
failed is left out: the next run reports it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from syncd.bootstrap.oauth import OAuth
from syncd.bootstrap.process import environment
from syncd.bootstrap.providers import ProviderFactory
from syncd.config import LinkSettings, Settings
from syncd.core.model import Account, Person, Side
from syncd.doctor import calendars, clocks, files, live, owners, shared_accounts, statuses
from syncd.doctor.finding import Finding, error, ok, raised, warning
from syncd.errors import AuthFailed, ProviderError, SyncdError
from syncd.ports.clock import Clock
from syncd.providers.ghl import protocol as ghl_scopes
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.hubspot import scopes as hubspot_scopes
from syncd.providers.hubspot.account import Survey
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.providers.hubspot.schema import RUN_SETUP
from syncd.providers.scope_check import ScopeCheck, ScopeStatus
from syncd.store import Store, open_engine

ATTEMPTS = 2
"""Attempts for each request: a person waits, so an unreachable vendor is reported soon."""

GHL, HUBSPOT = Side.GHL.label, Side.HUBSPOT.label


def examine(
    settings: Settings, names: Sequence[str], *, clock: Clock, env: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Everything about these links; `env` is where tokens may be. Raises no expected error."""
    yield from files.configuration(settings)
    found, usable = files.store(settings.store.url)
    yield from found
    portals: dict[str, str] = {}
    with open_accounts(settings, clock=clock, env=env, shared=usable) as accounts:
        for name in names:
            examination = _Examination(settings.links[name], accounts)
            for each in examination.findings():
                yield _of_link(each, name)
            portals[name] = examination.portal
            accounts.rest()
    yield from shared_accounts.judge({name: settings.links[name] for name in names}, portals)
    yield from live.judge(settings, clock, env, usable=usable)


@contextmanager
def open_accounts(
    settings: Settings, *, clock: Clock, env: Mapping[str, str] | None, shared: bool
) -> Iterator[ProviderFactory]:
    """Makes the providers; with `shared`, on the same rate budget as a running daemon."""
    if not shared:
        yield ProviderFactory(clock=clock, env=env, ledger=None, attempts=ATTEMPTS)
        return
    with Store(open_engine(settings.store.url), clock) as store:
        surroundings = environment() if env is None else env
        oauth = OAuth(store, clock, lambda: settings, surroundings, threading.Event())
        accounts = ProviderFactory(
            clock=clock, env=env, ledger=store.ledger, attempts=ATTEMPTS, oauth=lambda: oauth
        )
        try:
            yield accounts
        finally:
            accounts.rest()


def without_calendars(link: LinkSettings) -> LinkSettings:
    """The link without its configured calendars: the provider would refuse unknown ones."""
    ghl = link.ghl.model_copy(update={"calendars": (), "default_calendar": ""})
    return link.model_copy(update={"ghl": ghl})


def _of_link(found: Finding, name: str) -> Finding:
    return Finding(
        area=found.area,
        what=found.what,
        mark=found.mark,
        remedy=found.remedy,
        link=name,
        code=found.code,
    )


@dataclass(slots=True)
class _Examination:
    """One link, and the results about it so far."""

    link: LinkSettings
    accounts: ProviderFactory
    portal: str = ""
    account: Account | None = None
    owners: tuple[Person, ...] | None = None
    skews: dict[Side, float | None] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        yield from self._ghl()
        yield from self._hubspot()
        account = self.account
        if account is not None:
            users = account.people or None
            yield from calendars.judge(self.link, account.calendars, users)
            if self.owners is not None and users is not None:
                yield from owners.judge(users, self.owners)
        yield from clocks.judge(self.skews)

    # --- HighLevel

    def _ghl(self) -> Iterator[Finding]:
        try:
            provider, client = self.accounts.ghl(without_calendars(self.link))
        except SyncdError as fault:
            yield from raised(GHL, fault)
            return
        with closing(provider):
            yield from self._location(provider)
            self.skews[Side.GHL] = client.skew_seconds

    def _location(self, provider: GhlProvider) -> Iterator[Finding]:
        try:
            self.account = provider.prepare()
        except AuthFailed as fault:
            if not fault.missing_scope:
                yield from raised(GHL, fault)
                return
        except SyncdError as fault:
            yield from raised(GHL, fault)
            return
        yield ok(GHL, "the token is accepted")
        yield from self._scopes(GHL, provider, _ghl_scopes(self.link))
        if self.account is None:
            return
        zone = self.account.timezone
        lacks = [each for each in self.account.warnings if "time zone" in each]
        for each in lacks:
            yield warning(GHL, each, "correct it in HighLevel: Settings, Business Profile")
        if not lacks:
            yield ok(GHL, f"location {self.link.ghl.location_id}, time zone {zone}")

    # --- HubSpot

    def _hubspot(self) -> Iterator[Finding]:
        country = self.account.country if self.account else ""
        try:
            provider, client = self.accounts.hubspot(self.link, lambda: country)
        except SyncdError as fault:
            yield from raised(HUBSPOT, fault)
            return
        with closing(provider):
            yield from self._portal(provider)
            self.skews[Side.HUBSPOT] = client.skew_seconds

    def _portal(self, provider: HubSpotProvider) -> Iterator[Finding]:
        survey: Survey | None = None
        try:
            survey = provider.survey()
        except AuthFailed as fault:
            if not fault.missing_scope:
                yield from raised(HUBSPOT, fault)
                return
        except SyncdError as fault:
            yield from raised(HUBSPOT, fault)
            return
        yield ok(HUBSPOT, "the token is accepted, and appointments are activated")
        needed = _hubspot_scopes(self.link)
        if survey and any(RUN_SETUP in each.remedy for each in survey.findings if not each.ok):
            needed |= {hubspot_scopes.SCHEMA_WRITE}
        yield from self._scopes(HUBSPOT, provider, needed)
        if survey:
            yield from self._properties(survey)
        self._read_owners_and_portal(provider)
        yield from self._number()

    def _number(self) -> Iterator[Finding]:
        wanted = self.link.hubspot.hub_id
        if wanted and not self.portal:
            yield warning(
                HUBSPOT,
                f"whether the token belongs to HubSpot account {wanted} is unknown",
                "HubSpot has to say it before anything is written: run `syncd doctor` again, or "
                "remove hub_id",
            )
        elif wanted and self.portal and self.portal != str(wanted):
            yield error(
                HUBSPOT,
                f"the token belongs to HubSpot account {self.portal}, and hub_id is {wanted}",
                f"put the token of that account there, or set hub_id = {self.portal}",
            )

    def _properties(self, survey: Survey) -> Iterator[Finding]:
        for each in survey.findings:
            what = f"{each.what} {each.detail}".strip() if not each.ok else each.what
            yield ok("properties", what) if each.ok else error("properties", what, each.remedy)
        yield from self._demanded(survey)
        if survey.status_property:
            yield from statuses.judge(
                self.link, survey.status_property, survey.status_values, survey.status_labels
            )

    def _demanded(self, survey: Survey) -> Iterator[Finding]:
        """What the account's own rules demand of new records, which would be held."""
        for name in survey.demanded:
            yield warning(
                "properties",
                f"the account demands a value in {name} of every new appointment",
                f"no longer demand it in HubSpot, or map a field to {name} under `map`",
            )
        if self.link.sync.create_contacts in {"both", "hubspot"}:
            for name in survey.demanded_of_contacts:
                yield warning(
                    "properties",
                    f"the account demands a value in {name} of every new contact",
                    "no longer demand it in HubSpot, or set create_contacts so that none is "
                    "created there",
                )

    def _read_owners_and_portal(self, provider: HubSpotProvider) -> None:
        """Read data for other checks; a refusal is reported by its scope already."""
        try:
            if self.link.fields.owner != "off":
                self.owners = provider.owners()
        except ProviderError:
            self.owners = None
        try:
            self.portal = provider.portal()
        except SyncdError:
            self.portal = ""

    # --- scopes

    def _scopes(
        self, area: str, provider: GhlProvider | HubSpotProvider, needed: frozenset[str]
    ) -> Iterator[Finding]:
        granted: list[str] = []
        try:
            for check in provider.check_scopes(needed):
                if check.status is ScopeStatus.GRANTED:
                    granted.append(check.scope)
                else:
                    yield _missing_scope(area, check)
        except SyncdError as fault:
            yield from raised(area, fault)
        if granted:
            yield ok(area, f"scopes: {', '.join(granted)}")


def _missing_scope(area: str, check: ScopeCheck) -> Finding:
    if check.status is ScopeStatus.UNKNOWN:
        return warning(
            area,
            f"whether the token has the scope {check.scope} is unknown ({check.detail})",
            "fix the other problems, then run `syncd doctor` again",
        )
    place = "private integration" if area == GHL else "service key or private app"
    without = _WITHOUT.get(check.scope, "")
    return error(
        area,
        f"the token lacks the scope {check.scope}",
        f"add it to the {place}{without}",
        code=6,
    )


_WITHOUT: Mapping[str, str] = {
    ghl_scopes.USERS_READ: ', or set fields.owner = "off"',
    hubspot_scopes.OWNERS_READ: ', or set fields.owner = "off"',
    ghl_scopes.CONTACTS_WRITE: ", or set create_contacts so that none is created there",
    hubspot_scopes.CONTACTS_WRITE: ", or set create_contacts so that none is created there",
    hubspot_scopes.SCHEMA_WRITE: "; only `syncd setup` needs it",
}
"""An alternative to adding the scope."""


def _ghl_scopes(link: LinkSettings) -> frozenset[str]:
    """The scopes that the link needs in HighLevel."""
    needed = {
        ghl_scopes.LOCATIONS_READ,
        ghl_scopes.CALENDARS_READ,
        ghl_scopes.EVENTS_READ,
        ghl_scopes.CONTACTS_READ,
    }
    if link.fields.owner != "off":
        needed.add(ghl_scopes.USERS_READ)
    if link.sync.direction != "ghl_to_hubspot":
        needed.add(ghl_scopes.EVENTS_WRITE)
        if link.sync.create_contacts in {"both", "ghl"}:
            needed.add(ghl_scopes.CONTACTS_WRITE)
    return frozenset(needed)


def _hubspot_scopes(link: LinkSettings) -> frozenset[str]:
    """The scopes that the link needs in HubSpot."""
    needed = {
        hubspot_scopes.RECORDS_READ,
        hubspot_scopes.RECORDS_WRITE,  # the external id is written in every direction
        hubspot_scopes.CONTACTS_READ,
    }
    if link.fields.owner != "off":
        needed.add(hubspot_scopes.OWNERS_READ)
    if link.sync.direction != "hubspot_to_ghl" and link.sync.create_contacts in {"both", "hubspot"}:
        needed.add(hubspot_scopes.CONTACTS_WRITE)
    return frozenset(needed)
