"""What no single cycle may ever do, whatever happens in it.

`simulation` asks before and after each cycle, crashed ones included: a removal
that the rules do not want, or more of them than the guards let pass, is a
breach at once, even where later cycles would mend it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from edit_log import Key, Word
from world_state import PROPERTIES, is_instance

from syncd.core import essence
from syncd.core.model import Group, Hold, Pair, Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Notify, OnRemoval
from syncd.core.status import CANCELLED, OVER
from syncd.engine import writes
from syncd.engine.apply.results import FailedWrite
from syncd.engine.poll.prepare import FIRST
from syncd.ports.store import TARGETED, IntentKind

if TYPE_CHECKING:
    from simulation import Simulation

DAY = timedelta(hours=24)
GROUPS = tuple(group for group in Group if group is not Group.CONTACT)
CHANGES = frozenset({"create", "update", "restore"})
TEXTS = (Group.TITLE, Group.DESCRIPTION, Group.ADDRESS)
SEARCH_LAG = timedelta(seconds=12)
"""A poll cannot see later edits: the search index may not show them yet."""


class Breach(AssertionError):  # noqa: N818 - reads as a sentence in a failing test
    """A cycle did what no cycle may do."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A record before a cycle."""

    gone: bool
    status: str
    start: datetime | None
    owner: str = ""
    texts: tuple[str, ...] = ()
    """Title, description and address."""


@dataclass(frozen=True, slots=True)
class Before:
    """Both worlds before a cycle."""

    at: datetime
    records: dict[tuple[Side, str], Seen]
    pairs: int
    first: bool
    acts: int
    """How much people had done."""
    told: int
    """How many writes had written to people."""
    outdated: tuple[Word, ...] = ()
    """What people decided of values that people have changed since."""
    contacts: dict[str, str] = field(default_factory=dict)
    """Who in HighLevel is known to be whom in HubSpot."""
    holds: frozenset[tuple[str, str, str, str]] = frozenset()
    """What waited, where nobody has touched anything since."""


@dataclass(slots=True)
class CycleInvariants:
    """Looks at every cycle; remembers when we removed anything."""

    removed_at: list[datetime] = field(default_factory=list)
    ended_at: tuple[int, int, int] = (0, 0, 0)
    """What people had done and ruled when the last cycle ended."""
    first_until: int = 0
    """How much people had done when the first sync last went on."""
    told: Counter[Key] = field(default_factory=Counter)
    """How often a customer was told of an appointment."""
    owed: set[int] = field(default_factory=set)
    """Keys of the pairs that differ since a cycle in which writes failed or were kept back."""
    owed_alone: set[tuple[Side, str]] = field(default_factory=set)
    """Records without a counterpart since such a cycle, which was to make one."""
    owed_in: str = ""
    """The store whose keys they are."""

    def begin(self, simulation: Simulation) -> Before:
        """What there is before a cycle."""
        store = simulation.shelf.link(simulation.harness.name)
        return Before(
            at=simulation.clock.now(),
            records=_records(simulation),
            pairs=store.count_pairs(),
            first=not store.get_state(FIRST),
            acts=simulation.edit_log.count,
            told=len(simulation.harness.world.notifications),
            outdated=_outdated(simulation),
            contacts=_contacts(simulation),
            holds=_holds(simulation) if self.ended_at == _state(simulation) else frozenset(),
        )

    def end(self, simulation: Simulation, before: Before) -> None:
        """What the cycle made of it."""
        after = _records(simulation)
        removed = [
            key
            for key, was in before.records.items()
            if key in after
            and not was.gone
            and _is_removal(simulation, key, was, after[key])
            # What a person did in the middle of the cycle is not the cycle's.
            and simulation.edit_log.last.get(key, 0) <= before.acts
        ]
        for key in removed:
            _check_rule(simulation, key, before.records[key], after[key], before.at)
        self._check_guard(simulation, before, len(removed))
        self._check_debts(simulation, before)
        if _is_wide(simulation):
            _check_places(simulation, set(after) - set(before.records))
            _check_twins(simulation, set(after) - set(before.records), before)
        if _is_clean(simulation):
            _check_marks(simulation)
        _check_owners(simulation, before, after)
        _check_slots(simulation, before, after)
        _check_texts(simulation, before, after)
        if simulation.early:
            _check_ground(simulation, before, after)
        self._check_notices(simulation, before)
        _check_changes(simulation, before)
        _check_words(simulation, before)
        _check_approved(simulation, before)
        _check_contacts(simulation, before)
        _check_holds(simulation, before)
        if simulation.early:
            _check_returns(simulation, before, set(after) - set(before.records))
        self.ended_at = _state(simulation)

    def _check_guard(self, simulation: Simulation, before: Before, removed: int) -> None:
        lately = [at for at in self.removed_at if at > before.at - DAY]
        self.removed_at += [before.at] * removed
        limit = simulation.harness.rules.template.removal_guard
        # A store that was lost takes its count along.
        known = len(lately) if not simulation.stores else 0
        let_pass = min(simulation.edit_log.let_pass, removed)
        simulation.edit_log.let_pass -= let_pass
        if removed > let_pass and limit.tripped(known + removed, before.pairs):
            raise Breach(f"{removed} removals after {known} in a day, of {before.pairs} pairs")
        said = simulation.last
        stopped = said is not None and said.outcome is Outcome.GUARD and "removals" in said.detail
        if stopped and said and "removal_guard" not in {hold.reason for hold in said.held}:
            raise Breach("removals were kept back and are not held")

    def _check_notices(self, simulation: Simulation, before: Before) -> None:
        """Customers hear only of what a person changed after the first sync."""
        notify = simulation.harness.rules.template.notify
        if before.first:
            self.first_until = simulation.edit_log.count
        for notice in simulation.harness.world.notifications[before.told :]:
            root = simulation.edit_log.root((Side.GHL, notice["id"]))
            # After a crash its booking is known by the intent alone.
            sources = {
                simulation.edit_log.root(each)
                for each in _sources(simulation, (Side.GHL, notice["id"]))
            }
            acts = max(simulation.edit_log.last_of(each) for each in {root, *sources})
            self.told[root] += 1
            if notify is Notify.NEVER or (notify is Notify.LIVE and acts <= self.first_until):
                raise Breach(f"{notice} was sent for what no person changed")
            if notify is Notify.LIVE and self.told[root] > sum(
                simulation.edit_log.acts_of(each) for each in {root, *sources}
            ):
                raise Breach(f"{root} was told of {self.told[root]} times")

    def _check_debts(self, simulation: Simulation, before: Before) -> None:
        """What failed or was kept back is made good by the next cycle that nothing disturbs."""
        said, store = simulation.last, simulation.harness.name
        if said is None or said.kind == TARGETED:
            return  # It looks at what was announced, and leaves the others as they are.
        rested = before.at - simulation.touched_at > SEARCH_LAG
        if _is_clean(simulation) and rested and self.owed_in == store and _is_wide(simulation):
            for pair in simulation.harness.pairs():
                differing = _differing(simulation, pair) if pair.key in self.owed else []
                if differing:
                    raise Breach(f"{pair.ghl_id}/{pair.hubspot_id} still differs in {differing}")
            alone = self.owed_alone & _alone(simulation)
            if alone:
                raise Breach(f"{alone} should have a counterpart by now")
        self.owed_in, self.owed, self.owed_alone = store, set(), set()
        if said.failed or said.unread or said.outcome is Outcome.GUARD:
            self.owed = {
                pair.key for pair in simulation.harness.pairs() if _differing(simulation, pair)
            }
            self.owed_alone = _alone(simulation)
            if said.outcome is not Outcome.GUARD and not said.unread:
                self.owed_alone &= {key for each in said.failed for key in _keys(each)}


def _is_clean(simulation: Simulation) -> bool:
    """Whether the cycle came to its end, and nothing went wrong on its way."""
    said = simulation.last
    return (
        said is not None and said.outcome is Outcome.OK and not simulation.harness.world.faults.hits
    )


def _is_wide(simulation: Simulation) -> bool:
    active = (simulation.harness.ghl.calendars[each].active for each in simulation.calendars)
    return not simulation.harness.rules.calendars and all(active)


def _differing(simulation: Simulation, pair: Pair) -> list[str]:
    """The groups in which a living pair in scope says two things, and nothing holds it."""
    keys = [(side, pair.id_on(side)) for side in Side]
    said = simulation.last
    if said is None or pair.removal or not all(simulation.lives(key) for key in keys):
        return []
    if not any(simulation.in_window(key) for key in keys):
        return []
    if simulation.edit_log.ignored & {*keys}:
        return []
    held = [
        hold.group
        for hold in said.held
        if hold.ghl_id == pair.ghl_id or hold.hubspot_id == pair.hubspot_id
    ]
    groups = [] if "" in held else [each for each in GROUPS if each not in held]
    return [
        group
        for group in groups
        if not simulation.agree(group, *(simulation.value(key, group) for key in keys))
    ]


def _keys(about: Hold | FailedWrite) -> set[tuple[Side, str]]:
    """The records that something stored or told is about."""
    return {(Side.GHL, about.ghl_id), (Side.HUBSPOT, about.hubspot_id)}


def _alone(simulation: Simulation) -> set[tuple[Side, str]]:
    """Living records in scope that belong to no pair, and that nothing and nobody holds back."""
    store = simulation.shelf.link(simulation.harness.name)
    held = {key for hold in store.holds() for key in _keys(hold)}
    living = {(side, record) for side in Side for record in simulation.ids(side)}
    return {
        key
        for key in living - held - simulation.edit_log.ignored
        if simulation.in_window(key) and not store.pairs_by_id(key[0], [key[1]])
    }


def _check_twins(simulation: Simulation, new: set[Key], before: Before) -> None:
    """No visit is made beside the one that a person made before, for the same contact and time.

    What a person makes while the cycle runs is seen by its next poll, unless it looks again.
    """
    edit_log, made = simulation.edit_log, _made_at(simulation)
    for key in (each for each in new - edit_log.born if simulation.lives(each)):
        side = key[0]
        if is_instance(key):
            continue  # it was moved, and has its name from its time
        removed = [(side, each) for each in simulation.removed_ids(side)]
        # A person may restore it while the cycle runs.
        removed += [each for each, was in before.records.items() if each[0] is side and was.gone]
        origins = (key, *_sources(simulation, key))
        if any(edit_log.lineage(each, removed) or _mixed(simulation, each) for each in origins):
            continue  # it was removed and is made anew, or a person's word counts for it
        for twin in ((side, each) for each in simulation.ids(side)):
            born, known = edit_log.births.get(twin, 0), before.acts
            if side in simulation.watchful and edit_log.born_at.get(twin, before.at) <= made[key]:
                known = edit_log.count  # There was a look between.
            earlier = 0 < born <= known
            if not earlier or _mixed(simulation, twin, key):
                continue
            was = before.records.get(twin)
            if was is None or was.start != simulation.visit(key)[1]:
                continue  # it is moved there in this cycle
            if simulation.harness.rules.statuses.is_cancelled(side, was.status):
                continue  # it is reopened in this cycle
            if simulation.visit(twin) == simulation.visit(key) and not _cancelled(
                simulation, twin, key
            ):
                raise Breach(f"{key} was made beside {twin}, which a person made for that visit")


def _sources(simulation: Simulation, key: Key) -> list[Key]:
    """What a record may have been made of whose creation has no answer yet."""
    store = simulation.shelf.link(simulation.harness.name)
    creates = (
        writes.create_of(intent, None)[0]
        for intent in store.intents()
        if intent.kind is IntentKind.CREATE and intent.side is key[0]
    )
    start = simulation.value(key, Group.TIME)[0]
    return [(key[0].other, each.source.id) for each in creates if each.wanted.start == start]


def _made_at(simulation: Simulation) -> dict[Key, datetime]:
    ghl = {(Side.GHL, row.id): row.added for row in simulation.harness.ghl.appointments}
    living = simulation.harness.hubspot.records()
    return {**ghl, **{(Side.HUBSPOT, each.id): each.created for each in living}}


def _mixed(simulation: Simulation, *keys: Key) -> bool:
    """Whether these records are one appointment, or a person's word counts for one."""
    edit_log = simulation.edit_log
    roots = {edit_log.root(key) for key in keys}
    same = len({*keys}) > 1 and len(roots) == 1
    return same or bool(roots & {edit_log.root(key) for key in edit_log.mixed})


def _check_owners(simulation: Simulation, before: Before, after: dict[Key, Seen]) -> None:
    """No owner goes because the people of a side could not be read (promise 4)."""
    owners = {owner.email for owner in simulation.harness.hubspot.owners.values()}
    for pair in simulation.all_pairs():
        key = (Side.HUBSPOT, pair.hubspot_id)
        was, now = before.records.get(key), after.get(key)
        touched = simulation.edit_log.last.get(key, 0) > before.acts or _mixed(simulation, key, key)
        if not was or not now or touched or not was.owner or now.owner:
            continue
        assignee = simulation.harness.ghl.get(pair.ghl_id).assignee
        user = simulation.harness.ghl.users.get(assignee)
        if user and user.email in owners:
            raise Breach(f"{key} lost its owner, and {user.email} is one")


def _check_texts(simulation: Simulation, before: Before, after: dict[Key, Seen]) -> None:
    """No text changes but to what a person typed, or what the vendor makes of that (promise 8)."""
    edit_log = simulation.edit_log
    for key, now in after.items():
        was = before.records.get(key)
        if was is None or was.texts == now.texts or edit_log.last.get(key, 0) > before.acts:
            continue
        root = edit_log.root(key)
        if root in {edit_log.root(each) for each in edit_log.mixed}:
            continue
        for group, old, new in zip(TEXTS, was.texts, now.texts, strict=True):
            # What was taken back since may have been carried across before that.
            edits = [edit for edit in edit_log.edits if edit.group == group]
            typed = [str(edit.value) for edit in edits if edit_log.root(edit.key) == root]
            known = {each for text in typed for each in simulation.stored(key[0], text)}
            if old != new and typed and new not in known:
                raise Breach(f"{group} of {key} became {new!r}, was {old!r}; typed: {typed}")


def _check_ground(simulation: Simulation, before: Before, after: dict[Key, Seen]) -> None:
    """What is written after a person acted says what stands across by then (promise 9)."""
    edit_log = simulation.edit_log
    mixed = {edit_log.root(key) for key in edit_log.mixed}
    for pair in simulation.harness.pairs():
        keys = [(side, pair.id_on(side)) for side in Side]
        if not all(simulation.lives(key) for key in keys) or edit_log.root(keys[0]) in mixed:
            continue
        for key in keys:
            was, now = before.records.get(key), after.get(key)
            if not was or not now or edit_log.last.get(key, 0) > before.acts:
                continue
            changed = [group for group, old, new in _shown(was, now) if old != new]
            for group in changed:
                if not simulation.agree(group, *(simulation.value(each, group) for each in keys)):
                    raise Breach(f"{group} of {key} was written, and {keys} differ in it")


def _shown(was: Seen, now: Seen) -> list[tuple[Group, object, object]]:
    plain = [(Group.TIME, was.start, now.start), (Group.STATUS, was.status, now.status)]
    return [*plain, *zip(TEXTS, was.texts, now.texts, strict=True)]


def _check_slots(simulation: Simulation, before: Before, after: dict[Key, Seen]) -> None:
    """Nothing takes a slot again that was given to somebody else (promise 2)."""
    if not simulation.harness.rules.template.refuse_double_booking:
        return
    takes = simulation.harness.rules.statuses.takes_slot
    edit_log, rows = (
        simulation.edit_log,
        {row.id: row for row in simulation.harness.ghl.appointments},
    )
    for (side, record), was in before.records.items():
        now = after.get((side, record))
        if side is Side.HUBSPOT or now is None or now.gone or takes(was.status):
            continue
        touched = edit_log.last.get((side, record), 0) > before.acts
        mine = rows[record]
        seats = simulation.harness.ghl.calendars[mine.calendar].kind == "class_booking"
        if touched or seats or not takes(now.status) or mine.start <= before.at:
            continue
        for other in rows.values():
            same = (other.calendar, other.assignee) == (mine.calendar, mine.assignee)
            lives = other.id != record and not other.deleted and takes(other.status)
            early = edit_log.last.get((side, other.id), before.acts + 1) <= before.acts
            if same and lives and early and other.start < mine.end and mine.start < other.end:
                raise Breach(f"{record} takes a slot again that {other.id} has")


def _cancelled(simulation: Simulation, *keys: Key) -> bool:
    table = simulation.harness.rules.statuses
    return any(table.is_cancelled(key[0], str(simulation.value(key, Group.STATUS))) for key in keys)


def _state(simulation: Simulation) -> tuple[int, int, int]:
    return simulation.edit_log.count, simulation.did["rules"], simulation.did["decisions"]


def _holds(simulation: Simulation) -> frozenset[tuple[str, str, str, str]]:
    store = simulation.shelf.link(simulation.harness.name)
    return frozenset((h.ghl_id, h.hubspot_id, h.group, h.reason) for h in store.holds())


def _check_holds(simulation: Simulation, before: Before) -> None:
    """A cycle that was cut short lets go of nothing that it did not judge (promise 4)."""
    said = simulation.last
    if said is None or said.outcome not in {Outcome.UNREACHABLE, Outcome.REFUSED}:
        return
    written = {key for each in said.written for key in (each.ghl_id, each.hubspot_id)}
    lost = {h for h in before.holds - _holds(simulation) if not written & {h[0], h[1]}}
    if lost and before.acts == simulation.edit_log.count:
        raise Breach(f"the cycle was cut short and let go of {lost}")


def _contacts(simulation: Simulation) -> dict[str, str]:
    store = simulation.shelf.link(simulation.harness.name)
    return dict(store.contact_pairs(Side.GHL, simulation.ghl_contacts))


def _check_contacts(simulation: Simulation, before: Before) -> None:
    """Only a shared address makes two contacts one person (promise 3)."""
    if before.acts != simulation.edit_log.count:
        return
    for here, there in _contacts(simulation).items():
        if before.contacts.get(here) == there or there not in simulation.hubspot_contacts:
            continue
        person, record = (
            simulation.harness.ghl.contacts[here],
            simulation.harness.hubspot.get_contact(there),
        )
        mails = {str(person.email).casefold(), record.properties.get("email", "").casefold()}
        phones = {person.phone, record.properties.get("phone")}
        if len(mails) > 1 and len(phones) > 1:
            raise Breach(f"{here} and {there} were made one person: {mails}, {phones}")


def _check_returns(simulation: Simulation, before: Before, new: set[Key]) -> None:
    """What a person brought back before anything was written is not made anew (promise 9)."""
    edit_log = simulation.edit_log
    for key in (each for each in new - edit_log.born if not is_instance(each)):
        back = [each for each in edit_log.restored if edit_log.last.get(each, 0) > before.acts]
        living = [each for each in back if each[0] is key[0] and simulation.lives(each)]
        if edit_log.lineage(key, living):
            raise Breach(f"{key} was made anew beside {living}")


def _check_marks(simulation: Simulation) -> None:
    """A HubSpot record that was booked carries its booking's id at once (promise 2)."""
    for pair in simulation.harness.pairs():
        key = (Side.HUBSPOT, pair.hubspot_id)
        if (
            pair.external_id_taken
            or pair.hubspot_id not in _booked(simulation)
            or not simulation.lives(key)
        ):
            continue
        record = simulation.harness.hubspot.get(pair.hubspot_id)
        if record.properties.get("ghl_appointment_id") != pair.ghl_id:
            raise Breach(f"{key} was booked and does not carry {pair.ghl_id}")


def _check_places(simulation: Simulation, new: set[tuple[Side, str]]) -> None:
    """A booking that is made anew stands on the calendar on which it stood."""
    rows = {(Side.GHL, row.id): row for row in simulation.harness.ghl.appointments}
    gone = [key for key, row in rows.items() if row.deleted and key not in new]
    for key in new & rows.keys():
        stood = {rows[each].calendar for each in simulation.edit_log.lineage(key, gone)}
        if stood and rows[key].calendar not in stood:
            raise Breach(f"{key} was made anew on {rows[key].calendar}, and stood on {stood}")


def _booked(simulation: Simulation) -> set[str]:
    written = simulation.last.written if simulation.last else []
    made = ("appointment", Side.GHL, "create")
    return {w.hubspot_id for w in written if (w.record, w.side, w.action) == made}


def _records(simulation: Simulation) -> dict[tuple[Side, str], Seen]:
    found: dict[tuple[Side, str], Seen] = {}
    for row in simulation.harness.ghl.appointments:
        if not row.series:
            texts = [essence.text(each) for each in (row.title, row.description, row.address)]
            found[Side.GHL, row.id] = Seen(row.deleted, row.status, row.start, texts=tuple(texts))
    for record in (*simulation.harness.hubspot.records(), *simulation.harness.hubspot.archived()):
        start = record.properties.get("hs_appointment_start")
        found[Side.HUBSPOT, record.id] = Seen(
            record.archived,
            record.properties.get("hs_appointment_status", ""),
            datetime.fromisoformat(start) if start else None,
            record.properties.get("hubspot_owner_id", ""),
            tuple(essence.text(record.properties.get(PROPERTIES[each])) for each in TEXTS),
        )
    return found


def _is_removal(simulation: Simulation, key: tuple[Side, str], was: Seen, now: Seen) -> bool:
    """Whether the record went, or was cancelled for one that a person removed."""
    if now.gone:
        return True
    side = key[0]
    table = simulation.harness.rules.statuses
    if not table.is_cancelled(side, now.status) or table.is_cancelled(side, was.status):
        return False
    edit_log = simulation.edit_log
    given = [*edit_log.edits_of(edit_log.root(key), Group.STATUS)]
    if given and table.is_cancelled(given[-1].key[0], str(given[-1].value)):
        return False  # A person cancelled it, before or after it was removed.
    across = [each for each in edit_log.removed if each[0] is side.other]
    living = [(side.other, record) for record in simulation.ids(side.other)]
    return bool(edit_log.lineage(key, across)) and not edit_log.lineage(key, living)


def _check_rule(
    simulation: Simulation, key: tuple[Side, str], was: Seen, now: Seen, at: datetime
) -> None:
    side, policy = key[0], simulation.harness.rules.template
    rule = policy.on_removal_at(side.other)
    wanted = {OnRemoval.CANCEL: False, OnRemoval.ARCHIVE: True, OnRemoval.DELETE: True}
    if rule not in wanted or wanted[rule] is not now.gone:
        raise Breach(f"{key} was removed ({now}), and the rule is {rule}")
    if rule is OnRemoval.ARCHIVE:
        return
    over = was.status in OVER - {CANCELLED} or was.status in {"COMPLETED", "NO_SHOW"}
    if over or was.start is None or was.start <= at:
        raise Breach(f"{key} was removed although it had begun or was over: {was}")


def _outdated(simulation: Simulation) -> tuple[Word, ...]:
    edit_log = simulation.edit_log

    def is_so(word: Word) -> bool:
        # What syncd did of it before it was cut short is no change of a person's.
        given = (edit_log.last_in.get((key, word.group), 0) for key in word.keys)
        touched = max(given) > word.number
        living = all(simulation.lives(key) for key in word.keys)
        now = tuple(simulation.value(key, word.group) for key in word.keys) if living else ()
        return touched and living and now != word.values

    latest = {(word.keys, word.group, word.why): word for word in edit_log.words}
    return tuple(word for word in latest.values() if is_so(word))


def _check_words(simulation: Simulation, before: Before) -> None:
    """A decision is void for other values than were shown when it was taken (promise 12)."""
    for write in simulation.last.written if simulation.last else ():
        for word in before.outdated:
            names = {"start", "end"} if word.group == Group.TIME else {word.group}
            ours = (word.keys[0][1], word.keys[1][1]) == (write.ghl_id, write.hubspot_id)
            # What else is written along has a reason of its own.
            if not ours or word.why not in write.why or not {*write.fields} <= names:
                continue
            given = [
                each.value
                for each in simulation.edit_log.edits
                if each.key in word.keys and each.group == word.group
            ]
            now = [simulation.value(key, word.group) for key in word.keys]
            # A person may meanwhile have given the very value that an undo puts back.
            if given[-1:] != now[:1] and given[-1:] != now[1:]:
                raise Breach(f"{write} carries out what was decided of other values: {word}")


def _check_approved(simulation: Simulation, before: Before) -> None:
    """With an approved plan, nothing goes out for whom, or when, it does not show."""
    approved, said = simulation.edit_log.approved, simulation.last
    for write in said.written if said else ():
        source = (write.side.other, write.id_on(write.side.other))
        if write.action != "create" or source not in approved:
            continue
        touched = simulation.edit_log.last.get(source, 0) > before.acts
        if not touched and simulation.visit(source) != approved[source]:
            raise Breach(f"{write} was not approved so: {approved[source]}")
    if said is not None:
        approved.clear()


def _check_changes(simulation: Simulation, before: Before) -> None:
    """The change guard: no writes at all where its limit is nothing."""
    said, limit = simulation.last, simulation.harness.rules.template.change_guard
    if said is None or before.first or simulation.edit_log.lets:
        return
    for side in Side:
        done = [
            write
            for write in said.written
            if write.side is side
            and write.action in CHANGES
            and (side, write.ghl_id, write.hubspot_id) not in simulation.edit_log.let_write
        ]
        if done and limit.tripped(len(done), before.pairs):
            raise Breach(f"the change guard let pass: {done}")
