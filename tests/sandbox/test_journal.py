"""HubSpot's Webhooks Journal: tokens of the app, subscriptions, offsets, files that are signed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from syncd.sandbox import SandboxClock, SandboxWorld, application
from syncd.sandbox.hubspot.journal import JournalRules

JOURNAL = "/hubspot/webhooks-journal/journal/2026-09"
SUBSCRIPTIONS = "/hubspot/webhooks-journal/subscriptions/2026-09"
SCOPES = "developer.webhooks_journal.read developer.webhooks_journal.subscriptions.read"
PORTAL = 24_600_001
APPOINTMENTS: dict[str, Any] = {
    "subscriptionType": "OBJECT",
    "portalId": PORTAL,
    "objectTypeId": "0-421",
    "objectIds": [],
    "properties": ["hs_appointment_name"],
    "actions": ["CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"],
}


@pytest.fixture
def client(world: SandboxWorld) -> httpx.Client:
    transport = httpx.WSGITransport(app=application(world))
    return httpx.Client(transport=transport, base_url="http://sandbox.test")


def _token(client: httpx.Client, world: SandboxWorld, **more: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": world.settings.hubspot_client_id,
        "client_secret": world.settings.hubspot_client_secret,
        "scope": SCOPES,
    }
    return client.post("/hubspot/oauth/2026-09/token", data=form | more)


@pytest.fixture
def reader(client: httpx.Client, world: SandboxWorld) -> httpx.Client:
    """A client that shows a token of the app."""
    token = _token(client, world).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def test_a_token_belongs_to_the_app_and_lasts_half_an_hour(
    client: httpx.Client, world: SandboxWorld, clock: SandboxClock
) -> None:
    assert client.get(f"{JOURNAL}/earliest").status_code == 401
    got = _token(client, world).json()
    assert (got["expires_in"], "refresh_token" in got) == (1800, False)
    headers = {"Authorization": f"Bearer {got['access_token']}"}
    assert client.get(f"{JOURNAL}/earliest", headers=headers).status_code == 204
    # It reads no record.
    assert client.get("/hubspot/crm/objects/2026-03/0-421", headers=headers).status_code == 401
    clock.advance(timedelta(minutes=31))
    assert client.get(f"{JOURNAL}/earliest", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"client_id": "x"}, "BAD_CLIENT_ID"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET"),
        ({"scope": "oauth"}, "BAD_SCOPES"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
    ],
)
def test_a_wrong_token_request_is_refused(
    more: dict[str, str], status: str, client: httpx.Client, world: SandboxWorld
) -> None:
    answer = _token(client, world, **more)
    assert (answer.status_code, answer.json()["status"]) == (400, status)


def test_json_is_no_form(client: httpx.Client) -> None:
    assert client.post("/hubspot/oauth/2026-03/token", json={}).status_code == 415


def test_subscriptions_are_made_changed_listed_and_removed(reader: httpx.Client) -> None:
    first = reader.post(SUBSCRIPTIONS, json=APPOINTMENTS).json()
    again = reader.post(SUBSCRIPTIONS, json=APPOINTMENTS | {"properties": ["a"]}).json()
    assert (first["id"], again["properties"]) == (again["id"], ["a"])
    reader.post(SUBSCRIPTIONS, json=APPOINTMENTS | {"objectTypeId": "0-1"})
    assert len(reader.get(SUBSCRIPTIONS).json()["results"]) == 2
    assert reader.delete(f"{SUBSCRIPTIONS}/{first['id']}").status_code == 204
    assert reader.delete(f"{SUBSCRIPTIONS}/portals/{PORTAL}").status_code == 204
    assert reader.get(SUBSCRIPTIONS).json()["results"] == []
    assert reader.delete(f"{SUBSCRIPTIONS}/9").status_code == 404
    for wrong in ({"portalId": 5}, {"actions": None}, {"subscriptionType": "NEWS"}):
        assert reader.post(SUBSCRIPTIONS, json=APPOINTMENTS | wrong).status_code in {400, 403}


def test_changes_lie_in_files_one_after_another(
    reader: httpx.Client, world: SandboxWorld, person: str
) -> None:
    reader.post(SUBSCRIPTIONS, json=APPOINTMENTS)
    association = APPOINTMENTS | {
        "subscriptionType": "ASSOCIATION",
        "associatedObjectTypeIds": ["0-1"],
        "actions": ["ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"],
    }
    reader.post(SUBSCRIPTIONS, json=association)
    record = world.portal.create({"hs_appointment_name": "x"}, [person])
    first = reader.get(f"{JOURNAL}/latest").json()
    world.portal.edit(record, hs_appointment_name="y", hubspot_owner_id=None)
    world.portal.archive(record)
    following = f"{JOURNAL}/offset/{first['currentOffset']}/next"
    second = reader.get(following).json()
    assert reader.get(second["url"]).status_code == 400
    del reader.headers["Authorization"]
    shown = reader.get(second["url"]).json()
    assert shown["offset"] == second["currentOffset"]
    assert [each["action"] for each in shown["journalEvents"]] == ["UPDATE", "DELETE"]
    assert shown["journalEvents"][0]["propertyChanges"] == {"hs_appointment_name": "y"}
    shown = reader.get(first["url"]).json()
    assert [each["action"] for each in shown["journalEvents"]] == ["CREATE", "ASSOCIATION_ADDED"]
    assert reader.get(first["url"] + "x").status_code == 403


@pytest.mark.parametrize(
    ("aged", "status"), [("404", 404), ("400", 400), ("204", 204), ("earliest", 200)]
)
def test_an_aged_offset_has_four_outcomes(
    aged: str, status: int, reader: httpx.Client, world: SandboxWorld, clock: SandboxClock
) -> None:
    journal = world.announcer.journal
    journal.rules = JournalRules.of({"aged": aged, "nothing": "empty"}, journal.rules)
    old = journal.publish([]).offset
    assert reader.get(f"{JOURNAL}/offset/{old}/next").content == b""
    clock.advance(timedelta(days=3, minutes=1))
    journal.tokens = dict.fromkeys(journal.tokens, clock() + timedelta(minutes=5))
    world.announcer.journal.publish([])
    answer = reader.get(f"{JOURNAL}/offset/{old}/next")
    assert answer.status_code == (200 if aged == "204" else status)
    assert (answer.content == b"") == (aged == "204")


def test_files_come_in_batches_and_their_addresses_expire(
    reader: httpx.Client, world: SandboxWorld, clock: SandboxClock
) -> None:
    journal = world.announcer.journal
    offsets = [journal.publish([{"portalId": 1}]).offset for _ in range(3)]
    got = reader.get(f"{JOURNAL}/batch/{offsets[0]}/next/100").json()["results"]
    assert [each["currentOffset"] for each in got] == offsets[1:]
    assert len(reader.get(f"{JOURNAL}/batch/earliest/2").json()["results"]) == 2
    assert reader.get(f"{JOURNAL}/batch/earliest/101").status_code == 400
    clock.advance(timedelta(minutes=6))
    del reader.headers["Authorization"]
    assert reader.get(got[0]["url"]).status_code == 403


def test_a_type_is_refused_or_silent_where_a_rule_says_so(
    reader: httpx.Client, world: SandboxWorld
) -> None:
    call: Callable[..., httpx.Response] = reader.put
    call("/control/journal", json={"refused": ["0-421"]})
    assert reader.post(SUBSCRIPTIONS, json=APPOINTMENTS).status_code == 400
    call("/control/journal", json={"refused": [], "silent": ["0-421"]})
    assert reader.post(SUBSCRIPTIONS, json=APPOINTMENTS).status_code == 200
    world.portal.create({"hs_appointment_name": "x"})
    assert reader.get(f"{JOURNAL}/earliest").status_code == 204
    assert call("/control/journal", json={"aged": "never"}).status_code == 400
    made = reader.post("/control/journal", json={"events": [{"portalId": 1}]}).json()
    assert reader.get("/control/journal").json()["offsets"] == [made["offset"]]
