"""The end of a cycle: what it amounts to, and what is kept of it.

`cycle` calls this last. The cursor moves in the last transaction, and only
when every write was at least tried.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime

from syncd.core import freshness
from syncd.core.bench import FirstSync
from syncd.core.guards import CHANGES, REMOVALS, Plan
from syncd.core.model import Side, Snapshot
from syncd.engine import decisions, poll
from syncd.engine.applied import Applied
from syncd.engine.decisions import Decided
from syncd.engine.link import Link
from syncd.engine.poll import Polled
from syncd.engine.report import CycleReport, Outcome
from syncd.engine.waiting import judged, stored
from syncd.errors import AuthFailed, ProviderError, SyncdError, exit_code

OPENS = {REMOVALS: "--allow-removals", CHANGES: "--allow-changes"}
"""Each guard, and the option that lets pass what it keeps back."""

FIRST = "first_sync_done"
"""The cursor that says when a link's first sync was complete ("yes" where nobody noted it)."""

LEFT_OVER = "first_sync_left"
"""The cursor that holds what the HubSpot records showed that the first sync left undone."""

MOST_LEFT = 5_000
"""Of more, the stamps alone tell."""


def first_sync(link: Link) -> FirstSync:
    """What is known of the end of the link's first sync; nothing while it goes on."""
    said = link.store.cursor(FIRST)
    if said in ("", "yes"):
        return FirstSync()
    left: dict[str, str] = json.loads(link.store.cursor(LEFT_OVER) or "{}")
    return FirstSync(ended=datetime.fromisoformat(said), left_over=left)


def conclude(said: CycleReport, made: Plan, applied: Applied) -> None:
    """The outcome, gravest first."""
    ended_by = applied.stopped or applied.lacking
    if isinstance(ended_by, ProviderError):
        said.outcome, said.detail = outcome_of(ended_by), words_of(ended_by)
    elif made.guarded:
        said.outcome = Outcome.GUARD
        said.detail = _guard_words(made)
        said.guards = [REMOVALS] * bool(made.stopped_removals)
        said.guards += [CHANGES] * bool(made.stopped_changes)
    elif said.failed or said.unread or applied.interrupted:
        said.outcome = Outcome.FAILED_WRITES


def _guard_words(made: Plan) -> str:
    kept_back = {
        REMOVALS: (made.stopped_removals, "removals"),
        CHANGES: (made.stopped_changes, "creations and changes"),
    }
    return "; ".join(
        f"{number} {what} were kept back: look at them with `syncd plan`, "
        f"then let them pass once with `{OPENS[guard]}`"
        for guard, (number, what) in kept_back.items()
        if number
    )


def tell_of_stop(said: CycleReport) -> None:
    """A cycle that a stop broke off is told as that: no service was out of reach."""
    if said.outcome in {Outcome.UNREACHABLE, Outcome.FAILED_WRITES}:
        said.outcome, said.stopped = Outcome.FAILED_WRITES, True
        said.detail = "stopped before its end, as asked; the next cycle goes on from there"


def outcome_of(error: ProviderError) -> Outcome:
    """What an error that ends a cycle makes of it."""
    return Outcome.REFUSED if isinstance(error, AuthFailed) else Outcome.UNREACHABLE


def ended_by(error: SyncdError) -> tuple[Outcome, str]:
    """What an error that kept a cycle from beginning makes of it, and the words for a person."""
    outcome = list(Outcome)[exit_code(error)]
    return outcome, words_of(error) if isinstance(error, ProviderError) else str(error)


def words_of(error: ProviderError) -> str:
    """What a person is told of an error that ended a cycle: whose it is comes first."""
    whose = {"ghl": "HighLevel: ", "hubspot": "HubSpot: "}.get(error.side, "")
    return (
        str(error) if not whose or str(error).startswith(whose.strip(": ")) else f"{whose}{error}"
    )


def keep(
    link: Link,
    polled: Polled,
    applied: Applied,
    said: CycleReport,
    decided: Decided,
    *,
    partly: bool,
    busy: Collection[int],
) -> None:
    """Commit what is held, what to look at again, and last of all the cursor.

    `busy` are the keys of the pairs that writes were planned for. `partly`
    says that writes were left out on purpose: what they are about has to be
    seen again, so the cursor stays. It stays as well where part of a sweep failed.
    """
    before = {(h.ghl_id, h.hubspot_id, h.group, h.reason): h for h in polled.held}
    holds = [stored(hold, before, link) for hold in said.held]
    seen = judged(polled) | {(hold.ghl_id, hold.hubspot_id) for hold in holds}
    waiting = frozenset(each for hold in holds for each in (hold.ghl_id, hold.hubspot_id))
    left_alone = link.store.cursor(poll.SURVIVORS)
    # What failed will be tried again, as a person wanted it.
    waits = [(hold.ghl_id, hold.hubspot_id) for hold in holds]
    waits += [(write.ghl_id, write.hubspot_id) for write in said.failed]
    now_left = poll.survivors(left_alone, polled, busy, waiting)
    whole = not (partly or applied.interrupted or applied.stopped)
    with link.store.begin() as transaction:
        transaction.replace_holds(holds, judged=seen)
        decisions.close(transaction, decided, waits)
        transaction.set_cursor(
            poll.AGAIN,
            json.dumps(sorted({(s.value, i) for s, i in (*applied.again, *polled.again)})),
        )
        if now_left != left_alone:
            transaction.set_cursor(poll.SURVIVORS, now_left)
        if said.kind != "full":
            transaction.set_cursor(poll.ROTATION, str(polled.rotated_to))
        if whole:
            if not link.store.cursor(FIRST):
                transaction.set_cursor(FIRST, link.clock.now().isoformat())
                transaction.set_cursor(LEFT_OVER, _left_over(polled, applied, waits))
            if not polled.scans[Side.HUBSPOT].passing:
                transaction.set_cursor(poll.CURSOR, polled.scans[Side.HUBSPOT].cursor)
    said.pairs = link.store.count_pairs()


def _left_over(polled: Polled, applied: Applied, waits: Iterable[tuple[str, str]]) -> str:
    """What the HubSpot records showed of which something waits when a first sync is complete."""
    undone = {hubspot_id for _, hubspot_id in waits}
    undone |= {record_id for side, record_id in applied.again if side is Side.HUBSPOT}
    seen = [*polled.strangers.hubspot.values(), *(each.hubspot for each in polled.sightings)]
    left = {
        record.id: freshness.print_of(record)
        for record in seen
        if isinstance(record, Snapshot) and record.id in undone
    }
    return json.dumps(dict(list(left.items())[:MOST_LEFT])) if left else ""
