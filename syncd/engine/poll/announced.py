"""Which records have to be read for what a vendor announced.

`poll` asks for the announcements that an incremental or full cycle takes along,
`targeted` for those that are a cycle of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncd.core.model import Side
from syncd.core.policy import Policy
from syncd.engine.link import Link
from syncd.ports.announcements import Announced, Announcement

Record = tuple[Side, str]


def records_of(
    link: Link, announced: Iterable[Announcement], policy: Policy
) -> dict[int, frozenset[Record]]:
    """The records that have to be read for each announcement, by its key.

    Of a contact that was deleted, these are its appointments in the window.
    """
    found: dict[int, frozenset[Record]] = {}
    for each in announced:
        match each.what:
            case Announced.RECORD:
                found[each.key] = frozenset({(each.side, each.record)})
            case Announced.CONTACT:
                found[each.key] = frozenset(
                    (each.side, pair.id_on(each.side))
                    for pair in link.store.pairs_of(each.side, {each.record})
                    if policy.window.holds(pair.shown_on(each.side).start)
                )
            case Announced.LINK | Announced.FULL:
                found[each.key] = frozenset()
    return found
