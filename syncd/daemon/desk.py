"""What a person may decide on the page, and how it is written down: as the verbs do it.

`DaemonStatus` asks for the offers of each link that the page shows, and hands a
press to `decide`. Everything is read from the store, so that the page of any
process decides about any link; the cycle of the process that holds it carries
it out, and checks once more that the records are what the person was shown.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from syncd.core.model import Hold, Side
from syncd.engine.decisions import making
from syncd.engine.decisions.approval import STRETCH
from syncd.engine.decisions.basis import shown_of
from syncd.engine.decisions.making import Exit, exits_of
from syncd.engine.decisions.pending import leave_of, read
from syncd.engine.poll.prepare import FIRST
from syncd.observability.page.offers import (
    Form,
    IgnoredRecord,
    NotDecided,
    Offers,
    Press,
    Underway,
)
from syncd.ports.store import PAGE, Author, Decision, LinkStore
from syncd.scheduler import Links

LINK_WORDS = ("sync", "pause", "resume", "approve", "allow-removals", "allow-changes")
RECORD_WORDS = (
    "retry",
    "keep-ghl",
    "keep-hubspot",
    "pair",
    "separate",
    "contact",
    "book-anyway",
    "ignore",
)
IN_SERVICE, PAUSED = "in service", "paused"
CHANGED = "what was shown no longer holds, and nothing was done: look again"


class Desk:
    """The decisions of the page."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._one_at_a_time = threading.Lock()
        """Two presses of one button come within milliseconds."""

    # --- what is offered

    def offers(self, name: str, *, paused: bool) -> Offers:
        """The decisions about a link.

        Raises:
            StoreError: our own store failed.
        """
        store = self._links.quick_view(name)
        opened, holds = store.decisions(), store.holds()
        now = self._links.clock.now()
        titles = {each: hold.title for hold in holds for each in hold.ids}
        back = leave_of(store, now, removals=not paused, changes=not paused)
        asked = not paused and not any(each.payload.get("approve") for each in opened)
        shown = _first_sync(store) if asked else None
        state = PAUSED if paused else IN_SERVICE
        words = ("resume",) if paused else ("sync", "pause")
        return Offers(
            link=(Form(decisions=words, link=name, seen=state),),
            approve=(Form(decisions=("approve",), link=name, seen=_counts(shown)),)
            if shown
            else (),
            first_sync=shown or {},
            guards=tuple(
                Form(decisions=(f"allow-{kind}",), link=name, seen=_digest(back[kind]))
                for kind in ("removals", "changes")
                if back[kind]
            ),
            removals=len(back["removals"]),
            changes=len(back["changes"]),
            records={
                ids: _forms(name, ids, of_record, opened, titles)
                for ids, of_record in _by_record(holds).items()
            },
            ignored=self._ignored(name, store, opened, holds),
            underway=tuple(
                Underway(at=each.made_at, told=told, by=str(each.payload.get("by", "")))
                for each in opened
                if (told := _told(each)) and not _is_ignored_by_now(each, titles)
            ),
        )

    def _ignored(
        self, name: str, store: LinkStore, opened: list[Decision], holds: list[Hold]
    ) -> tuple[IgnoredRecord, ...]:
        held = {each for hold in holds for each in hold.ids}
        found = []
        for record in sorted(_ignored_ids(store, opened) - held):
            (pair, *_) = [*_pairs(store, record), None]
            found.append(
                IgnoredRecord(
                    record=record,
                    title=pair.ghl.title if pair else "",
                    starts_at=pair.ghl.start if pair else None,
                    forms=(
                        Form(
                            decisions=("retry",),
                            link=name,
                            record=record,
                            seen=_seen([], opened, record),
                        ),
                    ),
                )
            )
        return tuple(found)

    # --- what is decided

    def decide(self, press: Press) -> None:
        """Write a decision down.

        Raises:
            NotDecided: nothing was done, and why.
            StoreError: our own store failed.
        """
        if press.decision not in {*LINK_WORDS, *RECORD_WORDS}:
            raise NotDecided(400, f"there is no decision {press.decision!r}")
        known = list(self._links.settings.links)
        for_all = not press.link and press.decision in {"pause", "resume"}
        if not for_all and press.link not in known:
            raise NotDecided(404, f"there is no link {press.link!r}")
        author: Author = (PAGE, press.by)
        with self._one_at_a_time:
            if for_all:
                self._about_all(known, press, author)
            elif press.decision in LINK_WORDS:
                self._about_link(press, author)
            else:
                self._about_record(press, author)

    def _about_all(self, names: Sequence[str], press: Press, author: Author) -> None:
        """Pause or resume everything; who resumes has seen every pause."""
        pausing, shown_at = press.decision == "pause", _read_moment(press.seen)
        if shown_at is None:
            raise NotDecided(409, CHANGED)

        def check(paused: Mapping[str, datetime]) -> None:
            later = sorted(name for name, at in paused.items() if at > shown_at)
            if later and not pausing:
                raise NotDecided(409, f"{later[0]} was paused since the page was shown: look again")

        self._switch(names, author, pausing=pausing, check=check)

    def _switch(
        self,
        names: Sequence[str],
        author: Author,
        *,
        pausing: bool,
        check: Callable[[Mapping[str, datetime]], None],
    ) -> None:
        now = self._links.clock.now()
        turn = making.switch(now, pausing=pausing, author=author, check=check)
        self._links.switch(names, turn)

    def _about_link(self, press: Press, author: Author) -> None:
        name, word = press.link, press.decision
        store, now = self._links.link_store(name), self._links.clock.now()
        if word in {"pause", "resume"}:

            def check(paused: Mapping[str, datetime]) -> None:
                stands, wanted = (PAUSED, "resume") if paused else (IN_SERVICE, "pause")
                if word != wanted or press.seen != stands:
                    raise NotDecided(409, f"{name} is {stands} already")

            self._switch([name], author, pausing=word == "pause", check=check)
            return
        if self._links.paused(name):
            raise NotDecided(409, f"{name} is paused: resume it first")
        opened = store.decisions()
        match word:
            case "sync":
                if press.seen != IN_SERVICE:
                    raise NotDecided(409, CHANGED)
                if not any(each.kind == "kick" for each in opened):
                    self._write(store, "kick", making.kick(store, now), author)
            case "approve":
                self._approve(store, press, author, opened)
            case _:
                kind = word.removeprefix("allow-")
                back = leave_of(store, now, removals=kind == "removals", changes=kind == "changes")
                if not back[kind] or _digest(back[kind]) != press.seen:
                    raise NotDecided(409, CHANGED)
                if any(each.payload.get(kind) == back[kind] for each in opened):
                    return
                asked = making.kick(
                    store,
                    now,
                    allow_removals=kind == "removals",
                    allow_changes=kind == "changes",
                )
                self._write(store, "kick", asked, author)

    def _approve(
        self, store: LinkStore, press: Press, author: Author, opened: list[Decision]
    ) -> None:
        """Approve a first sync as it was shown: what it may come to is at most twice that."""
        now_shown = _first_sync(store)
        seen = _read_counts(press.seen)
        if not now_shown or seen is None:
            raise NotDecided(409, CHANGED)
        if any(count > STRETCH * seen.get(side, 0) for side, count in now_shown.items()):
            raise NotDecided(409, "the first sync would write much more by now: look again")
        if not any(each.payload.get("approve") for each in opened):
            asked = making.kick(store, self._links.clock.now(), approve=True, shown=seen)
            self._write(store, "kick", asked, author)

    def _about_record(self, press: Press, author: Author) -> None:
        store, record = self._links.link_store(press.link), press.record
        opened = store.decisions()
        holds = [hold for hold in store.holds() if record and record in hold.ids]
        ignored = record in _ignored_ids(store, opened)
        wanted = Exit(word=press.decision, other=press.other, contact=press.contact.strip())
        if (holds or wanted.word == "retry") and _is_open(wanted, record, opened):
            return  # The same button again.
        if not holds and not ignored:
            if _was_shown(press) or _is_known(store, record):
                raise NotDecided(409, f"{record} is held no longer, and nothing was done")
            raise NotDecided(404, f"nothing is held for {record!r}")
        if press.seen != _seen(holds, opened, record):
            raise NotDecided(409, CHANGED)
        if not _is_offered(wanted, holds, ignored=ignored):
            raise NotDecided(400, f"{press.decision} does not fit {record}")
        if wanted.word == "retry":
            self._write(store, "retry", making.retry(record, holds), author)
        else:
            payload = making.resolve(store, record, *wanted.way)
            self._write(store, "resolve", payload, author)

    def _write(
        self, store: LinkStore, kind: str, payload: Mapping[str, object], author: Author
    ) -> None:
        store.decide(kind, making.stamped(payload, author), self._links.clock.now())


def _first_sync(store: LinkStore) -> dict[str, int] | None:
    """What was shown of a first sync that is not complete."""
    return None if store.get_state(FIRST) else making.shown_first(store)


def _forms(
    link: str,
    ids: tuple[str, str],
    holds: Sequence[Hold],
    opened: list[Decision],
    titles: Mapping[str, str],
) -> tuple[Form, ...]:
    """The forms of a record: one for each candidate, one with everything else."""
    record = ids[1] or ids[0]
    seen = _seen(holds, opened, record)
    found, plain = [], []
    for each in exits_of(holds):
        if each.word not in {"pair", "contact"}:
            plain.append(each.word)
            continue
        found.append(
            Form(
                decisions=(each.word,),
                link=link,
                record=record,
                seen=seen,
                other=each.other,
                other_side=(Side.HUBSPOT if ids[0] else Side.GHL).label if each.other else "",
                other_title=titles.get(each.other, ""),
                contact=each.contact,
                asks_contact=each.word == "contact" and not each.contact,
            )
        )
    if plain:
        found.append(Form(decisions=tuple(plain), link=link, record=record, seen=seen))
    return tuple(found)


def _by_record(holds: Sequence[Hold]) -> dict[tuple[str, str], list[Hold]]:
    found: dict[tuple[str, str], list[Hold]] = {}
    for hold in holds:
        found.setdefault(hold.ids, []).append(hold)
    return found


def _is_offered(wanted: Exit, holds: Sequence[Hold], *, ignored: bool) -> bool:
    if wanted.word == "retry":
        return ignored or any(each.word == "retry" for each in exits_of(holds))
    if wanted.word == "contact":
        # A person may know a contact that nobody proposed.
        return bool(wanted.contact) and any(each.word == "contact" for each in exits_of(holds))
    return Exit(word=wanted.word, other=wanted.other) in exits_of(holds)


def _is_open(wanted: Exit, record: str, opened: Collection[Decision]) -> bool:
    """Whether the same was decided already, and no cycle has carried it out."""
    about = [each for each in opened if each.payload.get("id") == record]
    if not about:
        return False
    last = about[-1]
    if wanted.word == "retry":
        return last.kind == "retry"
    way, value = wanted.way
    return last.kind == "resolve" and last.payload.get(way) == value


def _ignored_ids(store: LinkStore, opened: list[Decision]) -> set[str]:
    decided = read(store, opened, keep=False)
    kept = {record for record, ruled in decided.kept.items() if ruled.get("ignore")}
    return kept | {word.record for word in decided.words if word.way == "ignore"}


def _is_ignored_by_now(decision: Decision, held: Collection[str]) -> bool:
    """Whether a record is ignored, and held no longer; the decision itself stays open."""
    return bool(decision.payload.get("ignore")) and decision.payload.get("id") not in held


def _pairs(store: LinkStore, record: str) -> list[Any]:
    return [pair for side in Side for pair in store.pairs_by_id(side, [record])]


def _is_known(store: LinkStore, record: str) -> bool:
    return bool(record) and bool(_pairs(store, record) or store.history(record, limit=1))


# --- what was shown


def _seen(holds: Sequence[Hold], opened: Collection[Decision], record: str) -> str:
    """What the page shows of a record, as a form carries it: a digest, and whose it is."""
    ids = {record} | {each for hold in holds for each in hold.ids} - {""}
    about = [each.id for each in opened if str(each.payload.get("id", "")) in ids]
    return f"{_digest([[shown_of(hold) for hold in holds], about])}.{_digest(record)}"


def _was_shown(press: Press) -> bool:
    """Whether a form of ours named this record."""
    return bool(press.record) and press.seen.endswith(f".{_digest(press.record)}")


def _digest(shown: object) -> str:
    written = json.dumps(shown, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(written.encode(), digest_size=12).hexdigest()


def _counts(shown: Mapping[str, int] | None) -> str:
    return json.dumps(dict(shown or {}), sort_keys=True)


def _read_moment(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _read_counts(seen: str) -> dict[str, int] | None:
    try:
        found = json.loads(seen)
        return {str(Side(side).value): int(count) for side, count in found.items()}
    except (ValueError, TypeError, AttributeError):
        return None


# --- in words


def _told(decision: Decision) -> str:
    """An open decision in words; "" for one that only wakes a daemon."""
    payload: Mapping[str, Any] = decision.payload
    record = str(payload.get("id", ""))
    match decision.kind:
        case "retry":
            return f"try {record} again" if record else "try everything again that is held"
        case "resolve":
            ways = [say(record, payload) for way, say in _WAYS.items() if payload.get(way)]
            return ways[0] if ways else ""
        case "undo":
            return f"put back what was overwritten in {record or 'a cycle'}"
        case "apply":
            return "carry out a plan"
        case "kick" | "approve":
            parts = {
                "approve": "approve the first sync",
                "allow_removals": "let removals pass",
                "allow_changes": "let changes pass",
            }
            return ", ".join(told for key, told in parts.items() if payload.get(key)) or "sync now"
        case _:
            return ""


_WAYS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "keep": lambda record, told: f"keep {Side(told['keep']).label}'s value of {record}",
    "pair_with": lambda record, told: f"{record} and {told['pair_with']} are one appointment",
    "separate": lambda record, _: f"{record} is an appointment of its own",
    "contact": lambda record, told: f"{record} is for contact {told['contact']}",
    "book_anyway": lambda record, _: f"book {record} anyway",
    "ignore": lambda record, _: f"ignore {record}",
}
