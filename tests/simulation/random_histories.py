"""Histories that are drawn evenly by a seed, as lists of steps.

Hypothesis likes variations of one idea, and shrinks what it finds; these walk
as widely as they can in a short time. `test_simulation` and `tests/mutations`
play them, `replay` plays one again. Some moves are several steps, because what
they lead to takes more luck than any short history has.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from simulation import FAULTS, PARTS, RULES, WRITES, Step
from world_state import HABITS, PAIRED

from syncd.core.model import Group

LENGTH = 14
GROUPS = (Group.TITLE, Group.TIME, Group.STATUS, Group.DESCRIPTION, Group.ADDRESS)
SIDES = ("ghl", "hubspot")
WRITE_FAULTS = [number for number, fault in enumerate(FAULTS) if fault.get("path") == WRITES]


def drawn(seed: int, length: int = LENGTH) -> list[Step]:
    """A history: a small beginning, and so many moves."""
    chance = Random(seed)
    steps: list[Step] = [("book", each, each, each) for each in range(chance.randrange(1, 4))]
    steps += [("create", each, each + 1, each) for each in range(chance.randrange(3))]
    if chance.random() < 0.2:
        steps.append(("habits", chance.randrange(len(HABITS))))
    if chance.random() < 0.8:
        steps.append(("sync", "full"))
    for _ in range(length):
        move = chance.choices(MOVES, WEIGHTS)[0]
        steps += move(chance)
    return steps


DECISIONS = frozenset({"resolve", "undo", "retry", "kick", "approve_plan"})


def live(seed: int) -> list[Step]:
    """The same with announcements: late, doubled, out of order, of unknown records, or lost.

    What a crash leaves of a person's decision, or of a store that is lost
    afterwards, nobody can tell from what a person did.
    """
    chance = Random(seed)
    steps: list[Step] = []
    history = drawn(seed)
    decided = lost = ("lose_store",) in history
    for step in history:
        if step[:2] == ("sync", "polled") and chance.random() < 0.5:
            step = ("targeted", *step[2:])  # noqa: PLW2901 - a poll that came too late
        steps.append(step)
        decided = lost or step[0] in DECISIONS or (decided and step[0] not in {"sync", "targeted"})
        if step[0] in {"sync", "targeted"}:
            continue
        steps += [
            ("announce", chance.choice((0, 0, 0, 1, 2, 5)), chance.randrange(12))
            for _ in range(chance.choice((0, 1, 1, 2)))
        ]
        if chance.random() < 0.4:
            kill = chance.choice((0, 0, 0, chance.randrange(1, 30), -chance.randrange(1, 4)))
            trouble = (chance.randrange(len(FAULTS)), chance.randrange(1, 6), chance.choice((1, 0)))
            faults = (trouble,) if chance.random() < 0.2 else ()
            steps.append(("targeted", faults, 0 if decided else kill, chance.randrange(3)))
    return steps


# --- moves of people


def edit(side: str, number: int, group: str, choice: int) -> list[Step]:
    """A person edits a field."""
    return [("edit", side, number, group, choice)]


def both_edit(number: int, one: tuple[str, int], other: tuple[str, int]) -> list[Step]:
    """People edit one appointment on both sides before anything is synced."""
    number += PAIRED
    return [("edit", "ghl", number, *one), ("edit", "hubspot", number, *other)]


def leave_and_return(
    side: str, number: int, status: int, *, synced: bool, edited: bool = True
) -> list[Step]:
    """A record goes, somebody changes the one across, and it comes back."""
    across, number = _across(side), number + PAIRED
    steps: list[Step] = [("remove", side, number), ("sync", "full")]
    if edited:
        steps.append(("edit", across, number, "status", status))
    if synced:
        steps.append(("sync", "full"))
    return [*steps, ("bring_back", side, number)]


def cancel_and_remove(side: str, number: int) -> list[Step]:
    """Cancelled on one side and removed on the other: that says the same."""
    across, number = _across(side), number + PAIRED
    word = 4 if across == "ghl" else 3
    return [("give", across, number, "status", word), ("remove", side, number)]


def edit_and_remove(side: str, slot: int) -> list[Step]:
    """A booking is removed on one side and edited on the other: it is made anew."""
    edited: Step = ("edit", _across(side), PAIRED + 2, "title", 0)
    removed: Step = ("remove", side, PAIRED + 2)
    return [("book", 0, slot, 0), ("sync", "polled"), edited, removed, ("sync", "polled")]


def edit_and_crash(step: Step, kill: int, moment: int) -> list[Step]:
    """Most crashes that matter happen while something is written."""
    return [step, ("sync", "polled", (), kill, moment)]


def refused_and_crash(kill: int, moment: int) -> list[Step]:
    """A move onto a taken slot is refused while the rest of the edit goes on, and a crash."""
    return [
        ("book", 0, 1, 0),
        ("book", 1, 0, 1),
        ("sync", "polled"),
        ("edit", "hubspot", PAIRED + 2, "time", 0),
        ("edit", "hubspot", PAIRED + 2, "title", 0),
        ("sync", "polled", (), kill, moment),
        ("sync", "polled"),
    ]


def coincidence(slot: int, status: int, moment: int) -> list[Step]:
    """What syncd was about to book, a person books as well, and somebody adds a note to one."""
    return [
        ("create", 0, slot, 0, 0),
        ("edit", "hubspot", -1, "description", 0),
        ("sync", "polled", (), -1, moment),
        ("book", 0, slot, 0, status),
        ("sync", "polled"),
    ]


def twins(slot: int, moment: int) -> list[Step]:
    """A cancelled appointment and a living one of the same contact and time, and a crash."""
    return [
        ("create", 0, slot, 0, 3),
        ("sync", "polled"),
        ("create", 0, slot, 0, 0),
        ("sync", "polled", (), -1, moment),
    ]


def move_house(who: int, slot: int, side: str) -> list[Step]:
    """A contact gets other addresses, and books again."""
    name = "book" if side == "ghl" else "create"
    return [("change_address", who), (name, who, slot, 1, 2)]


def fall_behind(step: Step, fault: int) -> list[Step]:
    """A write fails, and only polls follow: they owe it all the same.

    It fails for longer than a poll reaches back, so that no search tells of it any more.
    """
    fails: Step = ("sync", "polled", ((fault, 1, 0),))
    return [step, fails, ("wait", 30), fails, ("wait", 1), ("sync", "polled")]


def afterthought(side: str, number: int, choice: int, moment: int, *, there: bool) -> list[Step]:
    """A person changes a field again, here or there, whose last write has no answer.

    The rule prefers the other side: who takes our write for an edit, loses this one.
    """
    number, again = number + PAIRED, _across(side) if there else side
    return [
        ("rule", 2 if again == "ghl" else 1),
        ("edit", side, number, "title", choice),
        ("edit", side, number, "description", choice),
        ("sync", "polled", (), -1, moment),
        ("edit", again, number, "title", choice + 1),
        ("sync", "polled"),
        ("rule", 0),
    ]


def newborn(side: str, slot: int, group: str, choice: int, moment: int) -> list[Step]:
    """What we made across, nobody knows whether, is edited before the next cycle."""
    name = "book" if side == "ghl" else "create"
    return [
        ("sync", "polled"),
        (name, 0, slot, 0, 0),
        ("sync", "polled", (), -1, moment),
        ("edit", _across(side), -1, group, choice),
        ("sync", "polled"),
    ]


def unpaired(slot: int, side: str, choice: int, moment: int) -> list[Step]:
    """Two people enter one appointment, each on a side; a crash, and one changes it again."""
    return [
        ("sync", "polled"),
        ("book", 0, slot, 0),
        ("create", 0, slot, 1),
        ("sync", "polled", (), -1, moment),
        ("edit", side, -1, "title", choice),
        ("sync", "polled"),
    ]


def half_born(slot: int, kill: int, group: str, choice: int) -> list[Step]:
    """A record without status and end is booked, a crash, and somebody fills it in."""
    return [
        ("sync", "polled"),
        ("create", 0, slot, 0, 5),
        ("sync", "polled", (), kill, 0),
        ("edit", "hubspot", -1, group, choice),
        ("sync", "polled"),
    ]


def removal_and_crash(side: str, number: int, moment: int) -> list[Step]:
    """The answer to a removal that was carried across is lost, and the record comes back."""
    number += PAIRED
    return [
        ("remove", side, number),
        ("sync", "polled", (), -1, moment),
        ("sync", "full"),
        ("bring_back", side, number),
        ("sync", "full"),
    ]


def restore_and_crash(side: str, rule: int, moment: int) -> list[Step]:
    """What we removed is on its way back when its removal is meant after all."""
    number = PAIRED
    return [
        ("rule", rule),
        ("remove", side, number),
        ("sync", "full"),
        ("bring_back", side, number),
        ("sync", "polled", (), -1, moment),
        ("remove", side, number),
        ("sync", "full"),
    ]


def clash_and_crash(number: int, value: tuple[str, int], rule: int, moment: int) -> list[Step]:
    """The answer to a write that decides a conflict is lost; the later edit need not win."""
    other = (value[0], value[1] + 1)
    return [
        ("rule", rule),
        *both_edit(number, value, other),
        ("sync", "polled", (), -1, moment),
    ]


def there_and_back(number: int) -> list[Step]:
    """Edits on both sides cross in one cycle, and then people take them back."""
    number += PAIRED
    fields = (("ghl", "title"), ("hubspot", "description"))
    steps: list[Step] = []
    for choice in (0, 1):
        steps += [("edit", side, number, group, choice) for side, group in fields]
        steps.append(("sync", "polled"))
    steps += [("give", side, number, group, 1) for side, group in fields]
    return [*steps, ("sync", "polled")]


def same_again(slot: int, owner: int) -> list[Step]:
    """A person makes in HubSpot what stands in HighLevel, with that owner."""
    return [
        ("book", 0, slot, 0, 0),
        ("create", 0, slot, 0, 0),
        ("edit", "hubspot", -1, "owner", owner),
        ("sync", "polled"),
    ]


def kept_back(step: Step) -> list[Step]:
    """The change guard keeps something back for longer than a poll reaches back."""
    poll: Step = ("sync", "polled")
    return [("rule", 15), step, poll, ("wait", 30), poll, ("rule", 16), ("wait", 1), poll]


def long_absence(number: int) -> list[Step]:
    """The store is lost when an appointment lies in the past, which then is moved to come."""
    return [
        ("days_pass", 33),
        ("lose_store",),
        ("sync", "full"),
        ("edit", "ghl", number, "time", 0),
        ("sync", "polled"),
    ]


def interrupted(step: Step, after: int, act: Step) -> list[Step]:
    """Something is to be written, and a person acts after that was decided."""
    return [step, ("meanwhile", "polled", after, *act), ("sync", "polled")]


def decided(steps: list[Step], verb: Step, kill: int, moment: int) -> list[Step]:
    """Something waits, a person decides, and the cycle that carries it out is killed."""
    return [*steps, ("sync", "polled"), verb, ("sync", "polled", (), kill, moment)]


def decided_in_vain(steps: list[Step], verb: Step, fault: int) -> list[Step]:
    """Something waits, a person decides, and the vendors are away when it is carried out."""
    return [*steps, ("sync", "polled"), verb, ("sync", "polled", ((fault, 1, 0),))]


def overtaken(steps: list[Step], kind: str, after: int) -> list[Step]:
    """A holder sleeps in the middle of its writing, and another syncs meanwhile."""
    return [*steps, ("overtaken", kind, after), ("sync", "polled")]


def rewritten(habit: int, steps: list[Step]) -> list[Step]:
    """A vendor makes something else of what it is sent, and several cycles look at that."""
    polls: list[Step] = [("sync", "polled"), ("wait", 1), ("sync", "full"), ("wait", 1)]
    return [("habits", habit), *steps, *polls, ("sync", "polled")]


def in_line(steps: list[Step], after: int, act: Step) -> list[Step]:
    """Much is to be written, a person acts on what waits in line, and the cycle looks again."""
    return [("look_again", 5), *steps, ("meanwhile", "full", after, *act), ("sync", "polled")]


def half_read(step: Step, part: int, nth: int) -> list[Step]:
    """A part of the reading fails when it matters, and comes the next time."""
    return [step, ("sync_blind", "polled", part, nth), ("wait", 1), ("sync", "polled")]


def twins_half_read(slot: int, part: int, nth: int) -> list[Step]:
    """Two people enter one appointment, each on a side, and a part cannot be read."""
    births: list[Step] = [("book", 0, slot, 0, 1), ("create", 0, slot, 0, 0)]
    return [*births, ("sync_blind", "full", part, nth), ("sync", "full")]


def by_hand(slot: int, calendar: int) -> list[Step]:
    """A HubSpot record waits for its contact; somebody books that visit by hand meanwhile."""
    return [
        ("create", 0, slot, 0, 0),
        ("lose_contact", -1),
        ("sync", "polled"),
        ("sync", "polled"),
        ("gain_contact", -1, 0),
        ("wait", calendar),
        ("book", 0, slot, 0, 1),
        ("sync", "polled"),
    ]


def _across(side: str) -> str:
    return "hubspot" if side == "ghl" else "ghl"


# --- and how they are drawn


def _edit(chance: Random) -> list[Step]:
    return edit(chance.choice(SIDES), chance.randrange(3), *_value(chance))


def _value(chance: Random) -> tuple[str, int]:
    return (str(chance.choice(GROUPS)), chance.randrange(6))


def _both_edit(chance: Random) -> list[Step]:
    one, other = _value(chance), _value(chance)
    if chance.random() < 0.5:
        other = (one[0], other[1])
    return [*both_edit(chance.randrange(3), one, other), *_sync(chance)]


def _arrive(chance: Random) -> list[Step]:
    name = chance.choice(("book", "create"))
    return [(name, *(chance.randrange(3) for _ in range(3)), chance.randrange(6))]


def _remove(chance: Random) -> list[Step]:
    return [("remove", chance.choice(SIDES), chance.randrange(3))]


def _bring_back(chance: Random) -> list[Step]:
    return [("bring_back", chance.choice(SIDES), chance.randrange(3))]


def _leave_and_return(chance: Random) -> list[Step]:
    return leave_and_return(
        chance.choice(SIDES),
        chance.randrange(3),
        chance.randrange(6),
        synced=chance.random() < 0.5,
        edited=chance.random() < 0.6,
    )


def _cancel_and_remove(chance: Random) -> list[Step]:
    return cancel_and_remove(chance.choice(SIDES), chance.randrange(3))


# --- circumstances, and syncd


def _circumstance(chance: Random) -> list[Step]:
    three, two = chance.randrange(3), chance.randrange(2)
    among: tuple[Step, ...] = (
        ("edit", chance.choice(SIDES), three, "owner", chance.randrange(4)),
        ("move_calendar", three, two),
        ("switch_calendar", two),
        ("merge_records", three, chance.randrange(3)),
        ("lose_contact", three),
        ("gain_contact", three, two),
        ("swap_contact", chance.choice(SIDES), three, two),
        ("share_phone", two, 1 - two),
        ("book_series", two, three, two),
        ("double_contact", two),
        ("bring_back_unnoticed", three, two),
        ("note", chance.choice(SIDES), three, "description", chance.randrange(3)),
        ("look_again", chance.choice((0, 5, 30))),
        ("wait", chance.choice((1, 30, 90))),
        ("days_pass", chance.choice((1, 2, 33))),
        ("scope", three, two),
        ("lose_store",),
    )
    return [chance.choice(among)]


def _rule(chance: Random) -> list[Step]:
    return [("rule", chance.randrange(len(RULES)))]


def _sync(chance: Random) -> list[Step]:
    return [("sync", chance.choice(("full", "polled")))]


def _sync_badly(chance: Random) -> list[Step]:
    trouble = (chance.randrange(len(FAULTS)), chance.randrange(1, 10), chance.choice((1, 2, 0)))
    return [("sync", chance.choice(("full", "polled")), (trouble,))]


def _crash(chance: Random) -> list[Step]:
    steps = chance.choice((_edit, _arrive, _remove))(chance)
    kill = chance.randrange(1, 61) if chance.random() < 0.3 else -chance.randrange(1, 5)
    return [*steps, ("sync", chance.choice(("full", "polled")), (), kill, chance.randrange(3))]


def _interrupted(chance: Random) -> list[Step]:
    step = chance.choice((_edit, _arrive, _remove, _bring_back))(chance)[0]
    act = chance.choice((_edit, _arrive, _remove, _bring_back, _circumstance))(chance)[0]
    return interrupted(step, chance.randrange(4), act)


def _decided(chance: Random) -> list[Step]:
    number, choice = chance.randrange(3), chance.randrange(6)
    verb: Step = chance.choice(
        (
            ("resolve", number, choice),
            ("resolve", number, choice),
            ("undo", number),
            ("retry", number),
            ("kick", choice % 2),
            ("approve_plan",),
        )
    )
    steps = chance.choice((_edit, _arrive, _both_edit, _remove))(chance)
    if chance.random() < 0.4:
        return decided_in_vain(steps, verb, chance.randrange(len(FAULTS)))
    return decided(steps, verb, -chance.randrange(4), chance.randrange(3))


def _half_read(chance: Random) -> list[Step]:
    part, nth = chance.randrange(len(PARTS)), chance.randrange(1, 4)
    if chance.random() < 0.5:
        return twins_half_read(chance.randrange(3), part, nth)
    return half_read(chance.choice((_edit, _arrive, _remove))(chance)[0], part, nth)


def _overtaken(chance: Random) -> list[Step]:
    steps = [chance.choice((_edit, _arrive, _remove))(chance)[0] for _ in range(3)]
    if chance.random() < 0.3:
        return [*steps, ("paused", "polled", chance.randrange(6))]
    return overtaken(steps, chance.choice(("full", "polled")), chance.randrange(3))


def _rarity(chance: Random) -> list[Step]:
    slot, other, moment = (chance.randrange(3) for _ in range(3))
    step = chance.choice((_edit, _arrive))(chance)[0]
    among = (
        coincidence(2 * (slot % 2), chance.randrange(4), moment),
        twins(slot, moment),
        move_house(0, slot, chance.choice(SIDES)),
        long_absence(slot),
        [("merge_records", slot, other), *_sync(chance)],
        [("robots", slot)],
        fall_behind(step, chance.choice(WRITE_FAULTS)),
        afterthought(chance.choice(SIDES), slot, other, moment, there=chance.random() < 0.5),
        clash_and_crash(slot, _value(chance), 0, moment),
        newborn(chance.choice(SIDES), slot, *_value(chance), moment),
        removal_and_crash(chance.choice(SIDES), slot, moment),
        unpaired(slot, chance.choice(SIDES), other, moment),
        by_hand(slot, other),
        half_born(slot, -chance.randrange(1, 4), chance.choice(("status", "time")), other),
    )
    return chance.choice(among)


Move = Callable[[Random], list[Step]]

WEIGHED: tuple[tuple[Move, int], ...] = (
    (_edit, 4),
    (_both_edit, 5),
    (_arrive, 3),
    (_remove, 2),
    (_bring_back, 2),
    (_leave_and_return, 1),
    (_cancel_and_remove, 1),
    (_circumstance, 3),
    (_rule, 2),
    (_sync, 5),
    (_sync_badly, 3),
    (_crash, 4),
    (_rarity, 4),
    (_interrupted, 3),
    (_half_read, 2),
    (_decided, 3),
    (_overtaken, 2),
)
MOVES = [move for move, _ in WEIGHED]
WEIGHTS = [weight for _, weight in WEIGHED]
