"""Small deliberate breakages of the engine, which properties and simulation must notice.

`break_it` applies them, one at a time, to a copy of the package. Each names a
file below `syncd`, a text that stands in it exactly once, and what stands
there instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small thing that is wrong."""

    name: str
    file: str
    old: str
    new: str
    rare: bool = False
    """Whether more than the aimed histories is needed to notice it: the sample leaves it out."""
    hint: str = ""
    """Kinds of aimed histories that are likely to notice it, and are played first."""
    and_also: tuple[str, str] | None = None
    """What else stands there instead, where one change alone would be caught by another."""

    def applied_to(self, text: str) -> str:
        """The broken text.

        Raises:
            ValueError: the text to break does not stand there exactly once.
        """
        for old, new in ((self.old, self.new), *([self.and_also] if self.and_also else ())):
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: found {text.count(old)} times in {self.file}")
            text = text.replace(old, new)
        return text


PLAN, FIELDS, MERGE = "core/plan.py", "core/reconcile.py", "core/merge.py"
MAKING, GUARDS, OBSERVE = "core/creation.py", "core/guards.py", "core/matching.py"
ACTIONS, ESSENCE, SERIALIZE = "core/actions.py", "core/essence.py", "core/serialize.py"
INTENTS, RECOVER, RECORD = (
    "engine/writes.py",
    "engine/recover/recover.py",
    "engine/record/record.py",
)
APPLY, APPLIED = "engine/apply/executor.py", "engine/apply/results.py"
POLL, SIGHTINGS = "engine/poll/poll.py", "engine/observe/sightings.py"
CLOSING, STATE = "engine/finish.py", "engine/cycle_state.py"
CONTACTS, CORE_CONTACTS = "engine/observe/contacts.py", "core/contacts.py"
TWINS, ROUNDS, DICTIONARY = (
    "engine/observe/duplicate_check.py",
    "engine/rounds.py",
    "engine/poll/prepare.py",
)
GROUND, ORDERS, MEETING = (
    "engine/apply/preconditions.py",
    "engine/writes.py",
    "engine/observe/match_context.py",
)
ERRANDS, SHOWN, PLANNED = (
    "engine/decisions/tracker.py",
    "engine/decisions/basis.py",
    "engine/planned_writes.py",
)
MODEL, SERIES = "core/model.py", "core/series.py"
FRESHNESS, ASSOCIATION = "core/freshness.py", "core/association.py"
TRACES, RENDERING, REFUSALS = "core/own_writes.py", "core/rendering.py", "ports/refusals.py"
GHL_WRITING, SHOWN_TEXTS = "providers/ghl/writing.py", "providers/ghl/shown_texts.py"
HTTP, JOURNAL = "providers/http.py", "store/history.py"
TARGETED, INBOX = "engine/targeted.py", "store/announcements.py"
RENEWING, CONNECTIONS = "connections/renewing.py", "store/connections.py"
SIGNATURES, READER, AUDIT = "live/signatures.py", "live/journal_reader.py", "core/audit.py"

AIMED_AT = {
    PLAN: "removal",
    FIELDS: "plain afterthought",
    ACTIONS: "removal crash",
    ESSENCE: "afterthought crash",
    GUARDS: "guarded kept_back",
    OBSERVE: "coincidence by_hand",
    MAKING: "newborn removal",
    INTENTS: "crash afterthought",
    RECOVER: "crash newborn coincidence afterthought",
    RECORD: "crash plain people",
    APPLY: "crash newborn behind",
    APPLIED: "behind kept_back",
    POLL: "removal half_read",
    CLOSING: "behind kept_back",
    CONTACTS: "half_read people",
}
"""The kinds of aimed histories that look at what a file does, where a breakage names none."""

MUTANTS = (
    # The planner's ladder.
    Mutant(
        "a removal beats an edit",
        PLAN,
        "    if edited and context.policy.direction.reaches(where):",
        "    if False:",
    ),
    Mutant(
        "unseen is settled as gone",
        PLAN,
        "if isinstance(seen, Snapshot) or not pair.gone_on(side):",
        "if isinstance(seen, Snapshot):",
    ),
    Mutant(
        "a removal is never carried across",
        PLAN,
        "    if rule is not OnRemoval.CANCEL:\n        return [remove]",
        "    if rule is not OnRemoval.CANCEL:\n        return []",
    ),
    Mutant(
        "archive is written as a cancellation",
        PLAN,
        "    if rule is not OnRemoval.CANCEL:",
        "    if rule is OnRemoval.DELETE:",
    ),
    Mutant(
        "what has started is cancelled",
        PLAN,
        "started = start is None or start <= context.policy.now",
        "started = False",
    ),
    Mutant(
        "what is over is cancelled",
        PLAN,
        "started or context.translator.statuses.is_over(living.side, living.appointment.status)",
        "started",
    ),
    Mutant("ignore removes", PLAN, "if rule is OnRemoval.IGNORE or (", "if ("),
    Mutant(
        "a settled removal is carried again",
        PLAN,
        "    if pair.gone_on(where):\n        return _already_settled(",
        "    if False:\n        return _already_settled(",
    ),
    Mutant(
        "a survivor is always made again",
        PLAN,
        "    if kept is None or kept.response is Response.NOTHING:\n        return []",
        "    if kept is None:\n        return []",
    ),
    Mutant(
        "a cancelled survivor is made again",
        PLAN,
        "    still = not status or context.translator.statuses.is_cancelled(side, status)",
        "    still = False",
    ),
    Mutant(
        "a restored record is left alone",
        PLAN,
        "if (ours or not cancelled) and context.policy.direction.reaches(where):",
        "if False:",
    ),
    Mutant(
        "our cancellation is not taken back",
        PLAN,
        "    if cancelled is None:\n        revived",
        "    if True:\n        revived",
    ),
    Mutant(
        "a status set meanwhile is overwritten on restore",
        PLAN,
        "    if not untouched:",
        "    if False:",
    ),
    Mutant(
        "a cancellation does not agree with a removal",
        PLAN,
        "    if context.translator.statuses.is_cancelled(side, living.appointment.status):\n"
        "        return _settled(pair, _unanswered(where, living, context))\n"
        "    edited",
        "    if False:\n"
        "        return _settled(pair, _unanswered(where, living, context))\n"
        "    edited",
    ),
    Mutant(
        "times do not count as edits",
        PLAN,
        "and essence.value(shown, group) != essence.value(now, group)",
        "and group != Group.TIME and essence.value(shown, group) != essence.value(now, group)",
    ),
    # Field by field.
    Mutant(
        "the left side always wins",
        MERGE,
        "return Comparison.LEFT if left else Comparison.RIGHT",
        "return Comparison.LEFT",
    ),
    Mutant(
        "a change on both sides is the left one's",
        MERGE,
        "        return Comparison.BOTH\n    return Comparison.LEFT if left",
        "        return Comparison.LEFT\n    return Comparison.LEFT if left",
    ),
    Mutant("right changes are quiet", MERGE, "    if not left and not right:", "    if not left:"),
    Mutant(
        "equal results are a conflict",
        MERGE,
        "    if agree(now[0], now[1]):\n        return Comparison.CONVERGED\n    if left and right",
        "    if left and right",
    ),
    Mutant(
        "an empty field does not take the other's value",
        MERGE,
        "    if is_empty(one):\n        return True",
        "    if is_empty(one):\n        return False",
    ),
    Mutant(
        "a losing value is not told of",
        FIELDS,
        "self._push(group, source, lost=not first,",
        "self._push(group, source, lost=False,",
    ),
    Mutant(
        "the newest loses",
        FIELDS,
        "return Side.HUBSPOT if hubspot > ghl else Side.GHL",
        "return Side.GHL if hubspot > ghl else Side.HUBSPOT",
    ),
    Mutant(
        "an edit after a first meeting is not seen",
        FIELDS,
        "        if meeting is Winner.HOLD or not edited:",
        "        if True:",
    ),
    Mutant("a hold decides", FIELDS, "        if winner is Winner.HOLD:", "        if False:"),
    Mutant(
        "an empty status is carried across",
        FIELDS,
        "if not now[1] and outcome in {Comparison.RIGHT, Comparison.BOTH}:",
        "if False:",
    ),
    Mutant(
        "a fight is not noticed",
        FIELDS,
        "        return count >= OSCILLATION_LIMIT",
        "        return False",
    ),
    Mutant(
        "a direction is not obeyed",
        FIELDS,
        "        if not self.policy.may_write(group, target):\n            self._agree(group)\n"
        "            return",
        "        if False:\n            return",
    ),
    Mutant(
        "agreement leaves the group open",
        FIELDS,
        "        self.pair = replace(pair, open=pair.open - {group})",
        "        self.pair = pair",
    ),
    Mutant(
        "agreement keeps the old value",
        FIELDS,
        "pair = actions.showing(pair, side, essence.with_value(shown, group, now))",
        "pass",
    ),
    Mutant(
        "a mark is never written",
        FIELDS,
        "        if not has_external_id and not self.pair.external_id_taken:",
        "        if False:",
    ),
    # What is agreed after a write.
    Mutant(
        "the base keeps what stood before our write",
        ACTIONS,
        "shown = essence.with_value(shown, change.group, essence.value(returned, change.group))",
        "shown = essence.with_value(shown, change.group, change.before)",
    ),
    Mutant(
        "the source of a write stays news",
        ACTIONS,
        "        source = essence.with_value(source, change.group, change.source)",
        "        pass",
    ),
    Mutant("refused groups count as agreed", ACTIONS, "if change.group not in refused]", "]"),
    Mutant(
        "written groups stay open",
        ACTIONS,
        "        open=pair.open - groups,",
        "        open=pair.open,",
    ),
    Mutant(
        "a restore leaves the removal",
        ACTIONS,
        "None if write.restores and Group.STATUS in groups else pair.removal",
        "pair.removal",
    ),
    Mutant(
        "a removal forgets the status before",
        ACTIONS,
        'write.seen.appointment.status if write.cancel_as else ""',
        '""',
    ),
    Mutant(
        "a record made anew has its old id",
        ACTIONS,
        "    ids = {write.side: record_id, write.side.other: write.source.id}",
        "    ids = {write.side: old.id_on(write.side) if old else record_id,\n"
        "           write.side.other: write.source.id}",
    ),
    Mutant(
        "both count as gone after a cancellation",
        ACTIONS,
        "gone = frozenset({side.other}) if write.cancel_as else frozenset(Side)",
        "gone = frozenset(Side)",
    ),
    Mutant(
        "the print leaves out the start",
        ESSENCE,
        "start, end = _seconds(appointment.start),",
        'start, end = "",',
    ),
    Mutant(
        "the print leaves out the description",
        ESSENCE,
        "{len(description)}:{description}",
        "",
    ),
    Mutant(
        "a removed record's print is that of a living one",
        ESSENCE,
        "    if pair.gone_on(side):\n        return GONE",
        "    if False:\n        return GONE",
    ),
    Mutant(
        "a gone record looks as it did",
        ESSENCE,
        "    if snapshot.gone:\n        return GONE",
        "    if False:\n        return GONE",
    ),
    # Guards.
    Mutant(
        "the removal guard is off",
        GUARDS,
        "    if policy.removal_guard.tripped(",
        "    if False and policy.removal_guard.tripped(",
    ),
    Mutant(
        "the removal guard forgets the last day",
        GUARDS,
        "(past.removed_lately if removals else 0)",
        "0",
    ),
    Mutant(
        "the change guard is off",
        GUARDS,
        "        if policy.change_guard.tripped(all_changes, past.pairs):",
        "        if False:",
    ),
    Mutant(
        "removals pass the guard",
        GUARDS,
        "    gone = {id(each.write) for each in kept_back}",
        "    gone = {id(each.write) for each in kept_back if each.guard == CHANGES}",
    ),
    Mutant(
        "what is kept back is not held",
        GUARDS,
        "        holds += [_kept_back(write) for write in stopped]",
        "        pass",
    ),
    Mutant(
        "the latest goes first",
        GUARDS,
        "    return (0, ahead) if ahead >= 0",
        "    return (0, -ahead) if ahead >= 0",
    ),
    # Who is whose.
    Mutant(
        "a carried id does not pair",
        OBSERVE,
        "carriers = [record for record in self.hubspot.values() if record.external_id]",
        "carriers: list[Snapshot] = []",
    ),
    Mutant(
        "a possible duplicate is made",
        OBSERVE,
        "            elif self._may_be_double(record, suspects):",
        "            elif False:",
    ),
    Mutant(
        "a cancelled record meets a living one",
        OBSERVE,
        "if self._separate(ghl, hubspot) or self._cancelled(ghl) != self._cancelled(hubspot):",
        "if self._separate(ghl, hubspot):",
    ),
    Mutant(
        "another end is no other appointment",
        OBSERVE,
        "return one.end is None or other.end is None or one.end == other.end",
        "return True",
    ),
    Mutant(
        "what is gone is welcome",
        OBSERVE,
        "        if record.gone or self._lacks_start(record)",
        "        if self._lacks_start(record)",
    ),
    Mutant(
        "the window is not looked at",
        OBSERVE,
        "        return self.policy.window.holds(record.appointment.start)",
        "        return True",
    ),
    Mutant(
        "a new pair has nothing open",
        OBSERVE,
        "        open=frozenset(policy.groups),",
        "        open=frozenset(),",
    ),
    Mutant(
        "a booking is not made where it stood",
        MAKING,
        "calendar = stood if stood and stood.active else",
        "calendar =",
    ),
    Mutant(
        "a slot is never checked",
        MAKING,
        "validate_slot=takes and not past and not free",
        "validate_slot=False",
    ),
    Mutant(
        "a missing end stays missing",
        MAKING,
        "    if wanted.start and wanted.end is None:",
        "    if False:",
    ),
    # Intents, recovery, record.
    Mutant(
        "recovery forgets",
        RECOVER,
        "    record.record(link, cycle, effects, pairs)\n",
        "    pass\n",
    ),
    Mutant(
        "recovery leaves intents open",
        RECOVER,
        "            [intent.key for intent in open_intents if intent.key not in unsettled]",
        "            []",
    ),
    Mutant(
        "recovery skips HubSpot's creations",
        RECOVER,
        "    effects += _created_in_hubspot(link, open_intents, pairs, unsettled)\n",
        "",
    ),
    Mutant(
        "recovery skips bookings",
        RECOVER,
        "    effects += _booked_in_ghl(link, open_intents, pairs, unsettled)\n",
        "",
    ),
    Mutant(
        "recovery skips changes",
        RECOVER,
        "        effects += _changed(link, side, open_intents, pairs)",
        "        pass",
    ),
    Mutant(
        "recovery takes people's bookings for ours",
        RECOVER,
        "        if record_.by_api\n        and not",
        "        if not",
    ),
    Mutant(
        "recovery takes what another pair has",
        RECOVER,
        "free = [found for found in candidates.values() if found.id not in known]",
        "free = list(candidates.values())",
    ),
    Mutant(
        "recovery counts every group as written",
        RECOVER,
        "write=replace(update, changes=tuple(taken))",
        "write=update",
    ),
    Mutant(
        "recovery believes every update",
        RECOVER,
        "    return shown == change.after or (",
        "    return True or (",
    ),
    Mutant(
        "recovery believes every removal",
        RECOVER,
        "        if now.appointment.status != remove.cancel_as:\n            return None",
        "        if False:\n            return None",
    ),
    Mutant(
        "an intent forgets the restore",
        INTENTS,
        '        restores=bool(held["restores"]),',
        "        restores=False,",
    ),
    Mutant(
        "an intent forgets the loser",
        SERIALIZE,
        '        lost=stored["lost"],',
        "        lost=False,",
    ),
    Mutant(
        "an intent forgets the contact",
        INTENTS,
        '                "contact": contact,',
        '                "contact": "",',
    ),
    Mutant(
        "record leaves intents open",
        RECORD,
        "        transaction.close_intents([effect.key for effect in effects])\n",
        "",
    ),
    Mutant(
        "record writes no history",
        RECORD,
        "for effect, pair in recorded for entry in _history(effect, pair, cycle, now)",
        "for effect, pair in recorded[:0] for entry in _history(effect, pair, cycle, now)",
    ),
    Mutant(
        "record builds on the old pair",
        RECORD,
        "            latest = pairs.get(write.pair.key, write.pair)\n            refused",
        "            latest = write.pair\n            refused",
    ),
    Mutant(
        "record forgets contacts",
        RECORD,
        "save_contacts(found for effect in effects for found in _contacts(effect))",
        "save_contacts(())",
    ),
    Mutant(
        "a conflict is an ordinary update in history",
        RECORD,
        '            action="conflict" if name in lost else planned.action,',
        "            action=planned.action,",
    ),
    # Apply, poll, closing.
    Mutant(
        "intents are not written",
        APPLY,
        "for key, (write, contact) in opened.items()\n                )",
        "for key, (write, contact) in ()\n                )",
    ),
    Mutant(
        "an unanswered write is forgotten",
        APPLY,
        "            if key and not (isinstance(error, TimedOut) and error.sent):",
        "            if key:",
    ),
    Mutant(
        "a booking is not marked",
        APPLY,
        "            self._queue.add_external_id(\n",
        "            _ = (\n",
        rare=True,
    ),
    Mutant(
        "failed writes are not looked at again",
        APPLIED,
        "        self.to_recheck += [",
        "        _ = [",
    ),
    Mutant(
        "an adopted remark has no key",
        APPLY,
        "replace(each, pair=self._agreed(each.pair))",
        "each",
    ),
    Mutant(
        "what is missing is not asked for",
        POLL,
        "        if asked:\n            state",
        "        if False:\n            state",
        rare=True,
    ),
    Mutant(
        "what is missing is not judged",
        POLL,
        "        found |= {pair.key: pair for pair in pairs}\n",
        "",
    ),
    Mutant(
        "merges are not followed",
        POLL,
        "    _follow_merges(context.link, state, pairs)\n\n",
        "\n",
        rare=True,
    ),
    Mutant(
        "carriers are not asked for",
        SIGHTINGS,
        "    if ghl and not scans[Side.HUBSPOT].whole:",
        "    if False:",
        rare=True,
    ),
    # How far a refusal reaches.
    Mutant(
        "an intent that cannot be looked for counts as not done",
        RECOVER,
        "            [intent.key for intent in open_intents if intent.key not in unsettled]",
        "            [intent.key for intent in open_intents]",
        rare=True,
    ),
    Mutant(
        "a contact that cannot be read does not exist",
        CONTACTS,
        "            unread[key] = _unread(answer)",
        "            pass",
        rare=True,
    ),
    Mutant(
        "who has a record whose contact is not known makes no twin wait",
        OBSERVE,
        "from_ghl.get(record.appointment.contact), Unresolved):",
        "from_ghl.get(record.appointment.contact), str):",
        rare=True,
    ),
    Mutant(
        "what is left over is not read again",
        POLL,
        "        wanted[Side(side)].add(record_id)",
        "        pass",
    ),
    Mutant(
        "the cursor moves although writes were left out",
        CLOSING,
        "        self._whole = self._over and not (",
        "        self._whole = self._over or (",
    ),
    # What was read, and what that proves.
    Mutant(
        "every reading counts as whole",
        MODEL,
        "        return self.complete and not self.failures and not self.unreadable",
        "        return True",
        hint="by_hand half_read",
    ),
    Mutant(
        "nobody looks for twins beside the lists",
        TWINS,
        "    return Duplicates(found=found, unsure=unsure)",
        "    return Duplicates()",
        hint="by_hand half_read",
    ),
    Mutant(
        "nobody looks for twins before a record is sent",
        TWINS,
        "        return [\n            (create, error)\n            for create in creates",
        "        return [\n            (create, error)\n            for create in creates[:0]",
        hint="in_line",
    ),
    Mutant(
        "who waits beside a newcomer is not judged with it",
        ROUNDS,
        "        return neighbours.with_more(unpaired)",
        "        return unpaired",
        hint="in_line",
    ),
    Mutant(
        "a list's word alone removes",
        POLL,
        "    if removed:\n        state.seen[scan.side] |=",
        "    if False:\n        state.seen[scan.side] |=",
        hint="late_bin",
    ),
    Mutant(
        "people who cannot be read are nobody",
        DICTIONARY,
        "people_unread=any(each.people_unread or not each.people for each in (ghl, hubspot))",
        "people_unread=False",
        hint="half_read",
    ),
    Mutant(
        "an instance is joined however far it is",
        SERIES,
        "        if away < step and pair.key",
        "        if pair.key",
        hint="series",
    ),
    Mutant(
        "a merge without a trace is not followed",
        POLL,
        "(former.absent or former.became == survivor)",
        "former.became == survivor",
        hint="merged",
    ),
    Mutant(
        "the cursor moves past what was not read",
        CLOSING,
        "            if self._whole and not self._polled.scans[Side.HUBSPOT].passing:",
        "            if self._whole:",
        hint="half_read",
    ),
    Mutant(
        "one forbidden record ends the link",
        REFUSALS,
        "    return TABLE[asked][answer_of(error)]",
        "    forbidden = (Asked.RECORD, Answer.FORBIDDEN) == (asked, answer_of(error))\n"
        "    return Stops.SIDE if forbidden else TABLE[asked][answer_of(error)]",
        hint="half_read",
    ),
    # What a write rests on.
    Mutant(
        "what a write rests on always stands",
        GROUND,
        "        if precondition is None or shown is None:\n            return None",
        "        if True:\n            return None",
        hint="interrupted",
    ),
    Mutant(
        "a reading serves for ever",
        GROUND,
        "RECENT = 2.0",
        "RECENT = 1000.0",
        and_also=("min(readings) > FRESH", "min(readings) > 1000.0"),
        hint="interrupted in_line",
    ),
    Mutant(
        "a removal rests on nothing",
        ACTIONS,
        "return None if self.source is None else Precondition(",
        "return None if self.source is None or True else Precondition(",
        hint="interrupted",
    ),
    Mutant(
        "an update rests on nothing across",
        ACTIONS,
        "        return Precondition(seen=self.source, groups=self.depends_on | {Group.CONTACT})\n",
        "        return None\n",
        hint="interrupted",
    ),
    Mutant(
        "time and status do not belong together",
        ACTIONS,
        "    return groups | _SLOT if groups & _SLOT else groups",
        "    return groups",
        hint="interrupted",
    ),
    Mutant(
        "an identity writes over what a person wrote",
        ORDERS,
        "                skip_changed=True,",
        "                skip_changed=False,",
        hint="newborn interrupted",
    ),
    Mutant(
        "what waits late is written unseen",
        APPLY,
        "status=write.backfill_status, groups=late, seen=source",
        "status=write.backfill_status, groups=late",
        rare=True,
        hint="newborn interrupted",
    ),
    Mutant(
        "a record without an end gets none",
        MAKING,
        "policy.flows_late(group) or (endless and group == Group.TIME)",
        "policy.flows_late(group)",
        hint="newborn interrupted",
    ),
    Mutant(
        "reopening asks for no slot",
        FIELDS,
        "    return side is Side.GHL and any(\n        change.group == Group.STATUS and not takes",
        "    return False and any(\n        change.group == Group.STATUS and not takes",
        hint="reopened",
    ),
    Mutant(
        "what came back meanwhile is made again",
        GHL_WRITING,
        "            self._still_gone(command)",
        "            pass",
        hint="interrupted",
    ),
    Mutant(
        "a holder goes on after its sleep",
        HTTP,
        "                self.guard()",
        "                pass",
        hint="overtaken",
    ),
    Mutant(
        "what we write ourselves moves the ground",
        GROUND,
        "self._ours.setdefault((side, record_id), {}).setdefault(group, set()).update(values)",
        "pass",
        hint="decided",
    ),
    # What people decided.
    Mutant(
        "a decision lets everything pass",
        GUARDS,
        "            return self.removals or ids in",
        "            return True or ids in",
        and_also=("        return self.changes or (", "        return True or ("),
        hint="guarded decided",
    ),
    Mutant(
        "a refused part of a decision is done",
        ERRANDS,
        "        kept = {part for part in self._parts.get(name, ()) if self._needs(part, refused)}",
        "        kept = set[Part]()",
        hint="decided",
    ),
    Mutant(
        "a decision holds for other values too",
        SHOWN,
        '    group: GroupKey = shown["group"] or Group.TIME',
        "    return True",
        hint="outdated decided",
    ),
    Mutant(
        "an undo overwrites newer edits",
        FIELDS,
        "        return essence.to_report_fields(across, group).items() >= before.items()",
        "        return True",
        hint="outdated decided",
    ),
    Mutant(
        "a write leaves its decision open",
        RECORD,
        "transaction.settle_decisions({part for effect in effects for part in effect.carries})",
        "pass",
        hint="decided outdated",
    ),
    Mutant(
        "a cycle that was cut short has judged all",
        CLOSING,
        "only = None if self._over else _judged(self._observations)",
        "only = None",
        hint="decided half_read paused",
    ),
    Mutant(
        "a void decision is carried out",
        ERRANDS,
        "            if word.part not in self.void and _carries_word(write, word, ids)",
        "            if _carries_word(write, word, ids)",
        hint="outdated decided",
    ),
    Mutant(
        "a plan does not tell for whom",
        PLANNED,
        "    if write.contact is not None:\n        found",
        "    if False:\n        found",
        hint="outdated decided",
    ),
    Mutant(
        "the removal guard forgets with the history",
        JOURNAL,
        "    set_state(connection, link_id, REMOVALS, written)",
        "    pass",
        hint="guarded",
    ),
    Mutant(
        "contacts are not counted",
        GUARDS,
        "len(writes) + sum(new.key not in known for new in actions.new_contacts(writes))",
        "len(writes)",
        hint="guarded",
    ),
    # Who is told.
    Mutant(
        "everything is a fresh change",
        FRESHNESS,
        "    first, now = context.evidence.first_sync, context.policy.now",
        "    return True",
        hint="notified",
    ),
    Mutant(
        "what a first sync left behind is told of",
        FRESHNESS,
        "    if left == fingerprint_of_value(record):\n        return False",
        "    if False:\n        return False",
        hint="notified",
    ),
    # Who is whom.
    Mutant(
        "paired records make their contacts one",
        CORE_CONTACTS,
        "        if not ghl or not hubspot:\n            return False",
        "        if not ghl or not hubspot:\n            return False\n        return True",
        hint="people",
    ),
    Mutant(
        "an association proves who somebody is",
        RECORD,
        "    if isinstance(across, Known) and across.basis is MatchBasis.PAIRED_RECORD:",
        "    if False:",
        hint="people",
    ),
    Mutant(
        "a shared number finds somebody",
        CONTACTS,
        "    return book | unread | contacts.without_shared_phones(met, people, namesakes)",
        "    return book | unread | met",
        hint="people",
    ),
    Mutant(
        "who was one person stays so",
        CORE_CONTACTS,
        "    return bool(others) and not share_email(here, there)",
        "    return False",
        hint="people",
    ),
    Mutant(
        "nobody's place is taken",
        ASSOCIATION,
        "    return former if former in hubspot.contacts else only",
        '    return ""',
        hint="people interrupted",
    ),
    Mutant(
        "neighbours are judged by what was agreed",
        MEETING,
        "    if not isinstance(seen, Snapshot) or seen.gone:\n        return pair",
        "    if True:\n        return pair",
        hint="coincidence removal",
    ),
    Mutant(
        "a record that came back is made beside",
        PLAN,
        "judged = [_unless_duplicate(each, observed, context) for each in judge(",
        "judged = [each for each in judge(",
        hint="coincidence removal",
    ),
    # What a vendor makes of our writes.
    Mutant(
        "what a vendor makes of a text is an edit",
        TRACES,
        "    if wrote is None or record.gone or",
        "    if True or wrote is None or record.gone or",
        hint="rewritten",
    ),
    Mutant(
        "nothing is a rendering",
        RENDERING,
        "    if is_empty(sent) or is_empty(shown):\n        return False\n",
        "    return False\n",
        hint="rewritten",
    ),
    Mutant(
        "a person's cut is the vendor's",
        RENDERING,
        "        if now > left:\n            return False",
        "        if False:\n            return False",
        hint="rewritten",
    ),
    Mutant(
        "our own stamp is an edit",
        TRACES,
        "    if wrote is not None and wrote.left(record.updated_at, skew):",
        "    if False and wrote is not None:",
        hint="newest",
    ),
    Mutant(
        "nobody listens to what HighLevel kept",
        SHOWN_TEXTS,
        "if wanted != shown and is_vendors(wanted, shown, written_at, read.updated_at):",
        "if False:",
        hint="rewritten",
    ),
    # A cycle that was cut short.
    Mutant(
        "a stop leaves bookings without their ids",
        ROUNDS,
        "    executor.mark_bookings()\n",
        "",
        hint="paused",
    ),
    # Targeted cycles and announcements.
    Mutant(
        "not found by id is gone",
        TARGETED,
        "            if not isinstance(seen, Missing) or pair.gone_on(side):\n",
        "            if True:\n",
        hint="announced",
    ),
    Mutant(
        "an announced record is made before the first sync",
        TARGETED,
        "    pairs = {} if context.first else reading.pairs(waiting)\n",
        "    pairs = reading.pairs(waiting)\n",
        hint="announced",
    ),
    Mutant(
        "nobody looks beside an announced record",
        TARGETED,
        "            self._read_spots(told)\n",
        "",
        hint="announced",
    ),
    Mutant(
        "an announced instance is judged by its time",
        TARGETED,
        "        if record.series is not None:\n",
        "        if False:\n",
        hint="announced",
    ),
    Mutant(
        "the carrier of an old id is paired again",
        SIGHTINGS,
        "            elif record.id not in paired and record.id not in",
        "            elif record.id not in",
        hint="announced",
    ),
    Mutant(
        "an announcement is closed unread",
        STATE,
        "records is not None and all(_was_read(polled, *record) for record in records):\n",
        "records is not None:\n",
        hint="announced",
    ),
    Mutant(
        "a targeted cycle lets go of what it did not judge",
        CLOSING,
        "(holds, judged=judged | {name[:2] for name in named})\n",
        "(holds, judged={name[:2] for name in (*before, *named)})\n",
        hint="announced",
    ),
    Mutant(
        "a repeated delivery is announced again",
        INBOX,
        "            if not each.delivery or (links[each.link], _digest(each.delivery)) in new\n",
        "            if True\n",
    ),
    Mutant(
        "the changes of targeted cycles are not counted",
        TARGETED,
        "    changes = store.changed_since(context.policy.now - HOUR, TARGETED)\n",
        "    changes = type(store.changed_since(context.policy.now, TARGETED))()\n",
        hint="announced",
    ),
    # Connections, deliveries and the journal.
    Mutant(
        "a token of another account is used",
        RENEWING,
        '    return grant.account not in {"", row.account}\n',
        "    return False\n",
    ),
    Mutant(
        "a refusal does not ask the store first",
        RENEWING,
        "        if newest is None or newest.generation != row.generation:\n",
        "        if newest is None:\n",
        and_also=(
            "if not self._store.refuse(row.id, row.generation, words):",
            "if newest and not self._store.refuse(row.id, newest.generation, words):",
        ),
    ),
    Mutant(
        "a renewal forgets the new refresh token",
        RENEWING,
        "cipher.encrypt(grant.refresh) or row.refresh,",
        "row.refresh,",
    ),
    Mutant(
        "an old message of an uninstallation counts",
        CONNECTIONS,
        "        return self.uninstalled_at > max(connected, self.installed_at or connected)\n",
        "        return True\n",
    ),
    Mutant(
        "an old stamp proves a delivery",
        SIGNATURES,
        "    return abs(int(stamp) - now.timestamp() * 1000) <= FRESH_MS\n",
        "    return int(stamp) - now.timestamp() * 1000 <= FRESH_MS\n",
    ),
    Mutant(
        "the place in the journal moves before its events",
        READER,
        "            self._move(place.offset, place.read_until, part)\n",
        "            self._move(pointer.offset, place.read_until, part)\n",
    ),
    Mutant(
        "a lost place asks for nothing",
        READER,
        "        self._move(offset, self._clock.now(), everything)\n",
        "        self._move(offset, self._clock.now())\n",
    ),
    # The audit.
    Mutant(
        "a person's edit is called a rendering",
        AUDIT,
        "        if seen.moved(side, found.group) or seen.moved(side.other, found.group):\n",
        "        if False:\n",
    ),
)
"""Each of them would be somebody's lost or doubled appointment."""
