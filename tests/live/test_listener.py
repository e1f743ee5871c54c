"""The listener of `[live]` over real HTTP: what it takes, what it refuses, with which status."""

import gzip
import json
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest
from live_listener import APP, HOOK_SECRET, KEY, PROOFS, Live, opened
from stores import StandingClock
from structlog.testing import capture_logs

from syncd.errors import StoreFault, StoreInterrupted
from syncd.live import listener
from syncd.ports.announcements import Delivered, Stored, Way
from syncd.store import Store

APPOINTMENT = {"type": "AppointmentUpdate", "appointment": {"id": "a1"}}
EVENT = {"eventId": 1, "portalId": 148, "objectTypeId": "0-421", "objectId": 7}


def test_an_appointment_is_announced_to_every_link_of_its_location(live: Live) -> None:
    assert live.highlevel({**APPOINTMENT, "webhookId": "w"}) == 200
    assert live.waiting("clinic") == live.waiting("praxis") == ["ghl record a1"]
    assert live.waiting("north") == []
    assert live.stored[0].links == {"clinic", "praxis"}


def test_a_repeated_delivery_is_taken_and_leads_to_nothing(live: Live) -> None:
    for _ in range(3):
        assert live.highlevel({**APPOINTMENT, "webhookId": "w"}) == 200
    with live.store.link("clinic").begin() as transaction:
        transaction.close_announcements([live.store.link("clinic").announcements()[0].key])
    assert live.highlevel({"data": {**APPOINTMENT, "webhookId": "w"}}) == 200
    assert live.waiting() == []
    assert live.highlevel(APPOINTMENT) == 200
    assert live.waiting() == ["ghl record a1"]


def test_an_old_delivery_of_highlevels_is_taken(live: Live) -> None:
    assert live.highlevel({**APPOINTMENT, "timestamp": "2025-01-01T00:00:00Z"}) == 200
    assert live.waiting() == ["ghl record a1"]


def test_an_agency_without_a_location_means_all_of_its_locations(live: Live) -> None:
    gone = {"type": "ContactDelete", "id": "c1", "locationId": None, "companyId": "A1"}
    assert live.highlevel(gone) == 200
    for link in ("clinic", "praxis", "north"):
        assert live.waiting(link) == ["ghl contact c1"]
    assert live.waiting("south") == []
    assert live.highlevel({**gone, "companyId": "A2", "id": "c2"}) == 200


def test_installations_are_handed_on_before_they_are_answered(live: Live) -> None:
    for kind in ("INSTALL", "UNINSTALL", "UPDATE"):
        assert live.highlevel({"type": kind, "timestamp": "2026-11-29T08:00:00Z"}) == 200
    assert [each.type for each in live.lifecycle] == ["INSTALL", "UNINSTALL"]
    assert live.waiting() == ["ghl link"]
    assert live.waiting("north") == []
    assert live.store.link("clinic").announcements()[0].way is Way.LIFECYCLE


@pytest.mark.parametrize(
    "event",
    [
        {"type": "OpportunityCreate", "id": "o1"},
        {"type": "AppointmentCreate", "locationId": "unknown", "appointment": {"id": "a1"}},
        {"type": 7},
        {},
    ],
)
def test_what_is_not_known_is_taken_all_the_same(live: Live, event: dict[str, object]) -> None:
    assert live.highlevel(event) == 200
    assert live.store.decided().announced == {}


def test_a_delivery_for_another_app_is_not_ours(live: Live) -> None:
    assert live.highlevel({**APPOINTMENT, "appId": "another"}) == 401
    assert live.highlevel({**APPOINTMENT, "appId": None}) == 401
    assert live.highlevel([APPOINTMENT]) == 401
    assert live.counts.refused["app"] == 3


def test_hubspots_events_of_several_accounts(live: Live) -> None:
    events = [EVENT, {**EVENT, "portalId": 999}, {**EVENT, "portalId": 150, "objectId": 8}]
    assert live.hubspot(events) == 200
    assert live.waiting("clinic") == live.waiting("praxis") == ["hubspot record 7"]
    assert live.waiting("south") == ["hubspot record 8"]
    assert live.hubspot([{**EVENT, "attemptNumber": 4}]) == 200
    assert live.stored[-1].repeated == 2


def test_a_custom_object_that_is_configured_by_its_name(live: Live) -> None:
    assert live.hubspot([{**EVENT, "portalId": 149, "objectTypeId": "2-77"}]) == 200
    assert live.hubspot([{**EVENT, "objectTypeId": "2-77"}]) == 200
    assert live.waiting("north") == ["hubspot record 7"]
    assert live.waiting("clinic") == []


@pytest.mark.parametrize(("off", "status"), [(-290, 200), (290, 200), (-310, 401), (310, 401)])
def test_a_stamp_of_hubspots_is_good_for_five_minutes(live: Live, off: float, status: int) -> None:
    assert live.hubspot([EVENT], off=off) == status


def test_the_query_is_signed_as_well(live: Live) -> None:
    assert live.hubspot([EVENT], path="/hooks/crm?a=b%2Fc&d=%20") == 200


def test_a_workflow_shows_its_secret(live: Live) -> None:
    shown, path = {"X-Syncd-Secret": HOOK_SECRET}, "/hooks/calendars/clinic"
    assert live.post(path, b'{"calendar": {"appointmentId": "a1"}}', shown) == 200
    assert live.waiting() == ["ghl record a1"]
    for _ in range(2):
        assert live.post(path, b"{}", shown) == 200
    assert live.waiting() == ["ghl record a1", "ghl link"]
    assert live.waiting("praxis") == []
    for other in ("/hooks/calendars/praxis", "/hooks/calendars/unknown"):
        assert live.post(other, b"{}", shown) == 401
    assert live.post(path, b"{}", {"X-Syncd-Secret": "hüsh"}) == 401
    assert live.post(path, b"{}") == 401
    assert live.post(path, b"", shown) == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("POST", "/livez", 405),
        ("GET", "/hooks/calendars", 405),
        ("PUT", "/hooks/crm", 405),
        ("GET", "/", 404),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 404),
        ("GET", "/readyz", 404),
        ("POST", "/hooks", 404),
        ("POST", "/hooks/calendars/", 404),
        ("POST", "/hooks/calendars/clinic/more", 404),
        ("POST", "/hooks/crm/", 404),
    ],
)
def test_there_is_nothing_else(live: Live, method: str, path: str, status: int) -> None:
    assert live.post(path, b"", method=method) == status


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_an_authentic_delivery_that_is_not_json(live: Live, body: bytes) -> None:
    assert live.highlevel(body) == 400
    assert live.hubspot(body) == 400


def test_proof_comes_before_everything_else(live: Live) -> None:
    assert live.post("/hooks/calendars", b"{", {"X-GHL-Signature": "N/A"}) == 401
    assert live.post("/hooks/calendars", json.dumps(APPOINTMENT).encode()) == 401
    assert live.post("/hooks/crm", b"{", {"X-HubSpot-Signature": "v1"}) == 401


def test_a_compressed_body_is_refused(live: Live) -> None:
    body = gzip.compress(json.dumps(APPOINTMENT).encode())
    assert live.highlevel(body, **{"Content-Encoding": "gzip"}) == 415
    assert live.highlevel(APPOINTMENT, **{"Content-Encoding": "identity"}) == 200
    assert live.highlevel(APPOINTMENT, **{"Content-Type": "text/plain"}) == 200


def test_ten_megabytes_are_refused_and_two_are_not(live: Live) -> None:
    padding = "x" * (2 * 2**20 - 500)
    assert live.highlevel({**APPOINTMENT, "padding": padding}) == 200
    assert live.highlevel({**APPOINTMENT, "padding": padding + "x" * 600}) == 413
    assert live.post("/hooks/crm", b"x" * (10 * 2**20)) == 413
    assert live.counts.refused["too_large"] == 2


def test_a_path_whose_proof_is_not_configured_takes_nothing(
    store: Store, standing_clock: StandingClock
) -> None:
    for proofs in opened(store, standing_clock, proofs=replace(PROOFS, app="", public_url="")):
        assert proofs.highlevel({**APPOINTMENT, "appId": ""}) == 401
        assert proofs.hubspot([EVENT]) == 401
        proofs.server.ask_for(PROOFS)
        assert proofs.highlevel(APPOINTMENT) == 200


def test_a_thousand_signatures_are_counted_and_logged_once(live: Live) -> None:
    with capture_logs() as logged:
        for number in range(1000):
            headers = {"X-GHL-Signature": f"{number:088}"}
            assert live.post("/hooks/calendars", b"{}", headers) == 401
    assert live.counts.refused == {"signature": 1000}
    assert len(logged) == 1


@pytest.fixture
def failing(
    request: pytest.FixtureRequest, store: Store, standing_clock: StandingClock
) -> Iterator[Live]:
    """A listener whose store fails as the test says."""

    def announce(delivered: Collection[Delivered]) -> Stored:
        return request.param(store, delivered)  # type: ignore[no-any-return] # the test's own

    yield from opened(store, standing_clock, announce=announce)


def away(_: Store, __: Collection[Delivered]) -> Stored:
    raise StoreInterrupted("the store is locked")


@pytest.mark.parametrize("failing", [away], indirect=True)
def test_a_store_that_is_away_is_told_once_and_the_vendor_comes_again(failing: Live) -> None:
    with capture_logs() as logged:
        for _ in range(3):
            assert failing.highlevel(APPOINTMENT) == 503
            assert failing.hubspot([EVENT]) == 503
    assert len(logged) == 1
    assert failing.counts.refused == {"store": 6}


def one_cannot_be(store: Store, delivered: Collection[Delivered]) -> Stored:
    if any(each.record == "bad" for each in delivered):
        raise StoreFault("no such value")
    return store.inbox.announce(delivered)


@pytest.mark.parametrize("failing", [one_cannot_be], indirect=True)
def test_one_that_cannot_be_stored_stops_no_other(failing: Live) -> None:
    bad = {"type": "AppointmentUpdate", "appointment": {"id": "bad"}}
    with ThreadPoolExecutor(4) as many:
        answers = list(many.map(failing.highlevel, [APPOINTMENT, bad, APPOINTMENT, bad]))
    assert sorted(answers) == [200, 200, 503, 503]
    assert failing.waiting() == ["ghl record a1"]


def test_a_store_that_hangs_is_given_up_on(
    store: Store, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PATIENCE", 0.05)
    go_on = threading.Event()

    def hang(delivered: Collection[Delivered]) -> Stored:
        go_on.wait(10)
        return store.inbox.announce(delivered)

    for live in opened(store, standing_clock, announce=hang):
        assert live.highlevel({**APPOINTMENT, "webhookId": "w"}) == 503
        assert live.highlevel({**APPOINTMENT, "appointment": {"id": "late"}}) == 503
        go_on.set()
        # The vendor's retry finds it again, and what nobody waited for was not stored.
        monkeypatch.setattr(listener, "PATIENCE", 5.0)
        assert live.highlevel({**APPOINTMENT, "webhookId": "w"}) == 200
        assert live.waiting() == ["ghl record a1"]


def test_a_burst_is_stored_in_few_transactions(live: Live) -> None:
    with ThreadPoolExecutor(16) as many:
        sent = [{**APPOINTMENT, "webhookId": f"w{number}"} for number in range(200)]
        assert set(many.map(live.highlevel, sent)) == {200}
    assert live.waiting() == ["ghl record a1"]
    assert len(live.stored) < 200


def test_hundreds_at_once_are_all_answered(live: Live) -> None:
    """A connection that is dropped counts with the vendors as a failure without a reason."""
    body = json.dumps({**APPOINTMENT, "appId": APP, "locationId": "L1"}).encode()
    head = (
        "POST /hooks/calendars HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"X-GHL-Signature: {b64encode(KEY.sign(body)).decode()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with ExitStack() as clients:
        sockets = [
            clients.enter_context(socket.create_connection(live.server.address, timeout=10))
            for _ in range(600)
        ]
        for each in sockets:
            each.sendall(head.encode() + body)
        answers = [each.recv(4096).split()[1] for each in sockets]
    assert set(answers) == {b"200"}


def _wire(live: Live, *pieces: bytes) -> list[int]:
    """Send raw bytes on one connection, piece by piece; the status of each answer."""
    with socket.create_connection(live.server.address, timeout=10) as wire:
        for piece in pieces:
            wire.sendall(piece)
        answers = b""
        with suppress(ConnectionError):
            while more := wire.recv(65_536):
                answers += more
    return [int(each[:3]) for each in re.split(rb"(?:^|(?<=\n))HTTP/1\.1 ", answers)[1:]]


BODY = json.dumps({"appId": APP, "locationId": "L1", **APPOINTMENT}).encode()
SIGNED = b"X-GHL-Signature: " + b64encode(KEY.sign(BODY)) + b"\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\n\r\n"


def _head(*lines: bytes, target: bytes = b"/hooks/calendars", version: bytes = b"1.1") -> bytes:
    start = b"POST " + target + b" HTTP/" + version + b"\r\nHost: sync.example.com\r\n"
    return start + b"".join(lines) + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ([_head(SIGNED, LENGTH), BODY], [200]),
        ([_head(SIGNED, LENGTH, version=b"1.0"), BODY], [200]),
        ([_head(SIGNED, CHUNKED), CHUNKS], [200]),
        ([_head(SIGNED, LENGTH, CHUNKED), CHUNKS], [200]),  # the chunks count (RFC 9112, 6.3)
        ([_head(SIGNED, LENGTH, b"Expect: 100-continue\r\n"), BODY], [100, 200]),
        ([_head(SIGNED.replace(b"X-GHL", b"x-gHl"), LENGTH), BODY], [200]),
        # What a proxy adds proves nothing, and an address of another form is another path.
        ([_head(SIGNED, LENGTH, b"X-Forwarded-Proto: ftp\r\nForwarded: for=x\r\n"), BODY], [200]),
        ([_head(SIGNED, LENGTH, target=b"/hooks/calendars?a=%2F&a=b"), BODY], [200]),
        ([_head(SIGNED, LENGTH, target=b"//hooks/calendars"), BODY], [404]),
        ([_head(SIGNED, LENGTH, target=b"/hooks/../hooks/calendars"), BODY], [404]),
        # Two signatures, a body that is shorter or longer than its signature says.
        ([_head(b"X-GHL-Signature: N/A\r\n", SIGNED, LENGTH), BODY], [401]),
        ([_head(SIGNED, b"Content-Length: 5\r\n"), BODY], [401]),
        ([_head(SIGNED, b"X-WH-Signature: x\r\n", LENGTH), BODY[:-1] + b" "], [401]),
        ([_head(b"X-GHL-Signature: " + b"A" * 30_000 + b"\r\n", LENGTH), BODY], [401]),
        # What no vendor sends: refused, whatever it is meant to be.
        ([_head(SIGNED, b"Content-Length: -1\r\n"), BODY], [400]),
        ([_head(SIGNED, b"Content-Length: 1e3\r\n"), BODY], [400]),
        ([_head(SIGNED, CHUNKED), b"zz\r\n", BODY], [400]),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"], [400]),
        ([b"GET /livez HTTP/1.1\r\n\r\n"], [400]),
    ],
)
def test_what_comes_over_the_wire(live: Live, pieces: list[bytes], statuses: list[int]) -> None:
    assert _wire(live, *pieces) == statuses
    taken = statuses[-1] == 200
    assert live.waiting() == (["ghl record a1"] if taken else [])
    assert live.post("/livez", b"", method="GET") == 200
