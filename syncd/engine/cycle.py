"""One cycle of one link, in seven words.

recover finishes what a crash left. poll scans both sides. observe matches
what was seen with the stored pairs. merge compares field by field. plan turns
that into actions, under the rules and their guards. apply carries them out.
record writes down what is agreed now, so that our own write is not news next
time.

`run` is called by the scheduler, by `--sync-now` and by `plan`. (merge works
inside `core.plan`, record inside `apply`.) The cursor moves last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

import structlog

from syncd.core import observe
from syncd.core.bench import Bench, Evidence
from syncd.core.guards import Allowed, Past, Plan
from syncd.core.model import Side
from syncd.core.observe import Observed
from syncd.core.policy import Policy
from syncd.engine import decisions, poll, report
from syncd.engine.apply import Applied, Stage
from syncd.engine.closing import (
    FIRST,
    conclude,
    fill_in,
    keep,
    outcome_of,
    tell_of_stop,
    words_of,
)
from syncd.engine.decisions import Decided
from syncd.engine.dictionary import dictionary, with_contacts
from syncd.engine.evidence import clock_skew, decide
from syncd.engine.link import Link
from syncd.engine.poll import Polled
from syncd.engine.recover import recover
from syncd.engine.report import CycleReport, Outcome
from syncd.engine.waiting import put_off
from syncd.errors import LinkLocked, NotPrepared, ProviderError
from syncd.ports.store import CycleRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRequest:
    """What kind of cycle is wanted."""

    full: bool = True
    dry_run: bool = False
    rebuild: bool = False
    """Pair what belongs together and write nothing to either side."""
    allowed: Allowed = field(default_factory=Allowed)
    progress: Callable[[int, int], None] | None = None
    """Told how many writes are done, of how many."""


def run(link: Link, request: CycleRequest) -> CycleReport:
    """Run one cycle; what went wrong with a vendor is in the report, not raised.

    Raises:
        StoreError: our own store failed.
    """
    started = link.clock.monotonic()
    said = CycleReport(
        link=link.name,
        cycle=uuid4().hex[:12],
        kind="full" if request.full else "incremental",
        started_at=link.clock.now(),
    )
    before = {side: link.side(side).requests for side in Side}
    with structlog.contextvars.bound_contextvars(link=link.name, cycle_id=said.cycle):
        try:
            _cycle(link, request, said)
        except LinkLocked as error:
            said.outcome, said.detail = Outcome.LOCKED, str(error)
        except NotPrepared as error:
            said.outcome, said.detail = Outcome.NOT_PREPARED, str(error)
        except ProviderError as error:
            said.outcome, said.detail = outcome_of(error), words_of(error)
        if link.stopping():
            tell_of_stop(said)
        for side in Side:
            said.tally(side).requests = link.side(side).requests - before[side]
        said.seconds = link.clock.monotonic() - started
        _finish(link, request, said)
    return said


def _cycle(link: Link, request: CycleRequest, said: CycleReport) -> None:
    if not request.dry_run:
        recover(link, said.cycle)
    accounts = poll.read_accounts(link)
    said.timezone = accounts[0].timezone
    decided = decisions.read(link)
    first = not link.store.cursor(FIRST)
    policy = link.rules.at(link.clock.now(), first=first, rulings=decided.as_rulings())
    words = dictionary(link, accounts, said)
    polled = poll.poll(link, policy, decided, full=request.full)
    bench = Bench(
        policy=policy,
        words=with_contacts(words, polled.book),
        book=polled.book,
        evidence=Evidence(reverts=decided.reverts, skew=clock_skew(link, said)),
    )
    observed = observe_all(polled, bench)
    past = _past(link, policy, first=first)
    made = decide(link, observed, bench, past, _allowed(request, decided))
    made, waiting = put_off(link, made, polled, decided)
    made = approved_only(made, decided, said)
    if request.rebuild:
        made = replace(made, writes=(), remarks=())
    fill_in(said, polled, made, past)
    if request.dry_run:
        said.planned = [report.described(write) for write in made.writes]
        for write in made.writes:
            said.count(write.side, report.action_of(write))
        said.held = list(made.holds) + waiting
        conclude(said, made, Applied(report=said))
        return
    stage = Stage(link, said, request.progress)
    stage.take(made)
    stage.run()
    applied = stage.applied
    said.held = list(made.holds) + waiting + applied.holds
    conclude(said, made, applied)
    partly = request.rebuild or decided.only is not None or made.guarded
    keep(link, polled, applied, said, decided, partly=partly)


def observe_all(polled: Polled, bench: Bench) -> Observed:
    """Pairs as they were seen, and what comes of the records without one."""
    met = observe.meet(polled.strangers, polled.book, bench.policy, bench.words.statuses)
    return replace(met, sightings=(*polled.sightings, *met.sightings))


def approved_only(made: Plan, decided: Decided, said: CycleReport) -> Plan:
    """With an approved plan, only what it shows, exactly as it shows it, goes out."""
    if decided.only is None:
        return made
    digests = {report.digest(report.described(write)): write for write in made.writes}
    said.warnings += [
        f"left out, because it has moved on since the plan was made: {words}"
        for digest, words in decided.only.items()
        if digest not in digests
    ]
    approved = {id(write) for digest, write in digests.items() if digest in decided.only}
    return replace(made, writes=tuple(write for write in made.writes if id(write) in approved))


def _allowed(request: CycleRequest, decided: Decided) -> Allowed:
    approved = decided.only is not None
    return Allowed(
        removals=request.allowed.removals or decided.allowed.removals or approved,
        changes=request.allowed.changes or decided.allowed.changes or approved,
    )


def _past(link: Link, policy: Policy, *, first: bool) -> Past:
    since = policy.now - timedelta(hours=24)
    return Past(
        pairs=link.store.count_pairs(),
        removed_lately=link.store.removals_since(since),
        first=first,
    )


def _finish(link: Link, request: CycleRequest, said: CycleReport) -> None:
    """Log the cycle, and keep it where it did anything that counts."""
    log.info(
        "cycle.finished",
        kind=said.kind,
        outcome=said.outcome.value,
        detail=said.detail,
        pairs=said.pairs,
        held=len(said.held),
        failed=len(said.failed),
        conflicts=said.conflicts,
        ghl=_counts(said, Side.GHL),
        hubspot=_counts(said, Side.HUBSPOT),
        seconds=round(said.seconds, 3),
    )
    if request.dry_run or said.outcome is Outcome.LOCKED or said.started_at is None:
        return
    if said.idle:
        return  # A poll every minute would leave half a million rows a year that say nothing.
    with link.store.begin() as transaction:
        transaction.save_cycle(
            CycleRow(
                cycle=said.cycle,
                kind=said.kind,
                started_at=said.started_at,
                finished_at=link.clock.now(),
                outcome=said.outcome.value,
                report=said.as_json(),
            )
        )


def _counts(said: CycleReport, side: Side) -> dict[str, int]:
    """A side's counts for the log."""
    tally = said.tally(side)
    return {
        "created": tally.created,
        "updated": tally.updated,
        "removed": tally.removed,
        "restored": tally.restored,
        "requests": tally.requests,
    }
