"""`syncd status` beside no daemon: what it says, and the codes it ends with."""

import json
from collections.abc import Callable
from typing import Any

from vendor_accounts import VendorAccounts

from syncd.observability.heartbeat import HEARTBEAT, Heartbeat
from syncd.observability.state import State

Syncd = Callable[..., Any]


def heartbeat(clinic: VendorAccounts, said: Heartbeat) -> None:
    """What a daemon would have left in the store."""
    from syncd.bootstrap import open_app
    from syncd.config import load

    with (
        open_app(load(clinic.folder / "config.toml")) as app,
        app.link_store("clinic").begin() as transaction,
    ):
        transaction.set_state(HEARTBEAT, said.as_text())


def test_a_store_that_is_not_there_is_not_made(syncd: Syncd, clinic: VendorAccounts) -> None:
    assert syncd("status").code == 2
    assert not (clinic.folder / "syncd.db").exists()


def test_it_needs_no_credentials(syncd: Syncd, clinic: VendorAccounts, monkeypatch: Any) -> None:
    del clinic
    syncd("db", "upgrade")
    monkeypatch.delenv("GHL_TOKEN")
    monkeypatch.delenv("HUBSPOT_TOKEN")
    assert syncd("status").code == 0


def test_after_a_good_cycle_it_says_so(syncd: Syncd, clinic: VendorAccounts) -> None:
    clinic.book()
    syncd("setup")
    syncd("--sync-now")
    shown = syncd("status", "--check")
    assert shown.code == 0
    told = syncd("status")
    assert "clinic: in step" in told.out
    assert "pairs: 1" in told.out
    assert "no daemon runs" in told.out


def test_the_json_is_the_contract(syncd: Syncd, clinic: VendorAccounts) -> None:
    clinic.book()
    syncd("setup")
    syncd("--sync-now")
    told = json.loads(syncd("status", "--json").out)
    assert list(told) == ["version", "exit_code", "at", "links"]
    assert (told["version"], told["exit_code"]) == (1, 0)
    assert told["links"]["clinic"]["state"] == "ok"
    assert told["links"]["clinic"]["daemon"] is False


def test_a_daemon_that_vanished_is_the_worst_of_all(syncd: Syncd, clinic: VendorAccounts) -> None:
    from datetime import UTC, datetime

    syncd("db", "upgrade")
    heartbeat(clinic, Heartbeat(state=State.OK, at=datetime(2026, 1, 1, tzinfo=UTC)))
    checked = syncd("status", "--check")
    assert checked.code == 1
    assert "syncd run" in checked.out


def test_check_says_the_code_of_the_worst_link_and_plain_status_does_not(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    from syncd.bootstrap import SystemClock

    syncd("db", "upgrade")
    heartbeat(clinic, Heartbeat(state=State.REFUSED, at=SystemClock().now(), detail="401"))
    assert (syncd("status").code, syncd("status", "--check").code) == (0, 6)


def test_a_run_that_could_not_begin_is_no_longer_in_step(
    syncd: Syncd, clinic: VendorAccounts, monkeypatch: Any
) -> None:
    clinic.book()
    syncd("setup")
    syncd("--sync-now")
    with monkeypatch.context() as without:
        without.delenv("GHL_TOKEN")
        assert syncd("--sync-now").code == 2
        checked = syncd("status", "--check")
        assert (checked.code, "GHL_TOKEN" in checked.out) == (2, True)
    syncd("--sync-now")
    assert syncd("status", "--check").code == 0


def test_watch_and_json_exclude_each_other(syncd: Syncd, clinic: VendorAccounts) -> None:
    del clinic
    assert syncd("status", "--watch", "--json").code == 2
