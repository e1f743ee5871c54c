"""Looking contacts up across: known pairs first, then e-mail, then phone.

`match_context` calls this for the records that have no pair yet; what was looked up is
decided in `core.contacts`. Look-ups are batched: one round for all contacts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from syncd.core import contacts
from syncd.core.contacts import ContactBook, Known, MatchBasis, Resolution, Unresolved
from syncd.core.model import Contact, Side
from syncd.engine.link import Link
from syncd.errors import Permanent, ProviderError
from syncd.ports.provider import Provider

PASSING = "unreadable"
"""The reason of a hold whose cause is tried again by itself, in this cycle's terms a failure."""

_Found = TypeVar("_Found")


def resolve(link: Link, side: Side, ids: Collection[str]) -> Mapping[str, Resolution]:
    """Who each contact of `side` is on the other side."""
    wanted = {contact_id for contact_id in ids if contact_id}
    stored = link.store.contact_pairs(side, wanted) if wanted else {}
    book = dict(_still_known(link, side, stored))
    unknown = wanted - set(book)
    if not unknown:
        return book
    people, unread = _parted(link.side(side).contacts(unknown))
    found = _candidates(link.side(side.other), people.values())
    may_make = side.other in link.rules.template.create_contacts_on
    met = {
        each: _match(people.get(each), found, may_make=may_make)
        for each in unknown
        if each not in unread
    }
    by_phone = {
        found.id
        for found in met.values()
        if isinstance(found, Known) and found.basis is MatchBasis.PHONE
    }
    namesakes, doubts = _namesakes(link, side, by_phone)
    met |= {
        here: doubts[found.id]
        for here, found in met.items()
        if isinstance(found, Known) and found.basis is MatchBasis.PHONE and found.id in doubts
    }
    return book | unread | contacts.without_shared_phones(met, people, namesakes)


def unread(book: ContactBook) -> Iterator[str]:
    """Which contacts could not be looked up and will be again, in words for a person."""
    for side, names in ((Side.GHL, book.from_ghl), (Side.HUBSPOT, book.from_hubspot)):
        for contact_id, found in names.items():
            if isinstance(found, Unresolved) and found.unread and found.reason == PASSING:
                yield f"{side} contact {contact_id}: {found.detail}"


def _parted(
    answers: Mapping[str, _Found | ProviderError],
) -> tuple[dict[str, _Found], dict[str, Unresolved]]:
    """What was found, and those of whom nothing is known."""
    found: dict[str, _Found] = {}
    unread: dict[str, Unresolved] = {}
    for key, answer in answers.items():
        if isinstance(answer, ProviderError):
            unread[key] = _unread(answer)
        else:
            found[key] = answer
    return found, unread


def _unread(error: ProviderError) -> Unresolved:
    """Nothing is known of somebody who could not be looked up: their records wait."""
    reason = "rejected" if isinstance(error, Permanent) else PASSING
    return Unresolved(reason=reason, detail=f"its contact: {error}", unread=True)


def _namesakes(
    link: Link, side: Side, across: Collection[str]
) -> tuple[dict[str, Contact], dict[str, Unresolved]]:
    """The contacts of `side` that are known to be these contacts and still exist; by these ids."""
    stored = link.store.contact_pairs(side.other, across) if across else {}
    people, unread = _parted(link.side(side).contacts(set(stored.values())) if stored else {})
    known = {there: people[here] for there, here in stored.items() if here in people}
    return known, {there: unread[here] for there, here in stored.items() if here in unread}


def _candidates(
    across: Provider, people: Collection[Contact]
) -> dict[str, tuple[Contact, ...] | ProviderError]:
    """Who across has these addresses and numbers; a number decides only where no address does."""
    mails = {mail for person in people for mail in person.emails}
    found = dict(across.find_contacts(mails, ())) if mails else {}
    phones = {
        phone
        for person in people
        if not any(found.get(mail) for mail in person.emails)
        for phone in person.phones
    }
    if phones:
        found |= across.find_contacts((), phones)
    return found


def _still_known(link: Link, side: Side, stored: Mapping[str, str]) -> Mapping[str, Resolution]:
    """Of the contacts that were one person, those that still are; merges are followed.

    One that is not there any more is nobody, and one that was given another
    person's address is that person. Where that cannot be seen, they wait.
    """
    if not stored:
        return {}
    alive, away = _parted(link.side(side.other).contacts(set(stored.values())))
    met = {here: alive[there] for here, there in stored.items() if there in alive}
    people, unread = _parted(link.side(side).contacts(met.keys()) if met else {})
    doubtful = {
        here: there
        for here, there in met.items()
        if here in people
        and people[here].emails
        and there.emails
        and not contacts.share_email(people[here], there)
    }
    mails = {mail for there in doubtful.values() for mail in there.emails}
    owners, hidden = _parted(link.side(side).find_contacts(mails, ()) if mails else {})
    others = [owner for found in owners.values() for owner in found]
    book: dict[str, Resolution] = {
        here: away[there] for here, there in stored.items() if there in away
    }
    for here, there in met.items():
        unseen = [hidden[mail] for mail in there.emails if mail in hidden]
        if here in unread:
            book[here] = unread[here]
        elif here in doubtful and unseen:
            book[here] = unseen[0]
        elif here not in doubtful or not contacts.disproves(people[here], there, others):
            book[here] = Known(id=there.id)
    return book


def merged(link: Link, ids: Collection[str]) -> Mapping[str, str]:
    """HubSpot contacts that live on under another id: old id → new id."""
    found, _ = _parted(link.hubspot.contacts(ids) if ids else {})
    return {asked: contact.id for asked, contact in found.items() if contact.id != asked}


def _match(
    person: Contact | None,
    found: Mapping[str, tuple[Contact, ...] | ProviderError],
    *,
    may_make: bool,
) -> Resolution:
    if person is None:
        return Unresolved(reason="no_contact", detail="its contact does not exist any more")
    known, unread = _parted(found)
    decided_by = person.emails
    if not any(known.get(mail) for mail in person.emails):
        decided_by += person.phones
    hidden = [unread[key] for key in decided_by if key in unread]
    return hidden[0] if hidden else contacts.match(person, known, may_make=may_make)
