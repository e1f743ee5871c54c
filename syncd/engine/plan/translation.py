"""What words mean in this cycle: read from the two accounts and the configuration.

`cycle` lays the dictionary out; `core.translate` reads it.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core import status
from syncd.core.contacts import ContactBook, Known
from syncd.core.model import Account
from syncd.core.translate import Translator
from syncd.engine.link import Link
from syncd.engine.report import CycleReport
from syncd.errors import NotPrepared


def translator(link: Link, accounts: tuple[Account, Account], report: CycleReport) -> Translator:
    """What words mean in this cycle, from what the two accounts look like.

    Raises:
        NotPrepared: a status table of the user's own names a value that HubSpot lacks.
    """
    ghl, hubspot = accounts
    table, missing = status.resolve(link.rules.statuses, hubspot.status_values)
    wanted = set(link.rules.statuses.to_hubspot.values())
    lacking = [value for value in missing if value in wanted]
    if lacking and link.rules.statuses_given:
        raise NotPrepared(
            f"links.{link.name}.status.to_hubspot: HubSpot's {hubspot.status_property} has no "
            f"value {', '.join(map(repr, lacking))}; it has "
            f"{', '.join(map(repr, hubspot.status_values)) or 'none'}"
        )
    report.warnings += [*ghl.warnings, *hubspot.warnings]
    report.warnings += [f"HubSpot has no status value {value!r}" for value in missing]
    owners = {
        person.email.casefold(): person.id
        for person in hubspot.people
        if person.email and person.active
    }
    users = {person.email.casefold(): person.id for person in ghl.people if person.email}
    return Translator(
        statuses=table,
        owner_of_user={users[mail]: owners[mail] for mail in users if mail in owners},
        people_unread=any(each.people_unread or not each.people for each in accounts),
        user_of_owner={owners[mail]: users[mail] for mail in users if mail in owners},
        calendars={calendar.id: calendar for calendar in ghl.calendars},
    )


def with_contacts(words: Translator, book: ContactBook) -> Translator:
    """The dictionary with the contacts that were looked up in this cycle."""
    known = {here: found.id for here, found in book.from_ghl.items() if isinstance(found, Known)}
    return replace(words, contacts=known, merged=book.merged)
