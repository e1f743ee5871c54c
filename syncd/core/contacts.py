"""Decides from the look-ups which contact on the other side is the same person.

`engine.contacts` looks up and calls this. Existing contacts are never
changed; a missing one is made with name, e-mail and phone only (promise 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import combinations

from syncd.core.model import Contact, Pair


class MatchBasis(Enum):
    """The proof that a contact on the other side is the same person."""

    IDENTITY = "a known pair, an e-mail address, or a person's decision"
    PHONE = "a phone number, and names that do not disagree"
    PAIRED_RECORD = "it was associated with a paired record, which makes nobody the same person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The record's contact on the other side: the same person, if there is proof."""

    id: str
    basis: MatchBasis = field(default=MatchBasis.IDENTITY, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToMake:
    """The other side has no such person, and a contact may be created."""

    contact: Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """The record has to wait: `no_contact` or `ambiguous_contact`, or it is `unread`."""

    reason: str
    detail: str
    candidates: tuple[str, ...] = ()
    """Of several contacts that fit: their ids on the other side."""
    unread: bool = False
    """Whether nothing is known, because looking failed: that nobody is there, least of all."""


Resolution = Known | ToMake | Unresolved


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactBook:
    """What is known of the contacts of this cycle's records, both ways."""

    from_ghl: Mapping[str, Resolution] = field(default_factory=dict)
    from_hubspot: Mapping[str, Resolution] = field(default_factory=dict)
    merged: Mapping[str, str] = field(default_factory=dict)
    """HubSpot contact ids that were merged: old id → the id that lives on."""

    def one_person(self, pair: Pair) -> bool:
        """Whether the two contacts of a pair are known to be one person by themselves.

        That their records are paired proves nothing: records are paired by the
        id that one carries, or by a person's word about the records (promise 3).
        """
        ghl, hubspot = pair.ghl.contact, pair.hubspot.contact
        if not ghl or not hubspot:
            return False
        found = ((self.from_ghl.get(ghl), hubspot), (self.from_hubspot.get(hubspot), ghl))
        return any(isinstance(known, Known) and known.id == there for known, there in found)


def match(
    contact: Contact, found: Mapping[str, Sequence[Contact]], *, may_make: bool
) -> Resolution:
    """Find the other side's contact by e-mail, then by phone if the names do not disagree.

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
            reason="ambiguous_contact",
            detail="its e-mail addresses belong to several contacts",
            candidates=tuple(each.id for each in by_email),
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
        return Known(id=agreeing[0].id, basis=MatchBasis.PHONE)
    whose = "several contacts" if agreeing else "a contact of another name"
    return Unresolved(
        reason="ambiguous_contact",
        detail=f"its phone number belongs to {whose}",
        candidates=tuple(each.id for each in agreeing or candidates),
    )


def without_shared_phones(
    book: Mapping[str, Resolution], people: Mapping[str, Contact], known: Mapping[str, Contact]
) -> dict[str, Resolution]:
    """The same, but that a number which several people of one side share finds nobody.

    `people` are the contacts that were looked up, by id; `known` those that
    are known to be the contacts on the other side, by that side's id. Such a contact
    without a name would pass for each of a family.
    """
    claims: dict[str, list[str]] = defaultdict(list)
    for here, found in book.items():
        if isinstance(found, Known) and found.basis is MatchBasis.PHONE:
            claims[found.id].append(here)
    judged = dict(book)
    for there, claiming in claims.items():
        persons = [people[here] for here in claiming]
        persons += [known[there]] if there in known else []
        if any(names_disagree(*two) for two in combinations(persons, 2)):
            shared = Unresolved(
                reason="ambiguous_contact",
                detail="its phone number belongs to people of several names",
            )
            judged |= dict.fromkeys(claiming, shared)
    return judged


def share_email(one: Contact, other: Contact) -> bool:
    """Whether they have an e-mail address in common; letter case does not count."""
    return not _addresses(one).isdisjoint(_addresses(other))


def disproves(here: Contact, there: Contact, owners: Collection[Contact]) -> bool:
    """Whether two contacts that were one person are so no more.

    The same applies if the other contact's address is not this person's, and is
    another's: `owners` are the contacts of this side that have it.
    """
    others = [each for each in owners if each.id != here.id and share_email(each, there)]
    return bool(others) and not share_email(here, there)


def _addresses(contact: Contact) -> frozenset[str]:
    return frozenset(each.strip().casefold() for each in contact.emails)


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
