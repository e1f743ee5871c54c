"""The end of a cycle: what is kept of it.

`cycle` calls `record` as its last step. The cursor moves in the last
transaction, and only when every write was at least tried.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta

import structlog

from syncd.core import freshness, looks
from syncd.core.actions import Remove
from syncd.core.model import Hold, Side, Snapshot
from syncd.core.outcome import CHANGES
from syncd.engine.apply.executor import WriteExecutor
from syncd.engine.context import CycleContext
from syncd.engine.cycle_state import Cycle, Kept
from syncd.engine.decisions import completion, pending
from syncd.engine.decisions.approval import ASK_ABOVE
from syncd.engine.decisions.completion import Ended
from syncd.engine.decisions.pending import Part, PendingDecisions
from syncd.engine.observe.sightings import Observation
from syncd.engine.plan.backoff import judged_holds, stored
from syncd.engine.poll import poll
from syncd.engine.poll.poll import PollResult
from syncd.engine.poll.prepare import FIRST, LEFT_OVER, POLLED_AT, last_polled
from syncd.engine.record import held_notes
from syncd.engine.report import failed, held
from syncd.ports.announcements import Announced
from syncd.ports.store import LEFT_OUT, LEFT_OUT_IDS

log = structlog.get_logger(__name__)

MOST_NAMED = 5_000
"""How many records that are left out are remembered of each reason, for `syncd why`."""

MOST_LEFT = 5_000
"""How many records that a first sync left undone are remembered; of more, only the stamps count."""

GIVES_UP = timedelta(hours=1)
"""An announcement of a record that fails for so long is closed: the polls go on reading it."""

LATE = timedelta(minutes=1)
"""No search index is known to be later than that."""


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
        self._failed = failed(cycle)
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
        for each in self._failed:
            found |= {each.ghl_id, each.hubspot_id}
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
        holds = [stored(hold, before, self._link) for hold in held(self._cycle)]
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
