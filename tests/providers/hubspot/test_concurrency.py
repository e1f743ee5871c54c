"""Several batches under way at once: ten requests a second are allowed, whatever one takes."""

from collections.abc import Callable, Iterator
from threading import Barrier
from typing import Any

import httpx
import pytest

from syncd.core.model import Appointment, Group
from syncd.errors import Unavailable
from syncd.ports.provider import CommandKind, Done, WriteCommand
from syncd.sandbox.faults import Fault

Account = Callable[..., Any]


class Gate(httpx.BaseTransport):
    """Lets batches of creations through in twos only."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self._both = Barrier(2, timeout=20)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/batch/create"):
            self._both.wait()
        return self._inner.handle_request(request)


def title(record: str, words: str) -> WriteCommand:
    """Another title for a record."""
    return WriteCommand(
        key=f"{record} {words}",
        kind=CommandKind.UPDATE,
        id=record,
        wanted=Appointment(title=words),
        groups=frozenset({Group.TITLE}),
    )


def test_batches_are_sent_side_by_side(account: Account) -> None:
    desk = account(way=Gate, concurrency=2)
    receipts = list(desk.provider.write([desk.command(f"g{number}") for number in range(400)]))
    assert sum(isinstance(each, Done) for each in receipts) == 400
    assert len(desk.asked("/batch/create")) == 4


def test_the_associations_type_is_requested_once(account: Account) -> None:
    desk = account(concurrency=4)
    contact = desk.portal.add_contact("Ada Winter", "ada@example.com")
    commands = [desk.command(f"g{number}", contact) for number in range(400)]
    assert len(list(desk.provider.write(commands))) == 400
    assert len(desk.asked("/labels")) == 1


def test_a_stage_that_is_demanded_is_looked_up_once(account: Account) -> None:
    desk = account(concurrency=4, settings={"stage_required": True})
    commands = [desk.command(f"g{number}") for number in range(400)]
    assert all(isinstance(each, Done) for each in desk.provider.write(commands))
    assert len(desk.asked("/pipelines")) == 1


def test_two_commands_for_one_record_are_never_in_flight_together(account: Account) -> None:
    desk = account(concurrency=4)
    record = desk.book()

    commands = [title(record, f"Title {number}") for number in range(6)]
    receipts = list(desk.provider.write(commands))
    assert [each.key for each in receipts] == [command.key for command in commands]
    assert desk.portal.get(record).properties["hs_appointment_name"] == "Title 5"


def test_commands_are_taken_no_further_ahead_than_batches_are_in_flight(account: Account) -> None:
    desk = account(concurrency=2)
    taken: list[int] = []

    def commands() -> Iterator[WriteCommand]:
        for number in range(1_000):
            taken.append(number)
            yield desk.command(f"g{number}")

    for done, _ in enumerate(desk.provider.write(commands()), 1):
        assert len(taken) - done < 400
    assert len(taken) == 1_000


def test_a_vendor_that_is_gone_ends_it_after_what_was_in_flight(account: Account) -> None:
    desk = account(concurrency=2)
    desk.world.faults.add(Fault(path="/batch/read", status=503, times=None))
    taken = iter([title(str(number), "New") for number in range(1, 601)])
    with pytest.raises(Unavailable):
        list(desk.provider.write(taken))
    assert len(list(taken)) >= 200, "no more orders are taken"
