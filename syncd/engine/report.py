"""What a cycle did, as values: the report of `docs/report.md`.

`cycle` has it built from what the steps gave, the verbs print it, the store keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.model import Hold, Side
from syncd.core.outcome import CHANGES, OPENS, REMOVALS, Outcome
from syncd.engine import planned_writes
from syncd.engine.apply.results import FailedWrite
from syncd.engine.cycle_state import Cycle
from syncd.engine.decisions.completion import MOVED_ON
from syncd.engine.planned_writes import (
    PlannedWrite,
    planned_as_json,
)
from syncd.engine.poll.found_changes import FoundChange
from syncd.errors import ended_by
from syncd.ports.store import APPOINTMENT, CONTACT, FULL, INCREMENTAL, TARGETED

WRITES = ("created", "updated", "removed", "restored", "contacts_created")
"""What a tally counts of writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was written to one side."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    restored: int = 0
    contacts_created: int = 0
    requests: int = 0

    @property
    def writes(self) -> int:
        """All of them together."""
        return sum(getattr(self, name) for name in WRITES)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            **{name: count + getattr(other, name) for name, count in self.as_json().items()}
        )

    def as_json(self) -> dict[str, int]:
        """The side's counts in the JSON report, and in the log."""
        return {name: getattr(self, name) for name in (*WRITES, "requests")}


def tally(side: Side, writes: Iterable[PlannedWrite], requests: int = 0) -> Tally:
    """What these writes and so many requests are to a side."""
    counts = Counter((each.action, each.record) for each in writes if each.side is side)
    return Tally(
        created=counts["create", APPOINTMENT],
        updated=counts["update", APPOINTMENT],
        removed=counts["remove", APPOINTMENT],
        restored=counts["restore", APPOINTMENT],
        contacts_created=counts["create", CONTACT],
        requests=requests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """Everything that one cycle of one link did."""

    link: str
    cycle: str = ""
    kind: str = "full"
    outcome: Outcome = Outcome.OK
    detail: str = ""
    started_at: datetime | None = None
    timezone: str = ""
    """The location's time zone, in which people read its times; "" until it is known."""
    seconds: float = 0.0
    dry_run: bool = False
    pairs: int | None = None
    """Known pairs; None where our own store could not be asked."""
    adopted: int = 0
    unchanged: int = 0
    conflicts: int = 0
    ghl: Tally = field(default_factory=Tally)
    hubspot: Tally = field(default_factory=Tally)
    held: Sequence[Hold] = field(default_factory=list)
    failed: Sequence[FailedWrite] = field(default_factory=list)
    warnings: Sequence[str] = field(default_factory=list)
    unread: Sequence[str] = field(default_factory=list)
    """Parts that could not be read and will be tried again."""
    written: Sequence[PlannedWrite] = field(default_factory=list)
    clock_skew: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each vendor's clock was ahead of ours, by its `Date` headers."""
    planned: Sequence[PlannedWrite] | None = None
    """With a dry run: what would be written."""
    left_out: Mapping[str, int] | None = None
    """What a full cycle read and does not sync, by reason; None where it did not look."""
    looked: bool = False
    """Whether both sides could be read; else there are no counts of what stands there."""
    guards: Sequence[str] = field(default_factory=list)
    """The guards that kept something back."""
    uncovered: Mapping[Side, int] = field(default_factory=dict)
    """What a first sync would write, by side, where it is more than a person let go."""
    held_anew: bool = False
    """Whether other records are held than before it."""
    decisions: Sequence[int] = ()
    """The decisions of people that it took up."""
    closed: frozenset[int] = frozenset()
    """Keys of the announcements that were closed with the cycle."""
    left: bool = False
    """With a targeted cycle: whether an incremental one has to read what it could not."""
    changes: Mapping[Side, Mapping[str, FoundChange]] = field(default_factory=dict)
    """What the first poll found changed, by side and id, where it was asked for."""
    stopped: bool = False
    """Whether the process was asked to stop before the cycle had come to its end."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to keep of it: an incremental cycle that met no change."""
        nothing = Tally()
        return (
            self.kind != "full"
            and self.outcome is Outcome.OK
            and not (self.adopted or self.conflicts or self.failed or self.unread)
            and all(replace(self.tally(side), requests=0) == nothing for side in Side)
        )

    @property
    def delay(self) -> float | None:
        """The longest way of a change through this cycle, in seconds.

        A full cycle also takes up what is old, so that only incremental ones say.
        """
        if self.kind == "full":
            return None
        return max((write.delay for write in self.written if write.delay is not None), default=None)

    def tally(self, side: Side) -> Tally:
        """The counts of that side."""
        return self.ghl if side is Side.GHL else self.hubspot

    def counts(self, side: Side) -> dict[str, int | None]:
        """The side's counts; what a dry run would write is not known where it could not look."""
        counted: dict[str, int | None] = {**self.tally(side).as_json()}
        if self.dry_run and not self.looked:
            counted |= dict.fromkeys(WRITES)
        return counted

    def followed_by(self, second: CycleReport) -> CycleReport:
        """Add a further pass: counts add up, its outcome and its holds replace ours."""
        return replace(
            self,
            ghl=self.ghl + second.ghl,
            hubspot=self.hubspot + second.hubspot,
            outcome=second.outcome,
            detail=second.detail,
            pairs=second.pairs,
            adopted=self.adopted + second.adopted,
            left_out=second.left_out or self.left_out,
            looked=self.looked or second.looked,
            closed=self.closed | second.closed,
            left=self.left or second.left,
            conflicts=max(self.conflicts, second.conflicts),
            held=second.held,
            failed=second.failed,
            unread=second.unread,
            warnings=[*dict.fromkeys((*self.warnings, *second.warnings))],
            written=[*self.written, *second.written],
        )

    def as_json(self) -> dict[str, object]:
        """The link's object in the JSON report."""
        found: dict[str, object] = {
            "outcome": self.outcome.value,
            "cycle": self.kind,
            "pairs": self.pairs,
            "adopted": self.adopted if self.looked else None,
            "unchanged": self.unchanged if self.looked else None,
            "ghl": self.counts(Side.GHL),
            "hubspot": self.counts(Side.HUBSPOT),
            "conflicts": self.conflicts if self.looked else None,
            "held": [_hold_as_json(hold) for hold in self.held],
            "failed": [_failed_as_json(write) for write in self.failed],
            "seconds": round(self.seconds, 3),
        }
        if self.kind == "full":
            found["left_out"] = None if self.left_out is None else dict(self.left_out)
        if not self.looked:
            found["looked"] = False
        if self.timezone:
            found["timezone"] = self.timezone
        if self.detail:
            found["detail"] = self.detail
        if self.delay is not None:
            found["delay"] = round(self.delay, 1)
        if self.clock_skew:
            found["clock_skew"] = dict(self.clock_skew)
        for name in ("warnings", "guards", "unread", "decisions"):
            if values := list(getattr(self, name)):
                found[name] = values
        if self.stopped:
            found["stopped"] = True
        if self.planned is not None:
            found["planned"] = [planned_as_json(write) for write in self.planned]
        return found


def _hold_as_json(hold: Hold) -> dict[str, object]:
    return {
        "ghl_id": hold.ghl_id or None,
        "hubspot_id": hold.hubspot_id or None,
        "title": hold.title or None,
        "reason": hold.reason,
        "field": hold.group or None,
        "detail": hold.detail,
        "values": dict(hold.values),
    }


def _failed_as_json(write: FailedWrite) -> dict[str, object]:
    return {
        "ghl_id": write.ghl_id or None,
        "hubspot_id": write.hubspot_id or None,
        "side": write.side.value,
        "action": write.action,
        "detail": write.detail,
    }


# --- how it is built


def report_of(cycle: Cycle) -> CycleReport:
    """The report of one pass, as far as it came."""
    context, rounds, results, request = cycle.context, cycle.rounds, cycle.results, cycle.request
    plans = [each.plan for each in rounds]
    planned = planned_writes.of_plan(plans[0]) if request.dry_run and plans else None
    written = [*results.written] if cycle.started_at else [*cycle.recovered.written]
    if not cycle.started_at:
        written += results.written  # What an earlier cycle left open is in nobody's report.
    counted = [each for each in planned if each.goes_out] if planned is not None else written
    kept_pairs = cycle.kept.pairs if cycle.kept is not None else None
    known = context.pairs if context is not None and cycle.polled is not None else None
    touched = {write.pair.key for each in plans for write in each.writes if write.pair is not None}
    report = CycleReport(
        link=cycle.link.name,
        cycle=cycle.id,
        kind=FULL if request.full else TARGETED if request.targeted else INCREMENTAL,
        started_at=cycle.started_at,
        timezone=context.timezone if context is not None else "",
        dry_run=request.dry_run,
        pairs=known if kept_pairs is None else kept_pairs,
        adopted=sum(not rebase.pair.key for each in plans for rebase in each.rebases),
        unchanged=max(0, known - len(touched)) if known is not None and rounds else 0,
        conflicts=sum(each.plan.conflicts - each.observation.turn.conflicts for each in rounds),
        ghl=tally(Side.GHL, counted),
        hubspot=tally(Side.HUBSPOT, counted),
        failed=failed(cycle),
        warnings=_warnings(cycle),
        unread=_unread(cycle),
        written=written,
        clock_skew={side.value: round(ahead, 1) for side, ahead in rounds[-1].clock_skew.items()}
        if rounds
        else {},
        planned=planned,
        left_out={reason: len(ids) for reason, ids in rounds[0].observation.left_out.items()}
        if rounds and request.full
        else None,
        looked=bool(rounds),
        decisions=_taken_up(cycle),
        closed=cycle.kept.closed if cycle.kept is not None else frozenset(),
        left=cycle.polled is not None and cycle.polled.left,
        changes=cycle.changes,
    )
    return _concluded(cycle, report) if rounds else report


def _taken_up(cycle: Cycle) -> Sequence[int]:
    """The decisions that the cycle took up; a targeted one, those alone that it carried out."""
    decided = cycle.context.decisions.ids if cycle.context is not None else ()
    if not (decided and cycle.request.targeted):
        return decided
    left = {each.id for each in cycle.link.store.decisions()}
    return tuple(each for each in decided if each not in left)


def _concluded(cycle: Cycle, report: CycleReport) -> CycleReport:
    """The report with its outcome, the worst of what happened, and with what is held."""
    results, plans = cycle.results, [each.plan for each in cycle.rounds]
    on_hold = [*held(cycle), *(cycle.kept.held if cycle.kept is not None else ())]
    before = cycle.polled.held if cycle.polled is not None else ()
    anew = {hold.key for hold in on_hold} != {hold.key for hold in before}
    report = replace(report, held=on_hold, held_anew=anew)
    error = results.stopped or results.missing_scope
    if error is not None:
        outcome, detail = ended_by(error)
        return replace(report, outcome=outcome, detail=detail)
    if any(each.guarded for each in plans):
        removals = sum(each.stopped_removals for each in plans)
        changes = sum(each.stopped_changes for each in plans)
        uncovered = sum((Counter(each.uncovered) for each in plans), Counter[Side]())
        return replace(
            report,
            outcome=Outcome.GUARD,
            detail=_guard_words(removals, changes, uncovered=bool(uncovered)),
            guards=[REMOVALS] * bool(removals) + [CHANGES] * bool(changes),
            uncovered=dict(uncovered),
        )
    if report.failed or report.unread or results.interrupted:
        return replace(report, outcome=Outcome.FAILED_WRITES)
    return report


def _guard_words(removals: int, changes: int, *, uncovered: bool) -> str:
    kept_back = {REMOVALS: (removals, "removals"), CHANGES: (changes, "creations and changes")}
    words = [
        f"{number} {what} were kept back: look at them with `syncd plan`, "
        f"then let them pass once with `{OPENS[guard]}`"
        for guard, (number, what) in kept_back.items()
        if number
    ]
    if uncovered:
        words.append("the first sync would write more than twice what was approved")
    return "; ".join(words)


def held(cycle: Cycle) -> list[Hold]:
    """What is held: as planned, but for records that a later round judged anew, and as refused."""
    held: list[Hold] = []
    for each in cycle.rounds:
        renewed = each.observation.turn.renewed - {""}
        held = [hold for hold in held if not renewed & {*hold.ids}]
        held += (*each.plan.holds, *each.waiting)
    return [*held, *cycle.results.holds]


def failed(cycle: Cycle) -> list[FailedWrite]:
    """Writes that will be tried again, with those that had to wait before they were planned."""
    failed: list[FailedWrite] = []
    for each in cycle.rounds:
        renewed = each.observation.turn.renewed - {""}
        failed = [old for old in failed if not renewed & {old.ghl_id, old.hubspot_id}]
        for new_record, why in each.observation.unsure:
            record = new_record.record
            ids = {record.side: record.id, record.side.other: ""}
            failed.append(
                FailedWrite(
                    ghl_id=ids[Side.GHL],
                    hubspot_id=ids[Side.HUBSPOT],
                    side=record.side.other,
                    action="create",
                    detail=why,
                )
            )
    return [*failed, *cycle.results.failed]


def _warnings(cycle: Cycle) -> list[str]:
    moved_on = [*(each for one in cycle.rounds for each in one.approved.moved_on)]
    return [
        *(cycle.context.warnings if cycle.context is not None else ()),
        *(f"{MOVED_ON}: {line}" for line in (*moved_on, *cycle.results.left_out)),
        *(cycle.kept.warnings if cycle.kept is not None else ()),
    ]


def _unread(cycle: Cycle) -> list[str]:
    """Parts, records and contacts that could not be read, in words for a person."""
    found = [*cycle.polled.failures] if cycle.polled is not None else []
    for each in cycle.rounds:
        found += each.observation.found.failures if each.observation.found is not None else ()
        found += each.observation.unread
    return found
