"""`syncd audit` for one link: every pair compared, field by field, as both sides show it now.

`bootstrap` calls `audit`. Both sides are read whole, as a full cycle reads
them; from there on it goes its own way: it walks the stored pairs, compares
the two records of each (`core.audit`), and looks for the reason of every
difference in the store. What is left is read again by id, and then the
planner is asked (`forecast`): a difference that the next cycle would write is
pending, and one that it would leave is unexplained. A daemon may work
meanwhile: what changes between two readings is pending, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from syncd.core import audit as core
from syncd.core import essence, left_out, looks
from syncd.core.audit import Difference, Evidence, LastWrite, Meaning
from syncd.core.model import Group, Hold, Missing, Pair, Scan, Side, Snapshot, Window
from syncd.engine.audit.forecast import Forecast, forecast
from syncd.engine.audit.readings import AuditedSide
from syncd.engine.audit.report import AuditReport, Found
from syncd.engine.context import CycleContext, CycleRequest
from syncd.engine.link import Link
from syncd.engine.poll.prepare import prepare
from syncd.errors import NotPrepared, ProviderError, StoreError, ended_by
from syncd.ports.provider import ScanRequest
from syncd.ports.store import PairedIds

log = structlog.get_logger(__name__)

STRETCH = 5_000
"""Pairs that are read at once from the store."""

REREAD = 500
"""So many differing pairs are read again by id: HighLevel takes a request for each."""

CHANGING = "pending: it is being changed right now"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def audit(link: Link) -> AuditReport:
    """Compare every pair; a vendor's error is in the report, not raised.

    Raises:
        StoreError: our own store failed.
    """
    began = link.clock.monotonic()
    sides = {side: AuditedSide(link.side(side)) for side in Side}
    before = {side: each.requests for side, each in sides.items()}
    link = replace(link, ghl=sides[Side.GHL], hubspot=sides[Side.HUBSPOT])
    try:
        report = _Audit(link, sides).run()
    except (NotPrepared, ProviderError) as error:
        outcome, detail = ended_by(error)
        report = AuditReport(link=link.name, outcome=outcome, detail=detail)
    return replace(
        report,
        seconds=link.clock.monotonic() - began,
        requests={side: each.requests - before[side] for side, each in sides.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A pair that differs, as it was compared."""

    row: PairedIds
    ghl: Snapshot
    hubspot: Snapshot
    differences: tuple[Difference, ...]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What was compared so far."""

    compared: int = 0
    open: list[_Open] = field(default_factory=list)
    ignored: int = 0
    """Pairs that a person said to leave alone."""
    missed: set[int] = field(default_factory=set)
    """Keys of pairs of which a record could not be read."""
    unread: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


class _Audit:
    """One audit of one link."""

    def __init__(self, link: Link, sides: Mapping[Side, AuditedSide]) -> None:
        self._link, self._sides = link, sides
        self._tally = _Tally()
        self._seen: dict[Side, dict[str, Snapshot]] = {side: {} for side in Side}
        self._known: dict[Side, set[str]] = {side: set() for side in Side}
        self._meaning = Meaning(to_hubspot={}, to_ghl={}, owner_of_user={})
        self._window = Window(since=_EVER, until=_EVER)

    def run(self) -> AuditReport:
        """Read, compare, explain, and keep the result in the store."""
        link = self._link
        context = prepare(link, CycleRequest(full=True, dry_run=True), "audit")
        self._meaning, self._window = _meaning(context), context.policy.window
        scans = self._read(context)
        self._walk(context, scans)
        found, explained, unexplained = self._judge(context)
        for side in Side:
            for record in self._seen[side].values():
                if record.id not in self._known[side]:
                    rule = left_out.why(record, context.policy, scans[Side.GHL].calendars)
                    self._tally.left_out[rule] += bool(rule)
        failures = [each for scan in scans.values() for each in scan.failures]
        report = AuditReport(
            link=link.name,
            at=link.clock.now(),
            timezone=context.timezone,
            pairs=self._tally.compared,
            explained=explained,
            unexplained=unexplained,
            differences=found,
            left_out={
                rule: self._tally.left_out[rule]
                for rule in left_out.REASONS
                if self._tally.left_out[rule]
            },
            unread=[*failures, *self._tally.unread],
        )
        self._keep(report)
        return report

    # --- reading and comparing

    def _read(self, context: CycleContext) -> dict[Side, Scan]:
        request = ScanRequest(window=context.policy.window)
        scans = {
            Side.GHL: self._link.ghl.scan(replace(request, calendars=self._link.rules.calendars)),
            Side.HUBSPOT: self._link.hubspot.scan(request),
        }
        for side, scan in scans.items():
            self._seen[side] = {each.id: each for each in scan.snapshots}
        return scans

    def _walk(self, context: CycleContext, scans: Mapping[Side, Scan]) -> None:
        """Compare every stored pair; one that starts outside the window on both sides is left."""
        ghl, hubspot = self._seen[Side.GHL], self._seen[Side.HUBSPOT]
        window, tally = context.policy.window, self._tally
        absent: list[PairedIds] = []
        for row in self._rows():
            self._known[Side.GHL].add(row.ghl_id)
            self._known[Side.HUBSPOT].add(row.hubspot_id)
            if context.policy.overrides and context.policy.override(*row[1:3]).ignore:
                tally.left_out[left_out.IGNORED] += 1
                tally.ignored += 1
                continue
            here, there = ghl.get(row.ghl_id), hubspot.get(row.hubspot_id)
            if here is not None and there is not None:
                self._compare(row, here, there)
            elif here is None and there is not None and not window.holds(there.appointment.start):
                if not (there.gone or row.hubspot_gone):
                    tally.left_out[left_out.WINDOW] += 1
            elif not (row.ghl_gone and row.hubspot_gone):
                absent.append(row)
        self._ask_for(absent, context, scans)

    def _rows(self) -> Iterator[PairedIds]:
        after = 0
        while rows := self._link.store.paired_ids(after, STRETCH):
            yield from rows
            after = rows[-1].key

    def _compare(self, row: PairedIds, ghl: Snapshot, hubspot: Snapshot) -> None:
        if ghl.gone and hubspot.gone:
            return  # There is no pair any more.
        self._tally.compared += 1
        if found := self._differences(row, ghl, hubspot):
            self._tally.open.append(
                _Open(row=row, ghl=ghl, hubspot=hubspot, differences=tuple(found))
            )

    def _differences(self, row: PairedIds, ghl: Snapshot, hubspot: Snapshot) -> list[Difference]:
        if ghl.gone or hubspot.gone:
            removed = core.removal(ghl, hubspot, self._meaning)
            return [removed] if removed else []
        found = core.differences(ghl, hubspot, self._meaning)
        agreed = (row.ghl_contact, row.hubspot_contact)
        if core.contact_differs(ghl, hubspot, agreed, self._meaning):
            contacts = " ".join(hubspot.contacts) or None
            group = Group.CONTACT
            here = ghl.appointment.contact or None
            found.append(Difference(field=group, group=group, ghl=here, hubspot=contacts))
        return found

    def _ask_for(
        self, rows: Sequence[PairedIds], context: CycleContext, scans: Mapping[Side, Scan]
    ) -> None:
        """Read by id what no list showed; what cannot be read is not compared."""
        ghl, hubspot = self._seen[Side.GHL], self._seen[Side.HUBSPOT]
        there = self._fetched(Side.HUBSPOT, {row.hubspot_id for row in rows} - hubspot.keys())
        there |= {
            row.hubspot_id: hubspot[row.hubspot_id] for row in rows if row.hubspot_id in hubspot
        }
        asked = {row.ghl_id for row in rows} - ghl.keys()
        if not scans[Side.GHL].complete:
            asked = set()  # A list that cannot be read now must not cost a request for each pair.
        here = self._fetched(Side.GHL, asked)
        here |= {row.ghl_id: ghl[row.ghl_id] for row in rows if row.ghl_id in ghl}
        unread = Missing(detail="its calendar could not be read", unread=True)
        for row in rows:
            one, other = here.get(row.ghl_id, unread), there.get(row.hubspot_id, unread)
            for side, seen in ((Side.GHL, one), (Side.HUBSPOT, other)):
                if isinstance(seen, Missing) and seen.unread and row.ghl_id in asked:
                    ids = (row.ghl_id, row.hubspot_id)
                    self._tally.unread.append(
                        f"{side} appointment {ids[side is Side.HUBSPOT]}: {seen.detail}"
                    )
            if any(isinstance(each, Missing) and each.unread for each in (one, other)):
                self._tally.missed.add(row.key)
                continue
            one, other = _as_settled(row, Side.GHL, one), _as_settled(row, Side.HUBSPOT, other)
            starts = [each.appointment.start for each in (one, other) if isinstance(each, Snapshot)]
            if starts and not any(context.policy.window.holds(start) for start in starts):
                self._tally.left_out[left_out.WINDOW] += 1
            elif isinstance(one, Snapshot) and isinstance(other, Snapshot):
                self._compare(row, one, other)
            else:
                self._nowhere(row, one, other)

    def _nowhere(
        self, row: PairedIds, ghl: Snapshot | Missing, hubspot: Snapshot | Missing
    ) -> None:
        """A record of the pair neither lives nor is it provably removed."""
        shown = [
            core.presence(each) if isinstance(each, Snapshot) else f"not shown: {each.detail}"
            for each in (ghl, hubspot)
        ]
        found = Difference(field=core.RECORD, group="", ghl=shown[0], hubspot=shown[1])
        records = [
            each if isinstance(each, Snapshot) else _nothing(side, record_id)
            for side, record_id, each in zip(Side, row[1:3], (ghl, hubspot), strict=True)
        ]
        self._tally.compared += 1
        self._tally.open.append(
            _Open(row=row, ghl=records[0], hubspot=records[1], differences=(found,))
        )

    def _fetched(self, side: Side, ids: Iterable[str]) -> dict[str, Snapshot | Missing]:
        """These records as they are now; of a merged one, the record that it became."""
        wanted = set(ids) - {""}
        found = dict(self._sides[side].fetch(wanted)) if wanted else {}
        became = {
            record_id: seen.became
            for record_id, seen in found.items()
            if isinstance(seen, Missing) and seen.became
        }
        if became:
            later = self._sides[side].fetch(set(became.values()))
            found |= {old: later.get(new, found[old]) for old, new in became.items()}
        self._sides[side].newer |= {
            each.id: each for each in found.values() if isinstance(each, Snapshot)
        }
        return found

    # --- explaining

    def _judge(self, context: CycleContext) -> tuple[list[Found], int, int]:
        """Every difference with its reason, and how many pairs are explained, and are not."""
        open_, self._tally.open = self._tally.open, []
        if not open_:
            return [], 0, 0
        reasons = self._reasons(open_, context)
        latest = {each.row.key: each for each in open_}

        def doubtful() -> list[_Open]:
            return [each for key, each in latest.items() if not all(reasons[key].values())]

        if left := doubtful():
            latest |= {each.row.key: each for each in self._again(left, reasons, context)}
        if left := doubtful():
            self._ask_planner(left, reasons)
        if left := doubtful():
            self._confirm(left, reasons, context)
        found = [
            self._found(each, one, reasons[key][one])
            for key, each in latest.items()
            for one in each.differences
            if one in reasons[key]
        ]
        self._with_agreement(found)
        bad = {each.pair_key for each in found if not each.why}
        differing = {each.pair_key for each in found}
        return found, len(differing - bad), len(bad)

    def _reasons(
        self, open_: Sequence[_Open], context: CycleContext
    ) -> dict[int, dict[Difference, str]]:
        """What the store says of these differences."""
        store = self._link.store
        keys = [each.row.key for each in open_]
        pairs = {pair.key: pair for pair in store.pairs_by_key(keys)}
        holds: dict[str, list[Hold]] = defaultdict(list)
        for hold in store.holds():
            for record_id in {*hold.ids} - {""}:
                holds[record_id].append(hold)
        under_way = {intent.pair_key for intent in store.intents()}
        written = self._written(keys)
        found: dict[int, dict[Difference, str]] = {}
        for each in open_:
            key = each.row.key
            pair = pairs.get(key)
            if pair is None:
                found[key] = {}  # It was forgotten meanwhile.
                continue
            writes, made = written[key]
            seen = Evidence(
                pair=pair,
                ghl=each.ghl,
                hubspot=each.hubspot,
                holds=[*holds[pair.ghl_id], *(h for h in holds[pair.hubspot_id])],
                written=writes,
                made=made,
            )
            found[key] = {
                one: core.why(one, seen, context.policy, self._meaning)
                or ("pending: a write of it is under way" if key in under_way else "")
                for one in each.differences
            }
        return found

    def _written(
        self, keys: Sequence[int]
    ) -> dict[int, tuple[dict[tuple[Side, str], LastWrite], set[Side]]]:
        """By pair: our last write to each field of each side, and the sides that we made."""
        found: dict[int, tuple[dict[tuple[Side, str], LastWrite], set[Side]]] = {
            key: ({}, set()) for key in keys
        }
        for start in range(0, len(keys), STRETCH):
            for entry in self._link.store.writes_since(_EVER, keys[start : start + STRETCH]):
                writes, made = found[entry.pair_key]
                writes[entry.side, entry.field] = LastWrite(before=entry.before, after=entry.after)
                if entry.action == "create":
                    made.add(entry.side)
        return found

    def _again(
        self,
        doubtful: Sequence[_Open],
        reasons: dict[int, dict[Difference, str]],
        context: CycleContext,
    ) -> list[_Open]:
        """Read the doubtful pairs again by id; gives those that still differ without a reason."""
        contacts = {each.row.hubspot_contact for each in doubtful} - {""}
        people = {each.ghl.appointment.contact for each in doubtful} - {""}
        self._meaning = replace(
            self._meaning, contacts=self._link.store.contact_pairs(Side.GHL, people)
        )
        merged = self._merged(contacts) if any(map(_of_contact, doubtful)) else {}
        first = doubtful[:REREAD]
        here = self._fetched(Side.GHL, {each.row.ghl_id for each in first})
        there = self._fetched(Side.HUBSPOT, {each.row.hubspot_id for each in first})
        stored = {p.key: p for p in self._link.store.pairs_by_key([e.row.key for e in doubtful])}
        left: list[_Open] = []
        for each in doubtful:
            ghl, hubspot = here.get(each.row.ghl_id), there.get(each.row.hubspot_id)
            if isinstance(ghl, Snapshot) and isinstance(hubspot, Snapshot):
                pair = stored.get(each.row.key)
                contact = pair.hubspot.contact if pair else each.row.hubspot_contact
                row = each.row._replace(
                    ghl_contact=pair.ghl.contact if pair else each.row.ghl_contact,
                    hubspot_contact=merged.get(contact, contact),
                )
                found = [] if ghl.gone and hubspot.gone else self._differences(row, ghl, hubspot)
                each = replace(each, ghl=ghl, hubspot=hubspot, differences=tuple(found))  # noqa: PLW2901
            left.append(each)
        reasons |= self._reasons(left, context)
        return left

    def _merged(self, contacts: set[str]) -> dict[str, str]:
        """HubSpot contacts that go by another id now."""
        answers = self._link.hubspot.contacts(contacts)
        return {
            old: seen.id
            for old, seen in answers.items()
            if not isinstance(seen, ProviderError) and seen.id not in {"", old}
        }

    def _ask_planner(
        self, doubtful: Sequence[_Open], reasons: dict[int, dict[Difference, str]]
    ) -> None:
        expected: Forecast = forecast(self._link)
        for each in doubtful:
            told = reasons[each.row.key]
            for one in told:
                told[one] = told[one] or expected.why(each.row.key, one.group)

    def _confirm(
        self,
        doubtful: Sequence[_Open],
        reasons: dict[int, dict[Difference, str]],
        context: CycleContext,
    ) -> None:
        """Read what is unexplained once more: what changes meanwhile is somebody's work."""
        first = doubtful[:REREAD]
        here = self._fetched(Side.GHL, {each.row.ghl_id for each in first})
        there = self._fetched(Side.HUBSPOT, {each.row.hubspot_id for each in first})
        now = self._reasons(doubtful, context)
        for each in doubtful:
            key = each.row.key
            ghl, hubspot = here.get(each.row.ghl_id), there.get(each.row.hubspot_id)
            moved = any(
                isinstance(seen, Snapshot)
                and (seen.appointment, seen.gone) != (before.appointment, before.gone)
                for seen, before in ((ghl, each.ghl), (hubspot, each.hubspot))
            )
            for one in reasons[key]:
                later = CHANGING if moved or not now[key] else now[key].get(one, CHANGING)
                reasons[key][one] = reasons[key][one] or later

    # --- the result

    def _found(self, each: _Open, one: Difference, why: str) -> Found:
        return Found(
            pair_key=each.row.key,
            ghl_id=each.row.ghl_id,
            hubspot_id=each.row.hubspot_id,
            name=one.field,
            ghl=one.ghl,
            hubspot=one.hubspot,
            why=why,
            title=each.ghl.appointment.title or each.hubspot.appointment.title,
        )

    def _with_agreement(self, found: list[Found]) -> None:
        """Add to what is unexplained what was agreed, and which observation is missing."""
        keys = {each.pair_key for each in found if not each.why}
        pairs = {pair.key: pair for pair in self._link.store.pairs_by_key(keys)}
        for at, each in enumerate(found):
            if not each.why and each.pair_key in pairs:
                agreed = _agreed(pairs[each.pair_key], each.name)
                found[at] = replace(each, agreed=agreed, missing=_missing(each, agreed))

    def _keep(self, report: AuditReport) -> None:
        """Remember what was verified and what was found; the report is worth more than that."""
        store, tally = self._link.store, self._tally
        retired, newest = store.retired_pairs(self._window)
        look = looks.next_look(
            looks.read(store.get_state(looks.LOOK)),
            at=report.at or self._link.clock.now(),
            through=newest,
            retired=retired + tally.ignored,
            missed=tally.missed,
            doubted={each.pair_key for each in report.differences if not each.why},
        )
        try:
            with store.begin() as transaction:
                transaction.set_state(looks.AUDITED, report.kept())
                if look is not None:
                    transaction.set_state(looks.LOOK, look.written())
        except StoreError as error:
            log.warning("audit.not_kept", link=self._link.name, detail=str(error))
        if report.unexplained:
            log.warning("audit.unexplained", link=self._link.name, pairs=report.unexplained)


def _meaning(context: CycleContext) -> Meaning:
    translator = context.translator
    return Meaning(
        to_hubspot=translator.statuses.to_hubspot,
        to_ghl=translator.statuses.to_ghl,
        owner_of_user=translator.owner_of_user,
        people_unread=translator.people_unread,
        mapped_fields=context.policy.mapped_fields,
    )


def _of_contact(each: _Open) -> bool:
    return any(one.group == Group.CONTACT for one in each.differences)


def _as_settled(row: PairedIds, side: Side, seen: Snapshot | Missing) -> Snapshot | Missing:
    """A removed record that nobody shows any more is removed."""
    gone = row.ghl_gone if side is Side.GHL else row.hubspot_gone
    if isinstance(seen, Snapshot) or not gone:
        return seen
    return replace(_nothing(side, row[1 if side is Side.GHL else 2]), gone=True)


def _nothing(side: Side, record_id: object) -> Snapshot:
    from syncd.core.model import Appointment

    return Snapshot(side=side, id=str(record_id), appointment=Appointment())


def _agreed(pair: Pair, name: str) -> dict[str, str | None]:
    """What was agreed of a field of the report, by side."""
    if name == core.RECORD:
        return {side.value: "removed" if pair.gone_on(side) else core.THERE for side in Side}
    group = Group.TIME if name in {"start", "end"} else name
    if group not in set(Group):
        group = f"x:{name}"
    return {
        side.value: essence.to_report_fields(essence.value(pair.shown_on(side), group), group)[name]
        for side in Side
    }


def _missing(found: Found, agreed: Mapping[str, str | None]) -> str:
    """Which observation or write is missing, for a person."""
    shown = {Side.GHL: found.ghl, Side.HUBSPOT: found.hubspot}
    edited = [side for side in Side if shown[side] != agreed[side.value]]
    if len(edited) == 1:
        (side,) = edited
        return (
            f"{side.label} shows another value than was agreed, and no cycle took it for an edit: "
            f"the observation of that edit is missing"
        )
    if edited:
        return "both sides show other values than were agreed, and no cycle took them for edits"
    return (
        "both sides show what was agreed, and that differs: the write that should have brought "
        "them together is missing"
    )
