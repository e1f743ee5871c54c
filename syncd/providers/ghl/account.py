"""Reads what a location looks like: zone, calendars, users.

`provider.prepare` calls this once per cycle. Calendars are listed every time,
because they appear by themselves (a new user gets a personal one, observed
2026-09-12). The location and its users are cached for an hour, so that an idle
cycle costs one request here.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncd.core.model import Account, Calendar, Person, Side
from syncd.errors import (
    AuthFailed,
    NotFound,
    NotPrepared,
    ProviderError,
    Rejected,
    Transient,
    Unreadable,
    quoted,
)
from syncd.ports.clock import Clock
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.ghl import mapping, protocol, wire
from syncd.providers.ghl.session import Session, check_own, unreadable
from syncd.providers.paging import MANY, Progress

MAX_AGE = timedelta(hours=1)
_USERS_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Users:
    """The users; `error` where they could not be read, and whether to retry soon."""

    known: tuple[Person, ...] = ()
    error: str = ""
    retry_soon: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cached:
    """What is not read in every cycle."""

    read_at: datetime
    row: wire.LocationRow
    zone: ZoneInfo
    people: _Users
    warnings: tuple[str, ...]


class AccountReader:
    """The account of one location, as of the last `read`."""

    def __init__(
        self, session: Session, clock: Clock, *, calendars: tuple[str, ...], default_calendar: str
    ) -> None:
        self._session = session
        self._clock = clock
        self._chosen = frozenset(calendars)
        self._named = tuple(filter(None, dict.fromkeys((*calendars, default_calendar))))
        self._default = default_calendar
        self._cached: _Cached | None = None
        self._calendars: tuple[Calendar, ...] | None = None
        self.last: Account | None = None
        """As it was read last."""
        self.teamless: frozenset[str] = frozenset()
        """Calendars without a team, as listed last."""
        self.slots: dict[str, timedelta] = {}
        """The length of a slot, by calendar."""
        self.names: dict[str, str] = {}
        """Names by calendar; a calendar that no longer exists keeps its name here."""

    def read(self) -> Account:
        """Read the account.

        Raises:
            NotPrepared: a configured calendar does not exist, or the location is suspended.
            AuthFailed: the token is refused or lacks a scope.
        """
        self.last = None
        try:
            cached = self._location_and_users()
            calendars = self._calendars = self._list_calendars()
        except AuthFailed as error:
            if error.status != 400:
                raise
            raise NotPrepared(str(error)) from error  # a suspended sub-account
        known = {calendar.id for calendar in calendars}
        unknown = [key for key in self._named if key not in known]
        if unknown:
            known_by_name = ", ".join(f"{each.id} {quoted(each.name)}" for each in calendars[:20])
            raise NotPrepared(
                f"HighLevel location {self._session.location} has no calendar "
                f"{', '.join(unknown)}; correct ghl.calendars or ghl.default_calendar "
                f"(it has: {known_by_name})"
            )
        self.last = Account(
            side=Side.GHL,
            people=cached.people.known,
            people_unread=bool(cached.people.error),
            calendars=calendars,
            timezone=cached.zone.key,
            country=cached.row.country,
            warnings=(*cached.warnings, *filter(None, (cached.people.error,))),
        )
        return self.last

    def synced(self, asked: frozenset[str] = frozenset()) -> tuple[Calendar, ...]:
        """The calendars to poll: the requested, else the configured, else every active one.

        The default calendar is always among them. Lists them again unless
        `read` has just done so. A requested calendar that does not exist has
        only its id here: its list will be refused, not empty.
        """
        calendars, self._calendars = self._calendars, None
        if calendars is None:
            calendars = self._list_calendars()
        chosen = asked | self._chosen
        if not chosen:
            return tuple(each for each in calendars if each.active or each.id == self._default)
        known = {each.id: each for each in calendars}
        named = sorted(chosen | {self._default} - {""})
        return tuple(known.get(key) or Calendar(id=key) for key in named)

    def location_context(self) -> tuple[wire.LocationRow, ZoneInfo]:
        """The location and its zone, read now if they were not before."""
        cached = self._cached or self._location_and_users()
        return cached.row, cached.zone

    def _location_and_users(self) -> _Cached:
        now = self._clock.now()
        held = self._cached
        if held is None or now - held.read_at >= MAX_AGE:
            row = self._location()
            zone, warnings = _zone(row)
            people = self._optional_users(row)
            held = self._cached = _Cached(
                read_at=now, row=row, zone=zone, people=people, warnings=warnings
            )
        elif held.people.retry_soon:
            held = self._cached = replace(held, people=self._optional_users(held.row))
        return held

    def _location(self) -> wire.LocationRow:
        call = protocol.get_location(self._session.location)
        try:
            row = wire.location(self._session.ask(call))
        except (NotFound, Rejected) as error:
            raise NotPrepared(
                f"HighLevel has no location {self._session.location!r} for this token ({error}); "
                "correct ghl.location_id"
            ) from error
        if not row.id:
            raise unreadable(call)
        if row.id != self._session.location:
            raise AuthFailed(
                f"the token is of another location, {row.id}, not of {self._session.location}: "
                "put that location's token there, or correct ghl.location_id",
                side=Side.GHL,
            )
        return row

    def _list_calendars(self) -> tuple[Calendar, ...]:
        call = protocol.list_calendars(self._session.location)
        rows = wire.calendars(self._session.ask(call))
        if rows is None:
            raise unreadable(call)
        for row in rows:
            check_own(call, self._session.location, row.location)
        self.teamless = frozenset(row.id for row in rows if not row.team)
        self.names |= {row.id: row.name for row in rows}
        self.slots |= {row.id: timedelta(minutes=row.slot_minutes) for row in rows}
        return tuple(mapping.calendar(row) for row in rows)

    def _optional_users(self, row: wire.LocationRow) -> _Users:
        """The users, or why they cannot be read: everything but owners is synced without them."""
        try:
            users = self._users(row)
        except ProviderError as error:
            if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                raise
            passing = isinstance(error, Transient | Unreadable)
            return _Users(error=f"owners cannot be matched: {error}", retry_soon=passing)
        return _Users(known=tuple(mapping.person(each) for each in users))

    def _users(self, row: wire.LocationRow) -> list[wire.UserRow]:
        # The older list needs no company id, but is deprecated (API description); then search.
        try:
            return self._page_of_users(protocol.list_users(self._session.location))
        except (NotFound, Rejected, Unreadable):
            found: list[wire.UserRow] = []
            progress = Progress(Side.GHL, "users", MANY)
            while True:
                page = self._page_of_users(
                    protocol.search_users(
                        self._session.location, row.company, len(found), _USERS_PAGE
                    )
                )
                found += page
                if len(page) < _USERS_PAGE:
                    return found
                progress.page((each.id for each in page), str(len(found)))

    def _page_of_users(self, call: protocol.Call) -> list[wire.UserRow]:
        rows = wire.users(self._session.ask(call))
        if rows is None:
            raise unreadable(call)
        return rows


def _zone(row: wire.LocationRow) -> tuple[ZoneInfo, tuple[str, ...]]:
    try:
        return ZoneInfo(row.timezone), ()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        warning = (
            f"the location's time zone {row.timezone!r} is unknown here; UTC is taken "
            "(every time that is written carries its offset)"
        )
        return ZoneInfo("UTC"), (warning,)
