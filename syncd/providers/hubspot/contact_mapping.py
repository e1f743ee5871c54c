"""HubSpot contacts as the core knows them, and which of them answers to what.

`provider.directory` calls this. Pure: phone numbers are read by a library
that touches nothing. Leaves out the requests (`protocol`, `search`).
"""

from __future__ import annotations

import re

from syncd.core.model import Contact
from syncd.providers.hubspot.wire import MERGED_IDS, Problem, Record
from syncd.providers.phones import normalized

PROPERTIES = (
    "firstname",
    "lastname",
    "email",
    "hs_additional_emails",
    "phone",
    "mobilephone",
    MERGED_IDS,
)
_EXISTING = re.compile(r"Existing ID:\s*(\d+)")
_SEPARATOR = re.compile(r"[;,\s]+")


def contact(record: Record, country: str) -> Contact:
    """A contact; `country` (ISO 3166) is where a number without a country code is from."""
    held = record.properties
    emails = (
        held.get("email", "").strip(),
        *_SEPARATOR.split(held.get("hs_additional_emails", "")),
    )
    phones = (held.get(name, "") for name in ("phone", "mobilephone"))
    return Contact(
        id=record.id,
        first_name=held.get("firstname", "").strip(),
        last_name=held.get("lastname", "").strip(),
        emails=tuple(dict.fromkeys(each for each in emails if each)),
        phones=normalized(phones, country),
    )


def has_email(found: Contact, email: str) -> bool:
    """Whether it is one of the contact's addresses; letter case does not count."""
    return email.casefold() in (each.casefold() for each in found.emails)


def creation(wanted: Contact) -> dict[str, str]:
    """What a new contact gets: name, e-mail and phone, and nothing else."""
    held = {
        "firstname": wanted.first_name,
        "lastname": wanted.last_name,
        "email": wanted.emails[0] if wanted.emails else "",
        "phone": wanted.phones[0] if wanted.phones else "",
    }
    return {name: value for name, value in held.items() if value}


def existing_id(found: Problem) -> str:
    """The id that a refused creation names: "Contact already exists. Existing ID: N"."""
    named = _EXISTING.search(found.message)
    return named.group(1) if named else ""
