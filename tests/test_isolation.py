"""The walls around every test: what conftest promises."""

import os
import socket

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("10.0.0.1", 443)])
def test_no_test_can_leave_this_machine(address: tuple[str, int]) -> None:
    with socket.socket() as sock, pytest.raises(AssertionError, match="tried to connect"):
        sock.connect(address)


def test_no_test_can_resolve_a_name() -> None:
    with pytest.raises(AssertionError, match="asked for the address"):
        socket.create_connection(("api.example.com", 443))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()


def test_a_developers_own_settings_do_not_leak_in() -> None:
    ours = [name for name in os.environ if name.startswith("SYNCD_")]
    assert [name for name in ours if not name.startswith("SYNCD_TEST_")] == []
