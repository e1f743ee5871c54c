"""Pairs and other values to put into a store."""

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.model import Appointment, Pair
from syncd.store import Store
from syncd.store.link_store import SqlLinkStore

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def some_pair(number: int = 1, **more: object) -> Pair:
    """Pair number so and so: g1 with h1, an hour after the one before it."""
    start = NINE + timedelta(hours=number)
    shown = Appointment(
        title=f"Visit {number}",
        start=start,
        end=start + timedelta(minutes=30),
        status="confirmed",
        contact=f"c{number}",
    )
    made = Pair(
        ghl_id=f"g{number}",
        hubspot_id=f"h{number}",
        ghl=shown,
        hubspot=replace(shown, status="SCHEDULED", contact=f"k{number}"),
        calendar="cal-1",
    )
    return replace(made, **more)  # type: ignore[arg-type] # a test names real fields


@pytest.fixture
def unused_port() -> Callable[[], int]:
    """A port of this machine where nobody listens."""

    def find() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
            return port

    return find


@pytest.fixture
def link(store: Store) -> SqlLinkStore:
    return store.link("clinic")


@pytest.fixture
def a_pair() -> Callable[..., Pair]:
    """`a_pair(3, marked=True)`: pair number 3, changed."""
    return some_pair


@pytest.fixture
def saved(link: SqlLinkStore) -> Callable[..., list[Pair]]:
    """`saved(pair, …)`: the pairs as they were saved, with their keys."""

    def save(*pairs: Pair) -> list[Pair]:
        with link.begin() as transaction:
            return transaction.save_pairs(pairs)

    return save
