"""Between HubSpot's contacts and the core's. Pure.

`contacts` calls this. Leaves out the requests (`protocol`, `search`).
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
    """A contact; `country` (ISO 3166) is where numbers without a country code are from."""
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
    """Whether it is one of the contact's addresses, in any letter case."""
    return email.casefold() in (each.casefold() for each in found.emails)


def creation(wanted: Contact) -> dict[str, str]:
    """The properties of a new contact: name, e-mail and phone only."""
    held = {
        "firstname": wanted.first_name,
        "lastname": wanted.last_name,
        "email": wanted.emails[0] if wanted.emails else "",
        "phone": wanted.phones[0] if wanted.phones else "",
    }
    return {name: value for name, value in held.items() if value}


def existing_id(found: Problem) -> str:
    """The id in a refusal: "Contact already exists. Existing ID: N" (contacts guide)."""
    named = _EXISTING.search(found.message)
    return named.group(1) if named else ""
