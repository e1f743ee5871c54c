"""What the sandbox announces of changes: signed as the vendors do, and as badly as a rule says."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from syncd.sandbox import SandboxWorld, application, serve
from syncd.sandbox.announcing.rules import Rules
from syncd.sandbox.announcing.signing import ghl_public_key, hubspot_signature

Sent = tuple[str, Mapping[str, str], bytes]


class Receiver:
    """Takes deliveries in place of a listener; `answers` are given in turn, then 200."""

    def __init__(self, world: SandboxWorld) -> None:
        self.taken: list[Sent] = []
        self.answers: list[int] = []
        self.world = world
        world.announcer.post = self.post

    def post(self, address: str, headers: Mapping[str, str], body: bytes) -> int:
        self.taken.append((address, headers, body))
        return self.answers.pop(0) if self.answers else 200

    def rules(self, **rules: Any) -> None:
        given = {"url": "http://listener.test", "gather": 0.0, "retry_after": 0.0} | rules
        self.world.announcer.rules = Rules.of(given, self.world.announcer.rules)

    def payloads(self) -> list[Any]:
        """What has come, once everything under way has."""
        pool = self.world.announcer._pool
        if pool is not None:
            pool.shutdown(wait=True)
            self.world.announcer._pool = None
        return [json.loads(body) for _, _, body in self.taken]


@pytest.fixture
def receiver(world: SandboxWorld) -> Receiver:
    return Receiver(world)


def _verifies(signature: str, body: bytes) -> bool:
    key = load_der_public_key(base64.b64decode(ghl_public_key()))
    assert isinstance(key, Ed25519PublicKey)
    try:
        key.verify(base64.b64decode(signature), body)
    except InvalidSignature:
        return False
    return True


def test_nothing_is_sent_without_an_address(
    world: SandboxWorld, receiver: Receiver, team: str, ada: str, tomorrow: datetime
) -> None:
    world.location.book(team, ada, tomorrow)
    assert receiver.payloads() == []


def test_an_app_is_told_of_each_change_over_raw_bytes(
    world: SandboxWorld, receiver: Receiver, team: str, ada: str, tomorrow: datetime
) -> None:
    receiver.rules()
    row = world.location.book(team, ada, tomorrow, title="Zoë's check-up")
    world.location.edit(row, title="Later")
    world.location.delete(row)
    world.location.delete_contact(ada)
    told = sorted(receiver.payloads(), key=lambda each: str(each["webhookId"]))
    assert [(each["type"], each["locationId"]) for each in told] == [
        ("AppointmentCreate", world.location.id),
        ("AppointmentUpdate", world.location.id),
        ("AppointmentDelete", world.location.id),
        ("ContactDelete", world.location.id),
    ]
    assert told[0]["appointment"]["id"] == row
    assert told[3]["id"] == ada
    assert {each["appId"] for each in told} == {"66f0c0ffee00000000000001"}
    assert all(_verifies(headers["X-GHL-Signature"], body) for _, headers, body in receiver.taken)


@pytest.mark.parametrize(
    ("rules", "deliveries"),
    [
        ({}, 1),
        ({"copies": 2}, 2),
        ({"lose": 1}, 0),
        ({"highlevel": "off"}, 0),
        ({"wrapped": True}, 1),
        ({"wrong_types": True}, 1),
        ({"forged": True}, 1),
    ],
)
def test_oddities_of_highlevel_are_made_to_order(
    rules: dict[str, Any],
    deliveries: int,
    world: SandboxWorld,
    receiver: Receiver,
    team: str,
    ada: str,
    tomorrow: datetime,
) -> None:
    row = world.location.book(team, ada, tomorrow)
    receiver.rules(**rules)
    world.location.delete(row)
    told = receiver.payloads()
    assert len(told) == deliveries
    for each, (_, headers, body) in zip(told, receiver.taken, strict=True):
        event = each["data"] if rules.get("wrapped") else each
        word = "AppointmentCreate" if rules.get("wrong_types") else "AppointmentDelete"
        assert event["type"] == word
        assert _verifies(headers["X-GHL-Signature"], body) != bool(rules.get("forged"))


def test_a_workflow_shows_its_secret_and_knows_no_deletion(
    world: SandboxWorld, receiver: Receiver, team: str, ada: str, tomorrow: datetime
) -> None:
    receiver.rules(highlevel="workflow", hook_secret="s3cret")
    row = world.location.book(team, ada, tomorrow)
    world.location.delete(row)
    (body,) = receiver.payloads()
    ((address, headers, _),) = receiver.taken
    assert address == "http://listener.test/hooks/calendars/clinic"
    assert headers["X-Syncd-Secret"] == "s3cret"
    assert body["calendar"]["appointmentId"] == row


def test_hubspot_tells_each_property_signed_over_the_public_address(
    world: SandboxWorld, receiver: Receiver, person: str, tomorrow: datetime
) -> None:
    record = world.portal.create({"hs_appointment_start": tomorrow}, [person])
    receiver.rules(public_url="https://sync.example.test", strangers=1)
    world.portal.edit(record, hs_appointment_name="Zoë", hubspot_owner_id=None)
    world.portal.archive(record)
    world.portal.restore(record)
    world.portal.dissociate(record, person)
    batches = receiver.payloads()
    events = [each for batch in batches for each in batch if each["portalId"] == 24_600_001]
    assert {each["portalId"] for batch in batches for each in batch} - {24_600_001}
    words = [each["subscriptionType"] for each in events]
    assert sorted(words) == [
        "object.associationChange",
        "object.associationChange",
        "object.deletion",
        "object.propertyChange",
        "object.restore",
    ]
    changed = next(each for each in events if "propertyName" in each)
    assert (changed["propertyName"], changed["objectId"]) == ("hs_appointment_name", int(record))
    for _, headers, body in receiver.taken:
        stamp = int(headers["X-HubSpot-Request-Timestamp"])
        secret = world.settings.hubspot_client_secret
        address = "https://sync.example.test/hooks/crm"
        assert headers["X-HubSpot-Signature-v3"] == hubspot_signature(secret, address, body, stamp)


def test_the_published_known_answers_of_signature_v3_hold() -> None:
    secret = "5c1d7a90-1111-4222-8333-9a9a9a9a9a9a"
    body = '[{"eventId":41,"objectId":"Zoë"}]'.encode()
    address = "https://hooks.example.test/hubspot?acct=a/b@c"
    wanted = "gbaxCxQMy91J30qtXmpeP13A6ivA79mY5Q/YxQLuHRo="
    assert hubspot_signature(secret, address, body, 1_796_000_000_000) == wanted


def test_events_gather_into_batches_backwards_where_told(
    world: SandboxWorld, receiver: Receiver
) -> None:
    record = world.portal.create({})
    receiver.rules(gather=600.0, backwards=True)
    for number in range(120):
        world.portal.edit(record, hs_appointment_name=f"{number}")
    world.announcer.flush()
    batches = sorted(receiver.payloads(), key=len)
    assert [len(batch) for batch in batches] == [20, 100]
    assert batches[1][0]["propertyValue"] == "119"


def test_what_is_refused_is_tried_again_and_can_be_resent(
    world: SandboxWorld, receiver: Receiver, team: str, ada: str, tomorrow: datetime
) -> None:
    receiver.rules()
    receiver.answers = [503, 200]
    world.location.book(team, ada, tomorrow)
    first, second = receiver.payloads()
    assert first["webhookId"] == second["webhookId"]
    assert world.announcer.deliveries[0].answers == [503, 200]
    world.announcer.resend(1)
    assert receiver.payloads()[2] == first


@pytest.mark.parametrize("echoes", [True, False])
def test_changes_through_the_api_echo_where_the_rule_says_so(
    echoes: bool, receiver: Receiver, hubspot: Callable[..., Any]
) -> None:
    receiver.rules(echoes=echoes)
    body = {"properties": {"hs_appointment_name": "x"}, "associations": []}
    hubspot("POST", "/crm/objects/2026-03/0-421", json=body, expect=201)
    told = [event for batch in receiver.payloads() for event in batch]
    assert [event["changeSource"] for event in told] == ["INTEGRATION"] * echoes


def test_rules_are_set_and_deliveries_shown_over_the_control_api(
    world: SandboxWorld, receiver: Receiver
) -> None:
    transport = httpx.WSGITransport(app=application(world))
    with httpx.Client(transport=transport, base_url="http://sandbox.test/control") as client:
        assert client.post("/announcements", json={"side": "ghl", "payload": {}}).status_code == 400
        set_up = {"url": "http://listener.test", "delay": 0}
        assert client.put("/announcements", json=set_up).json()["delay"] == 0.0
        event = {"type": "UNINSTALL", "appId": "x"}
        client.post("/announcements", json={"side": "ghl", "payload": event})
        assert receiver.payloads() == [event]
        assert client.get("/announcements").json()["deliveries"][0]["answers"] == [200]
        for wrong in ({"colour": 1}, {"copies": "two"}, {"highlevel": "loud"}):
            assert client.put("/announcements", json=wrong).status_code == 400
        assert client.post("/announcements/9/resend").status_code == 404


def test_deliveries_go_over_real_sockets(world: SandboxWorld, person: str) -> None:
    with serve(world) as server:
        world.announcer.rules = Rules(url=server.url, gather=0.0, tries=1)
        world.portal.create({}, [person])
        pool = world.announcer._pool
        assert pool is not None
        pool.shutdown(wait=True)
        world.announcer._pool = None
    assert {tuple(each.answers) for each in world.announcer.deliveries} == {(404,)}
