"""The control API: a person's edits over JSON."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from syncd.sandbox import SandboxClock, SandboxWorld, application

Call = Callable[..., Any]


@pytest.fixture
def control(world: SandboxWorld) -> Iterator[Call]:
    with httpx.Client(
        transport=httpx.WSGITransport(app=application(world)), base_url="http://sandbox.test"
    ) as client:

        def call(method: str, path: str, *, expect: int = 200, **more: Any) -> Any:
            response = client.request(method, f"/control{path}", **more)
            assert response.status_code == expect, response.text
            return response.json()

        yield call


def test_a_person_books_edits_and_deletes_in_highlevel(
    world: SandboxWorld, control: Call, team: str, ada: str
) -> None:
    body = {"calendar": team, "contact": ada, "start": "2026-03-03T09:00:00Z", "minutes": 45}
    row = control("POST", "/ghl/appointments", json=body, expect=201)["id"]
    path = f"/ghl/appointments/{row}"
    control("PATCH", path, json={"status": "showed", "start": "2026-03-03T10:00:00+01:00"})
    assert world.location.get(row).status == "showed"
    assert world.location.get(row).start == datetime(2026, 3, 3, 9, tzinfo=UTC)
    control("DELETE", path)
    assert world.location.get(row).deleted
    control("POST", f"{path}/undelete")
    assert not world.location.get(row).deleted


def test_a_person_makes_edits_and_archives_in_hubspot(
    world: SandboxWorld, control: Call, person: str
) -> None:
    body = {"properties": {"hs_appointment_name": "x"}, "contacts": [person]}
    row = control("POST", "/hubspot/appointments", json=body, expect=201)["id"]
    path = f"/hubspot/appointments/{row}"
    control("PATCH", path, json={"hs_appointment_name": "y"})
    assert world.portal.get(row).properties["hs_appointment_name"] == "y"
    control("DELETE", f"{path}/contacts/{person}")
    assert world.portal.get(row).contacts == []
    control("PUT", f"{path}/contacts/{person}")
    assert world.portal.get(row).contacts == [person]
    control("DELETE", path)
    assert world.portal.get(row).archived
    control("POST", f"{path}/restore")
    other = control("POST", "/hubspot/appointments", json={"properties": {}}, expect=201)["id"]
    merged = control(
        "POST", "/hubspot/appointments/merge", json={"primary": row, "secondary": other}
    )
    assert world.portal.get(row).id == merged["id"]


def test_contacts_can_be_added_on_both_sides(world: SandboxWorld, control: Call) -> None:
    body = {"name": "Bo Lind", "email": "bo@example.com", "phone": "+1 555 0102"}
    key = control("POST", "/ghl/contacts", json=body, expect=201)["id"]
    assert world.location.contacts[key].email == "bo@example.com"
    other = control("POST", "/hubspot/contacts", json=body, expect=201)["id"]
    assert world.portal.get_contact(other).properties["lastname"] == "Lind"
    control("DELETE", f"/ghl/contacts/{key}")
    assert key not in world.location.contacts


def test_the_state_shows_both_accounts(
    world: SandboxWorld, control: Call, team: str, ada: str, person: str
) -> None:
    row = world.location.book(team, ada, "2026-03-03T09:00:00Z")
    record = world.portal.create({"hs_appointment_name": "x"}, [person])
    state = control("GET", "/state")
    assert state["now"] == "2026-03-02T12:00:00.000Z"
    assert [a["id"] for a in state["ghl"]["appointments"]] == [row]
    assert state["ghl"]["appointments"][0]["start"] == "2026-03-03T09:00:00.000Z"
    (shown,) = state["hubspot"]["appointments"]
    assert (shown["id"], list(shown["links"]["0-1"])) == (record, [person])


def test_requests_are_shown_without_secrets_and_can_be_forgotten(
    world: SandboxWorld, control: Call, ghl: Call
) -> None:
    ghl("GET", "/calendars/", params={"locationId": world.location.id})
    (row,) = control("GET", "/requests")["requests"]
    assert (row["side"], row["path"], row["status"]) == ("ghl", "/calendars/", 200)
    assert row["query"] == {"locationId": world.location.id}
    assert world.location.token not in str(row)
    assert "authorization" not in row["headers"]
    assert row["headers"]["version"] == "2021-07-28"
    control("DELETE", "/requests")
    assert control("GET", "/requests")["requests"] == []


def test_faults_can_be_added_and_removed(control: Call, hubspot: Call) -> None:
    body = {"side": "hubspot", "status": 503, "times": None}
    control("POST", "/faults", json=body, expect=201)
    assert control("GET", "/faults")["pending"][0]["status"] == 503
    hubspot("GET", "/crm/owners/2026-03", expect=503)
    assert control("GET", "/faults") == {"pending": [], "hits": 1}
    control("DELETE", "/faults")
    hubspot("GET", "/crm/owners/2026-03")


def test_a_sandbox_clock_can_be_put_forward(control: Call, clock: SandboxClock) -> None:
    shown = control("POST", "/clock/advance", json={"seconds": 90})
    assert shown["now"] == "2026-03-02T12:01:30.000Z"
    assert clock() == datetime(2026, 3, 2, 12, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/ghl/appointments", {"calendar": "x"}, 400),
        ("POST", "/ghl/appointments", ["x"], 400),
        ("PATCH", "/ghl/appointments/nobody", {"title": "x"}, 404),
        ("PATCH", "/hubspot/appointments/1", {"hs_appointment_name": "x"}, 404),
        ("POST", "/hubspot/appointments", {"properties": {"nothing": "x"}}, 400),
        ("POST", "/faults", {"colour": "red"}, 400),
        ("GET", "/nothing", None, 404),
    ],
)
def test_mistakes_are_told(method: str, path: str, body: Any, status: int, control: Call) -> None:
    assert control(method, path, json=body, expect=status)["message"]


def test_another_location_is_named_in_the_query(world: SandboxWorld, control: Call) -> None:
    other = world.add_location()
    control("POST", f"/ghl/contacts?location={other.id}", json={"name": "Bo"}, expect=201)
    assert (len(other.contacts), len(world.location.contacts)) == (1, 0)


def test_a_path_of_nobody_tells_where_to_go(world: SandboxWorld) -> None:
    transport = httpx.WSGITransport(app=application(world))
    with httpx.Client(transport=transport, base_url="http://sandbox.test") as client:
        assert client.get("/elsewhere").status_code == 404
        assert "/control" in client.get("/nothing").json()["message"]
