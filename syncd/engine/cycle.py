"""One cycle of one link, in six steps.

recover finishes what a crash left. poll reads both sides. observe matches what
was read with the stored pairs. plan compares them field by field and decides
what to write, under the rules and their guards. apply writes it. record keeps
what is agreed now, so that our own write is not news next time.

`run` is called by the scheduler, by `--sync-now` and by `plan`. A cycle that
has much to write goes on in rounds (`rounds`). Errors, the outcome and the
report are in `finish`.
"""

from __future__ import annotations

from syncd.engine.apply.executor import apply
from syncd.engine.context import CycleContext, CycleRequest
from syncd.engine.finish import Cycle, record, reported
from syncd.engine.link import Link
from syncd.engine.observe.sightings import observe
from syncd.engine.plan.planning import plan
from syncd.engine.poll.poll import PollResult, Unsettled, poll
from syncd.engine.recover.recover import recover
from syncd.engine.report import CycleReport
from syncd.engine.rounds import more_rounds


def run(link: Link, request: CycleRequest) -> CycleReport:
    """Run one cycle; what went wrong with a vendor is in the report, not raised.

    Raises:
        StoreError: our own store failed.
    """
    return reported(link, request, _steps)


def _steps(cycle: Cycle) -> None:
    """Go through the six steps."""
    cycle.recovered = recover(cycle.link, cycle.id, dry_run=cycle.request.dry_run)
    polled = _poll(cycle.prepare(), cycle.recovered.unsettled)
    cycle.take(polled)
    observed = observe(polled)
    planned = plan(observed)
    cycle.rounds.append(planned)
    written = apply(planned, cycle.results)
    if written.unfinished:
        more_rounds(cycle, written)
    record(cycle, written)


def _poll(context: CycleContext, unsettled: Unsettled) -> PollResult:
    """Read both sides: whole, what changed, or what was announced."""
    if not context.request.targeted:
        return poll(context, unsettled)
    from syncd.engine.targeted import poll_announced

    return poll_announced(context, unsettled)


__all__ = ["CycleRequest", "run"]
