"""`syncd record`: run a dry cycle, keep everything that it read, and replace persons.

The recording is replayed at once: it is worth something only where it decides
as the cycle did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from secrets import token_bytes
from typing import Any, cast

from syncd.core import essence, freshness
from syncd.core.actions import Update
from syncd.core.model import Hold, Pair, Side, Snapshot
from syncd.engine import cycle
from syncd.engine.decisions.basis import digest_of
from syncd.engine.link import Link, Rules
from syncd.engine.observe.sightings import observe
from syncd.engine.plan.backoff import fingerprint_in_force
from syncd.engine.plan.planning import plan
from syncd.engine.planned_writes import by_group
from syncd.engine.poll.poll import poll
from syncd.engine.poll.prepare import prepare
from syncd.engine.recover.recover import recover
from syncd.engine.report import CycleReport
from syncd.errors import SyncdError
from syncd.ports.store import Decision, Intent, LinkStore
from syncd.recording.disguise import Disguise
from syncd.recording.replay import AS_AGREED, REQUEST, as_written, link_of, replayed
from syncd.recording.taps import FrozenClock, Line, RecordedSide, RecordedStore
from syncd.recording.values import dump, load

STRETCH = 2_000
"""Pairs that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recording, and whether it decides as its cycle did."""

    lines: Sequence[Line]
    report: CycleReport
    differs: Sequence[str] = ()
    """What the replay decides otherwise, in words."""


def record(link: Link, name: str) -> Recorded:
    """Record one dry cycle of a link; `name` is what the link is called in the recording.

    Raises:
        StoreError: our own store failed.
    """
    now = link.clock.now().astimezone(UTC)
    lines: list[Line] = []
    tapped = replace(
        link,
        ghl=RecordedSide(link.ghl, lines),
        hubspot=RecordedSide(link.hubspot, lines),
        store=cast("LinkStore", RecordedStore(link.store, lines)),
        clock=FrozenClock(now, link.clock),
    )
    report = cycle.run(tapped, REQUEST)
    skews = [
        {"part": "skew", "side": side.value, "value": link.side(side).skew_seconds} for side in Side
    ]
    head: list[Line] = [
        {
            "part": "link",
            "link": name,
            "at": now.isoformat(),
            "settings": link.settings_fingerprint,
        },
        {"part": "rules", "value": dump(Rules, link.rules)},
    ]
    raw = [*head, *skews, *lines, *_stored(link.store)]
    disguise = Disguise(token_bytes(16), raw, _known(link, raw))
    disguise.digests |= _digests(raw, disguise) | _refused(raw, disguise)
    disguised = shortened([disguise.line(line) for line in raw])
    again = as_written(replayed(disguised))
    differs = _differs(as_written(report), again, disguise)
    plan: Line = {"part": "plan", "value": again}
    return Recorded(lines=[*disguised, plan], report=report, differs=differs)


def shortened(lines: Sequence[Line]) -> list[Line]:
    """Listed records that show what was agreed name their pair instead: most of them do."""
    agreed: dict[tuple[str, str], tuple[int, Any]] = {}
    for line in lines:
        if line["part"] == "pair":
            pair = line["value"]
            for side in Side:
                agreed[side.value, pair[f"{side}_id"]] = pair["key"], pair.get(side.value)
    found: list[Line] = []
    for line in lines:
        if line["part"] == "listed":
            value = line["value"]
            key, shown = agreed.get((line["side"], value["id"]), (0, None))
            if key and shown == value.get("appointment"):
                short = {name: held for name, held in value.items() if name != "appointment"}
                found.append({**line, "value": short, AS_AGREED: key})
                continue
        found.append(line)
    return found


def _stored(store: LinkStore) -> Iterator[Line]:
    """Everything of the store that a dry cycle may ask for."""
    after = 0
    while rows := store.paired_ids(after, STRETCH):
        after = rows[-1].key
        for pair in store.pairs_by_key([row.key for row in rows]):
            yield {"part": "pair", "value": dump(Pair, pair)}
    yield from ({"part": "hold", "value": dump(Hold, each)} for each in store.holds())
    yield from ({"part": "intent", "value": dump(Intent, each)} for each in store.intents())
    yield from ({"part": "decision", "value": dump(Decision, each)} for each in store.decisions())


def _known(link: Link, raw: Sequence[Line]) -> set[str]:
    """The words of this link's configuration: statuses, and names of mapped fields."""
    rules = link.rules
    found = {*rules.statuses.to_hubspot.values(), *rules.statuses.to_ghl}
    found |= {*rules.template.mapped_fields, *map(str, rules.template.groups)}
    for line in raw:
        if line["part"] == "account":
            found |= {*line["value"].get("status_values", ())}
    return found


def _digests(raw: Sequence[Line], disguise: Disguise) -> dict[str, str]:
    """The digests of values that the store may keep, and what they are after the disguise."""
    states = any(line["part"] == "state" and isinstance(line["state"], dict) for line in raw)
    if not states and not any(line["part"] in {"hold", "decision"} for line in raw):
        return {}
    found: dict[str, str] = {}
    for written in _records(raw):
        before = load(Snapshot, written)
        after = load(Snapshot, disguise.line({"value": written})["value"])
        found |= dict(zip(_of(before), _of(after), strict=True))
    return found


def _refused(raw: Sequence[Line], disguise: Disguise) -> dict[str, str]:
    """The digests of refused writes that are held, and what they are after the disguise."""
    if not any(line["part"] == "hold" and line["value"]["reason"] == "rejected" for line in raw):
        return {}
    before, after = _refusals(raw), _refusals([disguise.line(line) for line in raw])
    named = {(*map(disguise.text, key[:2]), key[2]): digest for key, digest in before.items()}
    return {digest: after[key] for key, digest in named.items() if key in after}


def _refusals(lines: Sequence[Line]) -> dict[tuple[str, str, str], str]:
    """The digest of every write that the cycle would send if nothing was ever refused."""
    forgotten = [
        {**line, "value": {**line["value"], "fingerprint": ""}} if line["part"] == "hold" else line
        for line in lines
    ]
    link, found = link_of(forgotten), dict[tuple[str, str, str], str]()
    try:
        recovered = recover(link, "replay", dry_run=True)
        polled = poll(prepare(link, REQUEST, "replay"), recovered.unsettled)
        writes = plan(observe(polled)).plan.writes
    except SyncdError:
        return {}  # The cycle could not plan either.
    for write in writes:
        found[*write.ids, ""] = fingerprint_in_force(write, link)
        alone = by_group(write) if isinstance(write, Update) else {}
        found |= {(*write.ids, str(g)): fingerprint_in_force(w, link) for g, w in alone.items()}
    return found


def _of(record: Snapshot) -> list[str]:
    groups = sorted(map(str, essence.all_groups(record)))
    values = (essence.in_words(essence.value(record.appointment, each)) for each in groups)
    return [
        essence.snapshot_fingerprint(record),
        freshness.fingerprint_of_value(record),
        essence.slot_fingerprint(record),
        *map(digest_of, values),
    ]


def _records(raw: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for line in raw:
        value = line.get("value")
        if line["part"] == "listed":
            yield line["value"]
        elif isinstance(value, dict) and "shown" in value:
            yield value["shown"]
        elif line["part"] == "bookings" and isinstance(value, list):
            yield from value


def _differs(before: dict[str, Any], after: dict[str, Any], disguise: Disguise) -> list[str]:
    """What the two cycles do not have in common, in words."""
    expected = [_bare(disguise.line(each)) for each in before["planned"]]
    found = [_bare(each) for each in after["planned"]]
    told = []
    if before["outcome"] != after["outcome"]:
        told.append(f"it ends as {after['outcome']}, not as {before['outcome']}")
    if len(expected) != len(found):
        told.append(f"it plans {len(found)} writes, not {len(expected)}")
    elif sorted(map(str, expected)) != sorted(map(str, found)):
        other = sum(one not in found for one in expected)
        told.append(f"{other} writes differ")
    if len(before["held"]) != len(after["held"]):
        told.append(f"it holds {len(after['held'])} records, not {len(before['held'])}")
    return told


def _bare(write: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in write.items() if key != "why"}
