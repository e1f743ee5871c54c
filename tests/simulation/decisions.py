"""What people decide in a village through the verbs: exits of holds, undo, kicks, kept plans.

`simulation` builds on it. A decision is queued exactly as the verbs queue it, for
the next cycle to carry out, whatever becomes of that.
"""

from __future__ import annotations

from edit_log import Word
from people import People

from syncd.core.context import UNDONE
from syncd.core.model import Group, Hold, Side
from syncd.engine.decisions.basis import shown_of
from syncd.engine.decisions.pending import WAYS, leave_of
from syncd.engine.decisions.undo import overtaken, parts_of, reverts_of, standing
from syncd.engine.planned_writes import digest
from syncd.store.link_store import SqlLinkStore


class Deciding(People):
    """People at the terminal."""

    def retry(self, number: int) -> None:
        """`syncd retry ID`, of the number-th record that is held or ignored."""
        holds = self._holds()
        if holds:
            hold = holds[number % len(holds)]
            self._decide("retry", {"id": hold.hubspot_id or hold.ghl_id, "holds": _shown(hold)})
            return
        ignored = sorted(self.edit_log.ignored)
        if ignored:
            key = ignored[number % len(ignored)]
            self._decide("retry", {"id": key[1], "holds": []})
            self.edit_log.ignored -= set(self.edit_log.lineage(key, ignored))

    def resolve(self, number: int, choice: int) -> None:
        """`syncd resolve ID …` with one of the exits that fit the number-th hold."""
        holds = [hold for hold in self._holds() if self._exits(hold)]
        if not holds:
            return
        hold = holds[number % len(holds)]
        exits = self._exits(hold)
        way, value = exits[choice % len(exits)]
        record = hold.hubspot_id or hold.ghl_id
        self._decide("resolve", {"id": record, "holds": _shown(hold), way: value})
        if way == "keep":
            self._said((hold.ghl_id, hold.hubspot_id), str(hold.group), "a person chose")
        for key in ((Side.GHL, hold.ghl_id), (Side.HUBSPOT, hold.hubspot_id)):
            if key[1]:
                # From now on a person's word counts, and no rule.
                self.edit_log.mixed.add(key)
                self.edit_log.tick(key)
                if way == "ignore":
                    self.edit_log.ignored.add(key)

    def _exits(self, hold: Hold) -> list[tuple[str, object]]:
        found: list[tuple[str, object]] = []
        for way, reasons in WAYS.items():
            if hold.reason not in reasons:
                continue
            if way == "keep":
                found += [(way, side.value) for side in Side]
            elif way == "contact":
                found += [(way, contact) for contact in self.hubspot_contacts]
            elif way in {"separate", "book_anyway"}:
                found.append((way, True))
        return [*found, ("ignore", True)]

    def undo(self, number: int) -> None:
        """`syncd undo ID`, of the number-th pair."""
        pairs = self.all_pairs()
        if not pairs:
            return
        pair = pairs[number % len(pairs)]
        store = self.shelf.link(self.harness.name)
        found = reverts_of(store.history(pair.hubspot_id))
        later = overtaken(store, found)
        reverts = standing(store, [each for each in found if each not in later])
        if reverts:
            self._decide("undo", {"id": pair.hubspot_id, "parts": parts_of(reverts)})
            self.edit_log.mixed |= {(Side.GHL, pair.ghl_id), (Side.HUBSPOT, pair.hubspot_id)}
            if self.both_live(pair):
                for each in reverts:
                    self._said((pair.ghl_id, pair.hubspot_id), str(each.group), UNDONE)

    def kick(self, removals: int) -> None:
        """`syncd kick`, with a guard open for what it keeps back."""
        store = self.shelf.link(self.harness.name)
        allowed = {"allow_removals": bool(removals), "allow_changes": not removals}
        left = leave_of(store, self.clock.now(), removals=bool(removals), changes=not removals)
        self._decide("kick", {**allowed, **left, "approve": False})
        kept_back = [hold for hold in self._holds() if hold.reason == "removal_guard"]
        self.edit_log.let_pass = len(kept_back) if removals else self.edit_log.let_pass
        self.edit_log.lets |= not removals

    def approve_plan(self) -> None:
        """`syncd plan --out`, and `syncd apply` of that."""
        planned = [write for write in self.harness.plan().planned or () if write.goes_out]
        writes = {digest(write): write.title for write in planned}
        if not writes:
            return
        self._decide("apply", {"writes": writes})
        self.edit_log.let_write |= {(each.side, each.ghl_id, each.hubspot_id) for each in planned}
        for write in planned:
            source = (write.side.other, write.id_on(write.side.other))
            if (write.record, write.action) == ("appointment", "create") and self.lives(source):
                self.edit_log.approved[source] = self.visit(source)

    def _said(self, ids: tuple[str, str], group: str, why: str) -> None:
        keys = tuple(zip(Side, ids, strict=True))
        if group in {Group.CONTACT, ""} or not all(self.lives(key) for key in keys):
            return
        values = tuple(self.value(key, group) for key in keys)
        word = Word(number=self.edit_log.count, keys=keys, group=group, why=why, values=values)
        self.edit_log.words.append(word)

    def _holds(self) -> list[Hold]:
        store: SqlLinkStore = self.shelf.link(self.harness.name)
        return store.holds()

    def _decide(self, kind: str, payload: dict[str, object]) -> None:
        self.shelf.link(self.harness.name).decide(kind, payload, self.clock.now())
        self.did["decisions"] += 1


def _shown(hold: Hold) -> list[dict[str, object]]:
    return [shown_of(hold)]
