"""Looking contacts up across: known pairs first, then e-mail, then phone.

`poll` calls this for the records that have no pair yet; what was looked up is
decided in `core.contacts`. Look-ups are batched: one round for all contacts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from syncd.core import contacts
from syncd.core.actions import NewContact
from syncd.core.contacts import Known, Proof, Resolution, Unresolved
from syncd.core.model import Contact, ContactPair, Side
from syncd.engine import planned
from syncd.engine.link import Link
from syncd.engine.planned import PlannedWrite
from syncd.engine.report import CycleReport
from syncd.errors import AuthFailed, DailyBudgetSpent, ProviderError, Rejected, Unavailable
from syncd.ports.provider import Provider
from syncd.ports.store import HistoryEntry


def resolve(link: Link, side: Side, ids: Collection[str]) -> Mapping[str, Resolution]:
    """Who each contact of `side` is on the other side."""
    wanted = {contact_id for contact_id in ids if contact_id}
    known = _still_known(link, side, link.store.contact_pairs(side, wanted) if wanted else {})
    book: dict[str, Resolution] = {here: Known(id=there) for here, there in known.items()}
    unknown = wanted - set(known)
    if not unknown:
        return book
    people = link.side(side).contacts(unknown)
    found = _candidates(link.side(side.other), people.values())
    may_make = side.other in link.rules.template.create_contacts_on
    met = {each: _match(people.get(each), found, may_make=may_make) for each in unknown}
    by_phone = {
        found.id
        for found in met.values()
        if isinstance(found, Known) and found.proof is Proof.PHONE
    }
    return book | contacts.without_shared_phones(met, people, _namesakes(link, side, by_phone))


def _namesakes(link: Link, side: Side, across: Collection[str]) -> dict[str, Contact]:
    """Who of `side` is known to be these contacts across, and is still there; by the id across."""
    stored = link.store.contact_pairs(side.other, across) if across else {}
    people = link.side(side).contacts(set(stored.values())) if stored else {}
    return {there: people[here] for there, here in stored.items() if here in people}


def _candidates(across: Provider, people: Collection[Contact]) -> dict[str, tuple[Contact, ...]]:
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


def _still_known(link: Link, side: Side, stored: Mapping[str, str]) -> Mapping[str, str]:
    """Of the contacts that were one person, those that still are; merges are followed.

    One that is not there any more is nobody, and one that was given another
    person's address is that person.
    """
    if not stored:
        return {}
    alive = link.side(side.other).contacts(set(stored.values()))
    met = {here: alive[there] for here, there in stored.items() if there in alive}
    people = link.side(side).contacts(met.keys()) if met else {}
    doubtful = {
        here: there
        for here, there in met.items()
        if here in people
        and people[here].emails
        and there.emails
        and not contacts.share_email(people[here], there)
    }
    mails = {mail for there in doubtful.values() for mail in there.emails}
    owners = link.side(side).find_contacts(mails, ()) if mails else {}
    others = [owner for found in owners.values() for owner in found]
    return {
        here: there.id
        for here, there in met.items()
        if here not in doubtful or not contacts.disproves(people[here], there, others)
    }


def merged(link: Link, ids: Collection[str]) -> Mapping[str, str]:
    """HubSpot contacts that live on under another id: old id → new id."""
    found = link.hubspot.contacts(ids) if ids else {}
    return {asked: contact.id for asked, contact in found.items() if contact.id != asked}


def _match(
    person: Contact | None, found: Mapping[str, tuple[Contact, ...]], *, may_make: bool
) -> Resolution:
    if person is None:
        return Unresolved(reason="no_contact", detail="its contact does not exist any more")
    return contacts.match(person, found, may_make=may_make)


class ContactMaker:
    """Makes the contacts that a chunk of writes needs, each once per cycle.

    Both sides may ask at the same time; the store is written under `lock`.
    """

    def __init__(self, link: Link, lock: AbstractContextManager[object], said: CycleReport) -> None:
        self._link, self._lock, self._said = link, lock, said
        self._made: dict[tuple[Side, str], str | ProviderError] = {}

    def make(self, side: Side, wanted: Iterable[NewContact]) -> None:
        """Make contacts on `side`; what is made is counted and recorded at once.

        Raises:
            AuthFailed, DailyBudgetSpent, Unavailable: no further one can succeed.
        """
        new = {each.source: each for each in wanted if (side, each.source) not in self._made}
        if not new:
            return
        try:
            answers = self._link.side(side).create_contacts([each.contact for each in new.values()])
        except (AuthFailed, DailyBudgetSpent, Unavailable):
            raise
        except ProviderError as error:
            answers = [error] * len(new)
        known = set(self._made.values())
        made: list[PlannedWrite] = []
        for each, given in zip(new.values(), answers, strict=True):
            answer = _checked(each.contact, given, side)
            if isinstance(answer, Contact):
                self._made[side, each.source] = answer.id
                made.append(planned.described_contact(each, answer.id))
            else:
                self._made[side, each.source] = answer
        with self._lock:
            self._record(side, made)
            for write in made:
                # Two contacts across may be one person, for whom one contact is made.
                if write.id_on(side) not in known:
                    known.add(write.id_on(side))
                    self._said.count(side, write.action, write.record)
                    self._said.written.append(write)

    def _record(self, side: Side, made: Sequence[PlannedWrite]) -> None:
        now, cycle = self._link.clock.now(), self._said.cycle
        with self._link.store.begin() as transaction:
            transaction.save_contacts(
                ContactPair(ghl_id=write.ghl_id, hubspot_id=write.hubspot_id)
                for write in made
                if write.ghl_id and write.hubspot_id
            )
            transaction.add_history(
                HistoryEntry(
                    at=now,
                    cycle=cycle,
                    side=side,
                    ghl_id=write.ghl_id,
                    hubspot_id=write.hubspot_id,
                    action=write.action,
                    why=write.why,
                    record=write.record,
                )
                for write in made
            )

    def made(self, side: Side, here: str) -> str | ProviderError:
        """The id of the contact that was made on `side` for this one, or why there is none."""
        return self._made[side, here]


def _checked(
    wanted: Contact, answer: Contact | ProviderError, side: Side
) -> Contact | ProviderError:
    """What was made, unless the vendor gave somebody else instead who has the same number."""
    if isinstance(answer, ProviderError) or contacts.share_email(wanted, answer):
        return answer
    if contacts.names_disagree(wanted, answer):
        return Rejected(
            "its phone number belongs to a contact of another name",
            side=side,
            reason="ambiguous_contact",
        )
    return answer
