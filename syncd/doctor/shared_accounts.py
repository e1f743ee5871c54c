"""Checks links that share one HubSpot account; pure.

The configuration can only compare tokens; the account's number shows that two
tokens belong to one account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncd.config import LinkSettings, overlapping, server_of
from syncd.doctor.finding import Finding, error, ok

AREA = "sharing"


def judge(links: Mapping[str, LinkSettings], portals: Mapping[str, str]) -> Iterator[Finding]:
    """`portals` holds the account's number by link, if known."""
    known = [link for name, link in links.items() if portals.get(name)]
    faults = overlapping(known, lambda link: (server_of(link.hubspot.base_url), portals[link.name]))
    yield from (error(AREA, *_split(each)) for each in faults)
    by_portal: dict[tuple[str, str], list[str]] = {}
    for link in known:
        account = server_of(link.hubspot.base_url), portals[link.name]
        by_portal.setdefault(account, []).append(link.name)
    if not faults:
        for (_, portal), names in by_portal.items():
            if len(names) > 1:
                yield ok(
                    AREA, f"{', '.join(names)} share HubSpot account {portal} with disjoint filters"
                )


def _split(fault: str) -> tuple[str, str]:
    what, _, remedy = fault.partition("; ")
    return what, remedy
