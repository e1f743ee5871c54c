"""Checks how HighLevel's users and HubSpot's owners match, by e-mail; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.core.model import Person
from syncd.doctor.finding import Finding, ok, warning

AREA = "owners"


def judge(users: Collection[Person], owners: Collection[Person]) -> Iterator[Finding]:
    """Users without a matching owner: their appointments keep the current owner."""
    mails = {each.email.casefold() for each in owners if each.email and each.active}
    unmatched = [each for each in users if each.active and each.email.casefold() not in mails]
    active = [each for each in users if each.active]
    matched = len(active) - len(unmatched)
    if not active or not mails:
        missing = "HighLevel lists no user" if not active else "HubSpot lists no active owner"
        yield warning(AREA, f"{missing}: no owner can be matched", 'or set fields.owner = "off"')
        return
    summary = f"{matched} of {len(active)} HighLevel users have a HubSpot owner with their e-mail"
    if unmatched:
        names = ", ".join(each.name or each.id for each in unmatched[:10])
        remedy = (
            f"without one: {names}; give them the same address in both, or leave it: "
            "their appointments then have no owner in HubSpot"
        )
        yield warning(AREA, summary, remedy)
    else:
        yield ok(AREA, summary)
    inactive = {each.email.casefold() for each in owners if each.email and not each.active} - mails
    gone = [each for each in active if each.email.casefold() in inactive]
    if gone:
        names = ", ".join(each.name or each.id for each in gone[:10])
        yield warning(
            AREA,
            f"deactivated in HubSpot, so they match no owner: {names}",
            "activate the user in HubSpot, or assign the appointments to somebody else",
        )
