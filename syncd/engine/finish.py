"""The end of a cycle: what is kept of it, its outcome, and its report.

`cycle` calls `record` as its last step, and leaves it to `reported` to turn
errors into outcomes, to repeat its steps for writes whose outcome is unknown,
and to build the report from what the steps gave. The cursor moves in the last
transaction, and only when every write was at least tried.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from syncd.core import freshness, looks
from syncd.core.actions import Remove
from syncd.core.model import Hold, Missing, Side, Snapshot
from syncd.core.outcome import CHANGES, OPENS, REMOVALS, Outcome
from syncd.engine import planned_writes
from syncd.engine.apply.executor import WriteExecutor
from syncd.engine.apply.results import WriteResults
from syncd.engine.context import CycleContext, CycleRequest
from syncd.engine.decisions import completion, pending
from syncd.engine.decisions.approval import ASK_ABOVE
from syncd.engine.decisions.completion import MOVED_ON, Ended
from syncd.engine.decisions.pending import Part, PendingDecisions
from syncd.engine.link import Link
from syncd.engine.observe.sightings import Observation
from syncd.engine.plan.backoff import judged_holds, stored
from syncd.engine.plan.planning import Planned
from syncd.engine.poll import poll
from syncd.engine.poll.poll import PollResult
from syncd.engine.poll.prepare import FIRST, LEFT_OVER, POLLED_AT, last_polled, prepare
from syncd.engine.record import held_notes
from syncd.engine.recover.recover import Recovered
from syncd.engine.report import CycleReport, FailedWrite, FoundChange, tally
from syncd.errors import (
    LinkLocked,
    NotPrepared,
    ProviderError,
    StoreError,
    SyncdError,
    ended_by,
)
from syncd.ports.announcements import Announced, Announcement
from syncd.ports.store import FULL, INCREMENTAL, LEFT_OUT, LEFT_OUT_IDS, TARGETED, CycleRow

log = structlog.get_logger(__name__)

PAUSES = (2.0, 4.0, 8.0)
"""Seconds before each further pass for writes whose outcome is unknown: they may still be going."""

DECIDED = "decided"
"""State of a link: the newest decision that a cycle took up."""

MOST_NAMED = 5_000
"""How many records that are left out are remembered of each reason, for `syncd why`."""

MOST_LEFT = 5_000
"""How many records that a first sync left undone are remembered; of more, only the stamps count."""

GIVES_UP = timedelta(hours=1)
"""An announcement of a record that fails for so long is closed: the polls go on reading it."""

LATE = timedelta(minutes=1)
"""No search index is known to be later than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was committed at the end of a cycle."""

    pairs: int
    held: tuple[Hold, ...] = ()
    """Earlier holds that the cycle did not judge: it did not come to its end, or was targeted."""
    warnings: tuple[str, ...] = ()
    closed: frozenset[int] = frozenset()
    """Keys of the announcements that were closed."""


@dataclass(slots=True, kw_only=True)
class Cycle:
    """One pass through the steps of a cycle, and what they gave so far."""

    link: Link
    request: CycleRequest
    id: str
    started_at: datetime | None
    """None for a further pass."""
    results: WriteResults
    recovered: Recovered = field(default_factory=Recovered)
    context: CycleContext | None = None
    polled: PollResult | None = None
    rounds: list[Planned] = field(default_factory=list)
    kept: Kept | None = None
    announced: list[Announcement] = field(default_factory=list)
    """What the cycle was told of, before it began and since."""
    changes: Mapping[Side, Mapping[str, FoundChange]] = field(default_factory=dict)
    """What the first poll found changed, where it was asked for."""
    read: dict[int, frozenset[tuple[Side, str]]] = field(default_factory=dict)
    """By key of an announcement, the records that were read for it after it came."""

    def take(self, polled: PollResult) -> None:
        """Go on with what the first poll showed."""
        self.polled = polled
        if self.request.changes_since is not None:
            # Now: what is judged later counts as seen.
            self.changes = poll.changes(polled, self.request.changes_since)
        if self.request.announced:
            self.note_read(self.request.announced, polled)

    def note_read(self, announced: Iterable[Announcement], polled: PollResult) -> None:
        """Note the announcements of which everything was read in this poll."""
        self.announced += announced
        whole = not any(scan.passing for scan in polled.scans.values())
        for each in announced:
            records = polled.announced.get(each.key)
            if each.what is Announced.FULL and not self.request.full:
                continue
            if each.what is Announced.LINK and (self.request.targeted or not whole):
                continue
            if records is not None and all(_was_read(polled, *record) for record in records):
                self.read[each.key] = records

    def prepare(self) -> CycleContext:
        """Read both accounts, see `poll.prepare`."""
        self.context = prepare(self.link, self.request, self.id)
        return self.context


def _was_read(polled: PollResult, side: Side, record_id: str) -> bool:
    """Whether there is word of a record, if only that the vendor shows none."""
    seen = polled.seen[side].get(record_id)
    unsettled = (side, record_id) in polled.unsettled or (side, record_id) in polled.recheck
    return not (seen is None or unsettled or (isinstance(seen, Missing) and seen.unread))


# --- a cycle from outside


def reported(link: Link, request: CycleRequest, steps: Callable[[Cycle], None]) -> CycleReport:
    """Go through the steps; what went wrong with a vendor is in the report, not raised.

    Raises:
        StoreError: our own store failed.
    """
    if (halted := request.halted) is not None:
        stopping = link.stopping
        link = replace(link, stopping=lambda: stopping() or halted())
    started, started_at = link.clock.monotonic(), link.clock.now()
    cycle = uuid4().hex[:12]
    before = {side: link.side(side).requests for side in Side}
    with structlog.contextvars.bound_contextvars(
        link=link.name, cycle_id=cycle, dry_run=request.dry_run
    ):
        report = _passes(link, request, cycle, started_at, steps)
        if link.stopping():
            report = _as_stopped(report)
        report = replace(
            report,
            pairs=link.store.count_pairs() if report.pairs is None else report.pairs,
            seconds=link.clock.monotonic() - started,
            ghl=replace(report.ghl, requests=link.ghl.requests - before[Side.GHL]),
            hubspot=replace(report.hubspot, requests=link.hubspot.requests - before[Side.HUBSPOT]),
        )
        error = _save(link, report)
        if error is not None:
            outcome, detail = ended_by(error)
            report = replace(report, outcome=outcome, detail=detail)
    return report


def _passes(
    link: Link,
    request: CycleRequest,
    cycle: str,
    started_at: datetime,
    steps: Callable[[Cycle], None],
) -> CycleReport:
    """The first pass, and a further one while the outcome of a write is unknown (promise 10).

    In a further pass, `recover` first checks whether those writes took effect:
    a failure without an answer is the one that may not simply be repeated.
    """

    def start(at: datetime | None) -> Cycle:
        results = WriteResults(cycle=cycle)
        return Cycle(link=link, request=request, id=cycle, started_at=at, results=results)

    current, report = start(started_at), None
    pauses = iter(PAUSES)
    try:
        steps(current)
        report = _report(current)
        while _has_unknown_outcome(current) and (pause := next(pauses, None)):
            link.clock.sleep(pause)
            if link.stopping():
                break  # recovery finishes it when this starts again
            current = start(None)
            try:
                steps(current)
            except ProviderError as error:
                log.warning("cycle.look_failed", error=type(error).__name__)
                break
            report = report.followed_by(_report(current))
    except (LinkLocked, NotPrepared, ProviderError) as error:
        ended = _ended(report or _report(current), error)
        decided = report.decisions if report else ()
        if not (report or request.targeted):
            decided = _decided(link, started_at)
        return replace(ended, held=link.store.holds(), decisions=decided)
    except StoreError:
        # Who has the link now may have written what this one was about to: no fault of ours.
        lost = _lost(link)
        if lost is None:
            raise
        return _ended(report or _report(current), lost)
    return report


def _decided(link: Link, by: datetime) -> tuple[int, ...]:
    """What people had decided when a cycle began that could not even read it."""
    return tuple(each.id for each in link.store.decisions() if each.made_at <= by)


def _ended(report: CycleReport, error: SyncdError) -> CycleReport:
    """The report of a cycle that an error ended: what a guard keeps back is for the next to say."""
    outcome, detail = ended_by(error)
    return replace(report, outcome=outcome, detail=detail, guards=[], uncovered={})


def _has_unknown_outcome(cycle: Cycle) -> bool:
    """Whether a further pass may find out whether a write took effect."""
    approved = cycle.context is not None and cycle.context.decisions.only is not None
    return cycle.results.outcome_unknown and not (cycle.results.stopped or approved)


def _lost(link: Link) -> LinkLocked | None:
    """Who has the link, where it is not ours any more and that can be told."""
    try:
        link.check_held()
    except LinkLocked as error:
        return error
    except StoreError:
        pass
    return None


def _as_stopped(report: CycleReport) -> CycleReport:
    """A cycle that a stop broke off is reported as that: no service was out of reach."""
    if report.outcome not in {Outcome.UNREACHABLE, Outcome.FAILED_WRITES}:
        return report
    detail = "stopped before its end, as asked; the next cycle goes on from there"
    return replace(report, outcome=Outcome.FAILED_WRITES, stopped=True, detail=detail)


def _save(link: Link, report: CycleReport) -> LinkLocked | None:
    """Log the cycle, and keep it where it did anything that counts; gives why it could not."""
    looked = report.looked
    # A poll every minute without news would bury what there is to read.
    quiet = report.idle and not (report.held_anew or report.dry_run)
    (log.debug if quiet else log.info)(
        "cycle.finished",
        kind=report.kind,
        outcome=report.outcome.value,
        detail=report.detail,
        pairs=report.pairs,
        held=len(report.held) if looked else None,
        failed=len(report.failed) if looked else None,
        conflicts=report.conflicts if looked else None,
        ghl=report.counts(Side.GHL),
        hubspot=report.counts(Side.HUBSPOT),
        seconds=round(report.seconds, 3),
    )
    if report.dry_run or report.outcome is Outcome.LOCKED or report.started_at is None:
        return None
    newest = max(report.decisions, default=0)
    first = newest > int(link.store.get_state(DECIDED) or 0) and report.kind != TARGETED
    if report.idle and not first and not (report.decisions and report.kind == TARGETED):
        return None  # A poll every minute would leave half a million rows a year without news.
    row = CycleRow(
        cycle=report.cycle,
        kind=report.kind,
        started_at=report.started_at,
        finished_at=link.clock.now(),
        outcome=report.outcome.value,
        report=report.as_json(),
    )
    try:
        with link.store.begin() as transaction:
            transaction.save_cycle(row)
            if first:
                transaction.set_state(DECIDED, str(newest))
    except LinkLocked as error:
        return error
    return None


# --- the report


def _report(cycle: Cycle) -> CycleReport:
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
        failed=_failed(cycle),
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
    held = [*_held(cycle), *(cycle.kept.held if cycle.kept is not None else ())]
    before = cycle.polled.held if cycle.polled is not None else ()
    anew = {hold.key for hold in held} != {hold.key for hold in before}
    report = replace(report, held=held, held_anew=anew)
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


def _held(cycle: Cycle) -> list[Hold]:
    """What is held: as planned, but for records that a later round judged anew, and as refused."""
    held: list[Hold] = []
    for each in cycle.rounds:
        renewed = each.observation.turn.renewed - {""}
        held = [hold for hold in held if not renewed & {*hold.ids}]
        held += (*each.plan.holds, *each.waiting)
    return [*held, *cycle.results.holds]


def _failed(cycle: Cycle) -> list[FailedWrite]:
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


# --- what is kept


def record(cycle: Cycle, executor: WriteExecutor) -> None:
    """Commit what is held, what to read again, and last of all the cursor.

    The cursor stays where writes were left out on purpose, because what they
    are about has to be seen again, and where part of a sweep failed. In a dry
    run nothing is kept.

    Raises:
        LinkLocked: another syncd holds the link.
        StoreError: our own store failed.
    """
    if not cycle.request.dry_run and cycle.polled is not None and cycle.context is not None:
        cycle.kept = _Recording(cycle, cycle.context, cycle.polled, executor).commit()
        for line in cycle.kept.warnings:
            log.warning("decision.dropped", detail=line)
        request, link = cycle.request, cycle.link
        approved = cycle.context.decisions.only is not None or request.planned_only
        if (link.rules.show_held or request.full) and not (approved or request.rebuild):
            held_notes.show(link, cycle.polled.seen[Side.HUBSPOT])


class _Recording:
    """What a cycle comes to, as its store has to know it."""

    def __init__(
        self, cycle: Cycle, context: CycleContext, polled: PollResult, executor: WriteExecutor
    ) -> None:
        self._cycle, self._context, self._polled = cycle, context, polled
        self._executor, self._results = executor, cycle.results
        self._link, self._store, self._full = context.link, context.link.store, context.request.full
        self._targeted = context.request.targeted
        self._observations = [each.observation for each in cycle.rounds]
        found = self._observations[0].found
        assert found is not None  # noqa: S101 - the first round has one
        self._found, matched = found, self._observations[-1].matched
        if matched.ghl or matched.hubspot:
            self._found = replace(found, unpaired=found.unpaired.with_more(matched))
        self._over = not (self._results.interrupted or self._results.stopped)
        """Whether the cycle came to its end."""
        plans = [each.plan for each in cycle.rounds]
        self._kept_back = [each for plan in plans for each in plan.kept_back]
        self._touched = {w.pair.key for plan in plans for w in plan.writes if w.pair is not None}
        partly = context.request.rebuild or context.decisions.only is not None or self._targeted
        self._whole = self._over and not (partly or any(plan.guarded for plan in plans))
        self._failed = _failed(cycle)
        self._untried = self._find_untried()
        """Ids of records that were not judged anew, or have a write that failed in passing or was
        not sent; guards aside."""
        kept_back = {each for kept in self._kept_back for each in kept.write.ids}
        self._given_up = self._find_given_up()
        """Keys of announcements that are left to the polls."""
        self._unsent = self._untried | (kept_back - {""})
        """The same, with the writes that a guard kept back."""

    def _find_untried(self) -> set[str]:
        not_approved = (each.approved.not_approved for each in self._cycle.rounds)
        waiting = [*self._executor.waiting(), *(write for each in not_approved for write in each)]
        found = {each for write in waiting for each in write.ids} | self._results.unplanned
        for failed in self._failed:
            found |= {failed.ghl_id, failed.hubspot_id}
        return found - {""}

    def _find_given_up(self) -> set[int]:
        if not self._cycle.announced or self._polled.left:
            return set()
        before = self._link.clock.now() - GIVES_UP
        return {each.key for each in self._cycle.announced if each.received_at < before}

    def _given_up_records(self) -> set[tuple[Side, str]]:
        return {
            (each.side, each.record)
            for each in self._cycle.announced
            if each.key in self._given_up and each.what is Announced.RECORD
        }

    def commit(self) -> Kept:
        """Commit everything in one transaction."""
        store, before = self._store, {hold.key: hold for hold in self._polled.held}
        holds = [stored(hold, before, self._link) for hold in _held(self._cycle)]
        judged: set[tuple[str, str]] = set()
        if before:
            only = None if self._over else _judged(self._observations)
            judged = judged_holds(self._polled, self._found, only=only, unsent=self._unsent)
        named = {hold.key for hold in holds}
        left = [h for name, h in before.items() if name[:2] not in judged and name not in named]
        first = not store.get_state(FIRST)
        first_done = not first or (self._whole and self._first_is_done())
        state = self._state(holds)
        if self._whole and first and first_done:
            undone = self._unsent | {hold.hubspot_id for hold in holds}
            state[FIRST] = self._link.clock.now().isoformat()
            state[LEFT_OVER] = self._left_over(undone)
        if self._full and self._over and not self._context.request.rebuild:
            state |= self._verified()
        decisions = self._decisions()
        closed = self._closed() if self._cycle.announced else frozenset[int]()
        with store.begin() as transaction:
            transaction.replace_holds(holds, judged=judged | {name[:2] for name in named})
            dropped: list[str] = []
            # A rebuild writes nothing, and so carries nothing out.
            if self._executor.tracker is not None and not self._context.request.rebuild:
                ended = self._ended([*holds, *left], first_done=first_done)
                dropped = completion.close(transaction, decisions, self._executor.tracker, ended)
            for name, value in state.items():
                transaction.set_state(name, value)
            if self._whole and not self._polled.scans[Side.HUBSPOT].passing:
                transaction.set_state(poll.CURSOR, self._polled.scans[Side.HUBSPOT].cursor)
            if closed:
                transaction.close_announcements(closed)
        return Kept(
            pairs=store.count_pairs(),
            held=tuple(left) if self._targeted or not self._over else (),
            warnings=tuple(dropped),
            closed=closed,
        )

    def _verified(self) -> dict[str, str]:
        """What a full cycle looked at: all pairs but those that it could not see or explain."""
        store, audited = self._store, self._store.get_state(looks.AUDITED)
        plans = [each.plan for each in self._cycle.rounds]
        settled = self._touched | {each.pair.key for plan in plans for each in plan.rebases}
        state = {}
        if looks.unexplained(looks.read_audited(audited)) & settled:
            state[looks.AUDITED] = audited = looks.without(audited, settled)
        missed = set(self._polled.not_asked)
        missed |= {
            each.pair.key
            for each in self._found.sightings
            if not all(isinstance(each.on(side), Snapshot) for side in Side)
        }
        retired, newest = store.retired_pairs(self._context.policy.window)
        look = looks.next_look(
            looks.read(store.get_state(looks.LOOK)),
            at=self._link.clock.now(),
            through=newest,
            retired=retired,
            missed=missed,
            doubted=looks.unexplained(looks.read_audited(audited)),
        )
        return state if look is None else {**state, looks.LOOK: look.written()}

    def _closed(self) -> frozenset[int]:
        """The announcements that are done with: read, judged, and nothing is to be tried again."""
        unread = any(each.unread for each in self._observations)
        if not self._over or unread:
            return frozenset()
        again = {name for _, name in (*self._rechecked(), *self._found.recheck)} | self._untried
        done = {
            key
            for key, records in self._cycle.read.items()
            if not again & {name for _, name in records}
        }
        return frozenset(done | self._given_up)

    def _decisions(self) -> PendingDecisions:
        parted = frozenset().union(*(each.observed.parted for each in self._observations))
        decisions = self._context.decisions
        return decisions.parting(parted) if parted else decisions

    def _ended(self, held: list[Hold], *, first_done: bool) -> Ended:
        decisions, rounds = self._context.decisions, self._cycle.rounds
        reverted: dict[Part, bool] = {}
        for each in self._observations:
            reverted |= each.validity.reverted if each.validity is not None else {}
        approved: dict[str, tuple[str, str]] = {}
        for one in rounds:
            approved |= one.approved.approved
        return Ended(
            whole=self._over and not self._targeted,
            full=self._full,
            first_done=first_done,
            unread=bool(self._polled.failures or self._found.failures),
            judged=_judged(self._observations) if decisions.words else (),
            pairs=_judged_pairs(self._observations) if decisions.undos else {},
            held=held,
            unsent=self._unsent,
            untried=self._untried,
            met=reverted,
            approved=approved,
            overrides=self._store.get_state(pending.OVERRIDES),
        )

    def _state(self, holds: Iterable[Hold]) -> dict[str, str]:
        """The facts of the link that later cycles and decisions need, by name.

        A targeted cycle looked at a few records: it only says what to read of those again.
        """
        store = self._store
        state = {poll.RECHECK: self._recheck()}
        survivors = store.get_state(poll.SURVIVORS)
        waiting = frozenset(each for hold in holds for each in hold.ids)
        now_left = self._survivors(survivors, waiting)
        if now_left != survivors:
            state[poll.SURVIVORS] = now_left
        state |= self._decision_state()
        if self._targeted:
            return {name: value for name, value in state.items() if store.get_state(name) != value}
        state[POLLED_AT] = self._last_polled()
        if self._full:
            left_out = self._observations[0].left_out
            state[LEFT_OUT] = json.dumps({reason: len(ids) for reason, ids in left_out.items()})
            most = {reason: ids[:MOST_NAMED] for reason, ids in left_out.items()}
            state[LEFT_OUT_IDS] = json.dumps(most) if most else ""
        else:
            state[poll.ROTATION] = str(self._polled.rotated_to)
        people = "unread" if self._context.translator.people_unread else ""
        if people != store.get_state(poll.PEOPLE) and (people or self._whole):
            state[poll.PEOPLE] = people
        return state

    def _recheck(self) -> str:
        """The records that the next cycle reads, whatever the scans show."""
        found = {*self._rechecked(), *self._polled.recheck, *self._found.recheck}
        if self._cycle.announced:
            found |= self._given_up_records()
            # The lists may not show again what was announced and a guard keeps back.
            found |= {
                (side, name)
                for kept in self._kept_back
                for side, name in zip(Side, kept.write.ids, strict=True)
                if name
            }
        recheck = {(side.value, record_id) for side, record_id in found}
        # What was to be read again and was not written is so still.
        asked = json.loads(self._store.get_state(poll.RECHECK) or "[]")
        if not self._targeted:
            left = {(s, name) for s, name in asked if not self._over or name in self._unsent}
            return json.dumps(sorted(recheck | left))
        judged = _judged(self._observations) - self._unsent if self._over else set[str]()
        recheck |= {(side, name) for side, name in asked if name not in judged}
        return json.dumps(sorted(each for each in recheck if each[1]))

    def _rechecked(self) -> set[tuple[Side, str]]:
        """The records of writes and plans that have to be read again."""
        found = {*self._results.to_recheck}
        for each in self._cycle.rounds:
            found |= {(Side.HUBSPOT, record_id) for record_id in each.recheck}
            found |= {(new.record.side, new.record.id) for new, _ in each.observation.unsure}
        return found

    def _survivors(self, before: str, held: frozenset[str]) -> str:
        """What survivors of settled removals show, for `SeenFingerprints.load`: nothing follows.

        Their agreed values stay as they were, so that an edit counts when the
        record on the other side comes back; without this, each poll would
        judge them anew. `held` are ids of records that wait.
        """
        settled = [each for each in self._found.sightings if each.pair.removal is not None]
        if not before and not settled:
            return ""
        shown = self._polled.fingerprints.by_side
        left = {
            (side, record_id): fingerprint
            for side, record_id, fingerprint in json.loads(before or "[]")
            if shown[Side(side)].get(record_id) == fingerprint
        }
        for sighting in settled:
            pair = sighting.pair
            if pair.key in self._touched or held & {pair.ghl_id, pair.hubspot_id}:
                continue
            for side in Side:
                record_id, seen = pair.id_on(side), sighting.on(side)
                if not pair.gone_on(side) and isinstance(seen, Snapshot) and not seen.gone:
                    left[side.value, record_id] = shown[side][record_id]
        newest = list(left.items())[-poll.MOST_SURVIVORS :]
        return json.dumps([[*names, each] for names, each in newest]) if newest else ""

    def _last_polled(self) -> str:
        """When each side was polled last, after this cycle.

        HighLevel counts only where every calendar was listed; HubSpot's index is
        late, so that what was asked for changes counts as polled a while ago.
        """
        polled = {side.value: at.isoformat() for side, at in last_polled(self._link).items()}
        began, scans = self._cycle.started_at, self._polled.scans
        if began is not None:
            late = timedelta(0) if scans[Side.HUBSPOT].complete else LATE
            polled[Side.HUBSPOT.value] = (began - late).isoformat()
            if scans[Side.GHL].complete:
                polled[Side.GHL.value] = began.isoformat()
        return json.dumps(polled)

    def _first_is_done(self) -> bool:
        """Whether a first sync is complete, now that it came to its end.

        It is not while a part cannot be read for a passing reason, or while more
        failed than may go out like any day's changes: an outage makes no second
        decision necessary. A few records that go on failing hold nothing up.
        """
        if any(scan.passing for scan in self._polled.scans.values()):
            return False
        left = len(self._failed)
        # A contact may have to be made for each.
        guard = self._link.rules.template.change_guard
        return left <= ASK_ABOVE and not guard.tripped(2 * left, self._store.count_pairs())

    def _left_over(self, waits: Collection[str]) -> str:
        """What the HubSpot records show that a complete first sync left undone."""
        undone = {*waits, *(name for side, name in self._rechecked() if side is Side.HUBSPOT)}
        found = self._found
        seen = [*found.unpaired.hubspot.values(), *(each.hubspot for each in found.sightings)]
        left = {
            record.id: freshness.fingerprint_of_value(record)
            for record in seen
            if isinstance(record, Snapshot) and record.id in undone
        }
        return json.dumps(dict(list(left.items())[:MOST_LEFT])) if left else ""

    def _decision_state(self) -> dict[str, str]:
        """What later decisions have to know of what was kept back or left."""
        decisions, store = self._context.decisions, self._store
        state: dict[str, str] = {}
        stopped = [each.write for each in self._kept_back if each.guard == CHANGES]
        changes = [[write.side.value, *write.ids] for write in stopped]
        kept_back = store.get_state(pending.KEPT_BACK)
        if changes and not self._full:
            known = {*map(tuple, changes)}
            changes += [each for each in json.loads(kept_back or "[]") if tuple(each) not in known]
        if changes or (self._full and self._over and kept_back):
            state[pending.KEPT_BACK] = json.dumps(changes) if changes else ""
        if decisions.only is not None and self._over:
            going = [write for each in self._cycle.rounds for write in each.approved.going]
            removals = [write for write in going if isinstance(write, Remove)]
            others = [write for write in going if not isinstance(write, Remove)]
            lets = {
                "removals": [[*write.ids] for write in removals],
                "changes": [[write.side.value, *write.ids] for write in others],
            }
            plans = {str(part[0]) for parts in decisions.only_parts.values() for part in parts}
            state[pending.TRIED] = json.dumps(dict.fromkeys(plans, lets))
        elif not (decisions.only_parts or self._targeted) and store.get_state(pending.TRIED):
            state[pending.TRIED] = ""
        return state


def _judged(observations: Iterable[Observation]) -> set[str]:
    """Ids of the records that were judged."""
    found: set[str] = set()
    for each in observations:
        for sighting in each.turn.sightings:
            found |= {sighting.pair.ghl_id, sighting.pair.hubspot_id}
        found |= {*each.judged.ghl, *each.judged.hubspot}
    return found - {""}


def _judged_pairs(observations: Iterable[Observation]) -> dict[int, bool]:
    """Keys of the pairs that were judged, and whether both records could be seen."""
    return {
        sighting.pair.key: all(isinstance(sighting.on(side), Snapshot) for side in Side)
        for each in observations
        for sighting in each.turn.sightings
    }
