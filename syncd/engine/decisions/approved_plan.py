"""With an approved plan, only what it shows, exactly as it shows it, goes out.

`plan` calls `approved_only` where people approved plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncd.core.actions import Write, new_contacts
from syncd.core.guards import Plan
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.planned_writes import described_contact, digest, digests


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPlan:
    """What of an approved plan is planned now."""

    approved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The ids of its writes that are planned, by digest."""
    going: tuple[Write, ...] = ()
    """Where nothing else may go out: its writes that do."""
    not_approved: tuple[Write, ...] = ()
    """And the planned writes that it does not show."""
    moved_on: tuple[str, ...] = ()
    """Its writes that are not planned any more, in words for a person."""


def approved_only(plan: Plan, decisions: PendingDecisions) -> tuple[Plan, ApprovedPlan]:
    """What of the plan goes out."""
    by_digest = {name: write for write in plan.writes for name in digests(write)}
    approved = {name: write for name, write in by_digest.items() if name in decisions.only_parts}
    ids = {name: write.ids for name, write in approved.items()}
    if decisions.only is None:
        return plan, ApprovedPlan(approved=ids)
    contacts = {digest(described_contact(new)): new.key for new in new_contacts(plan.writes)}
    may_make = {key for name, key in contacts.items() if name in decisions.only}
    able = {
        name: write
        for name, write in by_digest.items()
        if name in contacts or (new := write.new_contact) is None or new.key in may_make
    }
    sent = {id(write) for name, write in able.items() if name in approved and name not in contacts}
    going = tuple(each for each in plan.writes if id(each) in sent)
    has_external_id = {each for write in going for each in write.ids} - {""}
    found = ApprovedPlan(
        approved=ids,
        going=going,
        not_approved=tuple(each for each in plan.writes if id(each) not in sent),
        moved_on=tuple(words for name, words in decisions.only.items() if name not in able),
    )
    id_writes = tuple(each for each in plan.id_writes if has_external_id & {*each.ids})
    return replace(plan, writes=going, id_writes=id_writes), found
