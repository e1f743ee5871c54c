"""Faults on demand, each hitting the request that it is meant for."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from syncd.sandbox import (
    AnswerTimedOut,
    ConnectionDropped,
    Fault,
    LoggedRequest,
    Response,
    SandboxWorld,
)

Call = Callable[..., Any]
OBJECTS = "/crm/objects/2026-03/0-421"
CREATE: dict[str, Any] = {"properties": {"hs_appointment_name": "x"}, "associations": []}


@pytest.mark.parametrize("status", [401, 403, 423, 429, 477, 500, 502])
def test_a_scripted_status_replaces_the_answer_and_nothing_happens(
    status: int, world: SandboxWorld, hubspot_client: httpx.Client
) -> None:
    world.faults.add(status=status, headers={"Retry-After": "7"}, body={"policyName": "DAILY"})
    response = hubspot_client.post(OBJECTS, json=CREATE)
    assert response.status_code == status
    assert response.headers["Retry-After"] == "7"
    assert response.json() == {"policyName": "DAILY"}
    assert world.portal.records() == []
    assert hubspot_client.post(OBJECTS, json=CREATE).status_code == 201


def test_a_status_may_come_although_the_write_took_effect(
    world: SandboxWorld, hubspot: Call
) -> None:
    world.faults.add(kind="status_after", status=504)
    hubspot("POST", OBJECTS, json=CREATE, expect=504)
    assert len(world.portal.records()) == 1


@pytest.mark.parametrize(
    ("kind", "happened", "error"),
    [
        ("drop_before", False, ConnectionDropped),
        ("drop_after", True, ConnectionDropped),
        ("timeout_before", False, AnswerTimedOut),
        ("timeout_after", True, AnswerTimedOut),
    ],
)
def test_a_connection_may_end_before_or_after_the_effect(
    kind: Any,
    happened: bool,
    error: type[ConnectionDropped],
    world: SandboxWorld,
    hubspot_client: httpx.Client,
) -> None:
    world.faults.add(kind=kind)
    with pytest.raises(error) as caught:
        hubspot_client.post(OBJECTS, json=CREATE)
    assert type(caught.value) is error
    assert caught.value.took_effect is happened
    assert len(world.portal.records()) == int(happened)
    assert world.requests[-1].status is None


def test_a_body_may_end_early(world: SandboxWorld, hubspot_client: httpx.Client) -> None:
    world.faults.add(kind="cut_body")
    with pytest.raises(ConnectionDropped):
        hubspot_client.get(OBJECTS)


def test_a_body_may_be_half_of_its_json(world: SandboxWorld, hubspot_client: httpx.Client) -> None:
    world.faults.add(kind="garbled_body")
    response = hubspot_client.get(f"{OBJECTS}")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_a_page_may_come_instead_of_json(world: SandboxWorld, ghl_client: httpx.Client) -> None:
    world.faults.add(kind="html", status=502)
    response = ghl_client.get(f"/locations/{world.location.id}")
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")


def test_a_slow_body_is_waited_for(clock: Any, hubspot_client_of: Any) -> None:
    pauses: list[float] = []
    world = SandboxWorld(clock, sleep=pauses.append)
    world.faults.add(kind="slow_body", seconds=4.0)
    assert hubspot_client_of(world).get(OBJECTS).status_code == 200
    assert pauses == [4.0]


def test_a_list_may_look_empty(
    world: SandboxWorld, team: str, ada: str, ghl: Call, hubspot: Call
) -> None:
    world.location.book(team, ada, "2026-03-03T09:00:00Z")
    world.portal.create({})
    world.faults.add(kind="empty_list", times=None)
    query = {
        "locationId": world.location.id,
        "calendarId": team,
        "startTime": "0",
        "endTime": "9999999999999",
    }
    assert ghl("GET", "/calendars/events", params=query)["events"] == []
    assert hubspot("GET", OBJECTS) == {"results": []}


def test_a_list_may_show_what_was(world: SandboxWorld, hubspot: Call) -> None:
    record = world.portal.create({"hs_appointment_name": "old"})
    world.faults.add(kind="stale", method="GET", path="0-421$")
    world.portal.edit(record, hs_appointment_name="new")
    world.portal.create({"hs_appointment_name": "newer"})
    query = {"properties": "hs_appointment_name"}
    (row,) = hubspot("GET", OBJECTS, params=query)["results"]
    assert row["properties"]["hs_appointment_name"] == "old"
    assert len(hubspot("GET", OBJECTS, params=query)["results"]) == 2


def test_a_fault_may_be_for_one_query_alone(world: SandboxWorld, hubspot: Call) -> None:
    record = world.portal.create({"hs_appointment_name": "old"})
    world.portal.archive(record)
    world.faults.add(kind="stale", query="archived=true", times=None)
    world.portal.restore(record)
    (row,) = hubspot("GET", OBJECTS, params={"archived": "true"})["results"]
    (living,) = hubspot("GET", OBJECTS)["results"]
    assert row["id"] == living["id"] == record


@pytest.mark.parametrize(("leads", "status"), [(True, 200), (False, 404)])
def test_the_id_of_a_merged_record_may_lead_nowhere(
    leads: bool, status: int, world: SandboxWorld, hubspot_client: httpx.Client
) -> None:
    world.settings = replace(world.settings, merge_redirects=leads)
    one, other = (world.portal.create({"hs_appointment_name": each}) for each in "ab")
    world.portal.merge(one, other)
    assert hubspot_client.get(f"{OBJECTS}/{one}").status_code == status


def test_a_stale_highlevel_list_leaves_the_world_alone(
    world: SandboxWorld, team: str, ada: str, ghl: Call
) -> None:
    row = world.location.book(team, ada, "2026-03-03T09:00:00Z")
    world.faults.add(kind="stale", side="ghl")
    world.location.delete(row)
    event = ghl("GET", f"/calendars/events/appointments/{row}")["appointment"]
    assert event["deleted"] is False
    assert world.location.get(row).deleted
    assert ghl("GET", f"/calendars/events/appointments/{row}")["appointment"]["deleted"]


def test_a_batch_may_be_half_done(world: SandboxWorld, hubspot: Call) -> None:
    world.faults.add(kind="half_batch", status=502)
    body = {"inputs": [CREATE] * 4}
    hubspot("POST", f"{OBJECTS}/batch/create", json=body, expect=502)
    assert len(world.portal.records()) == 2


def test_a_fault_waits_for_the_nth_request_that_matches(
    world: SandboxWorld, hubspot: Call, ghl: Call
) -> None:
    fault = world.faults.add(side="hubspot", method="GET", path="0-421", nth=2, times=2, status=503)
    assert world.faults.pending == [fault]
    statuses = [200, 503, 503, 200]
    for status in statuses:
        ghl("GET", f"/locations/{world.location.id}")
        hubspot("GET", "/crm/owners/2026-03")
        hubspot("GET", OBJECTS, expect=status)
    assert world.faults.pending == []
    assert world.faults.hits == 2


def test_of_two_faults_the_first_one_hits_and_clearing_ends_all(
    world: SandboxWorld, hubspot: Call
) -> None:
    world.faults.add(status=500)
    world.faults.add(status=502, times=None)
    hubspot("GET", OBJECTS, expect=500)
    hubspot("GET", OBJECTS, expect=502)
    world.faults.clear()
    hubspot("GET", OBJECTS)


def test_a_fault_is_plain_data(world: SandboxWorld) -> None:
    fault = Fault(kind="drop_after", side="ghl", nth=3)
    assert world.faults.add(**asdict(fault)) == fault


def test_hooks_see_every_request_and_may_stop_the_program(
    world: SandboxWorld, hubspot: Call
) -> None:
    seen: list[tuple[str, int | None]] = []

    def before(entry: LoggedRequest) -> None:
        seen.append(("before", entry.status))
        if len(seen) == 3:
            raise KeyboardInterrupt

    def after(entry: LoggedRequest, response: Response) -> None:
        assert entry.status == response.status
        seen.append(("after", entry.status))

    world.before_request, world.after_request = before, after
    hubspot("POST", OBJECTS, json=CREATE, expect=201)
    assert seen == [("before", None), ("after", 201)]
    with pytest.raises(KeyboardInterrupt):
        hubspot("POST", OBJECTS, json=CREATE)
    assert len(world.portal.records()) == 1


def test_the_vendors_clocks_may_disagree(
    make_world: Callable[..., SandboxWorld],
    hubspot_client_of: Callable[..., httpx.Client],
    ghl_client_of: Callable[..., httpx.Client],
) -> None:
    world = make_world(hubspot_skew=timedelta(seconds=90), ghl_skew=timedelta(seconds=-5))
    response = hubspot_client_of(world).post(OBJECTS, json=CREATE)
    assert response.headers["Date"] == "Mon, 02 Mar 2026 12:01:30 GMT"
    assert response.json()["createdAt"] == "2026-03-02T12:01:30.000Z"
    response = ghl_client_of(world).get(f"/locations/{world.location.id}")
    assert response.headers["Date"] == "Mon, 02 Mar 2026 11:59:55 GMT"
