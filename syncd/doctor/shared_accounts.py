"""Judges links that turn out to share one HubSpot account; pure.

The configuration can only compare tokens; two tokens of one account show
themselves by the account's own number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncd.config import LinkSettings, overlapping, server_of
from syncd.doctor.finding import Finding, error, ok

AREA = "sharing"


def judge(links: Mapping[str, LinkSettings], portals: Mapping[str, str]) -> Iterator[Finding]:
    """`portals` holds the account's number by link, for those that told it."""
    told = [link for name, link in links.items() if portals.get(name)]
    faults = overlapping(told, lambda link: (server_of(link.hubspot.base_url), portals[link.name]))
    yield from (error(AREA, *_parted(each)) for each in faults)
    by_portal: dict[tuple[str, str], list[str]] = {}
    for link in told:
        account = server_of(link.hubspot.base_url), portals[link.name]
        by_portal.setdefault(account, []).append(link.name)
    if not faults:
        for (_, portal), names in by_portal.items():
            if len(names) > 1:
                yield ok(
                    AREA, f"{', '.join(names)} share HubSpot account {portal} and keep apart there"
                )


def _parted(fault: str) -> tuple[str, str]:
    what, _, remedy = fault.partition("; ")
    return what, remedy
