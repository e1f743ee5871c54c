"""Which contact across is the same person: decided from what was looked up.

`engine.contacts` looks up and calls this. Existing contacts are never
changed; a missing one is made with name, e-mail and phone only (contract 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from syncd.core.model import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The same person exists across."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToMake:
    """Nobody across is this person, and one may be made."""

    contact: Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """The record has to wait: `no_contact` or `ambiguous_contact`."""

    reason: str
    detail: str


Resolution = Known | ToMake | Unresolved


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactBook:
    """What is known of the contacts of this cycle's records, both ways."""

    from_ghl: Mapping[str, Resolution] = field(default_factory=dict)
    from_hubspot: Mapping[str, Resolution] = field(default_factory=dict)
    merged: Mapping[str, str] = field(default_factory=dict)
    """HubSpot contact ids that were merged: old id → the id that lives on."""


def match(
    contact: Contact, found: Mapping[str, Sequence[Contact]], *, may_make: bool
) -> Resolution:
    """Find the contact across by e-mail, then by phone where the names do not disagree.

    `found` holds the candidates by each of the contact's e-mails and phones.
    """
    if not contact.emails and not contact.phones:
        return Unresolved(
            reason="no_contact", detail="the contact has neither e-mail nor phone to be found by"
        )
    by_email = _distinct(found, contact.emails)
    if len(by_email) == 1:
        return Known(id=by_email[0].id)
    if by_email:
        return Unresolved(
            reason="ambiguous_contact", detail="its e-mail addresses belong to several contacts"
        )
    by_phone = _distinct(found, contact.phones)
    if by_phone:
        return _by_phone(contact, by_phone)
    if not may_make:
        return Unresolved(
            reason="no_contact", detail="there is no such contact, and none may be made"
        )
    return ToMake(contact=replace(contact, id=""))


def _by_phone(contact: Contact, candidates: Sequence[Contact]) -> Resolution:
    agreeing = [each for each in candidates if not names_disagree(contact, each)]
    if len(agreeing) == 1:
        return Known(id=agreeing[0].id)
    whose = "several contacts" if agreeing else "a contact of another name"
    return Unresolved(reason="ambiguous_contact", detail=f"its phone number belongs to {whose}")


def names_disagree(one: Contact, other: Contact) -> bool:
    """Whether two names are filled in and cannot be one person's.

    A full name that one side keeps in a single field is the same name.
    """
    if _folded(one.name) == _folded(other.name):
        return False
    return any(
        a and b and a != b
        for a, b in (
            (_folded(one.first_name), _folded(other.first_name)),
            (_folded(one.last_name), _folded(other.last_name)),
        )
    )


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _distinct(found: Mapping[str, Sequence[Contact]], keys: Sequence[str]) -> list[Contact]:
    """The candidates under these keys, each once."""
    by_id = {contact.id: contact for key in keys for contact in found.get(key, ())}
    return list(by_id.values())
