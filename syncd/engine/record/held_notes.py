"""Held HubSpot records say why, in a property of their own (`hubspot.show_held`).

`finish` calls `show` once a cycle is recorded. A note is no part of the sync:
it is never read back, counts as no update, and its failure fails nothing. It
moves the record's stamp, though, which would look like somebody's edit of
today: `without_notes` gives a reading the stamp from before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from syncd.core import actions
from syncd.core.model import Hold, Missing, Pair, Side, Snapshot
from syncd.engine.link import Link
from syncd.errors import ProviderError, Transient
from syncd.ports.provider import Done, Failed
from syncd.ports.store import HELD_NOTES

log = structlog.get_logger(__name__)

LONGEST = 500
"""Characters of a note."""

REMEMBERED = timedelta(days=2)
"""So long the stamp of an emptied note is known: an older change is fresh to nobody."""

RESTORABLE = timedelta(days=91)
"""So long an archived record may come back with its note: HubSpot restores it within 90 days."""

_Notes = Mapping[str, Mapping[str, Any]]


def show(link: Link, seen: Mapping[str, Snapshot | Missing]) -> None:
    """Bring the notes to what is held now; `seen` are the HubSpot records that the cycle read.

    An archived record cannot be written: its note is emptied once it is seen again.

    Raises:
        StoreError: our own store failed.
    """
    store = link.store
    known = read(store.get_state(HELD_NOTES))
    wanted = sentences(store.holds()) if link.rules.show_held else {}
    changed = {each: note for each, note in wanted.items() if _says(known, each) != note}
    over = (each for each in known if _says(known, each) and each not in wanted)
    changed |= {each: "" for each in over if not _is_out_of_reach(known[each], seen.get(each))}
    if not changed or link.stopping():
        return
    try:
        receipts = link.hubspot.write_notes(changed)
    except ProviderError as error:
        log.info("note.not_written", link=link.name, detail=str(error))
        return
    now = link.clock.now()
    kept = {each: entry for each, entry in known.items() if _is_kept(entry, now)}
    for record_id, receipt in receipts.items():
        if isinstance(receipt, Failed):
            log.info("note.not_written", link=link.name, detail=str(receipt.error))
            if isinstance(receipt.error, Transient):
                continue  # The next cycle tries again.
            if not changed[record_id]:
                kept[record_id] = {**known[record_id], "at": now.isoformat(), "stuck": True}
                continue
        kept[record_id] = _entry(changed[record_id], receipt, known.get(record_id, {}), now)
    if kept != known:
        pairs = [
            _noted(pair, receipts[pair.hubspot_id], now)
            for pair in store.pairs_by_id(Side.HUBSPOT, receipts)
        ]
        with store.begin() as transaction:
            transaction.set_state(HELD_NOTES, json.dumps(kept) if kept else "")
            transaction.save_pairs(pairs)


def _noted(pair: Pair, receipt: Done | Failed, now: datetime) -> Pair:
    """The pair with the note as our last write, so that its stamp is not taken for an edit."""
    if isinstance(receipt, Failed):
        return pair
    wrote = actions.noted_write(
        pair, Side.HUBSPOT, (), at=now, stamp=receipt.updated_at, before=receipt.before
    )
    return actions.with_wrote(pair, Side.HUBSPOT, wrote)


def _entry(
    note: str, receipt: Done | Failed, before: Mapping[str, Any], now: datetime
) -> dict[str, str]:
    """What a record says since when, the stamp that it left, and the one before it."""
    entry = {"note": note, "at": now.isoformat()}
    if isinstance(receipt, Failed) or receipt.updated_at is None or receipt.before is None:
        return entry | {name: before[name] for name in ("left", "before") if name in before}
    entry["left"] = receipt.updated_at.isoformat()
    was = receipt.before.updated_at
    if was is not None and "left" in before and was <= datetime.fromisoformat(before["left"]):
        was = datetime.fromisoformat(before["before"]) if before.get("before") else was
    return entry | ({"before": was.isoformat()} if was else {})


def _says(known: _Notes, record_id: str) -> str:
    return str(known[record_id]["note"]) if record_id in known else ""


def _is_out_of_reach(entry: Mapping[str, Any], seen: Snapshot | Missing | None) -> bool:
    """Whether a note could not be emptied, and its record was not seen alive since."""
    return bool(entry.get("stuck")) and (not isinstance(seen, Snapshot) or seen.gone)


def _is_kept(entry: Mapping[str, Any], now: datetime) -> bool:
    age = now - datetime.fromisoformat(entry["at"])
    if entry.get("stuck"):
        return age <= RESTORABLE
    return bool(entry["note"]) or age <= REMEMBERED


def read(stored: str) -> dict[str, Mapping[str, Any]]:
    """What the records say, as it is stored."""
    found = json.loads(stored) if stored else {}
    return found if isinstance(found, dict) else {}


def sentences(holds: Iterable[Hold]) -> dict[str, str]:
    """The note of every held HubSpot record, by id: one sentence."""
    reasons: dict[str, list[str]] = {}
    for hold in holds:
        if hold.hubspot_id:
            field = f" in {hold.group.removeprefix('x:')}" if hold.group else ""
            detail = " ".join(hold.detail.split()).rstrip(".")
            reasons.setdefault(hold.hubspot_id, []).append(f"{hold.reason}{field}: {detail}")
    return {each: _sentence("; ".join(told)) for each, told in reasons.items()}


def _sentence(told: str) -> str:
    text = f"Waits for a decision ({told})"
    return f"{text}." if len(text) < LONGEST else f"{text[: LONGEST - 1]}…"


def without_notes(
    seen: Mapping[str, Snapshot | Missing], stored: str
) -> dict[str, Snapshot | Missing]:
    """Readings by id, with the stamps from before our notes."""
    found = dict(seen)
    for record_id, entry in read(stored).items():
        shown = found.get(record_id)
        if not isinstance(shown, Snapshot) or shown.updated_at is None or "left" not in entry:
            continue
        if shown.updated_at <= datetime.fromisoformat(entry["left"]):
            before = entry.get("before")
            stamp = datetime.fromisoformat(before) if before else shown.created_at
            found[record_id] = replace(shown, updated_at=stamp)
    return found
