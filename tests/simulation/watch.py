"""What no single cycle may ever do, whatever happens in it.

`village` asks before and after each cycle, crashed ones included: a removal
that the rules do not want, or more of them than the guards let pass, is a
breach at once, even where later cycles would mend it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from annals import Key, Word
from ground import PROPERTIES, is_instance

from syncd.core import essence
from syncd.core.model import Group, Pair, Side
from syncd.core.policy import Notify, OnRemoval
from syncd.core.status import CANCELLED, OVER
from syncd.engine.closing import FIRST
from syncd.engine.report import FailedWrite, Outcome
from syncd.ports.store import Hold

if TYPE_CHECKING:
    from village import Village

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
class Watch:
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

    def begin(self, village: Village) -> Before:
        """What there is before a cycle."""
        store = village.shelf.link(village.town.name)
        return Before(
            at=village.clock.now(),
            records=_records(village),
            pairs=store.count_pairs(),
            first=not store.cursor(FIRST),
            acts=village.annals.count,
            told=len(village.town.world.notifications),
            outdated=_outdated(village),
            contacts=_contacts(village),
            holds=_holds(village) if self.ended_at == _state(village) else frozenset(),
        )

    def end(self, village: Village, before: Before) -> None:
        """What the cycle made of it."""
        after = _records(village)
        removed = [
            key
            for key, was in before.records.items()
            if key in after
            and not was.gone
            and _is_removal(village, key, was, after[key])
            # What a person did in the middle of the cycle is not the cycle's.
            and village.annals.last.get(key, 0) <= before.acts
        ]
        for key in removed:
            _check_rule(village, key, before.records[key], after[key], before.at)
        self._check_guard(village, before, len(removed))
        self._check_debts(village, before)
        if _is_wide(village):
            _check_places(village, set(after) - set(before.records))
            _check_twins(village, set(after) - set(before.records), before)
        if _is_clean(village):
            _check_marks(village)
        _check_owners(village, before, after)
        _check_slots(village, before, after)
        _check_texts(village, before, after)
        if village.early:
            _check_ground(village, before, after)
        self._check_notices(village, before)
        _check_changes(village, before)
        _check_words(village, before)
        _check_approved(village, before)
        _check_contacts(village, before)
        _check_holds(village, before)
        if village.early:
            _check_returns(village, before, set(after) - set(before.records))
        self.ended_at = _state(village)

    def _check_guard(self, village: Village, before: Before, removed: int) -> None:
        lately = [at for at in self.removed_at if at > before.at - DAY]
        self.removed_at += [before.at] * removed
        limit = village.town.rules.template.removal_guard
        # A store that was lost takes its count along.
        known = len(lately) if not village.stores else 0
        let_pass = min(village.annals.let_pass, removed)
        village.annals.let_pass -= let_pass
        if removed > let_pass and limit.tripped(known + removed, before.pairs):
            raise Breach(f"{removed} removals after {known} in a day, of {before.pairs} pairs")
        said = village.last
        stopped = said is not None and said.outcome is Outcome.GUARD and "removals" in said.detail
        if stopped and said and "removal_guard" not in {hold.reason for hold in said.held}:
            raise Breach("removals were kept back and are not held")

    def _check_notices(self, village: Village, before: Before) -> None:
        """Customers hear only of what a person changed after the first sync."""
        notify = village.town.rules.template.notify
        if before.first:
            self.first_until = village.annals.count
        for notice in village.town.world.notifications[before.told :]:
            root = village.annals.root((Side.GHL, notice["id"]))
            acts = village.annals.last_of(root)
            self.told[root] += 1
            if notify is Notify.NEVER or (notify is Notify.LIVE and acts <= self.first_until):
                raise Breach(f"{notice} was sent for what no person changed")
            if notify is Notify.LIVE and self.told[root] > village.annals.acts_of(root):
                raise Breach(f"{root} was told of {self.told[root]} times")

    def _check_debts(self, village: Village, before: Before) -> None:
        """What failed or was kept back is made good by the next cycle that nothing disturbs."""
        said, store = village.last, village.town.name
        if said is None:
            return
        rested = before.at - village.touched_at > SEARCH_LAG
        if _is_clean(village) and rested and self.owed_in == store and _is_wide(village):
            for pair in village.town.pairs():
                differing = _differing(village, pair) if pair.key in self.owed else []
                if differing:
                    raise Breach(f"{pair.ghl_id}/{pair.hubspot_id} still differs in {differing}")
            alone = self.owed_alone & _alone(village)
            if alone:
                raise Breach(f"{alone} should have a counterpart by now")
        self.owed_in, self.owed, self.owed_alone = store, set(), set()
        if said.failed or said.unread or said.outcome is Outcome.GUARD:
            self.owed = {pair.key for pair in village.town.pairs() if _differing(village, pair)}
            self.owed_alone = _alone(village)
            if said.outcome is not Outcome.GUARD and not said.unread:
                self.owed_alone &= {key for each in said.failed for key in _keys(each)}


def _is_clean(village: Village) -> bool:
    """Whether the cycle came to its end, and nothing went wrong on its way."""
    said = village.last
    return said is not None and said.outcome is Outcome.OK and not village.town.world.faults.hits


def _is_wide(village: Village) -> bool:
    active = (village.town.ghl.calendars[each].active for each in village.calendars)
    return not village.town.rules.calendars and all(active)


def _differing(village: Village, pair: Pair) -> list[str]:
    """The groups in which a living pair in scope says two things, and nothing holds it."""
    keys = [(side, pair.id_on(side)) for side in Side]
    said = village.last
    if said is None or pair.removal or not all(village.lives(key) for key in keys):
        return []
    if not any(village.in_window(key) for key in keys):
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
        if not village.agree(group, *(village.value(key, group) for key in keys))
    ]


def _keys(about: Hold | FailedWrite) -> set[tuple[Side, str]]:
    """The records that something stored or told is about."""
    return {(Side.GHL, about.ghl_id), (Side.HUBSPOT, about.hubspot_id)}


def _alone(village: Village) -> set[tuple[Side, str]]:
    """Living records in scope that belong to no pair, and that nothing holds."""
    store = village.shelf.link(village.town.name)
    held = {key for hold in store.holds() for key in _keys(hold)}
    living = {(side, record) for side in Side for record in village.ids(side)}
    return {
        key
        for key in living - held
        if village.in_window(key) and not store.pairs_by_id(key[0], [key[1]])
    }


def _check_twins(village: Village, new: set[Key], before: Before) -> None:
    """No visit is made beside the one that a person made before, for the same contact and time.

    What a person makes while the cycle runs is seen by its next poll, unless it looks again.
    """
    annals, made = village.annals, _made_at(village)
    for key in (each for each in new - annals.born if village.lives(each)):
        side = key[0]
        if is_instance(key):
            continue  # it was moved, and has its name from its time
        if annals.lineage(key, [(side, each) for each in village.removed_ids(side)]):
            continue  # it was removed and is made anew
        for twin in ((side, each) for each in village.ids(side)):
            born, known = annals.births.get(twin, 0), before.acts
            if side in village.watchful and annals.born_at.get(twin, before.at) <= made[key]:
                known = annals.count  # There was a look between.
            earlier = 0 < born <= known
            if not earlier or _mixed(village, twin, key):
                continue
            was = before.records.get(twin)
            if was is None or was.start != village.visit(key)[1]:
                continue  # it is moved there in this cycle
            if village.visit(twin) == village.visit(key) and not _cancelled(village, twin, key):
                raise Breach(f"{key} was made beside {twin}, which a person made for that visit")


def _made_at(village: Village) -> dict[Key, datetime]:
    ghl = {(Side.GHL, row.id): row.added for row in village.town.ghl.appointments}
    living = village.town.hubspot.records()
    return {**ghl, **{(Side.HUBSPOT, each.id): each.created for each in living}}


def _mixed(village: Village, one: Key, other: Key) -> bool:
    """Whether two records are one appointment, or a person's word counts for one."""
    annals = village.annals
    roots = {annals.root(one), annals.root(other)}
    same = one != other and len(roots) == 1
    return same or bool(roots & {annals.root(key) for key in annals.mixed})


def _check_owners(village: Village, before: Before, after: dict[Key, Seen]) -> None:
    """No owner goes because the people of a side could not be read (4.4)."""
    owners = {owner.email for owner in village.town.hubspot.owners.values()}
    for pair in village.all_pairs():
        key = (Side.HUBSPOT, pair.hubspot_id)
        was, now = before.records.get(key), after.get(key)
        touched = village.annals.last.get(key, 0) > before.acts or _mixed(village, key, key)
        if not was or not now or touched or not was.owner or now.owner:
            continue
        assignee = village.town.ghl.get(pair.ghl_id).assignee
        user = village.town.ghl.users.get(assignee)
        if user and user.email in owners:
            raise Breach(f"{key} lost its owner, and {user.email} is one")


def _check_texts(village: Village, before: Before, after: dict[Key, Seen]) -> None:
    """No text changes but to what a person typed, or what the vendor makes of that (4.8)."""
    annals = village.annals
    for key, now in after.items():
        was = before.records.get(key)
        if was is None or was.texts == now.texts or annals.last.get(key, 0) > before.acts:
            continue
        root = annals.root(key)
        if root in {annals.root(each) for each in annals.mixed}:
            continue
        for group, old, new in zip(TEXTS, was.texts, now.texts, strict=True):
            # What was taken back since may have been carried across before that.
            edits = [edit for edit in annals.edits if edit.group == group]
            typed = [str(edit.value) for edit in edits if annals.root(edit.key) == root]
            known = {each for text in typed for each in village.stored(key[0], text)}
            if old != new and typed and new not in known:
                raise Breach(f"{group} of {key} became {new!r}, was {old!r}; typed: {typed}")


def _check_ground(village: Village, before: Before, after: dict[Key, Seen]) -> None:
    """What is written after a person acted says what stands across by then (4.9)."""
    annals = village.annals
    mixed = {annals.root(key) for key in annals.mixed}
    for pair in village.town.pairs():
        keys = [(side, pair.id_on(side)) for side in Side]
        if not all(village.lives(key) for key in keys) or annals.root(keys[0]) in mixed:
            continue
        for key in keys:
            was, now = before.records.get(key), after.get(key)
            if not was or not now or annals.last.get(key, 0) > before.acts:
                continue
            changed = [group for group, old, new in _shown(was, now) if old != new]
            for group in changed:
                if not village.agree(group, *(village.value(each, group) for each in keys)):
                    raise Breach(f"{group} of {key} was written, and {keys} differ in it")


def _shown(was: Seen, now: Seen) -> list[tuple[Group, object, object]]:
    plain = [(Group.TIME, was.start, now.start), (Group.STATUS, was.status, now.status)]
    return [*plain, *zip(TEXTS, was.texts, now.texts, strict=True)]


def _check_slots(village: Village, before: Before, after: dict[Key, Seen]) -> None:
    """Nothing takes a slot again that was given to somebody else (4.2)."""
    if not village.town.rules.template.refuse_double_booking:
        return
    takes = village.town.rules.statuses.takes_slot
    annals, rows = village.annals, {row.id: row for row in village.town.ghl.appointments}
    for (side, record), was in before.records.items():
        now = after.get((side, record))
        if side is Side.HUBSPOT or now is None or now.gone or takes(was.status):
            continue
        touched = annals.last.get((side, record), 0) > before.acts
        mine = rows[record]
        seats = village.town.ghl.calendars[mine.calendar].kind == "class_booking"
        if touched or seats or not takes(now.status) or mine.start <= before.at:
            continue
        for other in rows.values():
            same = (other.calendar, other.assignee) == (mine.calendar, mine.assignee)
            lives = other.id != record and not other.deleted and takes(other.status)
            early = annals.last.get((side, other.id), before.acts + 1) <= before.acts
            if same and lives and early and other.start < mine.end and mine.start < other.end:
                raise Breach(f"{record} takes a slot again that {other.id} has")


def _cancelled(village: Village, *keys: Key) -> bool:
    table = village.town.rules.statuses
    return any(table.is_cancelled(key[0], str(village.value(key, Group.STATUS))) for key in keys)


def _state(village: Village) -> tuple[int, int, int]:
    return village.annals.count, village.did["rules"], village.did["decisions"]


def _holds(village: Village) -> frozenset[tuple[str, str, str, str]]:
    store = village.shelf.link(village.town.name)
    return frozenset((h.ghl_id, h.hubspot_id, h.group, h.reason) for h in store.holds())


def _check_holds(village: Village, before: Before) -> None:
    """A cycle that was cut short lets go of nothing that it did not judge (4.4)."""
    said = village.last
    if said is None or said.outcome not in {Outcome.UNREACHABLE, Outcome.REFUSED}:
        return
    written = {key for each in said.written for key in (each.ghl_id, each.hubspot_id)}
    lost = {h for h in before.holds - _holds(village) if not written & {h[0], h[1]}}
    if lost and before.acts == village.annals.count:
        raise Breach(f"the cycle was cut short and let go of {lost}")


def _contacts(village: Village) -> dict[str, str]:
    store = village.shelf.link(village.town.name)
    return dict(store.contact_pairs(Side.GHL, village.ghl_contacts))


def _check_contacts(village: Village, before: Before) -> None:
    """Two contacts are one person by an address that they share, and by nothing else (4.3)."""
    if before.acts != village.annals.count:
        return
    for here, there in _contacts(village).items():
        if before.contacts.get(here) == there or there not in village.hubspot_contacts:
            continue
        person, record = village.town.ghl.contacts[here], village.town.hubspot.get_contact(there)
        mails = {str(person.email).casefold(), record.properties.get("email", "").casefold()}
        phones = {person.phone, record.properties.get("phone")}
        if len(mails) > 1 and len(phones) > 1:
            raise Breach(f"{here} and {there} were made one person: {mails}, {phones}")


def _check_returns(village: Village, before: Before, new: set[Key]) -> None:
    """What a person brought back before anything was written is not made anew (4.9)."""
    annals = village.annals
    for key in (each for each in new - annals.born if not is_instance(each)):
        back = [each for each in annals.restored if annals.last.get(each, 0) > before.acts]
        living = [each for each in back if each[0] is key[0] and village.lives(each)]
        if annals.lineage(key, living):
            raise Breach(f"{key} was made anew beside {living}")


def _check_marks(village: Village) -> None:
    """A HubSpot record that was booked carries its booking's id at once (4.2)."""
    for pair in village.town.pairs():
        key = (Side.HUBSPOT, pair.hubspot_id)
        if pair.unmarkable or pair.hubspot_id not in _booked(village) or not village.lives(key):
            continue
        record = village.town.hubspot.get(pair.hubspot_id)
        if record.properties.get("ghl_appointment_id") != pair.ghl_id:
            raise Breach(f"{key} was booked and does not carry {pair.ghl_id}")


def _check_places(village: Village, new: set[tuple[Side, str]]) -> None:
    """A booking that is made anew stands on the calendar on which it stood."""
    rows = {(Side.GHL, row.id): row for row in village.town.ghl.appointments}
    gone = [key for key, row in rows.items() if row.deleted and key not in new]
    for key in new & rows.keys():
        stood = {rows[each].calendar for each in village.annals.lineage(key, gone)}
        if stood and rows[key].calendar not in stood:
            raise Breach(f"{key} was made anew on {rows[key].calendar}, and stood on {stood}")


def _booked(village: Village) -> set[str]:
    written = village.last.written if village.last else []
    made = ("appointment", Side.GHL, "create")
    return {w.hubspot_id for w in written if (w.record, w.side, w.action) == made}


def _records(village: Village) -> dict[tuple[Side, str], Seen]:
    found: dict[tuple[Side, str], Seen] = {}
    for row in village.town.ghl.appointments:
        if not row.series:
            texts = [essence.text(each) for each in (row.title, row.description, row.address)]
            found[Side.GHL, row.id] = Seen(row.deleted, row.status, row.start, texts=tuple(texts))
    for record in (*village.town.hubspot.records(), *village.town.hubspot.archived()):
        start = record.properties.get("hs_appointment_start")
        found[Side.HUBSPOT, record.id] = Seen(
            record.archived,
            record.properties.get("hs_appointment_status", ""),
            datetime.fromisoformat(start) if start else None,
            record.properties.get("hubspot_owner_id", ""),
            tuple(essence.text(record.properties.get(PROPERTIES[each])) for each in TEXTS),
        )
    return found


def _is_removal(village: Village, key: tuple[Side, str], was: Seen, now: Seen) -> bool:
    """Whether the record went, or was cancelled for one that a person removed."""
    if now.gone:
        return True
    side = key[0]
    table = village.town.rules.statuses
    if not table.is_cancelled(side, now.status) or table.is_cancelled(side, was.status):
        return False
    annals = village.annals
    across = [each for each in annals.removed if each[0] is side.other]
    living = [(side.other, record) for record in village.ids(side.other)]
    return bool(annals.lineage(key, across)) and not annals.lineage(key, living)


def _check_rule(
    village: Village, key: tuple[Side, str], was: Seen, now: Seen, at: datetime
) -> None:
    side, policy = key[0], village.town.rules.template
    rule = policy.on_removal_at(side.other)
    wanted = {OnRemoval.CANCEL: False, OnRemoval.ARCHIVE: True, OnRemoval.DELETE: True}
    if rule not in wanted or wanted[rule] is not now.gone:
        raise Breach(f"{key} was removed ({now}), and the rule is {rule}")
    if rule is OnRemoval.ARCHIVE:
        return
    over = was.status in OVER - {CANCELLED} or was.status in {"COMPLETED", "NO_SHOW"}
    if over or was.start is None or was.start <= at:
        raise Breach(f"{key} was removed although it had begun or was over: {was}")


def _outdated(village: Village) -> tuple[Word, ...]:
    annals = village.annals

    def is_so(word: Word) -> bool:
        touched = any(annals.last.get(key, 0) > word.number for key in word.keys)
        living = all(village.lives(key) for key in word.keys)
        now = tuple(village.value(key, word.group) for key in word.keys) if living else ()
        return touched and living and now != word.values

    latest = {(word.keys, word.group, word.why): word for word in annals.words}
    return tuple(word for word in latest.values() if is_so(word))


def _check_words(village: Village, before: Before) -> None:
    """A decision means what was shown when it was taken (4.12): for other values it is void."""
    for write in village.last.written if village.last else ():
        for word in before.outdated:
            names = {"start", "end"} if word.group == Group.TIME else {word.group}
            ours = (word.keys[0][1], word.keys[1][1]) == (write.ghl_id, write.hubspot_id)
            # What else is written along has a reason of its own.
            if ours and word.why in write.why and {*write.fields} <= names:
                raise Breach(f"{write} carries out what was decided of other values: {word}")


def _check_approved(village: Village, before: Before) -> None:
    """With an approved plan, nothing goes out for whom, or when, it does not show."""
    approved, said = village.annals.approved, village.last
    for write in said.written if said else ():
        source = (write.side.other, write.id_on(write.side.other))
        if write.action != "create" or source not in approved:
            continue
        touched = village.annals.last.get(source, 0) > before.acts
        if not touched and village.visit(source) != approved[source]:
            raise Breach(f"{write} was not approved so: {approved[source]}")
    if said is not None:
        approved.clear()


def _check_changes(village: Village, before: Before) -> None:
    """The change guard: no writes at all where its limit is nothing."""
    said, limit = village.last, village.town.rules.template.change_guard
    if said is None or before.first or village.annals.lets:
        return
    for side in Side:
        done = [w for w in said.written if w.side is side and w.action in CHANGES]
        if done and limit.tripped(len(done), before.pairs):
            raise Breach(f"the change guard let pass: {done}")
