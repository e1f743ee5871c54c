"""The audit compares every pair on its own, explains what may differ, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from itertools import count
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import pytest
from mutants import MUTANTS, Mutant

from syncd.core.model import Missing, Scan, Side, Snapshot
from syncd.core.policy import Direction, OnRemoval, Winner
from syncd.engine.audit.audit import audit
from syncd.observability.health import trust
from syncd.ports.provider import Provider, ScanRequest
from syncd.ports.read_only import ReadOnly

if TYPE_CHECKING:
    from harness import SyncHarness

    from syncd.engine.audit.report import AuditReport


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ANN@example.com", "+15550101"),
    )


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def looked(harness: SyncHarness) -> AuditReport:
    """An audit, which writes to no vendor."""
    harness.world.reset_requests()
    harness.later(seconds=1)
    report = audit(harness.link())
    assert harness.world.writes("ghl") == harness.world.writes("hubspot") == []
    assert report.pairs == report.verified + report.explained + report.unexplained  # type: ignore[operator]
    return report


def reasons(report: AuditReport) -> dict[str, str]:
    return {each.name: each.why for each in report.differences}


def test_equal_pairs_are_verified(harness: SyncHarness, ann: tuple[str, str]) -> None:
    user = next(iter(harness.ghl.users))
    for hours in (48, 72, 96):
        book(
            harness, ann[0], hours, title="Check-up 🦷 <b>&amp;", description="a\nb", assignee=user
        )
    harness.sync()
    report = looked(harness)
    assert (report.pairs, report.verified, report.differences) == (3, 3, [])
    assert report.exit_code == 0


def test_an_edit_that_waits_for_the_next_cycle_is_pending(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="By reception")
    harness.ghl.edit(event, status="noshow")
    report = looked(harness)
    assert reasons(report) == {
        "title": "pending: HighLevel is written",
        "status": "pending: HubSpot is written",
    }
    assert (report.explained, report.unexplained, report.exit_code) == (1, 0, 0)
    harness.sync()
    assert looked(harness).verified == 1


def test_a_backfill_that_waits_costs_an_audit_nothing(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    harness.ghl.edit(event, status="noshow", title="Visit")

    def cost() -> Mapping[Side, int]:
        report = looked(harness)
        assert reasons(report).keys() == {"status", "title"}
        return report.requests

    before = cost()
    for hours in range(60):
        person = harness.hubspot.add_contact(f"P {hours}", f"p{hours}@example.com")
        start = harness.at(100 + hours)
        harness.hubspot.create(
            {"hs_appointment_name": "Call", "hs_appointment_start": start}, [person]
        )
    assert cost() == before


def test_an_edit_of_a_receiving_side_is_one_way(harness: SyncHarness, ann: tuple[str, str]) -> None:
    harness.obey(fields={"title": Direction.GHL_TO_HUBSPOT, "description": Direction.OFF})
    book(harness, ann[0], title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="Mine", ghl_description="Only here")
    harness.sync()
    report = looked(harness)
    assert reasons(report) == {
        "title": "one-way: fields.title is ghl_to_hubspot",
        "description": "off: fields.description",
    }
    assert report.exit_code == 0


def test_a_conflict_that_waits_is_held(harness: SyncHarness, ann: tuple[str, str]) -> None:
    harness.obey(conflict={"title": Winner.HOLD})
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="One")
    harness.ghl.edit(event, title="Two")
    assert reasons(looked(harness)) == {"title": "held: conflict"}  # before any cycle held it
    harness.sync()
    report = looked(harness)
    assert reasons(report) == {"title": "held: conflict"}
    assert report.differences[0].as_json()["ghl"] == "Two"


def test_a_removal_is_pending_off_or_settled(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0])
    harness.sync()
    harness.ghl.delete(event)
    assert reasons(looked(harness)) == {"record": "pending: HubSpot is written"}
    harness.obey(ghl_deleted=OnRemoval.IGNORE)
    assert reasons(looked(harness)) == {"record": "off: sync.ghl_deleted is ignore"}
    harness.sync()
    assert reasons(looked(harness)) == {"record": "off: sync.ghl_deleted is ignore"}


@pytest.mark.parametrize("rule", ["both", "ignore", "one-way"])
def test_a_record_that_nobody_shows_is_no_removal(
    harness: SyncHarness, ann: tuple[str, str], rule: str
) -> None:
    book(harness, ann[0], status="showed")
    harness.sync()
    if rule == "ignore":
        harness.obey(ghl_deleted=OnRemoval.IGNORE, hubspot_archived=OnRemoval.IGNORE)
    if rule == "one-way":
        harness.obey(direction=Direction.GHL_TO_HUBSPOT)
    harness.world.faults.add(side="ghl", kind="empty_list", path="/calendars/events$", times=None)
    harness.world.faults.add(
        side="ghl", status=404, path="/events/appointments/", method="GET", times=None
    )
    assert reasons(looked(harness)) == {"record": "held: unreadable"}
    harness.sync()
    assert reasons(looked(harness)) == {"record": "held: unreadable"}


def test_a_pair_outside_the_window_is_left_out(harness: SyncHarness, ann: tuple[str, str]) -> None:
    book(harness, ann[0], 48)
    harness.sync()
    harness.later(days=40)
    report = looked(harness)
    assert (report.pairs, dict(report.left_out)) == (0, {"window": 1})


# --- breakages of the planner that leave two unequal records

EDITS: Mapping[str, Callable[[SyncHarness, str, str], object]] = {
    "title": lambda h, _, record: h.hubspot.edit(record, hs_appointment_name="By reception"),
    "description": lambda h, event, _: h.ghl.edit(event, description="Bring the papers"),
    "start": lambda h, _, record: h.hubspot.edit(record, hs_appointment_start=h.at(48.25)),
    "record": lambda h, event, _: h.ghl.delete(event),
}
"""What a person does, by the field that differs then."""

OVERLOOKED = (
    ("right changes are quiet", "title"),
    ("right changes are quiet", "start"),
    ("the print leaves out the description", "description"),
    ("the print leaves out the start", "start"),
    ("a removal is never carried across", "record"),
)


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """The package with this breakage: the functions of its file get the broken code."""
    name = mutant.file.removesuffix(".py").replace("/", ".")
    module = import_module(f"syncd.{name}")
    assert module.__file__
    text = mutant.applied_to(Path(module.__file__).read_text("utf-8"))
    namespace: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(text, module.__file__, "exec", dont_inherit=True), namespace)  # noqa: S102
    whole = {each: each.__code__ for each in vars(module).values() if is_plain(each)}
    for function in whole:
        function.__code__ = namespace[function.__name__].__code__
    try:
        yield
    finally:
        for function, code in whole.items():
            function.__code__ = code


def is_plain(found: object) -> TypeGuard[FunctionType]:
    return isinstance(found, FunctionType) and not found.__closure__


@pytest.mark.parametrize(("name", "field"), OVERLOOKED)
def test_a_difference_that_the_planner_overlooks_is_unexplained(
    harness: SyncHarness, ann: tuple[str, str], name: str, field: str
) -> None:
    (mutant,) = (each for each in MUTANTS if each.name == name)
    with broken(mutant):
        event = book(harness, ann[0], title="Check-up")
        book(harness, ann[0], 96)
        harness.sync()
        harness.sync()
        assert looked(harness).verified == 2
        (pair,) = (each for each in harness.pairs() if each.ghl_id == event)
        EDITS[field](harness, event, pair.hubspot_id)
        harness.sync()
        report = looked(harness)
    assert (report.verified, report.unexplained, report.exit_code) == (1, 1, 3)
    (found,) = report.differences
    assert (found.name, found.why, bool(found.missing)) == (field, "", True)


# --- what was verified when


def figures(harness: SyncHarness) -> tuple[int, int, datetime | None]:
    found = trust(harness.store.link(harness.name), harness.clock.now())
    return found.verified.count, found.unexplained, found.verified.oldest


def test_a_full_cycle_verifies_every_pair_that_it_sees(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    assert figures(harness) == (0, 0, None)
    book(harness, ann[0], 48)
    book(harness, ann[0], 72)
    harness.sync()
    first = harness.clock.now()
    assert figures(harness) == (2, 0, first)
    book(harness, ann[0], 96)
    harness.sync(full=False)
    assert figures(harness)[0] == 2  # a new pair counts from the next full cycle on
    harness.sync()
    harness.later(hours=5)
    looked(harness)
    assert figures(harness) == (3, 0, harness.clock.now())
    harness.later(hours=25)
    assert figures(harness) == (0, 0, None)


def test_a_pair_that_cannot_be_seen_keeps_its_last_look(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], 48)
    book(harness, ann[0], 72)
    harness.sync()
    then = harness.clock.now()
    harness.later(hours=1)
    (record,) = (each.hubspot_id for each in harness.pairs() if each.ghl_id == event)
    harness.hubspot.gdpr_delete(record)
    harness.sync()
    assert figures(harness) == (2, 0, then)
    harness.later(hours=23, minutes=30)
    assert figures(harness)[0] == 1


def test_the_next_full_cycle_looks_at_what_is_unexplained(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    (mutant,) = (each for each in MUTANTS if each.name == "the print leaves out the description")
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    with broken(mutant):
        for _ in range(2):  # the fingerprints of the broken package
            harness.ghl.edit(event, description="One")
            harness.ghl.edit(event, title="Two")
            harness.sync()
        harness.ghl.edit(event, description="Three")
        harness.sync()
        assert looked(harness).unexplained == 1
        assert figures(harness)[:2] == (0, 1)
        harness.sync()  # the fingerprint says that nothing changed, the audit said otherwise
        assert looked(harness).verified == 1
        assert figures(harness)[:2] == (1, 0)


# --- beside a daemon


class Interleaved(ReadOnly):
    """A side during whose readings somebody works."""

    def __init__(self, inner: Provider, work: Callable[[], object]) -> None:
        super().__init__(inner)
        self.work = work

    def scan(self, request: ScanRequest) -> Scan:
        found = self.inner.scan(request)
        self.work()
        return found

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        found = self.inner.fetch(ids)
        self.work()
        return found


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_what_changes_meanwhile_is_never_unexplained(
    harness: SyncHarness, ann: tuple[str, str], side: Literal["ghl", "hubspot"]
) -> None:
    events = [book(harness, ann[0], 48 + 24 * at, title=f"Visit {at}") for at in range(8)]
    harness.sync()
    pairs = {each.ghl_id: each.hubspot_id for each in harness.pairs()}
    turn = count()

    def work() -> None:
        """People edit, and every other time the daemon runs a cycle, before the audit goes on."""
        at = next(turn)
        event, record = events[at % 6], pairs[events[(at + 1) % 6]]
        harness.ghl.edit(event, title=f"Edited {at}")
        harness.hubspot.edit(record, ghl_description=f"Edited {at}")
        if at == 1:
            harness.ghl.delete(events[6])
            harness.hubspot.archive(pairs[events[7]])
            book(harness, ann[0], 800)
        if at % 2:
            harness.sync(full=False)

    link = harness.link()
    link = replace(link, **{side: Interleaved(link.side(Side(side)), work)})  # type: ignore[arg-type]
    for _ in range(3):
        report = audit(link)
        found = [each for each in report.differences if not each.why]
        assert found == []
    harness.sync()
    harness.sync()
    assert looked(harness).explained == 0
