"""What people asked of the next cycle, read from the decisions in the store.

A kick and an approval say which cycle to run. All decisions make the link due
at once, and the engine carries them out in that cycle and closes them; an
approved plan wants a full one, as it was made by one: what an incremental
cycle does not see would be left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.core.model import Side
from syncd.engine.decisions.approval import Approval
from syncd.ports.store import PAUSE, RESUME, Decision

KICK = "kick"
APPROVE = "approve"
APPLY = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRequests:
    """The sum of what people asked for and no cycle has done yet."""

    kicks: frozenset[int] = frozenset()
    approvals: frozenset[int] = frozenset()
    turns: frozenset[int] = frozenset()
    """What only asked for a turn."""
    all_ids: frozenset[int] = frozenset()
    approval: Approval | None = None
    """How far the newest approval of the first sync goes."""
    planned: bool = False
    """Whether a plan that a person read is among them."""

    @property
    def full(self) -> bool:
        """Whether a full cycle was asked for."""
        return bool(self.kicks or self.approvals or self.planned)

    @property
    def approved(self) -> bool:
        """Whether a person let the first sync go."""
        return self.approval is not None


def orders_in(decisions: Iterable[Decision]) -> CycleRequests:
    """Add up the open decisions; a kick may carry leave for guards and the first sync."""
    open_ = list(decisions)
    ours = [each for each in open_ if each.kind in {KICK, APPROVE}]
    approvals = {each.id for each in ours if each.kind == APPROVE or each.payload.get("approve")}
    return CycleRequests(
        kicks=frozenset(each.id for each in ours) - approvals,
        approvals=frozenset(approvals),
        turns=frozenset(each.id for each in open_ if each.kind in {PAUSE, RESUME}),
        all_ids=frozenset(each.id for each in open_),
        planned=any(each.kind == APPLY for each in open_),
        approval=next((_approval(each) for each in ours[::-1] if each.id in approvals), None),
    )


def _approval(decision: Decision) -> Approval:
    payload: Mapping[str, Any] = decision.payload
    shown = payload.get("shown")
    counts = None if shown is None else {Side(side): int(n) for side, n in shown.items()}
    return Approval(at=decision.made_at, shown=counts)
