"""Judges how HighLevel's users and HubSpot's owners match, by e-mail; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.core.model import Person
from syncd.doctor.finding import Finding, ok, warning

AREA = "owners"


def judge(users: Collection[Person], owners: Collection[Person]) -> Iterator[Finding]:
    """Who has nobody across: their appointments keep the owner that they have."""
    mails = {each.email.casefold() for each in owners if each.email and each.active}
    alone = [each for each in users if each.active and each.email.casefold() not in mails]
    living = [each for each in users if each.active]
    matched = len(living) - len(alone)
    if not living or not mails:
        missing = "HighLevel lists no user" if not living else "HubSpot lists no active owner"
        yield warning(AREA, f"{missing}: no owner can be matched", 'or set fields.owner = "off"')
        return
    said = f"{matched} of {len(living)} HighLevel users have a HubSpot owner with their e-mail"
    if alone:
        names = ", ".join(each.name or each.id for each in alone[:10])
        remedy = (
            f"without one: {names}; give them the same address in both, or leave it: "
            "their appointments then have no owner across"
        )
        yield warning(AREA, said, remedy)
    else:
        yield ok(AREA, said)
    parted = {each.email.casefold() for each in owners if each.email and not each.active} - mails
    gone = [each for each in living if each.email.casefold() in parted]
    if gone:
        names = ", ".join(each.name or each.id for each in gone[:10])
        yield warning(
            AREA,
            f"deactivated in HubSpot, and so matched to nobody: {names}",
            "activate the user in HubSpot, or give the appointments to somebody else",
        )
