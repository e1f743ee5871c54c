"""The sandbox on a socket: kept connections, threads, dropped answers, a clean stop."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, active_count
from typing import Any

import httpx
import pytest

from syncd.sandbox import SandboxServer, SandboxWorld, serve

OBJECTS = "/crm/objects/2026-03/0-421"
CREATE: dict[str, Any] = {"properties": {"hs_appointment_name": "Ünïcödé"}, "associations": []}


@pytest.fixture
def server(world: SandboxWorld) -> Iterator[SandboxServer]:
    with serve(world) as running:
        yield running


@pytest.fixture
def client(world: SandboxWorld, server: SandboxServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {world.settings.hubspot_token}"}
    with httpx.Client(base_url=server.hubspot_url, headers=headers, timeout=5) as opened:
        yield opened


def test_both_vendors_answer_over_http(
    world: SandboxWorld, server: SandboxServer, client: httpx.Client
) -> None:
    made = client.post(OBJECTS, json=CREATE)
    assert made.status_code == 201
    shown = client.get(f"{OBJECTS}/{made.json()['id']}?properties=hs_appointment_name")
    assert shown.json()["properties"]["hs_appointment_name"] == "Ünïcödé"
    assert client.delete(f"{OBJECTS}/{made.json()['id']}").status_code == 204
    assert client.get(OBJECTS).json() == {"results": []}
    headers = {"Authorization": f"Bearer {world.location.token}", "Version": "2021-07-28"}
    place = client.get(f"{server.ghl_url}/locations/{world.location.id}", headers=headers)
    assert place.json()["location"]["id"] == world.location.id
    assert client.get(f"{server.control_url}/state").status_code == 200


def test_one_connection_serves_many_requests(server: SandboxServer, world: SandboxWorld) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    request = (
        "GET /hubspot/crm/owners/2026-03 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {world.settings.hubspot_token}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(world.requests) == 3


def test_many_threads_write_without_losing_anything(
    client: httpx.Client, world: SandboxWorld
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post(OBJECTS, json=CREATE), range(40)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == len(world.portal.records()) == 40


@pytest.mark.parametrize(
    ("kind", "error", "happened"),
    [
        ("drop_before", httpx.RemoteProtocolError, False),
        ("drop_after", httpx.RemoteProtocolError, True),
        ("timeout_after", httpx.ReadTimeout, True),
        ("cut_body", httpx.RemoteProtocolError, True),
    ],
)
def test_faults_reach_the_socket(
    kind: Any,
    error: type[Exception],
    happened: bool,
    world: SandboxWorld,
    client: httpx.Client,
) -> None:
    world.faults.add(kind=kind)
    with pytest.raises(error):
        client.post(OBJECTS, json=CREATE, timeout=0.3)
    assert len(world.portal.records()) == int(happened)
    assert client.post(OBJECTS, json=CREATE).status_code == 201


def test_the_server_stops_while_answers_wait(world: SandboxWorld) -> None:
    world.faults.add(kind="timeout_before")
    before, sent, outcomes = active_count(), Event(), list[Exception]()
    world.before_request = lambda _: sent.set()

    def ask(url: str) -> None:
        try:
            httpx.get(f"{url}/crm/owners/2026-03", timeout=60)
        except httpx.TransportError as error:
            outcomes.append(error)

    with serve(world) as server:
        asking = Thread(target=ask, args=(server.hubspot_url,))
        asking.start()
        assert sent.wait(10)
    asking.join(10)
    assert len(outcomes) == 1
    assert active_count() <= before + 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/control/state")


def test_a_port_may_be_chosen_and_is_free_again_afterwards(world: SandboxWorld) -> None:
    with serve(world) as first:
        port = int(first.url.rsplit(":", 1)[1])
    with serve(world, port=port) as second:
        assert second.url == first.url
