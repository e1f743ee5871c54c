"""What the port promises, asked of both providers alike: every test here runs twice.

The engine does not know which side it talks to; these are the promises that
it leans on. What one vendor alone does stands in the tests of that provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from answers import sure
from contact_helper import make_contact

from syncd.core.essence import value
from syncd.core.model import Appointment, Contact, Group, Missing, Side, Snapshot, Window
from syncd.errors import (
    AuthFailed,
    NotFound,
    ProviderError,
    Stale,
    TimedOut,
    Transient,
    Unreadable,
)
from syncd.ports.provider import (
    CommandKind,
    Done,
    ExternalIds,
    Failed,
    Provider,
    Receipt,
    ScanRequest,
    WriteCommand,
)

if TYPE_CHECKING:
    from tests.contract.conftest import Bench

NOWHERE = "999999999"
"""An id that neither side knows."""


@dataclass(kw_only=True)
class Half:
    """One side: the provider, and what people do there."""

    bench: Bench
    side: Side
    _numbers: Iterator[int]

    @property
    def provider(self) -> Provider:
        return self.bench.ghl if self.side is Side.GHL else self.bench.hubspot

    @property
    def status(self) -> str:
        """A status that the side writes so."""
        return "confirmed" if self.side is Side.GHL else "SCHEDULED"

    @property
    def other_status(self) -> str:
        return "showed" if self.side is Side.GHL else "COMPLETED"

    @property
    def owners(self) -> tuple[str, ...]:
        known = self.bench.world
        return tuple(known.location.users if self.side is Side.GHL else known.portal.owners)

    # --- people

    def meet(self, name: str, email: str = "", phone: str = "") -> str:
        """A contact that a person adds."""
        world = self.bench.world
        add = world.location.add_contact if self.side is Side.GHL else world.portal.add_contact
        return add(name, email or None, phone or None)

    def person(self, contact: str) -> object:
        """Everything that the vendor holds of a contact."""
        world = self.bench.world
        if self.side is Side.GHL:
            return replace(world.location.contacts[contact])
        return world.portal.get_contact(contact)

    def rename(self, key: str, title: str) -> None:
        if self.side is Side.GHL:
            self.bench.world.location.edit(key, title=title)
        else:
            self.bench.world.portal.edit(key, hs_appointment_name=title)

    def remove_by_hand(self, key: str) -> None:
        if self.side is Side.GHL:
            self.bench.world.location.delete(key)
        else:
            self.bench.world.portal.archive(key)

    @property
    def living(self) -> int:
        """How many appointments the vendor holds."""
        world = self.bench.world
        rows = world.location.events() if self.side is Side.GHL else world.portal.records()
        return len(rows)

    @property
    def arrived(self) -> int:
        """How many requests the vendor saw."""
        return len(self.bench.world.requests_of(self.side))

    # --- syncd

    def wanted(self, **more: Any) -> Appointment:
        given: dict[str, Any] = {
            "title": "Check-up",
            "start": self.bench.at(24),
            "end": self.bench.at(24.5),
            "status": self.status,
            "owner": self.owners[0],
        }
        return Appointment(**given | more)

    def command(self, wanted: Appointment) -> WriteCommand:
        """A creation."""
        number = next(self._numbers)
        external_ids = ExternalIds(
            ghl_id=f"GhlEvent{number:04}", location_id=self.bench.world.location.id
        )
        return WriteCommand(
            key=f"create-{number}",
            kind=CommandKind.CREATE,
            wanted=wanted,
            calendar=self.bench.calendars["Team"] if self.side is Side.GHL else "",
            external_ids=external_ids if self.side is Side.HUBSPOT else None,
        )

    def change(
        self, key: str, wanted: Appointment, *groups: str, seen: Snapshot | None = None
    ) -> WriteCommand:
        return WriteCommand(
            key=f"update-{next(self._numbers)}",
            kind=CommandKind.UPDATE,
            id=key,
            wanted=wanted,
            groups=frozenset(groups),
            seen=seen,
        )

    def removal(self, key: str, seen: Snapshot | None = None) -> WriteCommand:
        return WriteCommand(
            key=f"remove-{next(self._numbers)}", kind=CommandKind.REMOVE, id=key, seen=seen
        )

    def write(self, command: WriteCommand) -> Receipt:
        (receipt,) = self.provider.write([command])
        return receipt

    def made(self, **more: Any) -> str:
        """An appointment that the provider makes; returns its id."""
        more.setdefault("contact", self.meet(f"Guest {next(self._numbers)}"))
        return done(self.write(self.command(self.wanted(**more)))).id

    def see(self, key: str) -> Snapshot:
        found = self.provider.fetch([key])[key]
        assert isinstance(found, Snapshot), found
        return found

    @property
    def request(self) -> ScanRequest:
        return ScanRequest(window=self.bench.window)

    def faulty(self, **fault: Any) -> None:
        self.bench.world.faults.add(side=str(self.side), **fault)


def done(receipt: Receipt) -> Done:
    assert isinstance(receipt, Done), receipt
    return receipt


def failed(receipt: Receipt) -> ProviderError:
    assert isinstance(receipt, Failed), receipt
    return receipt.error


@pytest.fixture(params=list(Side), ids=str)
def half(request: pytest.FixtureRequest, bench: Bench) -> Half:
    return Half(bench=bench, side=request.param, _numbers=iter(range(1, 1000)))


# --- reading


def test_a_provider_says_which_side_it_is(half: Half) -> None:
    account = half.provider.prepare()
    assert half.provider.side is account.side is half.side
    assert {each.email for each in account.people if each.active} == {
        "dana.keller@example.com",
        "milo.brandt@example.com",
        "ines.okafor@example.com",
    }


def test_fetch_answers_for_every_id_and_tells_gone_from_missing(half: Half) -> None:
    living, removed = half.made(), half.made()
    half.remove_by_hand(removed)
    found = half.provider.fetch([living, removed, NOWHERE, living])
    assert set(found) == {living, removed, NOWHERE}
    shown = {key: each for key, each in found.items() if isinstance(each, Snapshot)}
    assert {key: each.gone for key, each in shown.items()} == {living: False, removed: True}
    assert isinstance(found[NOWHERE], Missing)


def test_a_removed_record_still_shows_what_it_was(half: Half) -> None:
    key = half.made(title="Last words")
    before = half.see(key)
    half.remove_by_hand(key)
    after = half.see(key)
    assert after.appointment == replace(before.appointment, contact=after.appointment.contact)


def test_asking_for_nothing_asks_nothing(half: Half) -> None:
    half.provider.prepare()
    arrived = half.arrived
    assert half.provider.fetch([]) == {}
    assert half.provider.contacts([]) == {}
    assert half.provider.find_contacts([], []) == {}
    assert half.provider.edits([]) == {}
    assert half.provider.find_by_external_id([]) == {}
    assert list(half.provider.write([])) == []
    assert half.arrived == arrived


def test_a_scan_shows_what_a_fetch_shows(half: Half) -> None:
    contact = half.meet("Ann Example", "ann@example.com")
    keys = [
        half.made(contact=contact, description="Two\nlines", address="12 Quay Street"),
        half.made(owner=half.owners[1]),
    ]
    scan = half.provider.scan(half.request)
    assert scan.complete
    assert not scan.failures
    assert not scan.unreadable
    assert {each.id: each for each in scan.snapshots} == half.provider.fetch(keys)


def test_a_scan_never_shows_a_removed_record_as_active(half: Half) -> None:
    kept, removed = half.made(), half.made()
    half.remove_by_hand(removed)
    shown = half.provider.scan(half.request).snapshots
    assert [each.id for each in shown if not each.gone] == [kept]


def test_every_instant_is_utc_to_the_second_and_a_stamp_finer(half: Half) -> None:
    half.bench.clock.advance(timedelta(milliseconds=345))
    key = half.made()
    (scanned,) = half.provider.scan(half.request).snapshots
    for shown in (half.see(key), scanned):
        held = shown.appointment
        moments = [held.start, held.end, shown.created_at]
        assert all(isinstance(each, datetime) for each in moments)
        assert {each.tzinfo for each in moments if each} == {UTC}
        assert {each.microsecond for each in moments if each} == {0}
        # A stamp tells two writes within a second apart, so it stays as fine as it is told.
        assert shown.updated_at
        assert (shown.updated_at.tzinfo, shown.updated_at.microsecond) == (UTC, 345_000)


ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 3, 29, 1, 30, tzinfo=ZURICH),
        datetime(2026, 3, 29, 3, 0, tzinfo=ZURICH),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZURICH, fold=0),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZURICH, fold=1),
    ],
    ids=["before-spring", "after-spring", "first-of-autumn", "second-of-autumn"],
)
def test_an_instant_survives_a_clock_change(half: Half, start: datetime) -> None:
    begins = start.astimezone(UTC)
    wanted = {"start": begins, "end": begins + timedelta(hours=1)}
    shown = half.see(half.made(**wanted)).appointment
    assert (shown.start, shown.end) == (wanted["start"], wanted["end"])


def test_requests_counts_every_attempt_that_arrived(half: Half) -> None:
    half.made()
    before, arrived = half.provider.requests, half.arrived
    half.faulty(status=503, times=2)
    half.provider.scan(half.request)
    assert half.provider.requests - before == half.arrived - arrived >= 3


# --- writing


def test_each_command_has_one_receipt_and_a_bad_one_stops_no_other(half: Half) -> None:
    changed, removed = half.made(), half.made()
    commands = [
        half.command(half.wanted(contact=half.meet("Guest"))),
        half.change(NOWHERE, half.wanted(title="Nobody"), Group.TITLE),
        half.change(changed, half.wanted(title="Changed"), Group.TITLE),
        half.command(half.wanted(contact=half.meet("Guest"), status="no such status")),
        half.removal(removed),
    ]
    receipts = {each.key: each for each in half.provider.write(commands)}
    assert set(receipts) == {each.key for each in commands}
    outcomes = [isinstance(receipts[each.key], Done) for each in commands]
    assert outcomes == [True, False, True, False, True]


def test_a_creation_returns_what_the_side_then_shows(half: Half) -> None:
    contact = half.meet("Ann Example", "ann@example.com")
    wanted = half.wanted(contact=contact, description="Zürich, 9 h ☂", address="12 Quay Street")
    receipt = done(half.write(half.command(wanted)))
    shown = half.see(receipt.id)
    assert receipt.returned == shown.appointment == wanted
    assert shown.contacts == (contact,)
    assert receipt.updated_at == shown.updated_at
    assert not receipt.refused


@pytest.mark.parametrize(
    "group",
    [Group.TITLE, Group.TIME, Group.STATUS, Group.DESCRIPTION, Group.ADDRESS, Group.OWNER],
)
def test_an_update_writes_its_group_and_nothing_else(half: Half, group: Group) -> None:
    key = half.made(description="Before", address="12 Quay Street")
    before = half.see(key)
    wanted = Appointment(
        title="After",
        start=half.bench.at(30),
        end=half.bench.at(31),
        status=half.other_status,
        description="After",
        address="14 Quay Street",
        owner=half.owners[1],
    )
    half.bench.clock.advance(timedelta(minutes=1))
    receipt = done(half.write(half.change(key, wanted, group, seen=before)))
    after = half.see(key)
    assert value(receipt.returned, group) == value(after.appointment, group)
    assert receipt.updated_at == after.updated_at
    names = {"start", "end"} if group is Group.TIME else {str(group)}
    changed = {
        each.name
        for each in fields(Appointment)
        if getattr(before.appointment, each.name) != getattr(after.appointment, each.name)
    }
    assert changed == names
    assert all(getattr(after.appointment, name) == getattr(wanted, name) for name in names)


@pytest.mark.parametrize("group", [Group.DESCRIPTION, Group.ADDRESS])
def test_a_text_can_be_cleared(half: Half, group: Group) -> None:
    key = half.made(description="Before", address="12 Quay Street")
    receipt = done(half.write(half.change(key, Appointment(), group)))
    assert getattr(half.see(key).appointment, group) == ""
    assert getattr(receipt.returned, group) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Ünïcödé ☂ 😀 “quotes”",
        'a "quoted" <b>tag</b> & {{contact.name}} \\ back',
        "first\n\nthird\tline",
        "x" * 5000,
    ],
    ids=["unicode", "markup", "lines", "long"],
)
def test_a_text_comes_back_as_it_was_written(half: Half, text: str) -> None:
    key = half.made(description="Before")
    done(half.write(half.change(key, Appointment(description=text), Group.DESCRIPTION)))
    assert half.see(key).appointment.description == text


def test_what_was_changed_since_it_was_seen_is_never_overwritten(half: Half) -> None:
    key = half.made()
    seen = half.see(key)
    half.rename(key, "By a person")
    error = failed(half.write(half.change(key, half.wanted(title="Ours"), Group.TITLE, seen=seen)))
    assert isinstance(error, Stale)
    assert half.see(key).appointment.title == "By a person"


def test_a_change_of_another_field_does_not_stop_a_write(half: Half) -> None:
    key = half.made()
    seen = half.see(key)
    half.rename(key, "By a person")
    wanted = half.wanted(start=half.bench.at(40), end=half.bench.at(41))
    done(half.write(half.change(key, wanted, Group.TIME, seen=seen)))
    shown = half.see(key).appointment
    assert (shown.title, shown.start) == ("By a person", half.bench.at(40))


def test_a_record_that_was_removed_is_not_written_to(half: Half) -> None:
    key = half.made()
    seen = half.see(key)
    half.remove_by_hand(key)
    error = failed(half.write(half.change(key, half.wanted(title="Late"), Group.TITLE, seen=seen)))
    assert isinstance(error, Stale)
    assert half.see(key).gone


def test_the_same_update_twice_ends_as_once(half: Half) -> None:
    key = half.made()
    command = half.change(key, half.wanted(title="Same"), Group.TITLE)
    first, second = done(half.write(command)), done(half.write(command))
    assert first.returned == second.returned
    assert half.see(key).appointment.title == first.returned.title == "Same"


def test_removing_twice_ends_as_once(half: Half) -> None:
    key = half.made()
    done(half.write(half.removal(key)))
    assert half.see(key).gone
    done(half.write(half.removal(key)))
    assert half.see(key).gone


def test_an_edit_beats_a_removal(half: Half) -> None:
    key = half.made()
    seen = half.see(key)
    half.rename(key, "Still wanted")
    assert isinstance(failed(half.write(half.removal(key, seen))), Stale)
    assert not half.see(key).gone


def test_a_creation_without_an_answer_is_never_made_twice(half: Half) -> None:
    command = half.command(half.wanted(contact=half.meet("Guest")))
    half.faulty(kind="timeout_after", method="POST", path="appointments$|batch/create")
    receipt = half.write(command)
    assert not half.bench.world.faults.pending
    assert half.living == 1
    if isinstance(receipt, Failed):
        assert isinstance(receipt.error, TimedOut)
        assert receipt.error.sent


def test_a_creation_that_never_arrived_is_made_once_or_left_in_doubt(half: Half) -> None:
    command = half.command(half.wanted(contact=half.meet("Guest")))
    half.faulty(kind="timeout_before", method="POST", path="appointments$|batch/create")
    receipt = half.write(command)
    assert not half.bench.world.faults.pending
    assert half.living == isinstance(receipt, Done)
    if isinstance(receipt, Failed):
        assert isinstance(receipt.error, TimedOut)


def test_an_update_without_an_answer_ends_as_written(half: Half) -> None:
    key = half.made()
    half.faulty(
        kind="timeout_after",
        path=r"/batch/update$|/appointments/\w+$",
        nth=1 + (half.side is Side.GHL),
    )
    done(half.write(half.change(key, half.wanted(title="Once"), Group.TITLE)))
    assert not half.bench.world.faults.pending
    assert half.see(key).appointment.title == "Once"


# --- contacts


def test_contacts_are_found_by_address_and_number_whatever_the_case(half: Half) -> None:
    ann = half.meet("Ann Example", "Ann@Example.com", "+15550100101")
    found = sure(
        half.provider.find_contacts(
            ["ann@example.com", "ANN@EXAMPLE.COM", "nobody@example.com"],
            ["+15550100101", "+15550100199"],
        )
    )
    assert {key: [each.id for each in held] for key, held in found.items()} == {
        "ann@example.com": [ann],
        "ANN@EXAMPLE.COM": [ann],
        "nobody@example.com": [],
        "+15550100101": [ann],
        "+15550100199": [],
    }


def test_unknown_contacts_are_left_out(half: Half) -> None:
    ann = half.meet("Ann Example", "ann@example.com", "+15550100101")
    found = sure(half.provider.contacts([ann, NOWHERE]))
    assert found == {
        ann: Contact(
            id=ann,
            first_name="Ann",
            last_name="Example",
            emails=("ann@example.com",),
            phones=("+15550100101",),
        )
    }


def test_a_contact_that_exists_is_given_back_and_never_altered(half: Half) -> None:
    ann = half.meet("Ann Example", "ann@example.com", "+15550100101")
    before = half.person(ann)
    half.bench.clock.advance(timedelta(minutes=1))
    twin = Contact(
        first_name="Anna",
        last_name="Sample",
        emails=("ANN@example.com",),
        phones=("+15550100177",),
    )
    assert make_contact(half.provider, twin).id == ann
    assert half.person(ann) == before


def test_a_contact_that_was_made_is_found_at_once_and_holds_no_more_than_given(half: Half) -> None:
    wanted = Contact(
        first_name="Ben",
        last_name="Torres",
        emails=("ben@example.com",),
        phones=("+15550100102",),
    )
    made = make_contact(half.provider, wanted)
    assert made == replace(wanted, id=made.id)
    found = sure(half.provider.find_contacts(["ben@example.com"], ["+15550100102"]))
    assert list(found.values()) == [(made,), (made,)]
    assert half.provider.contacts([made.id]) == {made.id: made}


def test_writing_appointments_never_alters_their_contact(half: Half) -> None:
    ann = half.meet("Ann Example", "ann@example.com", "+15550100101")
    before = half.person(ann)
    half.bench.clock.advance(timedelta(minutes=1))
    key = half.made(contact=ann)
    done(half.write(half.change(key, half.wanted(title="Changed"), Group.TITLE)))
    done(half.write(half.removal(key)))
    after: Any = half.person(ann)
    if half.side is Side.HUBSPOT:
        # An association shows on both of its ends; it is no property.
        after.links = before.links  # type: ignore[attr-defined]
    assert after == before


# --- trouble


Question = Callable[[Half], object]

QUESTIONS: dict[str, Question] = {
    "scan": lambda half: half.provider.scan(half.request),
    "fetch": lambda half: half.provider.fetch([NOWHERE]),
    "contacts": lambda half: half.provider.contacts([NOWHERE]),
    "find_contacts": lambda half: half.provider.find_contacts(["nobody@example.com"], []),
    "write": lambda half: list(half.provider.write([half.removal(NOWHERE)])),
}


@pytest.fixture(params=list(QUESTIONS))
def question(request: pytest.FixtureRequest) -> Question:
    return QUESTIONS[request.param]


def test_a_refused_token_is_never_an_empty_answer(half: Half, question: Question) -> None:
    world = half.bench.world
    world.location.tokens.clear()
    world.settings = replace(world.settings, hubspot_token="rotated")
    with pytest.raises(AuthFailed):
        question(half)


def test_a_vendor_that_is_down_is_never_an_empty_answer(half: Half, question: Question) -> None:
    half.faulty(status=503, times=None)
    try:
        answer = question(half)
    except Transient:
        return
    assert isinstance(answer, list)
    assert [type(failed(each)) for each in answer] != [NotFound]


@pytest.mark.parametrize("kind", ["garbled_body", "cut_body", "html"])
def test_an_answer_that_cannot_be_read_is_never_an_empty_one(
    half: Half, question: Question, kind: str
) -> None:
    half.made()
    half.faulty(kind=kind, times=None, status=200)
    try:
        answer = question(half)
    except (Transient, Unreadable):
        return
    if isinstance(answer, list):
        assert isinstance(failed(answer[0]), Transient | Unreadable)
    else:
        # HighLevel reads calendar by calendar: then each of them is a failure.
        assert getattr(answer, "failures", ()) or isinstance(answer, dict)
        assert not getattr(answer, "complete", False)


def test_a_window_in_the_past_shows_nothing_of_the_future(half: Half) -> None:
    half.made()
    past = Window(since=half.bench.at(-48), until=half.bench.at(-24))
    shown = half.provider.scan(ScanRequest(window=past)).snapshots
    # HubSpot lists by change and not by start; the engine looks at the window itself.
    assert not shown or half.side is Side.HUBSPOT
