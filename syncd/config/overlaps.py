"""What several links may not do together: claim the same HubSpot records.

Called by `load` with links that are valid on their own, and later by whoever
has learnt that two tokens lead to one account. Nothing is asked of a vendor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from syncd.config.addresses import server_of
from syncd.config.link_settings import LinkSettings

_APPOINTMENTS = "0-421"
_ALSO = ("appointment", "appointments", "0-421")
"""How HubSpot's own object type may be called in a path: the appointments guide does, and the
description of its API (CRM, Appointments, 2026-03) names both words.
"""

_NUMBER = re.compile(r"\d+-\d+")


def account_by_token(link: LinkSettings) -> Hashable:
    """What can be known of an account without asking: the same token is the same account."""
    if not link.hubspot.token.places:  # a connection is found by the account's number
        return account_by_number(link)
    return link.hubspot.base_url, link.hubspot.token.place


def account_by_number(link: LinkSettings) -> Hashable:
    """The account that the configuration names; one that is not named is nobody else's."""
    server, number = server_of(link.hubspot.base_url), link.hubspot.hub_id
    return (server, number) if number else (server, 0, link.name)


def conflicting(links: Collection[LinkSettings]) -> list[str]:
    """What `overlapping` tells of links with one token or one configured account."""
    found = [*overlapping(links), *overlapping(links, account_by_number)]
    return list(dict.fromkeys(found))


def overlapping(
    links: Iterable[LinkSettings], account_of: Callable[[LinkSettings], Hashable] = account_by_token
) -> list[str]:
    """One line for each two links that would claim the same records of one account.

    Links to one account need filters that share no value of some property,
    unless both only write to HubSpot: then neither takes up a record that is
    not its own.
    """
    sharing: dict[Hashable, list[_Claimant]] = {}
    for link in links:
        sharing.setdefault(account_of(link), []).append(_claimant(link))
    pairs = (pair for group in sharing.values() for pair in combinations(group, 2))
    return [_words(one, two) for one, two in pairs if _quarrel(one, two)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimant:
    """What counts of a link here, made once: of 2,000 links there are two million pairs."""

    name: str
    location: tuple[str, str]
    kind: str
    """The object type that it syncs."""
    one_way: bool
    filter: Mapping[str, frozenset[str]]


def _claimant(link: LinkSettings) -> _Claimant:
    # HubSpot compares without case where it filters.
    folded = {
        name: frozenset(value.casefold() for value in values)
        for name, values in link.hubspot.filter.items()
    }
    return _Claimant(
        name=link.name,
        location=(server_of(link.ghl.base_url), link.ghl.location_id),
        kind=object_kind(link.hubspot.object_type),
        one_way=link.sync.direction == "ghl_to_hubspot",
        filter=folded,
    )


def object_kind(object_type: str) -> str:
    """An object type by the one name that HubSpot's own has; others go by several."""
    return _APPOINTMENTS if object_type.casefold() in _ALSO else object_type.casefold()


def _apart(one: str, two: str) -> bool:
    """Whether two object types are certainly not one: a name may be any number but HubSpot's own.

    Which number a custom object has, only the account knows.
    """
    numbers = all(_NUMBER.fullmatch(each) for each in (one, two))
    return one != two and (numbers or _APPOINTMENTS in {one, two})


def _quarrel(one: _Claimant, two: _Claimant) -> bool:
    if _apart(one.kind, two.kind):
        return False
    if one.location == two.location:
        return True
    if one.one_way and two.one_way:
        return False
    return not any(
        name in two.filter and values.isdisjoint(two.filter[name])
        for name, values in one.filter.items()
    )


def _words(one: _Claimant, two: _Claimant) -> str:
    names = f"links.{one.name} and links.{two.name}"
    if one.location == two.location:
        return (
            f"{names}: both name HighLevel location {one.location[1]} and one HubSpot account; "
            "make one link of them"
        )
    return (
        f"{names}: one HubSpot account, and hubspot.filter does not keep their records apart; "
        "give both a filter on the same property with different values, "
        'or set sync.direction = "ghl_to_hubspot" in both'
    )
