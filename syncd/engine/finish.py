"""The end of a cycle: what it amounts to, and what is kept of it.

`cycle` calls this last. The cursor moves in the last transaction, and only
when every write was at least tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from syncd.core import freshness
from syncd.core.actions import Remove
from syncd.core.context import FirstSync
from syncd.core.guards import CHANGES, REMOVALS, Plan
from syncd.core.model import Hold, Side, Snapshot
from syncd.core.outcome import Outcome
from syncd.engine.apply.results import WriteResults
from syncd.engine.decisions import completion, pending
from syncd.engine.decisions.approval import ASK_ABOVE
from syncd.engine.decisions.completion import Ended
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.link import Link
from syncd.engine.plan.backoff import judged, stored
from syncd.engine.poll import poll
from syncd.engine.poll.poll import PollResult
from syncd.engine.report import CycleReport
from syncd.engine.rounds import Rounds
from syncd.errors import ProviderError, ended_by
from syncd.ports.store import LEFT_OUT, LEFT_OUT_IDS

MOST_NAMED = 5_000
"""How many records that are left out are remembered of each reason, for `syncd why`."""

OPENS = {REMOVALS: "--allow-removals", CHANGES: "--allow-changes"}
"""Each guard, and the option that lets pass what it keeps back."""

log = structlog.get_logger(__name__)

FIRST = "first_sync_done"
"""The cursor that says when a link's first sync was complete ("yes" where nobody noted it)."""

LEFT_OVER = "first_sync_left"
"""The cursor that holds what the HubSpot records showed that the first sync left undone."""

MOST_LEFT = 5_000
"""Of more, the stamps alone tell."""


LATE = timedelta(minutes=1)
"""No search index that was heard of is later than that."""

LOOKED = "looked"
"""The cursor that holds when each side was looked at last."""


def looked(link: Link) -> dict[Side, datetime]:
    """When each side was looked at last; nothing of one that never was."""
    report: dict[str, str] = json.loads(link.store.cursor(LOOKED) or "{}")
    return {Side(side): datetime.fromisoformat(at) for side, at in report.items()}


def _looked(link: Link, polled: PollResult, began: datetime | None) -> str:
    """The same after this cycle.

    HighLevel counts only where every calendar was listed; HubSpot's index is
    late, so that what was asked for changes was looked at a while ago.
    """
    seen = {side.value: at.isoformat() for side, at in looked(link).items()}
    if began is not None:
        late = timedelta(0) if polled.scans[Side.HUBSPOT].complete else LATE
        seen[Side.HUBSPOT.value] = (began - late).isoformat()
        if polled.scans[Side.GHL].complete:
            seen[Side.GHL.value] = began.isoformat()
    return json.dumps(seen)


def first_sync(link: Link) -> FirstSync:
    """What is known of the end of the link's first sync; nothing while it goes on."""
    report = link.store.cursor(FIRST)
    if report in ("", "yes"):
        return FirstSync()
    left: dict[str, str] = json.loads(link.store.cursor(LEFT_OVER) or "{}")
    return FirstSync(ended=datetime.fromisoformat(report), left_over=left)


def conclude(report: CycleReport, made: Plan, applied: WriteResults) -> None:
    """The outcome: the worst of what happened."""
    error = applied.stopped or applied.lacking
    if isinstance(error, ProviderError):
        report.outcome, report.detail = ended_by(error)
    elif made.guarded:
        report.outcome = Outcome.GUARD
        report.detail = _guard_words(made)
        report.guards = [REMOVALS] * bool(made.stopped_removals)
        report.guards += [CHANGES] * bool(made.stopped_changes)
        report.uncovered = dict(made.uncovered)
    elif report.failed or report.unread or applied.interrupted:
        report.outcome = Outcome.FAILED_WRITES


def _guard_words(made: Plan) -> str:
    kept_back = {
        REMOVALS: (made.stopped_removals, "removals"),
        CHANGES: (made.stopped_changes, "creations and changes"),
    }
    words = [
        f"{number} {what} were kept back: look at them with `syncd plan`, "
        f"then let them pass once with `{OPENS[guard]}`"
        for guard, (number, what) in kept_back.items()
        if number
    ]
    if made.uncovered:
        words.append("the first sync would write more than twice what was approved")
    return "; ".join(words)


def tell_of_stop(report: CycleReport) -> None:
    """A cycle that a stop broke off is told as that: no service was out of reach."""
    if report.outcome in {Outcome.UNREACHABLE, Outcome.FAILED_WRITES}:
        report.outcome, report.stopped = Outcome.FAILED_WRITES, True
        report.detail = "stopped before its end, as asked; the next cycle goes on from there"


def still_held(link: Link) -> list[Hold]:
    """What waits for a person still, as a cycle that could not judge it reports it."""
    return list(link.store.holds())


def keep(
    link: Link,
    rounds: Rounds,
    report: CycleReport,
    decided: PendingDecisions,
    *,
    partly: bool,
) -> None:
    """Commit what is held, what to look at again, and last of all the cursor.

    `partly` says that writes were left out on purpose: what they are about has
    to be seen again, so the cursor stays. It stays as well where part of a
    sweep failed.
    """
    applied, polled, store = rounds.executor.applied, rounds.seen, link.store
    over = not (applied.interrupted or applied.stopped)
    before = {hold.key: hold for hold in polled.held}
    holds = [stored(hold, before, link) for hold in report.held]
    unsent = rounds.unsent
    seen = judged(polled, only=None if over else rounds.sums.judged, unsent=unsent)
    named = {hold.key for hold in holds}
    left = [h for name, h in before.items() if name[:2] not in seen and name not in named]
    waiting = frozenset(each for hold in holds for each in hold.ids)
    left_alone = store.cursor(poll.SURVIVORS)
    now_left = poll.survivors(left_alone, polled, rounds.touched, waiting)
    people = "unread" if polled.people_unread else ""
    people_news = people != store.cursor(poll.PEOPLE)
    whole = over and not partly
    first_done = bool(store.cursor(FIRST)) or (whole and _first_is_done(link, polled, report))
    ended = Ended(
        whole=over,
        full=report.kind == "full",
        first_done=first_done,
        unread=bool(polled.unread),
        judged=rounds.sums.judged if decided.words else (),
        pairs=rounds.sums.pairs if decided.undos else {},
        held=[*holds, *left],
        unsent=unsent,
        untried=rounds.untried,
        met=rounds.sums.met,
        approved=rounds.sums.approved,
        overrides=store.cursor(pending.OVERRIDES),
    )
    again = {(side.value, record_id) for side, record_id in (*applied.again, *polled.again)}
    # What was to be looked at again and was not written is so still.
    asked = [(side, record_id) for side, record_id in json.loads(store.cursor(poll.AGAIN) or "[]")]
    again |= {each for each in asked if not over or each[1] in unsent}
    notes = _notes(link, rounds, decided, full=report.kind == "full", over=over)
    with store.begin() as transaction:
        transaction.replace_holds(holds, judged=seen | {name[:2] for name in named})
        # A rebuild writes nothing, and so carries nothing out.
        told = (
            []
            if rounds.rebuilding
            else completion.close(transaction, decided, rounds.tracker, ended)
        )
        transaction.set_state(poll.AGAIN, json.dumps(sorted(again)))
        if now_left != left_alone:
            transaction.set_state(poll.SURVIVORS, now_left)
        transaction.set_state(LOOKED, _looked(link, polled, report.started_at))
        for name, value in notes.items():
            transaction.set_state(name, value)
        if report.left_out is not None:
            transaction.set_state(LEFT_OUT, json.dumps(report.left_out))
            transaction.set_state(LEFT_OUT_IDS, _named(polled.left_out))
        if report.kind != "full":
            transaction.set_state(poll.ROTATION, str(polled.rotated_to))
        if people_news and (people or whole):
            transaction.set_state(poll.PEOPLE, people)
        if whole:
            if first_done and not store.cursor(FIRST):
                undone = unsent | {hold.hubspot_id for hold in holds}
                transaction.set_state(FIRST, link.clock.now().isoformat())
                transaction.set_state(LEFT_OVER, _left_over(polled, applied, undone))
            if not polled.scans[Side.HUBSPOT].passing:
                transaction.set_state(poll.CURSOR, polled.scans[Side.HUBSPOT].cursor)
    report.pairs = store.count_pairs()
    if not over:
        report.held += left
    report.warnings += told
    for line in told:
        log.warning("decision.dropped", detail=line)


def _first_is_done(link: Link, polled: PollResult, report: CycleReport) -> bool:
    """Whether a first sync is complete, now that it came to its end.

    It is not while a part cannot be read for a passing reason, or while more
    failed than may go out like any day's changes: an outage makes no second
    decision necessary. A few records that go on failing hold nothing up.
    """
    if any(scan.passing for scan in polled.scans.values()):
        return False
    left = len(report.failed)
    # A contact may have to be made for each.
    guard = link.rules.template.change_guard
    return left <= ASK_ABOVE and not guard.tripped(2 * left, link.store.count_pairs())


def _named(left_out: Mapping[str, Sequence[str]]) -> str:
    named = {reason: ids[:MOST_NAMED] for reason, ids in left_out.items()}
    return json.dumps(named) if named else ""


def _left_over(polled: PollResult, applied: WriteResults, waits: Iterable[str]) -> str:
    """What the HubSpot records showed of which something waits when a first sync is complete."""
    undone = {*waits, *(name for side, name in applied.again if side is Side.HUBSPOT)}
    seen = [*polled.unpaired.hubspot.values(), *(each.hubspot for each in polled.sightings)]
    left = {
        record.id: freshness.fingerprint_of_value(record)
        for record in seen
        if isinstance(record, Snapshot) and record.id in undone
    }
    return json.dumps(dict(list(left.items())[:MOST_LEFT])) if left else ""


def _notes(
    link: Link, rounds: Rounds, decided: PendingDecisions, *, full: bool, over: bool
) -> dict[str, str]:
    """What later decisions, and later cycles, have to know of what was kept back or left."""
    notes: dict[str, str] = {}
    stopped = [each.write for each in rounds.total.kept_back if each.guard == CHANGES]
    changes = [[write.side.value, *write.ids] for write in stopped]
    kept_back = link.store.cursor(pending.KEPT_BACK)
    if changes and not full:
        known = {*map(tuple, changes)}
        changes += [each for each in json.loads(kept_back or "[]") if tuple(each) not in known]
    if changes or (full and over and kept_back):
        notes[pending.KEPT_BACK] = json.dumps(changes) if changes else ""
    if decided.only is not None and over:
        removals = [w for w in rounds.sums.going if isinstance(w, Remove)]
        others = [w for w in rounds.sums.going if not isinstance(w, Remove)]
        lets = {
            "removals": [[*w.ids] for w in removals],
            "changes": [[w.side.value, *w.ids] for w in others],
        }
        plans = {str(part[0]) for parts in decided.only_parts.values() for part in parts}
        notes[pending.TRIED] = json.dumps(dict.fromkeys(plans, lets))
    elif not decided.only_parts and link.store.cursor(pending.TRIED):
        notes[pending.TRIED] = ""
    return notes
