"""The real core on a recording: the same plan, without network, configuration or store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from syncd.core.essence import agreed_fingerprint
from syncd.core.model import Account, Contact, Hold, Missing, Pair, Scan, Side, Snapshot, Window
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.link import Link, Rules
from syncd.engine.planned_writes import planned_as_json
from syncd.engine.report import CycleReport
from syncd.errors import SyncdError
from syncd.ports.provider import Edit, Provider, ScanRequest
from syncd.ports.read_only import ReadOnly
from syncd.ports.store import Decision, HistoryEntry, Intent, LinkStore
from syncd.recording.taps import FrozenClock, Line
from syncd.recording.values import load, load_error, load_seen

AS_AGREED = "as_agreed"
"""The key of a listed record that shows what was agreed of the pair with this key."""

REQUEST = CycleRequest(full=True, dry_run=True)


def sections(lines: Iterable[Line]) -> list[list[Line]]:
    """The recordings of a file, one for each link."""
    found: list[list[Line]] = []
    for line in lines:
        if line["part"] == "link":
            found.append([])
        if found:
            found[-1].append(line)
    return found


def replayed(lines: Sequence[Line]) -> CycleReport:
    """Run the recorded cycle again."""
    return cycle.run(link_of(lines), REQUEST)


def link_of(lines: Sequence[Line]) -> Link:
    """A link as it was recorded."""
    parts: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        parts[line["part"]].append(line)
    head = parts["link"][0]
    clock = FrozenClock(datetime.fromisoformat(head["at"]))
    (rules,) = parts["rules"]
    return Link(
        name=str(head["link"]),
        ghl=_side(Side.GHL, parts),
        hubspot=_side(Side.HUBSPOT, parts),
        store=cast("LinkStore", ReplayedStore(parts)),
        clock=clock,
        rules=load(Rules, rules["value"]),
        settings_fingerprint=str(head.get("settings", "")),
    )


def as_written(report: CycleReport) -> dict[str, Any]:
    """What a recording keeps of its cycle: the plan, what is held, and the code."""
    return {
        "outcome": report.outcome.value,
        "code": report.outcome.exit_code,
        "planned": [planned_as_json(each) for each in report.planned or ()],
        "held": sorted([*hold.ids, hold.group, hold.reason] for hold in report.held),
    }


# --- the two sides


@dataclass(slots=True)
class _Answers:
    """What one side answered, by what it was asked for."""

    by_key: dict[tuple[str, str], list[Any]] = field(default_factory=lambda: defaultdict(list))

    def next(self, part: str, key: str) -> Any:
        """The answer; the last one again where it is asked for more often than it was."""
        found = self.by_key.get((part, key))
        if not found:
            return None
        return found.pop(0) if len(found) > 1 else found[0]


_KEYS = {"fetched": "id", "carrier": "ghl_id", "contact": "id", "address": "address"} | {
    "edits": "id",
    "bookings": "contact",
    "linked": "contact",
    "failed": "key",
    "account": "",
    "scan": "",
    "skew": "",
}


def _side(side: Side, parts: Mapping[str, Sequence[Line]]) -> Provider:
    answers = _Answers()
    for part, key in _KEYS.items():
        for line in parts.get(part, ()):
            if line["side"] == side.value:
                answers.by_key[part, str(line.get(key, ""))].append(line["value"])
    agreed = {line["value"]["key"]: line["value"].get(side.value) for line in parts.get("pair", ())}
    listed = [
        load(Snapshot, _whole(line, agreed))
        for line in parts.get("listed", ())
        if line["side"] == side.value
    ]
    return ReplayedSide(side, answers, tuple(listed))


def _whole(line: Line, agreed: Mapping[int, Any]) -> Any:
    """A listed record; one that shows what was agreed only names its pair."""
    if AS_AGREED not in line:
        return line["value"]
    return {**line["value"], "appointment": agreed[line[AS_AGREED]]}


def _is_error(value: Any) -> bool:
    return isinstance(value, Mapping) and "error" in value


def _raised(value: Any) -> Any:
    """The value.

    Raises:
        SyncdError: it was an error.
    """
    if _is_error(value):
        raise load_error(value)
    return value


class ReplayedSide(ReadOnly):
    """A side that answers as it did."""

    def __init__(self, side: Side, answers: _Answers, listed: tuple[Snapshot, ...]) -> None:
        super().__init__(self)
        self._side, self._answers, self._listed = side, answers, listed

    @property
    def side(self) -> Side:
        """Which side it was."""
        return self._side

    @property
    def requests(self) -> int:
        """Nothing is sent."""
        return 0

    @property
    def skew_seconds(self) -> float | None:
        """As it was."""
        return cast("float | None", self._answers.next("skew", ""))

    def prepare(self, *, cached: bool = False) -> Account:  # noqa: ARG002 - the port
        """The account as it was."""
        return load(Account, _raised(self._answers.next("account", "")))

    def scan(self, request: ScanRequest) -> Scan:  # noqa: ARG002 - the port
        """The list as it was."""
        frame = load(Scan, _raised(self._answers.next("scan", "")))
        return replace(frame, snapshots=self._listed)

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """Records as they were; one that was not asked for then is not known now."""
        found = {each: self._answers.next("fetched", each) for each in ids}
        if None in found.values():
            _raised(self._answers.next("failed", "fetch"))
        unknown = Missing(detail="it is not in the recording", unread=True)
        return {each: load_seen(seen) if seen else unknown for each, seen in found.items()}

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """Carriers as they were."""
        _raised(self._answers.next("failed", "carriers"))
        found = {each: self._answers.next("carrier", each) for each in ghl_ids}
        return {each: load_seen(seen) for each, seen in found.items() if seen}

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact | Any]:
        """Contacts as they were."""
        _raised(self._answers.next("failed", "contacts"))
        found = {each: self._answers.next("contact", each) for each in ids}
        return {each: _person(seen) for each, seen in found.items() if seen is not None}

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | Any]:
        """Contacts by address as they were."""
        _raised(self._answers.next("failed", "addresses"))
        found = {each: self._answers.next("address", each) for each in (*emails, *phones)}
        return {
            each: load_error(seen) if _is_error(seen) else tuple(map(_person, seen or ()))
            for each, seen in found.items()
        }

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """Times of edits as they were."""
        _raised(self._answers.next("failed", "edits"))
        found = {each: self._answers.next("edits", each) for each in ids}
        return {
            each: tuple(load(Edit, one) for one in seen) for each, seen in found.items() if seen
        }

    def bookings_of(
        self,
        contact: str,
        starts: Collection[datetime] = (),  # noqa: ARG002 - the port
    ) -> tuple[Snapshot, ...]:
        """A contact's records as they were."""
        found = _raised(self._answers.next("bookings", contact))
        return tuple(load(Snapshot, each) for each in found or ())

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, Any]]:
        """Records of contacts as they were."""
        _raised(self._answers.next("failed", "linked"))
        found = {each: self._answers.next("linked", each) for each in contacts}
        good = {each: seen for each, seen in found.items() if isinstance(seen, list)}
        return good, {each: load_error(seen) for each, seen in found.items() if _is_error(seen)}


def _person(seen: Any) -> Contact | SyncdError:
    return load_error(seen) if _is_error(seen) else load(Contact, seen)


# --- the store


class ReplayedStore:
    """The store as it was, in memory: `ports.store.LinkStore` as far as a dry cycle asks it."""

    def __init__(self, parts: Mapping[str, Sequence[Line]]) -> None:
        self._pairs = {pair.key: pair for pair in _loaded(Pair, parts.get("pair", ()))}
        self._by_id: dict[Side, dict[str, Pair]] = {
            side: {pair.id_on(side): pair for pair in self._pairs.values() if pair.id_on(side)}
            for side in Side
        }
        self._holds = _loaded(Hold, parts.get("hold", ()))
        self._intents = _loaded(Intent, parts.get("intent", ()))
        self._decisions = _loaded(Decision, parts.get("decision", ()))
        self._written = _loaded(HistoryEntry, parts.get("write", ()))
        self._past = _loaded(HistoryEntry, parts.get("past", ()))
        self._people = [(line["ghl_id"], line["hubspot_id"]) for line in parts.get("person", ())]
        self._removals = [int(line["count"]) for line in parts.get("removals", ())]
        self._state = {
            line["key"]: held if isinstance(held := line["state"], str) else json.dumps(held)
            for line in parts.get("state", ())
        }

    def prints(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """See `LinkStore.prints`."""
        known = self._by_id[side]
        return {each: agreed_fingerprint(known[each], side) for each in ids if each in known}

    def pairs_by_id(self, side: Side, ids: Collection[str]) -> list[Pair]:
        """See `LinkReader.pairs_by_id`."""
        known = self._by_id[side]
        return sorted((known[each] for each in {*ids} if each in known), key=_key)

    def pairs_by_key(self, keys: Collection[int]) -> list[Pair]:
        """See `LinkStore.pairs_by_key`."""
        return [self._pairs[key] for key in sorted({*keys}) if key in self._pairs]

    def missing_from_scan(self, side: Side, window: Window, shown: Collection[str]) -> list[int]:
        """See `LinkStore.missing_from_scan`."""
        names = {*shown}
        return [
            key
            for key, pair in sorted(self._pairs.items())
            if pair.id_on(side)
            and pair.id_on(side) not in names
            and not pair.gone_on(side)
            and window.holds(pair.shown_on(side).start)
        ]

    def pairs_at(self, side: Side, spots: Collection[tuple[str, datetime]]) -> list[Pair]:
        """See `LinkStore.pairs_at`."""
        wanted = {*spots}
        return [
            pair
            for _, pair in sorted(self._pairs.items())
            if not pair.gone_on(side)
            and (start := pair.shown_on(side).start) is not None
            and (pair.shown_on(side).contact, start) in wanted
        ]

    def rotation(self, after: int, limit: int) -> list[tuple[int, str]]:
        """See `LinkStore.rotation`."""
        living = (
            (key, pair.hubspot_id)
            for key, pair in sorted(self._pairs.items())
            if key > after and pair.hubspot_id and not pair.gone_on(Side.HUBSPOT)
        )
        return [each for each, _ in zip(living, range(limit), strict=False)]

    def count_pairs(self) -> int:
        """See `LinkReader.count_pairs`."""
        return sum(
            bool(p.ghl_id and p.hubspot_id and not (p.removal and p.removal.gone))
            for p in self._pairs.values()
        )

    def holds(self) -> list[Hold]:
        """See `LinkReader.holds`."""
        return [*self._holds]

    def get_state(self, name: str) -> str:
        """See `LinkReader.get_state`."""
        return self._state.get(name, "")

    def intents(self) -> list[Intent]:
        """See `LinkStore.intents`."""
        return [*self._intents]

    def decisions(self) -> list[Decision]:
        """See `LinkStore.decisions`."""
        return [*self._decisions]

    def contact_pairs(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """See `LinkStore.contact_pairs`."""
        known = dict(self._people) if side is Side.GHL else {b: a for a, b in self._people}
        return {each: known[each] for each in ids if each in known}

    def removals_since(self, at: datetime) -> int:  # noqa: ARG002 - as it was
        """See `LinkStore.removals_since`."""
        if len(self._removals) > 1:
            return self._removals.pop(0)
        return self._removals[0] if self._removals else 0

    def writes_since(self, at: datetime, pair_keys: Collection[int]) -> list[HistoryEntry]:
        """See `LinkStore.writes_since`."""
        keys = {*pair_keys}
        return [each for each in self._written if each.pair_key in keys and each.at >= at]

    def history(
        self,
        record_id: str = "",
        *,
        cycle: str = "",
        limit: int = 0,  # noqa: ARG002 - all that was read
    ) -> list[HistoryEntry]:
        """See `LinkReader.history`."""
        return [
            each
            for each in self._past
            if record_id in {"", each.ghl_id, each.hubspot_id} and cycle in {"", each.cycle}
        ]

    def announcements(self) -> list[Any]:
        """None: a full cycle looks at everything."""
        return []


def _loaded(kind: Any, lines: Iterable[Line]) -> list[Any]:
    return [load(kind, line["value"]) for line in lines]


def _key(pair: Pair) -> int:
    return pair.key
