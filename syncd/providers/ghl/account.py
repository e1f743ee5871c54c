"""Reads what a location looks like: zone, calendars, users.

`provider.prepare` calls this once per cycle. Calendars are enumerated every
time, because they come and go by themselves (a new user gets a personal one);
the location and its users are read again when they are older than an hour,
so that an idle cycle costs one request here.
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
from syncd.providers.ghl.session import Session, unreadable
from syncd.providers.paging import MANY, Progress

MAX_AGE = timedelta(hours=1)
_USERS_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _People:
    """The users; `why` they could not be read, if so, and whether to ask again soon."""

    known: tuple[Person, ...] = ()
    why: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stable:
    """What is not read anew in every cycle."""

    read_at: datetime
    row: wire.LocationRow
    zone: ZoneInfo
    people: _People
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
        self._stable: _Stable | None = None
        self._calendars: tuple[Calendar, ...] | None = None
        self.teamless: frozenset[str] = frozenset()
        self.slots: dict[str, timedelta] = {}
        """Calendars without a team, as of the last enumeration."""
        self.names: dict[str, str] = {}
        """What calendars are called; one that vanished keeps its name here."""

    def read(self) -> Account:
        """Read the account anew.

        Raises:
            NotPrepared: a configured calendar does not exist, or the location is suspended.
            AuthFailed: the token is refused or lacks a scope.
        """
        try:
            stable = self._stable_part()
            calendars = self._calendars = self._enumerate()
        except AuthFailed as error:
            if error.status != 400:
                raise
            raise NotPrepared(str(error)) from error  # a suspended sub-account
        known = {calendar.id for calendar in calendars}
        unpaired = [key for key in self._named if key not in known]
        if unpaired:
            known_by_name = ", ".join(f"{each.id} {quoted(each.name)}" for each in calendars[:20])
            raise NotPrepared(
                f"HighLevel location {self._session.location} has no calendar "
                f"{', '.join(unpaired)}; correct ghl.calendars or ghl.default_calendar "
                f"(it has: {known_by_name})"
            )
        return Account(
            side=Side.GHL,
            people=stable.people.known,
            people_unread=bool(stable.people.why),
            calendars=calendars,
            timezone=stable.zone.key,
            country=stable.row.country,
            warnings=(*stable.warnings, *filter(None, (stable.people.why,))),
        )

    def synced(self, asked: frozenset[str] = frozenset()) -> tuple[Calendar, ...]:
        """The calendars to poll: those asked for, else the configured ones, else every active one.

        The default calendar is always among them. Enumerates them again
        unless `read` has just done so. One that is asked for and is not
        there is given back bare: its list will be refused, and not be empty.
        """
        calendars, self._calendars = self._calendars, None
        if calendars is None:
            calendars = self._enumerate()
        chosen = asked | self._chosen
        if not chosen:
            return tuple(each for each in calendars if each.active or each.id == self._default)
        known = {each.id: each for each in calendars}
        named = sorted(chosen | {self._default} - {""})
        return tuple(known.get(key) or Calendar(id=key) for key in named)

    def location_context(self) -> tuple[wire.LocationRow, ZoneInfo]:
        """The location and its zone, read now if it was not before."""
        stable = self._stable or self._stable_part()
        return stable.row, stable.zone

    def _stable_part(self) -> _Stable:
        now = self._clock.now()
        held = self._stable
        if held is None or now - held.read_at >= MAX_AGE:
            row = self._location()
            zone, warnings = _zone(row)
            people = self._people(row)
            held = self._stable = _Stable(
                read_at=now, row=row, zone=zone, people=people, warnings=warnings
            )
        elif held.people.again:
            held = self._stable = replace(held, people=self._people(held.row))
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
        return row

    def _enumerate(self) -> tuple[Calendar, ...]:
        call = protocol.list_calendars(self._session.location)
        rows = wire.calendars(self._session.ask(call))
        if rows is None:
            raise unreadable(call)
        self.teamless = frozenset(row.id for row in rows if not row.team)
        self.names |= {row.id: row.name for row in rows}
        self.slots |= {row.id: timedelta(minutes=row.slot_minutes) for row in rows}
        return tuple(mapping.calendar(row) for row in rows)

    def _people(self, row: wire.LocationRow) -> _People:
        """The users, where they can be had: everything but owners is synced without them."""
        try:
            users = self._users(row)
        except ProviderError as error:
            if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                raise
            passing = isinstance(error, Transient | Unreadable)
            return _People(why=f"owners cannot be matched: {error}", again=passing)
        return _People(known=tuple(mapping.person(each) for each in users))

    def _users(self, row: wire.LocationRow) -> list[wire.UserRow]:
        # The older list needs no company id, but is deprecated; where it is gone, search.
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
