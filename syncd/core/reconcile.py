"""Two living records of a pair, compared and brought together field by field.

Plan calls this on the last rung of its ladder. `merge` says what changed;
here the rules decide what that means: a write, a new agreement, or a hold. A
contested or held group never stops the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from syncd.core import actions, essence, merge, own_writes, translate
from syncd.core.actions import Action, Change, Rebase, Update, WriteExternalId
from syncd.core.association import associate
from syncd.core.contacts import ToMake
from syncd.core.context import UNDONE, PlanContext, Revert
from syncd.core.essence import Value
from syncd.core.freshness import is_fresh
from syncd.core.merge import Comparison
from syncd.core.model import Group, GroupKey, Hold, Pair, Side, Snapshot
from syncd.core.observe import Sighting
from syncd.core.policy import Winner
from syncd.core.rendering import renders
from syncd.core.translate import KeepTarget, Translated, Untranslatable

OSCILLATION_LIMIT = 3
"""So many writes of one group within the hour, without a person's value between: something
on the other side fights back."""


def validates(
    side: Side, changes: Iterable[Change], pair: Pair, now: Snapshot, context: PlanContext
) -> bool:
    """Whether HighLevel should check the slot of this update (promise 2)."""
    if side is not Side.GHL or not context.policy.refuse_double_booking:
        return False
    if context.policy.override(pair.ghl_id, pair.hubspot_id).book_anyway:
        return False
    after = now.appointment
    touched = False
    for change in changes:
        touched = touched or change.group in {Group.TIME, Group.STATUS, Group.OWNER}
        after = essence.with_value(after, change.group, change.after)
    upcoming = after.start is not None and after.start > context.policy.now
    return touched and upcoming and context.translator.statuses.takes_slot(after.status)


def reopens(side: Side, changes: Iterable[Change], context: PlanContext) -> bool:
    """Whether HighLevel's record takes a slot again, which a status alone never checks."""
    takes = context.translator.statuses.takes_slot
    return side is Side.GHL and any(
        change.group == Group.STATUS and not takes(str(change.before)) and takes(str(change.after))
        for change in changes
    )


class FieldReconciler:
    """The field-by-field merge of one pair: collects changes, holds and agreements."""

    def __init__(
        self, sighting: Sighting, ghl: Snapshot, hubspot: Snapshot, context: PlanContext
    ) -> None:
        self.context, self.policy = context, context.policy
        self.met = sighting.met
        self.before = sighting.pair
        self.pair = sighting.pair
        self.records = {Side.GHL: ghl, Side.HUBSPOT: hubspot}
        # The first of a group counts, HighLevel's before HubSpot's.
        self._flaws = {
            field_error.group: field_error
            for field_error in (*ghl.field_errors, *hubspot.field_errors)[::-1]
        }
        self.changes: dict[Side, list[Change]] = {Side.GHL: [], Side.HUBSPOT: []}
        self.holds: list[Hold] = []
        self.restoring: Side | None = None
        self.undoing = False
        self.making: ToMake | None = None

    def group(self, group: GroupKey) -> None:
        """Merge one group, or put back what a person wants undone in it."""
        if self._reverted(group):
            return
        field_error = self._flaws.get(group)
        if field_error is not None:
            if not self._flaw_is_old(group):
                self._hold(group, field_error.reason, field_error.detail)
            return
        outcome = self._outcome(group)
        if outcome is not Comparison.UNCHANGED and self._is_unread(group, outcome):
            return  # It stays news until it can be understood.
        match outcome:
            case Comparison.UNCHANGED:
                pass
            case Comparison.CONVERGED:
                self._agree(group)
            case Comparison.LEFT:
                self._push(group, Side.GHL)
            case Comparison.RIGHT:
                self._push(group, Side.HUBSPOT)
            case Comparison.BOTH:
                self._contest(group)

    def _is_unread(self, group: GroupKey, outcome: Comparison) -> bool:
        """Whether nobody can tell now what the values mean across: unread is not absent."""
        if group != Group.OWNER or not self.context.translator.people_unread:
            return False
        ghl, hubspot = self._now(Side.GHL, group), self._now(Side.HUBSPOT, group)
        # An owner that was taken away is known without the lists of people.
        return bool(ghl if outcome is Comparison.LEFT else ghl or hubspot)

    def contact(self) -> None:
        """Bring together whom the two records are for."""
        ghl, hubspot = self.records[Side.GHL], self.records[Side.HUBSPOT]
        here, there = self.pair.ghl.contact, self.pair.hubspot.contact
        unchanged = ghl.appointment.contact == here and there in hubspot.contacts
        if unchanged and there not in self.context.translator.merged:
            return
        found = associate(self.pair, ghl, hubspot, self.context)
        if found is None:
            return
        self.pair, self.making = found.pair, found.making
        if found.change is not None:
            self.changes[Side.HUBSPOT].append(found.change)
        if found.unresolved is not None:
            self._hold(Group.CONTACT, found.unresolved.reason, found.unresolved.detail)

    def restore(self, side: Side, status: str) -> None:
        """Take back a cancellation that we wrote to `side` for a removal that was undone.

        A HubSpot record that came back without a status takes the other's (promise 5).
        """
        self.restoring = side
        back, empty = side.other, ""
        shown = self._now(back, Group.STATUS)
        if back is Side.HUBSPOT and not shown and self.policy.may_write(Group.STATUS, back):
            empty = self.context.translator.statuses.translate(side, status) or ""
        for target, after, source in ((side, status, empty or shown), (back, empty, status)):
            if target is side or empty:
                self.changes[target].append(
                    Change(
                        group=Group.STATUS,
                        before=self._now(target, Group.STATUS),
                        after=after,
                        source=source,
                        why=f"restored in {back.label}",
                    )
                )

    def actions(self, *, always_rebase: bool = False) -> list[Action]:
        """What the comparison comes to."""
        hubspot = self.records[Side.HUBSPOT]
        has_external_id = hubspot.carries(self.pair.ghl_id, self.policy.location_id)
        calendar = self.records[Side.GHL].calendar or self.pair.calendar
        known = self.policy.mapped_fields
        shown = essence.without_unmapped(self.pair.ghl, known)
        across = essence.without_unmapped(self.pair.hubspot, known)
        told = (has_external_id, calendar, shown, across)
        if told != (
            self.pair.has_external_id,
            self.pair.calendar,
            self.pair.ghl,
            self.pair.hubspot,
        ):
            self.pair = replace(
                self.pair,
                has_external_id=has_external_id,
                calendar=calendar,
                ghl=shown,
                hubspot=across,
            )
        self._echo_status()
        found: list[Action] = list(self.holds)
        if always_rebase or self.pair != self.before:
            found.append(Rebase(pair=self.pair))
        late = self._late() if not has_external_id and not self.pair.external_id_taken else None
        if late:
            self.changes[Side.HUBSPOT] = []
        found += [update for side in Side if (update := self._update(side)) is not None]
        if not has_external_id and not self.pair.external_id_taken:
            found.append(late or WriteExternalId(pair=self.pair))
        return found

    def _late(self) -> WriteExternalId | None:
        """Values that a new record lacked, if its external id is still to be written."""
        changes = {change.group: change for change in self.changes[Side.HUBSPOT]}
        if self.met or not changes or not all(map(self._created_without, changes.values())):
            return None
        status = changes.pop(Group.STATUS, None)
        return WriteExternalId(
            pair=self.pair,
            status=str(status.after) if status else "",
            groups=frozenset(changes),
            seen=self.records[Side.HUBSPOT],
        )

    def _created_without(self, change: Change) -> bool:
        """Whether it is the end or the status that our booking gave a record without one."""
        if change.group not in self.pair.open:
            return False
        match change:
            case Change(group=Group.STATUS, before=""):
                return True
            case Change(group=Group.TIME, before=(start, None), after=(same, _), source=source):
                return start == same and source == essence.value(self.pair.ghl, Group.TIME)
            case _:
                return False

    def _echo_status(self) -> None:
        """A status that goes to HighLevel is shown at once by the fields that repeat it."""
        written = next((c for c in self.changes[Side.GHL] if c.group == Group.STATUS), None)
        for group in self.policy.status_echoes if written else ():
            kept = [each for each in self.changes[Side.HUBSPOT] if each.group != group]
            before = self._now(Side.HUBSPOT, group)
            if written and before != written.after and self.policy.may_write(group, Side.HUBSPOT):
                kept.append(replace(written, group=group, before=before, source=written.after))
            self.changes[Side.HUBSPOT] = kept

    def _outcome(self, group: GroupKey) -> Comparison:
        now = (self._now(Side.GHL, group), self._now(Side.HUBSPOT, group))
        base = (
            essence.value(self.pair.ghl, group),
            essence.value(self.pair.hubspot, group),
        )
        if now == base and group not in self.pair.open:
            return Comparison.UNCHANGED  # as most groups are

        def agree(ghl: Value, hubspot: Value) -> bool:
            return translate.agree(self.context.translator, group, ghl, hubspot)

        if group in self.pair.open:
            return merge.compare_unagreed(now, agree)
        outcome = merge.compare(base, now, agree)
        if group != Group.STATUS:
            return outcome
        if not now[1] and outcome in {Comparison.RIGHT, Comparison.BOTH}:
            return Comparison.LEFT  # an empty HubSpot status says nothing (promise 5)
        if outcome is Comparison.CONVERGED and now[1] == base[1]:
            # Only an edit in HubSpot is measured by what it already stands for; one in
            # HighLevel has a word of its own, which may be another than HubSpot shows.
            said = self.context.translator.statuses.translate(Side.GHL, str(now[0]))
            return Comparison.LEFT if said not in {None, now[1]} else outcome
        return outcome

    # --- undo

    def _reverted(self, group: GroupKey) -> bool:
        """Put a value back on the side that we wrote it over, and so on both."""
        for revert in self.context.evidence.reverts:
            if (revert.pair_key, revert.group) == (self.pair.key, group):
                now = self._now(revert.side, group)
                back = essence.from_report_fields(now, group, revert.back)
                if self._still_means(revert, now, back):
                    self._put_back(group, revert.side, back)
                    return True
        return False

    def _still_means(self, revert: Revert, now: Value, back: Value) -> bool:
        """Whether nobody changed the group since: what we wrote stands there, or half is undone."""
        group, other = revert.group, revert.side.other
        across = self._now(other, group)
        wrote = essence.from_report_fields(now, group, revert.was)
        agreed_here = essence.value(self.before.shown_on(revert.side), group)
        ours = now == wrote or (now == agreed_here and renders(wrote, now))
        if now != back and not ours:
            return False
        if self._agree_with(group, revert.side, back, across):
            return now != back
        agreed = essence.to_report_fields(essence.value(self.before.shown_on(other), group), group)
        before = agreed if revert.across is None else revert.across
        return essence.to_report_fields(across, group).items() >= before.items()

    def _put_back(self, group: GroupKey, side: Side, back: Value) -> None:
        self.undoing = True
        shown = self.records[side.other].appointment
        said = translate.translate(self.context.translator, group, side, back, shown)
        across = essence.value(shown, group)
        settled = self._agree_with(group, side, back, across)
        if (
            isinstance(said, Translated)
            and self.policy.may_write(group, side.other)
            and not settled
        ):
            across = said.value
        for target, after, source in ((side, back, across), (side.other, across, back)):
            before = self._now(target, group)
            if before != after:
                self.changes[target].append(
                    Change(
                        group=group,
                        before=before,
                        after=after,
                        source=source,
                        why=UNDONE,
                    )
                )

    def _agree_with(self, group: GroupKey, side: Side, value: Value, across: Value) -> bool:
        pair = (value, across) if side is Side.GHL else (across, value)
        return translate.agree(self.context.translator, group, *pair)

    # --- from outcomes to changes

    def _push(self, group: GroupKey, source: Side, *, lost: bool = False, why: str = "") -> None:
        """One side's value goes to the other, where the rules let it."""
        target = source.other
        if not self.policy.may_write(group, target):
            self._agree(group)
            return
        now = self._now(source, group)
        shown = self.records[target].appointment
        said = translate.translate(self.context.translator, group, source, now, shown)
        if isinstance(said, KeepTarget) and group == Group.OWNER and self._cleared(source):
            said = Translated(value="")
        match said:
            case KeepTarget():
                self._agree(group)
            case Untranslatable():
                self._hold(group, said.reason, said.detail)
            case Translated() if said.value == essence.value(shown, group):
                self._agree(group)
            case Translated():
                self._write(group, source, said.value, lost=lost, why=why)

    def _write(self, group: GroupKey, source: Side, after: Value, *, lost: bool, why: str) -> None:
        target = source.other
        if group == Group.OWNER and target is Side.GHL and self._outside_team(after):
            self._hold(group, "outside_team", f"user {after} is not in the calendar's team")
            return
        if self._fought(group, target):
            self._hold(
                group,
                "oscillation",
                f"{target.label} changes it back each time that it is written",
            )
            return
        reason = why or self._reason(group, source)
        self.changes[target].append(
            Change(
                group=group,
                before=self._now(target, group),
                after=after,
                source=self._now(source, group),
                why=reason,
                lost=lost,
            )
        )

    def _contest(self, group: GroupKey) -> None:
        """Both sides changed a group, or meet for the first time and differ in it."""
        writable = [side for side in Side if self.policy.may_write(group, side)]
        if not writable:
            self._agree(group)
            return
        edited = [side for side in Side if self._edited(side, group)]
        first = group in self.pair.open and len(edited) < len(Side)
        if first and not edited and self._is_known_rendering(group):
            self._agree(group)
            return
        kind = "they met for the first time" if first else "changed on both sides"
        if len(writable) == 1:
            only = f"{kind}; it flows to {writable[0].label} only"
            self._push(group, writable[0].other, why=only)
            return
        ruled = self.policy.override(self.pair.ghl_id, self.pair.hubspot_id).keep.get(group)
        winner = self._winner(group, edited) if ruled is None else Winner(ruled.value)
        if winner is Winner.HOLD:
            what = "they differ, and were never agreed on" if first else "both sides changed it"
            self._hold(group, "conflict", what)
            return
        source = self._newest(group) if winner is Winner.NEWEST else Side(winner.value)
        chosen = f"the rule is {winner.value}"
        if ruled is not None:
            chosen = "a person chose"
        elif first and edited:
            chosen = "changed since"
        self._push(group, source, lost=not first, why=f"{kind}; {chosen}: {source.label} wins")

    def _is_known_rendering(self, group: GroupKey) -> bool:
        """Whether two records that were paired before show the same, as a vendor stores it.

        The store was lost, and what it knew of the vendor's doing with it; the
        original stays where it came from.
        """
        ghl, hubspot = self._now(Side.GHL, group), self._now(Side.HUBSPOT, group)
        return self.before.has_external_id and (renders(ghl, hubspot) or renders(hubspot, ghl))

    def _winner(self, group: GroupKey, edited: Sequence[Side]) -> Winner:
        """Who wins a contested group, `edited` by people on these sides.

        Of one that was never agreed on, what changed after the two met is an
        edit like any other: it was made beside a write of ours that had not
        arrived yet, and would be lost to the rule for first meetings.
        """
        meeting = self.policy.first_meeting
        if group not in self.pair.open:
            return self.policy.winner(group)
        if meeting is Winner.HOLD or not edited:
            return meeting
        return Winner(edited[0].value) if len(edited) == 1 else self.policy.winner(group)

    def _newest(self, group: GroupKey) -> Side:
        """The side that changed the group last; a tie goes to HighLevel."""
        ghl, hubspot = self._edited_at(Side.GHL, group), self._edited_at(Side.HUBSPOT, group)
        if ghl is None or hubspot is None:
            return Side.GHL if hubspot is None else Side.HUBSPOT
        return Side.HUBSPOT if hubspot > ghl else Side.GHL

    def _edited_at(self, side: Side, group: GroupKey) -> datetime | None:
        record = self.records[side]
        evidence = self.context.evidence
        skew = evidence.skew.get(side, timedelta(0))
        told = evidence.edited_at.get((side, record.id, group))
        stamp = told or own_writes.edited_at(self.before, record, skew)
        return stamp - skew if stamp else None

    def _agree(self, group: GroupKey) -> None:
        """Nothing to write: what both sides show is the new agreement."""
        pair = self.pair
        for side, record in self.records.items():
            shown = pair.shown_on(side)
            now = essence.value(record.appointment, group)
            if essence.value(shown, group) != now:
                if group == Group.OWNER and pair.owner_by_us is side:
                    pair = replace(pair, owner_by_us=None)
                pair = actions.showing(pair, side, essence.with_value(shown, group, now))
        self.pair = replace(pair, open=pair.open - {group})

    def _update(self, side: Side) -> Update | None:
        changes = tuple(self.changes[side])
        if not changes:
            return None
        record = self.records[side]
        validated = validates(side, changes, self.pair, record, self.context)
        return Update(
            pair=self.pair,
            side=side,
            seen=record,
            source=self.records[side.other],
            changes=changes,
            validate_slot=validated,
            reopens=validated and reopens(side, changes, self.context),
            notify=self.policy.notifies(lambda: self._is_fresh(side, changes)),
            restores=side is self.restoring,
            contact=self.making if side is Side.HUBSPOT else None,
            changed_at=self.records[side.other].updated_at,
        )

    def _is_fresh(self, target: Side, changes: Sequence[Change]) -> bool:
        """Whether a person did just now what these changes carry to a side.

        Of a group that was never agreed on, only what was changed since the two met is.
        """
        if self.met or self.undoing:
            return False
        source = target.other
        edited = any(
            change.group not in self.before.open or self._edited(source, change.group)
            for change in changes
        )
        # A restoration moves no stamp of HubSpot's.
        restored = self.restoring is target
        return restored or (edited and is_fresh(self.records[source], self.context))

    def _hold(self, group: GroupKey, reason: str, detail: str) -> None:
        values = {
            side.value: essence.in_words(essence.value(record.appointment, group))
            for side, record in self.records.items()
        }
        self.holds.append(
            replace(
                Hold.of(self.pair, group, reason, detail, self.records[Side.GHL].appointment),
                values=values,
            )
        )

    def _flaw_is_old(self, group: GroupKey) -> bool:
        """Whether the flawed record shows what it showed at the last agreement."""
        return group not in self.pair.open and not any(self._edited(side, group) for side in Side)

    def _edited(self, side: Side, group: GroupKey) -> bool:
        """Whether a side shows something else than at the last agreement, or when they met."""
        return self._now(side, group) != essence.value(self.pair.shown_on(side), group)

    def _now(self, side: Side, group: GroupKey) -> Value:
        return essence.value(self.records[side].appointment, group)

    def _cleared(self, source: Side) -> bool:
        """Whether syncd wrote the other side's owner, who has no counterpart now.

        HubSpot's only: HighLevel's API has no way to take an assignee away, and calendars with a
        team refuse an appointment without one.
        """
        return (
            source is Side.GHL
            and self.pair.owner_by_us is Side.HUBSPOT
            and self._now(Side.HUBSPOT, Group.OWNER) == self.pair.hubspot.owner
        )

    def _outside_team(self, user: Value) -> bool:
        calendar = self.context.translator.calendars.get(self.records[Side.GHL].calendar)
        return bool(calendar and calendar.team and user and user not in calendar.team)

    def _fought(self, group: GroupKey, target: Side) -> bool:
        count = self.context.evidence.fought.get((self.pair.key, target, group), 0)
        return count >= OSCILLATION_LIMIT

    def _reason(self, group: GroupKey, source: Side) -> str:
        if group in self.pair.open:
            return f"empty in {source.other.label} when they met"
        if self._now(source, group) == essence.value(self.pair.shown_on(source), group):
            return f"empty in {source.other.label}, which says nothing"
        return f"changed in {source.label}"
