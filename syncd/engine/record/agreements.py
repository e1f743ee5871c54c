"""Agreements that need no write: new pairs, and what both sides show already.

`apply` commits them before a plan's writes, and asks here for the key that an
adopted pair got.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core.actions import Create, Write
from syncd.core.guards import Plan
from syncd.core.model import ContactPair, Pair
from syncd.engine.link import Link
from syncd.engine.record import record


class Agreements:
    """What a cycle agreed on so far."""

    def __init__(self, link: Link, cycle: str, pairs: dict[int, Pair]) -> None:
        """`pairs` holds the newest state of the cycle's pairs, by key."""
        self._link, self._cycle, self._pairs = link, cycle, pairs
        self._adopted: dict[tuple[str, str], Pair] = {}

    def commit(self, plan: Plan) -> None:
        """Commit what needs no write.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        rebases = plan.rebases
        if not rebases:
            return
        self._link.check_held()
        with self._link.store.begin() as transaction:
            saved = transaction.save_pairs([rebase.pair for rebase in rebases])
            transaction.add_history(
                record.adoption(pair, self._cycle, self._link.clock.now())
                for rebase, pair in zip(rebases, saved, strict=True)
                if not rebase.pair.key
            )
            transaction.save_contacts(
                ContactPair(ghl_id=pair.ghl.contact, hubspot_id=pair.hubspot.contact)
                for rebase, pair in zip(rebases, saved, strict=True)
                if rebase.one_person
            )
        self._adopted |= {
            (pair.ghl_id, pair.hubspot_id): pair
            for rebase, pair in zip(rebases, saved, strict=True)
        }
        for pair in saved:
            self._pairs[pair.key] = pair

    def current(self, write: Write) -> Write:
        """The write with the key that its pair got when it was adopted."""
        if isinstance(write, Create) or write.pair.key:
            return write
        return replace(write, pair=self.agreed(write.pair))

    def agreed(self, pair: Pair) -> Pair:
        """The pair with its key."""
        return pair if pair.key else self._adopted[pair.ghl_id, pair.hubspot_id]
