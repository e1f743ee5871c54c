"""Short histories that are aimed at a moment, each move in each of its forms.

What a crash or a coincidence does wrong takes more luck than a history of many
moves has: here each stands alone, in a village of two or three appointments.
`test_simulation` and `tests/mutations` play them beside those that `histories`
draws, `replay` plays one again. All go by name, those here by their kind and a
number: `interrupted-7`, `drawn-40`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import product, zip_longest

from random_histories import (
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
    in_line,
    interrupted,
    kept_back,
    leave_and_return,
    live,
    long_absence,
    move_house,
    newborn,
    overtaken,
    refused_and_crash,
    removal_and_crash,
    restore_and_crash,
    rewritten,
    same_again,
    there_and_back,
    twins,
    twins_half_read,
    unpaired,
)
from simulation import FAULTS, PARTS, Step
from world_state import HABITS, NOTES, PAIRED

MOMENTS = range(3)
CUT_OFF = 3
"""The moment of `crashes` at which nothing dies, but the line does."""
BOOLEANS = (False, True)
OPENING: list[Step] = [("book", 0, 0, 0), ("book", 1, 1, 1), ("sync", "full")]
"""Two appointments that are agreed; the third of the three times is free."""
FREE = 2
"""That time."""
RULES_OF_REMOVAL = (("hubspot", 7), ("ghl", 5), ("ghl", 4), ("hubspot", 8), ("ghl", 6))
"""Where a record is removed, and a rule of `simulation.RULES` for that: cancel first."""


def named(name: str) -> list[Step]:
    """The history of that name."""
    kind, _, number = name.rpartition("-")
    if kind in {"drawn", "live"}:
        return (drawn if kind == "drawn" else live)(int(number))
    return aimed()[name]


def names() -> list[str]:
    """The names of the aimed histories."""
    return list(aimed())


@cache
def aimed() -> dict[str, list[Step]]:
    """All of them; each kind takes its turn, so that the first few are of every kind."""
    kinds = (
        [(f"{kind}-{number}", [*OPENING, *moves]) for number, moves in enumerate(histories)]
        for kind, histories in KINDS.items()
    )
    found = {f"found-{number}": steps for number, steps in enumerate(FOUND)}
    in_turn = (each for turn in zip_longest(*kinds) for each in turn if each is not None)
    return dict(in_turn) | found


# --- the kinds

EDITS: list[Step] = [edit(side, PAIRED, "title", 0)[0] for side in SIDES]
BIRTHS: list[Step] = [("book", 0, FREE, 0, 0), ("create", 0, FREE, 0, 0)]


def _crashes() -> Iterator[list[Step]]:
    for step, at in product((*BIRTHS, *EDITS), MOMENTS):
        yield edit_and_crash(step, -1, at)
    for at, (side, rule) in product(MOMENTS, RULES_OF_REMOVAL[:4]):
        yield [("rule", rule), *edit_and_crash(("remove", side, PAIRED), -1, at)]
    for at, (side, rule) in product((1, 0), RULES_OF_REMOVAL[:4]):
        yield restore_and_crash(side, rule, at)
    for side, at in product(SIDES, MOMENTS):
        yield removal_and_crash(side, 0, at)
    for kill, at in product((-3, -4, -1), (1, 2)):
        yield refused_and_crash(kill, at)
    for rule, at in product((0, 1, 2), MOMENTS):
        yield clash_and_crash(0, ("title", 0), rule, at)


def _newborns() -> Iterator[list[Step]]:
    for side, at in product(SIDES, MOMENTS):
        yield newborn(side, FREE, "title", 1, at)
    for side in SIDES:
        yield newborn(side, FREE, "time", 5, CUT_OFF)
    for kill, (group, choice) in product((-3, -2, -1), (("status", 1), ("time", 4))):
        yield half_born(FREE, kill, group, choice)


def _coincidences() -> Iterator[list[Step]]:
    for status, at in product((0, 1), MOMENTS):
        yield coincidence(FREE, status, at)
    for at in MOMENTS:
        yield twins(FREE, at)
    for side, at in product(SIDES, MOMENTS):
        yield unpaired(FREE, side, 1, at)
    for side in SIDES:
        yield move_house(0, FREE, side)
    for owner in (0, 1):
        yield same_again(FREE, owner)


def _removals() -> Iterator[list[Step]]:
    for status, synced, (side, rule) in product((3, 0, 2), BOOLEANS, RULES_OF_REMOVAL):
        back = leave_and_return(side, 0, status, synced=synced, edited=status > 0)
        yield [("rule", rule), *back]
    for side in SIDES:
        yield cancel_and_remove(side, 0)
    for side, slot in product(SIDES, (1, FREE)):
        yield edit_and_remove(side, slot)


def _plain() -> Iterator[list[Step]]:
    groups = (("time", 5), ("time", 2), ("description", 0))
    for side, (group, choice) in product(SIDES, groups):
        yield [edit(side, PAIRED, group, choice)[0], ("sync", "polled")]
    for each in GROUPS:
        yield both_edit(0, (str(each), 0), (str(each), 1))
    yield there_and_back(0)
    yield long_absence(0)
    yield [("merge_records", 0, 0), ("sync", "polled")]
    yield [("robots", 0)]


def _half_read() -> Iterator[list[Step]]:
    steps = (*BIRTHS, *EDITS, edit("ghl", PAIRED, "owner", 0)[0])
    for part, nth in product(range(len(PARTS)), (1, 2)):
        yield twins_half_read(FREE, part, nth)
    for part, step in product(range(len(PARTS)), steps):
        yield half_read(step, part, 1)
    # Two people may have these, of whom a part of the account tells.
    team: list[Step] = [("book", 1, FREE, 0), ("sync", "polled")]
    for part in range(len(PARTS)):
        yield [*team, *half_read(edit("ghl", PAIRED + 2, "owner", 0)[0], part, 1)]
    for part, step in product(range(len(PARTS)), (BIRTHS[1], EDITS[1])):
        blind: Step = ("sync_blind", "polled", part, 1)
        yield [step, blind, ("wait", 30), blind, ("wait", 1), ("sync", "polled")]


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
    apart: list[Step] = [("book_series", 0, FREE, 0, 4), ("sync", "polled")]
    gone, unknown = ("remove", "ghl", PAIRED + 3), ("sync_blind", "full", len(PARTS) - 1, 1)
    for number in (2, 3, 4):
        gone = ("remove", "ghl", PAIRED + number)
        yield [*apart, gone, ("days_pass", 33), unknown, ("sync", "full")]
        yield [*apart, ("days_pass", 33), gone, unknown, ("sync", "full")]


def _guarded() -> Iterator[list[Step]]:
    """A guard that lets nothing pass, or one removal a day; and the day after."""
    remove: list[Step] = [("remove", "ghl", 0), ("sync", "full"), ("remove", "ghl", 0)]
    for rule in (10, 14):
        yield [("rule", rule), *remove, ("sync", "full"), ("wait", 90), ("sync", "polled")]
        forget: Step = ("forget",)
        yield [("rule", rule), *remove[:2], forget, remove[2], ("sync", "full")]
    for born in (("book", 0, FREE, 0), ("book", 1, FREE, 0), ("create", 1, FREE, 0, 0)):
        yield [("rule", 22), born, ("sync", "full"), ("sync", "polled")]
    yield [("rule", 15), edit("ghl", 0, "title", 0)[0], ("sync", "full"), ("sync", "polled")]


def _overtaken() -> Iterator[list[Step]]:
    """The first holder has written one, or none, of what it was to write to a side or both."""
    bookings: list[Step] = [("create", each, FREE, each, 0) for each in range(3)]
    mirrors: list[Step] = [("book", each, FREE, each) for each in range(2)]
    moves: list[Step] = [edit("hubspot", PAIRED + each, "time", 5)[0] for each in range(2)]
    removals: list[Step] = [("rule", 5), *(("remove", "hubspot", each) for each in (0, 0))]
    for after in range(3):
        for steps in (bookings, mirrors, moves, removals, EDITS):
            yield overtaken(steps, "polled", after)


def _rewritten() -> Iterator[list[Step]]:
    """What a vendor makes of a text comes back as nobody's edit; a person's edit does."""
    for habit, side, more in product(range(len(HABITS)), SIDES, (0, 1)):
        which, group = (habit + more) % len(NOTES), ("description", "title")[more]
        typed: Step = ("note", side, PAIRED, group, which)
        yield rewritten(habit, [typed])
    for habit, side in product(range(len(HABITS)), SIDES):
        typed = ("note", side, PAIRED, "title", habit % len(NOTES))
        other = edit(_other(side), PAIRED, "title", 1)[0]
        yield [*rewritten(habit, [typed]), other, ("sync", "polled"), ("sync", "full")]
        if habit % 2:
            yield [*rewritten(habit, [typed]), ("lose_store",), ("sync", "full"), ("sync", "full")]
        else:
            yield rewritten(habit, [typed, ("sync", "polled", (), -1, 1), ("sync", "polled")])
        born: Step = ("book", 0, FREE, 0) if side == "ghl" else ("create", 0, FREE, 0, 0)
        yield rewritten(habit, [born, ("note", side, -1, "description", habit % len(NOTES))])
    for seconds in (20, 50):
        yield rewritten(10, [("uneven", PAIRED, seconds)])


def _other(side: str) -> str:
    return SIDES[side == SIDES[0]]


def _in_line() -> Iterator[list[Step]]:
    """A first sync, or a long cycle, in which people go on; what they do counts at once."""
    acts: list[Step] = [
        ("edit", "hubspot", -1, "title", 1),
        ("edit", "hubspot", -1, "time", 4),
        ("edit", "hubspot", -2, "title", 1),
        ("swap_contact", "hubspot", -1, 1),
        ("remove", "hubspot", -1),
        ("give", "hubspot", -1, "status", 3),
        ("book", 0, FREE, 0, 1),
        ("book", 1, FREE, 1, 1),
        ("create", 0, FREE, 0, 0),
        ("edit", "ghl", -1, "title", 1),
        ("remove", "ghl", -1),
    ]
    waits: list[Step] = [("create", each, FREE, each, 0) for each in range(2)]
    first: list[Step] = [("lose_store",), *waits]
    mirrored: list[Step] = [("book", each, FREE, each) for each in range(2)]
    for steps, act in product((waits, first, mirrored), acts):
        yield in_line([("rule", 17), *steps], 1, act)
    for act in acts:
        yield in_line(waits, 0, act)
    # Nobody looks again in time: what was made meanwhile is seen right before it is sent.
    for act, steps in product(acts[6:9], (waits, first, mirrored)):
        late: list[Step] = [("dawdle", 40), *steps, ("meanwhile", "full", 0, *act)]
        yield [("rule", 17), *late, ("sync", "polled"), ("sync", "full")]


def _merged() -> Iterator[list[Step]]:
    """The old id of a merged record tells nothing of the survivor."""
    merge: list[Step] = [("habits", 11), ("merge_records", 0, 0), ("sync", "polled")]
    yield merge
    yield [*merge[:2], ("sync", "full"), edit("ghl", 0, "title", 0)[0], ("sync", "polled")]
    yield [merge[0], ("create", 2, FREE, 0, 0), *merge[1:]]


def _late_bin() -> Iterator[list[Step]]:
    """The list of archived records still shows one that was restored."""
    for rule, kind, both in product((0, 7, 5), ("full", "polled"), (1, 0)):
        gone: list[Step] = [("rule", rule), ("remove", "hubspot", PAIRED)]
        yield [*gone, ("bring_back_unnoticed", PAIRED, both), ("sync", kind), ("sync", "full")]


def _returns() -> Iterator[list[Step]]:
    """A record that an edit is to make anew comes back before it is made."""
    for side, across in (("ghl", "hubspot"), ("hubspot", "ghl")):
        made_anew: list[Step] = [("edit", across, PAIRED, "title", 0), ("remove", side, PAIRED)]
        yield [*made_anew, ("meanwhile", "polled", 0, "bring_back", side, PAIRED), ("sync", "full")]


def _cut_short() -> Iterator[list[Step]]:
    """Something waits, and a cycle ends before it has judged everything."""
    clash: list[Step] = [("rule", 3), *both_edit(1, ("title", 0), ("title", 1)), ("sync", "polled")]
    refused = next(n for n, each in enumerate(FAULTS) if each.get("status") == 401)
    for nth in range(4, 16):
        yield [*clash, ("sync", "polled", ((refused, nth, 0),))]
        yield [
            *clash,
            edit("hubspot", PAIRED, "title", 1)[0],
            ("sync", "full", ((refused, nth, 0),)),
        ]


def _people() -> Iterator[list[Step]]:
    """Contacts that are entered twice, share a number, change, or are several on a record."""
    visits: list[list[Step]] = [
        [("book", 0, FREE, 0)],
        [("create", 0, FREE, 0, 0)],
        [("book", 0, FREE, 0), ("create", 0, FREE, 0, 0)],
    ]
    yield [("mislabel", 1, FREE), ("sync", "polled"), ("book", 0, 1, 1), ("sync", "polled")]
    acts: list[Step] = [
        ("double_contact", 0),
        ("share_phone", 0, 1),
        ("share_phone", 1, 0),
        ("change_address", 0),
        ("gain_contact", PAIRED, 1),
        ("swap_contact", "hubspot", PAIRED, 1),
        ("swap_contact", "ghl", PAIRED, 1),
        ("lose_contact", PAIRED),
    ]
    for act, visit in product(acts, visits):
        yield [act, ("sync", "polled"), *visit, ("sync", "polled"), ("sync", "full")]


def _paused() -> Iterator[list[Step]]:
    for after, step in product((0, 2, 5), (*BIRTHS, *EDITS)):
        yield [step, ("paused", "polled", after), ("sync", "polled")]


def _outdated() -> Iterator[list[Step]]:
    """A person decides, and people go on before it is carried out: it was for other values."""
    clash: list[Step] = [("rule", 3), *both_edit(0, ("title", 0), ("title", 1))]
    times: list[Step] = [("rule", 3), *both_edit(0, ("time", 0), ("time", 1))]
    waits: list[tuple[list[Step], Step]] = [
        *((clash, ("resolve", 0, choice)) for choice in range(2)),
        *((times, ("resolve", 0, choice)) for choice in range(2)),
        *(([each], ("undo", 0)) for each in (*EDITS, edit("hubspot", PAIRED, "time", 5)[0])),
    ]
    poll: Step = ("sync", "polled")
    edits = (("title", 1), ("time", 1), ("time", 4))
    for (steps, verb), side, (group, choice) in product(waits, SIDES, edits):
        yield [*steps, poll, verb, edit(side, PAIRED, group, choice)[0], poll]
    for born in BIRTHS:
        side = "ghl" if born[0] == "book" else "hubspot"
        for act in (("swap_contact", side, -1, 1), edit(side, -1, "time", 4)[0]):
            yield [born, ("approve_plan",), act, poll, poll]
            yield [born, ("approve_plan",), ("sync", "polled", (), -1, 1), act, poll]


def _reopened() -> Iterator[list[Step]]:
    """A cancelled visit comes back when its slot was given to somebody else."""
    for side, word in (("hubspot", 3), ("ghl", 4)):
        yield [
            ("book", 1, FREE, 0),
            ("sync", "polled"),
            ("give", side, PAIRED + 2, "status", word),
            ("sync", "polled"),
            ("take_slot", PAIRED + 2, 0),
            ("sync", "polled"),
            ("give", "hubspot", PAIRED + 2, "status", 0),
            ("sync", "polled"),
        ]


def _notified() -> Iterator[list[Step]]:
    """What a first sync could not write, or does not know of, is told to nobody later."""
    for born, fault in product(BIRTHS, (1, 2, 3, 5, 6, 7, 8)):
        bad: Step = ("sync", "full", ((fault, 1, 0),))
        yield [("rule", 19), ("lose_store",), born, bad, ("sync", "full"), ("sync", "polled")]
    for born in BIRTHS:
        late: list[Step] = [("lose_store",), born, ("sync", "full"), ("sync", "full")]
        yield [("rule", 19), *late, edit("hubspot", PAIRED, "title", 1)[0], ("sync", "polled")]
        yield [("rule", 19), born, ("days_pass", 2), ("sync", "full"), ("sync", "polled")]
        for kill, at in product((-1, -2), (0, 1)):
            crash: Step = ("sync", "full", (), kill, at)
            yield [("rule", 19), ("lose_store",), born, crash, ("sync", "full")]


def _announced() -> Iterator[list[Step]]:
    """What people do is announced, and the targeted cycle is killed, or two meet in one."""
    gone: list[Step] = [("remove", side, PAIRED) for side in SIDES]
    acts = (*BIRTHS, *EDITS, *gone, ("give", "ghl", PAIRED, "status", 4))
    for act, (kill, at) in product(acts, ((0, 0), (-1, 0), (-1, 1), (-2, 1))):
        yield [act, ("announce", 0, 4), ("targeted", (), kill, at), ("targeted",)]
    for side, act in product(SIDES, (*EDITS, *gone)):
        yield [("remove", side, PAIRED), act, ("announce", 0, 3), ("announce", 1, 4), ("targeted",)]
    # A booking is made anew, and its record carries the old id still.
    for kill, lately in product((-2, -3), range(3)):
        anew: list[Step] = [("edit", "hubspot", PAIRED, "description", 0), gone[0]]
        crash: Step = ("sync", "polled", (), kill, 0)
        yield [*anew, crash, ("announce", lately, 4), ("targeted",), ("sync", "full")]
    for side in SIDES:
        back: list[Step] = [
            ("remove", side, PAIRED),
            ("sync", "full"),
            ("bring_back", side, PAIRED),
        ]
        yield [*back, ("announce", 0, 4), ("targeted",)]
        yield [*back, ("announce", 0, 4), ("targeted", (), -1, 1), ("targeted",)]
    for part in (0, 5, 8, 10):
        fault = FAULTS.index(PARTS[part])
        for act in acts:
            yield [act, ("announce", 0, 4), ("targeted", ((fault, 1, 0),)), ("targeted",)]


KINDS: Mapping[str, Iterable[list[Step]]] = {
    "newborn": _newborns(),
    "afterthought": (
        afterthought(side, 0, 0, at, there=there)
        for side, at, there in product(SIDES, MOMENTS, BOOLEANS)
    ),
    "crash": _crashes(),
    "behind": (
        fall_behind(step, fault) for step, fault in product((*EDITS, *BIRTHS), WRITE_FAULTS)
    ),
    "kept_back": (kept_back(step) for step in (*BIRTHS, *EDITS)),
    "coincidence": _coincidences(),
    "removal": _removals(),
    "plain": _plain(),
    "interrupted": (
        interrupted(step, after, act) for after, (step, act) in product((0, 1), _interruptions())
    ),
    "half_read": _half_read(),
    "by_hand": (by_hand(FREE, wait) for wait in (0, 90)),
    "decided": _decisions(),
    "series": _series(),
    "guarded": _guarded(),
    "overtaken": _overtaken(),
    "rewritten": _rewritten(),
    "in_line": _in_line(),
    "merged": _merged(),
    "late_bin": _late_bin(),
    "people": _people(),
    "returns": _returns(),
    "cut_short": _cut_short(),
    "paused": _paused(),
    "outdated": _outdated(),
    "reopened": _reopened(),
    "notified": _notified(),
    "announced": _announced(),
}
"""What they are aimed at, by name; each kind is consumed once."""

FOUND: tuple[list[Step], ...] = (
    # a person called it separate, and the answer to its booking was lost
    [
        ("book", 0, 0, 0),
        ("sync", "full"),
        ("remove", "hubspot", 1),
        ("edit", "ghl", 12, "status", 5),
        ("edit", "hubspot", 12, "status", 3),
        ("sync", "polled"),
        ("resolve", 2, 4),
        ("sync", "polled", (), -2, 2),
    ],
    # a cancellation for a removal, on a store that knows nothing of the removal
    [
        ("edit", "hubspot", 0, "status", 4),
        ("sync", "full", (), -1, 2),
        ("remove", "hubspot", 2),
        ("sync", "polled"),
        ("lose_store",),
    ],
    # an undo that was cut short half way, and a contact that was put beside the other
    [
        ("book", 2, 2, 2),
        ("sync", "polled"),
        ("edit", "ghl", 0, "title", 1),
        ("sync", "polled"),
        ("undo", 1),
        ("sync", "polled", (), -1, 1),
        ("gain_contact", 1, 1),
    ],
    # a booking that is restored after its twin was sent
    [
        ("book", 0, 0, 0),
        ("remove", "ghl", 2),
        ("create", 0, 0, 2, 1),
        ("meanwhile", "polled", 2, "bring_back", "ghl", 2),
    ],
    # a plan that was approved while the change guard kept its write back
    [
        ("sync", "polled"),
        ("rule", 15),
        ("create", 0, 2, 0, 3),
        ("approve_plan",),
        ("sync", "polled", ((27, 1, 0),)),
    ],
    # a booking that is restored beside the one that was made anew with its loser
    [
        ("book", 0, 0, 0),
        ("book", 1, 1, 1),
        ("book", 2, 2, 2),
        ("sync", "full"),
        ("remove", "hubspot", 2),
        ("edit", "ghl", 10, "description", 2),
        ("edit", "hubspot", 10, "description", 5),
        ("sync", "polled"),
        ("edit", "hubspot", 12, "time", 1),
        ("remove", "ghl", 10),
        ("sync", "full"),
        ("bring_back", "ghl", 10),
    ],
    # one that is restored beside another visit at that time, and the answer to its booking lost
    [
        ("book", 0, 0, 0),
        ("book", 1, 1, 1),
        ("meanwhile", "polled", 0, "edit", "hubspot", 2, "address", 2),
        ("sync", "polled"),
        ("edit", "ghl", 0, "time", 1),
        ("remove", "ghl", 2),
        ("sync", "full"),
        ("bring_back", "hubspot", 12),
        ("sync", "polled", (), -1, 2),
    ],
    # a booking that is moved before it had its id, and the store lost
    [
        ("create", 1, 0, 2, 2),
        ("paused", "polled", 5),
        ("lose_store",),
        ("edit", "ghl", 1, "time", 0),
    ],
    # a person leaves a record alone, and the contacts cannot be read in the next cycle
    [
        ("create", 0, 2, 2, 2),
        ("sync", "polled"),
        ("create", 2, 2, 2, 0),
        ("sync", "polled"),
        ("resolve", 2, 1),
        ("sync_blind", "polled", 8, 1),
        ("wait", 1),
    ],
    # a text that went with its record before the answer to the booking was known
    [
        ("edit", "hubspot", 12, "description", 3),
        ("sync", "polled", (), -1, 1),
        ("edit", "hubspot", 2, "description", 0),
        ("remove", "hubspot", 1),
        ("sync", "full", (), 42, 2),
        ("edit", "ghl", 12, "address", 5),
    ],
    # a text that went with its record before the answer to the text before it was known
    [
        ("edit", "hubspot", 10, "description", 4),
        ("sync", "full"),
        ("edit", "hubspot", 12, "description", 3),
        ("sync", "polled", (), -1, 1),
        ("edit", "hubspot", 2, "description", 0),
        ("remove", "hubspot", 1),
        ("edit", "ghl", 12, "address", 5),
    ],
    # a person who edits in the moment of a write
    [
        ("book", 0, 0, 1, 2),
        ("edit", "hubspot", 2, "time", 2),
        ("sync_blind", "polled", 10, 2),
        ("edit", "hubspot", 2, "description", 4),
        ("meanwhile", "polled", 3, "edit", "ghl", 1, "description", 2),
    ],
    # a removed booking is announced whose id the record carries still that has another by now
    [
        ("edit", "ghl", 2, "time", 5),
        ("announce", 0, 2),
        ("targeted", (), 0, 2),
        ("remove", "ghl", 0),
        ("announce", 0, 8),
        ("edit", "hubspot", 0, "description", 4),
        ("sync", "full", (), -3, 0),
        ("targeted", (), -3, 1),
    ],
    # a booking stands where another is reopened
    [
        ("book", 0, 0, 0),
        ("book", 0, 0, 0),
        ("create", 0, 2, 0, 0),
        ("sync", "polled", (), -2, 0),
        ("remove", "ghl", 0),
        ("book", 0, 2, 0, 0),
        ("meanwhile", "polled", 0, "edit", "ghl", 1, "status", 3),
        ("sync", "polled"),
        ("edit", "ghl", 12, "status", 0),
    ],
    # a removal beside one that was made anew, cancelled and removed
    [
        ("book", 0, 0, 0),
        ("sync", "full"),
        ("edit", "hubspot", 0, "address", 0),
        ("remove", "ghl", 0),
        ("sync", "full"),
        ("give", "ghl", 0, "status", 4),
        ("sync", "full"),
        ("bring_back", "ghl", 0),
        ("meanwhile", "polled", 0, "remove", "hubspot", 0),
        ("remove", "ghl", 0),
    ],
    # an undo of a record that was merged away
    [
        ("book", 0, 0, 0),
        ("book", 0, 0, 0),
        ("sync", "full"),
        ("edit", "hubspot", 0, "time", 0),
        ("sync", "full"),
        ("merge_records", 1, 0),
        ("undo", 0),
    ],
    # a booking is restored while it is made anew beside another that was moved there
    [
        ("book", 0, 0, 0),
        ("book", 0, 2, 0, 0),
        ("sync", "full"),
        ("remove", "ghl", 1),
        ("edit", "hubspot", 0, "time", 4),
        ("sync", "polled"),
        ("bring_back", "hubspot", 0),
        ("meanwhile", "polled", 1, "bring_back", "ghl", 0),
    ],
    # an edit that beat a removal, and the store lost before anybody saw either
    [
        ("book", 0, 0, 0),
        ("sync", "full"),
        ("edit", "ghl", 0, "description", 0),
        ("remove", "hubspot", 0),
        ("lose_store",),
    ],
    # a record that was made anew is restored as well, and has another text
    [
        ("book", 0, 0, 0),
        ("sync", "full"),
        ("remove", "hubspot", 0),
        ("edit", "ghl", 0, "address", 0),
        ("sync", "full"),
        ("remove", "ghl", 0),
        ("sync", "polled"),
        ("bring_back", "hubspot", 10),
        ("sync", "full"),
        ("bring_back", "hubspot", 0),
    ],
    # a visit that was over is cancelled by hand, and its record is archived right after
    [
        ("book", 0, 0, 0, 2),
        ("sync", "polled"),
        ("edit", "hubspot", 0, "status", 2),
        ("meanwhile", "polled", 1, "remove", "hubspot", 0),
    ],
    # a person gives the value that an undo is about to put back
    [
        ("book", 0, 0, 0, 2),
        ("sync", "full"),
        ("edit", "ghl", 0, "status", 0),
        ("sync", "polled"),
        ("undo", 0),
        ("edit", "hubspot", 0, "status", 0),
    ],
    # a person leaves a pair alone that two automations fight for, and a cycle fails
    [
        ("book", 0, 0, 0),
        ("sync", "polled"),
        ("robots", 0),
        ("resolve", 0, 0),
        ("sync_blind", "polled", 0, 2),
    ],
    # a restored record beside the one that was made anew, out of the window
    [
        ("book", 0, 0, 0),
        ("book", 0, 1, 0),
        ("sync", "full"),
        ("edit", "ghl", 1, "time", 4),
        ("remove", "hubspot", 11),
        ("sync", "full"),
        ("bring_back", "hubspot", 0),
        ("edit", "hubspot", 1, "status", 0),
        ("days_pass", 33),
    ],
    # a customer is told of a visit that a person made, and the process ends before its answer
    [
        ("rule", 19),
        ("lose_contact", 0),
        ("meanwhile", "polled", 0, "remove", "hubspot", 0),
        ("remove", "hubspot", 0),
        ("create", 0, 0, 0, 0),
        ("sync", "full", (), -4, 0),
    ],
)
"""Drawn histories on which syncd or a check was wrong, each shrunk to what it needs; no opening."""
