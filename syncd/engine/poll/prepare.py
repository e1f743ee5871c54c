"""Read both accounts, and lay out what holds for this cycle: rules, translations, decisions.

`poll` calls this first.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from syncd.core import translate
from syncd.core.context import FirstSync
from syncd.core.guards import GuardOverrides
from syncd.core.model import Account, Side
from syncd.core.translate import Translator
from syncd.engine.context import CycleContext, CycleRequest
from syncd.engine.decisions import pending
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.link import Link
from syncd.errors import NotPrepared

FIRST = "first_sync_done"
"""State of a link: when its first sync was complete ("yes" where nobody noted it)."""

LEFT_OVER = "first_sync_left"
"""State of a link: what the HubSpot records showed that the first sync left undone."""

POLLED_AT = "looked"
"""State of a link: when each side was polled last, as JSON."""


def prepare(link: Link, request: CycleRequest, cycle: str) -> CycleContext:
    """Check that both accounts can be synced, and lay out the context of a cycle.

    Raises:
        NotPrepared: something is missing that a person has to add: in an account, or in the
            status tables of the configuration.
        ProviderError: an account cannot be read.
    """
    store, rules = link.store, link.rules
    # A targeted cycle takes the accounts as the last poll read them: that was a list.
    known = request.targeted
    accounts = link.ghl.prepare(cached=known), link.hubspot.prepare(cached=known)
    ended = store.get_state(FIRST)
    decisions = _decisions(link, request)
    overrides = decisions.overrides()[0] if decisions.words or decisions.kept else {}
    began = link.clock.now()
    translator, lacking = _translator(link, *accounts)
    return CycleContext(
        link=link,
        request=request,
        cycle=cycle,
        began=began,
        began_at=link.clock.monotonic(),
        policy=rules.at(began, first=not ended, overrides=overrides),
        translator=translator,
        decisions=decisions,
        allowed=_allowed(link, request, decisions),
        first=not ended,
        first_sync=_first_sync(link, ended) if ended not in {"", "yes"} else FirstSync(),
        last_polled=last_polled(link),
        pairs=store.count_pairs(),
        plans_once=request.dry_run or request.rebuild or decisions.only is not None,
        timezone=accounts[0].timezone,
        warnings=(
            *(each for account in accounts for each in account.warnings),
            *(f"HubSpot has no status value {value!r}" for value in lacking),
        ),
    )


def last_polled(link: Link) -> dict[Side, datetime]:
    """When each side was polled last; a side that never was is left out."""
    stored: dict[str, str] = json.loads(link.store.get_state(POLLED_AT) or "{}")
    return {Side(side): datetime.fromisoformat(at) for side, at in stored.items()}


def _first_sync(link: Link, ended: str) -> FirstSync:
    """What is known of the end of the link's first sync."""
    left: dict[str, str] = json.loads(link.store.get_state(LEFT_OVER) or "{}")
    return FirstSync(ended=datetime.fromisoformat(ended), left_over=left)


def _decisions(link: Link, request: CycleRequest) -> PendingDecisions:
    """What people decided, where anybody did."""
    opened = link.store.decisions()
    if request.targeted:
        # Plans, and whatever a kick asked for, are about the whole link.
        opened = [each for each in opened if each.kind != "apply"]
    if not opened and not link.store.get_state(pending.OVERRIDES):
        return PendingDecisions()
    found = pending.read(
        link.store, opened, keep=not request.dry_run, planned_only=request.planned_only
    )
    found = replace(found, ids=tuple(each.id for each in opened))
    return replace(found, only=None) if request.dry_run or request.rebuild else found


def _allowed(link: Link, request: CycleRequest, decisions: PendingDecisions) -> GuardOverrides:
    """What a person lets the guards pass in this cycle."""
    approved = decisions.only is not None
    return replace(
        decisions.allowed if decisions.leaves else GuardOverrides(),
        removals=request.allowed.removals or approved,
        changes=request.allowed.changes or approved,
        covered=request.approval.left(link.store) if request.approval else None,
    )


def _translator(link: Link, ghl: Account, hubspot: Account) -> tuple[Translator, tuple[str, ...]]:
    """What values mean on the other side, and the status values that HubSpot lacks.

    Raises:
        NotPrepared: a status table of the user's own names a value that HubSpot lacks.
    """
    table, missing = translate.resolve(link.rules.statuses, hubspot.status_values)
    wanted = set(link.rules.statuses.to_hubspot.values())
    lacking = [value for value in missing if value in wanted]
    if lacking and link.rules.statuses_given:
        raise NotPrepared(
            f"links.{link.name}.status.to_hubspot: HubSpot's {hubspot.status_property} has no "
            f"value {', '.join(map(repr, lacking))}; it has "
            f"{', '.join(map(repr, hubspot.status_values)) or 'none'}"
        )
    owners = {
        person.email.casefold(): person.id
        for person in hubspot.people
        if person.email and person.active
    }
    users = {person.email.casefold(): person.id for person in ghl.people if person.email}
    translator = Translator(
        statuses=table,
        owner_of_user={users[mail]: owners[mail] for mail in users if mail in owners},
        people_unread=any(each.people_unread or not each.people for each in (ghl, hubspot)),
        user_of_owner={owners[mail]: users[mail] for mail in users if mail in owners},
        calendars={calendar.id: calendar for calendar in ghl.calendars},
    )
    return translator, missing
