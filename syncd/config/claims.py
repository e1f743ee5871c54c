"""What several links may not do together: claim the same HubSpot records.

Called by `load` with links that are valid on their own, and later by whoever
has learnt that two tokens lead to one account. Nothing is asked of a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from itertools import combinations

from syncd.config.settings import LinkSettings


def account_by_token(link: LinkSettings) -> Hashable:
    """What can be known of an account without asking: the same token is the same account."""
    return link.hubspot.base_url, link.hubspot.token.place


def overlapping(
    links: Iterable[LinkSettings], account_of: Callable[[LinkSettings], Hashable] = account_by_token
) -> list[str]:
    """One line for each two links that would claim the same records of one account.

    Links to one account need filters that share no value of some property,
    unless both only write to HubSpot: then neither takes up a record that is
    not its own.
    """
    return [
        line
        for one, two in combinations(links, 2)
        if account_of(one) == account_of(two)
        and one.hubspot.object_type == two.hubspot.object_type
        and (line := _claim(one, two))
    ]


def _claim(one: LinkSettings, two: LinkSettings) -> str:
    names = f"links.{one.name} and links.{two.name}"
    if (one.ghl.base_url, one.ghl.location_id) == (two.ghl.base_url, two.ghl.location_id):
        return (
            f"{names}: both name HighLevel location {one.ghl.location_id} and one HubSpot account; "
            "make one link of them"
        )
    one_way = all(link.sync.direction == "ghl_to_hubspot" for link in (one, two))
    if one_way or _disjoint(one, two):
        return ""
    return (
        f"{names}: one HubSpot account, and hubspot.filter does not keep their records apart; "
        "give both a filter on the same property with different values, "
        'or set sync.direction = "ghl_to_hubspot" in both'
    )


def _disjoint(one: LinkSettings, two: LinkSettings) -> bool:
    return any(
        _folded(values).isdisjoint(_folded(two.hubspot.filter[name]))
        for name, values in one.hubspot.filter.items()
        if name in two.hubspot.filter
    )


def _folded(values: Iterable[str]) -> set[str]:
    return {value.casefold() for value in values}
