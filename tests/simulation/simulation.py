"""A small town in which anything may happen: people, syncd, faults, crashes.

The state machine of `test_simulation` calls `Simulation.do` with plain values,
and so does `replay`: a history is a list of steps, and a list of steps is a
script. Every step means something in every state: an index is taken modulo
what is there, and where nothing is there, something is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from crash_injection import MOMENTS, CrashInjector, Killed, Watched, WatchedShelf
from cycle_invariants import Before, Breach, CycleInvariants
from decisions import Deciding
from edit_log import EditLog
from harness import START, HarnessClock, SyncHarness, build, in_turn, nobody
from interruption import TOO_OLD, Interruption, Lease

from syncd.core.model import Group, Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Limit, Notify, OnRemoval, Winner
from syncd.engine.report import CycleReport
from syncd.engine.workers import RunLanes
from syncd.ports.announcements import Announced, Delivered
from syncd.sandbox import SandboxSettings
from syncd.scheduler.announced import wants_full, wants_poll

Step = tuple[Any, ...]

PEOPLE = (
    ("Ann Lee", "ann@example.com", "+15550101"),
    ("Bea Moss", "bea@example.com", "+15550102"),
    ("Cy Roe", "cy@example.com", "+15550103"),
)
WRITES = "^/(crm/objects|calendars/events|contacts)"

SYNCS = frozenset(
    {"sync", "sync_blind", "meanwhile", "overtaken", "paused", "wait", "announce", "targeted"}
)
"""Steps by which no person touches anything."""

STALE = timedelta(seconds=30)
"""What was read so long ago is looked at again before anything is made."""

ROUNDS = 10
"""So many cycles automations fight for; syncd gives in sooner."""

_READ = {"kind": "status", "method": "GET"}
PARTS: tuple[dict[str, Any], ...] = (
    {**_READ, "side": "ghl", "status": 500, "path": "^/calendars/events$"},
    {**_READ, "side": "ghl", "status": 403, "path": "^/calendars/events$"},
    {**_READ, "side": "ghl", "status": 503, "path": "^/users"},
    {**_READ, "side": "ghl", "status": 401, "path": "^/users"},
    {**_READ, "side": "ghl", "status": 422, "path": "^/contacts"},
    {**_READ, "side": "ghl", "status": 500, "path": "appointments/"},
    {**_READ, "side": "hubspot", "status": 503, "path": "^/crm/objects"},
    {**_READ, "side": "hubspot", "status": 503, "path": "owners"},
    {"kind": "status", "side": "hubspot", "status": 500, "path": "contacts/(search|batch/read)"},
    {"kind": "status", "side": "hubspot", "status": 400, "path": "contacts/(search|batch/read)"},
    {"kind": "status", "side": "hubspot", "status": 500, "path": "associations"},
    {**_READ, "side": "ghl", "status": 403, "path": "^/contacts"},
    {**_READ, "side": "ghl", "status": 404, "path": "appointments/[^/]*_"},
)
"""Parts of a reading that may fail, while the rest of it comes."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status_after", "status": 502, "method": "POST", "path": WRITES},
    {"kind": "status_after", "status": 504, "method": "PUT", "path": WRITES},
    {"kind": "drop_before"},
    {"kind": "drop_after", "method": "POST", "path": WRITES},
    {"kind": "timeout_before", "method": "POST", "path": WRITES},
    {"kind": "timeout_after", "method": "POST", "path": WRITES},
    {"kind": "timeout_after", "method": "PUT", "path": WRITES},
    {"kind": "timeout_after", "method": "DELETE"},
    {"kind": "drop_after", "method": "PUT", "path": WRITES},
    {"kind": "half_batch", "side": "hubspot", "path": "batch/(create|update|archive)"},
    {"kind": "stale", "side": "hubspot", "path": "/search"},
    {"kind": "cut_body", "method": "GET"},
    {"kind": "html", "status": 502},
    {"kind": "status", "side": "ghl", "status": 401},
    {"kind": "status", "side": "hubspot", "status": 403},
    {"kind": "status", "side": "hubspot", "status": 477},
    {"kind": "status", "side": "ghl", "status": 429, "method": "POST", "path": WRITES},
    *PARTS,
)
"""What may go wrong; each with how often and from which request on, by the step."""

RULES: tuple[dict[str, Any], ...] = (
    {"conflict": {}},
    {"conflict": dict.fromkeys(Group, Winner.GHL)},
    {"conflict": dict.fromkeys(Group, Winner.HUBSPOT)},
    {"conflict": {Group.TITLE: Winner.HOLD, Group.TIME: Winner.HOLD}},
    {"ghl_deleted": OnRemoval.ARCHIVE},
    {"ghl_deleted": OnRemoval.CANCEL},
    {"ghl_deleted": OnRemoval.IGNORE},
    {"hubspot_archived": OnRemoval.CANCEL},
    {"hubspot_archived": OnRemoval.DELETE},
    {"hubspot_archived": OnRemoval.IGNORE},
    {"removal_guard": Limit(percent=0, at_least=0)},
    {"removal_guard": Limit(percent=20, at_least=5)},
    {"first_meeting": Winner.HUBSPOT},
    {"first_meeting": Winner.GHL},
    {"removal_guard": Limit(percent=0, at_least=1)},
    {"change_guard": Limit(percent=0, at_least=0)},
    {"change_guard": Limit(percent=50, at_least=200)},
    {"refuse_double_booking": False},
    {"refuse_double_booking": True},
    {"notify": Notify.LIVE},
    {"notify": Notify.ALWAYS},
    {"notify": Notify.NEVER},
    {"change_guard": Limit(percent=0, at_least=1)},
)
"""Changes of the configuration."""


class Simulation(Deciding):
    """One town, what people did in it, and how to do more."""

    def __init__(
        self, store_url: str, clock: HarnessClock, settings: SandboxSettings | None = None
    ) -> None:
        self.clock = clock
        self.shelf = WatchedShelf(store_url, clock)
        self.harness: SyncHarness = build(self.shelf, clock, settings)
        calendars = self.harness.calendars
        self.calendars = [calendars["Class"], calendars["Team"]]
        self.harness.obey(default_calendar=self.calendars[0])
        self.edit_log = EditLog()
        self.invariants = CycleInvariants()
        self.log: list[Step] = []
        self.did: Counter[str] = Counter()
        self.stores = 0
        self.addresses = 50
        self.touched_at = clock.now()
        self.base = START + timedelta(days=1, hours=1)
        self.last: CycleReport | None = None
        self.watching: Before | None = None
        self.dawdles = TOO_OLD
        self.early = False
        """Whether a person acts before anything is written in this cycle."""
        self.watchful: set[Side] = set()
        """The sides to which nothing may be written now that rests on the poll alone."""
        ann, bea, cy = PEOPLE
        self.ghl_contacts = [self.harness.ghl.add_contact(*who) for who in (ann, bea)]
        self.hubspot_contacts = [self.harness.hubspot.add_contact(*who) for who in (ann, cy)]

    def close(self) -> None:
        """Give back the store."""
        self.shelf.close()

    def do(self, name: str, *args: Any) -> None:
        """One step, remembered."""
        self.log.append((name, *args))
        self.clock.advance(timedelta(seconds=2))
        self._act((name, *args))

    def robots(self, number: int) -> None:
        """Automations on both sides insist on a title each, whatever syncd writes."""
        pairs = [pair for pair in self.harness.pairs() if self.both_live(pair)]
        if not pairs:
            return
        pair = pairs[number % len(pairs)]
        keys = [(side, pair.id_on(side)) for side in Side]
        self.edit_log.mixed.update(keys)
        wrote = 0
        for _ in range(ROUNDS):
            self.clock.advance(timedelta(seconds=1))
            for key in keys:
                if self.lives(key):
                    self.write(key, Group.TITLE, f"Robot of {key[0]}")
            self.clock.advance(timedelta(seconds=15))
            said = self.cycle(full=False)
            wrote += sum(
                "title" in each.fields and (pair.ghl_id, "update") == (each.ghl_id, each.action)
                for each in (said.written if said else ())
            )
        if wrote > ROUNDS // 2:
            raise Breach(f"{pair.ghl_id} was written {wrote} times against an automation")
        self.did["fights"] += wrote > 0

    # --- time and configuration

    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.clock.advance(timedelta(minutes=minutes))

    def days_pass(self, days: int) -> None:
        """Days pass; people book ahead of the new day."""
        self.clock.advance(timedelta(days=days))
        if self.clock.now() > self.base + timedelta(days=2):
            self.base += timedelta(days=days)

    def rule(self, number: int) -> None:
        """The configuration changes."""
        self.harness.obey(**RULES[number % len(RULES)])
        self.did["rules"] += 1

    def forget(self) -> None:
        """The history is pruned."""
        self.edit_log.history += self.shelf.link(self.harness.name).history()
        self.shelf.prune(self.harness.name, self.clock.now())

    def dawdle(self, seconds: int) -> None:
        """Interruptions take so long from now on."""
        self.dawdles = timedelta(seconds=seconds)

    def look_again(self, seconds: int) -> None:
        """A cycle that has much to write looks again so often; 0 for never."""
        every = timedelta(seconds=seconds) if seconds else None
        self.harness.rules = replace(self.harness.rules, look_again=every)

    def scope(self, calendar: int, past: int) -> None:
        """The configuration names fewer calendars or a shorter past, or all again."""
        chosen = frozenset({self.calendars[calendar]} if calendar < 2 else ())
        self.harness.rules = replace(
            self.harness.rules, calendars=chosen, past=timedelta(days=(30, 1)[past % 2])
        )
        self.did["rules"] += 1

    def lose_store(self) -> None:
        """The store is lost; the next cycle begins on an empty one."""
        self.edit_log.history += self.shelf.link(self.harness.name).history()
        for pair in self.harness.pairs():
            keys = {(side, pair.id_on(side)) for side in Side}
            if not self.both_live(pair):
                for removal in self.edit_log.removals:
                    # What was agreed is lost, and with it what an edit changed.
                    removal.beaten = removal.beaten and removal.key not in keys
            elif not self.is_marked(pair):
                known = not any(self.changed(pair, side) for side in Side)
                (self.edit_log.unmarked if known else self.edit_log.mixed).update(keys)
        self.stores += 1
        self.harness.name = f"clinic{self.stores}"
        self.did["losses"] += 1

    # --- syncd

    def sync(
        self,
        kind: str = "full",
        faults: tuple[tuple[int, int, int], ...] = (),
        kill: int = 0,
        moment: int = 0,
    ) -> None:
        """A cycle, perhaps with faults (which, from which request on, how often) and a crash."""
        for which, nth, times in faults:
            told = FAULTS[which % len(FAULTS)]
            self.harness.world.faults.add(**told, nth=nth, times=times or None)
        self.cycle(full=kind == "full", kill=kill, moment=moment)
        self.did["faults"] += self.harness.world.faults.hits
        self.harness.world.faults.clear()

    def announce(self, lately: int, how: int) -> None:
        """A vendor announces a record that somebody touched lately, or something else."""
        touched = sorted(self.edit_log.last, key=lambda key: -self.edit_log.last[key])
        side, record = touched[lately % len(touched)] if touched else (Side.GHL, "nobody")
        what = Announced.RECORD
        if how == 0:
            record = f"unknown-{lately}"
        elif how == 1:
            what, record = Announced.CONTACT, self._contact(side, lately)
        elif how == 2:
            what, record = (Announced.LINK, Announced.FULL)[lately % 2], ""
        told = Delivered(link=self.harness.name, side=side, what=what, record=record)
        self.shelf.inbox.announce([told] * (1 + how % 2))
        self.did["announced"] += 1

    def targeted(
        self, faults: tuple[tuple[int, int, int], ...] = (), kill: int = 0, moment: int = 0
    ) -> None:
        """A cycle for what was announced, as the scheduler runs it."""
        waiting = self.shelf.link(self.harness.name).announcements()
        if not waiting:
            return
        if wants_poll(waiting):
            self.sync("full" if wants_full(waiting) else "polled", faults, kill, moment)
            return
        for which, nth, times in faults:
            told = FAULTS[which % len(FAULTS)]
            self.harness.world.faults.add(**told, nth=nth, times=times or None)
        self.cycle(full=False, targeted=True, kill=kill, moment=moment)
        self.did["targeted"] += 1
        self.did["faults"] += self.harness.world.faults.hits
        self.harness.world.faults.clear()
        if self.last is not None and self.last.left:
            self.cycle(full=False)

    def sync_blind(self, kind: str, part: int, nth: int) -> None:
        """A cycle in which one part of the reading fails, however often it is asked for."""
        part %= len(PARTS)
        self.sync(kind, ((FAULTS.index(PARTS[part]), nth, 0),))
        whole = {Outcome.REFUSED, Outcome.UNREACHABLE}
        if "contacts" in PARTS[part]["path"] and self.last and self.last.outcome in whole:
            raise Breach(f"a look-up of contacts ended the cycle: {self.last.detail}")

    def meanwhile(self, kind: str, after: int, *step: Any) -> None:
        """A cycle, and what a person does after its plan was made, so many steps into its writing.

        What was read before is older than 5 s by then, so nothing may rest on it.
        """
        interruption = Interruption(after, lambda: self._act(step), self.clock, self.dawdles)
        self.harness.lanes = interruption.lanes
        self.early = not after
        if self.dawdles > STALE and not after:
            self.watchful = {*Side}
        try:
            self.cycle(full=kind == "full")
        finally:
            self.harness.lanes, self.watchful, self.early = in_turn, set(), False
        if interruption.happened:
            self.did["interruptions"] += 1
        else:
            self.clock.advance(timedelta(seconds=1))  # No person acts in the moment of a write.
            self._act(step)

    def overtaken(self, kind: str, after: int) -> None:
        """A cycle falls asleep so many steps into its writing; another holder syncs; it wakes."""
        lease, woke = Lease(self.harness.name), list[int]()

        def next_holder() -> None:
            lease.lost = True
            self._hold(in_turn, nobody)
            self.cycle(full=True)
            woke.append(self._sent())

        interruption = Interruption(after, next_holder, self.clock)
        self._hold(interruption.lanes, lease.check)
        try:
            self.cycle(full=kind == "full")
        finally:
            self._hold(in_turn, nobody)
        if woke and self._sent() > woke[0]:
            raise Breach("a holder that had lost the link went on writing")
        self.did["overtaken"] += len(woke)

    def _hold(self, lanes: RunLanes, guard: Callable[[], None]) -> None:
        self.harness.lanes, self.harness.guard, self.shelf.guard = lanes, guard, guard

    def _sent(self) -> int:
        return sum(len(self.harness.world.writes(side.value)) for side in Side)

    def paused(self, kind: str, after: int) -> None:
        """A cycle that is paused so many looks into its writing; somebody kicks, it is resumed."""
        looks, known = iter(range(after)), {pair.ghl_id for pair in self.harness.pairs()}
        self.cycle(full=kind == "full", halted=lambda: next(looks, None) is None)
        for pair in self.harness.pairs():
            if pair.ghl_id not in known and self.both_live(pair) and not self.is_marked(pair):
                raise Breach(f"{pair.hubspot_id} was booked before a stop, and carries no id")
        self.kick(0)
        self.did["pauses"] += 1

    def _act(self, step: Step) -> None:
        if step[0] not in SYNCS:
            self.touched_at = self.clock.now()
        act: Callable[..., None] = getattr(self, step[0])
        act(*step[1:])

    def cycle(
        self, *, full: bool, kill: int = 0, moment: int = 0, **more: Any
    ) -> CycleReport | None:
        """Run a cycle, and notice what it did; `None` where it was killed.

        One that runs while another sleeps ends what is seen of that.
        """
        if self.watching is not None:
            self.last = None
            self.unite()
            self.invariants.end(self, self.watching)
        crashes = CrashInjector(at=kill, moment=MOMENTS[moment % len(MOMENTS)])
        self.shelf.crashes = crashes
        self.harness.transport = Watched(self.harness.world, crashes)
        self.harness.world.reset_requests()
        invariants = self.watching = self.invariants.begin(self)
        self.last = None
        try:
            waiting = tuple(self.shelf.link(self.harness.name).announcements())
            self.last = self.harness.sync(full=full, announced=waiting, **more)
        except Killed:
            self.did["crashes"] += 1
        finally:
            self.shelf.crashes = CrashInjector()
            self.unite()
        self.did["cycles"] += 1
        if self.watching is not invariants:
            return self.last  # Another took over, and was watched instead.
        self.watching = None
        self.invariants.end(self, invariants)
        for pair in self.all_pairs() if self.edit_log.unmarked else ():
            self.edit_log.unmarked -= {(side, pair.id_on(side)) for side in Side}
        if self.last is not None:
            assert self.last.outcome is not Outcome.FAULT, self.last
            self.did["conflicts"] += self.last.conflicts
            self.did["written"] += len(self.last.written)
            self.did["removed"] += self.last.ghl.removed + self.last.hubspot.removed
            self.did["holds"] += len(self.last.held)
        return self.last
