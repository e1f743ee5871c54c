"""Make the contacts that writes need, before the writes are sent.

`executor` calls this. Leaves out who needs one: `core.contacts` decides that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from syncd.core import contacts
from syncd.core.actions import NewContact, Update, Write
from syncd.core.model import Contact, ContactPair, Group, Side
from syncd.engine import planned_writes
from syncd.engine.apply.results import WriteResults
from syncd.engine.link import Link
from syncd.engine.planned_writes import PlannedWrite
from syncd.errors import AuthFailed, DailyBudgetSpent, ProviderError, Rejected, Unavailable
from syncd.ports.store import APPLY, SYNC, HistoryEntry


class ContactMaker:
    """Makes the contacts that a chunk of writes needs, each once per cycle.

    Both sides may ask at the same time; the store is written under `lock`.
    """

    def __init__(
        self,
        link: Link,
        lock: AbstractContextManager[object],
        results: WriteResults,
        carried: Callable[[NewContact], Iterable[tuple[int, str]]] | None = None,
    ) -> None:
        """`carried` gives the parts of people's decisions that are done with a contact."""
        self._link, self._lock, self._results = link, lock, results
        self._carried = carried
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
        except AuthFailed as error:
            if not error.missing_scope:
                raise
            answers = [error] * len(new)  # Whoever is there already needs no scope to make one.
        except (DailyBudgetSpent, Unavailable):
            raise
        except ProviderError as error:
            answers = [error] * len(new)
        known = set(self._made.values())
        made: list[PlannedWrite] = []
        carried: set[tuple[int, str]] = set()
        for each, given in zip(new.values(), answers, strict=True):
            answer = _checked(each.contact, given, side)
            if isinstance(answer, Contact):
                self._made[side, each.source] = answer.id
                made.append(planned_writes.described_contact(each, answer.id))
                carried |= {*self._carried(each)} if self._carried else set()
            else:
                self._made[side, each.source] = answer
        # Two contacts across may be one person, for whom one contact is made.
        fresh = {write.id_on(side): write for write in made if write.id_on(side) not in known}
        with self._lock:
            self._record(side, made, [*fresh.values()], carried)
            for write in fresh.values():
                self._results.count(write)

    def _record(
        self,
        side: Side,
        made: Sequence[PlannedWrite],
        fresh: Sequence[PlannedWrite],
        carried: Collection[tuple[int, str]],
    ) -> None:
        now, cycle = self._link.clock.now(), self._results.cycle
        with self._link.store.begin() as transaction:
            transaction.save_contacts(
                ContactPair(ghl_id=write.ghl_id, hubspot_id=write.hubspot_id)
                for write in made
                if write.ghl_id and write.hubspot_id
            )
            transaction.settle_decisions(carried)
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
                    author=APPLY if carried else SYNC,
                )
                for write in fresh
            )

    def made(self, side: Side, here: str) -> str | ProviderError:
        """The id of the contact that was made on `side` for this one, or why there is none."""
        return self._made[side, here]


def with_contact(write: Write, made: str) -> Write:
    """The write with the contact that was made for it, where it changes the contact."""
    if not isinstance(write, Update):
        return write
    changes = tuple(
        replace(each, after=made) if each.group == Group.CONTACT else each for each in write.changes
    )
    return replace(write, changes=changes)


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
