"""Short histories that are aimed at a moment, each move in each of its forms.

What a crash or a coincidence does wrong takes more luck than a history of many
moves has: here each stands alone, in a village of two or three appointments.
`test_simulation` and `tests/mutations` play them beside those that `histories`
draws, `replay` plays one again. All go by name: `aimed-7`, `drawn-40`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, product, zip_longest

from ground import PAIRED
from histories import (
    GROUPS,
    SIDES,
    WRITE_FAULTS,
    afterthought,
    both_edit,
    by_hand,
    cancel_and_remove,
    clash_and_crash,
    coincidence,
    decided,
    decided_in_vain,
    drawn,
    edit,
    edit_and_crash,
    edit_and_remove,
    fall_behind,
    half_born,
    half_read,
    interrupted,
    kept_back,
    leave_and_return,
    long_absence,
    move_house,
    newborn,
    refused_and_crash,
    removal_and_crash,
    restore_and_crash,
    same_again,
    strangers,
    there_and_back,
    twins,
    twins_half_read,
)
from village import PARTS, Step

MOMENTS = range(3)
CUT_OFF = 3
"""The moment of `executioner` at which nothing dies, but the line does."""
BOOLEANS = (False, True)
OPENING: list[Step] = [("book", 0, 0, 0), ("book", 1, 1, 1), ("sync", "full")]
"""Two appointments that are agreed; the third of the three times is free."""
FREE = 2
"""That time."""
RULES_OF_REMOVAL = (("hubspot", 7), ("ghl", 5), ("ghl", 4), ("hubspot", 8), ("ghl", 6))
"""Where a record is removed, and a rule of `village.RULES` for that: cancel first."""


def named(name: str) -> list[Step]:
    """The history of that name."""
    kind, _, number = name.partition("-")
    return aimed()[int(number)] if kind == "aimed" else drawn(int(number))


def names() -> list[str]:
    """The names of the aimed histories."""
    return [f"aimed-{number}" for number in range(len(aimed()))]


@cache
def aimed() -> list[list[Step]]:
    """All of them; each kind takes its turn, so that the first few are of every kind."""
    turns = zip_longest(*(list(kind) for kind in _kinds()))
    return [[*OPENING, *moves] for moves in chain.from_iterable(turns) if moves]


def _kinds() -> Iterable[Iterable[list[Step]]]:
    births: list[Step] = [("book", 0, FREE, 0, 0), ("create", 0, FREE, 0, 0)]
    edits: list[Step] = [edit(side, PAIRED, "title", 0)[0] for side in SIDES]
    yield (newborn(side, FREE, "title", 1, at) for side, at in product(SIDES, MOMENTS))
    yield (
        afterthought(side, 0, 0, at, there=there)
        for side, at, there in product(SIDES, MOMENTS, BOOLEANS)
    )
    yield (edit_and_crash(step, -1, at) for step, at in product((*births, *edits), MOMENTS))
    yield (
        [("rule", rule), *edit_and_crash(("remove", side, PAIRED), -1, at)]
        for at, (side, rule) in product(MOMENTS, RULES_OF_REMOVAL[:4])
    )
    yield (
        restore_and_crash(side, rule, at)
        for at, (side, rule) in product((1, 0), RULES_OF_REMOVAL[:4])
    )
    yield (removal_and_crash(side, 0, at) for side, at in product(SIDES, MOMENTS))
    yield (fall_behind(step, fault) for step, fault in product((*edits, *births), WRITE_FAULTS))
    yield (refused_and_crash(kill, at) for kill, at in product((-3, -4, -1), (1, 2)))
    yield (clash_and_crash(0, ("title", 0), rule, at) for rule, at in product((0, 1, 2), MOMENTS))
    yield (there_and_back(0), same_again(FREE, 0), same_again(FREE, 1))
    yield (kept_back(step) for step in (*births, *edits))
    yield (newborn(side, FREE, "time", 5, CUT_OFF) for side in SIDES)
    yield (coincidence(FREE, status, at) for status, at in product((0, 1), MOMENTS))
    yield (twins(FREE, at) for at in MOMENTS)
    yield (strangers(FREE, side, 1, at) for side, at in product(SIDES, MOMENTS))
    yield (
        half_born(FREE, kill, group, choice)
        for kill, (group, choice) in product((-3, -2, -1), (("status", 1), ("time", 4)))
    )
    yield (
        [("rule", rule), *leave_and_return(side, 0, status, synced=synced, edited=status > 0)]
        for status, synced, (side, rule) in product((3, 0, 2), BOOLEANS, RULES_OF_REMOVAL)
    )
    yield (cancel_and_remove(side, 0) for side in SIDES)
    yield (edit_and_remove(side, slot) for side, slot in product(SIDES, (1, FREE)))
    yield (move_house(0, FREE, side) for side in SIDES)
    yield (
        [edit(side, PAIRED, group, choice)[0], ("sync", "polled")]
        for side, (group, choice) in product(SIDES, (("time", 5), ("time", 2), ("description", 0)))
    )
    yield (both_edit(0, (str(group), 0), (str(group), 1)) for group in GROUPS)
    yield (long_absence(0), [("merge_records", 0, 0), ("sync", "polled")], [("robots", 0)])
    yield (
        interrupted(step, after, act) for after, (step, act) in product((0, 1), _interruptions())
    )
    yield (twins_half_read(FREE, part, nth) for part, nth in product(range(len(PARTS)), (1, 2)))
    yield (half_read(step, part, 1) for part, step in product(range(len(PARTS)), (*births, *edits)))
    yield (half_read(edit("ghl", PAIRED, "owner", 0)[0], part, 1) for part in range(len(PARTS)))
    yield (by_hand(FREE, wait) for wait in (0, 90))
    yield _decisions()
    yield _series()
    yield _guarded()


def _interruptions() -> Iterator[tuple[Step, Step]]:
    """What is to be written, and what a person does before it is."""
    writes: list[Step] = [
        ("book", 0, FREE, 0, 0),
        ("create", 0, FREE, 0, 0),
        ("edit", "ghl", PAIRED, "title", 0),
        ("edit", "hubspot", PAIRED, "time", 5),
        ("give", "hubspot", PAIRED, "status", 3),
        ("remove", "ghl", PAIRED),
        ("remove", "hubspot", PAIRED),
    ]
    acts: list[Step] = [
        *(("edit", side, PAIRED, "title", 1) for side in SIDES),
        *(("edit", side, PAIRED, "time", 4) for side in SIDES),
        *(("give", side, PAIRED, "status", 4 if side == "ghl" else 1) for side in SIDES),
        *(("remove", side, PAIRED) for side in SIDES),
        *(("bring_back", side, PAIRED) for side in SIDES),
    ]
    yield from product(writes[2:], acts)
    for side, write in (("ghl", writes[0]), ("hubspot", writes[1])):
        yield write, ("edit", side, -1, "title", 1)
        yield write, ("edit", side, -1, "time", 4)
        yield write, ("remove", side, -1)
    yield writes[1], ("swap_contact", "hubspot", -1, 1)
    yield writes[1], ("book", 0, FREE, 0, 1)
    yield writes[1], ("book", 0, FREE, 0, 0)


def _decisions() -> Iterator[list[Step]]:
    """What a person decides is carried out, after a crash and after an outage as well."""
    hold: Step = ("rule", 3)
    clash = [hold, *both_edit(0, ("title", 0), ("title", 1))]
    doubt: list[Step] = [("book", 0, 0, 0, 1)]
    edited: list[Step] = [edit("ghl", PAIRED, "title", 0)[0], edit("hubspot", PAIRED, "time", 5)[0]]
    guarded: list[Step] = [("rule", 10), ("remove", "ghl", 0)]
    waits: list[tuple[list[Step], Step]] = [
        *((clash, ("resolve", 0, choice)) for choice in range(3)),
        *((doubt, ("resolve", 0, choice)) for choice in range(2)),
        (edited, ("undo", 0)),
        (clash, ("retry", 0)),
        (guarded, ("kick", 1)),
        (edited, ("approve_plan",)),
    ]
    for steps, verb in waits:
        for kill, moment in ((0, 0), (-1, 0), (-1, 1), (-2, 1)):
            yield decided(steps, verb, kill, moment)
        for fault in (2, 17):
            yield decided_in_vain(steps, verb, fault)


def _series() -> Iterator[list[Step]]:
    """Instances of a series: each is an appointment of its own."""
    series: list[Step] = [("book_series", 0, FREE, 0), ("sync", "polled")]
    for act in (
        ("edit", "hubspot", PAIRED + 3, "title", 1),
        ("remove", "ghl", PAIRED + 3),
        ("remove", "hubspot", PAIRED + 3),
    ):
        yield [*series, act, ("sync", "polled")]


def _guarded() -> Iterator[list[Step]]:
    """A guard that lets nothing pass, or one removal a day; and the day after."""
    remove: list[Step] = [("remove", "ghl", 0), ("sync", "full"), ("remove", "ghl", 0)]
    for rule in (10, 14):
        yield [("rule", rule), *remove, ("sync", "full"), ("wait", 90), ("sync", "polled")]
    yield [("rule", 15), edit("ghl", 0, "title", 0)[0], ("sync", "full"), ("sync", "polled")]
