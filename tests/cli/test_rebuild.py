"""A lost store: `syncd rebuild`, or a plain cycle, pairs everything again and makes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


@pytest.fixture
def lost(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """Six pairs of both births; people worked on while the store was away."""
    assert syncd("setup").code == 0
    for number in range(3):
        clinic.book(f"Visit {number}", hours=2 * number)
        clinic.make(f"Call {number}", hours=24 + 2 * number)
    assert syncd("--sync-now").code == 0
    (clinic.folder / "syncd.db").unlink()
    return clinic


def records(clinic: VendorAccounts) -> dict[str, str]:
    return {r.properties["hs_appointment_name"]: r.id for r in clinic.hubspot.records()}


def report(done: Any) -> Any:
    return json.loads(done.out)["links"]["clinic"]


def made_or_removed(told: Any) -> list[int]:
    return [told[side][what] for side in ("ghl", "hubspot") for what in ("created", "removed")]


@pytest.mark.parametrize("how", ["rebuild", "--sync-now"])
def test_everything_finds_its_pair_again_and_nothing_is_made(
    syncd: Syncd, lost: VendorAccounts, how: str
) -> None:
    """What one side lacks is filled in, as where two records meet for the first time."""
    lost.world.reset_requests()
    done = syncd(how, "--json")
    assert done.code == 0, done.err
    told = report(done)
    assert (told["pairs"], told["adopted"], told["held"]) == (6, 6, [])
    assert made_or_removed(told) == [0, 0, 0, 0]
    if how == "rebuild":
        assert lost.writes() == 0
    told = report(syncd("--sync-now", "--json"))
    assert (told["pairs"], told["adopted"], made_or_removed(told)) == (6, 0, [0, 0, 0, 0])
    lost.world.reset_requests()
    assert syncd("--sync-now").code == 0
    assert lost.writes() == 0


@pytest.mark.parametrize("how", ["rebuild", "--sync-now"])
def test_what_was_removed_meanwhile_is_not_made_again(
    syncd: Syncd, lost: VendorAccounts, how: str
) -> None:
    """Nobody remembers that they were a pair but the records themselves."""
    ids = records(lost)
    event = next(e.id for e in lost.ghl.appointments if e.title == "Visit 0")
    lost.ghl.delete(event)
    lost.hubspot.archive(ids["Visit 1"])
    lost.hubspot.archive(ids["Call 0"])
    before = len(list(lost.ghl.appointments)), len(ids)
    assert syncd(how).code == 0
    for _ in range(2):
        done = syncd("--sync-now", "--json")
        assert done.code == 0, done.out
        told = report(done)
        assert (told["ghl"]["created"], told["hubspot"]["created"]) == (0, 0)
    here, there = len(list(lost.ghl.appointments)), len(lost.hubspot.records())
    assert (here, there + len(lost.hubspot.archived())) == before


def test_what_is_new_is_left_for_the_next_cycle(syncd: Syncd, lost: VendorAccounts) -> None:
    lost.book("New", hours=100)
    lost.world.reset_requests()
    assert syncd("rebuild").code == 0
    assert lost.writes() == 0
    told = report(syncd("--sync-now", "--json"))
    assert (told["pairs"], told["hubspot"]["created"]) == (7, 1)
