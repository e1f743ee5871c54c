"""`syncd db backup` and `db copy` on a real store."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import StandingClock
from vendor_accounts import VendorAccounts

from syncd.store import Store, open_engine

Syncd = Callable[..., Any]


@pytest.fixture
def synced(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """A clinic with one pair in its store."""
    assert syncd("setup").code == 0
    clinic.book("Check-up")
    assert syncd("--sync-now").code == 0
    return clinic


def test_a_backup_can_be_worked_with_like_the_store(
    syncd: Syncd, synced: VendorAccounts, tmp_path: Path
) -> None:
    made = syncd("db", "backup", "copy.db")
    assert made.code == 0, made.err
    assert "was copied to copy.db" in made.out
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    (tmp_path / "copy.db").replace(tmp_path / "syncd.db")
    synced.world.reset_requests()
    assert "nothing to write" in syncd("--sync-now").out
    assert synced.writes() == 0


@pytest.mark.usefixtures("synced")
def test_a_backup_never_replaces_a_file(syncd: Syncd, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    result = syncd("db", "backup", "copy.db")
    assert result.code == 2
    assert "exists already: choose another name" in result.err
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_copy_holds_the_pairs_and_says_what_to_change(
    syncd: Syncd, synced: VendorAccounts
) -> None:
    made = syncd("db", "copy", "sqlite:///other.db")
    assert made.code == 0, made.err
    assert "1 pair copied to" in made.out
    assert "set store.url" in made.out
    (synced.folder / "other.db").replace(synced.folder / "syncd.db")
    assert "nothing to write" in syncd("--sync-now").out


@pytest.mark.usefixtures("synced")
def test_a_copy_into_a_store_that_holds_links_is_refused(syncd: Syncd) -> None:
    assert syncd("db", "copy", "sqlite:///other.db").code == 0
    again = syncd("db", "copy", "sqlite:///other.db")
    assert again.code == 2
    assert "copy into an empty database" in again.err


def test_a_copy_is_refused_while_somebody_works_on_a_link(
    syncd: Syncd, synced: VendorAccounts
) -> None:
    url = f"sqlite:///{synced.folder / 'syncd.db'}"
    with Store(open_engine(url), StandingClock()) as store, store.acquire("clinic", "run"):
        result = syncd("db", "copy", "sqlite:///other.db")
    assert result.code == 5
    assert "link 'clinic' is held by another syncd (syncd run, process" in result.err
    assert not (synced.folder / "other.db").exists()


def test_nobody_works_on_a_link_while_it_is_copied(
    syncd: Syncd, synced: VendorAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{synced.folder / 'syncd.db'}"
    during: list[str] = []

    def copy(*_: object) -> int:
        with Store(open_engine(url), StandingClock()) as store:
            during.append(str(store.holder("clinic")))
        return 0

    monkeypatch.setattr("syncd.store.backup.copy", copy)
    assert syncd("db", "copy", "sqlite:///other.db").code == 0
    assert during[0].startswith("syncd db copy, process")
    with Store(open_engine(url), StandingClock()) as store:
        assert store.holder("clinic") is None


@pytest.mark.usefixtures("synced")
def test_an_address_that_is_none_is_told_before_anything_is_done(syncd: Syncd) -> None:
    result = syncd("db", "copy", "mysql://nowhere")
    assert result.code == 2
    assert "URL" in result.err


@pytest.mark.parametrize("line", [("db", "backup", "copy.db"), ("db", "copy", "sqlite:///o.db")])
@pytest.mark.usefixtures("clinic")
def test_there_is_nothing_to_copy_before_the_first_sync(
    syncd: Syncd, tmp_path: Path, line: tuple[str, ...]
) -> None:
    assert syncd(*line).code == 2
    assert {each.name for each in tmp_path.iterdir()} == {"config.toml"}
