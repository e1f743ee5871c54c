"""Many writes in HighLevel: what stops the rest, and how fast they are taken."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Appointment, Group, Side
from syncd.errors import (
    AuthFailed,
    Unavailable,
)
from syncd.ports.provider import (
    CommandKind,
    Done,
    Failed,
    NextPoll,
    Receipt,
    WriteChecks,
    WriteCommand,
)
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.sandbox import RateLimit

if TYPE_CHECKING:
    from tests.providers.conftest import VirtualClock
    from tests.providers.ghl.conftest import Clinic, Open

    IsDone = Callable[[Receipt], Done]
    IsFailed = Callable[[Receipt], Failed]


def many(clinic: Clinic, count: int, **more: Any) -> list[WriteCommand]:
    return [
        WriteCommand(
            key=f"order-{number}",
            kind=CommandKind.CREATE,
            wanted=Appointment(
                title="Check-up",
                start=clinic.at(24 + number),
                end=clinic.at(24.5 + number),
                status="confirmed",
                contact=clinic.contact,
            ),
            calendar=clinic.calendars["Event"],
            **more,
        )
        for number in range(count)
    ]


def test_one_refused_command_stops_no_other(clinic: Clinic) -> None:
    clinic.world.faults.add(side="ghl", method="POST", nth=3, status=422, body={"message": ["no"]})
    receipts = list(clinic.provider.write(many(clinic, 8)))
    assert {each.key for each in receipts} == {f"order-{number}" for number in range(8)}
    assert sum(isinstance(each, Failed) for each in receipts) == 1


def test_one_command_that_always_breaks_the_server_stops_no_other(clinic: Clinic) -> None:
    key = clinic.book(1)
    clinic.world.faults.add(side="ghl", method="PUT", path=key, status=500, times=None)
    poison = WriteCommand(
        key="poison", kind=CommandKind.UPDATE, id=key, groups=frozenset({Group.TITLE})
    )
    receipts = {each.key: each for each in clinic.provider.write([poison, *many(clinic, 20)])}
    assert len(receipts) == 21
    broken = receipts["poison"]
    assert isinstance(broken, Failed)
    assert isinstance(broken.error, Unavailable)


def test_a_lost_token_stops_the_rest_and_leaves_it_unsent(clinic: Clinic) -> None:
    clinic.world.faults.add(
        side="ghl",
        method="POST",
        nth=4,
        times=None,
        status=401,
        body={"statusCode": 401, "message": "Invalid token: access token is invalid"},
    )
    receipts: list[Receipt] = []
    with pytest.raises(AuthFailed):
        receipts.extend(clinic.provider.write(many(clinic, 40)))
    assert len(clinic.world.location.events()) == 3
    assert len(clinic.sent("POST")) < 12


def test_a_missing_write_scope_is_named(open_clinic: Open) -> None:
    """Reads go on working, so a run looks healthy while every write is refused."""
    scopes = open_clinic().world.settings.ghl_scopes - {"calendars/events.write"}
    clinic = open_clinic(ghl_scopes=scopes)
    with pytest.raises(AuthFailed, match=r"calendars/events\.write"):
        list(clinic.provider.write(many(clinic, 2)))


def test_a_vendor_that_went_down_stops_the_rest(clinic: Clinic) -> None:
    clinic.provider.prepare()
    clinic.world.faults.add(side="ghl", status=503, times=None)
    with pytest.raises(Unavailable):
        list(clinic.provider.write(many(clinic, 60)))
    assert len(clinic.sent("POST")) < 12


def test_closing_the_receipts_waits_for_what_is_in_flight_and_sends_no_more(
    clinic: Clinic,
) -> None:
    receipts = clinic.provider.write(many(clinic, 200))
    next(receipts)
    assert isinstance(receipts, Generator)
    receipts.close()
    sent = len(clinic.sent("POST"))
    assert sent < 200
    assert len(clinic.world.location.events()) == sent
    clinic.scan()
    assert len(clinic.sent("POST")) == sent


def test_a_strict_server_never_has_to_refuse_a_backfill(
    open_clinic: Open, clock: VirtualClock
) -> None:
    limit = Limit(requests=20, seconds=10.0)
    clinic = open_clinic(
        budget=Budget(side=Side.GHL, clock=clock, limit=limit),
        enforce_limits=True,
        ghl_limit=RateLimit(requests=20, seconds=10.0),
    )
    receipts = list(clinic.provider.write(many(clinic, 100)))
    assert all(isinstance(each, Done) for each in receipts)
    assert {row.status for row in clinic.world.requests} == {200}
    assert (clock.now() - clinic.now).total_seconds() >= 50


def test_commands_are_taken_no_faster_than_they_are_sent(clinic: Clinic) -> None:
    """What comes in while others are written overtakes those that were not taken yet."""
    taken: list[int] = []

    def commands() -> Iterator[WriteCommand]:
        for number in range(60):
            taken.append(number)
            yield booking(clinic, number)

    receipts = clinic.provider.write(commands())
    most = 0
    for done, receipt in enumerate(receipts, 1):
        assert isinstance(receipt, Done)
        most = max(most, len(taken) - done)
    assert len(taken) == 60
    assert most <= 2 * 4, "the pool of four, and as many again"


def booking(clinic: Clinic, number: int) -> WriteCommand:
    """A booking at an hour of its own."""
    return WriteCommand(
        key=f"order-{number}",
        kind=CommandKind.CREATE,
        wanted=Appointment(
            start=clinic.at(24 + number),
            end=clinic.at(24.5 + number),
            status="confirmed",
            contact=clinic.contact,
            owner=clinic.users[0],
        ),
        calendar=clinic.calendars["Team"],
    )


def test_no_command_is_taken_while_the_budget_has_no_capacity(
    open_clinic: Any, clock: VirtualClock
) -> None:
    """What was taken could not be overtaken, and would keep a pause in the writing waiting."""
    limit = Limit(requests=25, seconds=10)
    clinic = open_clinic(budget=Budget(side=Side.GHL, clock=clock, limit=limit))
    clinic.provider.prepare()
    clinic.world.reset_requests()
    began, taken = clock.monotonic(), []

    def commands() -> Iterator[WriteCommand]:
        for number in range(60):
            taken.append(clock.monotonic() - began)
            yield booking(clinic, number)

    until = began + 5

    class UntilThen(WriteChecks):
        def cancelled(self, side: Side) -> bool:
            return side is Side.GHL and clock.monotonic() >= until

    receipts = list(clinic.provider.write(commands(), UntilThen()))
    assert len(receipts) == len(taken) == len(clinic.sent("POST"))
    assert 15 <= len(taken) <= 25
    assert clock.monotonic() < until + 1


def test_capacity_that_is_reserved_for_a_poll_is_left_free_and_writing_pauses_for_it(
    open_clinic: Any, clock: VirtualClock
) -> None:
    budget = Budget(side=Side.GHL, clock=clock, limit=Limit(requests=25, seconds=10))
    clinic = open_clinic(budget=budget)
    clinic.provider.prepare()
    began, left = clock.monotonic(), []

    class Watched(WriteChecks):
        def cancelled(self, side: Side) -> bool:
            left.append(budget.available())
            return super().cancelled(side)

    clinic.provider.reserve(NextPoll(requests=6, earliest=began + 5, latest=began + 9))
    commands = (booking(clinic, number) for number in range(60))
    assert len(list(clinic.provider.write(commands, Watched()))) >= 10
    assert min(left) == 6
    assert began + 5 <= clock.monotonic() < began + 6
