"""Any history of a small town ends well: promises 1 to 10, hunted by a machine.

Hypothesis makes up histories (people edit, remove, restore and merge on both
sides, the clock and the configuration move, requests fail, the program dies
between any two steps) and shrinks what breaks a promise of `verdict`. A
failing history is printed as a script for `replay`. A plain run plays a few
histories; `-m hunt` plays the others, and HYPOTHESIS_PROFILE chooses how
many: quick, ci, thorough.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest
import random_histories
import structlog
import targeted_histories
from final_invariants import judge
from harness import HarnessClock
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from postgres_server import PostgresServer
from replay import script
from simulation import FAULTS, RULES, Simulation, Step

SIDES = st.sampled_from(["ghl", "hubspot"])
KINDS = st.sampled_from(["full", "polled"])
NUMBERS = st.integers(0, 2)
GROUPS = st.sampled_from(random_histories.GROUPS)
VALUES = st.tuples(GROUPS.map(str), st.integers(0, 5))
BOOLEANS = st.booleans()
TROUBLES = st.tuples(st.integers(0, len(FAULTS) - 1), st.integers(1, 9), st.sampled_from([1, 2, 0]))
EDITS = st.tuples(st.just("edit"), SIDES, NUMBERS, GROUPS.map(str), st.integers(0, 5))
CIRCUMSTANCES: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("edit"), SIDES, NUMBERS, st.just("owner"), st.integers(0, 3)),
    st.tuples(st.just("move_calendar"), NUMBERS, st.integers(0, 1)),
    st.tuples(st.just("switch_calendar"), st.integers(0, 1)),
    st.tuples(st.just("merge_records"), NUMBERS, NUMBERS),
    st.tuples(st.just("lose_contact"), NUMBERS),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 90])),
    st.tuples(st.just("days_pass"), st.sampled_from([1, 2, 33])),
    st.tuples(st.just("rule"), st.integers(0, len(RULES) - 1)),
    st.tuples(st.just("rule"), st.integers(0, len(RULES) - 1)),
    st.tuples(st.just("scope"), NUMBERS, st.integers(0, 1)),
    st.tuples(st.just("lose_store")),
    st.tuples(st.just("robots"), NUMBERS),
)

Store = Callable[[], tuple[str, Callable[[], None]]]
"""Opens a fresh store: its URL, and how to throw it away."""

ENVIRONMENT = os.environ  # noqa: TID251 - what `tests/mutations` wants of the tests
BROKEN = bool(ENVIRONMENT.get("SYNCD_TEST_BROKEN"))
"""The package is broken on purpose: the question is only whether a promise is."""
PHASES = [phase for phase in Phase if phase is not Phase.shrink or not BROKEN]
EXAMPLES = settings().max_examples
QUICK = EXAMPLES <= 50
"""A profile of so few examples always plays the same histories, and not many of ours."""
DRAWN = int(ENVIRONMENT.get("SYNCD_TEST_HISTORIES", 10))
"""How many histories are drawn, from seed 0 on."""
HUNTED = 15 if QUICK else EXAMPLES // 2
"""How many of them a hunt draws."""
AIMED = slice(None, None, int(ENVIRONMENT.get("SYNCD_TEST_STRIDE", 30)))
"""Which of the aimed ones are played, beside those that are to be played first."""
SHARES = 8
"""All of them are played in so many tests, which may run at the same time."""
ON_POSTGRESQL = 10_000
"""The first seed there."""
EAGER = ENVIRONMENT.get("SYNCD_TEST_FIRST", "").split()
"""Names of histories, or of their kinds, that are played before the others."""
STEPS = random_histories.LENGTH


class Machine(RuleBasedStateMachine):
    """Histories, rule by rule."""

    open_store: ClassVar[Store]
    did: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        url, self.drop = type(self).open_store()
        self.simulation = Simulation(url, HarnessClock())

    @initialize(bookings=NUMBERS, records=NUMBERS, settled=st.booleans())
    def begin(self, bookings: int, records: int, settled: bool) -> None:
        """Most histories begin with a few appointments that are agreed already."""
        for number in range(bookings):
            self.simulation.do("book", number, number, number)
        for number in range(records):
            self.simulation.do("create", number, number + 1, number)
        if settled:
            self.simulation.do("sync", "full")

    # --- people

    @rule(side=SIDES, number=NUMBERS, group=GROUPS, choice=st.integers(0, 5))
    def edit(self, side: str, number: int, group: str, choice: int) -> None:
        self.simulation.do("edit", side, number, str(group), choice)

    @rule(number=NUMBERS, one=VALUES, other=VALUES)
    def both_edit(self, number: int, one: tuple[str, int], other: tuple[str, int]) -> None:
        self._play(random_histories.both_edit(number, one, other))

    @rule(who=NUMBERS, slot=NUMBERS, title=NUMBERS, status=st.integers(0, 5), side=SIDES)
    def arrive(self, who: int, slot: int, title: int, status: int, side: str) -> None:
        self.simulation.do("book" if side == "ghl" else "create", who, slot, title, status)

    @rule(side=SIDES, number=NUMBERS, back=st.booleans())
    def come_and_go(self, side: str, number: int, back: bool) -> None:
        self.simulation.do("bring_back" if back else "remove", side, number)

    @rule(side=SIDES, number=NUMBERS)
    def remove(self, side: str, number: int) -> None:
        self.simulation.do("remove", side, number)

    @rule(side=SIDES, number=NUMBERS, status=st.integers(0, 5), synced=BOOLEANS, edited=BOOLEANS)
    def leave_and_return(
        self, side: str, number: int, status: int, synced: bool, edited: bool
    ) -> None:
        self._play(
            random_histories.leave_and_return(side, number, status, synced=synced, edited=edited)
        )

    @rule(side=SIDES, number=NUMBERS)
    def cancel_and_remove(self, side: str, number: int) -> None:
        self._play(random_histories.cancel_and_remove(side, number))

    # --- coincidences

    @rule(slot=NUMBERS, status=st.integers(0, 3), moment=NUMBERS)
    def coincidence(self, slot: int, status: int, moment: int) -> None:
        self._play(random_histories.coincidence(slot, status, moment))

    @rule(slot=NUMBERS, moment=NUMBERS)
    def twins(self, slot: int, moment: int) -> None:
        self._play(random_histories.twins(slot, moment))

    @rule(slot=NUMBERS, side=SIDES)
    def move_house(self, slot: int, side: str) -> None:
        self._play(random_histories.move_house(0, slot, side))

    @rule(step=EDITS, fault=st.sampled_from(random_histories.WRITE_FAULTS))
    def fall_behind(self, step: Step, fault: int) -> None:
        self._play(random_histories.fall_behind(step, fault))

    @rule(side=SIDES, number=NUMBERS, choice=NUMBERS, moment=NUMBERS, there=BOOLEANS)
    def afterthought(self, side: str, number: int, choice: int, moment: int, there: bool) -> None:
        self._play(random_histories.afterthought(side, number, choice, moment, there=there))

    @rule(side=SIDES, slot=NUMBERS, value=VALUES, moment=NUMBERS)
    def newborn(self, side: str, slot: int, value: tuple[str, int], moment: int) -> None:
        self._play(random_histories.newborn(side, slot, *value, moment))

    @rule(slot=NUMBERS, side=SIDES, choice=NUMBERS, moment=NUMBERS)
    def unpaired(self, slot: int, side: str, choice: int, moment: int) -> None:
        self._play(random_histories.unpaired(slot, side, choice, moment))

    @rule(slot=NUMBERS, kill=st.integers(-3, -1), value=VALUES)
    def half_born(self, slot: int, kill: int, value: tuple[str, int]) -> None:
        self._play(random_histories.half_born(slot, kill, *value))

    @rule(side=SIDES, number=NUMBERS, moment=NUMBERS)
    def removal_and_crash(self, side: str, number: int, moment: int) -> None:
        self._play(random_histories.removal_and_crash(side, number, moment))

    @rule(number=NUMBERS, value=VALUES, rule=NUMBERS, moment=NUMBERS)
    def clash_and_crash(self, number: int, value: tuple[str, int], rule: int, moment: int) -> None:
        self._play(random_histories.clash_and_crash(number, value, rule, moment))

    # --- time, configuration, accidents

    @rule(step=CIRCUMSTANCES)
    def circumstance(self, step: Step) -> None:
        self.simulation.do(*step)

    # --- syncd

    @rule(kind=KINDS)
    def sync(self, kind: str) -> None:
        self.simulation.do("sync", kind)

    @rule(kind=KINDS, faults=st.lists(TROUBLES, min_size=1, max_size=2))
    def sync_badly(self, kind: str, faults: list[tuple[int, int, int]]) -> None:
        self.simulation.do("sync", kind, tuple(faults))

    @rule(kind=KINDS, kill=st.integers(1, 60), moment=NUMBERS)
    def crash(self, kind: str, kill: int, moment: int) -> None:
        self.simulation.do("sync", kind, (), kill, moment)

    @rule(kill=st.integers(-4, -1), moment=NUMBERS, step=EDITS)
    def edit_and_crash(self, kill: int, moment: int, step: Step) -> None:
        self._play(random_histories.edit_and_crash(step, kill, moment))

    def _play(self, steps: list[Step]) -> None:
        for step in steps:
            self.simulation.do(*step)

    def teardown(self) -> None:
        try:
            judge(self.simulation)
        except BaseException:
            print(script(self.simulation.log))
            raise
        finally:
            type(self).did += self.simulation.did
            self.simulation.close()
            self.drop()


FLOOR = {
    "cycles": 5,
    "edits": 1,
    "births": 2,
    "written": 2,
    "removals": 0.3,
    "conflicts": 0.03,
    "faults": 0.1,
    "crashes": 0.2,
}
"""What one of the machine's histories must do on average at the very least; beyond these it
chooses itself, and likes variations of one idea."""

DRAWN_FLOOR = {
    "cycles": 8,
    "edits": 3.5,
    "births": 3,
    "written": 5,
    "removals": 1.2,
    "removed": 0.25,
    "restores": 0.25,
    "conflicts": 0.15,
    "holds": 1.5,
    "faults": 0.6,
    "crashes": 0.6,
    "rules": 0.4,
}
"""The same for histories that are drawn evenly; `removed` are removals that syncd carried out."""


LIVE_FLOOR: dict[str, float] = {"announced": 5, "targeted": 2}
"""The same for histories in which vendors announce what people do."""


@pytest.fixture
def quiet_logs() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    yield
    structlog.configure(**before)


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


def hunt(open_store: Store, examples: int) -> None:
    """Let the machine run, and check that it really did something."""
    Machine.open_store = staticmethod(open_store)
    Machine.did = Counter()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            derandomize=QUICK,
            phases=PHASES,
        ),
    )
    _was_lively(Machine.did, FLOOR, examples)


def play(open_store: Store, names: list[str]) -> None:
    """Play histories; the first that breaks a promise is told as its name and script."""
    did: Counter[str] = Counter()
    for name in sorted(names, key=_eagerness):
        url, drop = open_store()
        simulation = Simulation(url, HarnessClock())
        try:
            for step in targeted_histories.named(name):
                simulation.do(*step)
            judge(simulation)
        except BaseException:
            print(f"\nhistory {name}:\n{script(simulation.log)}")
            raise
        finally:
            if name.startswith(("drawn", "live")):
                did += simulation.did
            simulation.close()
            drop()
    drawn = sum(name.startswith(("drawn", "live")) for name in names)
    live = sum(name.startswith("live") for name in names)
    _was_lively(did, DRAWN_FLOOR, drawn)
    _was_lively(did, LIVE_FLOOR, live)


def _eagerness(name: str) -> int:
    known = {name, name.rpartition("-")[0]}
    return next((number for number, each in enumerate(EAGER) if each in known), len(EAGER))


def _was_lively(did: Counter[str], floor: dict[str, float], examples: int) -> None:
    print(f"\n{examples} histories: {dict(sorted(did.items()))}")
    for what, least in floor.items():
        assert BROKEN or did[what] >= least * examples, f"too few {what}: {did}"


@pytest.fixture
def fresh_sqlite(sqlite_template: Path, tmp_path: Path) -> Store:
    def fresh() -> tuple[str, Callable[[], None]]:
        path = tmp_path / "run.db"
        shutil.copy(sqlite_template, path)
        return f"sqlite:///{path}", lambda: _wipe(path)

    return fresh


@pytest.fixture
def fresh_postgres(postgres: PostgresServer, postgres_template: str) -> Store:
    def fresh() -> tuple[str, Callable[[], None]]:
        name = postgres.create(postgres_template)
        return postgres.url(name), lambda: postgres.drop(name)

    return fresh


def _wipe(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_aimed_and_drawn_histories_end_well(fresh_sqlite: Store) -> None:
    first = [name for name in targeted_histories.names() if _eagerness(name) < len(EAGER)]
    names = dict.fromkeys([*first, *targeted_histories.names()[AIMED]])
    live = [f"live-{seed}" for seed in range(max(3, DRAWN // 3))]
    play(fresh_sqlite, [*names, *live, *(f"drawn-{seed}" for seed in range(DRAWN))])


@pytest.mark.postgres
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_drawn_histories_end_well_on_postgresql(fresh_postgres: Store) -> None:
    play(fresh_postgres, [f"drawn-{ON_POSTGRESQL + seed}" for seed in range(max(3, DRAWN // 10))])


@pytest.mark.hunt
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
@pytest.mark.parametrize("share", range(SHARES))
def test_every_aimed_history_ends_well(fresh_sqlite: Store, share: int) -> None:
    play(fresh_sqlite, targeted_histories.names()[share::SHARES])


@pytest.mark.hunt
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_many_drawn_histories_end_well(fresh_sqlite: Store) -> None:
    play(fresh_sqlite, [f"{kind}-{seed}" for kind in ("drawn", "live") for seed in range(HUNTED)])


@pytest.mark.hunt
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_any_history_ends_well(fresh_sqlite: Store) -> None:
    hunt(fresh_sqlite, max(10, EXAMPLES // 4))


@pytest.mark.hunt
@pytest.mark.postgres
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_many_drawn_histories_end_well_on_postgresql(fresh_postgres: Store) -> None:
    seeds = range(ON_POSTGRESQL, ON_POSTGRESQL + max(10, HUNTED // 10))
    play(fresh_postgres, [f"drawn-{seed}" for seed in seeds])


@pytest.mark.hunt
@pytest.mark.postgres
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_any_history_ends_well_on_postgresql(fresh_postgres: Store) -> None:
    hunt(fresh_postgres, max(10, EXAMPLES // 20))
