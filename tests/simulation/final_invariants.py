"""What must be true after any history, once the faults have ended.

`judge` lets the village settle in a few cycles and then checks the promises
of `docs/promises.md`, one function each; what is broken comes out as a
sentence. It knows values, records and the list of what is held, and nothing
of how the engine decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from edit_log import Edit, Key
from simulation import Simulation
from world_state import FIELDS, is_instance

from syncd.core import essence
from syncd.core.essence import Value
from syncd.core.model import Group, Hold, Pair, Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Limit, OnRemoval
from syncd.engine.link import Rules
from syncd.engine.report import CycleReport
from syncd.ports.store import Decision
from syncd.store.link_store import SqlLinkStore

CYCLES = 4
"""So many cycles without a fault bring everything to rest."""

GROUPS = (*FIELDS, Group.TIME)
REQUESTS = 80
"""A full cycle of this small town never needs more; see also `PER_RECORD`."""
PER_RECORD = 12


class Broken(AssertionError):  # noqa: N818 - reads as a sentence in a failing test
    """A promise was not kept."""


@dataclass(frozen=True, slots=True)
class End:
    """The village at rest."""

    simulation: Simulation
    report: CycleReport
    pairs: tuple[Pair, ...]

    def held(self, key: Key, group: str = "") -> list[Hold]:
        """What is held of a record, whole or in this group."""
        side, record = key
        if key in self.simulation.edit_log.ignored:
            return [Hold(reason="ignored", detail="a person wants it left alone")]
        return [
            hold
            for hold in self.report.held
            if (hold.ghl_id if side is Side.GHL else hold.hubspot_id) == record
            and (not group or hold.group in {"", group})
        ]


def judge(simulation: Simulation) -> None:
    """Bring the village to rest, and check every promise."""
    end = settle(simulation)
    for check in (
        quiet,
        at_rest,
        agree_field_by_field,
        nothing_left_alone,
        every_pair_is_marked,
        every_end_is_there,
        what_is_shown_can_be_read,
        a_merged_record_keeps_its_pair,
        nobody_is_two_people,
        no_lost_edit,
        only_people_contradict,
        no_duplicate,
        no_removal_by_itself,
        no_resurrection,
        a_removal_is_carried_across,
        an_edit_beats_a_removal,
        what_was_edited_last_lives,
        a_restored_record_is_as_it_was,
        nothing_is_left_undecided,
    ):
        check(end)


def settle(simulation: Simulation) -> End:
    """Everything in scope again, no more faults, and a few full cycles."""
    simulation.harness.world.faults.clear()
    simulation.harness.rules = _wide(simulation)
    for calendar in simulation.calendars:
        simulation.harness.ghl.deactivate_calendar(calendar, active=True)
    for _ in range(CYCLES):
        before = simulation.all_pairs()
        report = simulation.cycle(full=True)
        assert report is not None
        calm = not report.written and not report.failed and report.outcome is Outcome.OK
        # What was refused is tried again when its pause is over.
        calm = calm and "rejected" not in {hold.reason for hold in report.held}
        # What comes to terms with a removal lets go of a record that waited beside it.
        if calm and simulation.all_pairs() == before:
            break
        simulation.clock.advance(timedelta(hours=2))
    simulation.clock.advance(timedelta(minutes=5))
    report = simulation.cycle(full=True)
    assert report is not None
    return End(simulation=simulation, report=report, pairs=tuple(simulation.harness.pairs()))


def _wide(simulation: Simulation) -> Rules:
    template = replace(
        simulation.harness.rules.template,
        removal_guard=Limit(percent=20, at_least=5),
        change_guard=Limit(percent=50, at_least=200),
    )
    return replace(
        simulation.harness.rules, template=template, calendars=frozenset(), past=timedelta(days=30)
    )


# --- the promises


def quiet(end: End) -> None:
    """A cycle after everything was said writes nothing and asks for little (promise 8).

    A held write may be tried again, and refused again.
    """
    world = end.simulation.harness.world
    sent = (*world.writes("ghl"), *world.writes("hubspot"))
    written = [f"{row.method} {row.path}" for row in sent if row.status in (None, *range(400))]
    refused = len(sent) - len(written)
    if written or end.report.written or refused > len(end.report.held):
        raise Broken(f"it is not quiet: {written} {end.report.written} {refused} refused")
    if end.report.outcome not in {Outcome.OK, Outcome.GUARD}:
        raise Broken(f"it does not come to rest: {end.report.outcome} {end.report.detail}")
    records = len(end.simulation.ids(Side.GHL)) + len(end.simulation.ids(Side.HUBSPOT))
    if len(world.requests) > REQUESTS + PER_RECORD * records:
        raise Broken(f"{len(world.requests)} requests for {records} records")


def at_rest(end: End) -> None:
    """No write is left without a known outcome (promise 9)."""
    left = _store(end).intents()
    if left:
        raise Broken(f"open intents: {left}")


def agree_field_by_field(end: End) -> None:
    """The two records of a pair say the same, or a hold names what they do not (promise 4)."""
    for pair, ghl, hubspot in living_pairs(end):
        for group in GROUPS:
            now = (end.simulation.value(ghl, group), end.simulation.value(hubspot, group))
            if same(end, group, *now) or end.held(ghl, group) or end.held(hubspot, group):
                continue
            raise Broken(f"{group} of {pair.ghl_id}/{pair.hubspot_id} differs: {now}")


def living_pairs(end: End) -> Iterator[tuple[Pair, Key, Key]]:
    """Pairs in scope whose two records live."""
    for pair in end.pairs:
        ghl, hubspot = (Side.GHL, pair.ghl_id), (Side.HUBSPOT, pair.hubspot_id)
        if not end.simulation.lives(ghl) or not end.simulation.lives(hubspot):
            continue
        if in_window(end, ghl) or in_window(end, hubspot):
            yield pair, ghl, hubspot


def in_window(end: End, key: Key) -> bool:
    """Whether a record's start is in scope."""
    return end.simulation.in_window(key)


def same(end: End, group: str, ghl: Value, hubspot: Value) -> bool:
    """Whether two values stand for the same thing."""
    return end.simulation.agree(group, ghl, hubspot)


def nothing_left_alone(end: End) -> None:
    """A living record has a living counterpart, a settled removal, or a hold (promises 1 and 2)."""
    known = {(side, pair.id_on(side)): pair for pair in end.simulation.all_pairs() for side in Side}
    for side in Side:
        for record in end.simulation.ids(side):
            key = (side, record)
            if not in_window(end, key) or end.held(key):
                continue
            pair = known.get(key)
            if pair is None:
                raise Broken(f"{key} has no counterpart and is not held")
            across = (side.other, pair.id_on(side.other))
            if not end.simulation.lives(across) and pair.removal is None:
                raise Broken(f"{across}, the counterpart of {key}, is gone, and nothing says so")


def every_pair_is_marked(end: End) -> None:
    """Every HubSpot record carries the id of its booking (promise 9)."""
    for pair, ghl, hubspot in living_pairs(end):
        record = end.simulation.harness.hubspot.get(pair.hubspot_id)
        carried = record.properties.get("ghl_appointment_id")
        if carried != pair.ghl_id and not end.held(ghl) and not end.held(hubspot):
            raise Broken(f"{hubspot} carries {carried!r} and not {pair.ghl_id}")


def every_end_is_there(end: End) -> None:
    """A HubSpot record without an end takes that of its booking (promise 4)."""
    for pair, ghl, hubspot in living_pairs(end):
        held = end.held(ghl, Group.TIME) or end.held(hubspot, Group.TIME)
        if end.simulation.value(hubspot, Group.TIME)[1] is None and not held:
            raise Broken(f"{hubspot} has no end, and {pair.ghl_id} has one")


def what_is_shown_can_be_read(end: End) -> None:
    """A record that its vendor shows, removed or not, is never held as unreadable (promise 6)."""
    harness = end.simulation.harness
    ghl = {row.id for row in harness.ghl.appointments}
    hubspot = {record.id for record in (*harness.hubspot.records(), *harness.hubspot.archived())}
    for hold in end.report.held:
        if hold.reason == "unreadable" and hold.ghl_id in ghl and hold.hubspot_id in hubspot:
            raise Broken(f"{hold.ghl_id}/{hold.hubspot_id} can be read: {hold.detail}")


def a_merged_record_keeps_its_pair(end: End) -> None:
    """What lives on after a merge is the appointment that it was before (promise 6)."""
    for survivor in end.simulation.edit_log.merged:
        here = end.simulation.lives(survivor) and in_window(end, survivor)
        if here and not _store(end).pairs_by_id(Side.HUBSPOT, [survivor[1]]):
            raise Broken(f"{survivor}, which lives on after a merge, lost its pair")


def nobody_is_two_people(end: End) -> None:
    """Records that we made of one HighLevel contact are one HubSpot contact's (promise 3)."""
    if end.simulation.stores:
        return
    persons: dict[str, set[str]] = defaultdict(set)
    for pair in end.pairs:
        if end.simulation.edit_log.root((Side.GHL, pair.ghl_id)) in _mixed(end):
            continue
        if pair.ghl.contact and pair.hubspot.contact:
            persons[pair.ghl.contact].add(pair.hubspot.contact)
    for contact, across in persons.items():
        if len(across) > 1:
            raise Broken(f"contact {contact} is {sorted(across)} in HubSpot")


def _store(end: End) -> SqlLinkStore:
    store: SqlLinkStore = end.simulation.shelf.link(end.simulation.harness.name)
    return store


def no_lost_edit(end: End) -> None:
    """Each edit is there, was followed by another, or lost a conflict (promise 4)."""
    edit_log = end.simulation.edit_log
    mixed = {edit_log.root(key) for key in edit_log.mixed}
    for pair, ghl, hubspot in living_pairs(end):
        root = edit_log.root(ghl)
        if root in mixed:
            continue
        for group in GROUPS:
            if end.held(ghl, group) or end.held(hubspot, group):
                continue
            everybodys = list(edit_log.edits_of(root, group))
            now = (end.simulation.value(ghl, group), end.simulation.value(hubspot, group))
            edits = [
                edit
                for edit in everybodys
                if _shows(end, edit, now) or not _stands_apart(end, edit, (ghl, hubspot))
            ]
            lost: list[Edit] = []
            superseded: set[Key] = set()
            for edit in reversed(edits):
                if _shows(end, edit, now) or _cancelled_since(end, edit, now):
                    break
                if _recorded(end, edit, root):
                    superseded.add(edit.key)
                elif edit.key not in superseded:
                    lost.append(edit)
            else:
                # What nobody ever wrote can only be what a vendor filled in.
                written = any(_shows(end, edit, now) for edit in everybodys)
                if not written and not lost and group in {Group.DESCRIPTION, Group.ADDRESS}:
                    lost = edits
            if lost:
                raise Broken(
                    f"{group} of {pair.ghl_id}/{pair.hubspot_id} is {now}, and nothing tells "
                    f"of {lost}"
                )


def only_people_contradict(end: End) -> None:
    """A conflict has a person's edit on either side, never a write of ours (promise 8)."""
    edit_log = end.simulation.edit_log
    for entry in (*edit_log.history, *_store(end).history()):
        root = edit_log.root((Side.GHL, entry.ghl_id))
        if entry.action != "conflict" or root in _mixed(end):
            continue
        edited = {
            edit.key[0]
            for edit in edit_log.edits
            if not edit.born
            and edit_log.root(edit.key) == root
            and entry.field in essence.to_report_fields(edit.value, edit.group)
        }
        if edited != set(Side):
            raise Broken(f"only {edited} was edited, and {entry} tells of a conflict")


def _shows(end: End, edit: Edit, now: tuple[Value, Value]) -> bool:
    if edit.key[0] is Side.GHL:
        return now[0] == edit.value or same(end, edit.group, edit.value, now[1])
    return now[1] == edit.value or same(end, edit.group, now[0], edit.value)


def _cancelled_since(end: End, edit: Edit, now: tuple[Value, Value]) -> bool:
    """Whether what is cancelled now was cancelled for a removal after that status was given."""
    edit_log, table = end.simulation.edit_log, end.simulation.harness.rules.statuses
    if edit.group != Group.STATUS or not table.is_cancelled(Side.GHL, str(now[0])):
        return False
    root = edit_log.root(edit.key)
    return any(
        edit_log.root(removal.key) == root and removal.number > edit.number and not removal.restored
        for removal in edit_log.removals
    )


def _stands_apart(end: End, edit: Edit, pair: tuple[Key, Key]) -> bool:
    """Whether the edited record is another appointment by now, or waits beside the pair.

    What was removed, made anew and then restored as well is two appointments,
    and the edit is on one of them.
    """
    side, record = edit.key
    if edit.key in pair:
        return False
    if end.simulation.lives(edit.key) or _store(end).pairs_by_id(side, [record]):
        return True
    root = end.simulation.edit_log.root(edit.key)
    value, group = end.simulation.value, edit.group
    return any(
        _shows(end, edit, (value(ghl, group), value(hubspot, group)))
        for _, ghl, hubspot in living_pairs(end)
        if not {ghl, hubspot} & {*pair} and end.simulation.edit_log.root(ghl) == root
    )


def _recorded(end: End, edit: Edit, root: Key) -> bool:
    """Whether history holds the value as one that was written over."""
    simulation = end.simulation
    history = [
        *simulation.edit_log.history,
        *simulation.shelf.link(simulation.harness.name).history(),
    ]
    said = essence.to_report_fields(edit.value, edit.group)
    for entry in history:
        if entry.field not in said or entry.before != said[entry.field]:
            continue
        # Of records that meet for the first time, on an empty store too, a rule decides.
        early = edit.number <= simulation.edit_log.met.get(edit.key, 0)
        people = edit.key in simulation.edit_log.born
        met = people and entry.why.startswith("they met for the first time")
        if entry.action != "conflict" and not early and not met and not simulation.stores:
            continue
        if entry.side is edit.key[0] and root in {
            simulation.edit_log.root((Side.GHL, entry.ghl_id)),
            simulation.edit_log.root((Side.HUBSPOT, entry.hubspot_id)),
        }:
            return True
    return False


def no_duplicate(end: End) -> None:
    """No appointment has two living records on a side, unless people made or revived them."""
    edit_log = end.simulation.edit_log
    mixed = {edit_log.root(key) for key in edit_log.mixed}
    groups: dict[tuple[Side, Key], list[Key]] = defaultdict(list)
    for side in Side:
        for record in end.simulation.ids(side):
            key = (side, record)
            if not is_instance(key):  # Nobody but a series makes one.
                groups[side, edit_log.root(key)].append(key)
    for (side, root), keys in groups.items():
        ours = [key for key in keys if key not in edit_log.born | edit_log.restored]
        if root in mixed or len(keys) == 1:
            if not any(edit_log.root(key) == root for key in edit_log.born | edit_log.restored):
                raise Broken(f"{keys} belong to nothing that a person made or brought back")
            continue
        # One that was removed, made anew and then restored is an appointment more.
        back = [key for key in edit_log.restored if edit_log.root(key) == root]
        if len(ours) > 1 + len(back) or (ours and not back):
            raise Broken(f"one appointment has {len(keys)} records in {side}: {keys}")


def no_removal_by_itself(end: End) -> None:
    """What is gone or cancelled was removed or cancelled by a person somewhere (promise 6)."""
    edit_log, harness = end.simulation.edit_log, end.simulation.harness
    removed_by_people = {edit_log.root(removal.key) for removal in edit_log.removals}
    gone = [(Side.GHL, row.id) for row in harness.ghl.appointments if row.deleted]
    gone += [(Side.HUBSPOT, record.id) for record in harness.hubspot.archived()]
    for key in gone:
        if edit_log.root(key) not in removed_by_people:
            raise Broken(f"{key} was removed, and no person removed anything of it")
    cancelled = {
        edit_log.root(edit.key)
        for edit in edit_log.edits
        if edit.group == Group.STATUS and edit.value in {"cancelled", "CANCELLED", "invalid"}
    }
    table = harness.rules.statuses
    for side in Side:
        for record in end.simulation.ids(side):
            key = (side, record)
            said = table.is_cancelled(side, str(end.simulation.value(key, Group.STATUS)))
            if said and edit_log.root(key) not in removed_by_people | cancelled | _mixed(end):
                raise Broken(f"{key} is cancelled, and no person wanted that")


def _mixed(end: End) -> set[Key]:
    return {end.simulation.edit_log.root(key) for key in end.simulation.edit_log.mixed}


def no_resurrection(end: End) -> None:
    """What people removed, and nobody touched since, does not live again (promise 6)."""
    edit_log = end.simulation.edit_log
    for removal in edit_log.removals:
        root = edit_log.root(removal.key)
        sure = removal.settled or removal.untouched
        if not sure or edit_log.last_of(root) != removal.number or root in _mixed(end):
            continue
        side = removal.key[0]
        # What people brought back beside this pair is an appointment of its own by now.
        ours = {removal.key, removal.across}
        back = {key for key in edit_log.restored if edit_log.root(key) == root} - ours
        living = {*edit_log.lineage(root, [(side, each) for each in end.simulation.ids(side)])}
        living -= removal.beside
        if living and not back:
            raise Broken(f"{removal.key} was removed, and {living} lives")


def a_removal_is_carried_across(end: End) -> None:
    """A removal that nobody contradicts is gone or cancelled on the other side (promise 6)."""
    simulation, edit_log = end.simulation, end.simulation.edit_log
    for removal in edit_log.removals:
        root, across = edit_log.root(removal.key), removal.across
        if across is None or removal.rules != simulation.rules_now() or root in _mixed(end):
            continue
        if edit_log.last_of(root) != removal.number or not simulation.lives(across):
            continue
        side = across[0]
        rule = simulation.harness.rules.template.on_removal_at(side.other)
        status = str(simulation.value(across, Group.STATUS))
        table = simulation.harness.rules.statuses
        done = table.is_cancelled(side, status) or table.is_over(side, status)
        start = simulation.value(across, Group.TIME)[0]
        to_come = isinstance(start, datetime) and start > simulation.clock.now()
        if rule is not OnRemoval.IGNORE and to_come and not done and not end.held(across):
            raise Broken(f"{removal.key} was removed, and {across} stands as it was")


def an_edit_beats_a_removal(end: End) -> None:
    """What was edited on one side before it was removed on the other is there again (promise 6)."""
    edit_log = end.simulation.edit_log
    for removal in edit_log.removals:
        root = edit_log.root(removal.key)
        if not removal.beaten or edit_log.last_of(root) != removal.number or root in _mixed(end):
            continue
        for side in Side:
            records = [key for key in _keys(end, side) if edit_log.root(key) == root]
            living = [key for key in records if end.simulation.lives(key)]
            held = any(
                end.held(key)
                for each in Side
                for key in _keys(end, each)
                if edit_log.root(key) == root
            )
            if not living and not held and _upcoming(end, records):
                raise Broken(f"an edit was lost with the removal of {removal.key}")


def what_was_edited_last_lives(end: End) -> None:
    """What a person edited, and nobody touched since, is not removed: not in mid-cycle either."""
    edit_log = end.simulation.edit_log
    for edit in edit_log.edits:
        root = edit_log.root(edit.key)
        if edit.void or edit.number != edit_log.last_of(root) or root in _mixed(end):
            continue
        side, cancelled = edit.key[0], edit.value in {"cancelled", "CANCELLED", "invalid"}
        ours = [key for key in _keys(end, side) if edit_log.root(key) == root]
        if edit.key in edit_log.removed or cancelled or not _upcoming(end, ours):
            continue
        if not any(end.simulation.lives(key) or end.held(key) for key in ours):
            raise Broken(f"{edit} was the last word, and the record was removed")


def a_restored_record_is_as_it_was(end: End) -> None:
    """A removal that was taken back leaves both records with their status before (promise 6)."""
    edit_log = end.simulation.edit_log
    for removal in edit_log.removals:
        root = edit_log.root(removal.key)
        at_once = removal.restored == removal.number + 1 == edit_log.last_of(root)
        if not removal.settled or not at_once or root in _mixed(end):
            continue
        for pair, ghl, hubspot in living_pairs(end):
            if edit_log.root(ghl) != root or end.held(ghl) or end.held(hubspot):
                continue
            now = str(end.simulation.value(ghl, Group.STATUS))
            if not same(end, Group.STATUS, *removal.statuses):
                continue  # They did not agree before either: a person had just cancelled one.
            if not same(end, Group.STATUS, now, removal.statuses[1]):
                raise Broken(
                    f"{pair.ghl_id}/{pair.hubspot_id} was restored and says {now}, "
                    f"where it said {removal.statuses}"
                )


def _keys(end: End, side: Side) -> list[Key]:
    return [
        (side, record) for record in (*end.simulation.ids(side), *end.simulation.removed_ids(side))
    ]


def _upcoming(end: End, records: list[Key]) -> bool:
    return any(in_window(end, key) for key in records)


def _is_held(end: End, decision: Decision) -> bool:
    """Whether a record is held of which something is to be undone."""
    parts: Any = decision.payload.get("parts", {})
    return any(end.held((Side.GHL, each["ghl_id"]), each["group"]) for each in parts.values())


def nothing_is_left_undecided(end: End) -> None:
    """What people decided was carried out, or is over.

    `--ignore` counts until it is taken back, and an undo waits while its record is held.
    """
    left = [
        each
        for each in _store(end).decisions()
        if "ignore" not in each.payload and not _is_held(end, each)
    ]
    if left:
        raise Broken(f"open decisions: {left}")
