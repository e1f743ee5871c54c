"""Every request of our HighLevel provider, and every answer of the sandbox, against the vendor.

The vendor's own OpenAPI files are the measure. Where the real service is
known to answer otherwise, the difference is listed below with what was seen;
whatever is not listed fails, and so does a listed difference that no longer
occurs.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from inspect import getsource
from typing import TYPE_CHECKING, NamedTuple

import pytest
from answers import sure
from contact_helper import make_contact
from descriptions import Descriptions, Exchange, Fault

from syncd.core.model import Appointment, Contact, Group, Snapshot
from syncd.errors import AuthFailed, NotFound
from syncd.ports.provider import CommandKind, Done, Failed, Receipt, ScanRequest, WriteCommand
from syncd.providers.ghl import protocol
from syncd.providers.scope_check import ScopeStatus
from syncd.sandbox import GHL_SCOPES

if TYPE_CHECKING:
    from tests.contract.conftest import Bench, Open

DescriptionsOf = Callable[[int], Descriptions]

EVENT = "/calendars/events/appointments/{eventId}"
_STATUS = ("the status is not described",)


class Known(NamedTuple):
    """Where the service was seen to differ from its description, and why we believe that."""

    why: str
    operation: str
    """Its end is enough; "" is every operation."""
    part: str
    """`request`, or the status of the answer; "" is every answer."""
    words: tuple[str, ...]
    """Beginnings of what is found."""


KNOWN = (
    Known("every answer carries an id for the vendor's support", "", "", ("$: 'traceId'",)),
    Known(
        "the slots are a map by date, and the trace id stands among the dates",
        "/free-slots",
        "200",
        ("$.traceId: is not of type object",),
    ),
    Known(
        "times are typed as objects, while the examples and the service show texts",
        "",
        "200",
        tuple(
            f"$.event{s}.{key}: is not of type object"
            for s in ("", "s[]")
            for key in ("startTime", "endTime", "dateAdded", "dateUpdated")
        ),
    ),
    Known(
        "keys without a value are left out of recorded answers, those marked as required too",
        "",
        "200",
        tuple(
            f"$.event{s}: {key!r} is missing"
            for s in ("", "s[]")
            for key in ("groupId", "assignedUserId", "users")
        ),
    ),
    Known(
        "recorded rows have three keys more, one of them the misspelt twin of the status",
        "",
        "200",
        tuple(
            f"$.event{s}: {key!r}"
            for s in ("", "s[]")
            for key in ("appoinmentStatus", "appointmentMeta", "deleted")
        ),
    ),
    Known(
        "a get was seen to tell the status in machine words too",
        EVENT,
        "200",
        ("$.event: 'statusDetails'",),
    ),
    Known(
        "rows that were made through the API have a creator without a user",
        "",
        "200",
        ("$.events[].createdBy.userId: is not", "$.event.createdBy.userId: is not"),
    ),
    Known(
        "write answers were recorded with these four keys; version 3 describes two of them",
        "",
        "200",
        tuple(f"$: {key!r}" for key in ("status", "appoinmentStatus", "dateAdded", "dateUpdated")),
    ),
    Known("a delete answers 200, not 201", "DELETE /calendars/events/{eventId}", "200", _STATUS),
    Known("an unknown appointment was seen to be a 404", EVENT, "404", _STATUS),
    Known("what breaks a rule of the calendar is a 422", "", "422", _STATUS),
    Known("a token of another location is a 403", "", "403", _STATUS),
    Known(
        "both spellings of one key come back",
        "/calendars/",
        "200",
        ("$.calendars[]: 'appointmentPerSlot'",),
    ),
    Known(
        "a calendar without hours of its own shows an empty object for a list",
        "/calendars/",
        "200",
        ("$.calendars[].openHours: is not of type array",),
    ),
    Known(
        "further addresses can be read, although nothing describes them",
        "",
        "",
        ("$.contact: 'additionalEmails'",),
    ),
    Known(
        "the order in which duplicates are looked for was recorded with the location",
        "/locations/{locationId}",
        "200",
        ("$.location.settings: 'contactUniqueIdentifiers'",),
    ),
    Known(
        "the refusal of a duplicate names the contact that is there",
        "POST /contacts/",
        "400",
        ("$: 'meta'",),
    ),
    Known(
        "version 3 has no list of users; it is tried first, as a token without a company can",
        "GET /users/",
        "request",
        ("is not described",),
    ),
)


def _is_known(fault: Fault, known: Known) -> bool:
    return (
        fault.operation.endswith(known.operation)
        and known.part in (fault.part, "" if fault.part != "request" else "request")
        and any(fault.words.startswith(words) for words in known.words)
    )


def _story(bench: Bench) -> None:
    """Everything that the port can ask of HighLevel, with the refusals that go with it."""
    _read(bench)
    _write(bench)
    _meet_people(bench)
    _be_refused(bench)


def _read(bench: Bench) -> None:
    place, ghl = bench.world.location, bench.ghl
    ann = place.add_contact("Ann Example", "ann@example.com", "+15550100101")
    place.book(bench.calendars["Team"], ann, bench.at(30), notes="of the calendar")
    place.book(bench.calendars["Event"], ann, bench.at(31), address="12 Quay Street")
    place.add_series(bench.calendars["Personal"], ann, bench.at(48))
    dropped = place.book(bench.calendars["Team"], ann, bench.at(50))
    place.delete(dropped)
    account = ghl.prepare()
    assert len(account.people) == 3
    scan = ghl.scan(ScanRequest(window=bench.window))
    assert len(scan.snapshots) == 6
    assert scan.complete
    instance = next(each.id for each in scan.snapshots if each.series)
    found = ghl.fetch([dropped, "ThereIsNoSuchEvent00", instance])
    assert [isinstance(each, Snapshot) for each in found.values()] == [True, False, True]
    assert len(ghl.bookings_of(ann)) == 6
    with pytest.raises(NotFound):
        ghl.bookings_of("ThereIsNoSuchContact")


def _write(bench: Bench) -> None:
    ann = next(iter(bench.world.location.contacts)).id
    dana, milo, ines = bench.world.location.users
    full = Appointment(
        title="Check-up",
        start=bench.at(72),
        end=bench.at(72.5),
        status="new",
        description="Brings reports.",
        address="12 Quay Street",
        owner=dana,
        contact=ann,
    )
    one = _done(_create(bench, full))
    _done(_create(bench, replace(full, start=bench.at(74), end=bench.at(74.5)), validate=True))
    bare = Appointment(start=bench.at(80), contact=ann, status="confirmed")
    _done(_create(bench, bare, calendar="Event"))
    # Onto a slot that is taken, and to a user who is not of the team: each refused in part.
    moved = _update(
        bench, one.id, Appointment(start=bench.at(74), end=bench.at(74.5)), Group.TIME, check=True
    )
    for group, wanted in (
        (Group.TITLE, Appointment(title="Follow-up")),
        (Group.TIME, Appointment(start=bench.at(90), end=bench.at(91))),
        (Group.STATUS, Appointment(status="showed")),
        (Group.DESCRIPTION, Appointment(description="")),
        (Group.ADDRESS, Appointment(address="14 Quay Street")),
        (Group.OWNER, Appointment(owner=milo)),
    ):
        _done(_update(bench, one.id, wanted, group))
    handed = _update(bench, one.id, Appointment(owner=ines), Group.OWNER)
    assert [_done(each).refused[0].group for each in (moved, handed)] == [Group.TIME, Group.OWNER]
    _failed(_create(bench, replace(full, owner=ines)))
    # Cancelled, and back: at a time that is not offered, but free.
    _done(_update(bench, one.id, Appointment(status="cancelled"), Group.STATUS))
    reopened = _update(
        bench, one.id, Appointment(status="confirmed"), Group.STATUS, check=True, reopens=True
    )
    assert _done(reopened).refused == ()
    _done(_remove(bench, one.id))
    _done(_remove(bench, one.id))
    orphan = _done(_create(bench, replace(full, contact=_stranger(bench))))
    bench.world.location.delete_contact(bench.world.location.get(orphan.id).contact)
    _failed(_remove(bench, orphan.id))


def _meet_people(bench: Bench) -> None:
    ghl, place = bench.ghl, bench.world.location
    ann = next(iter(place.contacts)).id
    found = sure(
        ghl.find_contacts(
            ["ann@example.com", "nobody@example.com"], ["+15550100101", "+15550100199"]
        )
    )
    assert [len(each) for each in found.values()] == [1, 0, 1, 0]
    assert list(ghl.contacts([ann, "ThereIsNoSuchContact"])) == [ann]
    many = [place.add_contact(f"Guest {n}", f"guest{n}@example.com") for n in range(510)]
    assert len(ghl.contacts(many)) == 510
    made = make_contact(
        ghl,
        Contact(
            first_name="Ben",
            last_name="Torres",
            emails=("ben@example.com",),
            phones=("+15550100102",),
        ),
    )
    again = make_contact(ghl, Contact(first_name="Benny", emails=("ben@example.com",)))
    assert again.id == made.id
    # What the doctor asks: whether the token may, and that its scratch contact goes.
    assert {each.status for each in ghl.check_scopes(GHL_SCOPES)} == {ScopeStatus.GRANTED}
    ghl._session.ask(protocol.delete_contact(made.id))


def _be_refused(bench: Bench) -> None:
    place, world = bench.world.location, bench.world
    place.delete_calendar(bench.calendars["Class"])
    scan = bench.ghl.scan(
        ScanRequest(window=bench.window, calendars=frozenset([bench.calendars["Class"]]))
    )
    assert scan.failures
    given = world.settings
    world.settings = replace(given, ghl_scopes=given.ghl_scopes - {"calendars/events.readonly"})
    with pytest.raises(AuthFailed):
        bench.ghl.scan(ScanRequest(window=bench.window))
    world.settings = given
    foreign = world.add_location()
    place.tokens.clear()
    foreign.tokens.add(given.ghl_token)
    with pytest.raises(AuthFailed):
        bench.ghl.prepare()
    foreign.tokens.clear()
    with pytest.raises(AuthFailed):
        bench.ghl.prepare()


def _create(
    bench: Bench, wanted: Appointment, *, calendar: str = "Team", validate: bool = False
) -> Receipt:
    command = WriteCommand(
        key=f"create-{len(bench.ghl_witness.exchanges)}",
        kind=CommandKind.CREATE,
        wanted=wanted,
        calendar=bench.calendars[calendar],
        validate_slot=validate,
    )
    return _only(bench.ghl.write([command]))


def _update(
    bench: Bench,
    key: str,
    wanted: Appointment,
    *groups: str,
    check: bool = False,
    reopens: bool = False,
) -> Receipt:
    command = WriteCommand(
        key=f"update-{len(bench.ghl_witness.exchanges)}",
        kind=CommandKind.UPDATE,
        id=key,
        wanted=wanted,
        groups=frozenset(groups),
        validate_slot=check,
        reopens=reopens,
    )
    return _only(bench.ghl.write([command]))


def _remove(bench: Bench, key: str) -> Receipt:
    return _only(
        bench.ghl.write([WriteCommand(key=f"remove-{key}", kind=CommandKind.REMOVE, id=key)])
    )


def _only(receipts: Iterator[Receipt]) -> Receipt:
    (receipt,) = receipts
    return receipt


def _done(receipt: Receipt) -> Done:
    assert isinstance(receipt, Done), receipt
    return receipt


def _failed(receipt: Receipt) -> Failed:
    assert isinstance(receipt, Failed), receipt
    return receipt


def _stranger(bench: Bench) -> str:
    return bench.world.location.add_contact("Cleo Marsh", "cleo@example.com")


RateHeaders = tuple[Descriptions, list[Exchange]]


@pytest.fixture(scope="module")
def told_in(open_bench: Open, descriptions_of: DescriptionsOf) -> Callable[[int], RateHeaders]:
    """The descriptions of a version, and the whole story as it goes under that version."""

    @cache
    def told(version: int) -> RateHeaders:
        descriptions = descriptions_of(version)
        bench = open_bench(version="v3" if version == 3 else "")
        _story(bench)
        return descriptions, [_enveloped(each) for each in bench.ghl_witness.exchanges]

    return told


def _enveloped(exchange: Exchange) -> Exchange:
    """A get comes under `appointment`, not `event` as described: read under its own name."""
    if isinstance(exchange.answer, dict) and "appointment" in exchange.answer:
        answer = {**exchange.answer, "event": exchange.answer["appointment"]}
        del answer["appointment"]
        return replace(exchange, answer=answer)
    return exchange


def _faults(told: RateHeaders) -> list[Fault]:
    descriptions, exchanges = told
    return sorted({fault for exchange in exchanges for fault in descriptions.faults(exchange)})


@pytest.mark.parametrize("version", [2, 3])
def test_every_request_is_one_that_the_vendor_describes(
    told_in: Callable[[int], RateHeaders], version: int
) -> None:
    faults = [each for each in _faults(told_in(version)) if each.part == "request"]
    unknown = [each for each in faults if not any(_is_known(each, known) for known in KNOWN)]
    assert not unknown, "\n".join(map(str, unknown))


@pytest.mark.parametrize("version", [2, 3])
def test_every_answer_is_as_described_or_a_known_difference(
    told_in: Callable[[int], RateHeaders], version: int
) -> None:
    faults = [each for each in _faults(told_in(version)) if each.part != "request"]
    unknown = [each for each in faults if not any(_is_known(each, known) for known in KNOWN)]
    assert not unknown, "\n".join(map(str, unknown))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.why)
def test_a_known_difference_still_occurs(
    told_in: Callable[[int], RateHeaders], known: Known
) -> None:
    """One that does not would hide a fault of ours some day."""
    faults = [*_faults(told_in(2)), *_faults(told_in(3))]
    idle = [
        words
        for words in known.words
        if not any(_is_known(fault, known._replace(words=(words,))) for fault in faults)
    ]
    assert not idle


def test_the_story_sends_every_request_that_the_provider_can_build(
    told_in: Callable[[int], RateHeaders],
) -> None:
    """A request that is never sent here would never have been held against anything."""
    builders = {
        node.name
        for node in ast.parse(getsource(protocol)).body
        if isinstance(node, ast.FunctionDef)
        and isinstance(node.returns, ast.Name)
        and node.returns.id == "Call"
        and not node.name.startswith("_")
    }
    sent = {
        descriptions.operation(exchange.method, exchange.path)
        for descriptions, exchanges in map(told_in, (2, 3))
        for exchange in exchanges
    }
    assert len(builders) == len(sent - {""}), (sorted(builders), sorted(sent))
