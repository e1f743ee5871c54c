"""What a decision of a person says: the one home of what verbs and the page write down.

`retry`, `resolve` and `kick` give the payloads of these decisions, with what the
person was shown; the cycle checks it anew. `exits_of` says which decisions fit
a held record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.core.model import Hold
from syncd.engine.decisions.approval import SHOWN
from syncd.engine.decisions.basis import shown_of
from syncd.engine.decisions.pending import WAYS, leave_of
from syncd.ports.store import BY_VERB, Author, LinkStore, Switch

WHOLE_LINK = frozenset({"removal_guard"})
"""Reasons that one decision about the link lets go, not one about each record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A decision that lets a held record go, by the verb's word."""

    word: str
    """retry | keep-ghl | keep-hubspot | pair | separate | contact | book-anyway | ignore."""
    other: str = ""
    """With `pair`: the record of the other side."""
    contact: str = ""
    """With `contact`: the HubSpot contact; "" where a person has to name it."""

    @property
    def way(self) -> tuple[str, str | bool]:
        """The way of `resolve` and its value, as a payload has them."""
        match self.word:
            case "keep-ghl" | "keep-hubspot":
                return "keep", self.word.removeprefix("keep-")
            case "pair":
                return "pair_with", self.other
            case "contact":
                return "contact", self.contact
            case _:
                return self.word.replace("-", "_"), True


def exits_of(holds: Sequence[Hold]) -> list[Exit]:
    """The exits of one record, held for one reason or several: the fitting ones, then the general.

    `pair` and `contact` come once for each candidate.
    """
    found: list[Exit] = []
    for hold in holds:
        if hold.reason in WHOLE_LINK:
            continue
        if hold.reason in WAYS["keep"]:
            found += [Exit(word="keep-ghl"), Exit(word="keep-hubspot")]
        if hold.reason in WAYS["pair_with"]:
            found += [Exit(word="pair", other=each) for each in hold.candidates]
        if hold.reason in WAYS["separate"]:
            found.append(Exit(word="separate"))
        if hold.reason in WAYS["contact"]:
            found += [Exit(word="contact", contact=each) for each in hold.candidates or ("",)]
        if hold.reason in WAYS["book_anyway"]:
            found.append(Exit(word="book-anyway"))
        found += [Exit(word="retry"), Exit(word="ignore")]
    last = {"retry": 1, "ignore": 2}
    return sorted(dict.fromkeys(found), key=lambda each: last.get(each.word, 0))


def stamped(payload: Mapping[str, object], author: Author) -> dict[str, object]:
    """The payload with its author, where no verb makes it."""
    if author == BY_VERB:
        return dict(payload)
    name, by = author
    return {**payload, "author": name} | ({"by": by} if by else {})


def retry(record: str, holds: Sequence[Hold]) -> dict[str, object]:
    """That a record is tried again, and no longer ignored; "" is everything that is held."""
    return {"id": record, "holds": [shown_of(hold) for hold in holds]} if record else {}


def resolve(
    store: LinkStore,
    record: str,
    way: str,
    value: str | bool,  # noqa: FBT001 - the ways without a value are true
) -> dict[str, object]:
    """A way of `resolve`, with the holds of the record that it is for as they are shown now."""
    held = store.holds()
    meant = [hold for hold in held if record in hold.ids and fits(way, hold)]
    if way == "pair_with":
        meant += [hold for hold in held if value in hold.ids]
    return {"id": record, "holds": [shown_of(hold) for hold in meant], way: value}


def fits(way: str, hold: Hold) -> bool:
    """Whether a way of `resolve` is for the reason of a hold."""
    return not WAYS[way] or hold.reason in WAYS[way]


def kick(
    store: LinkStore,
    at: datetime,
    *,
    allow_removals: bool = False,
    allow_changes: bool = False,
    approve: bool = False,
    shown: Mapping[str, int] | None = None,
) -> dict[str, object]:
    """A full cycle, with leave for what the guards keep back now.

    `shown` is what the person was shown of a first sync that they approve, by
    side; without it, what the store says was shown last.
    """
    asked: dict[str, object] = {
        "allow_removals": allow_removals,
        "allow_changes": allow_changes,
        "approve": approve,
    }
    if allow_removals or allow_changes:
        asked |= leave_of(store, at, removals=allow_removals, changes=allow_changes)
    if approve:
        asked["shown"] = dict(shown) if shown is not None else shown_first(store)
    return asked


def shown_first(store: LinkStore) -> dict[str, int] | None:
    """What people were shown last of a first sync that waits: writes by side."""
    told: dict[str, int] | None = json.loads(store.get_state(SHOWN) or "null")
    return told


def switch(
    at: datetime,
    *,
    pausing: bool,
    author: Author = BY_VERB,
    check: Callable[[Mapping[str, datetime]], None] = lambda _: None,
) -> Switch:
    """Links are taken out of service or put back; `check` may object, see `Switch`."""
    return Switch(pausing=pausing, at=at, payload=stamped({}, author), check=check)
