"""Checks before any write which HubSpot account each link uses, by the vendor's number.

Two variables may hold one token, and two tokens may belong to one account. Two
links of one account would sync each other's records unless their filters are
disjoint, and each would book the other's bookings. A token may also belong to another
account than `hub_id` says. `LinkFactory` calls `check` before every cycle. The
vendor's answer for a token is stored and never asked again; for a single link
without `hub_id` nothing is asked, since its cycles read the number anyway.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b

import structlog

from syncd.bootstrap.providers import ProviderFactory
from syncd.config import LinkSettings, overlapping, server_of
from syncd.errors import AccountUnknown, ConfigError, NotPrepared, SyncdError
from syncd.ports.clock import Clock
from syncd.store import SqlAccounts

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Accounts that are asked at the same time, when many links start for the first time."""

ATTEMPTS = 2
"""How often an account is asked: one that does not answer is asked again with the next cycle."""

ASK_AGAIN = 5.0
"""Seconds after which an account that did not answer is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The server and token of a link, known without a request."""

    server: str
    token: str
    """Its digest; "" where there is none at hand."""
    hub_id: int = 0
    """The account's number as configured; 0 where it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What these links do to each other, by name, with these tokens."""

    links: Mapping[str, LinkSettings]
    problems: dict[str, list[str]]
    tokens: frozenset[str]


class Identities:
    """The accounts of all links; `links` gives those that are configured now."""

    def __init__(
        self,
        accounts: ProviderFactory,
        known: SqlAccounts,
        clock: Clock,
        links: Callable[[], Mapping[str, LinkSettings]],
    ) -> None:
        self._accounts, self._known, self._clock, self._links = accounts, known, clock, links
        self._lock = threading.Lock()
        self._numbers: dict[str, str] = {}
        self._silent: dict[str, tuple[float, str]] = {}
        """Tokens whose account could not be read, with the time and the reason."""
        self._placed: tuple[Mapping[str, LinkSettings], dict[str, _Place]] | None = None
        self._judged: _Judged | None = None
        self._asking: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        """Of each token, held by whoever asks for its account."""

    def check(self, link: LinkSettings, token: str) -> None:
        """Make sure whose account it is, and that no other link syncs the records of this one.

        `token` is the one that is going to be used.

        Raises:
            ConfigError: another link shares the account, and their filters overlap.
            NotPrepared: the token belongs to another account than `hub_id`.
            AccountUnknown: another link may share it, or `hub_id` cannot be compared.
            StoreError: our own store failed.
        """
        mine = self._place(link, token)
        self._must_be_configured(link, mine)
        with self._lock:
            links = self._links()
            if len(links) < 2 or link.name not in links:
                return
            if self._judged and mine.token and mine.token not in self._judged.tokens:
                self._judged = None  # it was put there since
            conflicts = self._conflicts(links)
            if problems := conflicts.get(link.name):
                raise ConfigError(problems)
            self._must_be_known(link, mine, links)

    def check_number(self, link: LinkSettings, token: str) -> None:
        """Make sure that the token belongs to `hub_id`, where that is given.

        Raises:
            NotPrepared: it belongs to another account.
            AccountUnknown: it cannot be asked.
            StoreError: our own store failed.
        """
        self._must_be_configured(link, self._place(link, token))

    def learn(self, link: LinkSettings, used: str, number: str) -> None:
        """Keep the account's number that a cycle has read with this token, where it is new.

        Raises:
            StoreError: our own store failed.
        """
        with self._lock:
            token = self._place(link, used).token
            if not token or not number or self._numbers.get(token) == number:
                return
            self._numbers[token] = number
            if self._known.numbers([token]).get(token) != number:
                self._known.keep({token: number}, self._clock.now())

    def accounts(self) -> dict[str, str]:
        """The account of each link: its number, else its token, else the link's name.

        Reads unknown numbers from the store, and asks no vendor.

        Raises:
            StoreError: our own store failed.
        """
        with self._lock:
            links = self._links()
            if self._placed is None or self._placed[0] is not links:
                self._placed = links, {name: self._place(link) for name, link in links.items()}
            places = self._placed[1]
            tokens = {place.token for place in places.values() if place.token}
            self._numbers |= self._known.numbers(sorted(tokens.difference(self._numbers)))
            return {
                name: f"{place.server} "
                f"{place.hub_id or self._numbers.get(place.token) or place.token or name}"
                for name, place in places.items()
            }

    def _conflicts(self, links: Mapping[str, LinkSettings]) -> dict[str, list[str]]:
        """The problems of each link; checked again when the accounts have changed."""
        if self._judged is not None and self._judged.links is links:
            return self._judged.problems
        places = {name: self._place(link) for name, link in links.items()}
        unknown = self._learn(links, places)
        found: dict[str, list[str]] = {}
        for line, names in _shared(links.values(), lambda link: self._account(places[link.name])):
            for name in names:
                found.setdefault(name, []).append(line)
        tokens = frozenset(place.token for place in places.values())
        self._judged = None if unknown else _Judged(links=links, problems=found, tokens=tokens)
        return found

    def _place(self, link: LinkSettings, token: str = "") -> _Place:
        """Where a link leads to, by this token or the one that stands at its place now."""
        server, hub_id = server_of(link.hubspot.base_url), link.hubspot.hub_id
        try:
            token = token or self._accounts.hubspot_token(link)
        except ConfigError:
            return _Place(server=server, token="", hub_id=hub_id)  # its own cycle reports it
        digest = blake2b(f"{server} {token}".encode(), digest_size=16).hexdigest()
        return _Place(server=server, token=digest, hub_id=hub_id)

    def _account(self, place: _Place) -> Hashable:
        """What two links have to have in common to share an account for certain."""
        if place.hub_id:
            return place.server, str(place.hub_id)  # its own cycle compares it with the token's
        if not place.token:
            return object()
        number = self._numbers.get(place.token)
        return (place.server, number) if number else place.token

    def _learn(
        self, links: Mapping[str, LinkSettings], places: Mapping[str, _Place]
    ) -> frozenset[str]:
        """Find out the accounts' numbers; gives the tokens whose account is not known."""
        tokens: dict[str, dict[str, LinkSettings]] = {}
        for name, place in places.items():
            if place.token:
                tokens.setdefault(place.server, {}).setdefault(place.token, links[name])
        # Where all links of a server have one token, they have one account.
        asked = {
            token: link
            for each in tokens.values()
            if len(each) > 1
            for token, link in each.items()
            if not link.hubspot.hub_id
        }
        fresh = [token for token in asked if token not in self._numbers]
        self._numbers |= self._known.numbers(fresh)
        missing = {token: asked[token] for token in fresh if token not in self._numbers}
        self._ask(missing)
        for name, place in places.items():
            if number := self._numbers.get(place.token):
                self._accounts.note_number(links[name], number)
        return frozenset(token for token in missing if token not in self._numbers)

    def _ask(self, missing: Mapping[str, LinkSettings]) -> None:
        now = self._clock.monotonic()
        due = {
            token: link
            for token, link in missing.items()
            if token not in self._silent or now - self._silent[token][0] >= ASK_AGAIN
        }
        if not due:
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(due)), "accounts") as pool:
            told = dict(zip(due, pool.map(self._number, due, due.values()), strict=True))
        heard = {token: number for token, (number, _) in told.items() if number}
        self._silent |= {token: (now, why) for token, (number, why) in told.items() if not number}
        self._numbers |= heard
        self._known.keep(heard, self._clock.now())
        for token, number in heard.items():
            self._accounts.note_number(due[token], number)
            self._accounts.charge(due[token])

    def _told(self, link: LinkSettings, token: str) -> tuple[str, str]:
        """The number of a token's account, or "" and why it is not known.

        The vendor is asked without keeping the other links waiting.
        """
        with self._lock:
            asking = self._asking[token]
        with asking:
            with self._lock:
                if token not in self._numbers:
                    self._numbers |= self._known.numbers([token])
                if number := self._numbers.get(token):
                    return number, ""
                at, why = self._silent.get(token, (-ASK_AGAIN, ""))
            now = self._clock.monotonic()
            if now - at < ASK_AGAIN and why:
                return "", why
            number, why = self._number(token, link)
            with self._lock:
                if not number:
                    self._silent[token] = now, why
                    return "", why
                self._numbers[token] = number
                self._known.keep({token: number}, self._clock.now())
        self._accounts.note_number(link, number)
        self._accounts.charge(link)  # the request was counted for the token, not the account
        return number, ""

    def _number(self, token: str, link: LinkSettings) -> tuple[str, str]:
        """The number of a token's account, or "" and why it is not known."""
        try:
            provider, _ = self._accounts.hubspot(link, attempts=ATTEMPTS)
            with closing(provider):
                number = provider.portal()
        except SyncdError as error:
            log.info("account.not_told", link=link.name, error=type(error).__name__)
            return "", str(error)
        if self._place(link).token != token:
            return "", "the token was replaced meanwhile"
        return number, "the answer names no account"

    def _must_be_configured(self, link: LinkSettings, place: _Place) -> None:
        """Compare the token's account with `hub_id`, where that is given."""
        wanted = place.hub_id
        if not wanted or not place.token or link.hubspot.token.oauth:
            return  # A connection was found by its number.
        number, why = self._told(link, place.token)
        if not number:
            raise AccountUnknown(
                f"whether the token belongs to HubSpot account {wanted} is not known ({why}): "
                "nothing is written before HubSpot says it; or remove hub_id"
            )
        self._accounts.note_number(link, number)
        if number != str(wanted):
            raise NotPrepared(
                f"the token belongs to HubSpot account {number}, and "
                f"links.{link.name}.hubspot.hub_id is {wanted}; put the token of that account "
                f"there, or set hub_id = {number}"
            )

    def _must_be_known(
        self, link: LinkSettings, mine: _Place, links: Mapping[str, LinkSettings]
    ) -> None:
        if mine.hub_id or not mine.token or mine.token in self._numbers:
            return
        rivals = [
            each.name
            for each in links.values()
            if each.name != link.name
            and (place := self._place(each)).server == mine.server
            and place.token != mine.token
            and overlapping((link, each), lambda _: "the same")
        ]
        if not rivals:
            return
        _, why = self._silent.get(mine.token, (0.0, "nobody was asked"))
        raise AccountUnknown(
            f"which HubSpot account the token leads to is not known ({why}), and it may be that of "
            f"links.{rivals[0]}: nothing is written before HubSpot says it; or give both links a "
            "filter that keeps their records apart"
        )


def _shared(
    links: Iterable[LinkSettings], account_of: Callable[[LinkSettings], Hashable]
) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Each conflict of links that share an account, with both names."""
    groups: dict[Hashable, list[LinkSettings]] = {}
    for link in links:
        groups.setdefault(account_of(link), []).append(link)
    for group in groups.values():
        for line in overlapping(group, lambda _: "the same") if len(group) > 1 else ():
            names = line.partition(":")[0].split(" and ")
            yield line, tuple(name.removeprefix("links.") for name in names)
