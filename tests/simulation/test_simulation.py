"""Any history of a small town ends well: contract sections 4.1 to 4.10, hunted by a machine.

Hypothesis makes up histories (people edit, remove, restore and merge on both
sides, the clock and the configuration move, requests fail, the program dies
between any two steps) and shrinks what breaks a promise of `verdict`. A
failing history is printed as a script for `replay`. HYPOTHESIS_PROFILE
chooses how long to hunt: quick, ci, thorough.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from postgres_server import PostgresServer
from towns import TownClock
from verdict import judge
from village import FAULTS, RULES, Step, Village

from syncd.core.model import Group

SIDES = st.sampled_from(["ghl", "hubspot"])
KINDS = st.sampled_from(["full", "polled"])
NUMBERS = st.integers(0, 2)
GROUPS = st.sampled_from([Group.TITLE, Group.TIME, Group.STATUS, Group.DESCRIPTION, Group.ADDRESS])
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
)

Store = Callable[[], tuple[str, Callable[[], None]]]
"""Opens a fresh store: its URL, and how to throw it away."""

EXAMPLES = settings().max_examples
STEPS = 14
QUICK = 50
"""A profile of so few examples always plays the same histories."""


class Machine(RuleBasedStateMachine):
    """Histories, rule by rule."""

    open_store: ClassVar[Store]
    did: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        url, self.drop = type(self).open_store()
        self.village = Village(url, TownClock())

    @initialize(bookings=NUMBERS, records=NUMBERS, settled=st.booleans())
    def begin(self, bookings: int, records: int, settled: bool) -> None:
        """Most histories begin with a few appointments that are agreed already."""
        for number in range(bookings):
            self.village.do("book", number, number, number)
        for number in range(records):
            self.village.do("create", number, number + 1, number)
        if settled:
            self.village.do("sync", "full")

    # --- people

    @rule(side=SIDES, number=NUMBERS, group=GROUPS, choice=st.integers(0, 5))
    def edit(self, side: str, number: int, group: str, choice: int) -> None:
        self.village.do("edit", side, number, str(group), choice)

    @rule(
        one=st.tuples(NUMBERS, st.integers(0, 5)),
        other=st.tuples(NUMBERS, st.integers(0, 5)),
        number=NUMBERS,
        groups=st.tuples(GROUPS, GROUPS),
    )
    def both_edit(
        self, one: tuple[int, int], other: tuple[int, int], number: int, groups: tuple[str, str]
    ) -> None:
        self.village.do("edit", "ghl", number, str(groups[0]), one[1])
        self.village.do("edit", "hubspot", number, str(groups[1]), other[1])

    @rule(who=NUMBERS, slot=NUMBERS, title=NUMBERS, status=st.integers(0, 5), side=SIDES)
    def arrive(self, who: int, slot: int, title: int, status: int, side: str) -> None:
        self.village.do("book" if side == "ghl" else "create", who, slot, title, status)

    @rule(side=SIDES, number=NUMBERS, back=st.booleans())
    def come_and_go(self, side: str, number: int, back: bool) -> None:
        self.village.do("bring_back" if back else "remove", side, number)

    @rule(side=SIDES, number=NUMBERS)
    def remove(self, side: str, number: int) -> None:
        self.village.do("remove", side, number)

    # --- time, configuration, accidents

    @rule(step=CIRCUMSTANCES)
    def circumstance(self, step: Step) -> None:
        self.village.do(*step)

    # --- syncd

    @rule(kind=KINDS)
    def sync(self, kind: str) -> None:
        self.village.do("sync", kind)

    @rule(kind=KINDS, faults=st.lists(TROUBLES, min_size=1, max_size=2))
    def sync_badly(self, kind: str, faults: list[tuple[int, int, int]]) -> None:
        self.village.do("sync", kind, tuple(faults))

    @rule(kind=KINDS, kill=st.integers(1, 60), moment=NUMBERS)
    def crash(self, kind: str, kill: int, moment: int) -> None:
        self.village.do("sync", kind, (), kill, moment)

    @rule(kill=st.integers(20, 45), moment=NUMBERS, step=EDITS)
    def edit_and_crash(self, kill: int, moment: int, step: Step) -> None:
        """Most crashes that matter happen while something is written."""
        self.village.do(*step)
        self.village.do("sync", "polled", (), kill, moment)

    def teardown(self) -> None:
        try:
            judge(self.village)
        except BaseException:
            print(script(self.village.log))
            raise
        finally:
            type(self).did += self.village.did
            self.village.close()
            self.drop()


def script(log: list[Step]) -> str:
    """A history as a test that plays it again."""
    lines = "\n".join(f"        {step!r}," for step in log)
    return f"replay(\n    [\n{lines}\n    ]\n)"


FLOOR = {"cycles": 5, "edits": 1, "births": 2, "written": 2, "removals": 0.3, "crashes": 0.2}
"""What an example must have done on average at the very least, so that it proves something."""


@pytest.fixture
def quiet_logs() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    yield
    structlog.configure(**before)


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


def hunt(open_store: Store, examples: int) -> Counter[str]:
    """Let the machine run, and check that it really did something."""
    Machine.open_store = staticmethod(open_store)
    Machine.did = Counter()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            derandomize=EXAMPLES <= QUICK,
        ),
    )
    print(f"\n{examples} histories: {dict(sorted(Machine.did.items()))}")
    for what, least in FLOOR.items():
        assert Machine.did[what] >= least * examples, f"too few {what}: {Machine.did}"
    return Machine.did


@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_any_history_ends_well(sqlite_template: Path, tmp_path: Path) -> None:
    def fresh() -> tuple[str, Callable[[], None]]:
        path = tmp_path / "run.db"
        shutil.copy(sqlite_template, path)
        return f"sqlite:///{path}", lambda: _wipe(path)

    hunt(fresh, max(10, EXAMPLES // 2))


def _wipe(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.postgres
@pytest.mark.timeout(36000)
@pytest.mark.usefixtures("quiet_logs")
def test_any_history_ends_well_on_postgresql(
    postgres: PostgresServer, postgres_template: str
) -> None:
    def fresh() -> tuple[str, Callable[[], None]]:
        name = postgres.create(postgres_template)
        return postgres.url(name), lambda: postgres.drop(name)

    hunt(fresh, max(10, EXAMPLES // 10))
