"""A daemon does not wait for a look at all of a large store; what it writes to vendors does."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from vendor_accounts import VendorAccounts

from syncd.bootstrap import open_app
from syncd.config import load
from syncd.core.outcome import Outcome
from syncd.engine.cycle import CycleRequest
from syncd.errors import StoreError
from syncd.sandbox import SandboxSettings
from syncd.store import migrate

TOKENS = {
    "GHL_TOKEN": SandboxSettings().ghl_token,
    "HUBSPOT_TOKEN": SandboxSettings().hubspot_token,
}


@pytest.fixture
def used(clinic: VendorAccounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of a clinic with one booking that is mirrored and one that waits; it is large."""
    settings = load(clinic.configure(), TOKENS, tmp_path)
    clinic.book("Mirrored")
    with open_app(settings, make_store=True, env=TOKENS) as app:
        app.setup("clinic")
        assert app.cycle("clinic", CycleRequest()).outcome is Outcome.OK
    clinic.book("Waiting", hours=48)
    monkeypatch.setattr(migrate, "LARGE", 0)
    return tmp_path / "syncd.db"


@pytest.fixture
def cycle(clinic: VendorAccounts, tmp_path: Path) -> Callable[[], Outcome]:
    """A cycle as the daemon runs one: the outcome."""

    def run() -> Outcome:
        settings = load(clinic.configure(), TOKENS, tmp_path)
        with (
            open_app(settings, make_store=True, at_once=True, env=TOKENS) as app,
            app.lock("clinic") as lease,
        ):
            kept = app.open_link("clinic", lease)
            try:
                return kept.cycle(CycleRequest(full=False)).outcome
            finally:
                kept.close()

    return run


def spoil(file: Path, table: str) -> None:
    with sqlite3.connect(file) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        page = int(connection.execute(query, (table,)).fetchone()[0]) - 1
    whole = bytearray(file.read_bytes())
    whole[page * 4096 : page * 4096 + 2048] = b"\xa5" * 2048
    file.write_bytes(whole)


def test_a_large_store_that_holds_together_is_worked_with(
    clinic: VendorAccounts, used: Path, cycle: Callable[[], Outcome]
) -> None:
    assert used.exists()
    assert cycle() is Outcome.OK
    assert len(clinic.hubspot.records()) == 2


def test_nothing_is_written_to_a_vendor_from_a_large_store_that_is_corrupt(
    clinic: VendorAccounts, used: Path, cycle: Callable[[], Outcome]
) -> None:
    spoil(used, "letter")  # no cycle reads it
    with pytest.raises(StoreError, match="is corrupt: replace it with a backup"):
        cycle()
    assert len(clinic.hubspot.records()) == 1


def test_a_program_that_ends_does_not_wait_for_the_look(clinic: VendorAccounts, used: Path) -> None:
    settings = load(clinic.configure(), TOKENS, used.parent)
    with open_app(settings, make_store=True, at_once=True, env=TOKENS) as app:
        store = app.store
    with pytest.raises(StoreError, match="nothing is written any more"):
        store.ensure_intact()


def test_a_verb_looks_at_all_of_a_large_store_before_anything_else(
    clinic: VendorAccounts, used: Path
) -> None:
    spoil(used, "letter")
    settings = load(clinic.configure(), TOKENS, used.parent)
    with pytest.raises(StoreError, match="is corrupt"):
        open_app(settings, make_store=True, env=TOKENS)
