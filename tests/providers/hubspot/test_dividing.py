"""One row that spoils every batch it is in: only it is left out, whatever the batch is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from syncd.core.model import Appointment, Contact, Missing, Snapshot
from syncd.errors import ProviderError
from syncd.ports.provider import CommandKind, Done, Failed, WriteCommand

MANY = 100
STATUSES = [400, 403, 413, 423, 500, 503]


class Spoilt(httpx.BaseTransport):
    """Fails every request to `path` whose body names `text`."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.path, self.text, self.status = "", "", 503
        self.anything = False
        self.hits = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        told = json.loads(request.read() or b"{}")
        named = self.text and f'"{self.text}"' in json.dumps(told)
        if (named or self.anything) and self.path in request.url.path:
            self.hits += 1
            return httpx.Response(self.status, json={"message": "a stone"}, request=request)
        return self._inner.handle_request(request)


@pytest.fixture
def spoilt() -> list[Spoilt]:
    return []


@pytest.fixture
def desk(account: Callable[..., Any], spoilt: list[Spoilt]) -> Any:
    def way(transport: httpx.BaseTransport) -> httpx.BaseTransport:
        spoilt.append(Spoilt(transport))
        return spoilt[0]

    return account(way=way)


def spoil(spoilt: list[Spoilt], path: str, text: str, status: int) -> Spoilt:
    stone = spoilt[0]
    stone.path, stone.text, stone.status = path, text, status
    return stone


@pytest.mark.parametrize("status", STATUSES)
def test_of_a_batch_that_is_made_only_the_bad_row_is_left_out(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    stone = spoil(spoilt, "/batch/create", "g70", status)
    receipts = {each.key: each for each in desk.provider.write(_creations(desk))}
    assert isinstance(receipts.pop("create-g70"), Failed)
    assert all(isinstance(each, Done) for each in receipts.values())
    assert len(desk.portal.records()) == MANY - 1
    assert stone.hits <= 40


@pytest.mark.parametrize("status", STATUSES)
def test_of_a_batch_that_is_changed_only_the_bad_row_is_left_out(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    ids = [desk.book() for _ in range(MANY)]
    spoil(spoilt, "/batch/update", ids[41], status)
    commands = [
        WriteCommand(key=each, kind=CommandKind.UPDATE, id=each, groups=frozenset({"title"}))
        for each in ids
    ]
    receipts = {each.key: each for each in desk.provider.write(commands)}
    assert [key for key, each in receipts.items() if isinstance(each, Failed)] == [ids[41]]


@pytest.mark.parametrize("status", STATUSES)
def test_of_a_batch_that_is_archived_only_the_bad_row_is_left_out(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    ids = [desk.book() for _ in range(MANY)]
    spoil(spoilt, "/batch/archive", ids[41], status)
    commands = [WriteCommand(key=each, kind=CommandKind.REMOVE, id=each) for each in ids]
    receipts = {each.key: each for each in desk.provider.write(commands)}
    assert [key for key, each in receipts.items() if isinstance(each, Failed)] == [ids[41]]
    assert [each.id for each in desk.portal.records()] == [ids[41]]


@pytest.mark.parametrize("path", ["0-421/batch/read", "associations"])
@pytest.mark.parametrize("status", STATUSES)
def test_of_records_that_are_read_only_the_bad_one_is_unread(
    desk: Any, spoilt: list[Spoilt], status: int, path: str
) -> None:
    ids = [desk.book() for _ in range(MANY)]
    spoil(spoilt, path, ids[41], status)
    found = desk.provider.fetch(ids)
    assert [key for key, each in found.items() if not isinstance(each, Snapshot)] == [ids[41]]
    lost = found[ids[41]]
    assert isinstance(lost, Missing)
    assert lost.unread


@pytest.mark.parametrize("status", STATUSES)
def test_a_carrier_that_cannot_be_asked_for_is_not_absent(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    spoil(spoilt, "0-421/batch/read", "g7", status)
    found = desk.provider.find_by_external_id([f"g{number}" for number in range(MANY)])
    assert list(found) == ["g7"]
    assert found["g7"].unread


@pytest.mark.parametrize("status", STATUSES)
def test_of_contacts_by_id_only_the_bad_one_is_unread(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    ids = [desk.portal.add_contact(f"P{n}", f"p{n}@example.com") for n in range(MANY)]
    spoil(spoilt, "contacts/batch/read", ids[41], status)
    found = desk.provider.contacts(ids)
    assert [key for key, each in found.items() if not isinstance(each, Contact)] == [ids[41]]
    assert isinstance(found[ids[41]], ProviderError)


@pytest.mark.parametrize("path", ["contacts/batch/read", "contacts/search"])
@pytest.mark.parametrize("status", STATUSES)
def test_of_contacts_by_address_only_the_bad_one_is_unread(
    desk: Any, spoilt: list[Spoilt], status: int, path: str
) -> None:
    for number in range(6):
        desk.portal.add_contact(f"P{number}", f"p{number}@example.com")
    mails = [f"p{number}@example.com" for number in range(9)]
    spoil(spoilt, path, "p7@example.com", status)
    found = desk.provider.find_contacts(mails, [])
    assert [key for key, each in found.items() if isinstance(each, ProviderError)] == [
        "p7@example.com"
    ]
    assert [len(found[mail]) for mail in mails if mail != "p7@example.com"] == [1] * 6 + [0] * 2


def _creations(desk: Any) -> list[WriteCommand]:
    return [desk.command(f"g{number}") for number in range(MANY)]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_group_that_is_refused_without_a_name_keeps_no_other_back(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    spoil(spoilt, "/batch/update", "what nobody takes", status)
    record, other = desk.book(), desk.book()
    wanted = Appointment(title="New", status="CANCELLED", description="what nobody takes")
    groups = frozenset({"title", "status", "description"})
    title = frozenset({"title"})
    commands = [
        WriteCommand(
            key="spoilt", kind=CommandKind.UPDATE, id=record, wanted=wanted, groups=groups
        ),
        WriteCommand(key="fine", kind=CommandKind.UPDATE, id=other, wanted=wanted, groups=title),
    ]
    receipts = {each.key: each for each in desk.provider.write(commands)}
    done = receipts["spoilt"]
    assert isinstance(done, Done)
    assert [(each.group, each.reason) for each in done.refused] == [("description", "rejected")]
    assert "a stone" in done.refused[0].detail
    assert isinstance(receipts["fine"], Done)
    shown = desk.portal.get(record).properties
    assert (shown["hs_appointment_name"], shown["hs_appointment_status"]) == ("New", "CANCELLED")


@pytest.mark.parametrize("status", [400, 403, 423, 500, 503])
def test_a_contact_that_cannot_be_associated_stops_no_other_record(
    desk: Any, spoilt: list[Spoilt], status: int
) -> None:
    ada, ben = (desk.portal.add_contact(n, f"{n}@example.com") for n in ("ada", "ben"))
    ids = [desk.book(ada) for _ in range(20)]
    stone = spoil(spoilt, f"/0-421/{ids[3]}/", "", status)
    stone.anything = True
    wanted = Appointment(contact=ben)
    commands = [
        WriteCommand(
            key=each,
            kind=CommandKind.UPDATE,
            id=each,
            wanted=wanted,
            groups=frozenset({"contact"}),
            replaced=ada,
        )
        for each in ids
    ]
    receipts = {each.key: each for each in desk.provider.write(commands)}
    assert [key for key, each in receipts.items() if isinstance(each, Failed)] == [ids[3]]
